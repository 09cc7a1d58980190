//! Lists of conditions, as nodes and pods carry them.

use jiff::Timestamp;
use json_tree::{List, Value, json};

use crate::engine::seconds;
use crate::path::Path as _;

/// What a condition shall say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) r#type: &'a str,
    pub(crate) status: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
}

/// The condition of a type in a list.
pub(crate) fn find<'v>(conditions: &'v [Value], r#type: &str) -> Option<&'v Value> {
    conditions
        .iter()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some(r#type))
}

/// The status of the condition of a type: `True`, `False`, `Unknown`; empty without one.
pub(crate) fn status<'v>(conditions: &'v [Value], r#type: &str) -> &'v str {
    find(conditions, r#type)
        .and_then(|condition| condition.get("status"))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The list of conditions in an object's status.
pub(crate) fn list(object: &Value) -> &[Value] {
    object
        .path("/status/conditions")
        .and_then(Value::as_array)
        .map_or(&[], List::as_slice)
}

/// Makes a condition say this; its transition time moves with its status only. Returns whether anything changed.
pub(crate) fn set(conditions: &mut Vec<Value>, wanted: Wanted<'_>, heartbeat: bool, now: Timestamp) -> bool {
    fn text<'v>(condition: &'v Value, field: &str) -> &'v str {
        condition.get(field).and_then(Value::as_str).unwrap_or_default()
    }
    let place = conditions
        .iter()
        .position(|condition| text(condition, "type") == wanted.r#type);
    let old = place.and_then(|place| conditions.get(place));
    let same = |field: &str, value: &str| old.is_some_and(|old| text(old, field) == value);
    if same("status", wanted.status) && same("reason", wanted.reason) && same("message", wanted.message) {
        return false;
    }
    let since = match old {
        Some(old) if text(old, "status") == wanted.status => old["lastTransitionTime"].clone(),
        _ => seconds(now).into(),
    };
    let mut new = json!({"type": wanted.r#type, "status": wanted.status, "lastTransitionTime": since});
    for (field, value) in [("reason", wanted.reason), ("message", wanted.message)] {
        if !value.is_empty() {
            new[field] = value.into();
        }
    }
    if heartbeat {
        new["lastHeartbeatTime"] = seconds(now).into();
    }
    match place.and_then(|place| conditions.get_mut(place)) {
        Some(slot) => *slot = new,
        None => conditions.push(new),
    }
    true
}
