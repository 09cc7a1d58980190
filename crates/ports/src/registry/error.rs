//! What can go wrong with a registry, whoever keeps it.

use std::time::Duration;

use model::Invalid;

use super::Revision;
use crate::{Classified, Fault, Retry};

/// Why a registry call was refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is no such object.
    #[error("{kind} {id:?} not found")]
    NotFound {
        /// Kind of object: `cluster`, `infrastructure account`, `node pool`, `config item`.
        kind: &'static str,
        /// Its id or name.
        id: String,
    },
    /// A value that must be unique is taken.
    #[error("{field}: must be unique, {value:?} is taken by {holder}")]
    AlreadyExists {
        /// The unique field.
        field: &'static str,
        /// The value that is taken.
        value: String,
        /// Id of the object that has it.
        holder: String,
    },
    /// The object breaks rules.
    #[error("{}", list(.0))]
    Invalid(Vec<Invalid>),
    /// The object is not at the revision that the writer expected.
    #[error("the object is at revision {actual}, not at {expected}: read it again and repeat the change")]
    WrongRevision {
        /// What the writer expected.
        expected: Revision,
        /// What is stored.
        actual: Revision,
    },
    /// The rules of the registry forbid it in the object's present state.
    #[error("{0}")]
    Forbidden(String),
    /// The caller is not known.
    #[error("{0}")]
    Unauthorized(String),
    /// The writer no longer holds the lease that it wrote under.
    #[error("lease {lease} is no longer held with token {token}")]
    FenceLost {
        /// Name of the lease.
        lease: String,
        /// The stale token.
        token: i64,
    },
    /// The registry is overloaded or starting.
    #[error("the registry asks to try again in {} s", retry_after.as_secs())]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The store or the server could not be reached.
    #[error("the registry cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store or the server failed in a way that is nobody else's fault.
    #[error("the registry failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn list(problems: &[Invalid]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl From<Invalid> for RegistryError {
    fn from(problem: Invalid) -> Self {
        Self::Invalid(vec![problem])
    }
}

impl From<Vec<Invalid>> for RegistryError {
    fn from(problems: Vec<Invalid>) -> Self {
        Self::Invalid(problems)
    }
}

impl Classified for RegistryError {
    fn fault(&self) -> Fault {
        match self {
            Self::FenceLost { .. } | Self::Busy { .. } | Self::Unavailable(_) | Self::Internal(_) => Fault::Us,
            _ => Fault::User,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::WrongRevision { .. } => Retry::Now,
            Self::Busy { retry_after } => Retry::After(*retry_after),
            Self::Unavailable(_) => Retry::After(Duration::from_secs(1)),
            _ => Retry::Never,
        }
    }
}
