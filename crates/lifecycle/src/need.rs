//! What a cluster needs, decided from what is known about it: pure, and the same order of questions as the original's (fact 2.3).

use jiff::Timestamp;
use model::{Block, BlockScope, Cluster, ClusterVersion, LifecycleStatus};
use ports::blocks::Blocked;

/// Why a cluster is to be worked on. The order is that of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Its version differs from the one that its channel and entry give.
    Version,
    /// Somebody changed it behind our back.
    Drift,
    /// It is to be taken down.
    Decommission,
    /// An update was begun and is not finished.
    Unfinished,
}

impl Cause {
    /// The word in the history.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Drift => "drift",
            Self::Decommission => "decommission",
            Self::Unfinished => "unfinished",
        }
    }
}

/// What is to be done with a cluster now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Nothing, and why in one sentence.
    Nothing(String),
    /// Nothing as long as this block holds. A block also holds back a decommission; that is said, and never a reason to
    /// delete something (original: silent).
    Blocked(Box<Blocked>),
    /// Tell this problem: its configuration cannot be found or read.
    Report(String),
    /// Bring it to this version.
    Update {
        /// The version to reach.
        to: ClusterVersion,
        /// Why.
        cause: Cause,
        /// Nodes must not be replaced meanwhile.
        spare_nodes: Option<Box<Blocked>>,
    },
    /// Take it down.
    Decommission,
}

/// Everything that the decision looks at.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The registry entry.
    pub cluster: &'a Cluster,
    /// The blocks that hold.
    pub blocks: &'a [Blocked],
    /// Id of the configuration that its channel stands at, or why there is none.
    pub config: Result<&'a str, &'a str>,
    /// Whether a watch saw something changed behind our back.
    pub drifted: bool,
    /// Whether its entry is known to be another one than the one that was applied, whatever the version says (fault F9).
    pub other_entry: bool,
}

/// Provider of clusters that others built: they get manifests only, and nothing before somebody says so.
pub const EXISTING: &str = Cluster::EXISTING;
/// The config item that says so, with the value `true`.
pub const MANAGE: &str = "fleetwright_manage";
/// The config item by which, with the value `true`, what leaves git is also deleted from a cluster that others built: objects
/// that carry our label, above the threshold only with somebody's agreement, and those that files of deletions name.
pub const PRUNE: &str = "fleetwright_prune";

/// Whether nothing is ever deleted from a cluster: others built it, and nobody said that what leaves git may go.
#[must_use]
pub fn keeps_all(cluster: &Cluster) -> bool {
    cluster.provider == EXISTING && cluster.config_items.get(PRUNE).map(String::as_str) != Some("true")
}

/// Decides. A `creating` cluster is one whose creation was begun: the original fails on it for ever (fault F8).
#[must_use]
pub fn need(situation: &Situation<'_>) -> Need {
    let cluster = situation.cluster;
    match cluster.lifecycle_status {
        LifecycleStatus::Decommissioned => {
            return Need::Nothing(format!("cluster {} is decommissioned", cluster.alias));
        }
        LifecycleStatus::Requested
        | LifecycleStatus::Creating
        | LifecycleStatus::Ready
        | LifecycleStatus::DecommissionRequested => {}
    }
    let manage = cluster.config_items.get(MANAGE).map(String::as_str);
    if cluster.provider == EXISTING && manage != Some("true") {
        return Need::Nothing(format!(
            "cluster {} is only looked at; set its config item {MANAGE} to \"true\" to have it managed",
            cluster.alias
        ));
    }
    let block = |scope| situation.blocks.iter().find(|blocked| blocked.block.scope == scope);
    if let Some(blocked) = block(BlockScope::All) {
        return Need::Blocked(Box::new(blocked.clone()));
    }
    if cluster.lifecycle_status == LifecycleStatus::DecommissionRequested {
        return Need::Decommission;
    }
    let config = match situation.config {
        Ok(config) => config,
        Err(why) => return Need::Report(why.to_owned()),
    };
    let to = ClusterVersion::of(config, cluster);
    let status = &cluster.status;
    let current = ClusterVersion::parse(&status.current_version);
    let cause = if !status.next_version.is_empty() && status.next_version != status.current_version {
        Cause::Unfinished
    } else if current != to || cluster.lifecycle_status != LifecycleStatus::Ready || situation.other_entry {
        Cause::Version
    } else if situation.drifted {
        Cause::Drift
    } else {
        return Need::Nothing(format!("cluster {} is at the version of its channel", cluster.alias));
    };
    Need::Update {
        to,
        cause,
        spare_nodes: block(BlockScope::Nodes).cloned().map(Box::new),
    }
}

/// The one sentence of a block: what waits, on what, since when, until when at most, who can lift it.
#[must_use]
pub fn block_sentence(alias: &str, blocked: &Blocked, now: Timestamp) -> String {
    let Block {
        reason,
        owner,
        ticket,
        expires_at,
        scope,
        ..
    } = &blocked.block;
    let what = match scope {
        BlockScope::All => format!("cluster {alias} waits: blocked"),
        BlockScope::Nodes => format!("nodes of cluster {alias} wait: blocked"),
    };
    let ticket = ticket
        .as_deref()
        .map(|ticket| format!(" ({ticket})"))
        .unwrap_or_default();
    let since = blocked
        .since
        .map(|since| format!(" since {}", crate::words::ago(since, now)))
        .unwrap_or_default();
    let until = match expires_at {
        Some(end) => format!("; ends by itself {}", crate::words::moment(*end)),
        None => "; has no end".to_owned(),
    };
    let who = if owner.is_empty() {
        "whoever set the config item cluster_update_block can lift it".to_owned()
    } else {
        format!("{owner} can lift it")
    };
    format!("{what} by {reason:?}{ticket}{since}{until}; {who}")
}
