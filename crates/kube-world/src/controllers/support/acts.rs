//! Collecting what a planner wants done, in order.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::tree::{merge_patch, name, namespace, uid};

/// What is left to dependents of an object that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dependents {
    /// They are deleted afterwards.
    Background,
    /// They are let go.
    Orphan,
}

/// One wish of a planner, in its own words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wish {
    Create {
        kind: Kind,
        object: Value,
    },
    Patch {
        kind: Kind,
        namespace: String,
        name: String,
        patch: Value,
        status: bool,
    },
    Delete {
        kind: Kind,
        namespace: String,
        name: String,
        uid: String,
        dependents: Dependents,
    },
    Event {
        about: Box<About>,
        warning: bool,
        reason: &'static str,
        message: String,
    },
    Wake {
        at: Timestamp,
    },
}

/// The object that an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl About {
    /// The place of an object.
    pub(crate) fn object(kind: Kind, object: &Value) -> Self {
        let own = |text: &str| text.to_owned();
        Self {
            kind,
            namespace: own(namespace(object)),
            name: own(name(object)),
            uid: own(uid(object)),
        }
    }
}

/// The wishes of one turn, in the order in which they are to be done.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Acts {
    wishes: Vec<Wish>,
    wake: Option<Timestamp>,
}

impl Acts {
    pub(crate) fn create(&mut self, kind: Kind, object: Value) {
        self.wishes.push(Wish::Create { kind, object });
    }

    /// Patches an object beside its status.
    pub(crate) fn patch(&mut self, kind: Kind, object: &Value, patch: Value) {
        self.push_patch(kind, object, patch, false);
    }

    fn push_patch(&mut self, kind: Kind, object: &Value, patch: Value, status: bool) {
        let (namespace, name) = (namespace(object).to_owned(), name(object).to_owned());
        self.wishes.push(Wish::Patch {
            kind,
            namespace,
            name,
            patch,
            status,
        });
    }

    /// Patches an object that is known by name only.
    pub(crate) fn patch_named(&mut self, kind: Kind, namespace: &str, name: &str, patch: Value, status: bool) {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        self.wishes.push(Wish::Patch {
            kind,
            namespace,
            name,
            patch,
            status,
        });
    }

    /// Makes an object's status this one, if it is another; returns whether it was.
    pub(crate) fn status(&mut self, kind: Kind, object: &Value, status: &Value) -> bool {
        let old = object.get("status").cloned().unwrap_or_else(|| json!({}));
        let Some(patch) = merge_patch(&old, status) else {
            return false;
        };
        self.push_patch(kind, object, json!({"status": patch}), true);
        true
    }

    /// Deletes an object if it is still the one that was seen.
    pub(crate) fn delete(&mut self, kind: Kind, object: &Value) {
        self.delete_named(
            kind,
            namespace(object),
            name(object),
            uid(object),
            Dependents::Background,
        );
    }

    pub(crate) fn delete_named(&mut self, kind: Kind, namespace: &str, name: &str, uid: &str, dependents: Dependents) {
        let own = |text: &str| text.to_owned();
        self.wishes.push(Wish::Delete {
            kind,
            namespace: own(namespace),
            name: own(name),
            uid: own(uid),
            dependents,
        });
    }

    /// Tells an ordinary event about an object.
    pub(crate) fn event(&mut self, kind: Kind, object: &Value, reason: &'static str, message: String) {
        self.tell(About::object(kind, object), false, reason, message);
    }

    /// Tells a warning about an object.
    pub(crate) fn warn(&mut self, kind: Kind, object: &Value, reason: &'static str, message: String) {
        self.tell(About::object(kind, object), true, reason, message);
    }

    pub(crate) fn tell(&mut self, about: About, warning: bool, reason: &'static str, message: String) {
        self.wishes.push(Wish::Event {
            about: Box::new(about),
            warning,
            reason,
            message,
        });
    }

    /// Asks for another turn at a moment; of several the earliest counts.
    pub(crate) fn wake(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |earlier| earlier.min(at)));
    }

    /// All wishes, the wake-up last.
    pub(crate) fn into_wishes(self) -> Vec<Wish> {
        let wake = self.wake.map(|at| Wish::Wake { at });
        self.wishes.into_iter().chain(wake).collect()
    }
}
