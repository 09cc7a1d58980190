//! Siblings: the pods that suffer when this one goes.

use jiff::Timestamp;
use model::duration::GoDuration;

use crate::decide::Ledger;
use crate::pod::{PodKind, PodState};
use crate::policy::{Policy, SiblingClock};
use crate::rule::Rule;
use crate::view::{ClusterView, PodEntry, PodSlot};

/// Calls `visit` once for every sibling of a pod: pods of any budget that guards it, and members of its StatefulSet.
/// Finished pods and pods of Jobs do not count, nor does the pod itself (fact 58).
pub(crate) fn each(view: &ClusterView, slot: PodSlot, entry: &PodEntry, mut visit: impl FnMut(PodSlot, &PodState)) {
    let groups = entry
        .budgets
        .iter()
        .filter_map(|budget| view.budget_at(*budget))
        .map(|b| &b.pods);
    let groups: Vec<_> = groups.chain([view.set_members(&entry.pod)]).collect();
    for (place, group) in groups.iter().enumerate() {
        let earlier = groups.get(..place).unwrap_or_default();
        for other in group.iter().copied().filter(|other| *other != slot) {
            if earlier.iter().any(|group| group.contains(&other)) {
                continue;
            }
            if let Some(sibling) = view.entry_at(other).map(|e| &e.pod).filter(|pod| counts(pod)) {
                visit(other, sibling);
            }
        }
    }
}

fn counts(pod: &PodState) -> bool {
    !pod.is_finished() && !matches!(pod.kind, PodKind::Job { .. })
}

/// The rule that a sibling puts on a forced termination: which, since when its clock runs, how long it must have run.
///
/// A sibling on its way out counts as not ready since its deletion, whatever its age: it is as good as gone. Its replacement
/// takes its place once it is there.
pub(crate) fn clock(
    policy: &Policy,
    ledger: &Ledger,
    slot: PodSlot,
    sibling: &PodState,
) -> (Rule, Timestamp, GoDuration) {
    let unready = |from| (Rule::UnreadySiblings, from, policy.min_unhealthy_sibling_lifetime);
    if let Some(at) = ledger.going(slot) {
        return unready(at);
    }
    if let Some(termination) = sibling.terminating {
        return unready(termination.since);
    }
    let from = match policy.sibling_clock {
        SiblingClock::Lifetime => sibling.created,
        SiblingClock::SinceChange => sibling.readiness.since().max(sibling.created),
    };
    if sibling.readiness.is_ready() {
        (Rule::ReadySiblings, from, policy.min_healthy_sibling_lifetime)
    } else {
        unready(from)
    }
}
