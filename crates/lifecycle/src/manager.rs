//! The manager: keeps every cluster at the version of its channel.
//!
//! It is woken by the registry's change feed, by configuration that moved, by timers; it never sleeps through an event. All
//! choices are made in [`crate::need`] and [`crate::queue`]; here they are carried out.

mod looking;
mod sharing;
mod watching;
mod waving;
mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Aborted, BoxFuture};
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use model::{AccountId, AccountLifecycle, ClusterId, InfrastructureAccount};
use ports::RegistryError;
use ports::blocks::{self, Blocked};
use ports::registry::{AccountFilter, Change, ClusterFilter, Detail, PageRequest};
use tokio::sync::{Notify, watch};

use crate::backoff::Backoff;
use crate::channels::Gatekeeper;
use crate::claims::Claims;
use crate::desired::Subject;
use crate::guard::{Guard, Refusal, Rules, Stopping};
use crate::health::Watcher;
use crate::inputs;
use crate::meanwhile;
use crate::members::View;
use crate::metrics::Metrics;
use crate::need::Cause;
use crate::pass::{Aim, ClusterMemory, PassEnd, Reach};
use crate::queue::{Limits, Queue};
use crate::state::{Cell, Standing};
use crate::waves::conductor::Conductor;
pub(crate) use sharing::Seen;
use sharing::Sharing;
use watching::Drifted;
use work::{Ended, Work};

/// How the manager goes about it.
#[derive(Debug, Clone)]
pub struct Pace {
    /// How many clusters are worked on at the same time.
    pub limits: Limits,
    /// When to try again.
    pub backoff: Backoff,
    /// How often sources are asked for new commits when nobody tells.
    pub refresh: Duration,
    /// Clusters that are worked on; all when empty.
    pub only: BTreeSet<ClusterId>,
    /// Guards in force; only simulations switch one off.
    pub rules: Rules,
    /// How clusters are claimed when several replicas share the work.
    pub claims: Option<Claims>,
    /// Work on each cluster once although it is at its version: somebody asked for it, having seen that it is not as wanted.
    pub anew: bool,
    /// Whether clusters get new versions in waves, by the policy in force ([`Settings::policies`](crate::Settings::policies)); not for a
    /// command that somebody gave for just these clusters.
    pub waves: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            backoff: Backoff::default(),
            refresh: Duration::from_secs(60),
            only: BTreeSet::new(),
            rules: Rules::default(),
            claims: None,
            anew: false,
            waves: false,
        }
    }
}

/// Wakes a manager from outside: a webhook of the git server, a person.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// The configuration may have moved.
    pub fn configuration_moved(&self) {
        self.0.notify_one();
    }
}

/// Keeps a fleet at the versions of its channels.
pub struct Manager {
    reach: Arc<Reach>,
    pace: Pace,
    wake: Wake,
    cells: BTreeMap<ClusterId, Cell>,
    accounts: BTreeMap<String, InfrastructureAccount>,
    /// The clusters of each account.
    of_account: BTreeMap<AccountId, BTreeSet<ClusterId>>,
    open_blocks: Vec<Blocked>,
    queue: Queue,
    passes: FuturesUnordered<BoxFuture<'static, Ended>>,
    /// Passes that ended while the manager was at something else.
    finished: VecDeque<Ended>,
    /// Watches for drift, one per cluster that is as wanted.
    watches: FuturesUnordered<BoxFuture<'static, Result<Drifted, Aborted>>>,
    refreshed: Option<Timestamp>,
    stopping: Stopping,
    sharing: Sharing,
    metrics: Arc<Metrics>,
    waves: Conductor,
    /// Until when nobody goes through all clusters, and whether something has happened since that was done.
    rests: Option<(Timestamp, bool)>,
}

/// How long passes may take to come to their next step when the manager stops.
const GRACE: Duration = Duration::from_secs(10);

/// What woke the loop.
enum Event {
    Stop,
    Ended(Box<Ended>),
    Drifted(Drifted),
    Changed(Change),
    FeedLost,
    Moved,
    Rules,
    Replicas,
    Time,
}

/// Does something of the manager's own while its passes go on ([`meanwhile`] says why).
macro_rules! beside {
    ($manager:ident, $work:expr) => {{
        let (mut passes, mut finished) = (
            std::mem::take(&mut $manager.passes),
            std::mem::take(&mut $manager.finished),
        );
        let done = meanwhile(&mut passes, &mut finished, $work).await;
        passes.extend(std::mem::take(&mut $manager.passes));
        ($manager.passes, $manager.finished) = (passes, finished);
        done
    }};
}

impl Manager {
    /// A manager that has not looked at anything yet.
    #[must_use]
    pub fn new(reach: Arc<Reach>, pace: Pace) -> Self {
        // A dry run writes nothing, so nobody could be let begin by it.
        let in_waves = pace.waves && !reach.settings.dry_run;
        Self {
            waves: Conductor::new(in_waves.then(|| reach.settings.policies.clone())),
            sharing: Sharing::new(&reach, &pace),
            reach,
            pace,
            wake: Wake::default(),
            cells: BTreeMap::new(),
            accounts: BTreeMap::new(),
            of_account: BTreeMap::new(),
            open_blocks: Vec::new(),
            queue: Queue::default(),
            passes: FuturesUnordered::new(),
            finished: VecDeque::new(),
            watches: FuturesUnordered::new(),
            refreshed: None,
            stopping: Stopping::default(),
            metrics: Arc::default(),
            rests: None,
        }
    }

    /// What this manager counts, also while it runs.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Wakes this manager.
    #[must_use]
    pub fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// Works until `stop` completes; passes that run then end at their next step, with that written down, and are taken up
    /// again by the next start. One that does not come to its next step within ten seconds is let go where it is.
    ///
    /// A registry that does not answer is waited for, at the start as well as later. Beside the work the health of clusters is
    /// watched that were updated, and channels and their gates are looked after. Where replicas share the work this one is known
    /// to the others for as long as it runs.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let watcher = Watcher::new(Arc::clone(&self.reach), self.pace.claims.clone());
        let (reach, claims) = (Arc::clone(&self.reach), self.pace.claims.clone());
        let gatekeeper = Gatekeeper::new(reach, claims, self.wake.clone(), self.pace.rules);
        let members = self.sharing.members.clone();
        let work = async {
            tokio::select! {
                biased;
                () = self.work(stop) => {}
                () = watcher.run() => {}
                () = gatekeeper.run() => {}
            }
        };
        sharing::as_a_member(members, work).await;
    }

    /// The work itself.
    async fn work(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop.fuse());
        let mut others = self.sharing.members.as_ref().map(|members| members.subscribe());
        let mut feed = tokio::select! {
            biased;
            () = &mut stop => return,
            feed = self.restart() => feed,
        };
        loop {
            beside!(self, self.conduct());
            self.dispatch();
            if self.surveys() {
                beside!(self, self.watch_settled());
                self.count();
            }
            match self.next_event(&mut stop, &mut feed, &mut others).await {
                Event::Stop => return self.stop().await,
                Event::Ended(ended) => beside!(self, self.ended(*ended)),
                Event::Drifted(drifted) => beside!(self, self.drifted(&drifted)),
                Event::Changed(change) => beside!(self, self.changed(&change)),
                Event::FeedLost => {
                    let again = beside!(
                        self,
                        // Who stops does not wait for a registry that is away.
                        async {
                            tokio::select! {
                                biased;
                                () = &mut stop => None,
                                feed = self.restart() => Some(feed),
                            }
                        }
                    );
                    match again {
                        Some(again) => feed = again,
                        None => return self.stop().await,
                    }
                }
                Event::Moved => beside!(self, self.refresh()),
                // Every turn of the loop asks whether a decision is due.
                Event::Rules => {}
                Event::Replicas => beside!(self, self.members_changed()),
                Event::Time => beside!(self, self.tick()),
            }
        }
    }

    /// Lets the passes that run end at their next step.
    async fn stop(mut self) {
        self.stopping.begin();
        let clock = Arc::clone(&self.reach.clock);
        let ended = async { while self.passes.next().await.is_some() {} };
        tokio::select! {
            biased;
            () = ended => {}
            () = clock.sleep(GRACE) => tracing::warn!("passes were let go in the middle of a call"),
        }
    }

    /// Counts clusters by how they stand.
    fn count(&self) {
        let mut standing = BTreeMap::new();
        for cell in self.cells.values() {
            *standing.entry(cell.standing.word()).or_default() += 1;
        }
        self.metrics.clusters(standing);
    }

    /// Works until nothing is left that could be done now: every cluster is as wanted, blocked, or waits for a later moment.
    /// For commands that run once, and tests.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn run_once(mut self) -> Result<Vec<(String, Standing)>, RegistryError> {
        drop(self.start().await?);
        loop {
            beside!(self, self.conduct());
            self.dispatch();
            let ended = match self.finished.pop_front() {
                Some(ended) => Some(ended),
                None => self.passes.next().await,
            };
            match (ended, self.waves.awaited()) {
                (Some(ended), _) => beside!(self, self.ended(ended)),
                (None, Some(due)) => {
                    let wait = due.duration_since(self.reach.clock.now());
                    self.reach.clock.sleep(wait.try_into().unwrap_or_default()).await;
                }
                (None, None) => break,
            }
        }
        let now = self.reach.clock.now();
        let standing = self.cells.values().map(|cell| {
            let cluster = &cell.subject.cluster;
            let standing = match &cell.standing {
                Standing::Waiting(said) => {
                    Standing::Waiting(self.waves.sentence(cluster, now).unwrap_or_else(|| said.clone()))
                }
                other => other.clone(),
            };
            (cluster.alias.to_string(), standing)
        });
        Ok(standing.collect())
    }

    async fn next_event(
        &mut self,
        stop: &mut (impl Future<Output = ()> + Unpin),
        feed: &mut BoxStream<'static, Result<Change, RegistryError>>,
        others: &mut Option<watch::Receiver<View>>,
    ) -> Event {
        if let Some(ended) = self.finished.pop_front() {
            return Event::Ended(Box::new(ended));
        }
        let now = self.reach.clock.now();
        let refresh = self
            .refreshed
            .map(|at| at.saturating_add(self.pace.refresh).unwrap_or(Timestamp::MAX));
        let expiry = self
            .open_blocks
            .iter()
            .filter_map(|blocked| blocked.block.expires_at)
            .min();
        let looks = [
            self.queue.next_due(now),
            refresh,
            expiry,
            self.waves.wakes(),
            self.rests.filter(|(_, again)| *again).map(|(until, _)| until),
            self.sharing.anew(),
        ];
        let due = looks.into_iter().flatten().min();
        let wait = due.map_or(Duration::from_secs(3_600), |due| {
            due.duration_since(now).try_into().unwrap_or_default()
        });
        tokio::select! {
            biased;
            () = stop => Event::Stop,
            Some(ended) = self.passes.next(), if !self.passes.is_empty() => Event::Ended(Box::new(ended)),
            change = feed.next() => match change {
                Some(Ok(change)) => Event::Changed(change),
                Some(Err(_)) | None => Event::FeedLost,
            },
            () = self.wake.0.notified() => Event::Moved,
            () = self.waves.rules_changed() => Event::Rules,
            () = sharing::news(others) => Event::Replicas,
            Some(Ok(drifted)) = self.watches.next(), if !self.watches.is_empty() => Event::Drifted(drifted),
            () = self.reach.clock.sleep(wait) => Event::Time,
        }
    }

    /// Reads everything. The feed is opened first, so that nothing falls between.
    async fn start(&mut self) -> Result<BoxStream<'static, Result<Change, RegistryError>>, RegistryError> {
        let registry = Arc::clone(&self.reach.registry);
        let last = registry.last_change().await?;
        let feed = registry.watch(last).await?;
        let accounts = registry
            .list_accounts(&AccountFilter::default(), &PageRequest::all())
            .await?;
        self.accounts = accounts
            .items
            .into_iter()
            .filter(|account| account.object.lifecycle_status == AccountLifecycle::Ready)
            .map(|account| (account.object.id.to_string(), account.object))
            .collect();
        self.open_blocks = blocks::open(&*self.reach.ledger, None).await?;
        self.waves.reload(&*self.reach.ledger).await?;
        let clusters = registry
            .list_clusters(&ClusterFilter::default(), Detail::Full, &PageRequest::all())
            .await?;
        let known: BTreeSet<ClusterId> = clusters.items.iter().map(|cluster| cluster.object.id.clone()).collect();
        self.cells.retain(|id, _| known.contains(id));
        self.of_account.clear();
        let mut applied = inputs::recall(&*self.reach.ledger).await?;
        for cluster in clusters.items {
            let id = cluster.object.id.clone();
            self.know(Arc::new(cluster.object));
            if let Some(cell) = self.cells.get_mut(&id) {
                cell.inputs = applied.remove(&id);
            }
        }
        // After the entries: what other replicas brought was read from git before this.
        self.refresh_sources().await;
        self.look_at_all().await;
        Ok(feed)
    }

    /// Starts anew after the feed was lost, as often as it takes.
    async fn restart(&mut self) -> BoxStream<'static, Result<Change, RegistryError>> {
        let mut failures = 0;
        loop {
            match self.start().await {
                Ok(feed) => return feed,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "the registry cannot be read");
                    let wait = self.pace.backoff.wait(failures, &*self.reach.ids);
                    self.reach.clock.sleep(wait.min(Duration::from_secs(30))).await;
                }
            }
        }
    }

    async fn refresh_sources(&mut self) {
        self.sharing.reads();
        let failed = self.reach.configuration.refresh().await;
        if failed.is_empty() {
            self.sharing.has_read();
        }
        for (source, why) in failed {
            // What is known goes on to count: a git server that is down holds up no cluster.
            self.metrics.source_failure();
            tracing::warn!(source, why, "a config source could not be brought up to date");
        }
        self.refreshed = Some(self.reach.clock.now());
    }

    async fn refresh(&mut self) {
        self.refresh_sources().await;
        self.look_at_all().await;
    }

    /// Starts as many passes as the limits allow.
    fn dispatch(&mut self) {
        let now = self.reach.clock.now();
        while let Some((id, waiting)) = self.queue.take(now, &self.pace.limits) {
            let siblings = self
                .cells
                .get(&id)
                .map(|cell| self.siblings(&cell.subject.cluster))
                .unwrap_or_default();
            let Some(cell) = self.cells.get_mut(&id) else {
                self.queue.done(&id);
                continue;
            };
            let aim = match (&waiting.cause, &cell.version) {
                (Cause::Decommission, _) => Aim::Decommission,
                (cause, Some(version)) => Aim::Update {
                    to: model::ClusterVersion::of(version.id(), &cell.subject.cluster),
                    version: version.clone(),
                    cause: *cause,
                },
                (_, None) => {
                    self.queue.done(&id);
                    continue;
                }
            };
            if let Some(version) = cell.version.as_ref().filter(|_| aim.cause() != Cause::Decommission) {
                cell.seen.aims(&version.id());
            }
            cell.seen.waits = false;
            cell.last_run = Some(now);
            cell.standing = Standing::Running;
            cell.unwatch();
            let guard = Guard {
                stopping: self.stopping.clone(),
                ..guard(&self.reach, cell, self.pace.rules)
            };
            let subject = Subject {
                siblings,
                ..cell.subject.clone()
            };
            let memory = ClusterMemory {
                inputs: cell.inputs.clone(),
                ..std::mem::take(&mut cell.memory)
            };
            let work = Work {
                reach: Arc::clone(&self.reach),
                subject,
                aim,
                guard,
                claims: self.pace.claims.clone(),
                turns: cell.turns.clone(),
                memory,
            };
            self.passes.push(work.run().boxed());
        }
    }

    async fn ended(&mut self, ended: Ended) {
        let id = ended.cluster;
        self.queue.done(&id);
        let now = self.reach.clock.now();
        let urgent = self.waves.is_urgent(&id);
        self.waves.touch();
        let Some(cell) = self.cells.get_mut(&id) else { return };
        cell.memory = ended.memory;
        cell.seen.waits = ended.held;
        cell.inputs.clone_from(&cell.memory.inputs);
        let turns = cell.turns.clone();
        let stopped_by_block = matches!(ended.end, PassEnd::Stopped(Refusal::Blocked(_)));
        match ended.end {
            PassEnd::Done => {
                cell.failures = 0;
                cell.drifted = false;
                cell.waits_until = None;
                cell.target = None;
            }
            PassEnd::Waits(until, sentence) => {
                cell.failures = 0;
                cell.again(&mut self.queue, until, Standing::Waiting(sentence), urgent);
            }
            PassEnd::Failed(failure) => {
                cell.failures += 1;
                let failures = cell.failures;
                let until = self.next_try(&turns, failures, &failure, now);
                let Some(cell) = self.cells.get_mut(&id) else { return };
                cell.again(&mut self.queue, until, Standing::Failing(failure.title), urgent);
            }
            PassEnd::Stopped(refusal) => {
                let standing = Standing::Stopped(refusal.to_string());
                match refusal {
                    // An event says when to go on: the end of a block, a newer version. It may have come already.
                    Refusal::Blocked(_) | Refusal::Overtaken => {
                        cell.standing = standing;
                        cell.waits_until = None;
                        cell.target = None;
                    }
                    // Nothing but another version is worth another look.
                    Refusal::DryRun => {
                        cell.standing = standing;
                        cell.waits_until = Some(Timestamp::MAX);
                        return;
                    }
                    Refusal::LeaseLost | Refusal::FencedOff(_) | Refusal::ShuttingDown | Refusal::Unknown(_) => {
                        cell.failures += 1;
                        let wait = self.pace.backoff.wait(cell.failures, &*self.reach.ids);
                        let until = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
                        cell.again(&mut self.queue, until, standing, urgent);
                    }
                }
                if stopped_by_block {
                    self.read_blocks().await;
                }
            }
        }
        // The pass wrote to the registry: what it wrote decides what is needed next.
        self.read(&id).await;
    }
}

fn guard(reach: &Reach, cell: &Cell, rules: Rules) -> Guard {
    let (cluster, generation) = (&cell.subject.cluster, &cell.generation);
    Guard {
        cluster: cluster.id.clone(),
        alias: cluster.alias.to_string(),
        ledger: Arc::clone(&reach.ledger),
        registry: Arc::clone(&reach.registry),
        clock: Arc::clone(&reach.clock),
        generation: generation.clone(),
        at: generation.now(),
        inputs: cell.digest.clone(),
        hold: None,
        stopping: Stopping::default(),
        dry_run: reach.settings.dry_run,
        rules,
    }
}
