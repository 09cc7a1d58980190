//! The scheduler at work in a cluster: it takes the writes of the server in, and turns decisions into actions.

mod act;
mod observe;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use json_tree::Value;
use kube_sim::ApiError;
use ports::Ids;

use super::{Binding, ClaimKey, Labels, PodRef, Scheduler, Selector};
use crate::engine::{self, Action, Change, View};
use crate::kind::{Key, Kind};

/// How long a pod waits for its claims to be bound before its place is given up.
const CLAIM_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// Where objects are looked up beside the write that is taken in.
pub(crate) trait Objects {
    /// The tree of an object.
    fn object(&self, key: &Key) -> Option<Arc<Value>>;
}

impl Objects for View<'_> {
    fn object(&self, key: &Key) -> Option<Arc<Value>> {
        View::object(self, key)
    }
}

/// A pod whose node is chosen, waiting for its claims.
#[derive(Debug)]
struct Waiting {
    binding: Binding,
    until: Timestamp,
}

/// kube-scheduler for the engine.
#[derive(Debug)]
pub struct KubeScheduler {
    scheduler: Scheduler,
    /// Selectors of services, by namespace, then by name.
    services: BTreeMap<String, BTreeMap<String, Labels>>,
    /// Selectors of replica sets, stateful sets and replication controllers, by uid.
    owners: BTreeMap<String, Selector>,
    /// Unbound claims that pods wait for, by the pod's uid.
    waiting: BTreeMap<Arc<str>, Waiting>,
    /// Pods whose claims are bound.
    ready: VecDeque<Binding>,
    /// The pod that the last plan was about.
    last: Option<PodRef>,
}

impl KubeScheduler {
    /// A scheduler under its usual name, with a source of randomness of its own.
    #[must_use]
    pub fn new(ids: Arc<dyn Ids>) -> Self {
        Self {
            scheduler: Scheduler::new(ids),
            services: BTreeMap::new(),
            owners: BTreeMap::new(),
            waiting: BTreeMap::new(),
            ready: VecDeque::new(),
            last: None,
        }
    }

    /// The component inside, for those who want to look at the queue or ask where pods are.
    #[must_use]
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// The same for planners that ask what would happen if; they leave it as it was.
    pub fn scheduler_mut(&mut self) -> &mut Scheduler {
        &mut self.scheduler
    }

    /// Plans for the next pod: one that can be bound by now, or the next of the queue.
    fn next(&mut self, now: Timestamp, objects: &dyn Objects) -> Vec<Action> {
        self.give_up_waiting(now);
        if let Some(binding) = self.ready.pop_front() {
            self.last = Some(binding.pod.clone());
            return act::bind(&binding);
        }
        let Some(decision) = self.scheduler.decide(now) else {
            return Vec::new();
        };
        match decision {
            super::Decision::Bind(binding) if binding.volumes.is_empty() => {
                self.last = Some(binding.pod.clone());
                act::bind(&binding)
            }
            super::Decision::Bind(binding) => {
                self.last = Some(binding.pod.clone());
                let actions = act::volumes(&binding, objects);
                let until = now.checked_add(CLAIM_WAIT).unwrap_or(Timestamp::MAX);
                self.waiting
                    .insert(Arc::clone(&binding.pod.uid), Waiting { binding, until });
                actions
            }
            super::Decision::Refuse(refusal) => {
                self.last = None;
                act::refuse(&refusal, self.scheduler.name(), now, objects)
            }
        }
    }

    fn give_up_waiting(&mut self, now: Timestamp) {
        let late: Vec<Arc<str>> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.until <= now)
            .map(|(uid, _)| Arc::clone(uid))
            .collect();
        for uid in late {
            self.waiting.remove(&uid);
            self.scheduler.forget(&uid, now);
        }
    }

    /// A claim changed: pods that waited for it may be bound now.
    fn claims_changed(&mut self, bound: impl Fn(&ClaimKey) -> bool) {
        let complete = |waiting: &Waiting| {
            let plan = &waiting.binding.volumes;
            plan.bind
                .iter()
                .map(|(claim, _)| claim)
                .chain(&plan.provision)
                .all(&bound)
        };
        let done: Vec<Arc<str>> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| complete(waiting))
            .map(|(uid, _)| Arc::clone(uid))
            .collect();
        for uid in done {
            if let Some(waiting) = self.waiting.remove(&uid) {
                self.ready.push_back(waiting.binding);
            }
        }
    }

    fn drop_waiting(&mut self, uid: &str) {
        self.waiting.remove(uid);
        self.ready.retain(|binding| &*binding.pod.uid != uid);
    }

    /// The pod of the last plan could not be placed after all.
    fn take_back(&mut self, now: Timestamp) {
        if let Some(pod) = self.last.take() {
            self.drop_waiting(&pod.uid);
            self.scheduler.forget(&pod.uid, now);
        }
    }
}

impl engine::Scheduler for KubeScheduler {
    fn observe(&mut self, change: &Change, view: &View<'_>) {
        if observe::is_news(change) && !self.follow(change, view.now) {
            // The old tree tells only which object went; parsing it is spared where it is the same one still.
            let same = change.pod_before.as_ref().map(|pod| &pod.uid) == change.pod_after.as_ref().map(|pod| &pod.uid);
            let before = if same && !change.is_removal() {
                None
            } else {
                change.before()
            };
            self.take_in(&change.key, before, change.after(), view.now, view);
        }
    }

    fn schedule_next(&mut self, view: &View<'_>) -> Vec<Action> {
        self.next(view.now, view)
    }

    fn failed(&mut self, view: &View<'_>, action: &Action, _error: &ApiError) {
        let binding = matches!(action, Action::Bind { .. });
        let volumes = matches!(action, Action::Patch { key, .. }
            if key.kind == Kind::PERSISTENT_VOLUME_CLAIM || key.kind == Kind::PERSISTENT_VOLUME);
        if binding || volumes {
            self.take_back(view.now);
        }
    }

    fn clock_set(&mut self, by: SignedDuration) {
        self.scheduler.clock_set(by);
        for waiting in self.waiting.values_mut() {
            waiting.until = waiting.until.saturating_add(by).unwrap_or(waiting.until);
        }
    }

    fn due(&self) -> Option<Timestamp> {
        if !self.ready.is_empty() {
            return Some(Timestamp::MIN);
        }
        let given_up = self.waiting.values().map(|waiting| waiting.until).min();
        [self.scheduler.next_wake(), given_up].into_iter().flatten().min()
    }
}
