//! Metrics of a fleet under control: how clusters stand, how updates go and how long they take.
//!
//! Clusters are counted from the registry and updates from the ledger, through the change feed, so the numbers are the
//! same whichever replica did the work.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use control::Handle;
use futures::StreamExt as _;
use lifecycle::{Figures, Metrics};
use model::{BlockScope, LifecycleStatus, Update};
use ports::ledger::EntryKind;
use ports::registry::{ClusterFilter, Detail, ObjectKind, PageRequest};
use ports::{Clock, Ledger, Registry, RegistryError, SystemClock, blocks};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Unit;

/// How often clusters are counted.
const COUNT: Duration = Duration::from_secs(15);
/// Pause before a feed that was lost is opened again.
const AGAIN: Duration = Duration::from_secs(5);

/// How a cluster stands, by what the registry says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Standing {
    standing: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct End {
    end: &'static str,
}

/// All standings, so that those that no cluster has are shown as 0.
const STANDINGS: [&str; 5] = ["settled", "updating", "failing", "blocked", "decommissioning"];

/// The metrics.
#[derive(Debug, Clone)]
pub(crate) struct FleetMetrics {
    clusters: Family<Standing, Gauge>,
    rollouts: Family<State, Gauge>,
    updates: Family<Outcome, Counter>,
    durations: Family<Outcome, Histogram, fn() -> Histogram>,
    passes: Family<End, Counter>,
    pass_time: Family<End, Counter<f64, AtomicU64>>,
    drifts: Counter,
    written: Counter,
}

impl FleetMetrics {
    /// Adds them to a server's registry of metrics.
    pub(crate) fn register(registry: &mut prometheus_client::registry::Registry) -> Self {
        let this = Self {
            clusters: Family::default(),
            rollouts: Family::default(),
            updates: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(exponential_buckets(1.0, 2.0, 16))),
            passes: Family::default(),
            pass_time: Family::default(),
            drifts: Counter::default(),
            written: Counter::default(),
        };
        let own = registry.sub_registry_with_prefix("fleet");
        own.register("clusters", "Clusters by standing", this.clusters.clone());
        own.register(
            "rollouts",
            "Clusters whose node rollouts are looked after here, or wait",
            this.rollouts.clone(),
        );
        own.register(
            "updates",
            "Updates of clusters that ended, by outcome",
            this.updates.clone(),
        );
        own.register_with_unit(
            "update_duration",
            "Time from the begin of an update to its end, by outcome",
            Unit::Seconds,
            this.durations.clone(),
        );
        own.register(
            "passes",
            "Passes of the manager here over clusters, by how they ended",
            this.passes.clone(),
        );
        own.register_with_unit(
            "pass_time",
            "Time that passes of the manager here took in all, by how they ended",
            Unit::Seconds,
            this.pass_time.clone(),
        );
        own.register(
            "drifts",
            "Times that somebody was seen to have changed what was applied",
            this.drifts.clone(),
        );
        own.register(
            "objects_written",
            "Objects that the manager here wrote to clusters",
            this.written.clone(),
        );
        this
    }

    /// Keeps them up to date, for ever.
    pub(crate) async fn follow<S: Registry + Ledger>(
        self,
        store: Arc<S>,
        figures: Option<Arc<Metrics>>,
        handle: Option<Handle>,
    ) {
        futures::join!(self.count(&*store, figures, handle), self.watch(&*store));
    }

    async fn count<S: Registry + Ledger>(&self, store: &S, figures: Option<Arc<Metrics>>, handle: Option<Handle>) {
        let mut before = Figures::default();
        loop {
            if let Some(figures) = &figures {
                let now = figures.read();
                self.grown(&before, &now);
                before = now;
            }
            if let Err(error) = self.counted(store).await {
                tracing::debug!(%error, "clusters cannot be counted");
            }
            if let Some((running, waiting)) = handle.as_ref().map(Handle::counts) {
                for (state, number) in [("running", running), ("waiting", waiting)] {
                    let number = i64::try_from(number).unwrap_or(i64::MAX);
                    self.rollouts.get_or_create(&State { state }).set(number);
                }
            }
            SystemClock.sleep(COUNT).await;
        }
    }

    /// Adds what the manager has done since it was asked last.
    fn grown(&self, before: &Figures, now: &Figures) {
        for (end, spent) in &now.passes {
            let (end, old) = (End { end }, before.passes.get(end).copied().unwrap_or_default());
            self.passes
                .get_or_create(&end)
                .inc_by(spent.count.saturating_sub(old.count));
            let time = spent.time.saturating_sub(old.time).as_secs_f64();
            self.pass_time.get_or_create(&end).inc_by(time);
        }
        self.drifts.inc_by(now.drifts.saturating_sub(before.drifts));
        self.written
            .inc_by(now.objects_written.saturating_sub(before.objects_written));
    }

    async fn counted<S: Registry + Ledger>(&self, store: &S) -> Result<(), RegistryError> {
        let all = store
            .list_clusters(&ClusterFilter::default(), Detail::Full, &PageRequest::all())
            .await?;
        let open = blocks::open(store, None).await?;
        let now = SystemClock.now();
        let mut counts = STANDINGS.map(|standing| (standing, 0_i64));
        for cluster in all.items.iter().map(|one| &one.object) {
            let held = blocks::holding(&cluster.id, &cluster.config_items, &open, now);
            let blocked = held.iter().any(|blocked| blocked.block.scope == BlockScope::All);
            let standing = match cluster.lifecycle_status {
                LifecycleStatus::Decommissioned => continue,
                _ if blocked => "blocked",
                LifecycleStatus::DecommissionRequested => "decommissioning",
                _ if !cluster.status.problems.is_empty() => "failing",
                LifecycleStatus::Ready if cluster.status.next_version.is_empty() => "settled",
                _ => "updating",
            };
            if let Some((_, count)) = counts.iter_mut().find(|(name, _)| *name == standing) {
                *count += 1;
            }
        }
        for (standing, count) in counts {
            self.clusters.get_or_create(&Standing { standing }).set(count);
        }
        Ok(())
    }

    async fn watch<S: Registry + Ledger>(&self, store: &S) {
        loop {
            if let Err(error) = self.watched(store).await {
                tracing::debug!(%error, "the change feed was lost");
            }
            SystemClock.sleep(AGAIN).await;
        }
    }

    async fn watched<S: Registry + Ledger>(&self, store: &S) -> Result<(), RegistryError> {
        let mut feed = store.watch(store.last_change().await?).await?;
        while let Some(change) = feed.next().await {
            let change = change?;
            if change.kind != ObjectKind::Entry {
                continue;
            }
            let Some(id) = change.id.strip_prefix("update/").and_then(|id| id.parse().ok()) else {
                continue;
            };
            let entry = store.get_entry(&EntryKind::update(), &id).await?;
            if entry.open || entry.revision != change.revision {
                continue;
            }
            if let Ok(update) = serde_json::from_value::<Update>(entry.body) {
                self.ended(&update);
            }
        }
        Ok(())
    }

    fn ended(&self, update: &Update) {
        let outcome = Outcome {
            outcome: update.progress.as_str(),
        };
        self.updates.get_or_create(&outcome).inc();
        if let (Some(begin), Some(end)) = (update.started_at, update.finished_at) {
            let seconds = end.duration_since(begin).as_secs_f64();
            self.durations.get_or_create(&outcome).observe(seconds);
        }
    }
}
