//! Sees every external write of every manager before it leaves, checks what must never happen, and decides whether the
//! manager dies at this very write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use cloud_sim::{CloudSim, What};
use futures::FutureExt;
use jiff::Timestamp;
use kube_sim::ApiServer;
use lifecycle::claims::lease_name;
use model::{ClusterVersion, Update};
use ports::ledger::{EntryFilter, EntryKind};
use ports::registry::{Detail, PageRequest};
use ports::{Clock, Leases, Ledger, Registry};
use store::MemoryRegistry;

use super::{CLUSTERS, FEW, SECRET};
use crate::bench::cluster;
use crate::life::Fate;

/// What was seen of one seed.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    pub(super) breaches: Vec<String>,
    /// How often each promise was checked.
    pub(super) checks: BTreeMap<&'static str, u64>,
    /// Every external write, in order.
    pub(super) log: Vec<String>,
    pub(super) kills: u64,
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
}

#[derive(Default)]
pub(super) struct State {
    pub(super) seen: Seen,
    /// Blocks that are durable, and since when.
    pub(super) blocked: BTreeMap<String, Timestamp>,
    /// When somebody last changed an entry.
    pub(super) changed: BTreeMap<String, Timestamp>,
    /// The last commit.
    pub(super) commits: u32,
    levels: BTreeMap<String, u32>,
    /// Sizes of the prunes that somebody agreed to.
    pub(super) agreed: BTreeMap<String, BTreeSet<usize>>,
    /// Objects pruned so far on the way of a cluster to a version.
    pruned: BTreeMap<(String, String), BTreeSet<String>>,
    /// In how many writes an actor dies, and how.
    kills: BTreeMap<u64, (u64, Fate)>,
    dead: BTreeSet<u64>,
    /// Stacks that were complete and have not been deleted.
    complete: BTreeSet<String>,
    cloud_events: u64,
}

pub(super) struct Eye {
    clock: Arc<dyn Clock>,
    registry: Arc<MemoryRegistry>,
    servers: BTreeMap<String, ApiServer>,
    cloud: CloudSim,
    replicas: bool,
    state: Mutex<State>,
}

/// What a memory registry answers at once.
fn now<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("memory does not wait")
}

/// The name under which an actor claims clusters.
pub(super) fn holder(actor: u64) -> String {
    format!("manager-{actor}")
}

impl Eye {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        registry: Arc<MemoryRegistry>,
        servers: BTreeMap<String, ApiServer>,
        cloud: CloudSim,
        replicas: bool,
    ) -> Self {
        Self {
            clock,
            registry,
            servers,
            cloud,
            replicas,
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

    /// A write to registry, ledger or leases leaves.
    pub(super) fn record(&self, actor: u64, line: &str, body: &str) -> Fate {
        let mut state = self.state();
        state
            .seen
            .check("V13", !body.contains(SECRET), || format!("{line} holds a secret"));
        self.fate(&mut state, actor, line)
    }

    /// A write to a cluster or its cloud leaves.
    pub(super) fn write(&self, actor: u64, alias: &str, line: &str) -> Fate {
        let at = self.clock.now();
        let mut guard = self.state();
        let state = &mut *guard;
        // The mark of who works on the cluster is no step of a plan.
        if line.contains("/kube-system/leases/") {
            self.alone(state, actor, alias, line);
        } else if !state.dead.contains(&actor) {
            let open = self.open_update(alias);
            let seen = &mut state.seen;
            let since = state.blocked.get(alias).copied();
            seen.check("V4", since.is_none_or(|since| at <= since), || {
                format!("{alias}: {line} at {at} after the block of {since:?}")
            });
            seen.check("V15", open.is_some(), || {
                format!("{alias}: {line} at {at} without an open update")
            });
            self.bound(state, alias, line, open.as_ref());
            self.alone(state, actor, alias, line);
            self.level(state, alias);
            if let Some(object) = line.strip_prefix("DELETE ") {
                self.deleted(state, alias, object, open.as_ref());
            }
        }
        self.fate(&mut guard, actor, &format!("{alias} {line}"))
    }

    fn fate(&self, state: &mut State, actor: u64, line: &str) -> Fate {
        if state.dead.contains(&actor) {
            return Fate::Before;
        }
        state.seen.log.push(format!("{} {actor} {line}", self.clock.now()));
        self.cloud_events(state);
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
        state.seen.kills += 1;
        fate
    }

    fn open_update(&self, alias: &str) -> Option<Update> {
        let filter = EntryFilter {
            cluster: Some(cluster(alias).id),
            open: Some(true),
            ..EntryFilter::of(EntryKind::update())
        };
        let open = now(self.registry.list_entries(&filter, &PageRequest::all()))
            .unwrap()
            .items;
        open.into_iter()
            .next()
            .map(|entry| serde_json::from_value(entry.body).unwrap())
    }

    /// V7: the plan was made from the entry as it is.
    fn bound(&self, state: &mut State, alias: &str, line: &str, open: Option<&Update>) {
        let Some(update) = open else { return };
        let entry = now(self.registry.get_cluster(&cluster(alias).id, Detail::Full))
            .unwrap()
            .object;
        let planned = ClusterVersion::parse(&update.to);
        let same = planned.hash == model::version_hash(&entry);
        // What left at the moment of the change was on its way.
        let moment = state.changed.get(alias) == Some(&self.clock.now());
        state.seen.check("V7", same || moment, || {
            format!("{alias}: {line} of {} although the entry has changed", update.to)
        });
    }

    /// V10: only who holds the lease works.
    fn alone(&self, state: &mut State, actor: u64, alias: &str, line: &str) {
        if !self.replicas {
            return;
        }
        let name = lease_name(&cluster(alias).id).unwrap();
        let held = now(self.registry.list(name.as_str())).unwrap();
        let holds = held.iter().any(|lease| lease.holder == holder(actor));
        state
            .seen
            .check("V10", holds, || format!("{alias}: {line} of {actor}, but {held:?}"));
    }

    /// V8: an older version never comes after a newer one.
    pub(super) fn level(&self, state: &mut State, alias: &str) {
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

    fn deleted(&self, state: &mut State, alias: &str, object: &str, open: Option<&Update>) {
        // V11 and V12: nothing goes but what left git; a list that could not be read is no reason.
        let name = object.rsplit('/').next().unwrap_or_default();
        state.seen.check("V11", name.starts_with("extra-"), || {
            format!("{alias}: {object} was deleted")
        });
        let Some(update) = open else { return };
        let planned = ClusterVersion::parse(&update.to).config;
        let commit = planned.strip_prefix("commit-").and_then(|n| n.parse::<u32>().ok());
        let wanted = commit.map_or(0, |n| n % 4);
        let number = name.strip_prefix("extra-").and_then(|n| n.parse::<u32>().ok());
        state.seen.check("V12", number.is_none_or(|n| n >= wanted), || {
            format!("{alias}: {object} was deleted although {planned} has it")
        });
        // V9: more than a few only with consent to exactly so many.
        let way = (alias.to_owned(), update.to.clone());
        let gone = state.pruned.entry(way).or_default();
        gone.insert(name.to_owned());
        let gone = gone.len();
        let agreed = state.agreed.get(alias).and_then(BTreeSet::last).copied();
        state.seen.check("V9", gone <= FEW + agreed.unwrap_or_default(), || {
            format!("{alias}: {object} is number {gone}, and consent is to {agreed:?}")
        });
    }

    /// V12 in the cloud: no stack is deleted that has come up, whatever could not be read.
    pub(super) fn cloud_events(&self, state: &mut State) {
        for event in self.cloud.changes_since(state.cloud_events) {
            state.cloud_events = event.sequence;
            let What::Stack {
                stack,
                logical_id,
                status,
                ..
            } = &event.what
            else {
                continue;
            };
            if stack != logical_id {
                continue;
            }
            let text = status.to_string();
            let down = text.starts_with("DELETE");
            let complete = state.complete.contains(stack);
            state
                .seen
                .check("V12", !(down && complete), || format!("stack {stack} is {text}"));
            if text == "CREATE_COMPLETE" {
                state.complete.insert(stack.clone());
            }
        }
    }

    /// V11: what we did not make stays.
    pub(super) fn strangers(&self) {
        let mut state = self.state();
        for alias in CLUSTERS {
            let there = self.servers[alias].read("", "namespaces", "", "kube-public").is_some();
            state
                .seen
                .check("V11", there, || format!("{alias}: kube-public is gone"));
            self.level(&mut state, alias);
        }
        self.cloud_events(&mut state);
    }
}
