//! One write as controllers see it.

use std::sync::{Arc, OnceLock};

use json_tree::Value;
use kube_sim::Stored;

use crate::cache::{NodeView, PodView};
use crate::kind::Key;

/// One side of a change: the object as stored, its tree made when somebody asks.
#[derive(Debug)]
struct Side {
    stored: Stored,
    value: OnceLock<Arc<Value>>,
}

impl Side {
    fn new(stored: Stored) -> Self {
        Self {
            stored,
            value: OnceLock::new(),
        }
    }

    fn value(&self) -> &Value {
        self.value.get_or_init(|| self.stored.tree())
    }
}

/// One write to the server. Pods and nodes come with their compact views; trees of all kinds are made when asked for.
#[derive(Debug)]
pub struct Change {
    /// The object.
    pub key: Key,
    /// The number of the write.
    pub version: u64,
    /// Who wrote it: the name of a controller or scheduler of this world, else `api`.
    pub actor: &'static str,
    /// Whether the pod was put there with the status that its kubelet would give it, and the kubelet knows when to look.
    pub(crate) settled: bool,
    /// A pod before the write.
    pub pod_before: Option<Arc<PodView>>,
    /// A pod after the write.
    pub pod_after: Option<Arc<PodView>>,
    /// A node before the write.
    pub node_before: Option<Arc<NodeView>>,
    /// A node after the write.
    pub node_after: Option<Arc<NodeView>>,
    before: Option<Side>,
    after: Option<Side>,
}

impl Change {
    pub(crate) fn new(key: Key, version: u64, before: Option<Stored>, after: Option<Stored>) -> Self {
        Self {
            key,
            version,
            actor: "api",
            settled: false,
            pod_before: None,
            pod_after: None,
            node_before: None,
            node_after: None,
            before: before.map(Side::new),
            after: after.map(Side::new),
        }
    }

    /// Whether a tree is the object after the write, which made it.
    pub(crate) fn is_of(&self, tree: &Value) -> bool {
        let version = tree.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        version.is_some_and(|version| version.parse() == Ok(self.version))
    }

    /// Gives the tree of the object after the write, where it is at hand.
    pub(crate) fn set_after(&mut self, tree: Value) {
        if let Some(after) = &self.after {
            // Only the first tree counts, and all are the same.
            let _ = after.value.set(Arc::new(tree));
        }
    }

    /// The object before the write, parsed on the first call.
    #[must_use]
    pub fn before(&self) -> Option<&Value> {
        self.before.as_ref().map(Side::value)
    }

    /// The object after the write, parsed on the first call.
    #[must_use]
    pub fn after(&self) -> Option<&Value> {
        self.after.as_ref().map(Side::value)
    }

    /// The object before the write, not parsed.
    #[must_use]
    pub fn stored_before(&self) -> Option<&Stored> {
        self.before.as_ref().map(|side| &side.stored)
    }

    /// The object after the write, not parsed.
    #[must_use]
    pub fn stored_after(&self) -> Option<&Stored> {
        self.after.as_ref().map(|side| &side.stored)
    }

    /// The newest state there is: after the write, or before a removal.
    #[must_use]
    pub fn newest(&self) -> Option<&Value> {
        self.after().or_else(|| self.before())
    }

    /// Whether the write made the object.
    #[must_use]
    pub fn is_creation(&self) -> bool {
        self.before.is_none()
    }

    /// Whether the write took the object away.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        self.after.is_none()
    }

    /// Whether the write is known to have changed nothing but the status.
    #[must_use]
    pub fn is_status(&self) -> bool {
        self.before.is_some() && self.stored_after().is_some_and(Stored::is_status_only)
    }

    /// Whether anything but the status, the version and what follows from them changed. Parses both sides.
    #[must_use]
    pub fn is_wish(&self) -> bool {
        let (Some(before), Some(after)) = (self.before(), self.after()) else {
            return true;
        };
        let generation = |object: &Value| object.pointer("/metadata/generation").cloned();
        if generation(before).is_some() && generation(before) != generation(after) {
            return true;
        }
        let strip = |object: &Value| {
            let mut object = object.clone();
            if let Some(map) = object.as_object_mut() {
                map.remove("status");
                if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.remove("resourceVersion");
                    metadata.remove("managedFields");
                }
            }
            object
        };
        strip(before) != strip(after)
    }
}
