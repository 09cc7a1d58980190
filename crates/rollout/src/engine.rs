//! The engine of one cluster: wakes by events, looks at the picture, carries out one round, sleeps until something changes.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use disruption::{PodKey, PoolName};
use jiff::{SignedDuration, Timestamp};
use kube_access::Access;
use ports::cloud::NodeCloud;
use ports::{Clock, Ledger, WriteContext};
use tokio::sync::{Notify, watch};

use crate::drain::{RunCounts, earlier};
use crate::error::RolloutError;
use crate::events::Speaker;
use crate::guard::{MayDisrupt, Permission, WriteGate};
use crate::guards::{Guard, Guards};
use crate::hand::Hand;
use crate::machines::Fleet;
use crate::notice::{Noticed, Notices};
use crate::passes::Passes;
use crate::picture::Picture;
use crate::pool::{ClusterSpec, PoolSpec, Provisioner, Refresh};
use crate::records::{PoolRecord, Records};
use crate::seen::NodeSeen;
use crate::status::{self, ClusterStatus};
use crate::tracked::Tracked;
use crate::watches::Watches;

/// What an engine works with.
pub struct Means {
    /// The cluster's API.
    pub access: Access,
    /// The account and region of its machines.
    pub cloud: Arc<dyn NodeCloud>,
    /// Where evidence and rollouts are written down.
    pub ledger: Arc<dyn Ledger>,
    /// Who may stop it.
    pub guard: Arc<dyn MayDisrupt>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who writes to the ledger, under which lease.
    pub context: WriteContext,
    /// How often the cloud is read.
    pub refresh: Refresh,
}

impl std::fmt::Debug for Means {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Means")
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// The rollouts of one cluster. [`Rollout::run`] works until the permission is withdrawn or the future is dropped; either
/// way another run goes on where this one stopped.
pub struct Rollout {
    means: Means,
    spec: watch::Receiver<ClusterSpec>,
    asked: Arc<Notify>,
    told: watch::Sender<Option<Told>>,
    nudged: Arc<Notify>,
    marks: Option<PoolSpec>,
    notices: Option<Arc<dyn Notices>>,
    guards: Guards,
}

impl std::fmt::Debug for Rollout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rollout")
            .field("means", &self.means)
            .field("marks", &self.marks)
            .finish_non_exhaustive()
    }
}

/// What an engine said of itself at one moment.
#[derive(Debug, Clone)]
struct Told {
    status: Arc<ClusterStatus>,
    counts: RunCounts,
}

/// A way to a running engine.
#[derive(Debug, Clone)]
pub struct Handle {
    ask: Arc<Notify>,
    told: watch::Receiver<Option<Told>>,
    nudged: Arc<Notify>,
}

impl Handle {
    /// The status now; `None` when the engine does not run any more. It is told between two steps of the engine, so this waits
    /// for the calls of a step under way.
    pub async fn status(&self) -> Option<Arc<ClusterStatus>> {
        self.now().await.map(|told| told.status)
    }

    /// What this run has done so far; `None` when it does not run any more.
    pub async fn counts(&self) -> Option<RunCounts> {
        self.now().await.map(|told| told.counts)
    }

    /// The status that was told last, to whomever; `None` when nobody has asked yet or the engine does not run any more.
    #[must_use]
    pub fn last(&self) -> Option<Arc<ClusterStatus>> {
        let ended = self.told.has_changed().is_err();
        let told = self.told.borrow();
        told.as_ref().filter(|_| !ended).map(|told| Arc::clone(&told.status))
    }

    async fn now(&self) -> Option<Told> {
        let mut told = self.told.clone();
        // Whatever is told after this moment was true after this moment.
        told.mark_unchanged();
        self.ask.notify_one();
        told.changed().await.ok()?;
        told.borrow().clone()
    }

    /// Reads the cloud at once, because somebody knows that something happened there (a notice, a changed stack).
    pub fn nudge(&self) {
        self.nudged.notify_one();
    }
}

impl Rollout {
    /// An engine for one cluster. `spec` may change while it runs.
    #[must_use]
    pub fn new(means: Means, spec: watch::Receiver<ClusterSpec>) -> (Self, Handle) {
        let asked = Arc::new(Notify::new());
        let (told, heard) = watch::channel(None);
        let nudged = Arc::new(Notify::new());
        let handle = Handle {
            ask: Arc::clone(&asked),
            told: heard,
            nudged: Arc::clone(&nudged),
        };
        let rollout = Self {
            means,
            spec,
            asked,
            told,
            nudged,
            marks: None,
            notices: None,
            guards: Guards::all(),
        };
        (rollout, handle)
    }

    /// The same with these guards; for simulations that show that each one matters.
    #[must_use]
    pub fn with_guards(mut self, guards: Guards) -> Self {
        self.guards = guards;
        self
    }

    /// Lets the marks on the nodes alone (label `lifecycle-status`) say which are outdated, whatever definitions say: the mode
    /// inside a cluster, in the place of the original's lifecycle controller. Pools that the specification does not list are
    /// found by the nodes' labels and get what `template` says.
    #[must_use]
    pub fn driven_by_marks(mut self, template: PoolSpec) -> Self {
        self.marks = Some(template);
        self
    }

    /// Tells owners, beside the events, before their pods are terminated by force and when it is done.
    #[must_use]
    pub fn telling(mut self, notices: Arc<dyn Notices>) -> Self {
        self.notices = Some(notices);
        self
    }

    /// Works until the permission is withdrawn.
    ///
    /// # Errors
    /// [`RolloutError`] when the cluster's kinds or the ledger cannot be read at the beginning. Later failures are shown in the
    /// status and tried again.
    pub async fn run(mut self) -> Result<(), RolloutError> {
        let spec = self.spec.borrow_and_update().clone();
        let gate = |calm| {
            Arc::new(WriteGate {
                guard: Arc::clone(&self.means.guard),
                guards: self.guards,
                calm,
            })
        };
        let access = self.means.access.gated(gate(false));
        let calm = self.means.access.gated(gate(true));
        let mut watches = Watches::begin(&access).await?;
        let mut engine = Engine {
            hand: Hand {
                access,
                calm,
                cloud: self.means.cloud,
                ledger: self.means.ledger,
                guard: self.means.guard,
                clock: self.means.clock,
                context: self.means.context,
                guards: self.guards,
            },
            spec,
            refresh: self.means.refresh,
            picture: Picture::default(),
            fleet: Fleet::default(),
            records: Tracked::default(),
            passes: Passes::default(),
            joined: false,
            speaker: Speaker::default(),
            marks: self.marks,
            notices: self.notices,
            noticed: BTreeMap::new(),
            claims_asked: None,
            trouble: BTreeMap::new(),
            cloud_trouble: None,
            counts: RunCounts::default(),
            kinds: watches.kinds(),
            read_at: None,
            wake: None,
            unsettled: true,
            looked: None,
        };
        for record in engine.ledger().pools().await? {
            engine.records.insert(record.pool.clone(), record);
        }
        loop {
            engine.watch_claims(&mut watches).await;
            let now = engine.hand.now();
            watches.take_ready(|event| engine.picture.take(event, &engine.fleet, now));
            if engine.turn().await == Turn::Stop {
                return Ok(());
            }
            let clock = Arc::clone(&engine.hand.clock);
            let mut rest = pin!(clock.sleep(engine.rest()));
            loop {
                tokio::select! {
                    biased;
                    () = engine.hand.guard.changed() => {}
                    () = self.asked.notified() => {
                        let (status, counts) = (Arc::new(status::of(&engine)), engine.counts);
                        self.told.send_replace(Some(Told { status, counts }));
                        // A question changes nothing: the work goes on when it would have without it.
                        continue;
                    }
                    event = watches.next() => {
                        let now = engine.hand.now();
                        engine.picture.take(event, &engine.fleet, now);
                        // Events come in crowds: one round for those of the same moment.
                        engine.hand.clock.sleep(SETTLE).await;
                    }
                    Ok(()) = self.spec.changed() => {
                        engine.spec = self.spec.borrow_and_update().clone();
                        (engine.read_at, engine.joined) = (None, false);
                        engine.passes.forget();
                    }
                    () = self.nudged.notified() => engine.read_at = None,
                    () = &mut rest => {}
                }
                break;
            }
        }
    }
}

/// How long the engine waits after an event for those that belong to it.
const SETTLE: Duration = Duration::from_millis(200);

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Next,
    Stop,
}

/// A running engine.
pub(crate) struct Engine {
    pub(crate) hand: Hand,
    pub(crate) spec: ClusterSpec,
    refresh: Refresh,
    pub(crate) picture: Picture,
    pub(crate) fleet: Fleet,
    /// Open records of rollouts, by pool.
    pub(crate) records: Tracked<BTreeMap<PoolName, PoolRecord>>,
    /// The passes over pools that need not be made again.
    pub(crate) passes: Passes,
    /// All nodes were joined with their machines, under the specification that holds.
    joined: bool,
    pub(crate) speaker: Speaker,
    /// Set when the marks alone count; what pools are like that nobody listed.
    marks: Option<PoolSpec>,
    pub(crate) notices: Option<Arc<dyn Notices>>,
    /// What owners were told of by notice, by pod.
    pub(crate) noticed: BTreeMap<PodKey, Noticed>,
    /// When the cluster was asked last whether it serves Karpenter's kinds.
    claims_asked: Option<Timestamp>,
    /// What went wrong in the last round, by pool.
    pub(crate) trouble: BTreeMap<PoolName, Vec<String>>,
    pub(crate) cloud_trouble: Option<String>,
    pub(crate) counts: RunCounts,
    kinds: usize,
    /// When the cloud was read last; none when it has to be read now.
    pub(crate) read_at: Option<Timestamp>,
    /// When the next round is due without an event.
    pub(crate) wake: Option<Timestamp>,
    /// Records of forced terminations may be open whose outcome nobody has looked at.
    pub(crate) unsettled: bool,
    /// When the engine last looked at the clock.
    pub(crate) looked: Option<Timestamp>,
}

impl Engine {
    pub(crate) fn ledger(&self) -> Records<'_> {
        Records {
            ledger: &*self.hand.ledger,
            cluster: &self.spec.id,
            context: &self.hand.context,
        }
    }

    /// The pools: those that we were told of, and with marks alone also those that nodes belong to.
    pub(crate) fn pools(&self) -> Vec<PoolSpec> {
        let mut pools = self.spec.pools.clone();
        let Some(template) = &self.marks else { return pools };
        let told: BTreeSet<PoolName> = pools.iter().map(|pool| pool.name.clone()).collect();
        let claimed: BTreeSet<&PoolName> = self
            .picture
            .provision
            .claims
            .values()
            .map(|claim| &claim.pool)
            .collect();
        let found = self.picture.view.pools().filter(|name| !told.contains(name)).cloned();
        pools.extend(found.map(|name| {
            let provisioner = if claimed.contains(&name) {
                Provisioner::NodeClaims
            } else {
                template.provisioner
            };
            PoolSpec {
                name,
                provisioner,
                ..template.clone()
            }
        }));
        pools
    }

    /// The marks alone say what is outdated.
    pub(crate) fn by_marks(&self) -> bool {
        self.marks.is_some()
    }

    /// Begins to watch NodeClaims when a pool is made of them, or may be.
    async fn watch_claims(&mut self, watches: &mut Watches) {
        let wanted = self.marks.is_some()
            || self
                .spec
                .pools
                .iter()
                .any(|pool| pool.provisioner == Provisioner::NodeClaims);
        let now = self.hand.now();
        // Definitions of kinds seldom come later, but they may.
        let due = self.claims_asked.is_none_or(|at| now >= after(at, self.refresh.idle));
        if !wanted || watches.provisions() || !due {
            return;
        }
        self.claims_asked = Some(now);
        if let Err(error) = watches.provisioning(&self.hand.access).await {
            tracing::warn!(%error, "kinds of the cluster cannot be read");
        }
        self.kinds = watches.kinds();
    }

    /// Makes machines of the NodeClaims, when something of them changed.
    fn join_claims(&mut self) {
        if !self.picture.provision.to_join {
            return;
        }
        let pools: Vec<(PoolName, bool)> = self
            .pools()
            .into_iter()
            .filter(|pool| pool.provisioner == Provisioner::NodeClaims)
            .map(|pool| (pool.name, pool.removed))
            .collect();
        self.picture.provision.join(&mut self.fleet, &pools);
        self.rejoin();
    }

    /// Joins the nodes anew whose machines changed since the last time.
    pub(crate) fn rejoin(&mut self) {
        let now = self.hand.now();
        let touched = std::mem::take(&mut self.fleet.touched);
        if std::mem::replace(&mut self.joined, true) {
            return self.picture.rejoin_touched(&self.fleet, &touched, now);
        }
        let removed = self.spec.pools.iter().filter(|pool| pool.removed);
        let removed = removed.map(|pool| pool.name.clone()).collect();
        self.picture.rejoin(&self.fleet, removed, self.marks.is_some(), now);
    }

    /// Whether a guard is in force.
    pub(crate) fn on(&self, guard: Guard) -> bool {
        self.hand.guards.on(guard)
    }

    /// Everything that decisions rest on is known.
    pub(crate) fn complete(&self) -> bool {
        (self.picture.complete(self.kinds) || !self.on(Guard::Complete))
            && self.read_at.is_some()
            && self.cloud_trouble.is_none()
    }

    /// Another round is due then at the latest.
    pub(crate) fn wake(&mut self, at: Option<Timestamp>) {
        self.wake = earlier(self.wake, at);
    }

    /// The cloud is about to change by us: what is known of it grows old.
    pub(crate) fn cloud_changed(&mut self) {
        let soon = after(self.hand.now(), self.refresh.busy);
        self.wake(Some(soon));
    }

    pub(crate) fn note_trouble(&mut self, pool: &PoolName, text: &str) {
        let again = after(self.hand.now(), self.refresh.trouble);
        self.wake(Some(again));
        self.trouble.entry(pool.clone()).or_default().push(text.to_owned());
    }

    /// A step that failed is shown and tried again; what ends the round is handed on.
    pub(crate) fn settle(&mut self, pool: &PoolName, done: Result<(), RolloutError>) -> Result<(), RolloutError> {
        match done {
            Err(error) if error.ends_round() => Err(error),
            Err(error) => {
                tracing::warn!(%pool, %error, "step of a rollout failed");
                if matches!(error, RolloutError::Cloud(_)) {
                    // It may have been carried out all the same.
                    self.read_at = None;
                }
                self.note_trouble(pool, &error.to_string());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Puts a node back after we changed it.
    pub(crate) fn keep_node(&mut self, node: NodeSeen) {
        let now = self.hand.now();
        self.picture.put_node(node, &self.fleet, now);
    }

    async fn turn(&mut self) -> Turn {
        self.wake = None;
        self.look_at_clock().await;
        let permission = self.hand.permission().await;
        let block = match &permission {
            Permission::Withdrawn => return Turn::Stop,
            Permission::Blocked(block) => Some(block.clone()),
            Permission::Granted => None,
        };
        self.wake(block.as_ref().and_then(|block| block.until));
        self.picture.view.set_block(block.clone());
        self.read_cloud().await;
        if !self.complete() {
            return Turn::Next;
        }
        self.trouble.clear();
        self.join_claims();
        let done = self.round(block.is_some()).await;
        match done {
            Err(RolloutError::Withdrawn) => Turn::Stop,
            Err(error @ RolloutError::Clock { .. }) => {
                for pool in self.pools() {
                    self.note_trouble(&pool.name, &error.to_string());
                }
                Turn::Next
            }
            // The next turn looks at the block and takes the marks back.
            Err(_) => {
                self.wake = Some(self.hand.now());
                Turn::Next
            }
            Ok(()) => Turn::Next,
        }
    }

    async fn round(&mut self, blocked: bool) -> Result<(), RolloutError> {
        let pools = self.pools();
        if self.unsettled
            && self.on(Guard::Records)
            && let Err(error) = self.settle_records().await
        {
            // Without the ledger nothing is known of the pace, and nothing may be forced.
            if error.ends_round() {
                return Err(error);
            }
            for pool in &pools {
                self.note_trouble(&pool.name, &error.to_string());
            }
            return Ok(());
        }
        for pool in &pools {
            let done = if blocked {
                self.passes.forget();
                self.look_for_surplus(pool);
                self.take_back(pool).await
            } else {
                self.pass_if_due(pool).await
            };
            self.settle(&pool.name, done)?;
        }
        // Under a block only machines that end anyway are emptied, which the contract sees to.
        self.drain_pass(&pools).await
    }

    async fn read_cloud(&mut self) {
        let now = self.hand.now();
        let every = if self.fleet.busy() {
            self.refresh.busy
        } else {
            self.refresh.idle
        };
        let due = self.read_at.map(|at| after(at, every));
        if due.is_some_and(|due| now < due) {
            return;
        }
        let all = self.fleet.readings.all_read().map(|at| after(at, self.refresh.idle));
        let whole = self.read_at.is_none() || all.is_none_or(|due| now >= due);
        let read = self.fleet.read(&*self.hand.cloud, &self.spec.tag_name, now, whole);
        match read.await {
            Ok(()) => {
                (self.read_at, self.cloud_trouble) = (Some(now), None);
                self.picture.provision.to_join = true;
                self.rejoin();
            }
            Err(error) => {
                self.cloud_trouble = Some(error.to_string());
                self.wake(Some(after(now, self.refresh.trouble)));
            }
        }
    }

    /// How long nothing is due.
    fn rest(&mut self) -> Duration {
        let now = self.hand.now();
        let every = if self.fleet.busy() {
            self.refresh.busy
        } else {
            self.refresh.idle
        };
        let cloud = match (self.read_at, &self.cloud_trouble) {
            (Some(at), None) => Some(after(at, every)),
            _ => Some(after(now, self.refresh.trouble)),
        };
        let due = earlier(self.wake, cloud).unwrap_or(now);
        // A moment at least, so that something due in the past cannot spin.
        Duration::try_from(due.duration_since(now))
            .unwrap_or_default()
            .max(Duration::from_millis(50))
    }
}

fn after(at: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    at.saturating_add(wait).unwrap_or(Timestamp::MAX)
}
