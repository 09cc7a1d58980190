//! HK-21 to HK-24: the start-up taint goes when the system pods of the node are ready, and never comes back.

use std::sync::Arc;

use controllers::leader::{Elector, LeaseOptions};
use controllers::readiness::{self, StartUpTaint};
use json_tree::{Value, json};
use kube_world::NodeSpec;

use crate::lab::Lab;

const TAINT: &str = "zalando.org/node-not-ready";

fn tainted(name: &str) -> NodeSpec {
    let mut spec = NodeSpec::new(name);
    spec.taints = vec![json!({"key": TAINT, "effect": "NoSchedule"})];
    spec
}

fn has_taint(node: &Value) -> bool {
    let taints = node["spec"]["taints"].as_array();
    taints.into_iter().flatten().any(|taint| taint["key"] == TAINT)
}

async fn daemon(lab: &Lab, name: &str, annotations: Value) {
    let object = json!({"metadata": {"name": name, "namespace": "kube-system"}, "spec": {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}, "annotations": annotations}, "spec": {
            "tolerations": [{"operator": "Exists"}], "containers": [{"name": "app", "image": "app:1"}]}}}});
    lab.create("apps", "daemonsets", object).await;
}

fn start(lab: &Lab, who: &'static str) -> tokio::task::JoinHandle<()> {
    let access = lab.access(who);
    let elector = Elector::new(access.clone(), LeaseOptions::new("kube-system", who));
    tokio::spawn(async move {
        elector
            .lead(|leadership| {
                let access = access.clone();
                async move {
                    readiness::run(&access, &StartUpTaint::default(), &Arc::clone(&leadership))
                        .await
                        .unwrap()
                }
            })
            .await
    })
}

#[tokio::test(start_paused = true)]
async fn workload_comes_after_the_system_pods_and_the_taint_never_comes_back() {
    let lab = Lab::new(11).await;
    daemon(&lab, "kube-proxy", json!({"sim.fleetwright.dev/start-after": "5s"})).await;
    daemon(&lab, "cni", json!({"sim.fleetwright.dev/start-after": "60s"})).await;
    let first = start(&lab, "a");
    lab.node(tainted("n1")).await;
    lab.deployment("cart", 2).await;
    lab.pass(40).await;
    assert!(has_taint(&lab.read_node("n1")));
    assert_eq!(lab.pods_on("n1"), 0);
    let events = lab.server.read_all("", "events", "default");
    let said = events
        .iter()
        .find(|event| event["reason"] == "SystemPodsNotReady")
        .unwrap();
    assert!(said["message"].as_str().unwrap().contains("kube-system/cni"), "{said}");
    // Another replica goes on where this one stopped.
    first.abort();
    let _second = start(&lab, "b");
    lab.pass(70).await;
    assert!(!has_taint(&lab.read_node("n1")));
    assert_eq!(lab.pods_on("n1"), 2);
    // A system pod is lost: the node stays open.
    let access = lab.access("somebody");
    let pods = lab.server.read_all("", "pods", "kube-system");
    for pod in pods {
        let text = |field: &str| pod["metadata"][field].as_str().unwrap().to_owned();
        let pod = kube_access::nodes::PodRef {
            namespace: "kube-system".to_owned(),
            name: text("name"),
            uid: text("uid"),
        };
        access.delete_pod(&pod, Some(0)).await.unwrap();
    }
    lab.pass(30).await;
    assert!(!has_taint(&lab.read_node("n1")));
}

#[tokio::test(start_paused = true)]
async fn a_system_pod_that_is_never_ready_keeps_its_node_closed_and_no_other() {
    let lab = Lab::new(12).await;
    daemon(&lab, "agent", json!({})).await;
    let gpu = json!({"metadata": {"name": "gpu", "namespace": "kube-system"}, "spec": {
        "selector": {"matchLabels": {"app": "gpu"}},
        "template": {"metadata": {"labels": {"app": "gpu"}, "annotations": {"sim.fleetwright.dev/never-ready": "true"}},
            "spec": {"nodeSelector": {"gpu": "yes"}, "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "app", "image": "app:1"}]}}}});
    lab.create("apps", "daemonsets", gpu).await;
    let _task = start(&lab, "a");
    lab.node(tainted("plain")).await;
    lab.node(tainted("special").label("gpu", "yes")).await;
    lab.pass(600).await;
    assert!(!has_taint(&lab.read_node("plain")));
    assert!(has_taint(&lab.read_node("special")));
}
