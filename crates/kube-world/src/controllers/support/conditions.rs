//! Conditions in the status of objects: finding one, setting one.

use jiff::Timestamp;
use json_tree::{Map, Value};

use super::tree::{list, set, stamp, text};

/// The condition of a type in `status.conditions`.
pub(crate) fn find<'v>(status: &'v Value, kind: &str) -> Option<&'v Value> {
    list(status, &["conditions"])
        .iter()
        .find(|condition| text(condition, &["type"]) == Some(kind))
}

/// Whether the condition of a type is `True`.
pub(crate) fn is_true(status: &Value, kind: &str) -> bool {
    find(status, kind).is_some_and(|condition| text(condition, &["status"]) == Some("True"))
}

/// What a condition says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Says<'a> {
    pub(crate) kind: &'a str,
    pub(crate) status: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
}

/// How a kind of object keeps its conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Habit {
    /// Which further times are kept beside `lastTransitionTime`, such as `lastUpdateTime`.
    pub(crate) touched: &'static str,
    /// Whether a changed message alone is a change.
    pub(crate) messages: bool,
    /// Whether a changed condition moves to the end of the list.
    pub(crate) to_end: bool,
}

/// Sets a condition; the transition time stays when only the reason changes. Returns whether anything changed.
pub(crate) fn put(status: &mut Value, says: Says<'_>, habit: Habit, now: Timestamp) -> bool {
    let is_said = |old: &Value| {
        let same = |field: &str, value: &str| text(old, &[field]).unwrap_or_default() == value;
        same("status", says.status) && same("reason", says.reason) && (!habit.messages || same("message", says.message))
    };
    if find(status, says.kind).is_some_and(is_said) {
        return false;
    }
    renew(status, says, habit, now);
    true
}

/// Sets a condition anew, even where it says so already; the transition time stays when the status does.
pub(crate) fn renew(status: &mut Value, says: Says<'_>, habit: Habit, now: Timestamp) {
    let same = find(status, says.kind).filter(|old| text(old, &["status"]).unwrap_or_default() == says.status);
    let since = same
        .and_then(|old| text(old, &["lastTransitionTime"]))
        .map_or_else(|| stamp(now), str::to_owned);
    let mut condition = Map::new();
    for (field, value) in [
        ("type", says.kind),
        ("status", says.status),
        ("lastTransitionTime", since.as_str()),
    ] {
        condition.insert(field, value.into());
    }
    for (field, value) in [("reason", says.reason), ("message", says.message)] {
        if !value.is_empty() {
            condition.insert(field, value.into());
        }
    }
    if !habit.touched.is_empty() {
        condition.insert(habit.touched, stamp(now).into());
    }
    replace(status, says.kind, Value::Object(condition), habit.to_end);
}

fn replace(status: &mut Value, kind: &str, condition: Value, to_end: bool) {
    if !status.get("conditions").is_some_and(Value::is_array) {
        set(status, &["conditions"], Vec::<Value>::new());
    }
    let Some(Value::Array(conditions)) = status.get_mut("conditions") else {
        return;
    };
    let place = conditions.iter().position(|old| text(old, &["type"]) == Some(kind));
    match place.and_then(|place| conditions.get_mut(place)).filter(|_| !to_end) {
        Some(old) => *old = condition,
        None => {
            conditions.retain(|old| text(old, &["type"]) != Some(kind));
            conditions.push(condition);
        }
    }
}

/// Takes a condition away.
pub(crate) fn drop(status: &mut Value, kind: &str) {
    if let Some(Value::Array(conditions)) = status.get_mut("conditions") {
        conditions.retain(|old| text(old, &["type"]) != Some(kind));
    }
}

#[cfg(test)]
mod tests {
    use json_tree::json;

    use super::*;

    const HABIT: Habit = Habit {
        touched: "lastUpdateTime",
        messages: false,
        to_end: true,
    };

    fn says<'a>(status: &'a str, reason: &'a str) -> Says<'a> {
        Says {
            kind: "Ready",
            status,
            reason,
            message: "m",
        }
    }

    #[test]
    fn times_move_with_the_status_only() {
        let (first, later) = (Timestamp::from_second(0).unwrap(), Timestamp::from_second(60).unwrap());
        let mut status = json!({});
        assert!(put(&mut status, says("True", "A"), HABIT, first));
        assert!(!put(&mut status, says("True", "A"), HABIT, later));
        assert!(put(&mut status, says("True", "B"), HABIT, later));
        let condition = find(&status, "Ready").unwrap();
        assert_eq!(text(condition, &["lastTransitionTime"]), Some("1970-01-01T00:00:00Z"));
        assert_eq!(text(condition, &["lastUpdateTime"]), Some("1970-01-01T00:01:00Z"));
        assert!(put(&mut status, says("False", "B"), HABIT, later));
        assert!(!is_true(&status, "Ready"));
        assert_eq!(
            text(find(&status, "Ready").unwrap(), &["lastTransitionTime"]),
            Some("1970-01-01T00:01:00Z")
        );
        drop(&mut status, "Ready");
        assert_eq!(find(&status, "Ready"), None);
    }
}
