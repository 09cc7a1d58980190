//! Owners hear of forced terminations from the rollouts of a fleet as well, not only from a controller inside a cluster.

use std::sync::{Arc, Mutex};

use control::Options;
use rollout::{Notice, NoticeKind, Notices};

use crate::lab::{Lab, id};

/// A Deployment of one pod under a budget that allows nothing.
const FROZEN: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: default}
spec:
  replicas: 1
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart, team: shop}}
    spec: {containers: [{name: main, image: 'cart:1', resources: {requests: {cpu: 100m}}}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: cart, namespace: default}
spec: {maxUnavailable: 0, selector: {matchLabels: {app: cart}}}
";
/// A contract that ends within hours.
const CONTRACT: &str = "drain_grace_period: 2h\ndrain_min_pod_lifetime: 3h\n";

#[derive(Default)]
struct Heard(Mutex<Vec<Notice>>);

#[async_trait::async_trait]
impl Notices for Heard {
    async fn tell(&self, notice: Notice) {
        self.0.lock().unwrap().push(notice);
    }
}

#[tokio::test(start_paused = true)]
async fn owners_are_told_before_force_and_after() {
    let mut lab = Lab::new(&["kube-1"]).await;
    let files = [("cluster/manifests/cart/deployment.yaml", FROZEN)];
    lab.commit_with("one", "ami-11111111", CONTRACT, &files);
    let heard = Arc::new(Heard::default());
    lab.start(Options {
        notices: Some(heard.clone()),
        ..Options::default()
    });
    let runs = async || {
        let pods = lab.servers["kube-1"].read_all("", "pods", "default");
        pods.iter().any(|pod| pod["status"]["phase"] == "Running")
    };
    lab.until(60, "running", runs).await;
    assert_eq!(heard.0.lock().unwrap().len(), 0, "no node goes");
    lab.commit_with("two", "ami-22222222", CONTRACT, &files);
    let done = async || heard.0.lock().unwrap().iter().any(|one| one.kind == NoticeKind::Forced);
    lab.until(600, "told", done).await;
    let heard = heard.0.lock().unwrap().clone();
    let kinds: Vec<NoticeKind> = heard.iter().map(|notice| notice.kind).collect();
    let expected = [NoticeKind::ForceAnnounced, NoticeKind::ForceSoon, NoticeKind::Forced];
    assert_eq!(kinds, expected, "{heard:#?}");
    for notice in &heard {
        assert_eq!(
            (notice.owner.as_str(), notice.cluster.as_str()),
            ("shop", id("kube-1").as_str())
        );
    }
    // What was announced is what happened, up to the rounds of the engine.
    let off = heard[2].force_at.duration_since(heard[0].force_at).as_secs().abs();
    assert!(off <= 60, "announced {}, done {}", heard[0].force_at, heard[2].force_at);
}
