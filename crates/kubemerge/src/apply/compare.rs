//! How two values differ, along their schema.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use json_tree::{List, Map, Text, Value};

use super::trail::Trail;
use super::walk::{Place, item_element, place};
use crate::fields::{FieldSet, PathElement, numbers};
use crate::schema::{Kind, ListKind, Schema, TypeRef};

/// What differs between two values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Fields that only the new value has.
    pub added: FieldSet,
    /// Fields that both have, with other values.
    pub modified: FieldSet,
    /// Fields that only the old value has.
    pub removed: FieldSet,
}

/// Compares two values along their schema.
pub(super) fn compare(old: &Value, new: &Value, at: TypeRef<'_>) -> Comparison {
    let mut out = Comparison::default();
    differ(Some(old), Some(new), at, &Trail::ROOT, &mut out);
    out
}

fn differ(old: Option<&Value>, new: Option<&Value>, at: TypeRef<'_>, trail: &Trail<'_>, out: &mut Comparison) {
    match (old, new) {
        (None, None) => {}
        (Some(a), Some(b)) if a == b => {}
        // Where no type is known each value has the form that it shows. When they differ, what the old one had below is
        // gone, what the new one has is there, and the value itself has changed.
        (Some(a), Some(b)) if at.kind() == Kind::Any && form(a) != form(b) => {
            differ_as(place(at, a), old, new, at, trail, out);
            differ_as(place(at, b), old, new, at, trail, out);
        }
        (Some(shape), None) | (_, Some(shape)) => differ_as(place(at, shape), old, new, at, trail, out),
    }
}

/// The forms that a value of no known type can have. Null takes part in none: it stands for an empty map.
fn form(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
        Value::Array(_) => 2,
        Value::Object(_) => 3,
    }
}

fn differ_as(
    place: Place<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
    at: TypeRef<'_>,
    trail: &Trail<'_>,
    out: &mut Comparison,
) {
    let branch = match place {
        Place::Leaf => false,
        Place::Map => differ_maps(old, new, at, trail, out),
        Place::List(kind) => differ_lists(old, new, kind, at, trail, out),
    };
    match (old, new) {
        (None, Some(_)) => out.added.insert(&trail.path()),
        (Some(_), None) => out.removed.insert(&trail.path()),
        (Some(a), Some(b)) if !branch && !same(a, b) => out.modified.insert(&trail.path()),
        _ => {}
    }
}

/// Equality as Go sees it: 1 and 1.0 are the same number.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => numbers(a, b) == Ordering::Equal,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// Compares members; `false` when both sides are empty, so that empty and absent stay distinct.
fn differ_maps(
    old: Option<&Value>,
    new: Option<&Value>,
    at: TypeRef<'_>,
    trail: &Trail<'_>,
    out: &mut Comparison,
) -> bool {
    let before = old.and_then(Value::as_object).filter(|map| !map.is_empty());
    let after = new.and_then(Value::as_object).filter(|map| !map.is_empty());
    if before.is_none() && after.is_none() {
        return false;
    }
    let child = |name: &str| at.child(name).unwrap_or(Schema::untyped_root());
    for (name, value) in before.into_iter().flatten() {
        let other = after.and_then(|map| map.get(name));
        differ(Some(value), other, child(name), &trail.field(name), out);
    }
    let is_new = |name: &&Text| before.is_none_or(|map: &Map| !map.contains_key(name));
    for name in after.into_iter().flat_map(Map::keys).filter(is_new) {
        let value = after.and_then(|map| map.get(name));
        differ(None, value, child(name), &trail.field(name), out);
    }
    true
}

fn differ_lists(
    old: Option<&Value>,
    new: Option<&Value>,
    kind: &ListKind,
    at: TypeRef<'_>,
    trail: &Trail<'_>,
    out: &mut Comparison,
) -> bool {
    let before = old.and_then(Value::as_array).filter(|list| !list.is_empty());
    let after = new.and_then(Value::as_array).filter(|list| !list.is_empty());
    if before.is_none() && after.is_none() {
        return false;
    }
    let Some(child) = at.element() else { return false };
    let (before, after) = (index(kind, before), index(kind, after));
    for element in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let a: &[&Value] = before.get(element).map_or(&[], Vec::as_slice);
        let b: &[&Value] = after.get(element).map_or(&[], Vec::as_slice);
        let below = trail.item(element);
        // Items with the same key are one unit. It is known by its key alone, and nothing below it has an owner.
        match (a, b) {
            ([] | [_], [] | [_]) => differ(a.first().copied(), b.first().copied(), child, &below, out),
            ([_, _, ..], [_, _, ..]) => {
                if a.len() != b.len() || a.iter().zip(b).any(|(a, b)| !same(a, b)) {
                    out.modified.insert(&below.path());
                }
            }
            ([_, _, ..], single) => {
                differ(None, single.first().copied(), child, &below, out);
                out.removed.insert(&below.path());
            }
            (single, _) => {
                differ(single.first().copied(), None, child, &below, out);
                out.added.insert(&below.path());
            }
        }
    }
    true
}

/// Items by path element, those with the same key together; items without a key are left out.
fn index<'v>(kind: &ListKind, items: Option<&'v List>) -> BTreeMap<PathElement, Vec<&'v Value>> {
    let mut out: BTreeMap<PathElement, Vec<&Value>> = BTreeMap::new();
    for item in items.into_iter().flatten() {
        if let Ok(element) = item_element(kind, item) {
            out.entry(element).or_default().push(item);
        }
    }
    out
}
