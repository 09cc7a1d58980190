//! Which pods a ReplicaSet gives up first when it has too many.
//!
//! The order is the real controller's: what has not started, then what is worth least, then what shares its node with
//! most siblings, then what is youngest. Ages are compared by their magnitude only, so that among pods of a similar age
//! the choice does not always fall on the newest.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::cache::{Phase, PodView};

/// What the ranking looks at in a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate<'a> {
    /// The pod's name, for the caller to find it again.
    pub(crate) name: &'a str,
    /// The tie breaker among pods of similar age.
    pub(crate) uid: &'a str,
    /// Empty for pods that have no node yet.
    pub(crate) node: &'a str,
    pub(crate) phase: Phase,
    pub(crate) ready: bool,
    /// When the pod became ready; only looked at when it is.
    pub(crate) ready_since: Option<Timestamp>,
    /// The annotation `controller.kubernetes.io/pod-deletion-cost`, zero where it is missing.
    pub(crate) deletion_cost: i64,
    /// How many active pods of related sets are on the same node.
    pub(crate) neighbours: usize,
    /// The restarts of its containers.
    pub(crate) restarts: i64,
    pub(crate) created: Option<Timestamp>,
}

impl<'a> Candidate<'a> {
    /// A pod with so many active siblings on its node.
    pub(crate) fn of(pod: &'a PodView, neighbours: usize, deletion_cost: i64) -> Self {
        Self {
            name: &pod.name,
            uid: &pod.uid,
            node: pod.node.as_deref().unwrap_or_default(),
            phase: pod.phase,
            ready: pod.ready,
            ready_since: pod.ready_since,
            deletion_cost,
            neighbours,
            restarts: i64::from(pod.restarts),
            created: Some(pod.created),
        }
    }
}

fn phase_rank(phase: Phase) -> u8 {
    match phase {
        Phase::Pending => 0,
        Phase::Unknown => 1,
        _ => 2,
    }
}

/// The magnitude of an age: the whole part of its binary logarithm in nanoseconds; -1 for what is not in the past.
fn magnitude(since: Timestamp, now: Timestamp) -> i64 {
    let age = now.as_nanosecond().saturating_sub(since.as_nanosecond());
    if age > 0 { i64::from(age.ilog2()) } else { -1 }
}

/// Younger before older by magnitude; pods of one magnitude by uid, pods of the same moment not at all.
fn younger_first(one: Option<Timestamp>, two: Option<Timestamp>, uids: (&str, &str), now: Timestamp) -> Ordering {
    match (one, two) {
        (one, two) if one == two => Ordering::Equal,
        (None, _) => Ordering::Less,
        (_, None) => Ordering::Greater,
        (Some(one), Some(two)) => magnitude(one, now)
            .cmp(&magnitude(two, now))
            .then_with(|| uids.0.cmp(uids.1)),
    }
}

/// Compares two pods: the lesser one goes first.
pub(crate) fn compare(one: &Candidate<'_>, two: &Candidate<'_>, now: Timestamp) -> Ordering {
    let uids = (one.uid, two.uid);
    (!one.node.is_empty())
        .cmp(&!two.node.is_empty())
        .then_with(|| phase_rank(one.phase).cmp(&phase_rank(two.phase)))
        .then_with(|| one.ready.cmp(&two.ready))
        .then_with(|| one.deletion_cost.cmp(&two.deletion_cost))
        .then_with(|| two.neighbours.cmp(&one.neighbours))
        .then_with(|| {
            if one.ready && two.ready {
                younger_first(one.ready_since, two.ready_since, uids, now)
            } else {
                Ordering::Equal
            }
        })
        .then_with(|| two.restarts.cmp(&one.restarts))
        .then_with(|| younger_first(one.created, two.created, uids, now))
        // The real order leaves the rest open; a run that repeats needs it closed.
        .then_with(|| one.name.cmp(two.name))
}

/// The names of the pods that go, in the order they go in.
pub(crate) fn victims<'a>(mut pods: Vec<Candidate<'a>>, count: usize, now: Timestamp) -> Vec<&'a str> {
    pods.sort_by(|one, two| compare(one, two, now));
    pods.into_iter().take(count).map(|pod| pod.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    fn steady(name: &'static str) -> Candidate<'static> {
        Candidate {
            name,
            uid: name,
            node: "n1",
            phase: Phase::Running,
            ready: true,
            ready_since: time("2026-01-01T00:00:10Z"),
            deletion_cost: 0,
            neighbours: 1,
            restarts: 0,
            created: time("2026-01-01T00:00:00Z"),
        }
    }

    /// The pod that differs from `b` in one respect goes first.
    fn check(change: impl FnOnce(&mut Candidate<'static>)) {
        let mut special = steady("z");
        change(&mut special);
        let now = "2026-01-02T00:00:00Z".parse().unwrap();
        assert_eq!(
            victims(vec![steady("b"), special.clone()], 1, now),
            ["z"],
            "{special:?}"
        );
    }

    #[test]
    fn each_rule_decides_where_the_ones_before_it_are_silent() {
        check(|pod| pod.node = "");
        check(|pod| pod.phase = Phase::Pending);
        check(|pod| pod.phase = Phase::Unknown);
        check(|pod| pod.ready = false);
        check(|pod| pod.deletion_cost = -5);
        check(|pod| pod.neighbours = 2);
        check(|pod| pod.ready_since = time("2026-01-01T23:00:00Z"));
        check(|pod| pod.restarts = 1);
        check(|pod| pod.created = time("2026-01-01T23:59:00Z"));
    }

    #[test]
    fn earlier_rules_win() {
        let now = "2026-01-02T00:00:00Z".parse().unwrap();
        let mut cheap = steady("cheap");
        cheap.deletion_cost = -1;
        let mut crowded = steady("crowded");
        crowded.neighbours = 9;
        let mut pending = steady("pending");
        (pending.phase, pending.ready, pending.deletion_cost) = (Phase::Pending, false, 100);
        let order = victims(vec![steady("a"), crowded, cheap, pending], 4, now);
        assert_eq!(order, ["pending", "cheap", "crowded", "a"]);
    }

    #[test]
    fn similar_ages_are_one_age() {
        let now = "2026-01-02T00:00:00Z".parse().unwrap();
        let mut younger = steady("x");
        younger.ready_since = time("2026-01-01T00:20:00Z");
        // One pod has been ready for 24 h, the other for 20 minutes less: the uid decides.
        assert_eq!(victims(vec![younger, steady("b")], 1, now), ["b"]);
    }
}
