//! What is seen: the fleet at one moment.

use jiff::Timestamp;
use model::{Cluster, Update};
use ports::blocks::Blocked;
use ports::standing::Standing;

/// A cluster.
#[derive(Debug, Clone)]
pub struct ClusterLine {
    /// Its entry in the registry.
    pub cluster: Cluster,
    /// Its word with its sentence.
    pub standing: Standing,
}

/// An update.
#[derive(Debug, Clone)]
pub struct UpdateLine {
    /// Its id.
    pub id: String,
    /// Alias of its cluster, or the id of one that is gone.
    pub cluster: String,
    /// What is known of it.
    pub update: Update,
}

/// A node that is to be replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeLine {
    /// Alias of its cluster.
    pub cluster: String,
    /// Its pool.
    pub pool: String,
    /// Its name.
    pub node: String,
    /// When it is gone at the latest, if anything bounds it.
    pub latest: Option<Timestamp>,
    /// Why it is still there.
    pub sentence: String,
}

/// The fleet at one moment.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// When this was true.
    pub at: Timestamp,
    /// Where it was read.
    pub server: String,
    /// By alias.
    pub clusters: Vec<ClusterLine>,
    /// Newest first.
    pub updates: Vec<UpdateLine>,
    /// Those that hold, with the alias of their cluster.
    pub blocks: Vec<(String, Blocked)>,
    /// Nodes on their way out; `None` when the server does not know.
    pub nodes: Option<Vec<NodeLine>>,
}
