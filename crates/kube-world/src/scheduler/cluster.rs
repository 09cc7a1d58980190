//! The cluster as the scheduler knows it: nodes with what is left of them, pods where they are, and all standing counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::budget::Budgets;
use super::class::Class;
use super::neighbours::Neighbours;
use super::node::Node;
use super::pod::{HostPort, Pod, PodClass};
use super::read::Labels;
use super::resources::Requests;
use super::rules::RuleBook;
use super::slots::Slots;
use super::tally::{ClassId, NodeId, PodId, Tally, TallyId, TallyKey, Topologies};
use super::volumes::{ClaimKey, Storage};

/// A node's amounts, side by side in one table because every decision reads them for many nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) cpu: i64,
    pub(crate) memory: i64,
    pub(crate) ephemeral: i64,
    pub(crate) max_pods: i64,
    pub(crate) used_cpu: i64,
    pub(crate) used_memory: i64,
    pub(crate) used_ephemeral: i64,
    pub(crate) pods: i64,
    /// Requests with the assumed ones of containers that state none.
    pub(crate) weighed_cpu: i64,
    pub(crate) weighed_memory: i64,
}

/// A name that nodes or bound pods use. Pods may be bound to a node that is not there (yet, or any more).
#[derive(Debug, Default)]
pub(crate) struct NodeSlot {
    pub(crate) name: Arc<str>,
    pub(crate) info: Option<Node>,
    /// Changes with every change of the node's own properties, never to a value used before.
    pub(crate) version: u64,
    pub(crate) pods: BTreeSet<PodId>,
    pub(crate) used_other: BTreeMap<String, i64>,
    pub(crate) ports: Vec<HostPort>,
    /// Claims attached, by driver and claim, with the number of pods that use them.
    pub(crate) attached: BTreeMap<(String, ClaimKey), u32>,
    /// Pods for which room is being made here.
    pub(crate) nominated: BTreeSet<PodId>,
}

/// A pod that the scheduler knows.
#[derive(Debug)]
pub(crate) struct PodSlot {
    pub(crate) uid: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) class: ClassId,
    pub(crate) claims: Box<[(String, bool)]>,
    pub(crate) gated: bool,
    /// Where it is, bound or assumed to be.
    pub(crate) node: Option<NodeId>,
    /// Placed by a decision of ours that the API has not shown yet.
    pub(crate) assumed: bool,
    pub(crate) nominated: Option<NodeId>,
    pub(crate) since: Timestamp,
    pub(crate) terminating: bool,
    pub(crate) preempted: bool,
}

/// The scheduler's picture of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) nodes: Slots<NodeSlot>,
    pub(crate) rooms: Vec<Room>,
    node_ids: BTreeMap<Arc<str>, NodeId>,
    /// Changes with every change of a node's own properties.
    pub(crate) node_generation: u64,
    /// Changes with everything that may change a decision.
    pub(crate) generation: u64,
    order: Vec<NodeId>,
    order_stale: bool,
    pub(crate) pods: Slots<PodSlot>,
    pub(crate) pod_ids: BTreeMap<Arc<str>, PodId>,
    pub(crate) classes: Slots<Class>,
    pub(crate) class_ids: BTreeMap<Arc<PodClass>, ClassId>,
    pub(crate) tallies: Slots<Tally>,
    pub(crate) tally_ids: BTreeMap<TallyKey, TallyId>,
    pub(crate) neighbours: Neighbours,
    pub(crate) topologies: Topologies,
    pub(crate) rules: RuleBook,
    pub(crate) namespaces: BTreeMap<String, Labels>,
    pub(crate) storage: Storage,
    /// Placed pods by claim.
    pub(crate) claim_users: BTreeMap<ClaimKey, BTreeSet<PodId>>,
    pub(crate) budgets: Budgets,
    /// Placed pods by priority: whether there is anyone to preempt.
    pub(crate) priorities: BTreeMap<i32, usize>,
    /// For how many pods room is being made somewhere.
    pub(crate) nominations: usize,
}

impl Cluster {
    /// The labels of a namespace; none for one that is not known.
    pub(crate) fn namespace_labels(&self, name: &str) -> &Labels {
        static NONE: Labels = Labels::new();
        self.namespaces.get(name).unwrap_or(&NONE)
    }

    /// Notes a namespace's labels.
    pub(crate) fn set_namespace(&mut self, name: &str, labels: Option<Labels>) -> bool {
        let before = self.namespace_labels(name).clone();
        let after = labels.clone().unwrap_or_default();
        match labels {
            Some(labels) => self.namespaces.insert(name.to_owned(), labels),
            None => self.namespaces.remove(name),
        };
        let changed = before != after;
        if changed && self.classes.iter().any(|(_, class)| class.spec.namespace == name) {
            self.generation += 1;
            self.relink_all();
        }
        changed
    }

    pub(crate) fn node_id(&self, name: &str) -> Option<NodeId> {
        self.node_ids.get(name).copied()
    }

    fn slot_for(&mut self, name: &str) -> NodeId {
        if let Some(id) = self.node_id(name) {
            return id;
        }
        let name: Arc<str> = name.into();
        let id = self.nodes.insert(NodeSlot {
            name: Arc::clone(&name),
            ..NodeSlot::default()
        });
        if self.rooms.len() <= id {
            self.rooms.resize(id + 1, Room::default());
        }
        if let Some(room) = self.rooms.get_mut(id) {
            *room = Room::default();
        }
        self.node_ids.insert(name, id);
        id
    }

    /// Puts a node in, or brings it up to date. Answers what it was before.
    pub(crate) fn set_node(&mut self, node: Node) -> (NodeId, Option<Node>) {
        let id = self.slot_for(&node.name);
        let before = self.nodes.get_mut(id).and_then(|slot| slot.info.take());
        if before.as_ref() == Some(&node) {
            if let Some(slot) = self.nodes.get_mut(id) {
                slot.info = Some(node);
            }
            return (id, before);
        }
        self.generation += 1;
        if let Some(room) = self.rooms.get_mut(id) {
            room.cpu = node.allocatable.cpu;
            room.memory = node.allocatable.memory;
            room.ephemeral = node.allocatable.ephemeral;
            room.max_pods = node.max_pods;
        }
        let same_zone = before.as_ref().is_some_and(|before| before.zone() == node.zone());
        self.order_stale |= !same_zone;
        match &before {
            Some(before) if before.labels == node.labels => {
                if before.taints != node.taints {
                    self.judge_taints(id, &node);
                }
            }
            _ => {
                self.lift(id, before.as_ref());
                self.place(id, &node);
            }
        }
        self.renew(id, Some(node));
        (id, before)
    }

    /// Takes a node out; pods bound to it stay noted until they go themselves.
    pub(crate) fn remove_node(&mut self, name: &str) -> bool {
        let Some(id) = self.node_id(name) else { return false };
        let Some(before) = self.nodes.get_mut(id).and_then(|slot| slot.info.take()) else {
            return false;
        };
        self.generation += 1;
        self.order_stale = true;
        self.lift(id, Some(&before));
        self.renew(id, None);
        self.drop_if_unused(id);
        true
    }

    fn renew(&mut self, id: NodeId, info: Option<Node>) {
        self.node_generation += 1;
        if let Some(slot) = self.nodes.get_mut(id) {
            slot.info = info;
            slot.version = self.node_generation;
        }
    }

    fn lift(&mut self, id: NodeId, before: Option<&Node>) {
        for (_, tally) in self.tallies.iter_mut() {
            tally.lift(id);
        }
        if let Some(before) = before {
            self.topologies.leave(id, &before.labels);
        }
    }

    fn place(&mut self, id: NodeId, node: &Node) {
        self.topologies.enter(id, &node.labels);
        for (_, tally) in self.tallies.iter_mut() {
            let domain = self.topologies.domain(&tally.key.topology_key, id);
            tally.place(id, node, domain);
        }
    }

    /// Counts a node anew, or no more, where that depends on its taints. Its domains follow from its labels alone.
    fn judge_taints(&mut self, id: NodeId, node: &Node) {
        let judging = self
            .tallies
            .iter_mut()
            .filter(|(_, tally)| tally.key.scope.judges_taints());
        for (_, tally) in judging {
            let domain = tally.domain_of(id);
            tally.lift(id);
            tally.place(id, node, domain);
        }
    }

    fn drop_if_unused(&mut self, id: NodeId) {
        let unused = |slot: &NodeSlot| slot.info.is_none() && slot.pods.is_empty() && slot.nominated.is_empty();
        if self.nodes.get(id).is_some_and(unused)
            && let Some(slot) = self.nodes.remove(id)
        {
            self.node_ids.remove(&slot.name);
        }
    }

    /// The nodes in the order in which they are looked at: zone by zone in turn, by name within a zone.
    pub(crate) fn order(&mut self) -> &[NodeId] {
        if self.order_stale {
            self.order_stale = false;
            let mut zones: BTreeMap<(&str, &str), Vec<NodeId>> = BTreeMap::new();
            for id in self.node_ids.values() {
                if let Some(info) = self.nodes.get(*id).and_then(|slot| slot.info.as_ref()) {
                    zones.entry(info.zone()).or_default().push(*id);
                }
            }
            let longest = zones.values().map(Vec::len).max().unwrap_or(0);
            self.order = (0..longest)
                .flat_map(|nth| zones.values().filter_map(move |zone| zone.get(nth)))
                .copied()
                .collect();
        }
        &self.order
    }

    /// Brings the remembered answers to a class's node rules up to date.
    pub(crate) fn sync_rules(&mut self, class: ClassId) {
        let Some(rules) = self.classes.get(class).map(|class| class.links.rules) else {
            return;
        };
        let nodes = self.nodes.iter();
        let present = nodes.filter_map(|(id, slot)| Some((id, slot.version, slot.info.as_ref()?)));
        self.rules.sync(rules, self.node_generation, present);
    }

    /// Notes a pod, not yet placed.
    pub(crate) fn add_pod(&mut self, pod: Pod) -> PodId {
        let uid = Arc::clone(&pod.uid);
        let class = self.join_class(pod.class);
        let id = self.pods.insert(PodSlot {
            uid: Arc::clone(&uid),
            name: pod.name,
            class,
            claims: pod.claims.into_boxed_slice(),
            gated: !pod.gates.is_empty(),
            node: None,
            assumed: false,
            nominated: None,
            since: pod.since,
            terminating: pod.terminating,
            preempted: pod.preempted,
        });
        self.pod_ids.insert(uid, id);
        id
    }

    /// Forgets a pod wherever it is.
    pub(crate) fn drop_pod(&mut self, id: PodId) {
        self.unplace_pod(id);
        self.nominate(id, None);
        if let Some(pod) = self.pods.remove(id) {
            self.pod_ids.remove(&pod.uid);
            self.leave_class(pod.class);
        }
    }

    /// Counts a pod on a node.
    pub(crate) fn place_pod(&mut self, id: PodId, node_name: &str) {
        let node = self.slot_for(node_name);
        self.put(id, node);
    }

    /// Counts a pod on a node by the node's number.
    pub(crate) fn put(&mut self, id: PodId, node: NodeId) {
        let Some(pod) = self.pods.get_mut(id).filter(|pod| pod.node.is_none()) else {
            return;
        };
        pod.node = Some(node);
        self.shift(id, node, true);
    }

    /// Takes a pod off its node; answers the node.
    pub(crate) fn unplace_pod(&mut self, id: PodId) -> Option<NodeId> {
        let node = self.pods.get_mut(id)?.node.take()?;
        self.shift(id, node, false);
        self.drop_if_unused(node);
        Some(node)
    }

    /// Takes a pod off its node for a moment, to look at the cluster without it.
    pub(crate) fn lift_pod(&mut self, id: PodId) -> Option<NodeId> {
        let node = self.pods.get_mut(id)?.node.take()?;
        self.shift(id, node, false);
        Some(node)
    }

    fn shift(&mut self, id: PodId, node: NodeId, up: bool) {
        self.generation += 1;
        let Some(pod) = self.pods.get(id) else { return };
        let Some(class) = self.classes.get_mut(pod.class) else {
            return;
        };
        let placed = class.placed.entry(node).or_default();
        placed.all = step(placed.all, up);
        if !pod.terminating {
            placed.live = step(placed.live, up);
        }
        if placed.all == 0 {
            class.placed.remove(&node);
        }
        for (tally, live_only) in &class.counted_in {
            if let Some(tally) = self
                .tallies
                .get_mut(*tally)
                .filter(|_| !(*live_only && pod.terminating))
            {
                tally.count(node, up);
            }
        }
        if let Some(room) = self.rooms.get_mut(node) {
            room.shift(&class.spec.requests, up);
        }
        let with_priority = self.priorities.entry(class.spec.priority).or_default();
        *with_priority = if up {
            *with_priority + 1
        } else {
            with_priority.saturating_sub(1)
        };
        if *with_priority == 0 {
            self.priorities.remove(&class.spec.priority);
        }
        if let Some(slot) = self.nodes.get_mut(node) {
            slot.shift(id, &class.spec, up);
        }
        if !pod.claims.is_empty() {
            self.shift_claims(id, node, up);
        }
    }

    fn shift_claims(&mut self, id: PodId, node: NodeId, up: bool) {
        let Some(pod) = self.pods.get(id) else { return };
        let Some(class) = self.classes.get(pod.class) else {
            return;
        };
        for (name, _) in &pod.claims {
            let key = (class.spec.namespace.clone(), name.clone());
            if up {
                self.claim_users.entry(key).or_default().insert(id);
            } else if let Some(users) = self.claim_users.get_mut(&key) {
                users.remove(&id);
                if users.is_empty() {
                    self.claim_users.remove(&key);
                }
            }
        }
        let attachments = self.storage.attachments(&class.spec.namespace, &pod.claims);
        if let Some(slot) = self.nodes.get_mut(node) {
            for attachment in attachments {
                count(&mut slot.attached, attachment, up);
            }
        }
    }

    /// Notes that a pod terminates: spreading does not count it any more.
    pub(crate) fn set_terminating(&mut self, id: PodId, terminating: bool) {
        let Some(pod) = self.pods.get(id).filter(|pod| pod.terminating != terminating) else {
            return;
        };
        let node = pod.node;
        if let Some(node) = node {
            self.shift(id, node, false);
        }
        if let Some(pod) = self.pods.get_mut(id) {
            pod.terminating = terminating;
        }
        if let Some(node) = node {
            self.shift(id, node, true);
        }
    }

    /// Notes where room is being made for a pod.
    pub(crate) fn nominate(&mut self, id: PodId, node: Option<NodeId>) {
        let Some(pod) = self.pods.get_mut(id).filter(|pod| pod.nominated != node) else {
            return;
        };
        let before = std::mem::replace(&mut pod.nominated, node);
        self.nominations = self.nominations + usize::from(node.is_some()) - usize::from(before.is_some());
        self.generation += 1;
        if let Some(slot) = node.and_then(|node| self.nodes.get_mut(node)) {
            slot.nominated.insert(id);
        }
        if let Some(before) = before {
            if let Some(slot) = self.nodes.get_mut(before) {
                slot.nominated.remove(&id);
            }
            self.drop_if_unused(before);
        }
    }

    /// Changes storage objects, which decide what drivers have to attach for the pods that use these claims.
    pub(crate) fn set_storage(&mut self, claims: &[ClaimKey], change: impl FnOnce(&mut Storage)) {
        self.generation += 1;
        let users = claims.iter().filter_map(|claim| self.claim_users.get(claim));
        let pods: BTreeSet<PodId> = users.flatten().copied().collect();
        self.attach(&pods, false);
        change(&mut self.storage);
        self.attach(&pods, true);
    }

    /// Counts what is attached for placed pods, or takes it away.
    fn attach(&mut self, pods: &BTreeSet<PodId>, up: bool) {
        for pod in pods.iter().filter_map(|id| self.pods.get(*id)) {
            let class = self.classes.get(pod.class);
            let (Some(class), Some(slot)) = (class, pod.node.and_then(|node| self.nodes.get_mut(node))) else {
                continue;
            };
            for attachment in self.storage.attachments(&class.spec.namespace, &pod.claims) {
                count(&mut slot.attached, attachment, up);
            }
        }
    }

    /// The class of a pod.
    pub(crate) fn spec_of(&self, pod: PodId) -> Option<&Arc<PodClass>> {
        Some(&self.classes.get(self.pods.get(pod)?.class)?.spec)
    }
}

impl Room {
    fn shift(&mut self, requests: &Requests, up: bool) {
        let sign = if up { 1 } else { -1 };
        let add = |sum: &mut i64, amount: i64| *sum = sum.saturating_add(sign * amount);
        add(&mut self.used_cpu, requests.stated.cpu);
        add(&mut self.used_memory, requests.stated.memory);
        add(&mut self.used_ephemeral, requests.stated.ephemeral);
        add(&mut self.weighed_cpu, requests.weighed_cpu);
        add(&mut self.weighed_memory, requests.weighed_memory);
        add(&mut self.pods, 1);
    }
}

impl NodeSlot {
    fn shift(&mut self, pod: PodId, class: &PodClass, up: bool) {
        if up {
            self.pods.insert(pod);
            self.ports.extend(class.ports.iter().cloned());
        } else {
            self.pods.remove(&pod);
            for port in &class.ports {
                if let Some(at) = self.ports.iter().position(|other| other == port) {
                    self.ports.swap_remove(at);
                }
            }
        }
        for (name, amount) in &class.requests.stated.other {
            let used = self.used_other.entry(name.clone()).or_default();
            *used = if up {
                used.saturating_add(*amount)
            } else {
                used.saturating_sub(*amount)
            };
        }
    }
}

fn step(count: u32, up: bool) -> u32 {
    if up {
        count.saturating_add(1)
    } else {
        count.saturating_sub(1)
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K, up: bool) {
    if up {
        *counts.entry(key).or_default() += 1;
    } else if let Some(count) = counts.get_mut(&key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(&key);
        }
    }
}
