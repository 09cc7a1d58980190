//! Typed caches: each pod and node is read once per change into a compact view; the rest is found by index.

mod node;
mod objects;
mod pod;
mod pods;
mod postings;
mod raw;
mod resources;

use std::collections::BTreeMap;
use std::sync::Arc;

use kube_sim::{LabelSelector, Stored};

use objects::Objects;
use pods::Pods;

use crate::engine::Change;
use crate::kind::Kind;

pub use node::{NodeTaint, NodeView};
pub use pod::{ContainerRequests, NamedPort, Owner, Phase, PodMeasures, PodNetwork, PodView};
pub(crate) use pods::by_labels;
pub use resources::Amounts;

/// The pods and nodes of a cluster, with indexes.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    pods: Pods,
    nodes: BTreeMap<Arc<str>, Arc<NodeView>>,
    /// Everything else that is indexed.
    pub(crate) objects: Objects,
}

impl Caches {
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<PodView>> {
        self.pods.get(namespace, name)
    }

    pub(crate) fn pods<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        self.pods.of_namespace(namespace)
    }

    pub(crate) fn pods_on<'a>(&'a self, node: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        self.pods.on_node(node)
    }

    pub(crate) fn pods_of<'a>(&'a self, owner_uid: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        self.pods.of_owner(owner_uid)
    }

    /// The pods of a namespace that nobody controls, in order.
    pub(crate) fn orphans<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        self.pods.orphans(namespace)
    }

    /// The pods of a namespace that a selector finds, in order.
    pub(crate) fn selected<'a>(&'a self, namespace: &str, selector: &LabelSelector) -> Vec<&'a Arc<PodView>> {
        self.pods.selected(namespace, selector)
    }

    /// The pods that name a claim among their volumes, in order.
    pub(crate) fn claim_users<'a>(&'a self, namespace: &str, claim: &str) -> Vec<&'a Arc<PodView>> {
        self.pods.claim_users(namespace, claim)
    }

    /// How many pods have ended and are still there.
    pub(crate) fn ended(&self) -> usize {
        self.pods.ended()
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
                let (before, after) = self.pods.put(change);
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
