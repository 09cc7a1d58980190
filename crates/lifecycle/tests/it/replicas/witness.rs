//! Sees every external write of every replica, checks what must never happen, and decides whether the replica dies at it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use kube_sim::ApiServer;
use model::{Cluster, ClusterId, ClusterVersion, Update};
use ports::ledger::{EntryFilter, EntryKind};
use ports::registry::{Detail, PageRequest};
use ports::{Clock, Leases, Ledger, Registry};
use store::MemoryRegistry;

use super::world::{SOAK, TERM};
use super::{CLUSTERS, FEW};
use crate::bench::cluster;
use crate::faulty::Written;
use crate::life::Fate;

/// What was seen of one seed.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    pub(super) breaches: Vec<String>,
    /// How often each promise was checked.
    pub(super) checks: BTreeMap<&'static str, u64>,
    /// What happened, and how often.
    pub(super) events: BTreeMap<&'static str, u64>,
    /// Every external write, in order.
    pub(super) log: Vec<String>,
    pub(super) digest: String,
}

impl Seen {
    /// Counts a check of a promise, and notes the breach if it does not hold.
    pub(super) fn check(&mut self, promise: &'static str, holds: bool, breach: impl FnOnce() -> String) {
        *self.checks.entry(promise).or_default() += 1;
        if !holds {
            self.breaches.push(format!("{promise} {}", breach()));
        }
    }

    pub(super) fn happened(&mut self, event: &'static str) {
        *self.events.entry(event).or_default() += 1;
    }

    /// Adds another seed.
    pub(super) fn add(&mut self, other: Self) {
        self.breaches.extend(other.breaches);
        for (promise, checks) in other.checks {
            *self.checks.entry(promise).or_default() += checks;
        }
        for (event, times) in other.events {
            *self.events.entry(event).or_default() += times;
        }
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) seen: Seen,
    /// Blocks that are durable, since when and until when.
    pub(super) blocked: BTreeMap<String, (Timestamp, Option<Timestamp>)>,
    /// When somebody last changed an entry.
    pub(super) changed: BTreeMap<String, Timestamp>,
    /// The last commit.
    pub(super) commits: u32,
    levels: BTreeMap<String, u32>,
    /// Sizes of the prunes that somebody agreed to.
    pub(super) agreed: BTreeMap<String, BTreeSet<usize>>,
    pruned: BTreeMap<(String, String), BTreeSet<String>>,
    /// In how many writes an actor dies, and how.
    kills: BTreeMap<u64, (u64, Fate)>,
    dead: BTreeSet<u64>,
    /// The token of each actor's last claim on a cluster.
    tokens: BTreeMap<(String, u64), i64>,
    /// The largest token under which a cluster was written to.
    largest: BTreeMap<String, i64>,
    /// The largest token that was ever given for a cluster.
    given: BTreeMap<String, i64>,
    /// The second cluster is in a channel behind a gate, and the first one is all of the channel in front of it.
    pub(super) gated: bool,
    /// Since when the first cluster has its commit, with nothing under way.
    has: Option<(u32, Timestamp)>,
    /// For how long it had each commit at most.
    held: BTreeMap<u32, Duration>,
}

/// The number of the commit of a version.
fn number(version: &str) -> Option<u32> {
    ClusterVersion::parse(version)
        .config
        .strip_prefix("commit-")?
        .parse()
        .ok()
}

impl State {
    /// Notes what the first cluster has now.
    fn soaks(&mut self, entry: &Cluster, at: Timestamp) {
        let status = &entry.status;
        let quiet = status.next_version.is_empty() || status.next_version == status.current_version;
        let now = number(&status.current_version).filter(|_| quiet);
        if let Some((commit, since)) = self.has {
            let held = self.held.entry(commit).or_default();
            *held = (*held).max(at.duration_since(since).unsigned_abs());
        }
        let same = self.has.filter(|(commit, _)| Some(*commit) == now);
        self.has = same.or_else(|| now.map(|commit| (commit, at)));
    }
}

pub(super) struct Witness {
    clock: Arc<dyn Clock>,
    pub(super) registry: Arc<MemoryRegistry>,
    servers: BTreeMap<String, ApiServer>,
    state: Mutex<State>,
}

/// What a memory registry answers at once.
fn now<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("memory does not wait")
}

/// The name under which an actor claims clusters.
pub(super) fn holder(actor: u64) -> String {
    format!("replica-{actor}")
}

fn alias_of(id: &ClusterId) -> String {
    id.as_str().rsplit(':').next().unwrap_or_default().to_owned()
}

/// What only who has the cluster writes to the ledger, besides updates that are open: verdicts about those that were closed are
/// written by whoever watches over health.
const OF_PASSES: [&str; 2] = ["ledger inputs/", "ledger applied/"];

impl Witness {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        registry: Arc<MemoryRegistry>,
        servers: BTreeMap<String, ApiServer>,
    ) -> Self {
        Self {
            clock,
            registry,
            servers,
            state: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// An actor will die at its n-th write from now.
    pub(super) fn sentence(&self, actor: u64, writes: u64, fate: Fate) {
        self.state().kills.insert(actor, (writes, fate));
    }

    pub(super) fn is_dead(&self, actor: u64) -> bool {
        self.state().dead.contains(&actor)
    }

    pub(super) fn entry(&self, alias: &str) -> Cluster {
        now(self.registry.get_cluster(&cluster(alias).id, Detail::Full))
            .unwrap()
            .object
    }

    /// A write to registry, ledger or leases leaves.
    pub(super) fn record(&self, actor: u64, line: &str) -> Fate {
        self.fate(&mut self.state(), actor, line)
    }

    /// A write to registry, ledger or leases was taken by the store.
    pub(super) fn taken(&self, actor: u64, written: &Written<'_>) {
        let Some(alias) = written.cluster.map(alias_of) else {
            return;
        };
        let mut guard = self.state();
        let state = &mut *guard;
        if written.line.starts_with("ledger turn/") {
            self.begins(state, &alias);
            return;
        }
        if written.line.starts_with("ledger block/") {
            // A block that ends takes an item of the entry with it: what left at that moment was on its way.
            state.changed.insert(alias.clone(), self.clock.now());
        }
        if let Some(token) = written.token {
            let given = state.given.entry(alias.clone()).or_default();
            let last = std::mem::replace(given, token.max(*given));
            state
                .seen
                .check("V10", token >= last, || format!("{alias}: token {token} after {last}"));
            state.tokens.insert((alias, actor), token);
            return;
        }
        let entry = self.entry(&alias);
        if alias == CLUSTERS[0] {
            state.soaks(&entry, self.clock.now());
        }
        let now = (
            entry.status.current_version.as_str(),
            entry.status.next_version.as_str(),
        );
        let brings = written.versions.is_some_and(|versions| versions != now);
        let of_pass = OF_PASSES.iter().any(|kind| written.line.starts_with(kind));
        let update = written.open && written.line.starts_with("ledger update/");
        if !brings && !of_pass && !update {
            return;
        }
        let (mine, given) = (state.tokens.get(&(alias.clone(), actor)), state.given.get(&alias));
        state.seen.check("V10", mine == given, || {
            format!(
                "{alias}: the store took {} of {actor} with token {mine:?}, and {given:?} is given",
                written.line
            )
        });
    }

    /// A write to a cluster leaves.
    pub(super) fn write(&self, actor: u64, alias: &str, line: &str) -> Fate {
        let at = self.clock.now();
        let mut guard = self.state();
        let state = &mut *guard;
        // The mark of who works on the cluster is no step of a plan.
        if !state.dead.contains(&actor) && !line.contains("/kube-system/leases/") {
            let open = self.open_update(alias);
            let held = state.blocked.get(alias).copied();
            let free = held.is_none_or(|(since, until)| at <= since || until.is_some_and(|until| at >= until));
            state.seen.check("V4", free, || {
                format!("{alias}: {line} at {at} after the block of {held:?}")
            });
            state.seen.check("V15", open.is_some(), || {
                format!("{alias}: {line} at {at} without an open update")
            });
            self.bound(state, alias, line, open.as_ref());
            self.soaked(state, alias, line, open.as_ref());
            let mine = state
                .tokens
                .get(&(alias.to_owned(), actor))
                .copied()
                .unwrap_or_default();
            let largest = state.largest.entry(alias.to_owned()).or_default();
            let known = *largest;
            *largest = known.max(mine);
            state.seen.check("V10", mine >= known, || {
                format!("{alias}: {line} at {at} of {actor} with token {mine} after one with {known}")
            });
            self.level(state, alias);
            if let Some(object) = line.strip_prefix("DELETE ") {
                deleted(state, alias, object, open.as_ref());
            }
        }
        self.fate(&mut guard, actor, &format!("{alias} {line}"))
    }

    fn fate(&self, state: &mut State, actor: u64, line: &str) -> Fate {
        if state.dead.contains(&actor) {
            return Fate::Before;
        }
        state.seen.log.push(format!("{} {actor} {line}", self.clock.now()));
        let Some((left, fate)) = state.kills.get_mut(&actor) else {
            return Fate::Go;
        };
        *left = left.saturating_sub(1);
        if *left > 0 {
            return Fate::Go;
        }
        let fate = *fate;
        state.kills.remove(&actor);
        state.dead.insert(actor);
        state.seen.happened("died at a write");
        fate
    }

    fn open_update(&self, alias: &str) -> Option<Update> {
        let filter = EntryFilter {
            cluster: Some(cluster(alias).id),
            open: Some(true),
            ..EntryFilter::of(EntryKind::update())
        };
        let open = now(self.registry.list_entries(&filter, &PageRequest::all())).unwrap();
        let first = open.items.into_iter().next()?;
        serde_json::from_value(first.body).ok()
    }

    /// V5: a cluster was let begin, and nobody else is in flight to the same commit: being updated, or not yet found healthy.
    fn begins(&self, state: &mut State, alias: &str) {
        let turns = now(lifecycle::waves::turns(&*self.registry)).unwrap();
        let turn = |alias: &str| turns.get(&cluster(alias).id);
        let commit = |alias: &str| turn(alias).map(|turn| ClusterVersion::parse(&turn.version).config);
        let at = self.clock.now();
        for other in self
            .servers
            .keys()
            .filter(|other| *other != alias && commit(other) == commit(alias))
        {
            // Whoever lets clusters begin may know of what people did as late as its lease allows.
            let news = state
                .changed
                .get(other)
                .is_some_and(|then| at.duration_since(*then).unsigned_abs() <= TERM);
            if news || state.blocked.contains_key(other) {
                continue;
            }
            let flies = self.in_flight(other, turn(other).map(|turn| turn.version.as_str()).unwrap_or_default());
            state.seen.check("V5", flies.is_none(), || {
                format!(
                    "{alias} was let begin at {at} although {other} {}",
                    flies.unwrap_or_default()
                )
            });
        }
    }

    /// Whether a cluster that was let begin a version is in flight to it, in words.
    fn in_flight(&self, alias: &str, version: &str) -> Option<String> {
        let entry = self.entry(alias);
        let status = &entry.status;
        if !status.next_version.is_empty() && status.next_version != status.current_version {
            return (status.next_version == version).then(|| format!("is being updated to {version}"));
        }
        let (of, id) = ("health".parse().unwrap(), entry.id.as_str().parse().unwrap());
        let body = now(self.registry.get_entry(&of, &id)).ok()?.body;
        let state = body["check"]["verdict"]["state"].as_str().unwrap_or("checking");
        let wanted = ClusterVersion::of(ClusterVersion::parse(version).config, &entry).to_string();
        let own = status.current_version == version && body["to"] == version && wanted == version;
        (own && state != "healthy").then(|| format!("has {version} and is {state}"))
    }

    /// V6: behind the gate comes only what every cluster in front of it had for the soak time. The first commit is where all channels
    /// began.
    fn soaked(&self, state: &mut State, alias: &str, line: &str, open: Option<&Update>) {
        let commit = open.and_then(|update| number(&update.to)).unwrap_or_default();
        if !state.gated || alias != CLUSTERS[1] || commit <= 1 {
            return;
        }
        state.soaks(&self.entry(CLUSTERS[0]), self.clock.now());
        let held = state.held.get(&commit).copied().unwrap_or_default();
        state.seen.check("V6", held >= SOAK, || {
            format!(
                "{alias}: {line} of commit {commit}, which {} had for {held:?}",
                CLUSTERS[0]
            )
        });
    }

    /// V7: the plan was made from the entry as it is.
    fn bound(&self, state: &mut State, alias: &str, line: &str, open: Option<&Update>) {
        let Some(update) = open else { return };
        let planned = ClusterVersion::parse(&update.to);
        let same = planned.hash == model::version_hash(&self.entry(alias));
        // What left at the moment of the change was on its way.
        let moment = state.changed.get(alias) == Some(&self.clock.now());
        state.seen.check("V7", same || moment, || {
            format!("{alias}: {line} of {} although the entry has changed", update.to)
        });
    }

    /// V8: an older version never comes after a newer one, whoever brings it.
    fn level(&self, state: &mut State, alias: &str) {
        let map = self.servers[alias].read("", "configmaps", "web", "settings");
        let level = map.and_then(|map| map["data"]["level"].as_str()?.parse().ok());
        if let Some(level) = level {
            let last = state.levels.insert(alias.to_owned(), level).unwrap_or_default();
            let commits = state.commits;
            state.seen.check("V8", level >= last && level <= commits, || {
                format!("{alias}: level {level} after {last}")
            });
        }
    }

    /// V8, seen from outside.
    pub(super) fn levels(&self) {
        let mut state = self.state();
        for alias in self.servers.keys() {
            self.level(&mut state, alias);
        }
    }

    /// Looks at what nobody may have touched, and at leases of the dead.
    pub(super) fn look(&self, alive: &BTreeSet<String>, term: Duration) {
        let mut state = self.state();
        for alias in self.servers.keys() {
            let there = self.servers[alias].read("", "namespaces", "", "kube-public").is_some();
            state
                .seen
                .check("V11", there, || format!("{alias}: kube-public is gone"));
            self.level(&mut state, alias);
        }
        let leases = now(self.registry.list("")).unwrap();
        let at = self.clock.now();
        for lease in leases.iter().filter(|lease| !alive.contains(&lease.holder)) {
            let left = lease.expires_at.duration_since(at).unsigned_abs();
            state.seen.check("W6", left <= term, || {
                format!("the dead {} holds {} for {left:?}", lease.holder, lease.name)
            });
        }
    }
}

fn deleted(state: &mut State, alias: &str, object: &str, open: Option<&Update>) {
    // V11 and V12: nothing goes but what left git; a list that could not be read is no reason.
    let name = object.rsplit('/').next().unwrap_or_default();
    state.seen.check("V11", name.starts_with("extra-"), || {
        format!("{alias}: {object} was deleted")
    });
    let Some(update) = open else { return };
    let planned = ClusterVersion::parse(&update.to).config;
    let commit = planned.strip_prefix("commit-").and_then(|n| n.parse::<u32>().ok());
    let wanted = commit.map_or(0, |n| n % 3);
    let number = name.strip_prefix("extra-").and_then(|n| n.parse::<u32>().ok());
    state.seen.check("V12", number.is_none_or(|n| n >= wanted), || {
        format!("{alias}: {object} was deleted although {planned} has it")
    });
    // V9: more than a few only with consent to exactly so many.
    let gone = state.pruned.entry((alias.to_owned(), update.to.clone())).or_default();
    gone.insert(name.to_owned());
    let gone = gone.len();
    let agreed = state.agreed.get(alias).and_then(BTreeSet::last).copied();
    state.seen.check("V9", gone <= FEW + agreed.unwrap_or_default(), || {
        format!("{alias}: {object} is number {gone}, and consent is to {agreed:?}")
    });
}
