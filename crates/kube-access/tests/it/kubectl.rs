//! The installed kubectl beside us: what it applied becomes ours, and it can read our set.

use kube_access::apply::{Applier, Component, Memory};
use kube_access::applyset::ApplySet;
use kube_access::{Access, Endpoint};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::*;

async fn kubectl(home: &std::path::Path, url: &str, arguments: &str, input: &str) -> String {
    let mut child = tokio::process::Command::new("kubectl")
        .args(arguments.split_whitespace())
        .args(["--server", url])
        .env("HOME", home)
        .env("KUBECTL_APPLYSET", "true")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let done = child.wait_with_output().await.unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    )
}

#[tokio::test]
async fn kubectl_and_we_understand_each_other() {
    if std::process::Command::new("kubectl")
        .args(["version", "--client"])
        .output()
        .is_err()
    {
        println!("kubectl is not installed: this test passes over it");
        return;
    }
    let server = server();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(kube_sim::serve(server.clone(), listener, None, std::future::pending()));
    let home = tempfile::tempdir().unwrap();
    let mut old = config_map("m", "old");
    old["data"]["lingering"] = "x".into();
    let text = kubectl(home.path(), &url, "apply -f -", &old.to_string()).await;
    assert!(text.contains("configmap/m created"), "{text}");

    let endpoint = Endpoint {
        url: url.clone(),
        token: None,
        certificate_authority: None,
    };
    let mut context = context();
    context.clock = std::sync::Arc::new(ports::SystemClock);
    let applier = Applier::new(Access::from_token(context, &endpoint).unwrap(), ApplySet::default());
    let plan = applier
        .plan(&[Component::new("a", [config_map("m", "new")])])
        .await
        .unwrap();
    let pass = applier.apply(&plan, &mut Memory::default(), None).await.unwrap();
    assert!(pass.report.is_good(), "{}", pass.report);
    let live = server.read("", "configmaps", "default", "m").unwrap();
    assert_eq!(live["data"], json!({"k": "new"}));
    assert_eq!(live["metadata"].get("annotations"), None, "{live}");

    let selector = format!(
        "get configmaps -A -o name -l applyset.kubernetes.io/part-of={}",
        applier.set().id()
    );
    assert_eq!(kubectl(home.path(), &url, &selector, "").await, "configmap/m\n");
    // It sees whose the set is, and leaves it alone.
    let prune = "apply -n kube-system --prune --applyset=configmap/fleetwright -f -";
    let other =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other", "namespace": "kube-system"}})
            .to_string();
    let text = kubectl(home.path(), &url, prune, &other).await;
    assert!(
        text.contains("is managed by tooling \"fleetwright\" instead of \"kubectl\""),
        "{text}"
    );
    assert!(server.read("", "configmaps", "default", "m").is_some());
    // Handed over on purpose, it can go on with it: id, kinds and namespaces are what kubectl computes.
    let path = "/api/v1/namespaces/kube-system/configmaps/fleetwright";
    let handed_over = json!({"metadata": {"annotations": {"applyset.kubernetes.io/tooling": "kubectl/v1.32.0"}}});
    merge(&server, path, "x/1", &handed_over).await;
    let text = kubectl(home.path(), &url, prune, &other).await;
    assert!(text.contains("configmap/m pruned"), "{text}");
    let refused = applier.apply(&plan, &mut Memory::default(), None).await.unwrap_err();
    assert!(refused.to_string().contains("the set is managed by"), "{refused}");
}
