//! Stateful workloads, Jobs, bare pods, dying machines: each on purpose.

use disruption::{
    Amount, BudgetKey, ClusterView, Environment, Handling, Limit, NodeStep, Owner, PodKey, PodKind, PodState, Policy,
    PoolLimits, PoolWait, PrimarySignal, Selector, Verdict, decide_cluster, decide_node, decide_pool,
    explain_pool_wait, leaving, pod_order,
};

use crate::support::{budget, closed, decide, draining, member, plus, pod, t0, unready, word};

fn production() -> Policy {
    Policy::of(Environment::Production)
}

fn primary(mut pod: PodState) -> PodState {
    pod.labels = [("app", "db"), ("spilo-role", "master")].into_iter().collect();
    pod
}

#[test]
fn members_of_a_set_go_one_at_a_time_even_without_a_budget() {
    let pods = [
        member("db", 0, "n", t0()),
        member("db", 1, "n", t0()),
        member("db", 2, "m", t0()),
    ];
    let mut view = ClusterView::new([draining("n", t0()), draining("m", t0())], [], pods);
    let all = decide_cluster(&view, &production(), t0());
    // The highest member first, across nodes.
    assert_eq!(leaving(&all).len(), 1, "{all:?}");
    let gone = leaving(&all).into_iter().next().unwrap();
    view.note_evicted(&gone, t0());
    assert!(leaving(&decide_cluster(&view, &production(), t0())).is_empty());
    // It is gone, and its replacement is not there: the set says how many it wants.
    view.remove_pod(&gone);
    let mut rest: Vec<PodState> = view.pods().cloned().collect();
    for pod in &mut rest {
        if let PodKind::StatefulSet { replicas, .. } = &mut pod.kind {
            *replicas = Some(3);
        }
        view.set_pod(pod.clone());
    }
    assert!(leaving(&decide_cluster(&view, &production(), t0())).is_empty());
    // A member that is not ready protects nothing by staying.
    let broken = unready(rest[0].clone());
    let (node, key) = (broken.node.clone().unwrap(), broken.key.clone());
    view.set_pod(broken);
    assert_eq!(
        word(&decide(&view, &production(), node.as_str(), &key.name, t0())),
        "evict"
    );
}

#[test]
fn a_primary_goes_last_and_only_when_its_role_has_moved() {
    let mut node = draining("n", t0());
    let master = Selector::labels([("spilo-role", "master")]);
    let guard = disruption::Budget::new(
        BudgetKey::new("shop", "db-master"),
        master,
        Limit::MinAvailable(Amount::Count(1)),
        1,
        1,
    );
    let pods = [
        primary(member("db", 1, "n", plus(t0(), "-240h"))),
        member("db", 0, "n", plus(t0(), "-240h")),
    ];
    let mut view = ClusterView::new([node.clone()], [guard], pods);
    let order = pod_order(&view, &production(), &"n".into());
    assert_eq!(order, [PodKey::new("shop", "db-0"), PodKey::new("shop", "db-1")]);
    let decision = decide(&view, &production(), "n", "db-1", t0());
    assert_eq!(
        (word(&decision).as_str(), decision.changes_at),
        ("wait: PrimaryMovesFirst", Some(plus(t0(), "6h")))
    );

    // ST-2, ST-15: the label must go; an operator that does not react is told again.
    let signal = |view: &ClusterView, after: &str| {
        let node = decide_node(view, &production(), &"n".into(), plus(t0(), after)).unwrap();
        (node.primary_signal, node.changes_at)
    };
    assert_eq!(signal(&view, "0s").0, Some(PrimarySignal::RemoveReadyLabel));
    node.mark.as_mut().unwrap().ready_label_removed = Some(t0());
    view.set_node(node);
    let again = plus(t0(), "10m");
    assert_eq!(
        signal(&view, "0s"),
        (Some(PrimarySignal::Given { again_at: again }), Some(again))
    );
    assert_eq!(signal(&view, "10m").0, Some(PrimarySignal::GiveAgain));

    // ST-1: the role has moved, the old primary is a replica like others.
    view.set_pod(member("db", 1, "n", plus(t0(), "-240h")));
    assert_eq!(word(&decide(&view, &production(), "n", "db-1", t0())), "evict");
    assert_eq!(signal(&view, "0s").0, None);
}

#[test]
fn an_operator_that_moves_data_is_left_its_time() {
    let mut moving = pod("es-0", "es", "n", plus(t0(), "-240h"));
    moving.operator_moving = Some(plus(t0(), "5h"));
    let view = ClusterView::new([draining("n", t0())], [closed("es", 1)], [moving]);
    // ST-6: the grace period is over after six hours, the operator began late and has until eleven.
    assert_eq!(
        word(&decide(&view, &production(), "n", "es-0", plus(t0(), "10h59m"))),
        "wait: OperatorMoves"
    );
    assert_eq!(
        word(&decide(&view, &production(), "n", "es-0", plus(t0(), "11h"))),
        "force"
    );
}

#[test]
fn a_job_runs_to_its_own_deadline() {
    let job = |deadline: Option<&str>, age: &str| {
        let mut job = pod("j", "a", "n", plus(t0(), age));
        let deadline = deadline.map(|after| plus(t0(), after));
        job.kind = PodKind::Job {
            owner: Owner::new("Job", "nightly"),
            deadline,
        };
        decide(
            &ClusterView::new([draining("n", t0())], [], [job]),
            &production(),
            "n",
            "j",
            t0(),
        )
    };
    for (deadline, age, changes) in [
        (Some("100h"), "-240h", "100h"),
        (Some("1h"), "-240h", "6h"),
        (None, "-240h", "6h"),
        (None, "-1h", "71h"),
    ] {
        let decision = job(deadline, age);
        assert_eq!(word(&decision), "wait: JobEnds");
        assert_eq!(decision.changes_at, Some(plus(t0(), changes)), "{deadline:?} {age}");
    }
}

#[test]
fn what_loses_something_is_held_where_the_policy_says_so() {
    let check = |change: fn(&mut PodState), hold: fn(&mut Policy), expected: &str| {
        let mut one = pod("p", "a", "n", t0());
        change(&mut one);
        let view = ClusterView::new([draining("n", t0())], [], [one]);
        let mut policy = production();
        assert_eq!(word(&decide(&view, &policy, "n", "p", t0())), "evict");
        hold(&mut policy);
        assert_eq!(word(&decide(&view, &policy, "n", "p", t0())), expected);
        assert_eq!(word(&decide(&view, &policy, "n", "p", plus(t0(), "72h"))), "force");
    };
    check(
        |p| p.kind = PodKind::Bare,
        |p| p.bare_pods = Handling::Hold,
        "wait: BarePodHeld",
    );
    check(
        |p| p.local_data = true,
        |p| p.local_data = Handling::Hold,
        "wait: LocalDataHeld",
    );
    check(
        |p| p.hold = Some("karpenter.sh/do-not-disrupt".into()),
        |p| p.owner_holds = Handling::Hold,
        "wait: OwnerHold",
    );
}

#[test]
fn a_dying_machine_overrides_the_contract_but_not_before_its_last_moment() {
    // ST-12, GS-3: notice of two minutes, forty seconds before the end everything is told to go, pacing or not.
    let mut node = draining("n", t0());
    node.mark.as_mut().unwrap().machine_ends = Some(plus(t0(), "2m"));
    let young = t0();
    let pods = [
        pod("a", "a", "n", young),
        pod("b", "a", "n", young),
        pod("free", "c", "n", young),
    ];
    let view = ClusterView::new([node], [closed("a", 2)], pods);
    let at = |after: &str| {
        decide_node(&view, &production(), &"n".into(), plus(t0(), after))
            .unwrap()
            .step
    };
    let free = || vec![PodKey::new("shop", "free")];
    assert_eq!(
        at("79s"),
        NodeStep::Act {
            evict: free(),
            force: Vec::new()
        }
    );
    let force = vec![PodKey::new("shop", "a"), PodKey::new("shop", "b")];
    assert_eq!(at("80s"), NodeStep::Act { evict: free(), force });
    let decision = decide(&view, &production(), "n", "a", plus(t0(), "80s"));
    let Verdict::Force(evidence) = decision.verdict else {
        panic!("{decision:?}")
    };
    assert!(matches!(evidence.cause, disruption::Cause::MachineEnds { .. }));
    assert!(
        evidence.unmet().count() > 0,
        "the record shows what the contract would have asked"
    );
}

#[test]
fn one_round_never_forces_two_of_a_node_or_a_budget() {
    let old = plus(t0(), "-240h");
    let pods = ["p1", "p2"].map(|name| pod(name, "a", "n", old)).into_iter();
    let pods = pods
        .chain(["q1"].map(|name| pod(name, "a", "m", old)))
        .chain([pod("r1", "b", "n", old)]);
    let nodes = [draining("n", plus(t0(), "-10h")), draining("m", plus(t0(), "-10h"))];
    let view = ClusterView::new(nodes, [closed("a", 3), closed("b", 1)], pods);
    let all = decide_cluster(&view, &production(), t0());
    // One of budget a in the whole cluster, and one of another budget on the other node.
    let forced = leaving(&all);
    assert_eq!(forced, [PodKey::new("shop", "q1"), PodKey::new("shop", "r1")].into());
    let mut view = view;
    for key in &forced {
        view.note_forced(key, t0());
        view.remove_pod(key);
    }
    // The replacement of q1 is not there yet, but the budget remembers.
    for (after, expected) in [("5m", 0), ("59m59s", 0), ("1h", 1)] {
        assert_eq!(
            leaving(&decide_cluster(&view, &production(), plus(t0(), after))).len(),
            expected,
            "{after}"
        );
    }
}

#[test]
fn several_go_together_within_their_budget() {
    let pods: Vec<PodState> = (0..5).map(|i| pod(&format!("p{i}"), "a", "n", t0())).collect();
    let two = budget("a", Limit::MaxUnavailable(Amount::Count(2)), 5, 5);
    let view = ClusterView::new([draining("n", t0())], [two], pods);
    let node = decide_node(&view, &production(), &"n".into(), t0()).unwrap();
    let NodeStep::Act { evict, force } = node.step else {
        panic!("{node:?}")
    };
    assert_eq!((evict.len(), force.len()), (2, 0));
}

#[test]
fn a_primary_is_asked_for_only_on_a_closed_node_without_its_label() {
    // ST-3: the label is gone and the node is open still, because somebody was killed between the two. Closing it comes first:
    // operators look at both, and so does the contract.
    let mut node = draining("n", t0());
    node.cordoned = false;
    node.mark.as_mut().unwrap().ready_label_removed = Some(t0());
    let pods = [primary(member("db", 0, "n", t0())), member("db", 1, "n", t0())];
    let view = ClusterView::new([node.clone()], [], pods.clone());
    let step = |view: &ClusterView| decide_node(view, &production(), &"n".into(), t0()).unwrap().step;
    assert_eq!(step(&view), NodeStep::Cordon);
    node.cordoned = true;
    let replica = vec![PodKey::new("shop", "db-1")];
    let act = NodeStep::Act {
        evict: replica,
        force: Vec::new(),
    };
    assert_eq!(step(&ClusterView::new([node], [], pods)), act);
}

#[test]
fn a_volume_without_capacity_in_its_zone_waits_and_says_so() {
    // ST-5: nothing begins, so no clock runs and nothing is forced, however long it takes.
    let mut old = draining("old", t0());
    (old.cordoned, old.zone) = (false, Some("c".into()));
    old.mark.as_mut().unwrap().draining = None;
    let mut new = disruption::NodeState::new("new".into(), t0());
    (new.pool, new.zone) = (Some("worker".into()), Some("a".into()));
    let mut db = member("db", 0, "old", plus(t0(), "-240h"));
    db.volume_zones = vec!["c".into()];
    let view = ClusterView::new([old, new], [], [db]);
    // One is there beyond the first, elsewhere: one more is asked for, in the zone, and the cloud does not bring it.
    let limits = |desired| PoolLimits {
        desired,
        most: 3,
        ..PoolLimits::new("worker".into(), 1, 10, false)
    };
    let decision = decide_pool(&view, &production(), &limits(2), t0());
    let zone = decision.add.iter().map(|new| new.zone.clone());
    assert_eq!(
        (decision.begin.len(), zone.collect::<Vec<_>>()),
        (0, vec![Some("c".into())])
    );
    let decision = decide_pool(&view, &production(), &limits(3), t0());
    assert_eq!((decision.begin.len(), decision.add.len()), (0, 0));
    let said: Vec<String> = decision
        .waits
        .iter()
        .map(|wait| explain_pool_wait(wait, t0()))
        .collect();
    assert_eq!(said, ["2 of 3 nodes are ready"]);
    for later in ["0s", "6h", "1000h"] {
        let word = word(&decide(&view, &production(), "old", "db-0", plus(t0(), later)));
        assert_eq!(word, "wait: CordonFirst", "{later}");
    }
}

#[test]
fn two_nodes_of_one_set_do_not_go_at_once() {
    // ST-7: beside the limit of the pool, which would let all three go.
    let old = |name: &str| {
        let mut node = draining(name, t0());
        node.cordoned = false;
        node.mark.as_mut().unwrap().draining = None;
        node
    };
    let new = ["n1", "n2", "n3"].map(|name| {
        let mut node = disruption::NodeState::new(name.into(), t0());
        node.pool = Some("worker".into());
        node
    });
    let pods = [
        member("es", 0, "a", t0()),
        member("es", 1, "b", t0()),
        pod("p", "web", "c", t0()),
    ];
    let view = ClusterView::new([old("a"), old("b"), old("c")].into_iter().chain(new), [], pods);
    let limits = PoolLimits {
        desired: 6,
        ..PoolLimits::new("worker".into(), 3, 10, false)
    };
    let decision = decide_pool(&view, &production(), &limits, t0());
    let begin: Vec<&str> = decision.begin.iter().map(|name| name.as_str()).collect();
    assert_eq!(begin, ["a", "c"]);
    let wait = PoolWait::SetOnOtherNode {
        node: "b".into(),
        set: "shop/es".into(),
    };
    assert!(decision.waits.contains(&wait), "{:?}", decision.waits);
}
