//! Short ways to write clusters down.

use disruption::{
    Amount, Budget, BudgetKey, ClusterView, Limit, NodeMark, NodeName, NodeState, Owner, PodDecision, PodKey, PodKind,
    PodState, Policy, Readiness, Selector, Verdict, decide_pod,
};
use jiff::{SignedDuration, Timestamp};
use model::duration::GoDuration;

/// The instant that tests call now, unless they say otherwise.
pub(crate) fn t0() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub(crate) fn span(text: &str) -> GoDuration {
    text.parse().unwrap()
}

/// `at` moved by a Go duration such as `-71h59m`.
pub(crate) fn plus(at: Timestamp, by: &str) -> Timestamp {
    at + SignedDuration::from_nanos(span(by).nanos())
}

/// A cordoned node whose drain began at `start`.
pub(crate) fn draining(name: &str, start: Timestamp) -> NodeState {
    let mut node = NodeState::new(NodeName::from(name), plus(start, "-1000h"));
    node.cordoned = true;
    node.outdated = Some("image".into());
    node.pool = Some("worker".into());
    node.mark = Some(NodeMark {
        draining: Some(start),
        ..NodeMark::new(start, "new image")
    });
    node
}

/// A ready pod of a ReplicaSet named like its application.
pub(crate) fn pod(name: &str, app: &str, node: &str, created: Timestamp) -> PodState {
    let owner = PodKind::Replicated(Owner::new("ReplicaSet", app));
    let mut pod = PodState::new(PodKey::new("shop", name), owner, Some(node.into()), created);
    pod.labels = [("app", app), ("team", "team-shop")].into_iter().collect();
    pod
}

/// Member `ordinal` of a StatefulSet named like its application.
pub(crate) fn member(app: &str, ordinal: u32, node: &str, created: Timestamp) -> PodState {
    let mut pod = pod(&format!("{app}-{ordinal}"), app, node, created);
    pod.kind = PodKind::StatefulSet {
        owner: Owner::new("StatefulSet", app),
        ordinal,
        replicas: None,
    };
    pod
}

pub(crate) fn unready(mut pod: PodState) -> PodState {
    pod.readiness = Readiness::NotReady(pod.created);
    pod
}

/// A budget over an application that allows nothing, with the status of `healthy` of `expected`.
pub(crate) fn closed(app: &str, expected: u32) -> Budget {
    budget(app, Limit::MaxUnavailable(Amount::Count(0)), expected, expected)
}

pub(crate) fn budget(app: &str, limit: Limit, expected: u32, healthy: u32) -> Budget {
    Budget::new(
        BudgetKey::new("shop", app),
        Selector::labels([("app", app)]),
        limit,
        expected,
        healthy,
    )
}

pub(crate) fn decide(view: &ClusterView, policy: &Policy, node: &str, pod: &str, now: Timestamp) -> PodDecision {
    decide_pod(view, policy, &NodeName::from(node), &PodKey::new("shop", pod), now).unwrap()
}

/// The verdict in one word, with the rule that a wait is on.
pub(crate) fn word(decision: &PodDecision) -> String {
    match &decision.verdict {
        Verdict::Evict => "evict".to_owned(),
        Verdict::Force(_) => "force".to_owned(),
        Verdict::Wait(wait) => format!("wait: {:?}", wait.on.rule()),
        Verdict::Leave(why) => format!("leave: {why:?}"),
    }
}
