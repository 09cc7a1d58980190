//! Removing a node pool, and growing one: what comes next.

use crate::names::NodeName;

/// What is seen of a pool that is no longer in the registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemovedPool {
    /// Its groups still carry the tag by which the autoscaler finds them.
    pub autoscaled: bool,
    /// The least size of its groups, summed.
    pub min_size: u32,
    /// Its nodes without the label `replacement-strategy=none`.
    pub unlabelled: Vec<NodeName>,
    /// Its nodes without a mark.
    pub unmarked: Vec<NodeName>,
    /// All its nodes.
    pub nodes: Vec<NodeName>,
    /// Its stack exists.
    pub stack: bool,
}

/// The next step of a removal (fact 64).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemovalStep {
    /// Take the autoscaler's tag off: it must neither add nor remove nodes from here on.
    DropAutoscalerTag,
    /// Let the groups shrink to nothing.
    SetMinSizeZero,
    /// Say that no replacements are brought first.
    Label(Vec<NodeName>),
    /// Mark for replacement; they drain under the contract like all others.
    Mark(Vec<NodeName>),
    /// Nodes are still draining.
    WaitFor(Vec<NodeName>),
    /// The last node is gone: delete the stack.
    DeleteStack,
    /// Nothing is left.
    Done,
}

/// The next step of a pool's removal.
#[must_use]
pub fn removal_step(pool: &RemovedPool) -> RemovalStep {
    if !pool.stack && pool.nodes.is_empty() {
        RemovalStep::Done
    } else if pool.autoscaled {
        RemovalStep::DropAutoscalerTag
    } else if pool.min_size > 0 {
        RemovalStep::SetMinSizeZero
    } else if !pool.unlabelled.is_empty() {
        RemovalStep::Label(pool.unlabelled.clone())
    } else if !pool.unmarked.is_empty() {
        RemovalStep::Mark(pool.unmarked.clone())
    } else if !pool.nodes.is_empty() {
        RemovalStep::WaitFor(pool.nodes.clone())
    } else {
        RemovalStep::DeleteStack
    }
}

/// A group of machines of a pool, one per zone or one for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Box<str>,
    /// Its desired size.
    pub desired: u32,
}

/// Spreads `by` more nodes over groups, one at a time to the smallest that is not empty; empty groups come last, since a
/// zone without nodes may be without them on purpose (fact 63). Of equal groups the first by name grows.
pub fn grow(groups: &mut [Group], by: u32) {
    for _ in 0..by {
        let smallest = groups.iter_mut().min_by(|a, b| {
            let key = |group: &Group| (group.desired == 0, group.desired);
            key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
        });
        if let Some(group) = smallest {
            group.desired = group.desired.saturating_add(1);
        }
    }
}
