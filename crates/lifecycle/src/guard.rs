//! The last question before anything leaves for a cluster or a cloud: may this still be done?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{BlockScope, ClusterId};
use ports::registry::Detail;
use ports::{Clock, Lease, Leases, Ledger, Registry, RegistryError, blocks};

use crate::need::block_sentence;

/// Why a step was not taken. None of these is a failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A block holds.
    #[error("{0}")]
    Blocked(String),
    /// The cluster's version has moved on: an older plan never overwrites a newer one (V8).
    #[error("overtaken by a newer version")]
    Overtaken,
    /// Another replica has the cluster, or may have it soon (V10).
    #[error("the lease on the cluster was lost")]
    LeaseLost,
    /// The process is about to stop.
    #[error("this replica is shutting down")]
    ShuttingDown,
    /// Nothing is written in a dry run.
    #[error("dry run: nothing is written")]
    DryRun,
    /// Whether a block holds cannot be read, and what cannot be read is never taken for "none" (V12).
    #[error("whether the cluster is blocked cannot be read: {0}")]
    Unknown(String),
}

/// What a step touches: a block of scope `nodes` stops only those that replace nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touches {
    /// Stacks, objects.
    Configuration,
    /// Running nodes.
    Nodes,
}

/// Rules that a simulation can switch off, one at a time, to see that each is needed. Programs leave all of them on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Ask for blocks.
    pub blocks: bool,
    /// Ask whether the version moved on.
    pub generation: bool,
    /// Ask for the lease.
    pub lease: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            blocks: true,
            generation: true,
            lease: true,
        }
    }
}

/// Which version of a cluster's desired state is the newest; grows with each change of what is wanted.
#[derive(Debug, Clone, Default)]
pub struct Generation(Arc<AtomicU64>);

impl Generation {
    /// The number now.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Something else is wanted: runs of before end at their next step.
    pub fn advance(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// Guards the steps of one run on one cluster.
#[derive(Clone)]
pub struct Guard {
    /// The cluster.
    pub cluster: ClusterId,
    /// What people call it.
    pub alias: String,
    /// Where blocks are.
    pub ledger: Arc<dyn Ledger>,
    /// Where the original's blocks are.
    pub registry: Arc<dyn Registry>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The newest version of what is wanted.
    pub generation: Generation,
    /// The version that this run is for.
    pub at: u64,
    /// The claim on the cluster, when replicas share the work.
    pub lease: Option<(Arc<dyn Leases>, Lease)>,
    /// Nothing may be written.
    pub dry_run: bool,
    /// Rules in force.
    pub rules: Rules,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("cluster", &self.cluster)
            .field("at", &self.at)
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}

impl Guard {
    /// Whether the next step may be taken. Ask right before each write; the answer is worth nothing later.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub async fn permit(&self, touches: Touches) -> Result<(), Refusal> {
        if self.dry_run {
            return Err(Refusal::DryRun);
        }
        if self.rules.generation && self.generation.now() != self.at {
            return Err(Refusal::Overtaken);
        }
        if self.rules.lease
            && let Some((_, lease)) = &self.lease
            && self.clock.now() >= lease.expires_at
        {
            return Err(Refusal::LeaseLost);
        }
        if self.rules.blocks {
            self.unblocked(touches).await?;
        }
        // Reading blocks took time: the version may have moved on meanwhile.
        if self.rules.generation && self.generation.now() != self.at {
            return Err(Refusal::Overtaken);
        }
        Ok(())
    }

    async fn unblocked(&self, touches: Touches) -> Result<(), Refusal> {
        let unknown = |error: RegistryError| Refusal::Unknown(error.to_string());
        let found = self
            .registry
            .get_cluster(&self.cluster, Detail::Full)
            .await
            .map_err(unknown)?;
        let now = self.clock.now();
        let held = blocks::of_cluster(&*self.ledger, &found.object, now)
            .await
            .map_err(unknown)?;
        let stops = |scope| scope == BlockScope::All || touches == Touches::Nodes;
        match held.iter().find(|blocked| stops(blocked.block.scope)) {
            Some(blocked) => Err(Refusal::Blocked(block_sentence(&self.alias, blocked, now))),
            None => Ok(()),
        }
    }
}
