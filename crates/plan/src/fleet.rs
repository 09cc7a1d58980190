//! The plans of many clusters.

use serde::{Deserialize, Serialize};

use crate::change::{Change, ClusterPlan, NodeCount, Verb};
use crate::fold::{Block, fold, sum};
use crate::forecast::ClusterForecast;
use crate::id::{Inputs, PlanId};
use crate::recipe::Recipe;

/// What an update would do to a fleet. It can be saved as JSON, read again and applied as long as its inputs have not moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetPlan {
    /// Name and version of this format.
    pub format: String,
    /// Bound to the inputs.
    pub id: PlanId,
    /// Where the configuration is now, in words: a commit, or each cluster's channel.
    pub from: String,
    /// Where it would be.
    pub to: String,
    /// What the plan was made from.
    pub inputs: Inputs,
    /// How to make it again.
    #[serde(default)]
    pub recipe: Recipe,
    /// Plans in the order of the aliases.
    pub clusters: Vec<ClusterPlan>,
    /// What replacing nodes would mean, for clusters of which there is a picture, in the order of the aliases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forecasts: Vec<ClusterForecast>,
}

/// What a plan comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Clusters that were planned.
    pub clusters: usize,
    /// Clusters that change.
    pub changed: usize,
    /// Clusters that could not be planned.
    pub failed: usize,
    /// Things to create, over all clusters.
    pub create: usize,
    /// Things to change in place.
    pub update: usize,
    /// Objects and pools to replace.
    pub replace: usize,
    /// Things to delete.
    pub delete: usize,
    /// Node pools whose nodes are replaced or drained for good.
    pub rolled_pools: usize,
    /// Their nodes.
    pub rolled_nodes: NodeCount,
}

/// The format that this version writes and reads.
pub(crate) const FORMAT: &str = "fleetwright.plan/v1";

impl FleetPlan {
    /// Puts the plans of clusters together.
    #[must_use]
    pub fn new(from: &str, to: &str, inputs: Inputs, mut clusters: Vec<ClusterPlan>) -> Self {
        clusters.sort_by(|a, b| (&a.alias, &a.cluster).cmp(&(&b.alias, &b.cluster)));
        Self {
            format: FORMAT.to_owned(),
            id: inputs.id(),
            from: from.to_owned(),
            to: to.to_owned(),
            inputs,
            recipe: Recipe::default(),
            clusters,
            forecasts: Vec::new(),
        }
    }

    /// Adds what replacing nodes would mean.
    #[must_use]
    pub fn with_forecasts(mut self, mut forecasts: Vec<ClusterForecast>) -> Self {
        forecasts.sort_by(|a, b| (&a.alias, &a.cluster).cmp(&(&b.alias, &b.cluster)));
        self.forecasts = forecasts;
        self
    }

    /// Reads a saved plan.
    ///
    /// # Errors
    /// A sentence that names what is wrong: not JSON, another format, or an id that does not belong to the inputs.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plan: Self = serde_json::from_str(text).map_err(|error| format!("not a saved plan: {error}"))?;
        if plan.format != FORMAT {
            return Err(format!(
                "format {:?} is not known; this version reads {FORMAT:?}",
                plan.format
            ));
        }
        let bound = plan.inputs.id();
        if bound != plan.id {
            return Err(format!(
                "id {} does not belong to the inputs, which give {bound}: the file was changed",
                plan.id
            ));
        }
        Ok(plan)
    }

    /// True if no cluster changes and none failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clusters
            .iter()
            .all(|plan| plan.is_empty() && plan.errors.is_empty())
    }

    /// Equal changes of many clusters as one, what is lost first.
    #[must_use]
    pub fn blocks(&self) -> Vec<Block> {
        fold(&self.clusters)
    }

    /// What it comes to.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            clusters: self.clusters.len(),
            ..Counts::default()
        };
        let mut rolled = None;
        for plan in &self.clusters {
            counts.changed += usize::from(!plan.is_empty());
            counts.failed += usize::from(!plan.errors.is_empty());
            for change in plan.changes() {
                match change.verb() {
                    Verb::Create => counts.create += 1,
                    Verb::Update => counts.update += 1,
                    Verb::Replace => counts.replace += 1,
                    Verb::Delete => counts.delete += 1,
                }
                if let Change::Pool(pool) = &change {
                    let drained = pool.drained();
                    counts.rolled_pools += usize::from(drained.is_some());
                    rolled = sum(rolled, drained);
                }
            }
        }
        counts.rolled_nodes = rolled.unwrap_or_default();
        counts
    }
}
