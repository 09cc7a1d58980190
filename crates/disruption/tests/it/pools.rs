//! Capacity first, brakes, and what a forecast says.

use disruption::{
    ClusterView, Environment, NodeMark, NodeState, Policy, PoolLimits, PoolWait, decide_pool, expected, forecast_pool,
    gone_at_latest, with_outdated,
};

use crate::support::{closed, draining, member, plus, pod, t0};

fn limits(desired: u32) -> PoolLimits {
    PoolLimits {
        desired,
        most: 12,
        ..PoolLimits::new("worker".into(), desired.min(4), 10, false)
    }
}

fn node(name: &str, outdated: bool, marked: bool) -> NodeState {
    let mut node = NodeState::new(name.into(), plus(t0(), "-10h"));
    node.pool = Some("worker".into());
    node.outdated = outdated.then(|| "image".into());
    node.mark = marked.then(|| NodeMark::new(t0(), "image"));
    node
}

fn production() -> Policy {
    Policy::of(Environment::Production)
}

#[test]
fn new_nodes_come_first_and_all_old_ones_are_marked_at_once() {
    let old: Vec<NodeState> = ["o1", "o2", "o3", "o4"].map(|name| node(name, true, false)).into();
    let mut view = ClusterView::new(old, [], []);
    let first = decide_pool(&view, &production(), &limits(4), t0());
    assert_eq!((first.mark.len(), first.add.len(), first.begin.len()), (4, 3, 0));

    // The groups were asked for seven; one is ready.
    view.set_node(node("new-1", false, false));
    let waits = decide_pool(&view, &production(), &limits(7), t0()).waits;
    assert_eq!(waits, [PoolWait::NodesNotReady { ready: 5, desired: 7 }]);

    // All are there and marked: three begin, the control plane first, and the fourth waits for its turn.
    for name in ["new-1", "new-2", "new-3"] {
        view.set_node(node(name, false, false));
    }
    for name in ["o1", "o2", "o3", "o4"] {
        let mut marked = node(name, true, true);
        marked.priority = if name == "o4" { 999 } else { 0 };
        view.set_node(marked);
    }
    let decision = decide_pool(&view, &production(), &limits(7), t0());
    let begin: Vec<&str> = decision.begin.iter().map(|n| n.as_str()).collect();
    assert_eq!(begin, ["o4", "o1", "o2"]);
    assert_eq!(decision.waits, [PoolWait::InFlight { limit: 3 }]);
}

#[test]
fn as_many_nodes_stay_as_the_pool_had() {
    // Four before the rollout, of which two go; two more are new, and one of three that were asked for.
    let nodes = [
        node("o1", true, true),
        node("o2", true, true),
        node("n1", false, false),
        node("n2", false, false),
        node("n3", false, false),
    ];
    let mut view = ClusterView::new(nodes, [], []);
    let pool = |desired, most| PoolLimits {
        desired,
        most,
        ..PoolLimits::new("worker".into(), 4, 10, false)
    };
    let decision = decide_pool(&view, &production(), &pool(5, 10), t0());
    assert_eq!((decision.begin.len(), decision.add.len()), (1, 0));
    assert_eq!(decision.waits, [PoolWait::NodesNotReady { ready: 5, desired: 5 }]);

    // One that is not there any more is not missed when it goes.
    let mut lost = node("o2", true, true);
    lost.ready = false;
    view.set_node(lost);
    let limits = PoolLimits { lost: 1, ..pool(5, 10) };
    let decision = decide_pool(&view, &production(), &limits, t0());
    let begin: Vec<&str> = decision.begin.iter().map(|n| n.as_str()).collect();
    assert_eq!(begin, ["o2"]);

    // With four there are none to spare, and nothing goes that would make room: one more is brought.
    let mut view = ClusterView::new([node("o1", true, true)], [], []);
    for name in ["n1", "n2", "n3"] {
        view.set_node(node(name, false, false));
    }
    let decision = decide_pool(&view, &production(), &pool(4, 10), t0());
    assert_eq!((decision.begin.len(), decision.add.len()), (0, 1));
}

#[test]
fn a_pool_that_may_not_grow_ends_old_nodes_to_get_new_ones() {
    // The definition changed while the pool had as many nodes as allowed: all but one are outdated.
    let names = ["o1", "o2", "o3", "o4", "o5"];
    let mut view = ClusterView::new(names.map(|name| node(name, true, true)), [], []);
    view.set_node(node("n1", false, false));
    let limits = PoolLimits {
        desired: 6,
        most: 6,
        ..PoolLimits::new("worker".into(), 4, 10, false)
    };
    let decision = decide_pool(&view, &production(), &limits, t0());
    assert_eq!((decision.begin.len(), decision.add.len()), (2, 0));
}

#[test]
fn a_full_pool_without_a_new_node_in_the_zone_goes_on_all_the_same() {
    let zoned = |name: &str, outdated, zone: &str| {
        let mut node = node(name, outdated, outdated);
        node.zone = Some(zone.into());
        node
    };
    let nodes = [
        zoned("o1", true, "a"),
        zoned("o2", true, "a"),
        zoned("n1", false, "b"),
        zoned("n2", false, "b"),
    ];
    let pods = ["o1", "o2"].map(|name| {
        let mut pod = pod(&format!("p-{name}"), "free", name, t0());
        pod.volume_zones = vec!["a".into()];
        pod
    });
    let mut view = ClusterView::new(nodes, [], pods);
    let limits = PoolLimits {
        desired: 4,
        most: 4,
        surge: 2,
        ..PoolLimits::new("worker".into(), 2, 10, false)
    };
    let decision = decide_pool(&view, &production(), &limits, t0());
    let begin: Vec<&str> = decision.begin.iter().map(|n| n.as_str()).collect();
    assert_eq!(begin, ["o1"], "one at a time: {decision:?}");
    let mut going = zoned("o1", true, "a");
    going.mark.as_mut().unwrap().draining = Some(t0());
    view.set_node(going);
    assert_eq!(decide_pool(&view, &production(), &limits, t0()).begin.len(), 0);
}

#[test]
fn failing_replacements_and_given_up_nodes_stop_the_pool() {
    let mut given_up = ["q1", "q2"].map(|name| node(name, true, true));
    for node in &mut given_up {
        node.mark.as_mut().unwrap().quarantined = Some("stuck".into());
    }
    let [q1, q2] = given_up;
    let others = [
        node("o1", true, true),
        node("n1", false, false),
        node("n2", false, false),
        node("n3", false, false),
    ];
    let mut view = ClusterView::new(others, [], []);
    view.set_node(q1);
    assert_eq!(decide_pool(&view, &production(), &limits(5), t0()).begin.len(), 1);
    let failing = PoolLimits {
        failed_replacements: 3,
        ..limits(5)
    };
    assert_eq!(
        decide_pool(&view, &production(), &failing, t0()).waits,
        [PoolWait::RepairBrake { failed: 3 }]
    );
    view.set_node(q2);
    let waits = decide_pool(&view, &production(), &limits(5), t0()).waits;
    assert_eq!(waits, [PoolWait::TooManyQuarantined { quarantined: 2 }]);
}

#[test]
fn nodes_without_replacement_need_none() {
    let mut only = node("o1", true, true);
    only.replace_first = false;
    let view = ClusterView::new([only], [], []);
    assert_eq!(decide_pool(&view, &production(), &limits(1), t0()).begin.len(), 1);
}

#[test]
fn a_forecast_says_who_moves_what_refuses_and_until_when() {
    let nodes = [node("o1", false, false), node("o2", false, false)];
    let pods = [
        pod("cart-1", "cart", "o1", plus(t0(), "-1h")),
        pod("free-1", "free", "o2", plus(t0(), "-1h")),
        member("db", 0, "o2", plus(t0(), "-1h")),
    ];
    let view = ClusterView::new(nodes, [closed("cart", 1)], pods);
    let planned = with_outdated(&view, &["o1".into(), "o2".into()], "image ami-1 to ami-2", t0());
    let forecast = forecast_pool(&planned, &production(), &limits(2), t0());
    let names: Vec<&str> = forecast.nodes.iter().map(|n| n.node.as_str()).collect();
    assert_eq!(names, ["o1", "o2"]);
    assert_eq!(&*forecast.nodes[0].why, "image ami-1 to ami-2");
    assert_eq!(forecast.owners["team-shop"].pods, 3);
    assert_eq!(forecast.owners["team-shop"].protected, 1);
    let [refusal] = forecast.refusals.as_slice() else {
        panic!("{forecast:?}")
    };
    assert_eq!(refusal.pod.to_string(), "shop/cart-1");
    // The pod is an hour old: its three days end in 71 hours, after the new nodes and the grace period.
    assert_eq!(refusal.until, Some(plus(t0(), "71h")));
    assert_eq!(forecast.expected, Some(plus(t0(), "71h30s")));
    assert_eq!(forecast.surge_node_hours_expected, Some(143));
    let latest = forecast.at_latest.clone().unwrap();
    assert!(latest >= plus(t0(), "71h") && latest < plus(t0(), "73h"), "{latest}");
}

#[test]
fn bounds_and_expectations_of_single_nodes() {
    let view = ClusterView::new(
        [draining("n", t0()), node("stays", false, false)],
        [closed("cart", 1)],
        [pod("cart-1", "cart", "n", plus(t0(), "-240h"))],
    );
    let bound = gone_at_latest(&view, &production(), &"n".into(), t0())
        .unwrap()
        .unwrap();
    // Six hours of grace, one poll, the pod's half minute with headroom, the machine's quarter of an hour.
    assert_eq!(
        (bound.drained, bound.at),
        (plus(t0(), "6h1m30s"), plus(t0(), "6h16m30s"))
    );
    assert_eq!(
        expected(&view, &production(), &"n".into(), t0()).unwrap().at,
        Some(plus(t0(), "6h30s"))
    );
    let stays = gone_at_latest(&view, &production(), &"stays".into(), t0()).unwrap();
    assert_eq!(stays, Err(disruption::Unbounded::NotSelected));
}

/// Blue-green: a second set at full size, all old nodes at once, and no machine ends before the last one is drained.
#[test]
fn a_blue_green_pool_doubles_drains_and_only_then_ends_machines() {
    let names = ["o1", "o2", "o3", "o4"];
    let limits = |desired| PoolLimits {
        desired,
        ..PoolLimits::blue_green("worker".into(), 4, 10)
    };
    let mut view = ClusterView::new(names.map(|name| node(name, true, true)), [], []);
    let first = decide_pool(&view, &production(), &limits(4), t0());
    assert_eq!((first.add.len(), first.begin.len(), first.keep_drained), (4, 0, true));
    for name in ["n1", "n2", "n3", "n4"] {
        view.set_node(node(name, false, false));
    }
    let second = decide_pool(&view, &production(), &limits(8), t0());
    assert_eq!(
        (second.add.len(), second.begin.len(), second.keep_drained),
        (0, 4, true)
    );
    for name in names {
        view.set_node(draining(name, t0()));
    }
    view.set_pod(pod("cart-1", "cart", "o3", t0()));
    let third = decide_pool(&view, &production(), &limits(8), t0());
    assert_eq!(third.waits, [PoolWait::NotAllDrained { left: 1 }]);
    view.remove_pod(&disruption::PodKey::new("shop", "cart-1"));
    assert!(!decide_pool(&view, &production(), &limits(8), t0()).keep_drained);
}
