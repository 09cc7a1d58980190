//! Typed caches: each pod and node is read once per change into a compact view; the rest is found by index.

mod node;
mod objects;
mod pod;
mod postings;
mod resources;

use std::collections::BTreeMap;
use std::sync::Arc;

use kube_sim::{LabelSelector, Stored};

use objects::Objects;
use postings::Postings;

use crate::engine::Change;
use crate::kind::Kind;

pub use node::{NodeTaint, NodeView};
pub use pod::{ContainerRequests, NamedPort, Owner, Phase, PodMeasures, PodNetwork, PodView};
pub use resources::Amounts;

/// Namespace and name of a pod.
type PodKey = (Arc<str>, Arc<str>);

/// Pods in order. Indexes hold the views themselves: what they find is looked at at once, and a search by name for each pod
/// would cost more than the look.
type Pods = BTreeMap<PodKey, Arc<PodView>>;

/// The pods and nodes of a cluster, with indexes.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    pods: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<PodView>>>,
    by_node: BTreeMap<Arc<str>, Pods>,
    by_owner: BTreeMap<Arc<str>, Pods>,
    by_label: Postings<Arc<PodView>>,
    /// Pods by the claims that they name.
    by_claim: Postings,
    nodes: BTreeMap<Arc<str>, Arc<NodeView>>,
    /// Everything else that is indexed.
    pub(crate) objects: Objects,
    pool: pod::Pool,
    /// How many pods have ended and are still there.
    ended: usize,
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

/// What stands for a label in the index of claims.
const CLAIM: &str = "claim";

impl Caches {
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<PodView>> {
        self.pods.get(namespace)?.get(name)
    }

    pub(crate) fn pods<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        let (one, all) = if namespace.is_empty() {
            (None, Some(&self.pods))
        } else {
            (self.pods.get(namespace), None)
        };
        let all = all.into_iter().flat_map(BTreeMap::values);
        one.into_iter().chain(all).flat_map(BTreeMap::values)
    }

    pub(crate) fn pods_on<'a>(&'a self, node: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        self.by_node.get(node).into_iter().flat_map(BTreeMap::values)
    }

    pub(crate) fn pods_of<'a>(&'a self, owner_uid: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        self.by_owner.get(owner_uid).into_iter().flat_map(BTreeMap::values)
    }

    /// The pods of a namespace that nobody controls, in order.
    pub(crate) fn orphans<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        let namespace: Arc<str> = namespace.into();
        let first = (namespace.clone(), Arc::from(""));
        let all = self.by_owner.get("").map(|pods| pods.range(first..));
        let pods = all.into_iter().flatten();
        pods.take_while(move |((found, _), _)| *found == namespace)
            .map(|(_, pod)| pod)
    }

    /// The pods of a namespace that a selector finds, in order.
    pub(crate) fn selected<'a>(&'a self, namespace: &str, selector: &LabelSelector) -> Vec<&'a Arc<PodView>> {
        let mut fits = by_labels(|pod| selector.matches_with(|key| pod.label(key)));
        let mut equal = selector.equalities().peekable();
        if equal.peek().is_none() {
            return self.pods(namespace).filter(|pod| fits(pod)).collect();
        }
        // The rarest of the labels has the fewest candidates; where one is on no pod, nothing is found.
        let mut rarest: Option<&BTreeMap<Arc<str>, Arc<PodView>>> = None;
        for (key, value) in equal {
            let Some(pods) = self.by_label.names(namespace, key, value) else {
                return Vec::new();
            };
            if rarest.is_none_or(|rarest| pods.len() < rarest.len()) {
                rarest = Some(pods);
            }
        }
        let pods = rarest.into_iter().flat_map(BTreeMap::values);
        pods.filter(|pod| fits(pod)).collect()
    }

    /// The pods that name a claim among their volumes, in order.
    pub(crate) fn claim_users<'a>(&'a self, namespace: &str, claim: &str) -> Vec<&'a Arc<PodView>> {
        let names = self.by_claim.names(namespace, CLAIM, claim).into_iter();
        names
            .flat_map(BTreeMap::keys)
            .filter_map(|name| self.pod(namespace, name))
            .collect()
    }

    /// How many pods have ended and are still there.
    pub(crate) fn ended(&self) -> usize {
        self.ended
    }

    pub(crate) fn node(&self, name: &str) -> Option<&Arc<NodeView>> {
        self.nodes.get(name)
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Arc<NodeView>> {
        self.nodes.values()
    }

    /// Takes a write in, and gives it the views of the pod or node that it is about.
    pub(crate) fn take_in(&mut self, change: &mut Change) {
        match change.key.kind {
            Kind::POD => {
                let (before, after) = self.put_pod(&change.key.namespace, &change.key.name, change.stored_after());
                (change.pod_before, change.pod_after) = (before, after);
            }
            Kind::NODE => {
                let (before, after) = self.put_node(&change.key.name, change.stored_after());
                (change.node_before, change.node_after) = (before, after);
            }
            kind if Objects::concerns(kind) && !Objects::is_spared(change) => {
                self.objects.put(&change.key, change.after())
            }
            _ => {}
        }
    }

    /// Takes a pod's new state in (none: it is gone) and returns its old and new view.
    fn put_pod(
        &mut self,
        namespace: &str,
        name: &str,
        after: Option<&Stored>,
    ) -> (Option<Arc<PodView>>, Option<Arc<PodView>>) {
        let before = self.pod(namespace, name).cloned();
        let after = after
            .and_then(|stored| match before.as_deref().filter(|_| stored.is_status_only()) {
                Some(before) => PodView::read_status(stored, before),
                None => PodView::read(stored, &mut self.pool),
            })
            .map(Arc::new);
        let key = match before.as_ref().or(after.as_ref()) {
            Some(pod) => (pod.namespace.clone(), pod.name.clone()),
            None => return (None, None),
        };
        let places = |pod: &Option<Arc<PodView>>| {
            let node = pod.as_ref().and_then(|pod| pod.node.clone());
            // Pods without a controller are found under the empty uid: controllers look there for orphans to adopt.
            let uid = |pod: &Arc<PodView>| {
                pod.controller
                    .as_ref()
                    .map_or_else(|| "".into(), |owner| owner.uid.clone())
            };
            let owner: Option<Arc<str>> = pod.as_ref().map(uid);
            (node, owner)
        };
        let ((old_node, old_owner), (new_node, new_owner)) = (places(&before), places(&after));
        reindex(&mut self.by_node, &key, old_node, new_node.zip(after.as_ref()));
        reindex(&mut self.by_owner, &key, old_owner, new_owner.zip(after.as_ref()));
        self.relabel(&key, before.as_deref(), after.as_ref());
        let has_ended =
            |pod: &Option<Arc<PodView>>| usize::from(pod.as_ref().is_some_and(|pod| pod.phase.is_terminal()));
        self.ended = self.ended.saturating_sub(has_ended(&before)) + has_ended(&after);
        match &after {
            Some(pod) => {
                let pods = match self.pods.get_mut(&key.0) {
                    Some(pods) => pods,
                    None => self.pods.entry(key.0).or_default(),
                };
                pods.insert(key.1, pod.clone());
            }
            None => {
                if let Some(pods) = self.pods.get_mut(&key.0) {
                    pods.remove(&key.1);
                    if pods.is_empty() {
                        self.pods.remove(&key.0);
                    }
                }
            }
        }
        (before, after)
    }

    /// Brings the indexes of labels and claims up to a pod's new state.
    fn relabel(&mut self, (namespace, name): &PodKey, before: Option<&PodView>, after: Option<&Arc<PodView>>) {
        let labels = |pod: &PodView| pod.labels.clone();
        let (old, new) = (before.map(labels), after.map(|pod| labels(pod)));
        if old != new {
            for (key, value) in old.iter().flat_map(|labels| labels.iter()) {
                self.by_label.remove(namespace, key, value, name);
            }
        }
        if let Some(pod) = after {
            for (key, value) in pod.labels.iter() {
                self.by_label.add(namespace, key, value, name, pod.clone());
            }
        }
        let old = before.map_or(&[][..], |pod| &pod.claims);
        let new = after.map_or(&[][..], |pod| &pod.claims);
        if old != new {
            for claim in old {
                self.by_claim.remove(namespace, CLAIM, claim, name);
            }
            for claim in new {
                self.by_claim.add(namespace, CLAIM, claim, name, ());
            }
        }
    }

    /// Takes a node's new state in (none: it is gone) and returns its old and new view.
    fn put_node(&mut self, name: &str, after: Option<&Stored>) -> (Option<Arc<NodeView>>, Option<Arc<NodeView>>) {
        let after = after.map(|stored| Arc::new(NodeView::read(stored)));
        let before = match &after {
            Some(node) => self.nodes.insert(node.name.clone(), node.clone()),
            None => self.nodes.remove(name),
        };
        (before, after)
    }
}

/// Moves a pod from one place of an index to another one, or brings the view that is found there up to date.
fn reindex(
    index: &mut BTreeMap<Arc<str>, Pods>,
    key: &PodKey,
    before: Option<Arc<str>>,
    after: Option<(Arc<str>, &Arc<PodView>)>,
) {
    if let Some(place) = before.filter(|place| after.as_ref().is_none_or(|(new, _)| new != place))
        && let Some(pods) = index.get_mut(&place)
    {
        pods.remove(key);
        if pods.is_empty() {
            index.remove(&place);
        }
    }
    if let Some((place, pod)) = after {
        index.entry(place).or_default().insert(key.clone(), pod.clone());
    }
}
