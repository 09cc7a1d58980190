//! What each cluster needs, as far as the manager knows, and what follows from it for the queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::{Cluster, ClusterId, LifecycleStatus, Problem};
use ports::config_source::CombinedVersion;
use ports::registry::{Change, Detail, ObjectKind};
use ports::{RegistryError, blocks};

use super::Manager;
use crate::concern::Failure;
use crate::desired::Subject;
use crate::inputs;
use crate::need::{Cause, Need, Situation, need};
use crate::pass::Reach;
use crate::queue::Waiting;
use crate::state::{Cell, Standing};
use crate::turns::Turns;
use crate::waves::Towards;

/// What problems about a configuration that cannot be found are about.
const CONFIGURATION: &str = "configuration";

impl Manager {
    /// Puts an entry of the registry in its cell.
    pub(super) fn know(&mut self, cluster: Arc<Cluster>) {
        if !self.pace.only.is_empty() && !self.pace.only.contains(&cluster.id) {
            return;
        }
        let of_account = self.of_account.entry(cluster.infrastructure_account.clone());
        of_account.or_default().insert(cluster.id.clone());
        let account = self.accounts.get(cluster.infrastructure_account.as_str());
        let subject = Subject {
            owner: account.map(|a| a.owner.clone()).unwrap_or_default(),
            account_name: account.map(|a| a.name.clone()).unwrap_or_default(),
            siblings: Vec::new(),
            cluster: Arc::clone(&cluster),
        };
        match self.cells.get_mut(&cluster.id) {
            Some(cell) => {
                if cell.seen.entry(&cluster, &self.sharing) && self.sharing.members.is_some() {
                    // What is remembered was another one's work before.
                    cell.unwatch();
                    cell.memory.manifests.forget();
                }
                cell.digest = inputs::digest(&cluster);
                cell.subject = subject;
            }
            None => {
                let (clock, ids) = (Arc::clone(&self.reach.clock), Arc::clone(&self.reach.ids));
                let turns = Turns::new(self.pace.backoff, clock, ids, Arc::clone(&self.metrics));
                let mut cell = Cell::new(subject, turns);
                cell.drifted = self.pace.anew;
                cell.seen.entry(&cluster, &self.sharing);
                self.cells.insert(cluster.id.clone(), cell);
            }
        }
    }

    /// The clusters of its account.
    pub(super) fn siblings(&self, cluster: &Cluster) -> Vec<Arc<Cluster>> {
        let ids = self.of_account.get(&cluster.infrastructure_account);
        let cells = ids.into_iter().flatten().filter_map(|id| self.cells.get(id));
        let all = cells.map(|cell| &cell.subject.cluster);
        all.filter(|other| other.infrastructure_account == cluster.infrastructure_account)
            .cloned()
            .collect()
    }

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
        let other_entry = cell.inputs.as_ref().is_some_and(|applied| *applied != cell.digest);
        let decided = need(&Situation {
            cluster: &cluster,
            blocks: &held,
            config: config.as_deref().map_err(String::as_str),
            drifted: cell.drifted,
            other_entry,
        });
        let blocked = matches!(decided, Need::Blocked(_));
        let towards = Towards::of(&cluster, config.as_deref().ok(), &cell.digest, other_entry, blocked);
        if *cell.towards != towards {
            cell.towards = Arc::new(towards);
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
                    if let Err(error) = self.reach.tell(&cluster.id, &failure).await {
                        tracing::warn!(%error, cluster = %cluster.alias, "a problem cannot be written");
                    }
                }
                return;
            }
            Need::Update { to, .. } if self.reads_first(id, &to, now) => return,
            Need::Update { to, cause, .. } => (cause, Some((to.to_string(), version))),
            Need::Decommission => (Cause::Decommission, None),
        };
        let Some(cell) = self.cells.get_mut(id) else { return };
        // The version alone may be that of another entry (fault F9).
        let digest = &cell.digest;
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
        let (due, place, standing) = self.turn(id, cause, now);
        let Some(cell) = self.cells.get_mut(id) else { return };
        cell.settle(standing, Some(target));
        cell.version = wanted.and_then(|(_, version)| version);
        cell.waits_until = (due > now).then_some(due);
        let waiting = Waiting {
            account: cell.subject.cluster.infrastructure_account.to_string(),
            cause,
            due,
            failures: cell.failures,
            last_run: cell.last_run,
            urgent: self.waves.is_urgent(id),
            place,
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
        // What it waits on is known with the next decision, and said when somebody asks.
        if cell.target.as_ref() != Some(&target) || !matches!(cell.standing, Standing::Waiting(_)) {
            let sentence = format!("cluster {} waits for its wave", cell.subject.cluster.alias);
            cell.settle(Standing::Waiting(sentence), Some(target));
            cell.generation.advance();
            cell.failures = 0;
            cell.waits_until = None;
        }
    }

    /// Reads one cluster and looks at it.
    pub(super) async fn read(&mut self, id: &ClusterId) {
        match self.reach.registry.get_cluster(id, Detail::Full).await {
            Ok(found) => {
                self.know(Arc::new(found.object));
                self.look(id, &mut BTreeMap::new()).await;
            }
            Err(RegistryError::NotFound { .. }) => {
                if let Some(cell) = self.cells.remove(id) {
                    cell.generation.advance();
                }
                self.waves.forget(id);
                self.queue.drop(id);
            }
            Err(error) => {
                tracing::warn!(%error, cluster = %id, "a cluster cannot be read");
            }
        }
    }

    pub(super) async fn changed(&mut self, change: &Change) {
        match change.kind {
            ObjectKind::Cluster => {
                if let Ok(id) = change.id.parse() {
                    self.read(&id).await;
                }
            }
            ObjectKind::Entry if change.id.starts_with("block/") => self.read_blocks().await,
            ObjectKind::Entry if change.id.starts_with("decommission/") || change.id.starts_with("prune-consent/") => {
                self.agreed(change).await;
            }
            ObjectKind::Entry => self.waves_changed(change).await,
            ObjectKind::InfrastructureAccount => self.refresh().await,
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
        let cleared = self.amend(&cluster.id, |status| status.problems.retain(|problem| !over(problem)));
        if let Err(error) = cleared.await {
            tracing::warn!(%error, cluster = %cluster.alias, "a problem that is over cannot be taken away");
        }
    }
}
