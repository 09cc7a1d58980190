//! The scheduler's actions, against a few objects in a map.

mod follow;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use json_tree::{Value, json};

use super::super::tests::{both, merge, node, on, pod};
use super::{KubeScheduler, Objects};
use crate::engine::Action;
use crate::kind::{Key, Kind};

struct Map(BTreeMap<Key, Value>);

impl Objects for Map {
    fn object(&self, key: &Key) -> Option<Arc<Value>> {
        self.0.get(key).cloned().map(Arc::new)
    }
}

struct Cluster {
    objects: Map,
    driver: KubeScheduler,
    now: Timestamp,
}

impl Cluster {
    fn new() -> Self {
        Self {
            objects: Map(BTreeMap::new()),
            driver: KubeScheduler::new(Arc::new(ports::SeededIds::new(1))),
            now: Timestamp::UNIX_EPOCH,
        }
    }

    fn write(&mut self, kind: Kind, namespace: &str, name: &str, object: Option<Value>) {
        let key = Key::new(kind, namespace, name);
        let before = match &object {
            Some(object) => self.objects.0.insert(key.clone(), object.clone()),
            None => self.objects.0.remove(&key),
        };
        self.driver
            .take_in(&key, before.as_ref(), object.as_ref(), self.now, &self.objects);
    }

    fn pod(&mut self, name: &str, change: &Value) {
        self.write(Kind::POD, "default", name, Some(pod(name, change)));
    }

    /// The next plan, in short, carried out on pods.
    fn next(&mut self) -> Vec<String> {
        let actions = self.driver.next(self.now, &self.objects);
        let told: Vec<String> = actions.iter().map(tell).collect();
        for action in actions {
            match action {
                Action::Bind { key, node } => self.change(&key, &on(&node)),
                Action::Patch { key, patch } | Action::PatchStatus { key, patch } => self.change(&key, &patch),
                Action::Delete { key, .. } => {
                    self.write(key.kind, &key.namespace, &key.name, None);
                }
                _ => {}
            }
        }
        told
    }

    fn change(&mut self, key: &Key, patch: &Value) {
        if let Some(mut object) = self.objects.0.get(key).cloned() {
            merge(&mut object, patch);
            self.write(key.kind, &key.namespace, &key.name, Some(object));
        }
    }
}

fn tell(action: &Action) -> String {
    match action {
        Action::Event {
            reason,
            message,
            event_type,
            ..
        } => format!("{} {reason}: {message}", event_type.as_str()),
        Action::Patch { patch, .. } | Action::PatchStatus { patch, .. } => {
            format!("{} {} {patch}", action.verb(), action.subject())
        }
        Action::Bind { node, .. } => format!("bind {} {node}", action.subject()),
        _ => format!("{} {}", action.verb(), action.subject()),
    }
}

#[test]
fn a_pod_is_bound_and_the_next_one_refused() {
    let mut cluster = Cluster::new();
    cluster.write(
        Kind::NODE,
        "",
        "n",
        Some(node("n", &json!({ "status": { "allocatable": { "pods": "1" } } }))),
    );
    cluster.pod("a", &json!({}));
    let subject = Key::new(Kind::POD, "default", "a").to_string();
    assert_eq!(
        cluster.next(),
        [
            format!("bind {subject} n"),
            "Normal Scheduled: Successfully assigned default/a to n".to_owned()
        ]
    );
    cluster.pod("b", &json!({}));
    let message = "0/1 nodes are available: 1 Too many pods. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
    let told = cluster.next();
    assert_eq!(
        told.first().map(String::as_str),
        Some(format!("Warning FailedScheduling: {message}").as_str())
    );
    let stored = cluster.objects.object(&Key::new(Kind::POD, "default", "b")).unwrap();
    assert_eq!(
        stored["status"]["conditions"],
        json!([{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
            "lastProbeTime": null, "lastTransitionTime": "1970-01-01T00:00:00Z" }])
    );
    // Its own write does not bring it back, the other pod's end does.
    assert_eq!(cluster.next(), [""; 0]);
    cluster.write(Kind::POD, "default", "a", None);
    assert_eq!(cluster.next().len(), 2);
}

#[test]
fn preemption_marks_deletes_and_nominates() {
    let mut cluster = Cluster::new();
    cluster.write(
        Kind::NODE,
        "",
        "n",
        Some(node("n", &json!({ "status": { "allocatable": { "pods": "1" } } }))),
    );
    cluster.pod("low", &on("n"));
    cluster.pod("high", &json!({ "spec": { "priority": 10 } }));
    let told = cluster.next();
    let low = Key::new(Kind::POD, "default", "low").to_string();
    assert!(
        told[0].contains("DisruptionTarget") && told[0].contains("PreemptionByScheduler"),
        "{told:?}"
    );
    assert_eq!(told[1], format!("delete {low}"));
    assert_eq!(told[2], "Normal Preempted: Preempted by pod high on node n");
    assert_eq!(
        told[3],
        "Warning FailedScheduling: 0/1 nodes are available: 1 Too many pods."
    );
    assert!(told[4].contains("\"nominatedNodeName\":\"n\""), "{told:?}");
    assert!(cluster.next()[0].starts_with("bind "));
}

#[test]
fn a_claim_is_provisioned_before_the_pod_is_bound() {
    let mut cluster = Cluster::new();
    cluster.write(Kind::NODE, "", "n", Some(node("n", &json!({}))));
    let class = json!({ "provisioner": "ebs", "volumeBindingMode": "WaitForFirstConsumer" });
    cluster.write(Kind::STORAGE_CLASS, "", "gp3", Some(class));
    let claim = json!({ "metadata": { "uid": "c" }, "spec": { "storageClassName": "gp3" } });
    cluster.write(Kind::PERSISTENT_VOLUME_CLAIM, "default", "data", Some(claim.clone()));
    cluster.pod(
        "p",
        &json!({ "spec": { "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }] } }),
    );
    let told = cluster.next();
    assert!(
        told[0].contains("\"volume.kubernetes.io/selected-node\":\"n\""),
        "{told:?}"
    );
    assert_eq!(cluster.next(), [""; 0]);
    let bound = both(
        &claim,
        &json!({ "spec": { "volumeName": "pv" }, "status": { "phase": "Bound" } }),
    );
    cluster.write(Kind::PERSISTENT_VOLUME, "", "pv", Some(json!({})));
    cluster.write(Kind::PERSISTENT_VOLUME_CLAIM, "default", "data", Some(bound));
    assert!(cluster.next()[0].starts_with("bind "));
}

#[test]
fn a_pod_whose_claims_are_not_bound_in_time_is_tried_again() {
    let mut cluster = Cluster::new();
    cluster.write(Kind::NODE, "", "n", Some(node("n", &json!({}))));
    cluster.write(
        Kind::STORAGE_CLASS,
        "",
        "gp3",
        Some(json!({ "provisioner": "ebs", "volumeBindingMode": "WaitForFirstConsumer" })),
    );
    cluster.write(
        Kind::PERSISTENT_VOLUME_CLAIM,
        "default",
        "data",
        Some(json!({ "spec": { "storageClassName": "gp3" } })),
    );
    cluster.pod(
        "p",
        &json!({ "spec": { "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }] } }),
    );
    assert_eq!(cluster.next().len(), 1);
    cluster.now = crate::engine::Scheduler::due(&cluster.driver).unwrap();
    assert_eq!(cluster.next(), [""; 0]);
    cluster.now = crate::engine::Scheduler::due(&cluster.driver).unwrap();
    assert_eq!(cluster.next().len(), 1);
}

#[test]
fn replicas_of_an_owner_are_spread_by_default() {
    let mut cluster = Cluster::new();
    let large = json!({ "status": { "allocatable": { "cpu": "64", "memory": "256Gi", "pods": "110" } } });
    for name in ["a", "b", "c"] {
        cluster.write(Kind::NODE, "", name, Some(node(name, &large)));
    }
    let set = json!({ "metadata": { "uid": "rs" }, "spec": { "selector": { "matchLabels": { "app": "web" } } } });
    cluster.write(Kind::REPLICA_SET, "default", "web", Some(set));
    let owner =
        json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": true }]);
    let mut nodes = Vec::new();
    for nth in 0..6 {
        cluster.pod(
            &format!("web-{nth}"),
            &json!({ "metadata": { "ownerReferences": owner } }),
        );
        nodes.extend(
            cluster
                .next()
                .first()
                .and_then(|bind| bind.rsplit(' ').next().map(str::to_owned)),
        );
    }
    nodes.sort();
    assert_eq!(nodes, ["a", "a", "b", "b", "c", "c"]);
}
