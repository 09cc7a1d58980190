//! All pods of a cluster, and what finds them: their nodes, owners, labels and claims.
//!
//! Indexes hold places, and one place holds the view of a pod. Most changes of pods are changes of their status, which move nothing
//! in any index: such a change looks the pod up once and puts its new view in its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube_sim::LabelSelector;

use super::pod::{PodView, Pool};
use super::postings::Postings;
use crate::by_hash::{Found, Names};
use crate::engine::Change;

/// Namespace and name of a pod.
type PodKey = (Arc<str>, Arc<str>);

/// Where the view of a pod is.
type Slot = usize;

/// Places of pods in order.
type Slots = BTreeMap<PodKey, Slot>;

/// What stands for a label in the index of claims.
const CLAIM: &str = "claim";

/// The pods of a cluster, with indexes.
#[derive(Debug, Default)]
pub(super) struct Pods {
    views: Views,
    slots: Found<PodKey, Slot>,
    /// The same in order.
    all: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Slot>>,
    by_node: Found<Arc<str>, Slots>,
    by_owner: Found<Arc<str>, Slots>,
    by_label: Postings<Slot>,
    /// Pods by the claims that they name.
    by_claim: Postings<Slot>,
    pool: Pool,
    /// How many pods have ended and are still there.
    ended: usize,
}

/// The views in their places. A place that is free is given to the next pod.
#[derive(Debug, Default)]
struct Views {
    views: Vec<Option<Arc<PodView>>>,
    free: Vec<Slot>,
}

impl Views {
    fn get(&self, slot: Slot) -> Option<&Arc<PodView>> {
        self.views.get(slot)?.as_ref()
    }

    fn add(&mut self, view: Arc<PodView>) -> Slot {
        let slot = self.free.pop().unwrap_or(self.views.len());
        if slot == self.views.len() {
            self.views.push(Some(view));
        } else {
            self.set(slot, Some(view));
        }
        slot
    }

    fn set(&mut self, slot: Slot, view: Option<Arc<PodView>>) {
        if view.is_none() {
            self.free.push(slot);
        }
        if let Some(place) = self.views.get_mut(slot) {
            *place = view;
        }
    }
}

/// Asks something of pods that their labels alone decide. Pods of one template share their labels, so the answer for one is the
/// answer for the next.
pub(crate) fn by_labels<'a>(judge: impl Fn(&PodView) -> bool) -> impl FnMut(&'a Arc<PodView>) -> bool {
    let mut known = None;
    move |pod| match known {
        Some((labels, answer)) if Arc::ptr_eq(labels, &pod.labels) => answer,
        _ => {
            let answer = judge(pod);
            known = Some((&pod.labels, answer));
            answer
        }
    }
}

impl Pods {
    fn slot(&self, namespace: &str, name: &str) -> Option<Slot> {
        self.slots.get(&Names(namespace, name)).copied()
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<PodView>> {
        self.views.get(self.slot(namespace, name)?)
    }

    /// The pods of a namespace (of all where it is empty), in order.
    pub(super) fn of_namespace<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        let (one, all) = if namespace.is_empty() {
            (None, Some(&self.all))
        } else {
            (self.all.get(namespace), None)
        };
        let all = all.into_iter().flat_map(BTreeMap::values);
        let slots = one.into_iter().chain(all).flat_map(BTreeMap::values);
        slots.filter_map(|slot| self.views.get(*slot))
    }

    pub(super) fn on_node<'a>(&'a self, node: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        let slots = self.by_node.get(node).into_iter().flat_map(BTreeMap::values);
        slots.filter_map(|slot| self.views.get(*slot))
    }

    pub(super) fn of_owner<'a>(&'a self, uid: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        let slots = self.by_owner.get(uid).into_iter().flat_map(BTreeMap::values);
        slots.filter_map(|slot| self.views.get(*slot))
    }

    /// The pods of a namespace that nobody controls, in order.
    pub(super) fn orphans<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        let namespace: Arc<str> = namespace.into();
        let first = (namespace.clone(), Arc::from(""));
        let all = self.by_owner.get("").map(|pods| pods.range(first..));
        let pods = all.into_iter().flatten();
        pods.take_while(move |((found, _), _)| *found == namespace)
            .filter_map(|(_, slot)| self.views.get(*slot))
    }

    /// The pods of a namespace that a selector finds, in order.
    pub(super) fn selected<'a>(&'a self, namespace: &str, selector: &LabelSelector) -> Vec<&'a Arc<PodView>> {
        let mut fits = by_labels(|pod| selector.matches_with(|key| pod.label(key)));
        let mut equal = selector.equalities().peekable();
        if equal.peek().is_none() {
            return self.of_namespace(namespace).filter(|pod| fits(pod)).collect();
        }
        // The rarest of the labels has the fewest candidates; where one is on no pod, nothing is found.
        let mut rarest: Option<&BTreeMap<Arc<str>, Slot>> = None;
        for (key, value) in equal {
            let Some(pods) = self.by_label.names(namespace, key, value) else {
                return Vec::new();
            };
            if rarest.is_none_or(|rarest| pods.len() < rarest.len()) {
                rarest = Some(pods);
            }
        }
        let slots = rarest.into_iter().flat_map(BTreeMap::values);
        let pods = slots.filter_map(|slot| self.views.get(*slot));
        pods.filter(|pod| fits(pod)).collect()
    }

    /// The pods that name a claim among their volumes, in order.
    pub(super) fn claim_users<'a>(&'a self, namespace: &str, claim: &str) -> Vec<&'a Arc<PodView>> {
        let slots = self.by_claim.names(namespace, CLAIM, claim).into_iter();
        slots
            .flat_map(BTreeMap::values)
            .filter_map(|slot| self.views.get(*slot))
            .collect()
    }

    pub(super) fn ended(&self) -> usize {
        self.ended
    }

    /// Takes a pod's new state in and returns its old and new view.
    pub(super) fn put(&mut self, change: &Change) -> (Option<Arc<PodView>>, Option<Arc<PodView>>) {
        let (namespace, name) = (&*change.key.namespace, &*change.key.name);
        let slot = self.slot(namespace, name);
        let before = slot.and_then(|slot| self.views.get(slot)).cloned();
        let after = change.stored_after().and_then(|stored| {
            let known = before.as_deref().zip(change.stored_before());
            known
                .filter(|(before, old)| before.version == old.version())
                .and_then(|(before, old)| {
                    if stored.is_status_only() {
                        PodView::read_status(stored, before)
                    } else {
                        PodView::read_fate(stored, before, old, &mut self.pool)
                    }
                })
                .or_else(|| PodView::read(stored, &mut self.pool))
                .map(Arc::new)
        });
        #[cfg(test)]
        assert_eq!(
            after.as_deref(),
            change
                .stored_after()
                .and_then(|stored| PodView::read_bytes(stored, &mut self.pool))
                .as_ref(),
            "every way to read a pod says the same"
        );
        let has_ended =
            |pod: &Option<Arc<PodView>>| usize::from(pod.as_ref().is_some_and(|pod| pod.phase.is_terminal()));
        self.ended = self.ended.saturating_sub(has_ended(&before)) + has_ended(&after);
        match (slot, &before, &after) {
            (Some(slot), Some(old), Some(new)) => {
                self.views.set(slot, Some(new.clone()));
                self.reindex(slot, Some(old), Some(new));
            }
            (Some(slot), Some(old), None) => {
                self.reindex(slot, Some(old), None);
                self.views.set(slot, None);
                self.slots.remove(&Names(namespace, name));
                take_from(&mut self.all, namespace, name);
            }
            (_, _, Some(new)) => {
                let slot = self.views.add(new.clone());
                self.slots.insert((new.namespace.clone(), new.name.clone()), slot);
                let pods = self.all.entry(new.namespace.clone()).or_default();
                pods.insert(new.name.clone(), slot);
                self.reindex(slot, None, Some(new));
            }
            (_, _, None) => {}
        }
        (before, after)
    }

    /// Brings the indexes up to a pod's new state.
    fn reindex(&mut self, slot: Slot, before: Option<&PodView>, after: Option<&PodView>) {
        let node = |pod: Option<&PodView>| pod.and_then(|pod| pod.node.clone());
        moved(&mut self.by_node, slot, (before, node(before)), (after, node(after)));
        // Pods without a controller are found under the empty uid: controllers look there for orphans to adopt.
        let owner = |pod: &PodView| {
            pod.controller
                .as_ref()
                .map_or_else(|| "".into(), |owner| owner.uid.clone())
        };
        let owners = (before.map(owner), after.map(owner));
        moved(&mut self.by_owner, slot, (before, owners.0), (after, owners.1));
        self.relabel(slot, before, after);
    }

    fn relabel(&mut self, slot: Slot, before: Option<&PodView>, after: Option<&PodView>) {
        if before.map(|pod| &pod.labels) != after.map(|pod| &pod.labels) {
            if let Some(pod) = before {
                for (key, value) in pod.labels.iter() {
                    self.by_label.remove(&pod.namespace, key, value, &pod.name);
                }
            }
            if let Some(pod) = after {
                for (key, value) in pod.labels.iter() {
                    self.by_label.add(&pod.namespace, key, value, &pod.name, slot);
                }
            }
        }
        if before.map(|pod| &pod.claims) != after.map(|pod| &pod.claims) {
            if let Some(pod) = before {
                for claim in &pod.claims {
                    self.by_claim.remove(&pod.namespace, CLAIM, claim, &pod.name);
                }
            }
            if let Some(pod) = after {
                for claim in &pod.claims {
                    self.by_claim.add(&pod.namespace, CLAIM, claim, &pod.name, slot);
                }
            }
        }
    }
}

/// Moves a pod from one group of an index to another one; nothing is done where it stays.
fn moved(
    index: &mut Found<Arc<str>, Slots>,
    slot: Slot,
    (before, old): (Option<&PodView>, Option<Arc<str>>),
    (after, new): (Option<&PodView>, Option<Arc<str>>),
) {
    if old == new {
        return;
    }
    let key = |pod: &PodView| (pod.namespace.clone(), pod.name.clone());
    if let Some((pod, group)) = before.zip(old)
        && let Some(pods) = index.get_mut(&group)
    {
        pods.remove(&key(pod));
        if pods.is_empty() {
            index.remove(&group);
        }
    }
    if let Some((pod, group)) = after.zip(new) {
        index.entry(group).or_default().insert(key(pod), slot);
    }
}

fn take_from(all: &mut BTreeMap<Arc<str>, BTreeMap<Arc<str>, Slot>>, namespace: &str, name: &str) {
    if let Some(pods) = all.get_mut(namespace) {
        pods.remove(name);
        if pods.is_empty() {
            all.remove(namespace);
        }
    }
}
