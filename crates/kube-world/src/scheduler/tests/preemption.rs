//! Who has to go for a more important pod.

use json_tree::{Value, json};

use super::super::{Budget, Preemption, Refusal};
use super::{World, both, on};

fn placed(node: &str, priority: i32, cpu: &str) -> Value {
    both(&on(node), &waiting(priority, cpu))
}

fn waiting(priority: i32, cpu: &str) -> Value {
    json!({ "spec": { "priority": priority, "containers": [{ "resources": { "requests": { "cpu": cpu } } }] } })
}

fn names(refusal: &Refusal) -> (String, Vec<String>) {
    let preemption = refusal.preemption.as_ref().expect("a preemption");
    let victims = preemption.victims.iter().map(|pod| pod.name.to_string()).collect();
    (preemption.node.clone(), victims)
}

#[test]
fn the_fewest_and_least_important_go() {
    let mut world = World::new();
    world.node("n", &json!({}));
    world.pod("important", &placed("n", 50, "1"));
    world.pod("small", &placed("n", 0, "1"));
    world.pod("large", &placed("n", 0, "2"));
    world.pod("p", &waiting(100, "1"));
    let refusal = world.refusal();
    assert_eq!(refusal.message, "0/1 nodes are available: 1 Insufficient cpu.");
    // Both would do; the one that came first is kept.
    assert_eq!(names(&refusal), ("n".to_owned(), vec!["large".to_owned()]));
    let preemption = refusal.preemption.clone().unwrap();
    assert_eq!(preemption.event(&refusal.pod), "Preempted by pod p on node n");
    assert_eq!(
        Preemption::condition(world.scheduler.name()),
        "default-scheduler: preempting to accommodate a higher priority pod"
    );
}

#[test]
fn equal_and_higher_priorities_stay() {
    let mut world = World::new();
    world.node("n", &json!({}));
    world.pod("equal", &placed("n", 100, "2"));
    world.pod("higher", &placed("n", 200, "2"));
    world.pod("p", &waiting(100, "1"));
    assert_eq!(
        world.outcome(),
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    );
}

#[test]
fn a_policy_of_never_and_a_node_too_small() {
    let mut world = World::new();
    world.node("n", &json!({}));
    world.pod("low", &placed("n", 0, "4"));
    world.pod(
        "polite",
        &both(&waiting(100, "1"), &json!({ "spec": { "preemptionPolicy": "Never" } })),
    );
    assert_eq!(
        world.outcome(),
        "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
    );
    world.pod("huge", &waiting(100, "5"));
    assert!(
        world
            .outcome()
            .ends_with("preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.")
    );
}

#[test]
fn the_node_with_the_least_harm() {
    let check = |pods: &[(&str, Value)], expected: (&str, &[&str])| {
        for seed in 0..4 {
            let mut world = World::seeded(seed);
            world.node("a", &json!({}));
            world.node("b", &json!({}));
            for (name, change) in pods {
                world.pod(name, change);
            }
            let selector = json!({ "spec": { "selector": { "matchLabels": { "app": "kept" } } }, "status": { "disruptionsAllowed": 0 } });
            world
                .scheduler
                .set_budget("default", "kept", Some(Budget::from_json(&selector)));
            world.pod("p", &waiting(100, "4"));
            let (node, victims) = names(&world.refusal());
            assert_eq!(
                (node.as_str(), victims.as_slice()),
                (
                    expected.0,
                    expected
                        .1
                        .iter()
                        .map(|v| (*v).to_owned())
                        .collect::<Vec<_>>()
                        .as_slice()
                )
            );
        }
    };
    let kept = json!({ "metadata": { "labels": { "app": "kept" } } });
    // No broken budget, even if the priority is higher.
    check(
        &[("x", both(&kept, &placed("a", 0, "4"))), ("y", placed("b", 50, "4"))],
        ("b", &["y"]),
    );
    // The lower highest priority.
    check(
        &[
            ("x", placed("a", 10, "4")),
            ("y", placed("b", 5, "3")),
            ("z", placed("b", 5, "1")),
        ],
        ("b", &["y", "z"]),
    );
    // The lower sum, which fewer victims have.
    check(
        &[
            ("x", placed("a", 5, "4")),
            ("y", placed("b", 5, "3")),
            ("z", placed("b", 5, "1")),
        ],
        ("a", &["x"]),
    );
    // The younger one.
    let started = |time: &str| json!({ "status": { "startTime": time } });
    let old = both(&placed("a", 5, "4"), &started("2026-01-01T00:00:00Z"));
    let young = both(&placed("b", 5, "4"), &started("2026-01-02T00:00:00Z"));
    check(&[("old", old), ("young", young)], ("b", &["young"]));
}

#[test]
fn budgets_are_spared_where_possible() {
    let mut world = World::new();
    world.node("n", &json!({}));
    let kept = json!({ "metadata": { "labels": { "app": "kept" } } });
    let budget =
        json!({ "spec": { "selector": { "matchLabels": { "app": "kept" } } }, "status": { "disruptionsAllowed": 1 } });
    world
        .scheduler
        .set_budget("default", "kept", Some(Budget::from_json(&budget)));
    for (name, guarded) in [("k1", true), ("k2", true), ("free", false), ("free2", false)] {
        let change = placed("n", 0, "1");
        world.pod(name, &if guarded { both(&kept, &change) } else { change });
    }
    world.pod("p", &waiting(100, "3"));
    let refusal = world.refusal();
    // One of the two may go by the budget; the other stays, the rest make room.
    assert_eq!(
        refusal.preemption.as_ref().map(|preemption| preemption.violations),
        Some(0)
    );
    assert_eq!(names(&refusal).1, ["k1", "free", "free2"]);
}

#[test]
fn the_preemptor_waits_for_its_victims_and_then_takes_their_place() {
    let mut world = World::new();
    world.node("n", &json!({}));
    world.pod("low", &placed("n", 0, "4"));
    world.pod("p", &waiting(100, "4"));
    assert_eq!(names(&world.refusal()).1, ["low"]);
    let nominated = json!({ "status": { "nominatedNodeName": "n" } });
    world.pod("p", &both(&waiting(100, "4"), &nominated));
    // While the victim goes, nothing less important slips in, and nobody else is evicted.
    let leaving = json!({
        "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" },
        "status": { "conditions": [{ "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler" }] },
    });
    world.pod("low", &both(&placed("n", 0, "4"), &leaving));
    world.pass(jiff::SignedDuration::from_mins(5));
    assert_eq!(
        world.outcome(),
        "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to a terminating pod on the nominated node."
    );
    world.pod("slip", &waiting(0, "1"));
    world.refusal();
    world.gone("low");
    assert_eq!(world.outcome(), "n");
    assert_eq!(world.scheduler.node_of("p"), Some("n"));
    assert!(
        world
            .outcome()
            .starts_with("0/1 nodes are available: 1 Insufficient cpu.")
    );
}

#[test]
fn room_made_for_one_is_not_given_to_a_lesser_one() {
    let mut world = World::new();
    world.node("n", &json!({}));
    world.pod("low", &placed("n", 0, "4"));
    world.pod("p", &waiting(100, "4"));
    world.refusal();
    world.pod("lesser", &waiting(50, "1"));
    let refusal = world.refusal();
    assert!(refusal.preemption.is_none(), "{refusal:?}");
    world.gone("low");
    // The lesser one came back first by no means: the nominated one is first by priority.
    assert_eq!(world.outcome(), "n");
    assert_eq!(world.scheduler.node_of("p"), Some("n"));
}

#[test]
fn a_more_important_pod_displaces_a_nomination() {
    let mut world = World::new();
    world.node("n", &json!({}));
    world.pod("low", &placed("n", 0, "4"));
    world.pod("p", &waiting(100, "4"));
    world.refusal();
    world.pod("vip", &waiting(1_000, "4"));
    let displaced = world.refusal().preemption.unwrap().displaced;
    assert_eq!(displaced.iter().map(|pod| &*pod.name).collect::<Vec<_>>(), ["p"]);
}

#[test]
fn eviction_lifts_anti_affinity() {
    let mut world = World::new();
    world.node("n", &json!({}));
    let term = json!({ "labelSelector": { "matchLabels": { "app": "web" } }, "topologyKey": "kubernetes.io/hostname" });
    let away = json!({ "spec": { "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } } } });
    world.pod("low", &placed("n", 0, "1"));
    world.pod("p", &both(&waiting(100, "1"), &away));
    let refusal = world.refusal();
    assert_eq!(
        refusal.message,
        "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules."
    );
    assert_eq!(names(&refusal).1, ["low"]);
}
