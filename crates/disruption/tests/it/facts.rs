//! Facts 56 to 64 by number.

use std::collections::BTreeMap;

use disruption::marking::{self, TaintEffect, clock_text, clocks, is_outdated, taint_effect};
use disruption::{
    Amount, BudgetKey, ClusterView, Environment, Group, Limit, NodeState, NodeStep, Owner, Phase, PodKind, PodState,
    Policy, PoolLimits, RemovalStep, RemovedPool, Selector, Termination, decide_node, decide_pool, grow, removal_step,
};
use jiff::Timestamp;

use crate::support::{budget, closed, decide, draining, plus, pod, span, t0, unready, word};

fn production() -> Policy {
    Policy::of(Environment::Production)
}

#[test]
fn fact_56_grace_period_is_inclusive() {
    let view = ClusterView::new(
        [draining("n", t0())],
        [closed("a", 1)],
        [pod("p", "a", "n", plus(t0(), "-240h"))],
    );
    for (after, expected) in [
        ("5h59m", "wait: Budget"),
        ("5h59m59.999999999s", "wait: Budget"),
        ("6h", "force"),
    ] {
        let decision = decide(&view, &production(), "n", "p", plus(t0(), after));
        assert_eq!(word(&decision), expected, "{after}");
    }
    let early = decide(&view, &production(), "n", "p", t0());
    assert_eq!(early.changes_at, Some(plus(t0(), "6h")));
}

#[test]
fn fact_57_interval_and_lifetime_are_inclusive() {
    let mut node = draining("n", plus(t0(), "-100h"));
    node.mark.as_mut().unwrap().last_forced = Some(t0());
    let old = pod("old", "a", "n", plus(t0(), "-240h"));
    let view = ClusterView::new([node], [closed("a", 1)], [old]);
    for (after, expected) in [("4m59s", "wait: Budget"), ("5m", "force")] {
        assert_eq!(
            word(&decide(&view, &production(), "n", "old", plus(t0(), after))),
            expected,
            "{after}"
        );
    }
    for (age, expected) in [("-71h59m", "wait: Budget"), ("-72h", "force")] {
        let view = ClusterView::new(
            [draining("n", plus(t0(), "-100h"))],
            [closed("a", 1)],
            [pod("p", "a", "n", plus(t0(), age))],
        );
        assert_eq!(word(&decide(&view, &production(), "n", "p", t0())), expected, "{age}");
    }
}

fn with_sibling(sibling: PodState) -> String {
    let node = draining("n", plus(t0(), "-100h"));
    let view = ClusterView::new(
        [node],
        [closed("a", 2)],
        [pod("p", "a", "n", plus(t0(), "-240h")), sibling],
    );
    word(&decide(&view, &production(), "n", "p", t0()))
}

#[test]
fn fact_58_siblings() {
    let ready = |age: &str| pod("s", "a", "other", plus(t0(), age));
    assert_eq!(with_sibling(ready("-59m")), "wait: Budget");
    assert_eq!(with_sibling(ready("-1h")), "force");
    assert_eq!(with_sibling(unready(ready("-5h59m"))), "wait: Budget");
    assert_eq!(with_sibling(unready(ready("-6h"))), "force");

    let mut finished = ready("-1m");
    finished.phase = Phase::Succeeded;
    assert_eq!(with_sibling(finished), "force");
    let mut job = ready("-1m");
    job.kind = PodKind::Job {
        owner: Owner::new("Job", "a"),
        deadline: None,
    };
    assert_eq!(with_sibling(job), "force");
    // Pods of another application or namespace are no siblings.
    assert_eq!(with_sibling(pod("s", "b", "other", t0())), "force");
    let mut elsewhere = ready("-1m");
    elsewhere.key.namespace = "other".into();
    assert_eq!(with_sibling(elsewhere), "force");
    // A sibling on its way out counts from its deletion as not ready.
    let mut leaving = ready("-100h");
    leaving.terminating = Some(Termination {
        since: plus(t0(), "-1m"),
        grace: span("10m"),
    });
    assert_eq!(with_sibling(leaving), "wait: Budget");
}

#[test]
fn fact_58_a_budget_with_an_invalid_selector_is_ignored() {
    let mut broken = closed("a", 1);
    broken.selector = Selector::Invalid("operator".into());
    let view = ClusterView::new([draining("n", t0())], [broken], [pod("p", "a", "n", t0())]);
    assert_eq!(word(&decide(&view, &production(), "n", "p", t0())), "evict");
}

#[test]
fn fact_59_what_stays_and_when_a_node_is_drained() {
    let mut done = pod("done", "a", "n", t0());
    done.phase = Phase::Failed;
    let mut daemon = pod("daemon", "a", "n", t0());
    daemon.kind = PodKind::DaemonSet(Owner::new("DaemonSet", "a"));
    let mut mirror = pod("mirror", "a", "n", t0());
    mirror.kind = PodKind::Static;
    let view = ClusterView::new([draining("n", t0())], [], [done, daemon, mirror]);
    for (name, expected) in [
        ("done", "leave: Finished"),
        ("daemon", "leave: DaemonSet"),
        ("mirror", "leave: Static"),
    ] {
        assert_eq!(
            word(&decide(&view, &production(), "n", name, plus(t0(), "1000h"))),
            expected
        );
    }
    assert_eq!(
        decide_node(&view, &production(), &"n".into(), t0()).unwrap().step,
        NodeStep::Drained
    );
}

#[test]
fn fact_60_the_grace_period_comes_from_the_annotation() {
    let started = plus(t0(), "-5h");
    let annotations: BTreeMap<String, String> = [(marking::DRAIN_START.to_owned(), clock_text(started))].into();
    let read = clocks(&annotations).unwrap();
    assert_eq!(read.draining, Some(started));
    let mut node = draining("n", t0());
    node.mark.as_mut().unwrap().draining = read.draining;
    let view = ClusterView::new([node], [closed("a", 1)], [pod("p", "a", "n", plus(t0(), "-240h"))]);
    assert_eq!(
        decide(&view, &production(), "n", "p", t0()).changes_at,
        Some(plus(t0(), "1h"))
    );

    // A broken clock is an error, not a fresh start; fractions never run early.
    let broken: BTreeMap<String, String> = [(marking::LAST_FORCED.to_owned(), "yesterday".to_owned())].into();
    let error = clocks(&broken).unwrap_err().to_string();
    assert_eq!(
        error,
        "annotation cluster-lifecycle-manager.zalando.org/last-forced-drain is not an RFC 3339 time"
    );
    assert_eq!(clock_text(plus(t0(), "1ns")), "2026-11-21T12:00:01Z");
}

fn zoned(mut node: NodeState, zone: &str) -> NodeState {
    node.zone = Some(zone.into());
    node.pool = Some("worker".into());
    node
}

#[test]
fn fact_61_nodes_with_volumes_need_a_new_node_in_their_zone() {
    let mut nodes = Vec::new();
    let mut pods = Vec::new();
    for zone in ["a", "b", "c"] {
        let name = format!("old-{zone}");
        let mut node = zoned(draining(&name, t0()), zone);
        node.mark.as_mut().unwrap().draining = None;
        node.cordoned = false;
        nodes.push(node);
        let mut with_volume = pod(&format!("p-{zone}"), "a", &name, t0());
        with_volume.volume_zones = vec![zone.into()];
        pods.push(with_volume);
    }
    for (name, zone) in [("new-1", "a"), ("new-2", "a"), ("new-3", "b")] {
        nodes.push(zoned(NodeState::new(name.into(), t0()), zone));
    }
    let view = ClusterView::new(nodes, [], pods);
    // Three before the rollout, and three new ones.
    let limits = PoolLimits {
        desired: 6,
        ..PoolLimits::new("worker".into(), 3, 10, false)
    };
    let decision = decide_pool(&view, &production(), &limits, t0());
    let begin: Vec<&str> = decision.begin.iter().map(|n| n.as_str()).collect();
    assert_eq!(begin, ["old-a", "old-b"]);
    let zones: Vec<_> = decision
        .add
        .iter()
        .map(|new| new.zone.as_ref().unwrap().as_str())
        .collect();
    assert_eq!(zones, ["c"]);

    // Spot capacity is not waited for.
    let spot = PoolLimits { spot: true, ..limits };
    let decision = decide_pool(&view, &production(), &spot, t0());
    assert_eq!((decision.begin.len(), decision.add.len()), (3, 0));
}

#[test]
fn fact_62_generations_and_taints() {
    let marked: Vec<bool> = [1, 3, 3, 2, 10].into_iter().map(|node| is_outdated(node, 3)).collect();
    assert_eq!(marked, [true, false, false, true, true]);
    for (control_plane, item, expected) in [
        (false, Some("true"), TaintEffect::NoSchedule),
        (true, Some("true"), TaintEffect::PreferNoSchedule),
        (false, Some("false"), TaintEffect::PreferNoSchedule),
        (false, None, TaintEffect::PreferNoSchedule),
    ] {
        assert_eq!(taint_effect(control_plane, item), expected);
    }
}

#[test]
fn fact_63_the_smallest_group_grows_and_empty_ones_last() {
    let check = |sizes: &[u32], by: u32, expected: &[u32]| {
        let name = |i: usize| format!("group-{i}").into();
        let mut groups: Vec<Group> = sizes
            .iter()
            .enumerate()
            .map(|(i, size)| Group {
                name: name(i),
                desired: *size,
            })
            .collect();
        grow(&mut groups, by);
        assert_eq!(
            groups.iter().map(|g| g.desired).collect::<Vec<_>>(),
            expected,
            "{sizes:?} by {by}"
        );
    };
    check(&[0, 2, 1], 1, &[0, 2, 2]);
    check(&[0, 2, 1], 3, &[0, 3, 3]);
    check(&[0, 0], 2, &[2, 0]);
    check(&[], 2, &[]);
}

#[test]
fn fact_64_a_removed_pool_loses_its_stack_last() {
    let mut pool = RemovedPool {
        autoscaled: true,
        min_size: 2,
        unlabelled: vec!["n1".into()],
        unmarked: vec!["n1".into()],
        nodes: vec!["n1".into()],
        stack: true,
    };
    assert_eq!(removal_step(&pool), RemovalStep::DropAutoscalerTag);
    pool.autoscaled = false;
    assert_eq!(removal_step(&pool), RemovalStep::SetMinSizeZero);
    pool.min_size = 0;
    assert_eq!(removal_step(&pool), RemovalStep::Label(vec!["n1".into()]));
    pool.unlabelled.clear();
    assert_eq!(removal_step(&pool), RemovalStep::Mark(vec!["n1".into()]));
    pool.unmarked.clear();
    assert_eq!(removal_step(&pool), RemovalStep::WaitFor(vec!["n1".into()]));
    pool.nodes.clear();
    assert_eq!(removal_step(&pool), RemovalStep::DeleteStack);
    pool.stack = false;
    assert_eq!(removal_step(&pool), RemovalStep::Done);
}

#[test]
fn budgets_answer_as_the_eviction_api_does() {
    let half = Limit::MinAvailable(Amount::Percent(50));
    let check = |budget: disruption::Budget, pod: PodState, expected: &str| {
        let view = ClusterView::new([draining("n", t0())], [budget.clone()], [pod]);
        assert_eq!(
            word(&decide(&view, &production(), "n", "p", t0())),
            expected,
            "{budget:?}"
        );
    };
    let ready = || pod("p", "a", "n", plus(t0(), "-1h"));
    check(budget("a", half, 3, 3), ready(), "evict");
    check(budget("a", half, 3, 2), ready(), "wait: Budget");
    // Not ready: free while enough others are healthy, or where the budget says so; several budgets refuse first.
    check(budget("a", half, 3, 2), unready(ready()), "evict");
    check(budget("a", half, 3, 1), unready(ready()), "wait: Budget");
    let mut always = budget("a", half, 3, 0);
    always.unhealthy = disruption::UnhealthyPods::AlwaysAllow;
    check(always, unready(ready()), "evict");
    let mut stale = budget("a", half, 3, 3);
    stale.generation = 2;
    check(stale.clone(), ready(), "wait: StaleBudget");
    // A pod that has not started is free whatever its budgets say.
    let mut pending = unready(ready());
    pending.phase = Phase::Pending;
    check(stale, pending, "evict");
    let mut second = budget("a", half, 3, 3);
    second.key = BudgetKey::new("shop", "b");
    let view = ClusterView::new([draining("n", t0())], [budget("a", half, 3, 3), second], [ready()]);
    assert_eq!(
        word(&decide(&view, &production(), "n", "p", t0())),
        "wait: SeveralBudgets"
    );
}

#[test]
fn a_refused_eviction_waits_for_the_poll_interval() {
    let mut refused = pod("p", "a", "n", t0());
    refused.refused = Some(t0());
    let view = ClusterView::new([draining("n", t0())], [], [refused]);
    let at = |after: &str| decide(&view, &production(), "n", "p", plus(t0(), after));
    assert_eq!(
        (word(&at("29s")), at("29s").changes_at),
        ("wait: RefusalPause".to_owned(), Some(plus(t0(), "30s")))
    );
    assert_eq!(word(&at("30s")), "evict");
}

#[test]
fn a_pod_that_does_not_end_makes_its_node_undrainable() {
    let mut ending = pod("p", "a", "n", plus(t0(), "-1h"));
    ending.terminating = Some(Termination {
        since: t0(),
        grace: span("10m"),
    });
    let view = ClusterView::new([draining("n", t0())], [], [ending]);
    let at = |after: &str| decide(&view, &production(), "n", "p", plus(t0(), after));
    assert_eq!(at("0s").changes_at, Some(plus(t0(), "10m30s")));
    assert_eq!(at("10m30s").changes_at, Some(plus(t0(), "1h10m30s")));
    assert_eq!(word(&at("1h10m30s")), "leave: Stuck");
    let node = decide_node(&view, &production(), &"n".into(), plus(t0(), "2h")).unwrap();
    assert!(matches!(node.step, NodeStep::Quarantine { .. }), "{:?}", node.step);
}

#[test]
fn missing_objects_are_errors() {
    let view = ClusterView::new([draining("n", t0())], [], [pod("p", "a", "m", t0())]);
    let ask = |node: &str, pod: &str| {
        let key = disruption::PodKey::new("shop", pod);
        disruption::decide_pod(&view, &production(), &node.into(), &key, Timestamp::UNIX_EPOCH)
    };
    assert_eq!(ask("x", "p").unwrap_err().to_string(), "node x is not in the view");
    assert_eq!(ask("n", "q").unwrap_err().to_string(), "pod shop/q is not in the view");
    assert_eq!(ask("n", "p").unwrap_err().to_string(), "pod shop/p is not on node n");
}
