//! Who may stop a rollout: blocks, a lost lease, a shutdown.

use async_trait::async_trait;
use disruption::Block;
use kube_access::Gate;
use std::sync::Arc;

use crate::guards::{Guard, Guards};

/// Whether the engine may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// It may.
    Granted,
    /// The cluster is blocked: no new disruptive step, and marks are taken back.
    Blocked(Block),
    /// Somebody else works on the cluster, or the program ends: nothing more may be written.
    Withdrawn,
}

/// Asked before every write. The implementation knows blocks (scopes `nodes` and `all`), the lease and the shutdown.
#[async_trait]
pub trait MayDisrupt: Send + Sync {
    /// Whether the engine may go on now. Answering has to be cheap: the engine asks before each single write. When the blocks
    /// cannot be read the answer must not be [`Permission::Granted`].
    async fn permission(&self) -> Permission;

    /// Returns when the answer may have become another one. An implementation that never returns is noticed at the next
    /// round only.
    async fn changed(&self) {
        std::future::pending().await
    }
}

/// The same guard in front of the writes of a cluster's handle, so that a write that waited for its turn, or is sent again, is
/// asked for again.
pub(crate) struct WriteGate {
    pub(crate) guard: Arc<dyn MayDisrupt>,
    pub(crate) guards: Guards,
    /// Lets through what a block asks for or allows.
    pub(crate) calm: bool,
}

#[async_trait]
impl Gate for WriteGate {
    async fn permits(&self) -> bool {
        match asked(&*self.guard, self.guards).await {
            Permission::Granted => true,
            Permission::Blocked(_) => self.calm,
            Permission::Withdrawn => false,
        }
    }
}

/// The permission, as far as its guards are in force.
pub(crate) async fn asked(guard: &dyn MayDisrupt, guards: Guards) -> Permission {
    match guard.permission().await {
        Permission::Blocked(_) if !guards.on(Guard::Blocks) => Permission::Granted,
        Permission::Withdrawn if !guards.on(Guard::Lease) => Permission::Granted,
        answer => answer,
    }
}
