//! What the engine is told about a cluster and its node pools.

use std::str::FromStr;
use std::time::Duration;

use disruption::{Policy, PoolName};
use model::ClusterId;

/// How the nodes of a pool are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// We bring new nodes, drain and terminate.
    Rolling,
    /// We mark outdated nodes and wait; a controller inside the cluster drains and terminates (fact 4.3).
    Mark,
    /// A second set of nodes at full size comes first, then all old nodes are drained, then their machines are ended. Until
    /// the last one is drained the old set can take the pods back: give the pool its old definition again.
    BlueGreen,
}

impl Strategy {
    /// We drain, rather than another controller.
    #[must_use]
    pub fn drains(self) -> bool {
        self != Self::Mark
    }

    /// Its name, as the config item `update_strategy` has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rolling => "rolling",
            Self::Mark => "clc",
            Self::BlueGreen => "blue-green",
        }
    }
}

/// The text names no strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an update strategy is `rolling`, `clc` (or `mark`) or `blue-green`")]
pub struct UnknownStrategy;

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    /// Reads the config item `update_strategy`; `clc` is the original's word for marking.
    fn from_str(text: &str) -> Result<Self, UnknownStrategy> {
        match text {
            "rolling" => Ok(Self::Rolling),
            "clc" | "mark" => Ok(Self::Mark),
            "blue-green" => Ok(Self::BlueGreen),
            _ => Err(UnknownStrategy),
        }
    }
}

/// What the machines of a pool are made by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Provisioner {
    /// Groups of the cloud, found by their tags (fact 4.1).
    #[default]
    Groups,
    /// NodeClaims of the Karpenter NodePool of the pool's name (facts 4.1 and 4.7).
    NodeClaims,
}

/// A node pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSpec {
    /// Its name, as groups carry it in the tag `NodePool`.
    pub name: PoolName,
    /// The contract that holds for its pods.
    pub policy: Policy,
    /// How its nodes are replaced.
    pub strategy: Strategy,
    /// What its machines are made by.
    pub provisioner: Provisioner,
    /// Its largest size in the registry; a pool of 0 is passed over (fact 4.4).
    pub max_size: u32,
    /// Its machines are of the spot market: nobody waits for new ones.
    pub spot: bool,
    /// Its nodes are control planes, which are never closed to pods by the taint.
    pub control_plane: bool,
    /// Value of the config item [`disruption::marking::NO_SCHEDULE_ITEM`].
    pub no_schedule: Option<String>,
    /// It is no longer in the registry: drain its nodes away without replacement. Its stack is the lifecycle's to delete
    /// once the status says [`crate::PoolPhase::Empty`].
    pub removed: bool,
}

impl PoolSpec {
    /// A pool that we roll ourselves.
    #[must_use]
    pub fn rolling(name: PoolName, policy: Policy, max_size: u32) -> Self {
        Self {
            name,
            policy,
            strategy: Strategy::Rolling,
            provisioner: Provisioner::Groups,
            max_size,
            spot: false,
            control_plane: false,
            no_schedule: None,
            removed: false,
        }
    }
}

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSpec {
    /// Its id; records of the ledger carry it.
    pub id: ClusterId,
    /// The name in the tag `kubernetes.io/cluster/<name>=owned`.
    pub tag_name: String,
    /// Its pools.
    pub pools: Vec<PoolSpec>,
}

/// How often the cloud is read. Everything else wakes the engine by events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    /// While instances are on their way up or down.
    pub busy: Duration,
    /// Otherwise.
    pub idle: Duration,
    /// Pause before something that failed is tried again.
    pub trouble: Duration,
}

impl Default for Refresh {
    fn default() -> Self {
        Self {
            busy: Duration::from_secs(20),
            idle: Duration::from_secs(300),
            trouble: Duration::from_secs(30),
        }
    }
}
