//! Reading and writing JSON trees by path. Objects are trees here: whatever a newer API adds passes through untouched.

use std::collections::BTreeMap;

use jiff::Timestamp;
use json_tree::{List, Map, Text, Value};

/// The value at a path of map keys.
pub(crate) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |inner, key| inner.get(*key))
}

/// The text at a path.
pub(crate) fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    at(value, path).and_then(Value::as_str)
}

/// The number at a path.
pub(crate) fn int(value: &Value, path: &[&str]) -> Option<i64> {
    at(value, path).and_then(Value::as_i64)
}

/// The boolean at a path; absent is false.
pub(crate) fn flag(value: &Value, path: &[&str]) -> bool {
    at(value, path).and_then(Value::as_bool).unwrap_or(false)
}

/// The list at a path; absent is empty.
pub(crate) fn list<'v>(value: &'v Value, path: &[&str]) -> &'v [Value] {
    at(value, path).and_then(Value::as_array).map_or(&[], List::as_slice)
}

/// The moment at a path.
pub(crate) fn time(value: &Value, path: &[&str]) -> Option<Timestamp> {
    text(value, path)?.parse().ok()
}

/// A map of texts at a path, such as labels.
pub(crate) fn texts(value: &Value, path: &[&str]) -> BTreeMap<String, String> {
    let entries = at(value, path).and_then(Value::as_object).into_iter().flatten();
    entries
        .filter_map(|(key, value)| Some((key.to_string(), value.as_str()?.to_owned())))
        .collect()
}

/// Sets a value at a path, making its parents. Something else in the way is replaced.
pub(crate) fn set(value: &mut Value, path: &[&str], new: impl Into<Value>) {
    let Some((first, rest)) = path.split_first() else {
        *value = new.into();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    if let Value::Object(map) = value {
        set(map.entry(*first).or_insert(Value::Null), rest, new);
    }
}

/// Takes the value at a path away.
pub(crate) fn remove(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(value, |inner, key| inner.get_mut(*key))?;
    parent.as_object_mut()?.remove(last)
}

/// The name of an object.
pub(crate) fn name(value: &Value) -> &str {
    text(value, &["metadata", "name"]).unwrap_or_default()
}

/// The namespace of an object; empty for cluster-scoped ones.
pub(crate) fn namespace(value: &Value) -> &str {
    text(value, &["metadata", "namespace"]).unwrap_or_default()
}

/// The uid of an object.
pub(crate) fn uid(value: &Value) -> &str {
    text(value, &["metadata", "uid"]).unwrap_or_default()
}

/// The generation of an object's wish.
pub(crate) fn generation(value: &Value) -> i64 {
    int(value, &["metadata", "generation"]).unwrap_or(0)
}

/// Whether an object is being deleted.
pub(crate) fn deleting(value: &Value) -> bool {
    text(value, &["metadata", "deletionTimestamp"]).is_some()
}

/// When an object was made.
pub(crate) fn created(value: &Value) -> Option<Timestamp> {
    time(value, &["metadata", "creationTimestamp"])
}

/// The annotation of an object.
pub(crate) fn annotation<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    text(value, &["metadata", "annotations", key])
}

/// A time as objects carry it: whole seconds, UTC.
pub(crate) fn stamp(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// Whether two trees are maps with the same members, one of which is not looked at; other trees are compared as they are.
pub(crate) fn equal_but(one: Option<&Value>, two: Option<&Value>, ignored: &str) -> bool {
    let (Some(Value::Object(one)), Some(Value::Object(two))) = (one, two) else {
        return one == two;
    };
    let counted = |member: &(&Text, &Value)| member.0 != ignored;
    one.iter().filter(counted).eq(two.iter().filter(counted))
}

/// The RFC 7386 merge patch that makes one tree into another; `None` where they are equal.
///
/// Lists are replaced as a whole, as such patches do.
pub(crate) fn merge_patch(old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return Some(new.clone());
    };
    let mut patch = Map::new();
    for key in before.keys().filter(|key| !after.contains_key(key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in after {
        match before.get(key) {
            Some(old) => {
                if let Some(change) = merge_patch(old, value) {
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

#[cfg(test)]
mod tests {
    use json_tree::json;

    use super::*;

    #[test]
    fn values_are_set_and_taken_at_paths() {
        let mut value = json!({"a": 1});
        set(&mut value, &["b", "c"], "x");
        set(&mut value, &["a", "d"], 2);
        assert_eq!(value, json!({"a": {"d": 2}, "b": {"c": "x"}}));
        assert_eq!(remove(&mut value, &["a", "d"]), Some(json!(2)));
        assert_eq!(remove(&mut value, &["x", "y"]), None);
        assert_eq!(
            texts(&value, &["b"]),
            BTreeMap::from([("c".to_owned(), "x".to_owned())])
        );
    }

    #[test]
    fn patches_hold_what_changed() {
        let old = json!({"a": 1, "b": {"c": 1, "d": [1]}, "e": 1});
        let new = json!({"a": 1, "b": {"c": 1, "d": [2]}, "f": 2});
        assert_eq!(
            merge_patch(&old, &new),
            Some(json!({"b": {"d": [2]}, "e": null, "f": 2}))
        );
        assert_eq!(merge_patch(&old, &old), None);
    }
}
