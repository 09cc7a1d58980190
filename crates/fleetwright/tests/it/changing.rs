//! `create`, `apply`, `delete`, `set`, `unset`, `import`.

use crate::server;
use crate::transcript::Shell;

const NEW_CLUSTER: &str = "\
id: aws:100:eu-central-1:kube-9
alias: shop-9
infrastructure_account: aws:100
region: eu-central-1
local_id: kube-9
provider: zalando-aws
api_server_url: https://kube-9.shop.example.org
channel: dev
environment: test
criticality_level: 1
lifecycle_status: requested
config_items: {a_key: value}
node_pools:
- {name: worker, profile: worker-splitaz, instance_types: [m6i.large], discount_strategy: none, min_size: 1, max_size: 2}
- {name: spare, profile: worker-splitaz, instance_types: [m6i.large], discount_strategy: none, min_size: 0, max_size: 2}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_from_its_creation_to_its_removal() {
    let server = server::with_fleet().await;
    let shell = Shell::at(&server);
    shell.file("new/cluster.yaml", NEW_CLUSTER);
    shell.file("beta.yaml", "{id: 'aws:100:eu-central-1:kube-9', channel: beta}\n");
    let one_pool = "id: aws:100:eu-central-1:kube-9\nnode_pools:\n- {name: worker, profile: worker-splitaz, instance_types: [m6i.xlarge], discount_strategy: none, min_size: 1, max_size: 4}\nkind: Cluster\n";
    shell.file("pools.yaml", one_pool);
    shell.file("pool.json", r#"{"cluster": "shop-9", "name": "gpu", "profile": "p", "instance_types": ["g5.xlarge"], "discount_strategy": "none", "min_size": 0, "max_size": 1}"#);
    insta::assert_snapshot!(shell.runs(&[
        &["create", "-f", "new", "--dry-run"],
        &["get", "cluster", "shop-9"],
        &["create", "-f", "new"],
        &["create", "-f", "new"],
        &["create", "-f", "new", "--dry-run"],
        &["apply", "-f", "new/cluster.yaml"],
        &["apply", "-f", "beta.yaml", "--dry-run"],
        &["apply", "-f", "beta.yaml"],
        &["apply", "-f", "beta.yaml"],
        &["apply", "-f", "pools.yaml"],
        &["apply", "-f", "pools.yaml", "--prune"],
        &["apply", "-f", "pool.json"],
        &["get", "nodepools", "-c", "shop-9"],
        &["delete", "nodepool", "gpu", "-c", "shop-9", "--dry-run"],
        &["delete", "nodepool", "gpu", "-c", "shop-9"],
        &["delete", "cluster", "shop"],
        &["delete", "cluster", "shop", "--dry-run"],
        &["delete", "-f", "new"],
        &["delete", "cluster", "shop-9", "--ignore-not-found"],
        &["get", "clusters", "-o", "name"],
    ]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_get_prints_apply_takes() {
    let server = server::with_fleet().await;
    let shell = Shell::at(&server);
    for kind in ["clusters", "nodepools", "accounts"] {
        let output = shell.command().args(["get", kind, "-o", "yaml"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let applied = shell.run_with(&["apply", "-f", "-"], &text, shell.command());
        let lines: Vec<&str> = applied.lines().skip(1).collect();
        assert!(
            !lines.is_empty() && lines.iter().all(|line| line.ends_with(" unchanged")),
            "{applied}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn config_items() {
    let server = server::with_fleet().await;
    let shell = Shell::at(&server);
    shell.file("cert.pem", "-----BEGIN-----\nx\n-----END-----\n");
    let mut text = shell.runs(&[
        &["set", "config-item", "shop", "a_key=1", "b_key=x=y", "--dry-run"],
        &["set", "config-item", "shop", "a_key=1", "b_key=x=y"],
        &["set", "config-item", "shop", "a_key=1"],
        &["set", "config-item", "shop", "--from-file", "worker_cert=cert.pem"],
        &["set", "config-item", "shop", "-p", "worker", "labels=a=b"],
        &["set", "config-item", "shop", "-p", "nothing", "labels=a=b"],
        &["set", "config-item", "shop", "Wrong-Key=1"],
        &["set", "config-item", "shop", "a_key=1", "a_key=2"],
        &["unset", "config-item", "shop", "a_key", "no_such", "--dry-run"],
        &["unset", "config-item", "shop", "a_key", "no_such"],
        &["unset", "config-item", "shop", "a_key"],
        &["unset", "config-item", "shop", "-p", "worker", "taints"],
    ]);
    text.push('\n');
    text.push_str(&shell.run_with(
        &["set", "config-item", "shop", "db_password=-"],
        "from stdin\n",
        shell.command(),
    ));
    text.push_str(&shell.run(&[
        "get",
        "cluster",
        "shop",
        "-o",
        "jsonpath={.config_items} {.node_pools[1].config_items}{\"\\n\"}",
    ]));
    insta::assert_snapshot!(text);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents() {
    let server = server::empty().await;
    let shell = Shell::at(&server);
    shell.file("fleet.yaml", include_str!("fixtures/fleet.yaml"));
    insta::assert_snapshot!(shell.runs(&[
        &["import", "-f", "fleet.yaml", "--dry-run"],
        &["import", "-f", "fleet.yaml"],
        &["import", "-f", "fleet.yaml"],
        &["import", "-f", "fleet.yaml", "--dry-run"],
        &["import", "-f", "fleet.yaml", "--mode", "apply", "--dry-run"],
        &["import", "-f", "fleet.yaml", "--mode", "apply"],
    ]));
}
