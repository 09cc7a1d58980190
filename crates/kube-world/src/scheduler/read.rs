//! Small looks into JSON objects: a missing or wrongly typed member reads as absent, as the scheduler's defaulting does.

use std::collections::BTreeMap;

use json_tree::{List, Text, Value};
use model::quantity::Quantity;

/// Labels, annotations and other flat maps of texts.
pub type Labels = BTreeMap<String, String>;

/// The member at the end of a path of names.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

/// A text at a path.
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(value, path)?.as_str()
}

/// The items of a list at a path; an absent list is empty.
pub(crate) fn list<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path).and_then(Value::as_array).map_or(&[], List::as_slice)
}

/// The texts of a list at a path.
pub(crate) fn texts(value: &Value, path: &[&str]) -> Vec<String> {
    list(value, path)
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// A flat map of texts at a path.
pub(crate) fn labels(value: &Value, path: &[&str]) -> Labels {
    let map = at(value, path).and_then(Value::as_object);
    let text = |(name, value): (&Text, &Value)| Some((name.to_string(), value.as_str()?.to_owned()));
    map.into_iter().flatten().filter_map(text).collect()
}

/// A whole number at a path that fits 32 bits.
pub(crate) fn int32(value: &Value, path: &[&str]) -> Option<i32> {
    at(value, path)?.as_i64().and_then(|number| i32::try_from(number).ok())
}

/// A quantity written as a text or as a number, in thousandths.
pub(crate) fn millis(value: &Value) -> Option<i64> {
    quantity(value)?.to_millis()
}

/// A quantity written as a text or as a number, in whole units.
pub(crate) fn units(value: &Value) -> Option<i64> {
    quantity(value)?.to_units()
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// An instant at a path, in RFC 3339.
pub(crate) fn instant(value: &Value, path: &[&str]) -> Option<jiff::Timestamp> {
    text(value, path)?.parse().ok()
}
