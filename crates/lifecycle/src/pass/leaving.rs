//! A pass over a cluster that is taken down: agreed to, drained, its stacks deleted, told so.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube_access::Access;
use model::{Cluster, ClusterStatus, LifecycleStatus, Progress, Update};
use ports::{Fault, RegistryError};

use super::{PassEnd, Reach, bucket, trouble};
use crate::concern::{DrainRun, Failure, Finding, StackMemory, StackRun, decommission, drain};
use crate::consent::{self, Decommission};
use crate::desired::Subject;
use crate::gate::WriteGate;
use crate::guard::{Guard, Touches};
use crate::journal::Journal;
use crate::need::Cause;
use crate::turns::Turns;

impl Reach {
    pub(super) async fn decommission(
        &self,
        subject: &Subject,
        guard: &Guard,
        turns: &Turns,
    ) -> Result<PassEnd, RegistryError> {
        let cluster = &*subject.cluster;
        let now = self.clock.now();
        let wait = self.settings.decommission_wait;
        if let Decommission::Waits(sentence, until) =
            consent::may_decommission(&*self.ledger, cluster, wait, now).await?
        {
            let later = now.saturating_add(Duration::from_secs(300)).unwrap_or(Timestamp::MAX);
            return Ok(PassEnd::Waits(until.unwrap_or(later), sentence));
        }
        let cloud = match self.clouds.cloud(cluster).await {
            Ok(Some(cloud)) => cloud,
            Ok(None) => {
                let title = format!(
                    "cluster {} was built by others and is not ours to take down",
                    cluster.alias
                );
                let failure = Failure::told("decommission", title, Fault::User);
                return self.failed(cluster, &cluster.status.next_version, failure, guard).await;
            }
            Err(error) => {
                let failure = trouble("cloud", "the account cannot be entered", &*error);
                return self.failed(cluster, &cluster.status.next_version, failure, guard).await;
            }
        };
        let begun = Update {
            from: cluster.status.current_version.clone(),
            to: "decommissioned".to_owned(),
            channel: cluster.channel.clone(),
            cause: Cause::Decommission.as_str().to_owned(),
            ..Update::default()
        };
        if let Err(refusal) = guard.permit(Touches::Nodes).await {
            return Ok(PassEnd::Stopped(refusal));
        }
        let journal = self.begin(cluster, begun, guard).await?;
        let drained = turns
            .take("decommission/drain", self.drain(cluster, guard, &journal))
            .await;
        if drained != Finding::Done {
            return self
                .close(subject, &cluster.status.next_version, drained, &journal, guard)
                .await;
        }
        journal.save().await?;
        let context = guard.stamp(self.context());
        let stacks = StackMemory::load(&cluster.id, Arc::clone(&self.ledger), context).await?;
        let bucket = bucket(cluster);
        let run = StackRun {
            cloud: &*cloud,
            guard,
            journal: &journal,
            memory: &stacks,
            clock: &*self.clock,
            bucket: &bucket,
            turns,
        };
        match turns.take("decommission", decommission(&run, cluster)).await {
            Finding::Done => {
                let status = ClusterStatus {
                    last_version: cluster.status.current_version.clone(),
                    ..ClusterStatus::default()
                };
                let down = Some(LifecycleStatus::Decommissioned);
                let context = guard.stamp(self.context());
                self.write_status(cluster, status, down, &context).await?;
                consent::settle_decommission(&*self.ledger, &cluster.id, &context).await?;
                journal.finish(Progress::Done, "").await?;
                Ok(PassEnd::Done)
            }
            other => {
                let next = &cluster.status.next_version;
                self.close(subject, next, other, &journal, guard).await
            }
        }
    }

    /// Lets the pods of a cluster leave before its nodes go.
    async fn drain(&self, cluster: &Cluster, guard: &Guard, journal: &Journal) -> Finding {
        let opened = self.connector.open(cluster).await;
        let gated = |access: Access| {
            let gate = WriteGate::for_nodes(guard.clone(), &access);
            access.gated(gate)
        };
        let run = DrainRun {
            access: opened.map(gated).map_err(|error| error.to_string()),
            alias: cluster.alias.as_str(),
            guard,
            journal,
            clock: &*self.clock,
            bound: self.settings.decommission_drain,
        };
        drain(&run).await
    }
}
