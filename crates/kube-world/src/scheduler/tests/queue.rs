//! Who is next, and what brings refused pods back.

use jiff::SignedDuration;
use json_tree::{Value, json};

use super::super::Decision;
use super::{World, both, on};

fn asking(cpu: &str) -> Value {
    json!({ "spec": { "containers": [{ "resources": { "requests": { "cpu": cpu } } }] } })
}

fn priority(priority: i32) -> Value {
    json!({ "spec": { "priority": priority } })
}

#[test]
fn priority_then_arrival() {
    let mut world = World::new();
    world.node("n", &json!({}));
    world.pod("first", &json!({}));
    world.pod("second", &json!({}));
    world.pod("urgent", &priority(10));
    let mut order = Vec::new();
    while let Some(Decision::Bind(binding)) = world.decide() {
        order.push(binding.pod.name.to_string());
    }
    assert_eq!(order, ["urgent", "first", "second"]);
}

/// Refuses a pod, lets something happen, and looks whether the pod is tried again.
#[track_caller]
fn woken(setup: impl Fn(&mut World), incoming: &Value, event: impl Fn(&mut World), expected: bool) {
    let mut world = World::new();
    world.node("n", &json!({}));
    setup(&mut world);
    world.pod("p", incoming);
    world.refusal();
    assert_eq!(world.decide(), None, "it waits");
    event(&mut world);
    assert_eq!(world.decide().is_some(), expected);
}

#[test]
fn events_that_may_help_and_those_that_do_not() {
    let full = |world: &mut World| world.pod("full", &both(&asking("4"), &on("n")));
    woken(full, &json!({}), |world| world.gone("full"), true);
    woken(full, &json!({}), |world| world.node("m", &json!({})), true);
    let heartbeat = |world: &mut World| world.node("n", &json!({ "status": { "conditions": [] } }));
    woken(full, &json!({}), heartbeat, false);
    let tiny = json!({ "status": { "allocatable": { "cpu": "500m" } } });
    woken(full, &json!({}), |world| world.node("m", &tiny), false);
    let tainted = json!({ "spec": { "taints": [{ "key": "k", "effect": "NoSchedule" }] } });
    woken(full, &json!({}), |world| world.node("m", &tainted), false);
    woken(full, &json!({}), |world| world.pod("another", &on("m")), false);
    let larger = json!({ "status": { "allocatable": { "cpu": "8" } } });
    woken(full, &json!({}), |world| world.node("n", &larger), true);
    let cordoned = |world: &mut World| world.node("n", &json!({ "spec": { "unschedulable": true } }));
    woken(cordoned, &json!({}), |world| world.node("n", &json!({})), true);
}

#[test]
fn nothing_polls_but_the_flush_after_five_minutes() {
    let mut world = World::new();
    world.node("n", &json!({}));
    assert_eq!(world.scheduler.next_wake(), None);
    world.pod("p", &asking("9"));
    assert_eq!(world.scheduler.next_wake(), Some(jiff::Timestamp::MIN));
    let first = world.refusal();
    let flush = world.now.checked_add(SignedDuration::from_mins(5)).unwrap();
    assert_eq!(world.scheduler.next_wake(), Some(flush));
    world.pass(SignedDuration::from_mins(4));
    assert_eq!(world.decide(), None);
    world.pass(SignedDuration::from_mins(1));
    assert_eq!(world.refusal(), first);
    assert_eq!(world.scheduler.pending(), (0, 1));
}

#[test]
fn a_failed_binding_is_tried_again_after_a_growing_pause() {
    let mut world = World::new();
    world.node("n", &json!({}));
    world.pod("p", &json!({}));
    for pause in [1, 2, 4, 8, 10, 10] {
        assert_eq!(world.outcome(), "n");
        world.scheduler.forget("p", world.now);
        assert_eq!(world.scheduler.node_of("p"), None);
        assert_eq!(world.decide(), None);
        world.pass(SignedDuration::from_secs(pause));
    }
    assert_eq!(world.outcome(), "n");
    world.pod("p", &on("n"));
    world.scheduler.forget("p", world.now);
    assert_eq!(
        world.scheduler.node_of("p"),
        Some("n"),
        "what the API shows is not taken back"
    );
}

#[test]
fn equal_pods_are_refused_with_one_look() {
    let mut world = World::new();
    world.node("n", &json!({}));
    for nth in 0..3 {
        world.pod(&format!("p-{nth}"), &asking("9"));
    }
    let messages: Vec<String> = (0..3).map(|_| world.refusal().message).collect();
    assert_eq!(messages.first(), messages.last());
    let waiting: Vec<String> = world
        .scheduler
        .unschedulable()
        .map(|(pod, _)| pod.name.to_string())
        .collect();
    assert_eq!(waiting, ["p-0", "p-1", "p-2"]);
}

#[test]
fn pods_leave_nothing_behind() {
    let mut world = World::new();
    world.node("n", &json!({}));
    for round in 0..3 {
        let name = format!("p-{round}");
        let term =
            json!({ "labelSelector": { "matchLabels": { "app": "web" } }, "topologyKey": "kubernetes.io/hostname" });
        world.pod(&name, &json!({ "spec": { "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } } } }));
        assert_eq!(world.outcome(), "n");
        world.gone(&name);
        let cluster = &world.scheduler.cluster;
        assert_eq!(cluster.tallies.iter().count(), 0);
        assert_eq!(cluster.classes.iter().count(), 0);
        assert_eq!(
            cluster.rooms.first().map(|room| (room.used_cpu, room.pods)),
            Some((0, 0))
        );
    }
}

#[test]
fn what_was_found_out_for_a_class_does_not_outlive_it() {
    let mut world = World::new();
    world.node("n", &json!({}));
    world.pod("large", &asking("9"));
    world.refusal();
    world.gone("large");
    // The next class gets the number of the one that went.
    world.pod("small", &json!({}));
    assert_eq!(world.outcome(), "n");
}
