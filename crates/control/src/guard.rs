//! Who may stop a rollout: a block, the state of the cluster, a lost lease, the end of the program.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use disruption::Block;
use jiff::Timestamp;
use lifecycle::need::EXISTING;
use model::{Cluster, ClusterId, LifecycleStatus};
use ports::blocks::{self, Blocked};
use ports::registry::Detail;
use ports::{Clock, Lease, Leases, Ledger, Registry};
use rollout::{MayDisrupt, Permission};
use tokio::sync::Notify;

/// One of several programs that share the work: each cluster's rollouts are run by the one that holds its lease.
#[derive(Clone)]
pub struct Replica {
    /// Where leases are.
    pub leases: Arc<dyn Leases>,
    /// The name of this program among the others.
    pub holder: String,
    /// How long a lease is held without being renewed.
    pub ttl: Duration,
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica")
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// Answers for the rollouts of one cluster. It asks the registry and the ledger each time: a block that is durable stops the
/// next step, and what cannot be read is never taken for "not blocked".
pub struct NodeGuard {
    cluster: ClusterId,
    registry: Arc<dyn Registry>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    lease: Mutex<Option<Lease>>,
    leased: bool,
    ended: AtomicBool,
    changed: Notify,
}

impl NodeGuard {
    /// The guard of a cluster; with a lease it holds no longer than that.
    #[must_use]
    pub fn new(
        cluster: &ClusterId,
        registry: Arc<dyn Registry>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        lease: Option<Lease>,
    ) -> Self {
        Self {
            cluster: cluster.clone(),
            registry,
            ledger,
            clock,
            leased: lease.is_some(),
            lease: Mutex::new(lease),
            ended: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// Something was written that may change the answer.
    pub fn nudge(&self) {
        self.changed.notify_one();
    }

    /// Nothing more may be written.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// The lease was renewed, or lost.
    pub(crate) fn lease(&self, lease: Option<Lease>) {
        let lost = lease.is_none();
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = lease;
        if lost {
            self.nudge();
        }
    }

    /// The lease that it goes by.
    pub(crate) fn held(&self) -> Option<Lease> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fenced_off(&self, now: Timestamp) -> bool {
        self.leased && self.held().is_none_or(|lease| lease.expires_at <= now)
    }
}

/// Whether a cluster in this state has rollouts at all. Those of a cluster that goes are the decommission's business, and
/// clusters that others built keep their nodes.
pub(crate) fn has_rollouts(cluster: &Cluster) -> bool {
    cluster.lifecycle_status == LifecycleStatus::Ready && cluster.provider != EXISTING
}

#[async_trait]
impl MayDisrupt for NodeGuard {
    async fn permission(&self) -> Permission {
        if self.ended.load(Ordering::Acquire) || self.fenced_off(self.clock.now()) {
            return Permission::Withdrawn;
        }
        // What cannot be read stops the engine where it stands; it is started again, and marks stay until then.
        let Ok(found) = self.registry.get_cluster(&self.cluster, Detail::Full).await else {
            return Permission::Withdrawn;
        };
        if !has_rollouts(&found.object) {
            return Permission::Withdrawn;
        }
        let now = self.clock.now();
        let Ok(held) = blocks::of_cluster(&*self.ledger, &found.object, now).await else {
            return Permission::Withdrawn;
        };
        // Both scopes stop nodes from being replaced.
        match held.first() {
            Some(blocked) => Permission::Blocked(block(blocked, now)),
            None if self.fenced_off(now) => Permission::Withdrawn,
            None => Permission::Granted,
        }
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }
}

fn block(blocked: &Blocked, now: Timestamp) -> Block {
    let owner = blocked.block.owner.as_str();
    Block {
        reason: blocked.block.reason.as_str().into(),
        owner: (!owner.is_empty()).then(|| owner.into()),
        since: blocked.since.unwrap_or(now),
        until: blocked.block.expires_at,
    }
}
