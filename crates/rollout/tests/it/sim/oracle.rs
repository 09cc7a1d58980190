//! The oracle: it sees every write of the API server in order, every event of the cloud, and everything that managers send;
//! it keeps clocks of its own and knows the promises. It shares no code with the engine and the contract.
//!
//! What it lets pass, each with the fact that makes it right, is in [`super`] under "what the oracle lets pass".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use cloud_sim::{CloudSim, Event, InstanceChange, What};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use kube_sim::{ApiServer, Tap};
use ports::ledger::EntryDraft;
use ports::{Clock, SimClock};

use super::case::Case;
use super::facts::{Facts, Kind, Name};

/// What was known when a request left.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    /// The block.
    pub(crate) blocked: bool,
    /// The time, of the world and not of the manager.
    pub(crate) at: Option<Timestamp>,
}

/// A manager and the run of its engine: what an engine remembers of refusals ends with its run.
pub(crate) type Author = (u64, u64);

/// What a request would do, judged before it is done.
#[derive(Debug)]
pub(crate) enum Judgement {
    Other,
    Node(String, Sent),
    Evict {
        pod: Name,
        blocked: bool,
        found: Vec<String>,
    },
    Delete {
        pod: Name,
        blocked: bool,
        found: Vec<String>,
    },
}

/// The numbers of the contract.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    pub(crate) pod: SignedDuration,
    pub(crate) grace: SignedDuration,
    pub(crate) interval: SignedDuration,
    pub(crate) ready: SignedDuration,
    pub(crate) unready: SignedDuration,
    pub(crate) operator: SignedDuration,
    pub(crate) margin: SignedDuration,
    pub(crate) since_change: bool,
    pub(crate) size: usize,
    pub(crate) spot: bool,
    /// The pause after a refused eviction.
    pub(crate) poll: SignedDuration,
    /// How long others' changes may be unknown to who watches.
    pub(crate) patience: SignedDuration,
    /// How long they may be unknown to who has just read the pods once more.
    pub(crate) fresh: SignedDuration,
}

/// How long others' changes may be unknown to a watch when the API misbehaves: it may be silent for a minute, it may break
/// then, and what it is opened with anew may be late or old by twenty seconds.
const WATCHED: SignedDuration = SignedDuration::from_secs(90);
/// The same for a list that was read for the purpose: asked for twenty seconds late, old by twenty, and five until the
/// deletion leaves.
const LISTED: SignedDuration = SignedDuration::from_secs(45);
/// The same when nothing is wrong: events are gathered for a fifth of a second, the API's times are whole seconds.
const PROMPT: SignedDuration = SignedDuration::from_secs(2);
/// A start of a drain that was longer on its way is written anew.
pub(crate) const LATE: SignedDuration = SignedDuration::from_secs(1);
/// Clocks of managers that are wrong by more are noticed even when answers are slow.
const NOTICED: i64 = 30;

pub(crate) struct State {
    pub(crate) facts: Facts,
    pub(crate) numbers: Numbers,
    pub(crate) forced_on: BTreeMap<String, Timestamp>,
    pub(crate) forced_in: BTreeMap<Name, Timestamp>,
    /// UIDs of pods whose forced termination is on record.
    pub(crate) evidence: BTreeSet<String>,
    /// When the last record of a pod's forced termination, by UID, was written: then it was decided.
    pub(crate) decided: BTreeMap<String, Timestamp>,
    /// When each run of each manager learnt that an eviction of a pod, by UID, was refused.
    pub(crate) refused: BTreeMap<(Author, String), Timestamp>,
    /// When somebody set the clock of a manager last.
    pub(crate) set: BTreeMap<u64, Timestamp>,
    /// By how much clocks were wrong that nobody could notice.
    pub(crate) unnoticed: SignedDuration,
    /// When machines end whatever anybody does.
    pub(crate) ends: BTreeMap<String, Timestamp>,
    /// Machines that a manager asked to end, or that trouble took.
    pub(crate) asked: BTreeSet<String>,
    /// A rollout is on record.
    pub(crate) open: bool,
    pub(crate) breaches: Vec<String>,
    pub(crate) checks: BTreeMap<&'static str, u64>,
    pub(crate) writes: u64,
    pub(crate) evicted: u64,
    pub(crate) forced: u64,
    pub(crate) log: String,
}

pub(crate) struct Oracle {
    server: ApiServer,
    clock: SimClock,
    tap: Mutex<Tap>,
    cloud: Mutex<Option<CloudSim>>,
    state: Mutex<State>,
}

impl Oracle {
    pub(crate) fn new(case: &Case, server: &ApiServer, clock: SimClock) -> Self {
        let span = |time: model::duration::GoDuration| SignedDuration::from_nanos(time.nanos());
        let policy = &case.policy;
        let numbers = Numbers {
            pod: span(policy.min_pod_lifetime),
            grace: span(policy.grace_period),
            interval: span(policy.force_interval),
            ready: span(policy.min_healthy_sibling_lifetime),
            unready: span(policy.min_unhealthy_sibling_lifetime),
            operator: span(policy.operator_time),
            margin: span(policy.shutdown_margin),
            since_change: policy.sibling_clock == disruption::SiblingClock::SinceChange,
            size: usize::try_from(case.nodes).unwrap(),
            spot: case.spot,
            poll: span(policy.poll_interval),
            patience: if case.taste.api { WATCHED } else { PROMPT },
            fresh: if case.taste.api { LISTED } else { PROMPT },
        };
        Self {
            tap: Mutex::new(server.tap()),
            server: server.clone(),
            clock,
            cloud: Mutex::default(),
            state: Mutex::new(State {
                facts: Facts::default(),
                numbers,
                forced_on: BTreeMap::new(),
                forced_in: BTreeMap::new(),
                evidence: BTreeSet::new(),
                decided: BTreeMap::new(),
                refused: BTreeMap::new(),
                set: BTreeMap::new(),
                unnoticed: SignedDuration::ZERO,
                ends: BTreeMap::new(),
                asked: BTreeSet::new(),
                open: false,
                breaches: Vec::new(),
                checks: BTreeMap::new(),
                writes: 0,
                evicted: 0,
                forced: 0,
                log: String::new(),
            }),
        }
    }

    /// From now on everything counts.
    pub(crate) fn begin(&self) {
        self.look(|state, _| state.breaches.clear());
    }

    pub(crate) fn watch_cloud(&self, cloud: CloudSim) {
        *self.cloud.lock().unwrap() = Some(cloud);
    }

    /// Brings the facts up to date and does something with them.
    pub(crate) fn look<R>(&self, act: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        for write in self.tap.lock().unwrap().take() {
            let (_, resource) = write.resource();
            if !matches!(
                resource,
                "nodes" | "pods" | "poddisruptionbudgets" | "replicasets" | "statefulsets" | "jobs"
            ) {
                continue;
            }
            let name = (write.namespace().to_owned(), write.name().to_owned());
            let after = write.after().map(|stored| stored.value());
            let (line, version) = (format!("{now} {resource} {}/{}", name.0, name.1), write.version());
            state.facts.take(resource, name.clone(), after.as_ref(), now);
            let brief = state.facts.brief(resource, &name);
            state.note(&format!("{line} v{version}{brief}"));
        }
        act(&mut state, now)
    }

    /// Something leaves a manager. V10: nobody writes who does not hold the lease.
    pub(crate) fn sent(&self, manager: u64, holds: bool, what: &str) {
        self.look(|state, now| {
            state.writes += 1;
            state.note(&format!("{now} manager {manager}: {what}"));
            state.check("V10", holds, || {
                format!("{now} manager {manager} without the lease: {what}")
            });
        });
    }

    /// Somebody sets the clock of a manager.
    pub(crate) fn clock_set(&self, manager: u64, ahead: i64) {
        self.look(|state, now| {
            state.set.insert(manager, now);
            if ahead.abs() <= NOTICED {
                state.unnoticed = state.unnoticed.max(SignedDuration::from_secs(ahead.abs()));
            }
        });
    }

    /// A manager asks for an eviction. P1: who was refused does not ask again before the pause is over.
    pub(crate) fn asks(&self, author: Author, path: &str) {
        self.look(|state, now| {
            let Some((name, uid)) = state.evicted_by(path) else {
                return;
            };
            let refused = state.refused.get(&(author, uid)).copied();
            // A clock that was set takes with it when that was.
            let set = state.set.get(&author.0).copied();
            let refused = refused.filter(|at| set.is_none_or(|set| set < *at));
            let poll = state.numbers.poll;
            let early = refused.is_some_and(|at| now.duration_since(at) < poll);
            state.check("P1", !early, || {
                format!("{now} {name:?} asked for by manager {author:?}, refused {refused:?}")
            });
        });
    }

    /// A manager learns that the API server refused an eviction for its budget.
    pub(crate) fn was_refused(&self, author: Author, path: &str) {
        self.look(|state, now| {
            if let Some((_, uid)) = state.evicted_by(path) {
                state.refused.insert((author, uid), now);
            }
        });
    }

    /// A write is about to be done by the API server.
    pub(crate) fn arrives(&self, method: &Method, path: &str, sent: Sent) -> Judgement {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        self.look(|state, now| match (method, parts.as_slice()) {
            (&Method::POST, ["api", "v1", "namespaces", space, "pods", name, "eviction"]) => {
                let pod = ((*space).to_owned(), (*name).to_owned());
                state.eviction(pod, sent, now)
            }
            (&Method::DELETE, ["api", "v1", "namespaces", space, "pods", name]) => {
                let pod = ((*space).to_owned(), (*name).to_owned());
                state.deletion(pod, sent, now)
            }
            (&Method::PATCH, ["api", "v1", "nodes", name]) => Judgement::Node((*name).to_owned(), sent),
            _ => Judgement::Other,
        })
    }

    /// The API server has answered.
    pub(crate) fn answered(&self, judgement: Judgement, status: u16) {
        let before = match &judgement {
            Judgement::Node(name, _) => self.state.lock().unwrap().facts.nodes.get(name).cloned(),
            _ => None,
        };
        let group = self.group_size();
        self.look(|state, now| {
            state.note(&format!("{now} {status}"));
            let done = (200..300).contains(&status);
            match judgement {
                Judgement::Node(name, sent) if done => state.node_changed(&name, before, sent, now),
                // Another pod has the name by now (409) or none (404): whoever was meant, nobody is disturbed.
                Judgement::Evict { .. } | Judgement::Delete { .. } if status == 409 || status == 404 => {}
                Judgement::Evict { pod, blocked, found } => {
                    state.check("V4", !blocked, || format!("{now} while blocked: eviction of {pod:?}"));
                    if done {
                        state.evicted += 1;
                        state.breaches.extend(found);
                    }
                }
                Judgement::Delete { pod, blocked, found } => {
                    state.check("V4", !blocked, || format!("{now} while blocked: {pod:?} forced"));
                    if done {
                        state.was_forced(&pod, found, now);
                    }
                }
                _ => {}
            }
            state.standing(group, now);
        });
    }

    fn group_size(&self) -> usize {
        let cloud = self.cloud.lock().unwrap();
        let group = cloud
            .as_ref()
            .and_then(|cloud| cloud.group_now(&ports::cloud::GroupName::from(super::site::POOL)));
        group.map_or(0, |group| usize::try_from(group.desired).unwrap())
    }

    /// A manager calls the cloud.
    pub(crate) fn cloud_call(&self, call: &str, what: &str, sent: Sent) {
        let group = self.group_size();
        self.look(|state, now| {
            let grows = call == "resize_group" && what.contains("desired: Some");
            let disrupts = call == "terminate_in_group" || grows;
            state.check("V4", !(disrupts && sent.blocked), || {
                format!("{now} while blocked: {what}")
            });
            if call == "terminate_in_group" {
                let id = what.split('"').nth(1).unwrap_or_default().to_owned();
                state.machine_ends(&id, "a manager", now);
                state.asked.insert(id);
            }
            state.standing(group, now);
        });
    }

    /// Trouble takes a machine.
    pub(crate) fn lost(&self, machine: &str) {
        self.look(|state, _| _ = state.asked.insert(machine.to_owned()));
    }

    /// Something happened in the cloud.
    pub(crate) fn cloud(&self, event: &Event) {
        self.look(|state, now| {
            state.note(&event.to_string());
            let What::Instance { id, change, .. } = &event.what else {
                return;
            };
            match change {
                InstanceChange::SpotNotice(at) => state.ends_by(id.as_str(), *at),
                InstanceChange::Unhealthy => _ = state.asked.insert(id.to_string()),
                // Once a rollout is over, the cloud may even out zones as its owner wants it to.
                InstanceChange::ShuttingDown if state.open && !state.asked.contains(id.as_str()) => {
                    state.machine_ends(id.as_str(), "the cloud", now);
                }
                _ => {}
            }
        });
    }

    pub(crate) fn ends(&self, machine: &str, at: Timestamp) {
        self.look(|state, _| state.ends_by(machine, at));
    }

    /// A record reaches the ledger.
    pub(crate) fn recorded(&self, draft: &EntryDraft) {
        self.look(|state, now| {
            state.note(&format!("{now} ledger {} {} {}", draft.kind, draft.id, draft.open));
            if draft.kind.as_str() == rollout::ROLLOUT_KIND {
                state.open = draft.open;
            }
            if draft.kind.as_str() == rollout::EVIDENCE_KIND {
                if draft.open {
                    state.decided.insert(draft.id.to_string(), now);
                }
                state.evidence.insert(draft.id.to_string());
            }
        });
    }

    pub(crate) fn server(&self) -> &ApiServer {
        &self.server
    }
}

impl State {
    /// The log of everything that was seen, a line each.
    pub(crate) fn note(&mut self, line: &str) {
        self.log.push_str(line);
        self.log.push('\n');
    }

    pub(crate) fn check(&mut self, law: &'static str, holds: bool, what: impl FnOnce() -> String) {
        *self.checks.entry(law).or_default() += 1;
        if !holds {
            self.breaches.push(format!("{law}: {}", what()));
        }
    }

    /// Like [`State::check`] for something that counts only if it is done.
    pub(crate) fn judge(
        &mut self,
        found: &mut Vec<String>,
        law: &'static str,
        holds: bool,
        what: impl FnOnce() -> String,
    ) {
        *self.checks.entry(law).or_default() += 1;
        if !holds {
            found.push(format!("{law}: {}", what()));
        }
    }

    /// The pod that an eviction's path names.
    fn evicted_by(&self, path: &str) -> Option<(Name, String)> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let ["api", "v1", "namespaces", space, "pods", name, "eviction"] = parts.as_slice() else {
            return None;
        };
        let name = ((*space).to_owned(), (*name).to_owned());
        let uid = self.facts.pods.get(&name)?.uid.clone();
        Some((name, uid))
    }

    /// The first of several notices counts.
    fn ends_by(&mut self, machine: &str, at: Timestamp) {
        let first = self.ends.entry(machine.to_owned()).or_insert(at);
        *first = at.min(*first);
    }

    pub(crate) fn ending(&self, node: &str) -> Option<Timestamp> {
        let machine = &self.facts.nodes.get(node)?.machine;
        self.ends.get(machine).copied()
    }

    fn eviction(&mut self, name: Name, sent: Sent, now: Timestamp) -> Judgement {
        let Some(pod) = self.facts.pods.get(&name).cloned() else {
            return Judgement::Other;
        };
        let mut found = Vec::new();
        let (patience, old) = (self.numbers.patience, |at: Option<Timestamp>, patience| {
            at.is_some_and(|at| now.duration_since(at) > patience)
        });
        let ending = self.ending(&pod.node);
        let stays = matches!(pod.kind, Kind::Daemon | Kind::Static) || old(pod.finished, patience);
        self.judge(&mut found, "K1", !stays, || {
            format!("{now} eviction of {name:?}, which stays: {:?}", pod.kind)
        });
        if pod.healthy() && pod.phase != "Pending" {
            for key in self.facts.budgets_of(&name, &pod) {
                let (healthy, desired) = self.facts.reading(&key);
                self.judge(&mut found, "V1", healthy > desired, || {
                    format!("{now} {name:?} evicted, budget {key:?} has {healthy} of {desired}")
                });
            }
        }
        // A node that is gone takes no pods.
        if let Some(node) = self.facts.nodes.get(&pod.node).filter(|_| ending.is_none()).cloned() {
            self.judge(&mut found, "S5", node.cordoned, || {
                format!("{now} eviction of {name:?} from {}, open to pods", pod.node)
            });
        }
        if let Kind::Set(set) = &pod.kind {
            let others = pod.healthy() && old(self.facts.degraded.get(set).copied(), patience);
            self.judge(&mut found, "S1", !others, || {
                format!("{now} {name:?} evicted, {set} lacks a member already")
            });
        }
        self.judge(&mut found, "S2", !old(pod.primary, patience), || {
            format!("{now} primary {name:?} evicted")
        });
        let runs = matches!(pod.kind, Kind::Job(_)) && pod.finished.is_none() && pod.deleted.is_none();
        self.judge(&mut found, "S3", !runs, || {
            format!("{now} run of a Job {name:?} evicted")
        });
        self.judge(&mut found, "S4", !old(pod.moving, patience), || {
            format!("{now} {name:?} evicted, its data moves")
        });
        Judgement::Evict {
            pod: name,
            blocked: sent.blocked && ending.is_none(),
            found,
        }
    }

    /// V1: no machine ends under a pod that could have been asked to go.
    fn machine_ends(&mut self, machine: &str, by: &str, now: Timestamp) {
        if self.ends.contains_key(machine) {
            return;
        }
        let node = self.facts.nodes.iter().find(|(_, node)| node.machine == machine);
        let Some(name) = node.map(|(name, _)| name.clone()) else {
            return;
        };
        let under = self
            .facts
            .pods
            .iter()
            .find(|(_, pod)| pod.node == name && pod.movable());
        let under = under.map(|(name, pod)| (name.clone(), pod.phase.clone(), pod.deleted));
        self.check("V1", under.is_none(), || {
            format!("{now} machine {machine} ended by {by} under {under:?}")
        });
    }

    fn node_changed(&mut self, name: &str, before: Option<super::facts::NodeFacts>, sent: Sent, now: Timestamp) {
        let Some(node) = self.facts.nodes.get(name).cloned() else {
            return;
        };
        let before = before.unwrap_or_default();
        let began = before.draining.is_none() && node.draining.is_some();
        let marked = |node: &super::facts::NodeFacts| node.status != "ready" && !node.status.is_empty();
        let worse = began
            || (!before.cordoned && node.cordoned)
            || (!before.tainted && node.tainted)
            || (!marked(&before) && marked(&node));
        // The contract's grace runs from the selection of the node. That is when the request leaves which says so; the time
        // that a slow API takes with it is not the owner's.
        if began && let (Some(sent), Some(node)) = (sent.at, self.facts.nodes.get_mut(name)) {
            node.draining = Some(sent);
        }
        let ends = self.ends.contains_key(&node.machine);
        self.check("V4", !(worse && sent.blocked) || ends, || {
            format!("{now} while blocked: {name} marked")
        });
        if began && !ends && !self.numbers.spot {
            let patience = self.numbers.patience;
            let there = |other: &&super::facts::NodeFacts| {
                let lately = other.last_ready.is_some_and(|at| now.duration_since(at) <= patience);
                (other.ready || lately) && other.draining.is_none()
            };
            let left = self.facts.nodes.values().filter(there).count();
            let size = self.numbers.size;
            self.check("C1", left >= size, || {
                format!("{now} drain of {name} begins, {left} nodes of {size} stay")
            });
        }
    }

    /// What holds at every moment. V5: never more in flight than the limits.
    fn standing(&mut self, desired: usize, now: Timestamp) {
        let limit = self.numbers.size.min(3);
        let going = |node: &&super::facts::NodeFacts| {
            node.draining.is_some()
                && !node.quarantined
                && !self.ends.contains_key(&node.machine)
                && !self.asked.contains(&node.machine)
        };
        let going = self.facts.nodes.values().filter(going).count();
        self.check("V5", going <= limit, || {
            format!("{now} {going} nodes on their way out, {limit} allowed")
        });
        let most = self.numbers.size + 2 * limit;
        self.check("V5", desired <= most, || {
            format!("{now} {desired} machines wanted, {most} allowed")
        });
    }
}
