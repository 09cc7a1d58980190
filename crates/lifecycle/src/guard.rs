//! The last question before anything leaves for a cluster or a cloud: may this still be done?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kube_access::Access;
use model::{BlockScope, ClusterId};
use ports::registry::Detail;
use ports::{Clock, Ledger, Registry, RegistryError, WriteContext, blocks};
use tokio::sync::watch;

use crate::claims::Hold;
use crate::fence::{self, Fence};
use crate::inputs;
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
    /// The cluster itself says that another replica has it (V10), or does not say who.
    #[error("{0}")]
    FencedOff(String),
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

impl Refusal {
    /// The word in metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Blocked(_) => "blocked",
            Self::Overtaken => "overtaken",
            Self::LeaseLost => "lease-lost",
            Self::FencedOff(_) => "fenced-off",
            Self::ShuttingDown => "shutting-down",
            Self::DryRun => "dry-run",
            Self::Unknown(_) => "unknown",
        }
    }
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
    /// Ask for the lease (V10).
    pub lease: bool,
    /// Ask whether the registry entry is still the one that the plan was made from (V7).
    pub inputs: bool,
    /// Take what cannot be read for a reason to stop, not for "none" (V12).
    pub unknown: bool,
    /// Ask for consent to a prune above the threshold (V9).
    pub consent: bool,
    /// Delete only what carries our marks (V11).
    pub ours: bool,
    /// Write an update down before its first step (V15).
    pub history: bool,
    /// Let the store refuse what is written with the token of a lost lease (V10).
    pub stamp: bool,
    /// Compare the token that stands in the cluster before each write to it (V10).
    pub fence: bool,
    /// Read the entry anew once the cluster is claimed: another replica may have worked on it since it was chosen (V8).
    pub anew: bool,
    /// Read the configuration anew before going past a version that another replica brought (V8).
    pub newest: bool,
    /// Lower the bounds of groups only once the machines above them are drained (V1, fault F12).
    pub drained: bool,
    /// Move a branch only through a gate that is open (V6).
    pub gates: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            blocks: true,
            generation: true,
            lease: true,
            inputs: true,
            unknown: true,
            consent: true,
            ours: true,
            history: true,
            stamp: true,
            fence: true,
            anew: true,
            newest: true,
            drained: true,
            gates: true,
        }
    }
}

/// Which version of a cluster's desired state is the newest; grows with each change of what is wanted.
#[derive(Debug, Clone)]
pub struct Generation(Arc<watch::Sender<u64>>);

impl Default for Generation {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Generation {
    /// The number now.
    #[must_use]
    pub fn now(&self) -> u64 {
        *self.0.borrow()
    }

    /// Something else is wanted: runs of before end at their next step.
    pub fn advance(&self) {
        self.0.send_modify(|number| *number += 1);
    }

    /// Returns as soon as the number is not `at` any more.
    pub(crate) async fn left(&self, at: u64) {
        let mut numbers = self.0.subscribe();
        if numbers.wait_for(|number| *number != at).await.is_err() {
            // Nobody can advance it any more.
            std::future::pending::<()>().await;
        }
    }
}

/// Tells all runs of a manager that it is about to stop.
#[derive(Debug, Clone, Default)]
pub struct Stopping(Arc<AtomicBool>);

impl Stopping {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire)
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
    /// Digest of the registry entry that the run was planned from.
    pub inputs: String,
    /// The claim on the cluster, when replicas share the work.
    pub hold: Option<Arc<Hold>>,
    /// The manager is about to stop.
    pub stopping: Stopping,
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
    /// The context of a write to registry or ledger: with the token of the claim, so that the store refuses it once another
    /// replica has claimed the cluster, whatever this one believes.
    #[must_use]
    pub fn stamp(&self, context: WriteContext) -> WriteContext {
        match &self.hold {
            Some(hold) if self.rules.stamp => context.fenced(hold.claimed()),
            _ => context,
        }
    }

    /// The fence around the cluster that is reached this way, when replicas share the work.
    pub(crate) fn fence(&self, access: Access) -> Option<Fence> {
        let hold = self.hold.as_ref().filter(|_| self.rules.fence && !self.dry_run)?;
        Some(Fence::new(access, fence::UPDATES, hold.claimed().clone()))
    }

    /// Whether the next step may be taken. Ask right before each write; the answer is worth nothing later.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub async fn permit(&self, touches: Touches) -> Result<(), Refusal> {
        if self.dry_run {
            return Err(Refusal::DryRun);
        }
        if self.stopping.is_on() {
            return Err(Refusal::ShuttingDown);
        }
        let seen = self.seen(touches).await;
        // A block is also a reason why something else is wanted now; it is the better answer.
        if let Err(refusal @ Refusal::Blocked(_)) = seen {
            return Err(refusal);
        }
        if self.rules.generation && self.generation.now() != self.at {
            return Err(Refusal::Overtaken);
        }
        seen?;
        // Reading took time: the lease may have run out meanwhile.
        match &self.hold {
            Some(hold) if self.rules.lease && !hold.holds(self.clock.now()) => Err(Refusal::LeaseLost),
            _ => Ok(()),
        }
    }

    /// What registry and ledger say about the cluster now.
    async fn seen(&self, touches: Touches) -> Result<(), Refusal> {
        if !self.rules.blocks && !self.rules.inputs {
            return Ok(());
        }
        let answer = self.ask(touches).await;
        match answer {
            Ok(answer) => answer,
            Err(error) if self.rules.unknown => Err(Refusal::Unknown(error.to_string())),
            Err(_) => Ok(()),
        }
    }

    async fn ask(&self, touches: Touches) -> Result<Result<(), Refusal>, RegistryError> {
        let found = self.registry.get_cluster(&self.cluster, Detail::Full).await?;
        if self.rules.blocks {
            let now = self.clock.now();
            let held = blocks::of_cluster(&*self.ledger, &found.object, now).await?;
            let stops = |scope| scope == BlockScope::All || touches == Touches::Nodes;
            if let Some(blocked) = held.iter().find(|blocked| stops(blocked.block.scope)) {
                return Ok(Err(Refusal::Blocked(block_sentence(&self.alias, blocked, now))));
            }
        }
        if self.rules.inputs && inputs::digest(&found.object) != self.inputs {
            return Ok(Err(Refusal::Overtaken));
        }
        Ok(Ok(()))
    }
}
