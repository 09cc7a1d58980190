//! Field ownership: the entries of `metadata.managedFields` and the field sets in them.

use serde_json::{Map, Value};

use super::plan::digest;
use crate::resource::list_at;

/// The field set that a manager applied; none if it applied nothing.
pub(crate) fn applied_by<'v>(object: &'v Value, manager: &str) -> Option<&'v Value> {
    entries(object).find(|entry| is_apply(entry, manager))?.get("fieldsV1")
}

pub(crate) fn entries(object: &Value) -> impl Iterator<Item = &Value> {
    list_at(object, &["metadata", "managedFields"])
}

pub(crate) fn is_apply(entry: &Value, manager: &str) -> bool {
    text(entry, "manager") == manager && text(entry, "operation") == "Apply" && text(entry, "subresource").is_empty()
}

/// Entries of client-side writers: what an `Update` to the object itself left behind.
pub(crate) fn is_update_by(entry: &Value, managers: &[String]) -> bool {
    text(entry, "operation") == "Update"
        && text(entry, "subresource").is_empty()
        && managers.iter().any(|manager| manager == text(entry, "manager"))
}

pub(crate) fn text<'v>(entry: &'v Value, field: &str) -> &'v str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A short name of a field set. It changes when, and only when, the set does: whoever changes the value of a field that we
/// applied takes it out of our set, so an unchanged set means that nobody touched what we own.
pub(crate) fn fingerprint(fields: &Value) -> String {
    let mut hash = digest(fields.to_string().as_bytes());
    hash.truncate(32);
    hash
}

/// All fields of both sets.
pub(crate) fn union(mut left: Value, right: &Value) -> Value {
    if let (Some(left), Some(right)) = (left.as_object_mut(), right.as_object()) {
        merge(left, right);
    }
    left
}

fn merge(left: &mut Map<String, Value>, right: &Map<String, Value>) {
    for (key, value) in right {
        match (left.get_mut(key), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => merge(inner, value),
            _ => {
                left.insert(key.clone(), value.clone());
            }
        }
    }
}

/// True if a field set holds the field at this path of names, or something below it.
pub(crate) fn holds(fields: &Value, path: &[&str]) -> bool {
    path.iter()
        .try_fold(fields, |fields, name| fields.get(format!("f:{name}")))
        .is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sets_unite() {
        let left = json!({"f:data": {".": {}, "f:a": {}}});
        let right = json!({"f:data": {"f:b": {}}, "f:metadata": {"f:labels": {"f:c": {}}}});
        let both = json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}, "f:metadata": {"f:labels": {"f:c": {}}}});
        assert_eq!(union(left.clone(), &right), both);
        assert_eq!(union(both.clone(), &left), both);
        assert!(holds(&both, &["metadata", "labels", "c"]));
        assert!(!holds(&both, &["metadata", "labels", "d"]));
    }
}
