//! Rehearsals that begin with the objects of a cluster, as they were seen.

use std::sync::Arc;

use json_tree::{Value, json};
use rehearse::{Outcome, RehearseError, Workload, rehearse};

use crate::fleet::{between, cluster, input, tree};

fn node(name: &str, zone: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "creationTimestamp": "2025-11-01T00:00:00Z",
        "labels": {"node.kubernetes.io/node-pool": "workers", "topology.kubernetes.io/zone": format!("eu-central-1{zone}"),
            "team": "own"}},
        "status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-05T07:59:00Z"}]}})
}

fn meta(name: &str, uid: &str, owner: Option<(&str, &str, &str)>) -> Value {
    let owners: Vec<Value> = owner
        .iter()
        .map(|(kind, name, uid)| json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true}))
        .collect();
    json!({"name": name, "namespace": "shop", "uid": uid, "creationTimestamp": "2025-12-01T00:00:00Z",
        "labels": {"app": "cart", "team": "team-cart"}, "ownerReferences": owners})
}

/// Three nodes with a Deployment of two pods that a budget guards so that one may go.
fn objects() -> Vec<Value> {
    let labels = json!({"matchLabels": {"app": "cart"}});
    let spec = json!({"containers": [{"name": "app", "image": "app:1", "resources": {"requests": {"cpu": "100m"}}}]});
    let template = json!({"metadata": {"labels": {"app": "cart", "team": "team-cart"}}, "spec": spec});
    let mut all = vec![node("ip-1", "a"), node("ip-2", "b"), node("ip-3", "c")];
    all.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
    all.push(
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta("cart-1", "rs", None),
        "spec": {"replicas": 2, "selector": labels, "template": template}}),
    );
    for (number, node) in [(1, "ip-1"), (2, "ip-3")] {
        let mut own = spec.clone();
        own["nodeName"] = node.into();
        all.push(json!({"apiVersion": "v1", "kind": "Pod", "spec": own, "status": {"phase": "Running"},
            "metadata": meta(&format!("cart-1-{number}"), &format!("p{number}"), Some(("ReplicaSet", "cart-1", "rs")))}));
    }
    all.push(
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta("cart", "b", None),
        "spec": {"maxUnavailable": 1, "selector": labels}}),
    );
    all
}

fn workload(objects: Vec<Value>) -> Workload {
    Workload::Objects {
        source: "kube-1.yaml".to_owned(),
        objects: Arc::new(objects),
    }
}

#[test]
fn the_objects_of_a_cluster_stand_on_nodes_of_the_twin() {
    let clusters = vec![input(cluster("kube-1", "test", 3), workload(objects()))];
    let report = rehearse(&between(&tree("one", "ami-1"), &tree("two", "ami-2"), clusters), 1).unwrap();
    let cluster = &report.clusters[0];
    assert!(matches!(cluster.outcome, Outcome::Done { .. }), "{:?}", cluster.outcome);
    assert_eq!(cluster.workload, "kube-1.yaml");
    let mut real: Vec<_> = cluster
        .nodes
        .iter()
        .filter_map(|lane| lane.stands_for.clone())
        .collect();
    real.sort();
    assert_eq!(real, ["ip-1", "ip-2", "ip-3"]);
    assert_eq!(cluster.owners["team-cart"].evicted, 2, "{:?}", cluster.owners);
    assert_eq!(cluster.moved().forced, 0);
}

#[test]
fn a_dump_that_lacks_the_makers_of_its_pods_is_refused() {
    let objects: Vec<Value> = objects()
        .into_iter()
        .filter(|object| object["kind"] != "ReplicaSet")
        .collect();
    let clusters = vec![input(cluster("kube-1", "test", 3), workload(objects))];
    let error = rehearse(&between(&tree("one", "ami-1"), &tree("two", "ami-2"), clusters), 1).unwrap_err();
    assert!(matches!(error, RehearseError::NotThere { .. }));
    let text = error.to_string();
    assert!(
        text.contains("kube-1.yaml: pod shop/cart-1-1 belongs to ReplicaSet cart-1"),
        "{text}"
    );
}
