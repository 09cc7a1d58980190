//! Equal changes of many clusters as one block.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::change::{Change, ClusterPlan, NodeCount, Verb};

/// A change that is the same in all of its clusters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// What happens. Names that differ between clusters (of their stacks) and node counts are those of the first one.
    pub change: Change,
    /// Aliases of the clusters.
    pub clusters: BTreeSet<String>,
    /// Nodes that have to be drained, added up over the clusters; `None` where no nodes are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained: Option<NodeCount>,
}

/// Order of a report: what is lost first, then pools, stacks, deletions, objects, each by name.
fn rank(change: &Change) -> (Verb, u8, String) {
    let kind = match change {
        Change::Pool(_) => 0,
        Change::Stack(_) => 1,
        Change::Deletion(_) => 2,
        Change::Object(_) => 3,
    };
    (change.verb(), kind, change.subject())
}

/// What makes two changes the same: everything but stack names and node counts.
fn essence(change: &Change) -> String {
    let mut change = change.clone();
    match &mut change {
        Change::Pool(pool) => pool.nodes = NodeCount::default(),
        Change::Stack(stack) => stack.name.clear(),
        Change::Deletion(_) | Change::Object(_) => {}
    }
    // Values of a plan always serialise: their keys are texts.
    serde_json::to_string(&change).unwrap_or_default()
}

/// Folds the changes of many clusters. The order of the plans does not matter.
#[must_use]
pub fn fold<'p>(plans: impl IntoIterator<Item = &'p ClusterPlan>) -> Vec<Block> {
    let mut blocks: BTreeMap<((Verb, u8, String), String), Block> = BTreeMap::new();
    let mut plans: Vec<&ClusterPlan> = plans.into_iter().collect();
    plans.sort_by(|a, b| (&a.alias, &a.cluster).cmp(&(&b.alias, &b.cluster)));
    for plan in plans {
        for change in plan.changes() {
            let drained = match &change {
                Change::Pool(pool) => pool.drained(),
                _ => None,
            };
            let key = (rank(&change), essence(&change));
            let block = blocks.entry(key).or_insert_with(|| Block {
                change,
                clusters: BTreeSet::new(),
                drained: None,
            });
            block.clusters.insert(plan.alias.clone());
            block.drained = sum(block.drained, drained);
        }
    }
    blocks.into_values().collect()
}

/// Adds node counts; a sum was seen only if every part was.
pub(crate) fn sum(a: Option<NodeCount>, b: Option<NodeCount>) -> Option<NodeCount> {
    match (a, b) {
        (Some(a), Some(b)) => Some(NodeCount {
            min: a.min + b.min,
            max: a.max + b.max,
            seen: a.seen.zip(b.seen).map(|(a, b)| a + b),
        }),
        (one, other) => one.or(other),
    }
}
