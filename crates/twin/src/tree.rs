//! Short words for reading and writing trees of JSON.

use json_tree::{List, Value};

/// The text at a pointer, or nothing.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a pointer.
pub(crate) fn int(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// The list at a pointer; empty where there is none.
pub(crate) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], List::as_slice)
}

/// Sets a member of the map at a path, making maps on the way. What is no map is left alone.
pub(crate) fn set(object: &mut Value, path: &[&str], value: impl Into<Value>) {
    let mut place = object;
    for part in path {
        if place.is_null() {
            *place = Value::Object(json_tree::Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry(*part).or_insert(Value::Null);
    }
    *place = value.into();
}
