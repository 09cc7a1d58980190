//! Who goes first: pods of a node, nodes of a pool.

use std::cmp::{Ordering, Reverse};

use crate::names::NodeName;
use crate::node::NodeState;
use crate::pod::{PodKind, PodState};
use crate::policy::Policy;
use crate::protect::primary_label;
use crate::view::{ClusterView, PodEntry, PodSlot};

/// The pods of a node in the order in which they go: primaries of databases last; then by priority, the least important
/// first, so that what serves the others stays longest; pods that are not ready before those that are; higher members of
/// a StatefulSet first, as its controller scales; the oldest first; then by name.
pub(crate) fn pods_of<'a>(view: &'a ClusterView, policy: &Policy, node: &NodeName) -> Vec<(PodSlot, &'a PodEntry)> {
    let mut all: Vec<_> = view
        .entries_on(node)
        .map(|(slot, entry)| (rank(policy, &entry.pod), (slot, entry)))
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.1.pod.key.cmp(&b.1.1.pod.key)));
    all.into_iter().map(|(_, pod)| pod).collect()
}

fn rank(policy: &Policy, pod: &PodState) -> impl Ord + use<> {
    let ordinal = match pod.kind {
        PodKind::StatefulSet { ordinal, .. } => ordinal,
        _ => 0,
    };
    (
        primary_label(policy, pod).is_some(),
        pod.priority,
        pod.readiness.is_ready(),
        Reverse(ordinal),
        pod.created,
    )
}

/// The keys of a node's pods in the order in which they go.
#[must_use]
pub fn pod_order(view: &ClusterView, policy: &Policy, node: &NodeName) -> Vec<crate::names::PodKey> {
    pods_of(view, policy, node)
        .into_iter()
        .map(|(_, entry)| entry.pod.key.clone())
        .collect()
}

/// Which of two nodes has its turn first: machines that go away anyway, by their end; nodes already cordoned, so that
/// what was begun is ended; the higher decommission priority, which control planes carry, since kubelets may not be
/// newer than their API server; nodes that are not ready; the oldest; then by name.
pub(crate) fn by_turn(a: &NodeState, b: &NodeState) -> Ordering {
    let key = |node: &NodeState| {
        let ends = node.mark.as_ref().and_then(|mark| mark.machine_ends);
        (
            ends.is_none(),
            ends,
            !node.cordoned,
            Reverse(node.priority),
            node.ready,
            node.created,
        )
    };
    key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
}

/// Sorts nodes by their turn.
pub fn node_order(nodes: &mut [&NodeState]) {
    nodes.sort_by(|a, b| by_turn(a, b));
}
