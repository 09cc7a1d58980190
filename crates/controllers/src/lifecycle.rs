//! Node lifecycle: marked nodes are replaced under the disruption contract.
//!
//! It does what the original's closed-source lifecycle controller does, and reads the same marks: somebody outside (the fleet's
//! manager with the strategy `clc`, or a person) sets `lifecycle-status=decommission-pending` on a node and takes it back. New
//! nodes first unless the node says `replacement-strategy: none`, then the drain, then the end of the machine: of a NodeClaim by
//! deleting it, of a group by the cloud where one is given. A node of neither is drained and says so by an annotation.

use std::sync::Arc;

use disruption::{Policy, PoolName};
use kube_access::Access;
use model::ClusterId;
use ports::WriteContext;
use rollout::{ClusterSpec, Means, NodeCloud, Notices, PoolSpec, Refresh, Rollout, RolloutError};
use tokio::sync::watch;

use crate::leader::Leadership;
use crate::ledger::ClusterLedger;

/// What the controller works with.
#[derive(Clone)]
pub struct Lifecycle {
    /// The cluster's API.
    pub access: Access,
    /// Its machines; [`rollout::NoCloud`] where there is nobody to ask.
    pub cloud: Arc<dyn NodeCloud>,
    /// The cluster, as records name it.
    pub cluster: ClusterId,
    /// The name in the cloud's tag of the cluster.
    pub tag_name: String,
    /// The contract for every pool.
    pub policy: Policy,
    /// Namespace of the records.
    pub namespace: String,
    /// Value of the config item [`disruption::marking::NO_SCHEDULE_ITEM`].
    pub no_schedule: Option<String>,
    /// Where owners are told.
    pub notices: Option<Arc<dyn Notices>>,
    /// How often the cloud is read.
    pub refresh: Refresh,
}

impl std::fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lifecycle")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

/// Largest size of a pool that nobody told us: nothing is known of its bounds.
const UNTOLD: u32 = 1_000;

impl Lifecycle {
    /// Works as long as the lead holds.
    ///
    /// # Errors
    /// [`RolloutError`] when the cluster cannot be read at the beginning.
    pub async fn run(&self, leadership: Arc<Leadership>) -> Result<(), RolloutError> {
        let ledger = ClusterLedger::new(self.access.clone(), &self.namespace);
        if let Err(error) = ledger.tidy().await {
            tracing::warn!(%error, "old records were not deleted");
        }
        let means = Means {
            access: self.access.clone(),
            cloud: Arc::clone(&self.cloud),
            ledger: Arc::new(ledger),
            guard: leadership,
            clock: Arc::clone(self.access.clock()),
            context: WriteContext::by("node-lifecycle", "controllers"),
            refresh: self.refresh,
        };
        let spec = ClusterSpec {
            id: self.cluster.clone(),
            tag_name: self.tag_name.clone(),
            pools: Vec::new(),
        };
        let (_keep, spec) = watch::channel(spec);
        let mut template = PoolSpec::rolling(PoolName::from(""), self.policy.clone(), UNTOLD);
        template.no_schedule.clone_from(&self.no_schedule);
        let (engine, _handle) = Rollout::new(means, spec);
        let mut engine = engine.driven_by_marks(template);
        if let Some(notices) = &self.notices {
            engine = engine.telling(Arc::clone(notices));
        }
        engine.run().await
    }
}
