//! Bad input and bad luck: the exact words and the exit code.

use crate::server;
use crate::transcript::Shell;

#[tokio::test(flavor = "multi_thread")]
async fn bad_input() {
    let server = server::with_fleet().await;
    let shell = Shell::at(&server);
    shell.file("kind.yaml", "{kind: Pod, id: ab}\n");
    shell.file("member.yaml", "{id: ab, alias: ab, chanel: beta}\n");
    shell.file("missing.yaml", "{kind: Cluster, id: 'aws:1:r:ab', alias: ab}\n");
    shell.file("syntax.yaml", "id: [\n");
    shell.file("empty.yaml", "\n");
    shell.file(
        "secret.yaml",
        "{id: ab, alias: ab, config_items: {db_password: 12345}}\n",
    );
    shell.file("pool.yaml", "id: aws:200:eu-west-1:kube-2\nnode_pools:\n- {name: worker, profile: q, instance_types: [], discount_strategy: none, min_size: 3, max_size: 1}\nchannel: dev\n");
    insta::assert_snapshot!(shell.runs(&[
        &["get", "pods"],
        &["get", "clusters", "-o", "xml"],
        &["get", "clusters", "-o", "jsonpath={.items"],
        &["get", "clusters", "-o", "custom-columns=ID"],
        &["get", "clusters", "-l", "chanel=beta"],
        &["get", "clusters", "-l", "channel"],
        &["get", "clusters", "-c", "shop"],
        &["get", "cluster", "nothing"],
        &["get", "cluster", "Not_A_Name"],
        &["get", "nodepool", "nothing"],
        &["create", "-f", "nothing.yaml"],
        &["create", "-f", "kind.yaml"],
        &["create", "-f", "member.yaml"],
        &["create", "-f", "missing.yaml"],
        &["create", "-f", "syntax.yaml"],
        &["create", "-f", "empty.yaml"],
        &["create", "-f", "secret.yaml"],
        &["apply", "-f", "pool.yaml"],
        &["delete", "account", "aws:100"],
        &["delete", "nodepool", "worker"],
        &["history", "account", "aws:999"],
        &["set", "config-item", "shop", "a_key"],
    ]));
}

#[test]
fn an_unreachable_server() {
    // A port that was free a moment ago and that nobody listens on.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let shell = Shell::of_url(&format!("http://{free}"));
    insta::assert_snapshot!(shell.runs(&[
        &["get", "clusters"],
        &["version"],
        &["version", "--client", "-o", "json"]
    ]));
}

#[test]
fn urls_that_are_no_servers() {
    let shell = Shell::of_url("http://[SERVER]");
    insta::assert_snapshot!(shell.runs(&[
        &["get", "clusters", "-s", "registry.example.org"],
        &["get", "clusters", "-s", "https://me:hunter2@registry.example.org"],
        &[
            "get",
            "clusters",
            "-s",
            "http://127.0.0.1:1",
            "--ca-file",
            "nothing.pem"
        ],
    ]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_something_else() {
    let page = || async { axum::response::Html("<html>welcome</html>") };
    let app = axum::Router::new().fallback(page);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shell = Shell::of_url(&format!("http://{}", listener.local_addr().unwrap()));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    insta::assert_snapshot!(shell.runs(&[&["get", "clusters"], &["get", "cluster", "aws:1:r:kube-1"]]));
    server.abort();
}
