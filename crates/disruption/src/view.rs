//! An ordered picture of one cluster with the indices that decisions need, kept up to date object by object.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::Timestamp;

use crate::budget::Budget;
use crate::names::{BudgetKey, NodeName, PodKey};
use crate::node::{Block, NodeState};
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
    budgets_of_namespace: BTreeMap<Box<str>, BTreeSet<BudgetSlot>>,
    nodes: BTreeMap<NodeName, NodeState>,
    pods_of_node: BTreeMap<NodeName, BTreeSet<PodSlot>>,
    /// Members of each StatefulSet, by namespace and name of the set.
    pods_of_set: BTreeMap<(Box<str>, Box<str>), BTreeSet<PodSlot>>,
    block: Option<Block>,
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
        self.nodes.insert(node.name.clone(), node);
    }

    /// Removes a node; its pods stay known until they are removed.
    pub fn remove_node(&mut self, name: &NodeName) -> Option<NodeState> {
        self.nodes.remove(name)
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
                if let Some(entry) = self.pods.get_mut(slot) {
                    entry.pod = pod;
                }
                return;
            }
            self.remove_pod(&pod.key);
        }
        let budgets: Vec<BudgetSlot> = self
            .budgets_of_namespace
            .get(&pod.key.namespace)
            .into_iter()
            .flatten()
            .copied()
            .filter(|b| {
                self.budgets
                    .get(*b)
                    .is_some_and(|e| e.budget.selector.matches(&pod.labels))
            })
            .collect();
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
        let key = budget.key.clone();
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
            .insert(slot);
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
        drop_from(&mut self.budgets_of_namespace, &key.namespace, slot);
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
