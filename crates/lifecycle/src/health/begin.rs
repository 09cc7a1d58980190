//! Before an update: what the cluster is like. When its work is done: the watch begins.

use jiff::Timestamp;
use model::{Cluster, HealthState, HealthVerdict, LifecycleStatus};
use plan::health::{Check, Observation};
use ports::RegistryError;
use ports::ledger::EntryId;
use render::DesiredCluster;

use super::record;
use super::{Record, Workload};
use crate::need::Cause;
use crate::pass::Reach;

impl Reach {
    /// Notes what a cluster is like before an update takes its first step. A pass that goes on with an update finds it noted.
    pub(crate) async fn note_baseline(
        &self,
        cluster: &Cluster,
        to: &str,
        cause: Cause,
        desired: &DesiredCluster,
    ) -> Result<(), RegistryError> {
        let policy = self.settings.policies.now();
        let rules = policy.health.rules(cluster);
        // A drift that is corrected brings nothing new that could be to blame.
        if cause == Cause::Drift || self.settings.dry_run {
            return Ok(());
        }
        let known = record::load(&*self.ledger, &cluster.id)
            .await?
            .map(|(_, record)| record);
        if known
            .as_ref()
            .is_some_and(|known| known.to == to && known.check.is_none())
        {
            return Ok(());
        }
        let now = self.clock.now();
        let age = policy.health.baseline_age.get();
        let (baseline, baseline_at) = match known.and_then(|known| inherited(known, now, age)) {
            Some((baseline, at)) => (Some(baseline), Some(at)),
            None if cluster.lifecycle_status != LifecycleStatus::Ready || rules.check_time.is_zero() => (None, None),
            None => {
                let workloads = Workload::all(desired);
                let seen = self.observe(cluster, &workloads, &rules, true).await;
                (Some(without_sentences(seen)), Some(now))
            }
        };
        let record = Record {
            update: String::new(),
            from: cluster.status.current_version.clone(),
            to: to.to_owned(),
            channel: cluster.channel.clone(),
            baseline,
            baseline_at,
            workloads: Workload::all(desired),
            check: None,
        };
        record::put(&*self.ledger, &cluster.id, &record, true, &self.context())
            .await
            .map(drop)
    }

    /// Begins the watch: the work of this update is done. Answers the verdict to be told with it; none where nothing is checked.
    pub(crate) async fn begin_check(
        &self,
        cluster: &Cluster,
        to: &str,
        update: &EntryId,
    ) -> Result<Option<HealthVerdict>, RegistryError> {
        let Some((entry, mut record)) = record::load(&*self.ledger, &cluster.id).await? else {
            return Ok(None);
        };
        if record.to != to {
            return Ok(None);
        }
        let rules = self.settings.policies.now().health.rules(cluster);
        let checked = !rules.check_time.is_zero();
        // After drift was corrected the watch goes on, and its verdict is told with the newest update.
        let (check, open) = match record.check.take() {
            Some(check) => (check, entry.open),
            None => (Check::begin(self.clock.now(), &rules), checked),
        };
        let verdict = check.verdict.clone();
        record.check = Some(check);
        update.as_str().clone_into(&mut record.update);
        record::put(&*self.ledger, &cluster.id, &record, open, &self.context()).await?;
        Ok(checked.then_some(verdict))
    }
}

/// The baseline of an update that was not found healthy: what it broke is held against the one that overtakes it, too.
fn inherited(known: Record, now: Timestamp, age: jiff::SignedDuration) -> Option<(Observation, Timestamp)> {
    let well = known
        .check
        .as_ref()
        .is_some_and(|check| check.verdict.state == HealthState::Healthy);
    let (baseline, at) = (known.baseline?, known.baseline_at?);
    (!well && now.duration_since(at) <= age).then_some((baseline, at))
}

/// Comparing needs names and numbers; sentences of thousands of pods would not fit into an entry.
fn without_sentences(mut seen: Observation) -> Observation {
    let sentences = seen.nodes.values_mut().chain(seen.pending.values_mut());
    sentences.for_each(String::clear);
    for fails in seen.checks.values_mut().flat_map(|failing| failing.values_mut()) {
        fails.message.clear();
    }
    seen
}
