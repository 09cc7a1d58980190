//! Everything that a cluster's desired state depends on.

use std::sync::Arc;

use model::Cluster;

use crate::config::Config;
use crate::facts::Facts;

/// The inputs of one rendering. Equal inputs always give equal results.
#[derive(Debug, Clone)]
pub struct Input {
    /// The registry entry.
    pub cluster: Arc<Cluster>,
    /// Owner of the account, from its registry entry.
    pub owner: String,
    /// Name of the account, from its registry entry.
    pub account_name: String,
    /// The clusters of the same account; others are left out.
    pub account_clusters: Vec<Arc<Cluster>>,
    /// The configuration at one version.
    pub config: Config,
    /// What is known about the surroundings.
    pub facts: Arc<Facts>,
}

impl Input {
    /// Inputs without account information.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, config: Config, facts: Arc<Facts>) -> Self {
        Self {
            cluster,
            owner: String::new(),
            account_name: String::new(),
            account_clusters: Vec::new(),
            config,
            facts,
        }
    }
}
