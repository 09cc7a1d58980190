//! The annotation in which `kubectl apply` without `--server-side` remembers what it applied.
//!
//! The API server knows it for one manager only, `kubectl`: what the annotation says and the object still has may be taken over
//! without force, and an object that carries the annotation gets it renewed.

use json_tree::{Map, Value};

use super::compare;
use super::conflict::Conflicts;
use super::walk;
use crate::fields::FieldSet;
use crate::schema::Schema;

/// The manager that the annotation is read and written for.
pub(super) const KUBECTL: &str = "kubectl";
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Most bytes that all annotations of an object may take.
const MAX_ANNOTATIONS: usize = 256 * 1024;

fn text(object: &Value) -> Option<&str> {
    let annotations = object.get("metadata")?.get("annotations")?;
    annotations.get(ANNOTATION)?.as_str().filter(|text| !text.is_empty())
}

/// Fields that client-side apply has set and nobody has changed since. `None` when the object says nothing usable.
fn still_applied(live: &Value, api_version: &str, schema: &Schema) -> Option<FieldSet> {
    let applied: Value = serde_json::from_str(text(live)?).ok()?;
    if applied.get("apiVersion")?.as_str()? != api_version || !super::check::check(&applied, schema.root()).is_empty() {
        return None;
    }
    let comparison = compare::compare(&applied, live, schema.root());
    let mut set = walk::field_set(&applied, schema.root());
    set.subtract(&comparison.modified);
    set.subtract(&comparison.added);
    set.subtract(&comparison.removed);
    Some(set)
}

/// What is left of conflicts when those over fields of client-side apply are allowed.
pub(super) fn left(conflicts: Conflicts, live: &Value, api_version: &str, schema: &Schema) -> Conflicts {
    let Some(allowed) = still_applied(live, api_version, schema) else {
        return conflicts;
    };
    Conflicts(
        conflicts
            .0
            .into_iter()
            .filter(|conflict| !allowed.contains(&conflict.path.0))
            .collect(),
    )
}

/// Renews the annotation of an object that has one.
pub(super) fn renew(object: &mut Value, config: &Value) {
    if text(object).is_none() {
        return;
    }
    let mut applied = config.clone();
    if let Some(annotations) = applied
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove(ANNOTATION);
    }
    let annotations = object
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut);
    let Some(annotations) = annotations else { return };
    annotations.insert(
        ANNOTATION,
        Value::from(format!("{}\n", crate::fields::escaped(&applied))),
    );
    let size = |map: &Map| -> usize {
        map.iter()
            .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
            .sum()
    };
    if size(annotations) > MAX_ANNOTATIONS {
        annotations.remove(ANNOTATION);
    }
}
