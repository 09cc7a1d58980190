//! Moving a channel: the one thing that Fleetwright writes to a configuration source, and only when it is told to.

use std::time::Duration;

use async_trait::async_trait;
use model::Lineage;

use crate::config_source::Channel;
use crate::{Classified, Fault, Retry};

/// How a branch may be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Only to a commit that has the present one among its ancestors.
    Forward,
    /// To the commit that it was moved away from; nothing else is ever undone.
    Back,
}

/// Why a branch was not moved. Whenever it cannot be known whether it was, the error is [`PromoteError::Unavailable`]: look
/// where the branch is.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// The branch is not where it was when this was decided: somebody else moved it.
    #[error("branch {channel} is at {found}, not at {expected}: somebody else moved it")]
    Elsewhere {
        /// The branch.
        channel: String,
        /// Where it should have been.
        expected: String,
        /// Where it is; `nowhere` when it does not exist.
        found: String,
    },
    /// The branch has commits that the new place does not have.
    #[error("branch {channel} cannot be moved forward from {from} to {to}")]
    NotForward {
        /// The branch.
        channel: String,
        /// Where it is.
        from: String,
        /// Where it should go.
        to: String,
    },
    /// A commit is not known here.
    #[error("commit {commit} is not known")]
    UnknownCommit {
        /// The commit.
        commit: String,
    },
    /// The server does not take it: a protected branch, a missing right.
    #[error("the server refuses to move branch {channel}: {why}")]
    Refused {
        /// The branch.
        channel: String,
        /// In the server's words.
        why: String,
    },
    /// The origin did not answer.
    #[error("the origin of the configuration cannot be written to")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classified for PromoteError {
    fn fault(&self) -> Fault {
        match self {
            Self::Elsewhere { .. } | Self::NotForward { .. } | Self::UnknownCommit { .. } => Fault::User,
            Self::Refused { .. } => Fault::Config,
            Self::Unavailable(_) => Fault::Cloud,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Elsewhere { .. } | Self::NotForward { .. } | Self::Refused { .. } => Retry::Never,
            Self::UnknownCommit { .. } | Self::Unavailable(_) => Retry::After(Duration::from_secs(60)),
        }
    }
}

/// Moves branches of one configuration source. A move is a compare-and-swap at the origin: of two who move the same branch
/// one succeeds.
#[async_trait]
pub trait Promote: Send + Sync + std::fmt::Debug {
    /// How `new` stands to `old`, by what was fetched last.
    ///
    /// # Errors
    /// [`PromoteError::UnknownCommit`], or when the source cannot be read.
    async fn lineage(&self, old: &str, new: &str) -> Result<Lineage, PromoteError>;

    /// Moves the branch of a channel from one commit to another, both full ids. It is done when this returns.
    ///
    /// # Errors
    /// [`PromoteError`]; nothing was changed but for [`PromoteError::Unavailable`], where nobody knows.
    async fn move_branch(&self, channel: &Channel, from: &str, to: &str, way: Way) -> Result<(), PromoteError>;
}
