//! Small helpers on JSON trees: reading by path, making parents, defaults.
//!
//! Objects are trees only while a request works on them; everything that rests is bytes.

use std::convert::Infallible;

use json_tree::{List, Map, Revision, Text, Value};

/// The value at a path of map keys.
pub(crate) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |inner, key| inner.get(*key))
}

/// The mutable value at a path of map keys.
pub(crate) fn at_mut<'v>(value: &'v mut Value, path: &[&str]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |inner, key| inner.get_mut(*key))
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

/// The mutable entries of the list at a path; absent is empty.
pub(crate) fn list_mut<'v>(value: &'v mut Value, path: &[&str]) -> &'v mut [Value] {
    at_mut(value, path)
        .and_then(Value::as_array_mut)
        .map_or(&mut [], |list| &mut **list)
}

/// The map at a path, made (with its parents) where it is missing. Something else in the way is replaced.
pub(crate) fn map_at<'v>(value: &'v mut Value, path: &[&str]) -> &'v mut Map {
    let mut here = as_map(value);
    for key in path {
        here = as_map(here.entry(*key).or_insert_with(|| Value::Object(Map::new())));
    }
    here
}

/// The value as a map; anything else is replaced by an empty one.
pub(crate) fn as_map(value: &mut Value) -> &mut Map {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("just made a map"),
    }
}

/// Sets a value at a path, making its parents.
pub(crate) fn set(value: &mut Value, path: &[&str], new: impl Into<Value>) {
    let new = new.into();
    // What is the same already is left alone, for it may be shared.
    if let Some((last, parents)) = path.split_last()
        && at(value, path) != Some(&new)
    {
        map_at(value, parents).insert(last, new);
    }
}

/// Sets a value at a path if nothing (or null) is there.
pub(crate) fn default(value: &mut Value, path: &[&str], new: impl Into<Value>) {
    if at(value, path).is_none_or(Value::is_null) {
        set(value, path, new);
    }
}

/// Takes the value at a path away.
pub(crate) fn remove(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    at(value, path)?;
    at_mut(value, parents)?.as_object_mut()?.remove(last)
}

/// Copies the value at a path from one tree to another; absence is copied as well.
pub(crate) fn copy(from: &Value, to: &mut Value, path: &[&str]) {
    match at(from, path) {
        found if found == at(to, path) => {}
        Some(found) => set(to, path, found.clone()),
        None => {
            remove(to, path);
        }
    }
}

/// Drops map entries that are null: typed clients and servers read them as unset.
pub(crate) fn drop_nulls(value: &mut Value) {
    if let Some(without) = without_nulls(value) {
        *value = without;
    }
}

/// The value without map entries that are null; none where it has no such.
fn without_nulls(value: &Value) -> Option<Value> {
    let inner = |value: &Value| match value {
        Value::Object(_) | Value::Array(_) => without_nulls(value),
        _ => None,
    };
    let mut value = value.clone();
    let mut changed = false;
    let done: Result<(), Infallible> = match &mut value {
        Value::Object(map) => map.revise(|_, member| {
            let revision = if member.is_null() {
                Revision::Drop
            } else {
                inner(member).map_or(Revision::Keep, Revision::Replace)
            };
            changed |= revision != Revision::Keep;
            Ok(revision)
        }),
        Value::Array(list) => list.revise(|_, item| {
            let new = inner(item);
            changed |= new.is_some();
            Ok(new)
        }),
        _ => Ok(()),
    };
    done.ok().filter(|()| changed).map(|()| value)
}

/// Whether two maps have the same members, apart from some that are not looked at. Other values are compared as they are.
pub(crate) fn equal_but(one: &Value, two: &Value, ignored: &[&str]) -> bool {
    let (Value::Object(one), Value::Object(two)) = (one, two) else {
        return one == two;
    };
    let counted = |member: &(&Text, &Value)| !ignored.contains(&member.0.as_str());
    one.iter().filter(counted).eq(two.iter().filter(counted))
}

/// A value as Go's `%v` prints it, as some of the real server's errors show it.
pub(crate) fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let members: Vec<String> = map
                .iter()
                .map(|(key, inner)| format!("{key}:{}", go_text(inner)))
                .collect();
            format!("map[{}]", members.join(" "))
        }
        other => other.to_string(),
    }
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

/// A map of texts at a path, such as labels; values that are no texts are left out.
pub(crate) fn text_map<'v>(value: &'v Value, path: &[&str]) -> std::collections::BTreeMap<&'v str, &'v str> {
    at(value, path)
        .and_then(Value::as_object)
        .map(|map| {
            map.iter()
                .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
                .collect()
        })
        .unwrap_or_default()
}

/// Drops nulls from built-in objects, whose typed decoders read them as unset. Custom resources may hold nulls.
pub(crate) fn drop_nulls_builtin(resource: &crate::registry::Resource, value: &mut Value) {
    if !resource.custom {
        drop_nulls(value);
    }
}
