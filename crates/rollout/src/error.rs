//! What can go wrong, with its subject.

use disruption::{Block, PoolName};
use kube_access::AccessError;
use ports::cloud::CloudError;
use ports::{Classified, Fault, RegistryError, Retry};

/// Why a step of a rollout was not carried out. The engine goes on with other pools and tries again.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// The cluster did not take a change.
    #[error("cluster: {0}")]
    Cluster(#[from] AccessError),
    /// The cloud did not take a change, or could not be read.
    #[error("cloud: {0}")]
    Cloud(#[from] CloudError),
    /// The ledger did not take a record; without it nothing is forced.
    #[error("ledger: {0}")]
    Ledger(#[from] RegistryError),
    /// A record of the ledger cannot be read.
    #[error("ledger entry {entry} cannot be read: {why}")]
    Record {
        /// The entry.
        entry: String,
        /// What is wrong with it.
        why: String,
    },
    /// What a group launches cannot be compared with what it has.
    #[error("pool {pool}, group {group}: {why}")]
    Group {
        /// The pool.
        pool: PoolName,
        /// The group.
        group: String,
        /// Why.
        why: &'static str,
    },
    /// Our clock is not the API server's: no deadline can be trusted until they agree again.
    #[error("our clock differs from the API server's by {ahead:#}")]
    Clock {
        /// How far ours is ahead; negative when it is behind.
        ahead: jiff::SignedDuration,
    },
    /// A block came up; the step was not begun.
    #[error("blocked: {}", .0.reason)]
    Blocked(Block),
    /// The engine may not write any more.
    #[error("the permission to work on the cluster was withdrawn")]
    Withdrawn,
}

impl RolloutError {
    /// True when the whole round ends with it, not only the step.
    pub(crate) fn ends_round(&self) -> bool {
        matches!(
            self,
            Self::Withdrawn | Self::Blocked(_) | Self::Clock { .. } | Self::Cluster(AccessError::Stopped { .. })
        )
    }
}

impl Classified for RolloutError {
    fn fault(&self) -> Fault {
        match self {
            Self::Cluster(error) => error.fault(),
            Self::Cloud(error) => error.fault(),
            Self::Ledger(error) => error.fault(),
            Self::Record { .. } | Self::Clock { .. } => Fault::Us,
            Self::Group { .. } => Fault::Config,
            Self::Blocked(_) | Self::Withdrawn => Fault::User,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Cluster(error) => error.retry(),
            Self::Cloud(error) => error.retry(),
            Self::Ledger(error) => error.retry(),
            Self::Record { .. } | Self::Group { .. } | Self::Withdrawn => Retry::Never,
            Self::Blocked(_) => Retry::Now,
            Self::Clock { .. } => Retry::After(std::time::Duration::from_secs(30)),
        }
    }
}
