//! An ordered picture of one cluster with the indices that decisions need, kept up to date object by object.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::Timestamp;

use crate::budget::Budget;
use crate::guards::Guards;
use crate::names::{BudgetKey, NodeName, PodKey, PoolName};
use crate::node::{Block, NodeMark, NodeState};
use crate::pod::{PodKind, PodState, Termination};

/// Place of a pod in the view; valid until the pod is removed.
pub(crate) type PodSlot = usize;
/// Place of a budget in the view.
pub(crate) type BudgetSlot = usize;

#[derive(Debug, Clone)]
pub(crate) struct PodEntry {
    pub(crate) pod: PodState,
    pub(crate) budgets: Vec<BudgetSlot>,
}

#[derive(Debug, Clone)]
pub(crate) struct BudgetEntry {
    pub(crate) budget: Budget,
    pub(crate) pods: BTreeSet<PodSlot>,
}

/// Places that are reused, so that a change costs no more than the object that changed.
#[derive(Debug, Clone)]
struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    fn insert(&mut self, value: T) -> usize {
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.places.get_mut(slot)
        {
            *place = Some(value);
            return slot;
        }
        self.places.push(Some(value));
        self.places.len() - 1
    }

    fn get(&self, slot: usize) -> Option<&T> {
        self.places.get(slot).and_then(Option::as_ref)
    }

    fn get_mut(&mut self, slot: usize) -> Option<&mut T> {
        self.places.get_mut(slot).and_then(Option::as_mut)
    }

    fn remove(&mut self, slot: usize) -> Option<T> {
        let value = self.places.get_mut(slot).and_then(Option::take)?;
        self.free.push(slot);
        Some(value)
    }
}

/// What is known of one cluster at one time.
///
/// Feed it from watches with the `set_*` and `remove_*` methods; a change costs the logarithm of the cluster's size plus
/// the budgets of one namespace. The order in which objects arrive has no influence on any decision.
#[derive(Debug, Clone, Default)]
pub struct ClusterView {
    pods: Slab<PodEntry>,
    pod_slots: BTreeMap<PodKey, PodSlot>,
    budgets: Slab<BudgetEntry>,
    budget_slots: BTreeMap<BudgetKey, BudgetSlot>,
    budgets_of_namespace: BTreeMap<Box<str>, Guards>,
    nodes: BTreeMap<NodeName, NodeState>,
    pods_of_node: BTreeMap<NodeName, BTreeSet<PodSlot>>,
    /// Members of each StatefulSet, by namespace and name of the set.
    pods_of_set: BTreeMap<(Box<str>, Box<str>), BTreeSet<PodSlot>>,
    block: Option<Block>,
    /// Marked nodes whose drain has begun or whose machine goes away.
    going: BTreeSet<NodeName>,
    /// How many nodes each pool has.
    pools: BTreeMap<PoolName, usize>,
    /// How many pods of each node have to move and are bound to a zone by their volumes.
    bound: BTreeMap<NodeName, usize>,
    pool_changes: u64,
    place_changes: u64,
}

static EMPTY: BTreeSet<PodSlot> = BTreeSet::new();

impl ClusterView {
    /// A view of these objects; their order does not matter, and of two with the same name the later one counts.
    pub fn new(
        nodes: impl IntoIterator<Item = NodeState>,
        budgets: impl IntoIterator<Item = Budget>,
        pods: impl IntoIterator<Item = PodState>,
    ) -> Self {
        let mut view = Self::default();
        nodes.into_iter().for_each(|node| view.set_node(node));
        budgets.into_iter().for_each(|budget| view.set_budget(budget));
        pods.into_iter().for_each(|pod| view.set_pod(pod));
        view
    }

    /// Adds or replaces a node.
    pub fn set_node(&mut self, node: NodeState) {
        if self.nodes.get(&node.name) == Some(&node) {
            return;
        }
        self.remove_node(&node.name);
        if node.mark.as_ref().is_some_and(goes) {
            self.going.insert(node.name.clone());
        }
        if let Some(pool) = &node.pool {
            *self.pools.entry(pool.clone()).or_default() += 1;
        }
        self.nodes.insert(node.name.clone(), node);
    }

    /// Removes a node; its pods stay known until they are removed.
    pub fn remove_node(&mut self, name: &NodeName) -> Option<NodeState> {
        self.pool_changes += 1;
        let node = self.nodes.remove(name)?;
        self.going.remove(name);
        if let Some(pool) = &node.pool {
            count_down(&mut self.pools, pool);
        }
        Some(node)
    }

    /// Sets or lifts the cluster's update block.
    pub fn set_block(&mut self, block: Option<Block>) {
        self.block = block;
    }

    /// Adds or replaces a pod.
    pub fn set_pod(&mut self, pod: PodState) {
        if let Some(&slot) = self.pod_slots.get(&pod.key) {
            let same_place = self.pods.get(slot).is_some_and(|old| {
                old.pod.node == pod.node && old.pod.labels == pod.labels && set_of(&old.pod) == set_of(&pod)
            });
            // Most changes are of status only: the indices hold.
            if same_place {
                let Some(entry) = self.pods.get_mut(slot) else { return };
                let bound = entry.pod.stays() != pod.stays() || entry.pod.volume_zones != pod.volume_zones;
                self.pool_changes += u64::from(bound && (holds(&entry.pod) || holds(&pod)));
                self.place_changes += u64::from(bound);
                let (before, after) = (bound_node(&entry.pod), bound_node(&pod));
                if before != after {
                    if let Some(node) = before {
                        count_down(&mut self.bound, node);
                    }
                    if let Some(node) = after {
                        *self.bound.entry(node.clone()).or_default() += 1;
                    }
                }
                entry.pod = pod;
                return;
            }
            self.remove_pod(&pod.key);
        }
        let budgets: Vec<BudgetSlot> = self
            .budgets_of_namespace
            .get(&pod.key.namespace)
            .into_iter()
            .flat_map(|guards| guards.of(&pod.labels))
            .filter(|b| {
                self.budgets
                    .get(*b)
                    .is_some_and(|e| e.budget.selector.matches(&pod.labels))
            })
            .collect();
        self.place_changes += 1;
        self.pool_changes += u64::from(holds(&pod));
        if let Some(node) = bound_node(&pod) {
            *self.bound.entry(node.clone()).or_default() += 1;
        }
        let (key, node, set) = (pod.key.clone(), pod.node.clone(), set_of(&pod));
        let slot = self.pods.insert(PodEntry {
            pod,
            budgets: budgets.clone(),
        });
        for budget in budgets {
            if let Some(entry) = self.budgets.get_mut(budget) {
                entry.pods.insert(slot);
            }
        }
        if let Some(node) = node {
            self.pods_of_node.entry(node).or_default().insert(slot);
        }
        if let Some(set) = set {
            self.pods_of_set.entry(set).or_default().insert(slot);
        }
        self.pod_slots.insert(key, slot);
    }

    /// Removes a pod.
    pub fn remove_pod(&mut self, key: &PodKey) -> Option<PodState> {
        let slot = self.pod_slots.remove(key)?;
        let entry = self.pods.remove(slot)?;
        self.place_changes += 1;
        self.pool_changes += u64::from(holds(&entry.pod));
        if let Some(node) = bound_node(&entry.pod) {
            count_down(&mut self.bound, node);
        }
        for budget in &entry.budgets {
            if let Some(budget) = self.budgets.get_mut(*budget) {
                budget.pods.remove(&slot);
            }
        }
        if let Some(node) = &entry.pod.node {
            drop_from(&mut self.pods_of_node, node, slot);
        }
        if let Some(set) = set_of(&entry.pod) {
            drop_from(&mut self.pods_of_set, &set, slot);
        }
        Some(entry.pod)
    }

    /// Adds or replaces a budget.
    pub fn set_budget(&mut self, budget: Budget) {
        if let Some(&slot) = self.budget_slots.get(&budget.key) {
            if let Some(entry) = self.budgets.get_mut(slot)
                && entry.budget.selector == budget.selector
            {
                entry.budget = budget;
                return;
            }
            self.remove_budget(&budget.key);
        }
        let pods: BTreeSet<PodSlot> = self
            .pods_in(&budget.key.namespace)
            .filter(|(_, entry)| budget.selector.matches(&entry.pod.labels))
            .map(|(slot, _)| slot)
            .collect();
        let (key, selector) = (budget.key.clone(), budget.selector.clone());
        let slot = self.budgets.insert(BudgetEntry {
            budget,
            pods: pods.clone(),
        });
        for pod in pods {
            if let Some(entry) = self.pods.get_mut(pod) {
                entry.budgets.push(slot);
            }
        }
        self.budgets_of_namespace
            .entry(key.namespace.clone())
            .or_default()
            .add(&selector, slot);
        self.budget_slots.insert(key, slot);
    }

    /// Removes a budget.
    pub fn remove_budget(&mut self, key: &BudgetKey) -> Option<Budget> {
        let slot = self.budget_slots.remove(key)?;
        let entry = self.budgets.remove(slot)?;
        for pod in &entry.pods {
            if let Some(pod) = self.pods.get_mut(*pod) {
                pod.budgets.retain(|b| *b != slot);
            }
        }
        if let Some(guards) = self.budgets_of_namespace.get_mut(&key.namespace) {
            guards.remove(&entry.budget.selector, slot);
            if guards.is_empty() {
                self.budgets_of_namespace.remove(&key.namespace);
            }
        }
        Some(entry.budget)
    }

    /// Notes that an eviction of the pod was accepted at `at`, before a watch tells: the pod is on its way out and, if
    /// it was healthy, each of its budgets allows one disruption less. Nothing happens for an unknown pod.
    pub fn note_evicted(&mut self, key: &PodKey, at: Timestamp) {
        let Some(slot) = self.pod_slots.get(key).copied() else {
            return;
        };
        let Some(entry) = self.pods.get_mut(slot) else { return };
        let counted = entry.pod.is_healthy();
        entry.pod.terminating.get_or_insert(Termination {
            since: at,
            grace: entry.pod.grace,
        });
        if !counted {
            return;
        }
        for budget in entry.budgets.clone() {
            if let Some(entry) = self.budgets.get_mut(budget) {
                entry.budget.allowed = entry.budget.allowed.saturating_sub(1);
                entry.budget.healthy = entry.budget.healthy.saturating_sub(1);
            }
        }
    }

    /// Notes that the pod was force-terminated at `at`: as [`Self::note_evicted`], and the paces of its node and of its
    /// budgets start anew.
    pub fn note_forced(&mut self, key: &PodKey, at: Timestamp) {
        self.note_evicted(key, at);
        let Some(entry) = self.entry(key) else { return };
        let (node, budgets) = (entry.pod.node.clone(), entry.budgets.clone());
        for budget in budgets {
            if let Some(entry) = self.budgets.get_mut(budget) {
                entry.budget.last_forced = Some(at);
            }
        }
        let node = node.and_then(|name| self.nodes.get_mut(&name));
        if let Some(mark) = node.and_then(|node| node.mark.as_mut()) {
            mark.last_forced = Some(at);
        }
    }

    /// A pod by its key.
    #[must_use]
    pub fn pod(&self, key: &PodKey) -> Option<&PodState> {
        self.entry(key).map(|entry| &entry.pod)
    }

    /// A budget by its key.
    #[must_use]
    pub fn budget(&self, key: &BudgetKey) -> Option<&Budget> {
        let slot = self.budget_slots.get(key)?;
        self.budgets.get(*slot).map(|entry| &entry.budget)
    }

    /// A node by its name.
    #[must_use]
    pub fn node(&self, name: &NodeName) -> Option<&NodeState> {
        self.nodes.get(name)
    }

    /// All nodes by name.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeState> {
        self.nodes.values()
    }

    /// Marked nodes whose drain has begun or whose machine goes away, by name.
    pub(crate) fn going(&self) -> impl Iterator<Item = &NodeState> {
        self.going.iter().filter_map(|name| self.nodes.get(name))
    }

    /// The pools that nodes belong to.
    pub fn pools(&self) -> impl Iterator<Item = &PoolName> {
        self.pools.keys()
    }

    /// Pods that have to move are on the node whose volumes bind them to a zone.
    pub(crate) fn has_volumes(&self, node: &NodeName) -> bool {
        self.bound.contains_key(node)
    }

    /// All pods by key.
    pub fn pods(&self) -> impl Iterator<Item = &PodState> {
        self.pod_slots
            .values()
            .filter_map(|slot| self.pods.get(*slot))
            .map(|e| &e.pod)
    }

    /// All budgets by key.
    pub fn budgets(&self) -> impl Iterator<Item = &Budget> {
        self.budget_slots
            .values()
            .filter_map(|slot| self.budgets.get(*slot))
            .map(|e| &e.budget)
    }

    /// The pods of a node, in no order that means anything.
    pub fn pods_on(&self, node: &NodeName) -> impl Iterator<Item = &PodState> {
        self.entries_on(node).map(|(_, entry)| &entry.pod)
    }

    /// The budgets that guard a pod, by key.
    #[must_use]
    pub fn budgets_of(&self, key: &PodKey) -> Vec<&Budget> {
        let mut all: Vec<&Budget> = self
            .entry(key)
            .map(|entry| self.budgets_at(entry).collect())
            .unwrap_or_default();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        all
    }

    /// The pods that a budget guards, by key.
    #[must_use]
    pub fn pods_under(&self, key: &BudgetKey) -> Vec<&PodState> {
        let entry = self.budget_slots.get(key).and_then(|slot| self.budgets.get(*slot));
        let pods = entry.into_iter().flat_map(|entry| &entry.pods);
        let mut all: Vec<&PodState> = pods.filter_map(|slot| self.pods.get(*slot)).map(|e| &e.pod).collect();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        all
    }

    /// The cluster's update block.
    #[must_use]
    pub fn block(&self) -> Option<&Block> {
        self.block.as_ref()
    }

    /// Grows whenever something changes that [`decide_pool`](crate::decide_pool) looks at, but for the block: nodes, and pods
    /// that have volumes in a zone or belong to a StatefulSet. Where it is what it was, so is the decision, until the time that
    /// the decision itself names.
    #[must_use]
    pub fn pool_changes(&self) -> u64 {
        self.pool_changes
    }

    /// Grows whenever a pod comes to a node, leaves it, or ends: what a pool also looks at whose old nodes are ended together.
    #[must_use]
    pub fn place_changes(&self) -> u64 {
        self.place_changes
    }

    pub(crate) fn slot(&self, key: &PodKey) -> Option<PodSlot> {
        self.pod_slots.get(key).copied()
    }

    pub(crate) fn entry_at(&self, slot: PodSlot) -> Option<&PodEntry> {
        self.pods.get(slot)
    }

    pub(crate) fn budget_at(&self, slot: BudgetSlot) -> Option<&BudgetEntry> {
        self.budgets.get(slot)
    }

    pub(crate) fn entries_on(&self, node: &NodeName) -> impl Iterator<Item = (PodSlot, &PodEntry)> {
        let slots = self.pods_of_node.get(node).unwrap_or(&EMPTY);
        slots.iter().filter_map(|slot| Some((*slot, self.pods.get(*slot)?)))
    }

    /// The members of the StatefulSet that the pod belongs to, the pod among them.
    pub(crate) fn set_members(&self, pod: &PodState) -> &BTreeSet<PodSlot> {
        set_of(pod).and_then(|set| self.pods_of_set.get(&set)).unwrap_or(&EMPTY)
    }

    fn entry(&self, key: &PodKey) -> Option<&PodEntry> {
        self.pods.get(self.slot(key)?)
    }

    fn budgets_at(&self, entry: &PodEntry) -> impl Iterator<Item = &Budget> {
        entry
            .budgets
            .iter()
            .filter_map(|slot| self.budgets.get(*slot))
            .map(|e| &e.budget)
    }

    fn pods_in(&self, namespace: &str) -> impl Iterator<Item = (PodSlot, &PodEntry)> {
        let start = PodKey::new(namespace, "");
        self.pod_slots
            .range((Bound::Included(start), Bound::Unbounded))
            .take_while(move |(key, _)| *key.namespace == *namespace)
            .filter_map(|(_, slot)| Some((*slot, self.pods.get(*slot)?)))
    }
}

/// Namespace and name of the StatefulSet that a pod belongs to.
pub(crate) fn set_of(pod: &PodState) -> Option<(Box<str>, Box<str>)> {
    match &pod.kind {
        PodKind::StatefulSet { owner, .. } => Some((pod.key.namespace.clone(), owner.name.clone())),
        _ => None,
    }
}

/// The pod has a say in whose turn it is: its volumes bind it to a zone, or its set has other members.
fn holds(pod: &PodState) -> bool {
    !pod.volume_zones.is_empty() || set_of(pod).is_some()
}

/// The node that the pod has to leave for another one in the zone of its volumes.
fn bound_node(pod: &PodState) -> Option<&NodeName> {
    pod.node
        .as_ref()
        .filter(|_| !pod.stays() && !pod.volume_zones.is_empty())
}

/// Something happens to the pods of a node with this mark.
fn goes(mark: &NodeMark) -> bool {
    mark.draining.is_some() || mark.machine_ends.is_some()
}

fn count_down<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn drop_from<K: Ord + Clone>(index: &mut BTreeMap<K, BTreeSet<usize>>, key: &K, slot: usize) {
    if let Some(slots) = index.get_mut(key) {
        slots.remove(&slot);
        if slots.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
