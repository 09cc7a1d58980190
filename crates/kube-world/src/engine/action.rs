//! What planners want done. The engine carries actions out in order and makes no choices of its own.

use jiff::Timestamp;
use json_tree::Value;
use kube_sim::DeleteOptions;

use crate::kind::{Key, Kind};
use crate::path::Path as _;

/// Whether an event tells of the normal course or of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// The normal course.
    Normal,
    /// Trouble.
    Warning,
}

impl EventType {
    /// The word that events carry.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Creates an object; `metadata.namespace` says where. The name may be generated (`generateName`).
    Create {
        /// Its kind.
        kind: Kind,
        /// The object; `apiVersion` and `kind` may be left out.
        object: Value,
    },
    /// Merges a patch (RFC 7386) into an object, all but its `status` where the kind has one of its own.
    ///
    /// With `metadata.resourceVersion` in the patch, somebody else's write in between refuses it, and the key is looked at
    /// again.
    Patch {
        /// The object.
        key: Key,
        /// The patch.
        patch: Value,
    },
    /// Merges a patch into the `status` of an object; the patch has the form `{"status": {...}}`.
    PatchStatus {
        /// The object.
        key: Key,
        /// The patch.
        patch: Value,
    },
    /// Deletes an object. One that is not there (any more) is no failure.
    Delete {
        /// The object.
        key: Key,
        /// Grace period, propagation and preconditions.
        options: DeleteOptions,
    },
    /// Evicts a pod through its disruption budget.
    Evict {
        /// The pod.
        key: Key,
    },
    /// Binds a pod to a node.
    Bind {
        /// The pod.
        key: Key,
        /// The node's name.
        node: String,
    },
    /// Records a Kubernetes Event; equal ones are counted in one object.
    Event {
        /// What it is about.
        about: Key,
        /// Normal or trouble.
        event_type: EventType,
        /// The reason in one word.
        reason: String,
        /// The text for people.
        message: String,
    },
    /// Looks at the key again at this time. Each reconciliation says anew when: it forgets the earlier wish of its key.
    WakeAt(Timestamp),
}

impl Action {
    /// The verb as the event log shows it.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Patch { .. } => "patch",
            Self::PatchStatus { .. } => "patch-status",
            Self::Delete { .. } => "delete",
            Self::Evict { .. } => "evict",
            Self::Bind { .. } => "bind",
            Self::Event { .. } => "event",
            Self::WakeAt(_) => "wake",
        }
    }

    /// The object as the event log shows it.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Create { kind, object } => {
                let name = object.path("/metadata/name").and_then(Value::as_str);
                let prefix = || object.path("/metadata/generateName").and_then(Value::as_str);
                let namespace = object.path("/metadata/namespace").and_then(Value::as_str);
                let name = name.or_else(prefix).unwrap_or_default();
                Key::new(*kind, namespace.unwrap_or_default(), name).to_string()
            }
            Self::Patch { key, .. }
            | Self::PatchStatus { key, .. }
            | Self::Delete { key, .. }
            | Self::Evict { key }
            | Self::Bind { key, .. }
            | Self::Event { about: key, .. } => key.to_string(),
            Self::WakeAt(at) => at.to_string(),
        }
    }
}
