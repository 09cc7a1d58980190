//! What planners see: the time, the typed caches, and every object of the server.

use std::sync::Arc;

use jiff::Timestamp;
use json_tree::Value;
use kube_sim::{ApiServer, LabelSelector, Stored};

use crate::cache::{Caches, NodeView, PodView};
use crate::kind::{Key, Kind};
use crate::nodes::{Machine, Machines};

/// A consistent picture of the cluster for one plan.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The time of the plan.
    pub now: Timestamp,
    pub(crate) server: &'a ApiServer,
    pub(crate) caches: &'a Caches,
    pub(crate) machines: &'a Machines,
}

impl<'a> View<'a> {
    /// The tree of an object. Parses it where it was not used for a while; pods and nodes are cheaper through [`View::pod`] and
    /// [`View::node`].
    #[must_use]
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let namespace = if kind.namespaced { namespace } else { "" };
        self.server.tree(kind.group, kind.resource, namespace, name)
    }

    /// The tree of the object that a key names.
    #[must_use]
    pub fn object(&self, key: &Key) -> Option<Arc<Value>> {
        self.get(key.kind, &key.namespace, &key.name)
    }

    /// An object, not parsed.
    #[must_use]
    pub fn stored(&self, kind: Kind, namespace: &str, name: &str) -> Option<Stored> {
        let namespace = if kind.namespaced { namespace } else { "" };
        self.server.stored(kind.group, kind.resource, namespace, name)
    }

    /// The trees of all objects of a kind in order of namespace and name; an empty namespace means all.
    #[must_use]
    pub fn list(&self, kind: Kind, namespace: &str) -> Vec<Arc<Value>> {
        let all = self.list_stored(kind, namespace);
        all.iter().map(Stored::tree).collect()
    }

    /// The tree of an object at hand, as [`View::get`] has it.
    #[must_use]
    pub fn tree(&self, stored: &Stored) -> Arc<Value> {
        self.server.tree_of(stored)
    }

    /// The keys of all objects of a kind in order of namespace and name; an empty namespace means all.
    #[must_use]
    pub fn keys(&self, kind: Kind, namespace: &str) -> Vec<Key> {
        let all = self.list_stored(kind, namespace);
        let key = |stored: &Stored| {
            let (namespace, name) = stored.key();
            Key::new(kind, namespace, name)
        };
        all.iter().map(key).collect()
    }

    /// All objects of a kind, not parsed, in order of namespace and name; an empty namespace means all.
    #[must_use]
    pub fn list_stored(&self, kind: Kind, namespace: &str) -> Vec<Stored> {
        self.server.stored_all(kind.group, kind.resource, namespace)
    }

    /// The keys of the objects of a kind that name this uid as an owner, in order.
    #[must_use]
    pub fn dependents(&self, kind: Kind, uid: &str) -> Vec<Key> {
        let key = |(namespace, name): (&str, &str)| Key::new(kind, namespace, name);
        self.server.dependents(kind.group, kind.resource, uid, key)
    }

    /// A pod.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&'a Arc<PodView>> {
        self.caches.pod(namespace, name)
    }

    /// All pods of a namespace (all pods where it is empty) in order of namespace and name.
    pub fn pods(&self, namespace: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        self.caches.pods(namespace)
    }

    /// The pods bound to a node, in order.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        self.caches.pods_on(node)
    }

    /// The pods whose controlling owner has this uid, in order; those without a controller where it is empty.
    pub fn pods_of(&self, owner_uid: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        self.caches.pods_of(owner_uid)
    }

    /// The pods of a namespace that nobody controls, in order.
    pub fn orphans(&self, namespace: &str) -> impl Iterator<Item = &'a Arc<PodView>> + use<'a> {
        self.caches.orphans(namespace)
    }

    /// The pods of a namespace that a selector finds, in order of their names.
    #[must_use]
    pub fn selected(&self, namespace: &str, selector: &LabelSelector) -> Vec<&'a Arc<PodView>> {
        self.caches.selected(namespace, selector)
    }

    /// The pods that name a claim among their volumes, in order of their names.
    #[must_use]
    pub fn claim_users(&self, namespace: &str, claim: &str) -> Vec<&'a Arc<PodView>> {
        self.caches.claim_users(namespace, claim)
    }

    /// How many pods have ended and are still there.
    #[must_use]
    pub fn ended_pods(&self) -> usize {
        self.caches.ended()
    }

    /// A node.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&'a Arc<NodeView>> {
        self.caches.node(name)
    }

    /// All nodes in order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = &'a Arc<NodeView>> + use<'a> {
        self.caches.nodes()
    }

    /// When something happened that is over, as the clock shows it now: times from before the clock was set back would lie in
    /// the future.
    #[must_use]
    pub fn past(&self, time: Timestamp) -> Timestamp {
        self.machines.setbacks().past(time, self.now)
    }

    /// The same for all times in a tree that tells what has been; none where nothing has to change.
    pub(crate) fn past_tree(&self, tree: &Value) -> Option<Value> {
        self.machines.setbacks().past_tree(tree, self.now)
    }

    /// The machine behind a node: what is really there, whatever the node object says. For kubelets; controllers that
    /// should act on what the API tells them use [`View::node`].
    #[must_use]
    pub fn machine(&self, node: &str) -> Option<&'a Machine> {
        self.machines.get(node)
    }

    /// All machines in order of their nodes' names.
    pub fn machines(&self) -> impl Iterator<Item = &'a Machine> + use<'a> {
        self.machines.iter()
    }
}
