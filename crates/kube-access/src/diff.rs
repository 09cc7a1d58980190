//! What differs between a live object and what it would be, without the noise and without secrets.

use std::collections::BTreeMap;

use serde_json::Value;
pub use yaml::{Change, FieldChange, FieldPath, Segment};

use crate::resource::{GroupKind, map_mut};

/// What stands in place of a value of a Secret.
pub const MASK: &str = "<masked>";

/// Metadata that the server writes by itself.
const SERVER_METADATA: [&str; 8] = [
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];
/// The copy of the whole object, secrets included, that client-side apply leaves in it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The differences between a live object and the result of a trial apply, in the order of their paths.
///
/// Both come from the server, so defaults are in both and do not show. Left out are status, what the server writes into the
/// metadata, and the copy that client-side apply kept. Values of Secrets are replaced by [`MASK`].
#[must_use]
pub fn changes(kind: &GroupKind, live: &Value, trial: &Value) -> Vec<FieldChange> {
    let mut found = yaml::diff(&cleaned(live), &cleaned(trial));
    if kind.is_secret() {
        for change in &mut found {
            mask(change);
        }
    }
    found
}

/// An object without what no manifest contains.
fn cleaned(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = map_mut(&mut object, &["metadata"]) {
        for field in SERVER_METADATA {
            metadata.remove(field);
        }
        let empty = match metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            Some(annotations) => {
                annotations.remove(LAST_APPLIED);
                annotations.is_empty()
            }
            None => false,
        };
        if empty {
            metadata.remove("annotations");
        }
    }
    object
}

fn mask(change: &mut FieldChange) {
    let is_data = |segment: &Segment| matches!(segment, Segment::Field(name) if name == "data" || name == "stringData");
    if !change.path.segments().first().is_some_and(is_data) {
        return;
    }
    match &mut change.change {
        Change::Added(value) | Change::Removed(value) => hide(value),
        Change::Changed { old, new } => {
            hide(old);
            hide(new);
        }
        Change::Reordered => {}
    }
}

/// Keeps the keys of a mapping and hides what they hold.
fn hide(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(hide),
        _ => *value = MASK.into(),
    }
}

/// What would happen to one object.
#[derive(Debug, Clone, PartialEq)]
pub enum LiveDiff {
    /// It would be created.
    Create,
    /// These fields would change.
    Change(Vec<FieldChange>),
    /// Nothing would change.
    Same,
    /// The cluster refuses it, or cannot say.
    Unknown(crate::error::AccessError),
}

/// What would happen to a set of objects, by object.
pub type LiveDiffs = BTreeMap<crate::resource::ObjectKey, LiveDiff>;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn noise_is_left_out_and_secrets_are_masked() {
        let secret = GroupKind::new("", "Secret");
        let live = json!({"metadata": {"uid": "u", "resourceVersion": "1", "annotations": {LAST_APPLIED: "hunter2"}},
            "data": {"a": "aHVudGVyMg=="}, "status": {"x": 1}});
        let trial = json!({"metadata": {"uid": "u", "resourceVersion": "2"}, "data": {"a": "b3RoZXI=", "b": "bmV3"}});
        let found = changes(&secret, &live, &trial);
        let text = format!("{found:?}");
        assert_eq!(
            found.iter().map(|change| change.path.to_string()).collect::<Vec<_>>(),
            ["data.a", "data.b"]
        );
        for value in ["aHVudGVyMg", "b3RoZXI", "bmV3", "hunter2"] {
            assert!(!text.contains(value), "{text}");
        }
        assert!(changes(&secret, &live, &live).is_empty());
        let map = changes(&GroupKind::new("", "ConfigMap"), &live, &trial);
        assert!(format!("{map:?}").contains("b3RoZXI="));
    }

    #[test]
    fn a_whole_mapping_of_secrets_shows_its_keys_only() {
        let found = changes(
            &GroupKind::new("", "Secret"),
            &json!({}),
            &json!({"stringData": {"password": "hunter2"}}),
        );
        let text = format!("{found:?}");
        assert!(text.contains("password") && !text.contains("hunter2"), "{text}");
    }
}
