//! `plan --forecast` and `rehearse`: from the command line to text, JSON and the page.

use crate::config_commands::repository;
use crate::transcript::Shell;

const REGISTRY: &str = "\
infrastructure_accounts: []
clusters:
- {id: 'aws:1:eu-central-1:shop', alias: shop, infrastructure_account: 'aws:1', region: eu-central-1, local_id: shop,
   provider: simulated, api_server_url: https://shop.example.org, channel: beta, environment: test, criticality_level: 1,
   lifecycle_status: ready, config_items: {drain_grace_period: 2h}, status: {problems: []},
   node_pools: [{name: workers, profile: worker, instance_types: [m5.xlarge], discount_strategy: none, min_size: 2, max_size: 2,
     config_items: {}}]}
- {id: 'aws:1:eu-central-1:other', alias: other, infrastructure_account: 'aws:1', region: eu-central-1, local_id: other,
   provider: simulated, api_server_url: https://other.example.org, channel: beta, environment: test, criticality_level: 1,
   lifecycle_status: ready, config_items: {}, node_pools: [], status: {problems: []}}
";
const FACTS: &str = "\
defaults: {simulated: true, subnets: {eu-central-1a: subnet-a, '*': subnet-a}, availability_zones: [eu-central-1a]}
";
const POOL: &str = "\
Resources:
  AutoScalingGroup:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties:
      MinSize: {{ .NodePool.MinSize }}
      MaxSize: {{ .NodePool.MaxSize }}
      VPCZoneIdentifier: [subnet-a]
      LaunchTemplate: {LaunchTemplateId: !Ref LaunchTemplate, Version: !GetAtt LaunchTemplate.LatestVersionNumber}
  LaunchTemplate:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateData: {InstanceType: '{{ .NodePool.InstanceType }}', ImageId: IMAGE}
";
const DUMP: &str = "\
apiVersion: v1
kind: List
items:
- {kind: Node, metadata: {name: ip-1, creationTimestamp: '2026-01-01T00:00:00Z', labels: {node.kubernetes.io/node-pool: workers}},
   status: {conditions: [{type: Ready, status: 'True', lastHeartbeatTime: '2026-01-05T08:00:00Z'}]}}
- {kind: Node, metadata: {name: ip-2, creationTimestamp: '2026-01-01T00:00:00Z', labels: {node.kubernetes.io/node-pool: workers}},
   status: {conditions: [{type: Ready, status: 'True'}]}}
- {kind: Namespace, metadata: {name: shop, creationTimestamp: '2026-01-01T00:00:00Z'}}
- {kind: ReplicaSet, metadata: {name: cart, namespace: shop, uid: rs, creationTimestamp: '2026-01-01T00:00:00Z'},
   spec: {replicas: 1, selector: {matchLabels: {app: cart}}, template: {metadata: {labels: {app: cart, team: team-cart}},
     spec: {containers: [{name: app, image: 'app:1'}]}}}}
- {kind: Pod, metadata: {name: cart-1, namespace: shop, uid: p1, creationTimestamp: '2026-01-05T07:00:00Z',
     labels: {app: cart, team: team-cart}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: cart, uid: rs, controller: true}]},
   spec: {nodeName: ip-1, containers: [{name: app, image: 'app:1'}]},
   status: {phase: Running, conditions: [{type: Ready, status: 'True', lastTransitionTime: '2026-01-05T07:01:00Z'}]}}
- {kind: PodDisruptionBudget, metadata: {name: cart, namespace: shop, uid: b, generation: 1, creationTimestamp: '2026-01-01T00:00:00Z'},
   spec: {maxUnavailable: 0, selector: {matchLabels: {app: cart}}},
   status: {observedGeneration: 1, expectedPods: 1, currentHealthy: 1, desiredHealthy: 1, disruptionsAllowed: 0}}
";
const SOURCES: [&str; 8] = [
    "--config-source",
    "main:dir:before",
    "--to-config-source",
    "main:dir:after",
    "--registry",
    "registry.yaml",
    "--facts",
    "facts.yaml",
];

/// Two trees that differ in the image of the nodes.
fn shell() -> Shell {
    let shell = Shell::of_url("http://[SERVER]");
    shell.file("registry.yaml", REGISTRY);
    shell.file("facts.yaml", FACTS);
    shell.file("shop.yaml", DUMP);
    for (tree, image) in [("before", "ami-1"), ("after", "ami-2")] {
        shell.file(
            &format!("{tree}/cluster/config-defaults.yaml"),
            "drain_min_pod_lifetime: 8h\n",
        );
        shell.file(
            &format!("{tree}/cluster/cluster.yaml"),
            "Resources:\n  Role: {Type: 'AWS::IAM::Role'}\n",
        );
        shell.file(
            &format!("{tree}/cluster/node-pools/worker/stack.yaml"),
            &POOL.replace("IMAGE", image),
        );
        shell.file(
            &format!("{tree}/cluster/node-pools/worker/userdata.yaml"),
            "#cloud-config\n",
        );
        let manifest = "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n";
        shell.file(&format!("{tree}/cluster/manifests/a/a.yaml"), manifest);
    }
    shell
}

fn run(shell: &Shell, command: &str, args: &[&str]) -> String {
    shell.run(&[&[command], args, &SOURCES].concat())
}

#[test]
fn a_plan_forecasts_what_a_dump_shows() {
    let shell = shell();
    let text = run(&shell, "plan", &["--cluster", "shop", "--forecast", "shop.yaml"]);
    for expected in [
        "Forecast for cluster shop as of 2026-01-05 08:00 UTC (shop.yaml)",
        "-/+ node pool workers: 2 nodes with 1 pod are replaced; launch template changes: ImageId",
        "pods of   team-cart 1 (1 protected)",
        // The grace period is over at 10:00, but the pod has to live for eight hours.
        "force not before 2026-01-05 15:00 UTC (in 7h), when the pod has had its minimum lifetime; owner team-cart",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let json = run(
        &shell,
        "plan",
        &["--cluster", "shop", "--forecast", "shop=shop.yaml", "-o", "json"],
    );
    assert!(
        json.contains("\"forecasts\"") && json.contains("\"at_latest\""),
        "{json}"
    );
    let markdown = run(
        &shell,
        "plan",
        &["--all", "--forecast", "shop=shop.yaml", "-o", "markdown"],
    );
    assert!(
        markdown.contains("<summary>Forecast: shop rolls 1 node pool"),
        "{markdown}"
    );
}

#[test]
fn dumps_that_cannot_be_used_are_refused_with_file_and_field() {
    let shell = shell();
    let broken = DUMP.replace("uid: p1, ", "");
    shell.file("broken.yaml", &broken);
    shell.file(
        "nonodes.yaml",
        "kind: Pod\nmetadata: {name: a, creationTimestamp: '2026-01-01T00:00:00Z'}\n",
    );
    shell.file("text.yaml", "hello: there\n");
    let orphan: String = DUMP.replace(
        "kind: ReplicaSet, metadata: {name: cart,",
        "kind: ReplicaSet, metadata: {name: another,",
    );
    shell.file("orphan.yaml", &orphan);
    for (command, args, expected) in [
        (
            "plan",
            ["--forecast", "broken.yaml"],
            "broken.yaml, line 1, items[4]: Pod shop/cart-1 cannot be read: /metadata/uid is missing or not a text",
        ),
        (
            "rehearse",
            ["--dump", "broken.yaml"],
            "broken.yaml, line 1, items[4]: Pod shop/cart-1 cannot be read: /metadata/uid is missing or not a text",
        ),
        ("plan", ["--forecast", "nonodes.yaml"], "nonodes.yaml: holds no Node"),
        (
            "plan",
            ["--forecast", "text.yaml"],
            "text.yaml, line 1: kind is missing: not an object of a cluster",
        ),
        (
            "plan",
            ["--forecast", "nothing.yaml"],
            "nothing.yaml: there is no such file",
        ),
        (
            "rehearse",
            ["--dump", "orphan.yaml"],
            "pod shop/cart-1 belongs to ReplicaSet cart, which is not among the objects",
        ),
    ] {
        let text = run(&shell, command, &[&["--cluster", "shop"], &args[..]].concat());
        assert!(
            text.contains(expected) && text.ends_with("= Some(1)\n"),
            "{expected}\n{text}"
        );
    }
    let several = run(&shell, "plan", &["--all", "--forecast", "shop.yaml"]);
    assert!(
        several.contains("shop.yaml: which cluster is this? Several are selected"),
        "{several}"
    );
}

#[test]
fn unknown_commits_and_clusters_are_refused() {
    let shell = shell();
    // The same files as in a directory, in a repository: directories know no commits.
    for file in [
        "cluster/config-defaults.yaml",
        "cluster/cluster.yaml",
        "cluster/node-pools/worker/stack.yaml",
    ] {
        let text = std::fs::read_to_string(shell.home.path().join("before").join(file)).unwrap();
        shell.file(&format!("tree/{file}"), &text);
    }
    repository(&shell);
    let git = [
        "rehearse",
        "--config-source",
        "main:git:./tree",
        "--registry",
        "registry.yaml",
        "--cluster",
        "shop",
    ];
    let text = shell.run(&[&git[..], &["--from", "no-such-commit", "--to", "HEAD"]].concat());
    assert!(
        text.contains("no-such-commit") && text.ends_with("= Some(1)\n"),
        "{text}"
    );
    for (args, expected, code) in [
        (
            ["--cluster", "nobody", "--seeds", "1"],
            "cluster \"nobody\" not found",
            1,
        ),
        (["--cluster", "shop", "--seeds", "0"], "0 is not in 1..=10000", 2),
    ] {
        let text = run(&shell, "rehearse", &args);
        assert!(
            text.contains(expected) && text.ends_with(&format!("= Some({code})\n")),
            "{expected}\n{text}"
        );
    }
}

#[test]
fn a_rehearsal_is_told_as_text_json_and_page() {
    let shell = shell();
    let text = run(
        &shell,
        "rehearse",
        &["--cluster", "shop", "--dump", "shop.yaml", "--days", "1"],
    );
    for expected in [
        "Rehearsal from each cluster's channel to each cluster's channel, seed 1, on a twin of 1 cluster from 2026-01-05 08:00 UTC",
        "The cluster is at the new version after ",
        "Forced terminations",
        "team-cart",
        "blocked by PDB shop/cart (max unavailable 0 never allows an eviction)",
        "within",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let page = [
        "--cluster",
        "shop",
        "--profile",
        "empty",
        "--days",
        "1",
        "-o",
        "html",
        "--out",
        "page.html",
        "--detailed-exitcode",
    ];
    let said = run(&shell, "rehearse", &page);
    assert!(said.contains("wrote page.html") && !said.contains("= Some"), "{said}");
    let written = std::fs::read_to_string(shell.home.path().join("page.html")).unwrap();
    assert!(written.starts_with("<!doctype html>") && written.contains("is at the new version"));
    let first = run(
        &shell,
        "rehearse",
        &[
            "--cluster",
            "shop",
            "--profile",
            "empty",
            "--days",
            "1",
            "-o",
            "json",
            "--out",
            "a.json",
        ],
    );
    let second = run(
        &shell,
        "rehearse",
        &[
            "--cluster",
            "shop",
            "--profile",
            "empty",
            "--days",
            "1",
            "-o",
            "json",
            "--out",
            "b.json",
        ],
    );
    let read = |name: &str| std::fs::read(shell.home.path().join(name)).unwrap_or_else(|_| panic!("{first}{second}"));
    assert_eq!(read("a.json"), read("b.json"), "two processes, one report");
}
