//! Which of several nodes is chosen.

use json_tree::{Value, json};

use super::super::{Labels, Pod, Selector, default_selector};
use super::{World, both, merge, on, pod, zone};

#[track_caller]
fn check(nodes: &[(&str, Value)], others: &[Value], incoming: &Value, expected: &str) {
    // Whatever the lot, the better node wins.
    for seed in 0..8 {
        let mut world = World::seeded(seed);
        for (name, change) in nodes {
            world.node(name, change);
        }
        for (nth, other) in others.iter().enumerate() {
            world.pod(&format!("other-{nth}"), other);
        }
        world.pod("p", incoming);
        assert_eq!(world.outcome(), expected, "seed {seed}");
    }
}

#[test]
fn the_emptier_node() {
    check(&[("a", json!({})), ("b", json!({}))], &[on("a")], &json!({}), "b");
}

#[test]
fn the_node_that_becomes_balanced() {
    let ask = |cpu: &str, memory: &str| json!({ "spec": { "containers": [{ "resources": { "requests": { "cpu": cpu, "memory": memory } } }] } });
    // Equally much is free on both, but CPU is what the first lacks and the second has.
    let others = [both(&ask("2", "1Mi"), &on("a")), both(&ask("1m", "4Gi"), &on("b"))];
    check(&[("a", json!({})), ("b", json!({}))], &others, &ask("1", "1Mi"), "b");
}

#[test]
fn the_node_without_dislikes() {
    let tainted = json!({ "spec": { "taints": [{ "key": "old", "effect": "PreferNoSchedule" }] } });
    check(&[("a", tainted.clone()), ("b", json!({}))], &[on("b")], &json!({}), "b");
    let tolerating =
        json!({ "spec": { "tolerations": [{ "key": "old", "operator": "Exists", "effect": "PreferNoSchedule" }] } });
    check(&[("a", tainted), ("b", json!({}))], &[on("b")], &tolerating, "a");
}

#[test]
fn the_preferred_node() {
    let preference =
        json!({ "weight": 10, "preference": { "matchExpressions": [{ "key": "disk", "operator": "Exists" }] } });
    let wish = json!({ "spec": { "affinity": { "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [preference] } } } });
    let with_disk = json!({ "metadata": { "labels": { "disk": "ssd" } } });
    check(&[("a", with_disk), ("b", json!({}))], &[on("a")], &wish, "a");
}

fn wish(kind: &str, app: &str) -> Value {
    let term =
        json!({ "labelSelector": { "matchLabels": { "app": app } }, "topologyKey": "topology.kubernetes.io/zone" });
    json!({ "spec": { "affinity": { kind: { "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 100, "podAffinityTerm": term }] } } } })
}

#[test]
fn the_node_near_to_or_away_from_others() {
    let nodes = [("a", zone("a")), ("b", zone("b"))];
    let db = json!({ "metadata": { "labels": { "app": "db" } } });
    check(&nodes, &[both(&db, &on("a"))], &wish("podAffinity", "db"), "a");
    check(&nodes, &[both(&db, &on("a"))], &wish("podAntiAffinity", "db"), "b");
    // The wishes of pods that are there count as well.
    check(&nodes, &[both(&wish("podAffinity", "web"), &on("a"))], &json!({}), "a");
    let mut required = wish("podAffinity", "web");
    let term =
        json!({ "labelSelector": { "matchLabels": { "app": "web" } }, "topologyKey": "topology.kubernetes.io/zone" });
    merge(
        &mut required,
        &json!({ "spec": { "affinity": { "podAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": null, "requiredDuringSchedulingIgnoredDuringExecution": [term] } } } }),
    );
    check(&nodes, &[both(&required, &on("b"))], &json!({}), "b");
}

#[test]
fn the_emptier_zone() {
    let soft = json!({ "spec": { "topologySpreadConstraints": [{
        "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": { "matchLabels": { "app": "web" } } }] } });
    let nodes = [("a1", zone("a")), ("a2", zone("a")), ("b1", zone("b"))];
    let other = json!({ "metadata": { "labels": { "app": "other" } } });
    let others = [on("a1"), both(&other, &on("b1"))];
    check(&nodes, &others, &soft, "b1");
}

#[test]
fn replicas_spread_by_default() {
    let selector = Selector::from_map(&Labels::from([("app".to_owned(), "web".to_owned())]));
    let mut world = World::new();
    for name in ["a", "b", "c", "d"] {
        // Room is plentiful, so that only spreading tells the nodes apart.
        world.node(
            name,
            &json!({ "status": { "allocatable": { "cpu": "64", "memory": "256Gi", "pods": "110" } } }),
        );
    }
    let mut chosen = Vec::new();
    for nth in 0..8 {
        let replica = Pod::from_json(&pod(&format!("web-{nth}"), &json!({})), Some(&selector));
        world.scheduler.set_pod(replica, world.now);
        chosen.push(world.outcome());
    }
    let mut each: Vec<&str> = chosen.iter().map(String::as_str).collect();
    each.sort_unstable();
    assert_eq!(each, ["a", "a", "b", "b", "c", "c", "d", "d"]);
}

#[test]
fn the_default_selector_joins_services_and_owner() {
    let labels =
        |pairs: &[(&str, &str)]| -> Labels { pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect() };
    let pod = labels(&[("app", "web"), ("tier", "front")]);
    assert_eq!(default_selector(&pod, &[labels(&[("app", "db")])], None), None);
    let owner = Selector::from_map(&labels(&[("tier", "front")]));
    let both = default_selector(&pod, &[labels(&[("app", "web")]), Labels::new()], Some(&owner)).unwrap();
    assert!(both.matches(&pod));
    assert!(!both.matches(&labels(&[("app", "web")])));
}
