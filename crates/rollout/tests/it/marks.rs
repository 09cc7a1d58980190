//! Driven by the marks alone: another manager marks, we do the rest.

use std::sync::{Arc, Mutex};

use disruption::{Environment, Policy, PoolName};
use json_tree::{Value, json};
use kube_access::Context;
use ports::{SeededIds, WriteContext};
use rollout::{Means, Notice, NoticeKind, Notices, PoolSpec, Refresh, Rollout};

use crate::lab::{Lab, Options, is_marked};

#[derive(Default)]
struct Heard(Mutex<Vec<Notice>>);

#[async_trait::async_trait]
impl Notices for Heard {
    async fn tell(&self, notice: Notice) {
        self.0.lock().unwrap().push(notice);
    }
}

/// Starts an engine that knows no pools.
fn start(lab: &Lab, heard: &Arc<Heard>) -> tokio::task::JoinHandle<()> {
    lab.spec.send_modify(|spec| spec.pools.clear());
    let context = Context::new("kube-1", lab.clock.clone(), Arc::new(SeededIds::child(7, "inside")));
    let means = Means {
        access: kube_access::Access::from_service(context, lab.server.clone()),
        cloud: Arc::new(lab.cloud.clone()),
        ledger: lab.ledger.clone(),
        guard: lab.guard.clone(),
        clock: lab.clock.clone(),
        context: WriteContext::by("rollout", "test"),
        refresh: Refresh::default(),
    };
    let template = PoolSpec::rolling(PoolName::from(""), Policy::of(Environment::Test), 10);
    let (engine, _handle) = Rollout::new(means, lab.spec.subscribe());
    let engine = engine.driven_by_marks(template).telling(heard.clone());
    tokio::spawn(async move { engine.run().await.unwrap() })
}

async fn mark(lab: &Lab, node: &str, status: &str) {
    lab.access
        .mark_node(
            node,
            &[("lifecycle-status".to_owned(), Some(status.to_owned()))].into(),
            &Default::default(),
        )
        .await
        .unwrap();
}

fn name(node: &Value) -> String {
    node["metadata"]["name"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_marked_node_is_replaced_and_the_others_stay() {
    let lab = Lab::new(&Options::new(51, 3)).await;
    lab.deployment("cart", 6).await;
    lab.budget("cart", 1).await;
    lab.pass(120).await;
    let heard = Arc::new(Heard::default());
    let _task = start(&lab, &heard);
    lab.pass(60).await;
    let before: Vec<String> = lab.nodes().iter().map(name).collect();
    assert!(!lab.nodes().iter().any(is_marked), "nothing happens without a mark");
    mark(&lab, &before[1], "decommission-pending").await;
    lab.pass(3600 * 2).await;
    let after: Vec<String> = lab.nodes().iter().map(name).collect();
    assert!(
        !after.contains(&before[1]) && after.contains(&before[0]) && after.contains(&before[2]),
        "{after:?}"
    );
    assert_eq!(after.len(), 3, "a new node came in its place: {after:?}");
    assert!(!lab.nodes().iter().any(is_marked));
    assert_eq!(lab.ledger.evidence(), []);
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_is_taken_back_stops_the_drain() {
    let lab = Lab::new(&Options::new(52, 3)).await;
    lab.deployment("cart", 6).await;
    lab.budget("cart", 0).await;
    lab.pass(120).await;
    let _task = start(&lab, &Arc::new(Heard::default()));
    let node = name(&lab.nodes()[0]);
    mark(&lab, &node, "decommission-pending").await;
    lab.pass(1800).await;
    let draining = lab.server.read("", "nodes", "", &node).unwrap();
    assert_eq!(draining["spec"]["unschedulable"], true);
    // The manager outside blocks the cluster (fact 8): the label goes back to ready.
    mark(&lab, &node, "ready").await;
    lab.pass(120).await;
    let back = lab.server.read("", "nodes", "", &node).unwrap();
    assert!(!is_marked(&back), "{back:#}");
    lab.pass(3600 * 24).await;
    assert_eq!(lab.ledger.evidence(), []);
    assert!(lab.server.read("", "nodes", "", &node).is_some());
}

/// H7: the owner hears of it when it is known, an hour before, and when it was done.
#[tokio::test(start_paused = true)]
async fn owners_are_told_before_force_and_after() {
    let lab = Lab::new(&Options::new(53, 2)).await;
    let labels = json!({"app": "cart", "team": "shop"});
    let object = json!({"metadata": {"name": "cart", "namespace": "default"}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": "cart"}},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}}});
    lab.create("apps", "deployments", object).await;
    lab.budget("cart", 0).await;
    lab.pass(120).await;
    let heard = Arc::new(Heard::default());
    let _task = start(&lab, &heard);
    let pod = lab.server.read_all("", "pods", "default").remove(0);
    mark(&lab, pod["spec"]["nodeName"].as_str().unwrap(), "decommission-pending").await;
    lab.pass(3600 * 10).await;
    let heard = heard.0.lock().unwrap().clone();
    let kinds: Vec<NoticeKind> = heard.iter().map(|notice| notice.kind).collect();
    assert_eq!(
        kinds,
        [NoticeKind::ForceAnnounced, NoticeKind::ForceSoon, NoticeKind::Forced],
        "{heard:#?}"
    );
    let evidence = lab.ledger.evidence().remove(0).evidence;
    let off = evidence.decided.duration_since(heard[0].force_at).as_secs().abs();
    assert!(off < 60, "announced {}, done {}", heard[0].force_at, evidence.decided);
    assert!(heard[0].at < heard[1].at && heard[0].owner == "shop");
    let early = heard[1].force_at.duration_since(heard[1].at).as_secs();
    assert!((3000..=3600).contains(&early), "{early}");
    let events = lab.server.read_all("", "events", "default");
    let about = |kind: &str| events.iter().any(|event| event["involvedObject"]["kind"] == kind);
    assert!(about("Pod"));
}
