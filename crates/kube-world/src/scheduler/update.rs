//! Telling the scheduler what the cluster looks like, and waking the pods that a change may help.

use std::sync::Arc;

use jiff::Timestamp;

use super::Scheduler;
use super::budget::Budget;
use super::cluster::Cluster;
use super::decision::PodRef;
use super::node::Node;
use super::pod::{Pod, PodClass};
use super::queue::Why;
use super::read::Labels;
use super::reasons::Reason;
use super::rules::ask;
use super::tally::{ClassId, NodeId, PodId};
use super::volumes::{Claim, ClaimKey, Storage, StorageClass, Volume};

impl Scheduler {
    /// Puts a node in, or brings it up to date. A node that is the same as before (a heartbeat) changes nothing.
    pub fn set_node(&mut self, node: Node, now: Timestamp) {
        let (id, before) = self.cluster.set_node(node);
        let after = self.cluster.nodes.get(id).and_then(|slot| slot.info.clone());
        let Some(after) = after.filter(|after| before.as_ref() != Some(after)) else {
            return;
        };
        let cluster = &self.cluster;
        self.queue.wake(now, |class, why| {
            let Some(spec) = cluster.classes.get(class).map(|class| &class.spec) else {
                return false;
            };
            let takes = |node: &Node| ask(&spec.rules, 0, node).no.is_none() && could_hold(node, spec);
            // A node that took such pods already and gives no more than before helps only by its place.
            let news = before.as_ref().is_none_or(|before| {
                before.labels != after.labels
                    || before.taints != after.taints
                    || before.unschedulable != after.unschedulable
            });
            let more = before.as_ref().is_none_or(|before| gives_more(before, &after));
            why.everywhere || (news && why.is_about_pods()) || ((news || more) && takes(&after))
        });
    }

    /// Takes a node out. Pods bound to it stay known until they are removed themselves.
    pub fn remove_node(&mut self, name: &str, now: Timestamp) {
        if self.cluster.remove_node(name) {
            // One domain less can make the emptiest one fuller.
            self.queue.wake(now, |_, why| why.nodes.has(Reason::Spread));
        }
    }

    /// Notes a namespace with its labels, which namespace selectors look at; `None` forgets it.
    pub fn set_namespace(&mut self, name: &str, labels: Option<Labels>, now: Timestamp) {
        if self.cluster.set_namespace(name, labels) {
            self.queue.wake(now, |_, why| why.is_about_pods());
        }
    }

    /// Notes a disruption budget by namespace and name; `None` forgets it.
    pub fn set_budget(&mut self, namespace: &str, name: &str, budget: Option<Budget>) {
        let key = (namespace.to_owned(), name.to_owned());
        match budget {
            Some(budget) => self.cluster.budgets.insert(key, budget),
            None => self.cluster.budgets.remove(&key),
        };
    }

    /// Notes a claim; `None` forgets it.
    pub fn set_claim(&mut self, key: ClaimKey, claim: Option<Claim>, now: Timestamp) {
        if self.cluster.storage.claims.get(&key) != claim.as_ref() {
            let changed = [key.clone()];
            self.change_storage(&changed, now, |storage| match claim {
                Some(claim) => drop(storage.claims.insert(key, claim)),
                None => drop(storage.claims.remove(&key)),
            });
        }
    }

    /// Notes a volume; `None` forgets it.
    pub fn set_volume(&mut self, name: &str, volume: Option<Volume>, now: Timestamp) {
        if self.cluster.storage.volumes.get(name) != volume.as_ref() {
            let bound = |(_, claim): &(&ClaimKey, &Claim)| claim.volume.as_deref() == Some(name);
            let claims = self.cluster.storage.claims.iter().filter(bound);
            let claims: Vec<ClaimKey> = claims.map(|(key, _)| key.clone()).collect();
            self.change_storage(&claims, now, |storage| match volume {
                Some(volume) => drop(storage.volumes.insert(name.to_owned(), volume)),
                None => drop(storage.volumes.remove(name)),
            });
        }
    }

    /// Notes a storage class; `None` forgets it.
    pub fn set_storage_class(&mut self, name: &str, class: Option<StorageClass>, now: Timestamp) {
        if self.cluster.storage.classes.get(name) != class.as_ref() {
            let claims: Vec<ClaimKey> = self.cluster.claim_users.keys().cloned().collect();
            self.change_storage(&claims, now, |storage| match class {
                Some(class) => drop(storage.classes.insert(name.to_owned(), class)),
                None => drop(storage.classes.remove(name)),
            });
        }
    }

    fn change_storage(&mut self, claims: &[ClaimKey], now: Timestamp, change: impl FnOnce(&mut Storage)) {
        self.cluster.set_storage(claims, change);
        self.queue.wake(now, |_, why| why.is_about_volumes());
    }

    /// Puts a pod in, or brings it up to date: a bound one counts on its node, a finished one goes, any other is queued.
    pub fn set_pod(&mut self, pod: Pod, now: Timestamp) {
        if pod.finished {
            self.remove_pod(&pod.uid, now);
            return;
        }
        match self.cluster.pod_ids.get(&pod.uid).copied() {
            Some(id) => self.change_pod(id, pod, now),
            None => self.enter(pod, now),
        }
    }

    fn enter(&mut self, pod: Pod, now: Timestamp) {
        let (node, nominated) = (pod.node.clone(), pod.nominated.clone());
        let ours = pod.scheduler_name == self.name;
        let id = self.cluster.add_pod(pod);
        if let Some(node) = node {
            self.cluster.place_pod(id, &node);
            self.placed(id, now);
            return;
        }
        self.cluster
            .nominate(id, nominated.and_then(|node| self.cluster.node_id(&node)));
        if ours {
            self.enqueue(id, now);
        }
    }

    fn enqueue(&mut self, id: PodId, now: Timestamp) {
        let Some(pod) = self.cluster.pods.get(id).filter(|pod| !pod.gated && !pod.terminating) else {
            return;
        };
        let priority = self.cluster.spec_of(id).map_or(0, |class| class.priority);
        self.queue.add(id, pod.class, priority, now);
    }

    fn change_pod(&mut self, id: PodId, pod: Pod, now: Timestamp) {
        let Some(known) = self.cluster.pods.get(id) else { return };
        let same_class = self.cluster.spec_of(id).is_some_and(|class| **class == pod.class);
        let same = same_class && known.gated != pod.gates.is_empty() && *known.claims == *pod.claims;
        let placed = known
            .node
            .and_then(|node| self.cluster.nodes.get(node))
            .map(|slot| Arc::clone(&slot.name));
        if !same || (pod.node.is_some() && placed.as_deref() != pod.node.as_deref()) {
            // A decision that the API has not shown yet stays.
            let keep = placed.filter(|_| known.assumed && pod.node.is_none());
            self.replace(
                id,
                Pod {
                    node: keep.map(|node| node.to_string()).or(pod.node.clone()),
                    ..pod
                },
                now,
            );
            return;
        }
        if let Some(known) = self.cluster.pods.get_mut(id) {
            known.since = pod.since;
            known.preempted = pod.preempted;
            known.assumed &= pod.node.is_none();
        }
        self.cluster.set_terminating(id, pod.terminating);
        if pod.node.is_none() && self.cluster.pods.get(id).is_some_and(|pod| pod.node.is_none()) {
            let nominated = pod.nominated.as_deref().and_then(|node| self.cluster.node_id(node));
            self.cluster.nominate(id, nominated);
            if pod.terminating {
                self.queue.remove(id);
            }
        }
    }

    fn replace(&mut self, id: PodId, pod: Pod, now: Timestamp) {
        let was_placed = self.cluster.pods.get(id).is_some_and(|pod| pod.node.is_some());
        if was_placed {
            self.remove_pod(&pod.uid, now);
        } else {
            self.queue.remove(id);
            self.cluster.drop_pod(id);
        }
        self.enter(pod, now);
    }

    /// Notes that the API shows a decision of this scheduler: the pod is bound to the node where it was assumed to be. Answers
    /// whether it was; of any other pod nothing is noted.
    pub fn confirm(&mut self, uid: &str, node: &str) -> bool {
        let Some(id) = self.placed_on(uid, node) else {
            return false;
        };
        let pod = self.cluster.pods.get_mut(id);
        pod.is_some_and(|pod| std::mem::take(&mut pod.assumed))
    }

    /// Notes that the deletion of a pod has begun that is bound to a node, with what its status has come to tell: since when it
    /// is there, and whether its termination is this scheduler's doing. Answers whether the pod is known to be there.
    pub fn terminate(&mut self, uid: &str, node: &str, since: Timestamp, preempted: bool) -> bool {
        let Some(id) = self.placed_on(uid, node) else {
            return false;
        };
        if let Some(pod) = self.cluster.pods.get_mut(id) {
            (pod.since, pod.preempted, pod.assumed) = (since, preempted, false);
        }
        self.cluster.set_terminating(id, true);
        true
    }

    /// The number of a pod, if it is placed on this node.
    fn placed_on(&self, uid: &str, node: &str) -> Option<PodId> {
        let id = *self.cluster.pod_ids.get(uid)?;
        let place = self.cluster.pods.get(id)?.node?;
        (*self.cluster.nodes.get(place)?.name == *node).then_some(id)
    }

    /// Forgets a pod, by its uid.
    pub fn remove_pod(&mut self, uid: &str, now: Timestamp) {
        let Some(id) = self.cluster.pod_ids.get(uid).copied() else {
            return;
        };
        self.queue.remove(id);
        let spec = self.cluster.spec_of(id).cloned();
        let node = self.cluster.pods.get(id).and_then(|pod| pod.node);
        self.cluster.drop_pod(id);
        if let (Some(spec), Some(node)) = (spec, node) {
            self.gone(&spec, node, now);
        }
    }

    /// A placed pod went: room for those that lack it there, and other counts.
    fn gone(&mut self, gone: &PodClass, node: NodeId, now: Timestamp) {
        let cluster = &self.cluster;
        let info = cluster.nodes.get(node).and_then(|slot| slot.info.as_ref());
        self.queue.wake(now, |class, why| {
            let Some(spec) = cluster.classes.get(class).map(|class| &class.spec) else {
                return false;
            };
            let room = || info.is_some_and(|node| ask(&spec.rules, 0, node).no.is_none() && could_hold(node, spec));
            let spread = why.nodes.has(Reason::Spread) && gone.namespace == spec.namespace;
            let apart = why.nodes.has(Reason::AntiAffinity) || why.nodes.has(Reason::ExistingAntiAffinity);
            spread || apart || (why.is_about_room() && room())
        });
    }

    /// A pod was placed: others may want to be near it, or may now be evenly spread.
    pub(super) fn placed(&mut self, id: PodId, now: Timestamp) {
        let Some(spec) = self.cluster.spec_of(id).cloned() else {
            return;
        };
        let cluster = &self.cluster;
        self.queue.wake(now, |class: ClassId, why: Why| {
            let near = why.nodes.has(Reason::Affinity);
            let spread = why.nodes.has(Reason::Spread);
            (near || spread)
                && cluster
                    .classes
                    .get(class)
                    .is_some_and(|class| near || class.spec.namespace == spec.namespace)
        });
    }

    /// Takes back a decision to bind that could not be carried out: the pod is tried again after a pause.
    pub fn forget(&mut self, uid: &str, now: Timestamp) {
        let Some(id) = self.cluster.pod_ids.get(uid).copied() else {
            return;
        };
        if !self.cluster.pods.get(id).is_some_and(|pod| pod.assumed) {
            return;
        }
        let spec = self.cluster.spec_of(id).cloned();
        let node = self.cluster.unplace_pod(id);
        let Some(pod) = self.cluster.pods.get_mut(id) else {
            return;
        };
        pod.assumed = false;
        let class = pod.class;
        if let (Some(spec), Some(node)) = (spec, node) {
            let attempts = self.queue.attempts(id).max(1);
            self.queue.pause(id, class, spec.priority, now, attempts);
            self.gone(&spec, node, now);
        }
    }
}

/// Whether an empty node of this size could hold a pod of the class.
fn could_hold(node: &Node, class: &PodClass) -> bool {
    let (have, want) = (&node.allocatable, &class.requests.stated);
    want.cpu <= have.cpu
        && want.memory <= have.memory
        && want.ephemeral <= have.ephemeral
        && node.max_pods > 0
        && want
            .other
            .iter()
            .all(|(name, want)| have.other.get(name).is_some_and(|have| want <= have))
}

fn gives_more(before: &Node, after: &Node) -> bool {
    let (old, new) = (&before.allocatable, &after.allocatable);
    let more = |name: &String, amount: &i64| *amount > old.other.get(name).copied().unwrap_or_default();
    new.cpu > old.cpu
        || new.memory > old.memory
        || new.ephemeral > old.ephemeral
        || after.max_pods > before.max_pods
        || new.other.iter().any(|(name, amount)| more(name, amount))
        || after.volume_limits != before.volume_limits
}

impl Cluster {
    /// A pod by its names.
    pub(super) fn pod_ref(&self, id: PodId) -> Option<PodRef> {
        let pod = self.pods.get(id)?;
        Some(PodRef {
            uid: Arc::clone(&pod.uid),
            namespace: self.classes.get(pod.class)?.spec.namespace.clone(),
            name: Arc::clone(&pod.name),
        })
    }
}
