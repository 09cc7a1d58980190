//! What came of a rehearsal, as plain values: saved as JSON, printed as text and as a page.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ranges::Ranges;

/// The format that this version writes.
pub(crate) const FORMAT: &str = "fleetwright.rehearsal/v1";

/// A whole rehearsal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name and version of this format.
    pub format: String,
    /// The version before, in the user's words.
    pub from: String,
    /// The version after.
    pub to: String,
    /// Everything that was drawn follows from it.
    pub seed: u64,
    /// When the new version appeared.
    pub start: Timestamp,
    /// When the last thing was done; absent when something was left at the end.
    pub done_at: Option<Timestamp>,
    /// Until when it was watched.
    pub end: Timestamp,
    /// Until when it would have been watched at most.
    pub limit: Timestamp,
    /// What it comes to.
    pub totals: Totals,
    /// The clusters, in the order of the scenario.
    pub clusters: Vec<ClusterReport>,
    /// Over several seeds, when there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Ranges>,
}

/// Numbers of a whole fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Clusters.
    pub clusters: u64,
    /// Clusters that were done.
    pub done: u64,
    /// Nodes that had to go.
    pub outdated: u64,
    /// Nodes that went.
    pub replaced: u64,
    /// Evictions that were accepted.
    pub evicted: u64,
    /// Pods that something held back when their node was drained.
    pub held: u64,
    /// Forced terminations.
    pub forced: u64,
    /// Nodes that were still to go, or were given up, at the end.
    pub stuck: u64,
    /// Seconds of extra nodes, over all pools.
    pub surge_node_seconds: u64,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterReport {
    /// Its id.
    pub cluster: String,
    /// The name that people use.
    pub alias: String,
    /// `production`, `test` and so on.
    pub environment: String,
    /// Where its workloads come from.
    pub workload: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When its update began, and when the last step was done.
    pub updated: Option<(Timestamp, Option<Timestamp>)>,
    /// The steps of its update, in their order.
    pub steps: Vec<StepReport>,
    /// Its pools, by name.
    pub pools: Vec<PoolReport>,
    /// Its nodes: those that were there first, then those that came, each by the time at which it began to go or came.
    pub nodes: Vec<NodeLane>,
    /// What happened to whose pods, by who answers for them.
    pub owners: BTreeMap<String, OwnerReport>,
    /// Pods that were held back, longest first.
    pub holds: Vec<HoldReport>,
    /// Forced terminations in the order of their time.
    pub forced: Vec<ForcedReport>,
    /// Nodes that were still to go, or were given up, at the end.
    pub stuck: Vec<StuckNode>,
}

/// How a cluster ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum Outcome {
    /// At the new version, every node with its pool's definition.
    Done {
        /// When.
        at: Timestamp,
    },
    /// Nothing was to be done.
    Unchanged,
    /// A block kept it from being updated.
    Blocked {
        /// Why.
        why: String,
    },
    /// Its update failed.
    Failed {
        /// Why.
        why: String,
    },
    /// Still at work when the time was over.
    Unfinished {
        /// What was left, in words.
        left: String,
    },
}

impl Outcome {
    /// Whether nothing is left to be done or to be waited for.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Unchanged)
    }
}

/// A step of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// Its path, such as `pools/workers/stack`.
    pub path: String,
    /// Whether it was done, failed, or waited.
    pub progress: String,
    /// When it began.
    pub began: Option<Timestamp>,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// Its sentence.
    pub message: String,
}

/// One pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolReport {
    /// Its name.
    pub pool: String,
    /// Nodes before.
    pub before: u32,
    /// Nodes that had to go.
    pub outdated: u32,
    /// Of these, nodes that went.
    pub replaced: u32,
    /// The most nodes at once.
    pub most: u32,
    /// When the first node was selected.
    pub began: Option<Timestamp>,
    /// When the last one was gone.
    pub ended: Option<Timestamp>,
    /// Seconds of nodes beyond those that were there before.
    pub surge_node_seconds: u64,
    /// What the contract said when the first node was selected.
    pub bound: Option<Bound>,
}

/// What the disruption contract says of a pool before its rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// When every node is expected to be gone.
    pub expected: Option<Timestamp>,
    /// When every node is gone at the latest.
    pub at_latest: Option<Timestamp>,
    /// Hours of extra nodes until the expected end.
    pub surge_hours_expected: Option<u64>,
    /// Hours of extra nodes until the bound.
    pub surge_hours_at_most: Option<u64>,
}

/// The life of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLane {
    /// Its name.
    pub node: String,
    /// The node of the real cluster that it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_for: Option<String>,
    /// Its pool.
    pub pool: String,
    /// It was there before.
    pub old: bool,
    /// When it joined.
    pub joined: Timestamp,
    /// When it was ready.
    pub ready: Option<Timestamp>,
    /// When it was selected to go.
    pub selected: Option<Timestamp>,
    /// When its drain began.
    pub draining: Option<Timestamp>,
    /// When it was gone.
    pub gone: Option<Timestamp>,
    /// When it was to be gone at the latest, as the contract said when its pool began.
    pub at_latest: Option<Timestamp>,
    /// Why it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<String>,
    /// Evictions that were accepted.
    pub evicted: u64,
    /// Pods that something held back.
    pub held: u64,
    /// When pods on it were terminated by force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<Timestamp>,
}

/// What happened to the pods of one owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerReport {
    /// Evictions that were accepted.
    pub evicted: u64,
    /// Pods that something held back.
    pub held: u64,
    /// Forced terminations.
    pub forced: u64,
}

/// A pod that something held back when its node was drained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldReport {
    /// The pod, as `namespace/name`.
    pub pod: String,
    /// Who answers for it.
    pub owner: String,
    /// Its node.
    pub node: String,
    /// What held it, in the engine's words to the owner.
    pub why: String,
    /// How often the API refused its eviction. The engine asks only when it expects a yes.
    pub refused: u64,
    /// Since when.
    pub since: Timestamp,
    /// When it went; absent when it was still there at the end.
    pub until: Option<Timestamp>,
}

/// A forced termination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForcedReport {
    /// When it was decided.
    pub at: Timestamp,
    /// The pod, as `namespace/name`.
    pub pod: String,
    /// Who answers for it.
    pub owner: String,
    /// Its node.
    pub node: String,
    /// What was overridden, in words.
    pub against: Vec<String>,
    /// The rule that was met last, with the time at which it was.
    pub right: String,
}

/// A node that did not go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StuckNode {
    /// Its name.
    pub node: String,
    /// Its pool.
    pub pool: String,
    /// What it waits on, in one sentence.
    pub sentence: String,
    /// When it is gone at the latest, as far as that is known at the end.
    pub at_latest: Option<Timestamp>,
}

impl Report {
    /// Reads a saved report.
    ///
    /// # Errors
    /// A sentence that names what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let report: Self = serde_json::from_str(text).map_err(|error| format!("not a saved rehearsal: {error}"))?;
        if report.format == FORMAT {
            Ok(report)
        } else {
            Err(format!(
                "format {:?} is not known; this version reads {FORMAT:?}",
                report.format
            ))
        }
    }
}

impl ClusterReport {
    /// Seconds of extra nodes, over its pools.
    #[must_use]
    pub fn surge_node_seconds(&self) -> u64 {
        self.pools
            .iter()
            .fold(0, |sum, pool| sum.saturating_add(pool.surge_node_seconds))
    }

    /// The sum over its owners.
    #[must_use]
    pub fn moved(&self) -> OwnerReport {
        self.owners
            .values()
            .fold(OwnerReport::default(), |sum, one| OwnerReport {
                evicted: sum.evicted.saturating_add(one.evicted),
                held: sum.held.saturating_add(one.held),
                forced: sum.forced.saturating_add(one.forced),
            })
    }
}
