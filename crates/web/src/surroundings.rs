//! What pages show beyond registry and ledger: a port that the program fills.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use model::{Cluster, ClusterId};
use rollout::ClusterStatus;

use crate::workloads::Workloads;

/// Where a channel stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelHead {
    /// Id of the configuration, as the version string of clusters has it before the `#`.
    pub config: String,
    /// First line of the commit's message.
    pub summary: Option<String>,
    /// When it was committed.
    pub committed_at: Option<Timestamp>,
}

impl ChannelHead {
    /// A head of which nothing but the configuration is known.
    pub(crate) fn at(config: &str) -> Self {
        Self {
            config: config.to_owned(),
            summary: None,
            committed_at: None,
        }
    }
}

/// A config item with the place that its value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemOrigin {
    /// Its key.
    pub key: String,
    /// Its value, masked where it is a secret.
    pub value: String,
    /// Such as `registry` or `cluster/config-defaults.yaml:12`.
    pub origin: String,
}

/// What only a running system knows. Each answer may be missing; the pages then leave that part out and never guess.
#[async_trait]
pub trait Surroundings: Send + Sync {
    /// Where a channel stands, if it can be read.
    async fn channel(&self, channel: &str) -> Option<ChannelHead>;

    /// How the rollouts of these clusters go, as far as somebody runs them here. It answers within a moment: with what was known
    /// last where an engine is in the middle of something.
    async fn rollouts(&self, clusters: &BTreeSet<ClusterId>) -> BTreeMap<ClusterId, Arc<ClusterStatus>>;

    /// Nodes and pods of a cluster.
    ///
    /// # Errors
    /// In one sentence why they cannot be had: never an empty answer in place of an unknown one.
    async fn workloads(&self, cluster: &Cluster) -> Result<Workloads, String>;

    /// The config items that the cluster's configuration sees, with their origins; `None` when configuration is not read here.
    async fn items(&self, cluster: &Cluster) -> Option<Vec<ItemOrigin>>;

    /// When the simulated world beside this server is, if there is one: it may run faster than the clock on the wall.
    fn world_time(&self) -> Option<Timestamp> {
        None
    }
}

/// A server that knows nothing beyond registry and ledger.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

#[async_trait]
impl Surroundings for Alone {
    async fn channel(&self, _: &str) -> Option<ChannelHead> {
        None
    }

    async fn rollouts(&self, _: &BTreeSet<ClusterId>) -> BTreeMap<ClusterId, Arc<ClusterStatus>> {
        BTreeMap::new()
    }

    async fn workloads(&self, cluster: &Cluster) -> Result<Workloads, String> {
        Err(format!("this server does not look into cluster {}", cluster.alias))
    }

    async fn items(&self, _: &Cluster) -> Option<Vec<ItemOrigin>> {
        None
    }
}
