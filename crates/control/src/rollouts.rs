//! Looks after the rollouts of a fleet: starts, changes and ends them as the registry's feed tells.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use lifecycle::Reach;
use model::ClusterId;
use ports::registry::{Change, ClusterFilter, Detail, ObjectKind, PageRequest};
use ports::{Lease, RegistryError, WriteContext};
use rollout::{ClusterSpec, Means, Notices, Refresh, Rollout, RolloutError};
use tokio::sync::watch;

use crate::control::Options;
use crate::crew::{self, Finding, Wanted};
use crate::guard::{NodeGuard, Replica};
use crate::spec::Strategies;
use crate::view::Board;

/// How long after trouble a cluster is looked at again.
const AGAIN: Duration = Duration::from_secs(30);

/// The rollouts of one cluster, as they run.
struct Crew {
    run: u64,
    alias: String,
    key: String,
    spec: watch::Sender<ClusterSpec>,
    guard: Arc<NodeGuard>,
    engine: rollout::Handle,
}

/// Looks after the rollouts of a fleet.
pub struct Rollouts {
    reach: Arc<Reach>,
    refresh: Refresh,
    strategies: Strategies,
    replica: Option<Replica>,
    notices: Option<Arc<dyn Notices>>,
    board: Board,
    crews: BTreeMap<ClusterId, Crew>,
    /// Clusters that are being looked at, and whether they changed meanwhile.
    looking: BTreeMap<ClusterId, bool>,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    /// What ended while something else was done.
    finished: VecDeque<Done>,
    /// When to look again at clusters where something was wrong.
    again: BTreeMap<ClusterId, Timestamp>,
    renewed: Timestamp,
    runs: u64,
}

/// Something that was begun has come to its end.
enum Done {
    Looked(ClusterId, Result<(Finding, Option<Lease>), String>),
    Ended(ClusterId, u64, Result<(), RolloutError>),
    Renewed(ClusterId, u64, Option<Lease>),
}

enum Event {
    Stop,
    Done(Box<Done>),
    Changed(Change),
    FeedLost,
    Time,
}

/// Does something of its own while the engines go on ([`lifecycle::meanwhile`] says why).
macro_rules! beside {
    ($rollouts:ident, $own:expr) => {{
        let (mut work, mut finished) = (
            std::mem::take(&mut $rollouts.work),
            std::mem::take(&mut $rollouts.finished),
        );
        let done = lifecycle::meanwhile(&mut work, &mut finished, $own).await;
        work.extend(std::mem::take(&mut $rollouts.work));
        ($rollouts.work, $rollouts.finished) = (work, finished);
        done
    }};
}

impl Rollouts {
    pub(crate) fn new(reach: Arc<Reach>, options: &Options, board: Board) -> Self {
        Self {
            refresh: options.refresh,
            strategies: options.strategies,
            replica: options.replica.clone(),
            notices: options.notices.clone(),
            board,
            crews: BTreeMap::new(),
            looking: BTreeMap::new(),
            work: FuturesUnordered::new(),
            finished: VecDeque::new(),
            again: BTreeMap::new(),
            renewed: reach.clock.now(),
            runs: 0,
            reach,
        }
    }

    /// Looks after them until `stop` completes; leases are given back then, and the rest is let go where it stands.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        if self.reach.settings.dry_run {
            return;
        }
        let mut stop = std::pin::pin!(stop.fuse());
        let mut feed = tokio::select! {
            biased;
            () = &mut stop => return,
            feed = self.restart() => feed,
        };
        loop {
            let wait = self.rest();
            let event = tokio::select! {
                biased;
                () = &mut stop => Event::Stop,
                Some(done) = self.work.next(), if !self.work.is_empty() => Event::Done(Box::new(done)),
                change = feed.next() => match change {
                    Some(Ok(change)) => Event::Changed(change),
                    Some(Err(_)) | None => Event::FeedLost,
                },
                () = self.reach.clock.sleep(wait) => Event::Time,
            };
            match event {
                Event::Stop => break,
                Event::Done(done) => self.done(*done),
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
                        None => break,
                    }
                }
                Event::Time => self.tick(),
            }
            while let Some(done) = self.finished.pop_front() {
                self.done(done);
            }
        }
        self.end().await;
    }

    /// Reads the list of clusters, the feed first, as often as it takes.
    async fn restart(&mut self) -> BoxStream<'static, Result<Change, RegistryError>> {
        loop {
            match self.start().await {
                Ok(feed) => return feed,
                Err(error) => {
                    tracing::warn!(%error, "the registry cannot be read");
                    self.reach.clock.sleep(AGAIN).await;
                }
            }
        }
    }

    async fn start(&mut self) -> Result<BoxStream<'static, Result<Change, RegistryError>>, RegistryError> {
        let registry = Arc::clone(&self.reach.registry);
        let feed = registry.watch(registry.last_change().await?).await?;
        let listed = registry
            .list_clusters(&ClusterFilter::default(), Detail::Brief, &PageRequest::all())
            .await?;
        let ids: BTreeSet<ClusterId> = listed.items.into_iter().map(|cluster| cluster.object.id).collect();
        let gone: Vec<ClusterId> = self.crews.keys().filter(|id| !ids.contains(*id)).cloned().collect();
        for id in gone {
            self.dismiss(&id);
        }
        for id in ids {
            self.look(&id);
        }
        Ok(feed)
    }

    /// Begins to look at a cluster; one that is being looked at is looked at again afterwards.
    fn look(&mut self, id: &ClusterId) {
        self.again.remove(id);
        if let Some(changed) = self.looking.get_mut(id) {
            *changed = true;
            return;
        }
        self.looking.insert(id.clone(), false);
        let (reach, replica, strategies) = (Arc::clone(&self.reach), self.replica.clone(), self.strategies);
        let (id, crew) = (id.clone(), self.crews.get(id));
        let (known, running) = (crew.map(|crew| crew.key.clone()), crew.is_some());
        let looking = async move {
            let found = match crew::look(&reach, strategies, &id, known).await {
                Ok(Finding::Wanted(wanted)) if !running => {
                    let claimed = crew::claim(replica.as_ref(), &id).await;
                    claimed.map(|lease| (Finding::Wanted(wanted), lease))
                }
                other => other.map(|finding| (finding, None)),
            };
            Done::Looked(id, found)
        };
        self.work.push(looking.boxed());
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Looked(id, found) => {
                self.looked(&id, found);
                if self.looking.remove(&id) == Some(true) {
                    self.look(&id);
                }
            }
            Done::Ended(id, run, result) => {
                if self.crews.get(&id).is_none_or(|crew| crew.run != run) {
                    return;
                }
                let Some(crew) = self.crews.remove(&id) else { return };
                let why = match result {
                    Err(error) => error.to_string(),
                    Ok(()) => "it may not be worked on, or whether it may cannot be read".to_owned(),
                };
                self.trouble(&id, &crew.alias, &why);
            }
            Done::Renewed(id, run, lease) => {
                if let Some(crew) = self.crews.get(&id).filter(|crew| crew.run == run) {
                    crew.guard.lease(lease);
                }
            }
        }
    }

    fn looked(&mut self, id: &ClusterId, found: Result<(Finding, Option<Lease>), String>) {
        match found {
            Ok((Finding::None, _)) => self.dismiss(id),
            Ok((Finding::Same, _)) => {
                if let Some(crew) = self.crews.get(id) {
                    self.board.runs(id, &crew.alias, crew.engine.clone());
                }
            }
            Ok((Finding::Wanted(wanted), lease)) => match self.crews.get_mut(id) {
                Some(crew) => {
                    crew.key = wanted.key;
                    crew.alias.clone_from(&wanted.alias);
                    crew.spec.send_replace(wanted.spec);
                    self.board.runs(id, &wanted.alias, crew.engine.clone());
                }
                None => self.begin(id, *wanted, lease),
            },
            Err(why) => {
                let alias = self
                    .crews
                    .get(id)
                    .map_or_else(|| id.to_string(), |crew| crew.alias.clone());
                self.trouble(id, &alias, &why);
            }
        }
    }

    fn begin(&mut self, id: &ClusterId, wanted: Wanted, lease: Option<Lease>) {
        self.runs += 1;
        let (run, reach) = (self.runs, Arc::clone(&self.reach));
        let context = WriteContext::by(format!("{} rollout", reach.settings.actor), reach.ids.uuid());
        let context = match &lease {
            Some(lease) => context.fenced(lease),
            None => context,
        };
        let guard = Arc::new(NodeGuard::new(
            id,
            Arc::clone(&reach.registry),
            Arc::clone(&reach.ledger),
            Arc::clone(&reach.clock),
            lease,
        ));
        let spec = watch::Sender::new(wanted.spec);
        let means = Means {
            access: wanted.access,
            cloud: wanted.cloud,
            ledger: Arc::clone(&reach.ledger),
            guard: Arc::clone(&guard) as _,
            clock: Arc::clone(&reach.clock),
            context,
            refresh: self.refresh,
        };
        let (mut rollout, engine) = Rollout::new(means, spec.subscribe());
        if let Some(notices) = &self.notices {
            rollout = rollout.telling(Arc::clone(notices));
        }
        tracing::info!(cluster = %wanted.alias, "rollouts are looked after");
        let cluster = id.clone();
        self.work
            .push(async move { Done::Ended(cluster, run, rollout.run().await) }.boxed());
        self.board.runs(id, &wanted.alias, engine.clone());
        let crew = Crew {
            run,
            alias: wanted.alias,
            key: wanted.key,
            spec,
            guard,
            engine,
        };
        self.crews.insert(id.clone(), crew);
    }

    /// Something is wrong: it is shown, and the cluster is looked at again later. Rollouts that run go on as they are.
    fn trouble(&mut self, id: &ClusterId, alias: &str, why: &str) {
        tracing::warn!(cluster = alias, why, "rollouts are not looked after as they should be");
        let engine = self.crews.get(id).map(|crew| crew.engine.clone());
        self.board.waits(id, alias, why, engine);
        let at = self.reach.clock.now().saturating_add(AGAIN).unwrap_or(Timestamp::MAX);
        self.again.insert(id.clone(), at);
    }

    /// Ends the rollouts of a cluster at their next step.
    fn dismiss(&mut self, id: &ClusterId) {
        self.again.remove(id);
        self.board.gone(id);
        let Some(crew) = self.crews.remove(id) else { return };
        tracing::info!(cluster = crew.alias, "rollouts are no longer looked after");
        crew.guard.end();
        if let (Some(replica), Some(lease)) = (self.replica.clone(), crew.guard.held()) {
            let (id, run) = (id.clone(), crew.run);
            let giving_back = async move {
                // A lease that cannot be given back expires.
                let _ = replica.leases.release(&lease).await;
                Done::Renewed(id, run, None)
            };
            self.work.push(giving_back.boxed());
        }
    }

    async fn changed(&mut self, change: &Change) {
        match change.kind {
            ObjectKind::Cluster => {
                if let Ok(id) = change.id.parse() {
                    self.look(&id);
                    if let Some(crew) = self.crews.get(&id) {
                        // Its state may say that nothing more may be done; its stacks may have changed with its version.
                        crew.guard.nudge();
                        crew.engine.nudge();
                    }
                }
            }
            ObjectKind::Entry if change.id.starts_with("block/") => self.block_changed(change).await,
            ObjectKind::Entry | ObjectKind::InfrastructureAccount => {}
        }
    }

    /// A block was set, changed or lifted: the rollouts of its cluster ask at once.
    async fn block_changed(&mut self, change: &Change) {
        let entry = change.id.strip_prefix("block/").and_then(|id| id.parse().ok());
        let read = match entry {
            Some(entry) => self.reach.ledger.get_entry(&ports::blocks::kind(), &entry).await.ok(),
            None => None,
        };
        match read.and_then(|entry| entry.cluster) {
            Some(id) => {
                if let Some(crew) = self.crews.get(&id) {
                    crew.guard.nudge();
                }
            }
            // Which one cannot be read: all of them ask.
            None => self.crews.values().for_each(|crew| crew.guard.nudge()),
        }
    }

    /// How long nothing is due.
    fn rest(&self) -> Duration {
        let renewal = self
            .replica
            .as_ref()
            .map(|replica| later(self.renewed, replica.ttl / 3));
        let due = self.again.values().copied().chain(renewal).min();
        let now = self.reach.clock.now();
        due.map_or(Duration::from_secs(3_600), |due| {
            Duration::try_from(due.duration_since(now)).unwrap_or_default()
        })
    }

    fn tick(&mut self) {
        let now = self.reach.clock.now();
        let due: Vec<ClusterId> = self
            .again
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.look(&id);
        }
        if let Some(replica) = self.replica.clone()
            && later(self.renewed, replica.ttl / 3) <= now
        {
            self.renewed = now;
            for (id, crew) in &self.crews {
                let Some(lease) = crew.guard.held() else { continue };
                let (id, run, replica) = (id.clone(), crew.run, replica.clone());
                let renewing = async move { Done::Renewed(id, run, crew::renew(&replica, lease).await) };
                self.work.push(renewing.boxed());
            }
        }
    }

    /// Lets everything go where it stands, and gives the leases back.
    async fn end(self) {
        for crew in self.crews.values() {
            crew.guard.end();
        }
        // Dropping the engines ends them between two steps, before others may begin.
        drop(self.work);
        if let Some(replica) = &self.replica {
            let held = self
                .crews
                .values()
                .filter_map(|crew| crew.guard.held())
                .collect::<Vec<_>>();
            // A lease that cannot be given back expires.
            let _ = join_all(held.iter().map(|lease| replica.leases.release(lease))).await;
        }
        for id in self.crews.keys() {
            self.board.gone(id);
        }
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
