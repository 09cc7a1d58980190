//! How long the scheduler takes: filling a cluster, with and without rules between pods, and refusing.
//!
//! `cargo bench -p kube-world --bench scheduler` prints the figures.

use std::sync::Arc;

use divan::Bencher;
use jiff::Timestamp;
use json_tree::{Value, json};
use kube_world::scheduler::{Decision, Labels, Node, Pod, Scheduler, Selector};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn main() {
    divan::main();
}

fn node(nth: usize) -> Node {
    let name = format!("node-{nth:04}");
    let zone = ["a", "b", "c"][nth % 3];
    let object = json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone } },
        "status": { "allocatable": { "cpu": "32", "memory": "128Gi", "pods": "110" } },
    });
    Node::from_json(&object, None)
}

fn cluster(nodes: usize) -> Scheduler {
    let mut scheduler = Scheduler::new(Arc::new(ports::SeededIds::new(1)));
    for nth in 0..nodes {
        scheduler.set_node(node(nth), NOW);
    }
    scheduler
}

/// Pods of deployments with 30 replicas; `rules` adds what each of them demands.
fn pods(count: usize, rules: impl Fn(&str) -> Value) -> Vec<Pod> {
    let pod = |nth: usize| {
        let app = format!("app-{}", nth / 30);
        let mut spec = json!({ "containers": [{ "resources": { "requests": { "cpu": "500m", "memory": "1Gi" } } }] });
        if let (Some(spec), Value::Object(rules)) = (spec.as_object_mut(), rules(&app)) {
            spec.extend(rules);
        }
        let name = format!("{app}-{nth}");
        let object = json!({ "metadata": { "namespace": "default", "name": name, "uid": name, "labels": { "app": app } }, "spec": spec });
        let selector = Selector::from_map(&Labels::from([("app".to_owned(), app)]));
        Pod::from_json(&object, Some(&selector))
    };
    (0..count).map(pod).collect()
}

fn strict(app: &str) -> Value {
    let selector = json!({ "matchLabels": { "app": app } });
    json!({
        "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector }],
        "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [
            { "labelSelector": selector, "topologyKey": "kubernetes.io/hostname" }] } },
    })
}

fn fill(bencher: Bencher<'_, '_>, nodes: usize, count: usize, rules: fn(&str) -> Value) {
    bencher
        .with_inputs(|| (cluster(nodes), pods(count, rules)))
        .bench_local_values(|(mut scheduler, pods)| {
            for pod in pods {
                scheduler.set_pod(pod, NOW);
            }
            let mut placed = 0;
            while let Some(decision) = scheduler.decide(NOW) {
                placed += usize::from(matches!(decision, Decision::Bind(_)));
            }
            assert_eq!(placed, count);
            scheduler
        });
}

/// 30,000 pods on 1,000 nodes, spread by the cluster's defaults only.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn thirty_thousand_plain_pods(bencher: Bencher<'_, '_>) {
    fill(bencher, 1_000, 30_000, |_| json!({}));
}

/// 30,000 pods on 1,000 nodes, evenly over zones and never two of one kind on a node.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn thirty_thousand_strict_pods(bencher: Bencher<'_, '_>) {
    fill(bencher, 1_000, 30_000, strict);
}

/// A small cluster, of which a fleet has many.
#[divan::bench(sample_count = 20)]
fn four_hundred_and_fifty_pods_on_eight_nodes(bencher: Bencher<'_, '_>) {
    fill(bencher, 8, 450, |_| json!({}));
}

/// Reading 1,000 pods.
#[divan::bench(sample_count = 20)]
fn reading_a_thousand_pods() -> Vec<Pod> {
    pods(1_000, strict)
}

/// A full cluster of 1,000 nodes refuses 1,000 pods, half of which are alike.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn a_thousand_refusals(bencher: Bencher<'_, '_>) {
    let large = |count: usize| -> Vec<Pod> {
        let pod = |nth: usize| {
            let app = if nth.is_multiple_of(2) {
                "same".to_owned()
            } else {
                format!("app-{nth}")
            };
            let name = format!("large-{nth}");
            let object = json!({
                "metadata": { "namespace": "default", "name": name, "uid": name, "labels": { "app": app } },
                "spec": { "priority": 10, "containers": [{ "resources": { "requests": { "cpu": "40" } } }] },
            });
            Pod::from_json(&object, None)
        };
        (0..count).map(pod).collect()
    };
    bencher
        .with_inputs(|| (cluster(1_000), large(1_000)))
        .bench_local_values(|(mut scheduler, pods)| {
            for pod in pods {
                scheduler.set_pod(pod, NOW);
            }
            while scheduler.decide(NOW).is_some() {}
            scheduler
        });
}
