//! Work shared between replicas: named leases with fencing tokens.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use model::Invalid;

use crate::{Classified, Fault, Retry};

/// Name of a piece of work that one replica at a time may do, such as `lifecycle/aws:123:eu-central-1:kube-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseName(String);

impl LeaseName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`Invalid`] when the name is empty, longer than 512 bytes, or not printable ASCII.
    pub fn new(name: impl Into<String>) -> Result<Self, Invalid> {
        let name = name.into();
        if name.is_empty() || name.len() > 512 || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Invalid::new(
                "lease",
                "must be 1 to 512 printable ASCII characters without spaces",
                name,
            ));
        }
        Ok(Self(name))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A held lease. The token grows with every change of holder and never repeats for a name, also after a release: a write
/// that carries an older token is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What is held.
    pub name: LeaseName,
    /// Who holds it.
    pub holder: String,
    /// Fencing token, from 1.
    pub token: i64,
    /// When others may take it, unless it is renewed before.
    pub expires_at: Timestamp,
}

/// Why a lease could not be had or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Somebody else holds it.
    #[error("lease {name} is held by {holder} until {expires_at}")]
    Held {
        /// The lease.
        name: LeaseName,
        /// Its holder.
        holder: String,
        /// When it ends at the earliest.
        expires_at: Timestamp,
    },
    /// It was lost: it expired and another took it, or it was released.
    #[error("lease {name} with token {token} is no longer held")]
    Lost {
        /// The lease.
        name: LeaseName,
        /// The token that no longer counts.
        token: i64,
    },
    /// The store could not be reached or failed.
    #[error("the lease store does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classified for LeaseError {
    fn fault(&self) -> Fault {
        Fault::Us
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Held { .. } | Self::Unavailable(_) => Retry::After(Duration::from_secs(1)),
            Self::Lost { .. } => Retry::Never,
        }
    }
}

/// Leases in a store that all replicas share.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the lease if it is free, expired, or already held by `holder` (which renews it and keeps its token).
    ///
    /// # Errors
    /// [`LeaseError::Held`] with the holder, or [`LeaseError::Unavailable`].
    async fn claim(&self, name: &LeaseName, holder: &str, ttl: Duration) -> Result<Lease, LeaseError>;

    /// Extends a held lease by `ttl` from now, also one that has expired but that nobody took since.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when another holds it, or it was released.
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Lease, LeaseError>;

    /// Gives the lease back, so that others need not wait for its expiry.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when it was not held any more.
    async fn release(&self, lease: &Lease) -> Result<(), LeaseError>;

    /// All leases that are held and not expired whose name starts with `prefix`, in name order.
    ///
    /// # Errors
    /// [`LeaseError::Unavailable`].
    async fn list(&self, prefix: &str) -> Result<Vec<Lease>, LeaseError>;
}
