//! Lists in a strategic merge patch.

use std::collections::{BTreeMap, BTreeSet};

use json_tree::{Map, Value};

use super::{DELETE_VALUES, ORDER, PATCH, REPLACE, StrategicError, merge_map};
use crate::schema::{Schema, TypeRef};

/// Merges the items of a patch into a list, then orders it: by the patch, and where it has a `$setElementOrder`, by that.
pub(super) fn merge(
    original: &[Value],
    change: &[Value],
    at: TypeRef<'_>,
    name: &str,
    patch: &Map,
    path: &str,
) -> Result<Vec<Value>, StrategicError> {
    let key = at.strategic(name).and_then(|strategic| strategic.key.as_deref());
    let directive = |prefix: &str| match patch.get(&format!("{prefix}{name}")) {
        None => Ok(None),
        Some(Value::Array(values)) => Ok(Some(values)),
        Some(_) => {
            let directive = format!("{prefix}{name}");
            Err(StrategicError::Directive {
                field: path.to_owned(),
                directive,
            })
        }
    };
    let order = directive(ORDER)?;
    let id_of = |item: &Value| match key {
        Some(key) => item.get(key).map(id),
        None => Some(id(item)),
    };
    let ids = |items: &[Value]| -> Vec<String> { items.iter().filter_map(id_of).collect() };
    if let Some(order) = order {
        check_order(id_of, change, &ids(order), path)?;
    }
    // What the patch deletes has no place any more, even if it adds it again.
    let deleted: BTreeSet<String> = change
        .iter()
        .filter(|item| item.get(PATCH).is_some())
        .filter_map(id_of)
        .collect();
    let was: Vec<String> = ids(original).into_iter().filter(|id| !deleted.contains(id)).collect();
    let mut out = match key {
        Some(key) => {
            let element = at
                .field(name)
                .and_then(TypeRef::element)
                .unwrap_or(Schema::untyped_root());
            Keyed { key, element, path }.merge(original, change)?
        }
        None => {
            let gone: BTreeSet<String> = directive(DELETE_VALUES)?.into_iter().flatten().map(id).collect();
            let mut known = BTreeSet::new();
            let kept = original.iter().filter(|item| !gone.contains(&id(item)));
            kept.chain(change)
                .filter(|item| known.insert(id(item)))
                .cloned()
                .collect()
        }
    };
    if !change.is_empty() {
        let live: Vec<Value> = change
            .iter()
            .filter(|item| item.get(PATCH).is_none())
            .cloned()
            .collect();
        let replaced = live.len() < change.len() && change.iter().any(|item| item.get(PATCH) == Some(&REPLACE.into()));
        if !replaced {
            out = arrange(out, id_of, &ids(&live), &was);
        }
    }
    Ok(match order {
        Some(order) => arrange(out, id_of, &ids(order), &was),
        None => out,
    })
}

/// The order has to name the items of the patch in their order. An empty one says nothing.
fn check_order(
    id_of: impl Fn(&Value) -> Option<String>,
    change: &[Value],
    order: &[String],
    path: &str,
) -> Result<(), StrategicError> {
    if order.is_empty() {
        return Ok(());
    }
    let mut order = order.iter();
    for item in change.iter().filter(|item| item.get(PATCH).is_none()) {
        let id = id_of(item);
        if !order.any(|named| Some(named) == id.as_ref()) {
            return Err(StrategicError::Order { field: path.to_owned() });
        }
    }
    Ok(())
}

/// What tells items apart: their text, as the API server compares keys after printing them.
fn id(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    }
}

struct Keyed<'a> {
    key: &'a str,
    element: TypeRef<'a>,
    path: &'a str,
}

impl Keyed<'_> {
    fn id_of(&self, item: &Value) -> Result<String, StrategicError> {
        let map = item.as_object().ok_or(StrategicError::Kind {
            field: self.path.to_owned(),
            expected: "list of maps",
        })?;
        let no_key = || StrategicError::NoMergeKey {
            field: self.path.to_owned(),
            key: self.key.to_owned(),
        };
        map.get(self.key).map(id).ok_or_else(no_key)
    }

    /// Deletions first, then merges in place; new items go to the end.
    fn merge(&self, original: &[Value], change: &[Value]) -> Result<Vec<Value>, StrategicError> {
        let directive = |item: &Value| item.get(PATCH).map(|value| value.as_str().unwrap_or("").to_owned());
        let mut replace = false;
        let mut gone = BTreeSet::new();
        let mut rest = Vec::new();
        for item in change {
            match directive(item).as_deref() {
                None => rest.push(item),
                // It replaces the whole list and is no item itself.
                Some(REPLACE) => replace = true,
                Some("delete") => {
                    gone.insert(self.id_of(item)?);
                }
                Some(_) => {
                    return Err(StrategicError::Directive {
                        field: self.path.to_owned(),
                        directive: PATCH.to_owned(),
                    });
                }
            }
        }
        if replace {
            return Ok(rest.into_iter().map(super::without_marks).collect());
        }
        let kept = |item: &&Value| item.get(self.key).is_none_or(|value| !gone.contains(&id(value)));
        let mut out: Vec<Value> = original.iter().filter(kept).cloned().collect();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (place, item) in out.iter().enumerate() {
            if let Some(value) = item.get(self.key) {
                places.entry(id(value)).or_insert(place);
            }
        }
        for item in rest {
            let id = self.id_of(item)?;
            let change = item.as_object().cloned().unwrap_or_default();
            let place = places.get(&id).and_then(|place| out.get_mut(*place));
            match place {
                Some(slot) => {
                    let before = slot.as_object().cloned().unwrap_or_default();
                    *slot = Value::Object(merge_map(&before, &change, self.element, self.path)?);
                }
                None => {
                    places.insert(id, out.len());
                    out.push(super::without_keys(&Value::Object(change)));
                }
            }
        }
        Ok(out)
    }
}

/// Orders a merged list. Items that `order` names come in that order. The others keep the order of `was`, the original, and
/// go before the next named item when they stood before it in the original. So a new item comes before all items that
/// the patch does not name.
fn arrange(
    merged: Vec<Value>,
    id_of: impl Fn(&Value) -> Option<String>,
    order: &[String],
    was: &[String],
) -> Vec<Value> {
    let places = |ids: &[String]| -> BTreeMap<String, usize> {
        ids.iter()
            .enumerate()
            .rev()
            .map(|(place, id)| (id.clone(), place))
            .collect()
    };
    let (order, was) = (places(order), places(was));
    // (place in the order, place in the original, item)
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for item in merged {
        let id = id_of(&item);
        let place = |places: &BTreeMap<String, usize>| id.as_ref().and_then(|id| places.get(id)).copied();
        match (place(&order), place(&was)) {
            (Some(place), was) => named.push((place, was, item)),
            (None, was) => others.push((was, item)),
        }
    }
    named.sort_by_key(|(place, _, _)| *place);
    if others.iter().all(|(was, _)| was.is_some()) {
        others.sort_by_key(|(was, _)| *was);
    } else {
        // The API server's comparison has no answer for items that are nowhere, and so turns them round.
        others.reverse();
    }
    let mut out = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    for (_, was, item) in named {
        while let Some((_, other)) = others.next_if(|(other, _)| other.is_some() && was.is_some() && *other < was) {
            out.push(other);
        }
        out.push(item);
    }
    out.extend(others.map(|(_, item)| item));
    out
}
