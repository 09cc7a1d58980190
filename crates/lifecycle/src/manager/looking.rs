//! What each cluster needs, as far as the manager knows, and what follows from it for the queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::{Cluster, ClusterId, ClusterStatus, LifecycleStatus, Problem};
use ports::blocks;
use ports::config_source::CombinedVersion;

use super::Manager;
use crate::concern::Failure;
use crate::inputs;
use crate::need::{Cause, Need, Situation, need};
use crate::pass::Reach;
use crate::queue::Waiting;
use crate::state::Standing;
use crate::waves::Towards;

/// What problems about a configuration that cannot be found are about.
const CONFIGURATION: &str = "configuration";

impl Manager {
    pub(super) async fn look_at_all(&mut self) {
        let ids: Vec<ClusterId> = self.cells.keys().cloned().collect();
        // Clusters of one channel stand at one version: it is asked for once.
        let mut versions = BTreeMap::new();
        for id in ids {
            self.look(&id, &mut versions).await;
        }
    }

    /// Decides what a cluster needs, and queues it if it needs anything.
    pub(super) async fn look(
        &mut self,
        id: &ClusterId,
        versions: &mut BTreeMap<(String, String), Result<CombinedVersion, String>>,
    ) {
        let now = self.reach.clock.now();
        let Some(cluster) = self.cells.get(id).map(|cell| Arc::clone(&cell.subject.cluster)) else {
            return;
        };
        let overrides = cluster
            .config_items
            .get("override_channel")
            .cloned()
            .unwrap_or_default();
        let place = (cluster.channel.clone(), overrides);
        let version = match versions.get(&place) {
            Some(known) => known.clone(),
            None => {
                let found = self.reach.configuration.version(&cluster).await;
                versions.insert(place, found.clone());
                found
            }
        };
        let held = blocks::holding(id, &cluster.config_items, &self.open_blocks, now);
        let config = version.as_ref().map(CombinedVersion::id).map_err(Clone::clone);
        let Some(cell) = self.cells.get_mut(id) else { return };
        let digest = inputs::digest(&cluster);
        let other_entry = cell.inputs.as_ref().is_some_and(|applied| *applied != digest);
        let decided = need(&Situation {
            cluster: &cluster,
            blocks: &held,
            config: config.as_deref().map_err(String::as_str),
            drifted: cell.drifted,
            other_entry,
        });
        let blocked = matches!(decided, Need::Blocked(_));
        let towards = Towards::of(&cluster, config.as_deref().ok(), &digest, other_entry, blocked);
        if cell.towards != towards {
            cell.towards = towards;
            self.waves.touch();
        }
        self.decided(id, decided, version.ok(), now).await;
    }

    async fn decided(&mut self, id: &ClusterId, decided: Need, version: Option<CombinedVersion>, now: Timestamp) {
        let Some(cell) = self.cells.get_mut(id) else { return };
        let (cause, wanted) = match decided {
            Need::Nothing(why) => {
                let cluster = Arc::clone(&cell.subject.cluster);
                cell.settle(Standing::AsWanted(why), None);
                self.queue.drop(id);
                self.reach.clear(&cluster).await;
                return;
            }
            Need::Blocked(blocked) => {
                let sentence = crate::need::block_sentence(cell.subject.cluster.alias.as_str(), &blocked, now);
                cell.settle(Standing::Blocked(sentence), None);
                self.queue.drop(id);
                return;
            }
            Need::Report(why) => {
                let known = cell.standing == Standing::Failing(why.clone());
                cell.settle(Standing::Failing(why.clone()), None);
                self.queue.drop(id);
                if !known && !self.reach.settings.dry_run {
                    let cluster = Arc::clone(&cell.subject.cluster);
                    let failure = Failure::told(CONFIGURATION, why, ports::Fault::User);
                    let next = cluster.status.next_version.clone();
                    if let Err(error) = self.reach.report(&cluster, &next, &failure).await {
                        tracing::warn!(%error, cluster = %cluster.alias, "a problem cannot be written");
                    }
                }
                return;
            }
            Need::Update { to, cause, .. } => (cause, Some((to.to_string(), version))),
            Need::Decommission => (Cause::Decommission, None),
        };
        let Some(cell) = self.cells.get_mut(id) else { return };
        // The version alone may be that of another entry (fault F9).
        let digest = inputs::digest(&cell.subject.cluster);
        let target = wanted
            .as_ref()
            .map_or_else(|| "decommissioned".to_owned(), |(to, _)| format!("{to} {digest}"));
        if let Some((to, _)) = &wanted
            && cause != Cause::Drift
            && cell.subject.cluster.lifecycle_status == LifecycleStatus::Ready
            && !self.waves.may(&cell.subject.cluster, to, &target)
        {
            return self.hold(id, target);
        }
        // Something else is wanted than before: a run for the old version ends at its next step, and a new version starts
        // with a clean slate instead of waiting for the old one's back-off.
        let fresh = cell.target.as_deref() != Some(target.as_str());
        if fresh {
            cell.generation.advance();
            cell.failures = 0;
        } else if cell.waits_until.is_some_and(|until| until > now) || self.queue.is_running(id) {
            return;
        }
        cell.settle(Standing::Queued(cause.as_str().to_owned()), Some(target));
        cell.version = wanted.and_then(|(_, version)| version);
        cell.waits_until = None;
        let waiting = Waiting {
            account: cell.subject.cluster.infrastructure_account.to_string(),
            cause,
            due: now,
            failures: cell.failures,
            last_run: cell.last_run,
            urgent: self.waves.is_urgent(id),
        };
        self.queue.put(id, waiting);
    }

    /// Holds a cluster until its wave lets it begin. A pass that is under way goes on to its end: it brings about what the
    /// cluster was let begin.
    fn hold(&mut self, id: &ClusterId, target: String) {
        let Some(cell) = self.cells.get_mut(id).filter(|_| !self.queue.is_running(id)) else {
            return;
        };
        self.queue.drop(id);
        // What it waits on is said with the next decision.
        if cell.target.as_ref() != Some(&target) || !matches!(cell.standing, Standing::Waiting(_)) {
            self.waves.waits.remove(id);
            let sentence = format!("cluster {} waits for its wave", cell.subject.cluster.alias);
            cell.settle(Standing::Waiting(sentence), Some(target));
            cell.generation.advance();
            cell.failures = 0;
            cell.waits_until = None;
        }
    }
}

impl Reach {
    /// A configuration that could not be found has been found, and the cluster has it already: the alarm is over (W6).
    async fn clear(&self, cluster: &Cluster) {
        let over = |problem: &Problem| problem.instance.as_deref() == Some(CONFIGURATION);
        let some = cluster.status.problems.iter().any(over);
        if !some || cluster.lifecycle_status != LifecycleStatus::Ready || self.settings.dry_run {
            return;
        }
        let mut status: ClusterStatus = cluster.status.clone();
        status.problems.retain(|problem| !over(problem));
        if let Err(error) = self.write_status(cluster, status, None).await {
            tracing::warn!(%error, cluster = %cluster.alias, "a problem that is over cannot be taken away");
        }
    }
}
