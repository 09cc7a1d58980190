//! What a rehearsal is held with: plain values, so that nothing outside can change its course.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use json_tree::Value;
use model::Cluster;
use plan::policy::FleetPolicy;
use render::{Config, Facts, Input, Source};
use twin::Profile;

use crate::source::SourceSides;

/// A rehearsal before it is held.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The version before, in the user's words.
    pub from: String,
    /// The version after.
    pub to: String,
    /// The configuration, before and after.
    pub sources: Vec<SourceSides>,
    /// The clusters, in the order of the report.
    pub clusters: Vec<ClusterInput>,
    /// When the new version appears, on the twin's clock.
    pub start: Timestamp,
    /// How long the twin lives at most after that.
    pub limit: SignedDuration,
    /// The rules by which clusters get the new version wave by wave. Without them all begin at once, as many as an engine works on.
    pub policy: Option<FleetPolicy>,
}

/// One cluster.
#[derive(Debug, Clone)]
pub struct ClusterInput {
    /// Its entry in the registry.
    pub cluster: Cluster,
    /// Owner of its account.
    pub owner: String,
    /// Name of its account.
    pub account_name: String,
    /// What only its cloud knows.
    pub facts: Arc<Facts>,
    /// What runs in it.
    pub workload: Workload,
}

/// What runs in a cluster.
#[derive(Debug, Clone)]
pub enum Workload {
    /// A mix of workloads for so many nodes as the pools' bounds suggest, drawn from the seed.
    Profile(Profile),
    /// The objects of a real cluster as they were seen: nodes, pods, budgets, owners, volumes.
    Objects {
        /// Where they come from, in words.
        source: String,
        /// The objects.
        objects: Arc<Vec<Value>>,
    },
}

impl Workload {
    /// Where it comes from, in words.
    #[must_use]
    pub fn source(&self) -> String {
        match self {
            Self::Profile(profile) => format!("profile {profile}"),
            Self::Objects { source, .. } => source.clone(),
        }
    }
}

impl Scenario {
    /// A Monday morning, when nothing else says when a rehearsal begins.
    pub const MORNING: i64 = 1_767_600_000;
    /// Three days: the longest minimum lifetime of a pod that is published.
    pub const LIMIT: SignedDuration = SignedDuration::from_hours(72);

    /// A scenario without clusters between two versions, on a Monday morning, for three days at most.
    #[must_use]
    pub fn new(from: &str, to: &str) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            sources: Vec::new(),
            clusters: Vec::new(),
            start: Timestamp::from_second(Self::MORNING).unwrap_or(Timestamp::UNIX_EPOCH),
            limit: Self::LIMIT,
            policy: None,
        }
    }

    /// What a cluster is rendered from on a side; `None` when a source lacks its channel.
    pub(crate) fn input(&self, of: &ClusterInput, after: bool) -> Option<Input> {
        let mut sources = Vec::new();
        for sides in &self.sources {
            let tree = Arc::clone(sides.tree(&of.cluster.channel, after)?);
            sources.push(Source {
                name: sides.name.to_string(),
                tree,
            });
        }
        let account = &of.cluster.infrastructure_account;
        let siblings = self.clusters.iter().map(|one| &one.cluster);
        let siblings = siblings.filter(|cluster| cluster.infrastructure_account == *account);
        Some(Input {
            cluster: Arc::new(of.cluster.clone()),
            owner: of.owner.clone(),
            account_name: of.account_name.clone(),
            account_clusters: siblings.cloned().map(Arc::new).collect(),
            config: Config::new(sources),
            facts: Arc::clone(&of.facts),
        })
    }
}
