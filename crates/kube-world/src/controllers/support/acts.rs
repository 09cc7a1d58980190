//! Collecting what a planner wants done, in order.

use jiff::Timestamp;
use json_tree::{Value, json};
use kube_sim::{DeleteOptions, Propagation};

use super::tree::{merge_patch, uid};
use crate::engine::{Action, EventType};
use crate::kind::{Key, Kind};

/// The actions of one turn, in the order in which they are to be done.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Acts {
    actions: Vec<Action>,
    wake: Option<Timestamp>,
}

impl Acts {
    pub(crate) fn create(&mut self, kind: Kind, object: Value) {
        self.actions.push(Action::Create { kind, object });
    }

    /// Patches an object beside its status.
    pub(crate) fn patch(&mut self, kind: Kind, object: &Value, patch: Value) {
        self.patch_key(Key::of(kind, object), patch);
    }

    /// Patches an object that is known by its key.
    pub(crate) fn patch_key(&mut self, key: Key, patch: Value) {
        self.actions.push(Action::Patch { key, patch });
    }

    /// Makes an object's status this one, if it is another; returns whether it was.
    pub(crate) fn status(&mut self, kind: Kind, object: &Value, status: &Value) -> bool {
        let patch = match object.get("status") {
            Some(old) => merge_patch(old, status),
            None => merge_patch(&json!({}), status),
        };
        let Some(patch) = patch else {
            return false;
        };
        self.patch_status(Key::of(kind, object), patch);
        true
    }

    /// Merges a patch into the status of an object.
    pub(crate) fn patch_status(&mut self, key: Key, patch: Value) {
        self.actions.push(Action::PatchStatus {
            key,
            patch: Value::Object([("status".to_owned(), patch)].into_iter().collect()),
        });
    }

    /// Deletes an object if it is still the one that was seen; dependents follow.
    pub(crate) fn delete(&mut self, kind: Kind, object: &Value) {
        self.delete_key(Key::of(kind, object), uid(object));
    }

    /// Deletes the object with this uid; dependents follow.
    pub(crate) fn delete_key(&mut self, key: Key, uid: &str) {
        let options = DeleteOptions {
            propagation: Some(Propagation::Background),
            uid: Some(uid.to_owned()),
            ..DeleteOptions::default()
        };
        self.actions.push(Action::Delete { key, options });
    }

    /// Tells an ordinary event about an object.
    pub(crate) fn event(&mut self, kind: Kind, object: &Value, reason: &str, message: String) {
        self.tell(Key::of(kind, object), EventType::Normal, reason, message);
    }

    /// Tells a warning about an object.
    pub(crate) fn warn(&mut self, kind: Kind, object: &Value, reason: &str, message: String) {
        self.tell(Key::of(kind, object), EventType::Warning, reason, message);
    }

    pub(crate) fn tell(&mut self, about: Key, event_type: EventType, reason: &str, message: String) {
        let reason = reason.to_owned();
        self.actions.push(Action::Event {
            about,
            event_type,
            reason,
            message,
        });
    }

    /// Asks for another turn at a moment; of several the earliest counts.
    pub(crate) fn wake(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |earlier| earlier.min(at)));
    }

    /// All actions, the wake-up last.
    pub(crate) fn into_actions(self) -> Vec<Action> {
        self.actions.into_iter().chain(self.wake.map(Action::WakeAt)).collect()
    }
}

#[cfg(test)]
impl Acts {
    /// The patches of statuses, in order.
    pub(crate) fn patches_of_status(&self) -> Vec<Value> {
        let status = |action: &Action| match action {
            Action::PatchStatus { patch, .. } => Some(patch.clone()),
            _ => None,
        };
        self.actions.iter().filter_map(status).collect()
    }

    /// The objects that are to be made, in order.
    pub(crate) fn created(&self) -> Vec<Value> {
        let made = |action: &Action| match action {
            Action::Create { object, .. } => Some(object.clone()),
            _ => None,
        };
        self.actions.iter().filter_map(made).collect()
    }

    /// The wish to be looked at again.
    pub(crate) fn wake_up(&self) -> Option<Timestamp> {
        self.wake
    }
}
