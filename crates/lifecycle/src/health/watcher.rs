//! Looks after all clusters that were updated: one watch each, beside everything else.
//!
//! Watches are entries of the ledger. They are found there at the start and through the feed, so it does not matter which
//! replica did the update. When several share the work, one of them watches: looking twice would only cost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::FuturesUnordered;
use jiff::SignedDuration;
use model::{Cluster, ClusterId, HealthState, HealthVerdict, LifecycleStatus};
use plan::health::Check;
use ports::ledger::{Entry, EntryDraft, EntryKind};
use ports::registry::{Change, Detail, ObjectKind};
use ports::{RegistryError, WriteContext};
use tokio::sync::Notify;

use super::{KIND, Record, record};
use crate::claims::{Claims, alone};
use crate::pass::Reach;

/// The pause before something that did not work is tried again.
const PAUSE: Duration = Duration::from_secs(15);

/// Watches the health of clusters.
pub(crate) struct Watcher {
    reach: Arc<Reach>,
    claims: Option<Claims>,
}

/// What a look led to.
enum Looked {
    /// Look again then.
    Again(SignedDuration),
    /// Somebody else wrote: read once more, now.
    Stale,
    /// There is nothing to watch any more.
    Over,
}

impl Watcher {
    pub(crate) fn new(reach: Arc<Reach>, claims: Option<Claims>) -> Self {
        Self { reach, claims }
    }

    /// Watches for ever. A program that only tries things out watches nothing.
    pub(crate) async fn run(self) {
        if self.reach.settings.dry_run {
            return std::future::pending().await;
        }
        alone(self.claims.as_ref(), KIND, &*self.reach.clock, || self.look_after()).await;
    }

    /// Starts a watch for every open entry, and for those that are opened. Begins anew when the feed is lost.
    async fn look_after(&self) {
        loop {
            if let Err(error) = self.follow().await {
                tracing::warn!(%error, "the health of clusters cannot be watched at the moment");
            }
            self.reach.clock.sleep(PAUSE).await;
        }
    }

    async fn follow(&self) -> Result<(), RegistryError> {
        let registry = &self.reach.registry;
        let mut feed = registry.watch(registry.last_change().await?).await?;
        let mut watches = FuturesUnordered::new();
        let mut running: BTreeMap<ClusterId, Arc<Notify>> = BTreeMap::new();
        let mut fresh = record::open(&*self.reach.ledger).await?;
        loop {
            for id in fresh.drain(..) {
                match running.get(&id) {
                    Some(woken) => woken.notify_one(),
                    None => {
                        let woken = Arc::new(Notify::new());
                        running.insert(id.clone(), Arc::clone(&woken));
                        watches.push(self.watch(id, woken));
                    }
                }
            }
            tokio::select! {
                biased;
                Some(over) = watches.next(), if !watches.is_empty() => {
                    running.remove(&over);
                }
                change = feed.next() => match change {
                    Some(Ok(change)) => fresh.extend(about(&change)),
                    Some(Err(error)) => return Err(error),
                    None => return Ok(()),
                },
            }
        }
    }

    /// Watches one cluster until there is nothing to watch.
    fn watch(&self, id: ClusterId, woken: Arc<Notify>) -> BoxFuture<'static, ClusterId> {
        let reach = Arc::clone(&self.reach);
        async move {
            let mut wait = reach.first_look(&id).await;
            loop {
                reach.rest(&id, wait, &woken).await;
                wait = match reach.look(&id).await {
                    Ok(Looked::Over) => return id,
                    Ok(Looked::Stale) => Duration::ZERO,
                    Ok(Looked::Again(wait)) => Duration::try_from(wait).unwrap_or(PAUSE),
                    Err(error) => {
                        tracing::warn!(%error, cluster = %id, "the health of a cluster cannot be judged at the moment");
                        PAUSE
                    }
                };
            }
        }
        .boxed()
    }
}

/// The cluster whose health an entry of the feed is about.
fn about(change: &Change) -> Option<ClusterId> {
    let id = change.id.strip_prefix(KIND)?.strip_prefix('/')?;
    (change.kind == ObjectKind::Entry).then(|| id.parse().ok()).flatten()
}

impl Reach {
    /// How long the first look of a watch can wait: healthy clusters are taken up again one after another after a start.
    async fn first_look(&self, id: &ClusterId) -> Duration {
        let Ok(Some((_, record))) = record::load(&*self.ledger, id).await else {
            return Duration::ZERO;
        };
        let calm = |check: &Check| check.verdict.state == HealthState::Healthy;
        if !record.check.as_ref().is_some_and(calm) {
            return Duration::ZERO;
        }
        let longest = self
            .settings
            .policies
            .now()
            .health
            .watch_interval
            .get()
            .as_secs()
            .unsigned_abs();
        Duration::from_secs(self.ids.next_u64() % longest.max(1))
    }

    /// One look at one cluster: observe, judge, write down what changed.
    async fn look(&self, id: &ClusterId) -> Result<Looked, RegistryError> {
        let Some((entry, mut record)) = record::load(&*self.ledger, id).await? else {
            return Ok(Looked::Over);
        };
        let Some(mut check) = record.check.clone().filter(|_| entry.open) else {
            return Ok(Looked::Over);
        };
        let cluster = match self.registry.get_cluster(id, Detail::Full).await {
            Ok(found) => found.object,
            Err(RegistryError::NotFound { .. }) => return self.unwatch(id, &entry, &record).await,
            Err(error) => return Err(error),
        };
        let rules = self.settings.policies.now().health.rules(&cluster);
        match cluster.lifecycle_status {
            LifecycleStatus::Ready => {}
            // The watch begins a moment before a new cluster is said to be ready.
            LifecycleStatus::Requested | LifecycleStatus::Creating => return Ok(Looked::Again(rules.interval)),
            LifecycleStatus::DecommissionRequested | LifecycleStatus::Decommissioned => {
                return self.unwatch(id, &entry, &record).await;
            }
        }
        let seen = self.observe(&cluster, &record.workloads, &rules, false).await;
        let before = check.verdict.clone();
        let step = check.step(self.clock.now(), record.baseline.as_ref(), &seen, &rules);
        let open = step.next.is_some();
        if record.check.as_ref() != Some(&check) || !open {
            record.check = Some(check);
            let context = self.context().expecting(entry.revision);
            match record::put(&*self.ledger, id, &record, open, &context).await {
                Ok(_) => {}
                Err(RegistryError::WrongRevision { .. }) => return Ok(Looked::Stale),
                Err(error) => return Err(error),
            }
        }
        if before != step.verdict {
            tell(&cluster, &before, &step.verdict);
            self.write_verdict(&record, &step.verdict).await?;
        }
        Ok(step.next.map_or(Looked::Over, Looked::Again))
    }

    /// Sleeps until it is time to look again, or somebody else wrote the record.
    async fn rest(&self, id: &ClusterId, wait: Duration, woken: &Notify) {
        let begun = self.clock.now();
        loop {
            let slept = self.clock.now().duration_since(begun).unsigned_abs();
            let Some(left) = wait.checked_sub(slept).filter(|left| !left.is_zero()) else {
                return;
            };
            tokio::select! {
                biased;
                () = self.clock.sleep(left) => return,
                () = woken.notified() => {}
            }
            // Our own writes come back through the feed, too: only a watch that has not been looked at yet is news.
            match record::load(&*self.ledger, id).await {
                Ok(Some((entry, record))) if entry.open => match record.check {
                    Some(check) if check.began < begun => {}
                    _ => return,
                },
                _ => return,
            }
        }
    }

    async fn unwatch(&self, id: &ClusterId, entry: &Entry, record: &Record) -> Result<Looked, RegistryError> {
        let context = self.context().expecting(entry.revision);
        match record::put(&*self.ledger, id, record, false, &context).await {
            Ok(_) => Ok(Looked::Over),
            Err(RegistryError::WrongRevision { .. }) => Ok(Looked::Stale),
            Err(error) => Err(error),
        }
    }

    /// Writes the verdict to the record of the update, where people and waves read it.
    async fn write_verdict(&self, record: &Record, verdict: &HealthVerdict) -> Result<(), RegistryError> {
        let (kind, id) = (EntryKind::update(), record.update.parse()?);
        loop {
            let entry = self.ledger.get_entry(&kind, &id).await?;
            let mut body = entry.body.clone();
            let told = serde_json::to_value(verdict).map_err(|error| RegistryError::Internal(Box::new(error)))?;
            let Some(fields) = body.as_object_mut() else {
                return Ok(());
            };
            fields.insert("health".to_owned(), told);
            let draft = EntryDraft {
                kind: entry.kind,
                id: entry.id,
                cluster: entry.cluster,
                open: entry.open,
                body,
                items: Vec::new(),
            };
            let context: WriteContext = self.context().expecting(entry.revision);
            match self.ledger.put_entry(draft, &context).await {
                Err(RegistryError::WrongRevision { .. }) => {}
                done => return done.map(drop),
            }
        }
    }
}

fn tell(cluster: &Cluster, before: &HealthVerdict, verdict: &HealthVerdict) {
    if before.state == verdict.state {
        return;
    }
    let (cluster, sentence) = (&cluster.alias, verdict.sentence());
    match verdict.state {
        HealthState::Unhealthy => tracing::warn!(%cluster, sentence, "verdict"),
        _ => tracing::info!(%cluster, sentence, "verdict"),
    }
}
