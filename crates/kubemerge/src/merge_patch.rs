//! JSON merge patch (RFC 7386), `application/merge-patch+json`: maps merge, `null` deletes, everything else replaces.

use json_tree::{Map, Value};

use crate::limits::{self, TooDeep};

/// Applies the merge patch `patch` to `doc` and returns the result.
///
/// # Errors
/// [`TooDeep`] when one of them is nested too deep.
///
/// ```
/// use json_tree::json;
/// let doc = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
/// let patch = json!({"metadata": {"labels": {"a": null, "c": "3"}}});
/// let out = kubemerge::merge_patch::apply(&doc, &patch).unwrap();
/// assert_eq!(out, json!({"metadata": {"labels": {"b": "2", "c": "3"}}}));
/// ```
pub fn apply(doc: &Value, patch: &Value) -> Result<Value, TooDeep> {
    limits::check_depth(doc)?;
    limits::check_depth(patch)?;
    Ok(merged(doc, patch))
}

/// RFC 7386, section 2. What the patch replaces is not copied before.
fn merged(target: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut map = target.as_object().cloned().unwrap_or_default();
    for (key, change) in patch {
        if change.is_null() {
            map.remove(key);
            continue;
        }
        let new = merged(map.get(key).unwrap_or(&Value::Null), change);
        // What stays the same stays shared.
        if map.get(key) != Some(&new) {
            map.insert(key, new);
        }
    }
    Value::Object(map)
}

/// The smallest merge patch that turns `from` into `to`; `None` when they are equal.
///
/// A `null` inside `to` cannot be expressed by a merge patch; such a member is deleted.
///
/// # Errors
/// [`TooDeep`] when one of them is nested too deep.
pub fn diff(from: &Value, to: &Value) -> Result<Option<Value>, TooDeep> {
    limits::check_depth(from)?;
    limits::check_depth(to)?;
    Ok(difference(from, to))
}

fn difference(from: &Value, to: &Value) -> Option<Value> {
    if from == to {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (from, to) else {
        return Some(to.clone());
    };
    let mut patch = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        match old.get(key) {
            Some(before) => {
                if let Some(change) = difference(before, value) {
                    patch.insert(key.clone(), change);
                }
            }
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    Some(Value::Object(patch))
}
