//! Typed caches: each pod and node is read once per change into a compact view; the rest is found by index.

mod node;
mod pod;
mod resources;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use kube_sim::Stored;

pub use node::{NodeTaint, NodeView};
pub use pod::{Owner, Phase, PodView};
pub use resources::Amounts;

/// Namespace and name of a pod.
type PodKey = (Arc<str>, Arc<str>);

/// The pods and nodes of a cluster, with indexes.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    pods: BTreeMap<PodKey, Arc<PodView>>,
    by_node: BTreeMap<Arc<str>, BTreeSet<PodKey>>,
    by_owner: BTreeMap<Arc<str>, BTreeSet<PodKey>>,
    nodes: BTreeMap<Arc<str>, Arc<NodeView>>,
    pool: pod::Pool,
}

impl Caches {
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<PodView>> {
        self.pods.get(&(namespace.into(), name.into()))
    }

    pub(crate) fn pods<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        let wanted: Arc<str> = namespace.into();
        let first = Bound::Included((wanted.clone(), Arc::from("")));
        self.pods
            .range((first, Bound::Unbounded))
            .take_while(move |((namespace, _), _)| wanted.is_empty() || *namespace == wanted)
            .map(|(_, pod)| pod)
    }

    fn listed<'a>(&'a self, keys: Option<&'a BTreeSet<PodKey>>) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        keys.into_iter().flatten().filter_map(|key| self.pods.get(key))
    }

    pub(crate) fn pods_on<'a>(&'a self, node: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        self.listed(self.by_node.get(node))
    }

    pub(crate) fn pods_of<'a>(&'a self, owner_uid: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        self.listed(self.by_owner.get(owner_uid))
    }

    pub(crate) fn node(&self, name: &str) -> Option<&Arc<NodeView>> {
        self.nodes.get(name)
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Arc<NodeView>> {
        self.nodes.values()
    }

    /// Takes a pod's new state in (none: it is gone) and returns its old and new view.
    pub(crate) fn put_pod(
        &mut self,
        namespace: &str,
        name: &str,
        after: Option<&Stored>,
    ) -> (Option<Arc<PodView>>, Option<Arc<PodView>>) {
        let found = self.pods.get_key_value(&(namespace.into(), name.into()));
        let key = found.map(|(key, _)| key.clone());
        let before = found.map(|(_, pod)| pod.clone());
        let after = after
            .and_then(|stored| PodView::read(stored, &mut self.pool))
            .map(Arc::new);
        let key = key.unwrap_or_else(|| match &after {
            Some(pod) => (pod.namespace.clone(), pod.name.clone()),
            None => (namespace.into(), name.into()),
        });
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
        reindex(&mut self.by_node, &key, old_node, new_node);
        reindex(&mut self.by_owner, &key, old_owner, new_owner);
        match &after {
            Some(pod) => {
                self.pods.insert(key, pod.clone());
            }
            None => {
                self.pods.remove(&key);
            }
        }
        (before, after)
    }

    /// Takes a node's new state in (none: it is gone) and returns its old and new view.
    pub(crate) fn put_node(
        &mut self,
        name: &str,
        after: Option<&Stored>,
    ) -> (Option<Arc<NodeView>>, Option<Arc<NodeView>>) {
        let after = after.map(|stored| Arc::new(NodeView::read(stored)));
        let before = match &after {
            Some(node) => self.nodes.insert(node.name.clone(), node.clone()),
            None => self.nodes.remove(name),
        };
        (before, after)
    }
}

fn reindex(
    index: &mut BTreeMap<Arc<str>, BTreeSet<PodKey>>,
    key: &PodKey,
    before: Option<Arc<str>>,
    after: Option<Arc<str>>,
) {
    if before == after {
        return;
    }
    if let Some(place) = before
        && let Some(keys) = index.get_mut(&place)
    {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(&place);
        }
    }
    if let Some(place) = after {
        index.entry(place).or_default().insert(key.clone());
    }
}
