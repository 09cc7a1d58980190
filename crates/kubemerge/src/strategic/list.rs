//! Lists in a strategic merge patch.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{DELETE_VALUES, ORDER, PATCH, StrategicError, merge_map};
use crate::schema::{Schema, TypeRef};

/// Merges the items of a patch into a list, then orders it.
pub(super) fn merge(
    original: &[Value],
    change: &[Value],
    at: TypeRef<'_>,
    name: &str,
    patch: &Map<String, Value>,
    path: &str,
) -> Result<Vec<Value>, StrategicError> {
    let key = at.strategic(name).and_then(|strategic| strategic.key.as_deref());
    let directive = |prefix: &str| match patch.get(&format!("{prefix}{name}")) {
        None => Ok(None),
        Some(Value::Array(values)) => Ok(Some(values)),
        Some(_) => Err(StrategicError::Directive {
            field: path.to_owned(),
            directive: format!("{prefix}{name}"),
        }),
    };
    let order = directive(ORDER)?;
    match key {
        Some(key) => {
            let element = at
                .field(name)
                .and_then(TypeRef::element)
                .unwrap_or(Schema::untyped_root());
            let keyed = Keyed { key, element, path };
            let merged = keyed.merge(original, change)?;
            let ids =
                |items: &[Value]| -> Vec<String> { items.iter().filter_map(|item| item.get(key)).map(id).collect() };
            let live: Vec<Value> = change
                .iter()
                .filter(|item| item.get(PATCH).is_none())
                .cloned()
                .collect();
            arrange(
                merged,
                |item| item.get(key).map(id),
                &ids(original),
                &ids(&live),
                order.map(|order| ids(order)),
                path,
            )
        }
        None => {
            let gone: BTreeSet<String> = directive(DELETE_VALUES)?.into_iter().flatten().map(id).collect();
            let mut out: Vec<Value> = original
                .iter()
                .filter(|item| !gone.contains(&id(item)))
                .cloned()
                .collect();
            let mut known: BTreeSet<String> = out.iter().map(id).collect();
            for item in change {
                if known.insert(id(item)) {
                    out.push(item.clone());
                }
            }
            let ids = |items: &[Value]| items.iter().map(id).collect::<Vec<_>>();
            arrange(
                out,
                |item| Some(id(item)),
                &ids(original),
                &ids(change),
                order.map(|order| ids(order)),
                path,
            )
        }
    }
}

/// What tells items apart: their text, as the API server compares keys after printing them.
fn id(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
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
                None | Some("merge") => rest.push(item),
                // Alone it replaces the whole list; it is no item itself.
                Some("replace") => replace = true,
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
            return Ok(rest.into_iter().map(without_directive).collect());
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
                    // Directives inside a new item mean what they mean in an old one.
                    let fresh = merge_map(&Map::new(), &change, self.element, self.path)?;
                    places.insert(id, out.len());
                    out.push(Value::Object(fresh));
                }
            }
        }
        Ok(out)
    }
}

fn without_directive(item: &Value) -> Value {
    let mut out = item.clone();
    if let Some(map) = out.as_object_mut() {
        map.remove(PATCH);
    }
    out
}

/// Orders a merged list. Items that the patch or its `$setElementOrder` names come in that order; items that only the server has
/// keep their place relative to the item that followed them in the original.
fn arrange(
    merged: Vec<Value>,
    id_of: impl Fn(&Value) -> Option<String>,
    original: &[String],
    change: &[String],
    order: Option<Vec<String>>,
    path: &str,
) -> Result<Vec<Value>, StrategicError> {
    let Some(order) = order else { return Ok(merged) };
    let places: BTreeMap<&str, usize> = order
        .iter()
        .enumerate()
        .map(|(place, id)| (id.as_str(), place))
        .collect();
    let listed: Option<Vec<usize>> = change.iter().map(|id| places.get(id.as_str()).copied()).collect();
    if !listed.is_some_and(|places| places.is_sorted()) {
        return Err(StrategicError::Order { field: path.to_owned() });
    }
    let was: BTreeMap<&str, usize> = original
        .iter()
        .enumerate()
        .rev()
        .map(|(place, id)| (id.as_str(), place))
        .collect();
    let (mut ours, mut servers): (Vec<(usize, Value)>, Vec<Value>) = (Vec::new(), Vec::new());
    for item in merged {
        match id_of(&item).and_then(|id| places.get(id.as_str()).copied()) {
            Some(place) => ours.push((place, item)),
            None => servers.push(item),
        }
    }
    ours.sort_by_key(|(place, _)| *place);
    // Merge two lists: a server's item goes first when it stood before the next ordered item, which was there already.
    let position = |item: &Value| id_of(item).and_then(|id| was.get(id.as_str()).copied());
    let mut out = Vec::with_capacity(ours.len() + servers.len());
    let (mut ours, mut servers) = (
        ours.into_iter().map(|(_, item)| item).peekable(),
        servers.into_iter().peekable(),
    );
    while let Some(mine) = ours.peek() {
        let first = servers
            .peek()
            .is_some_and(|server| match (position(server), position(mine)) {
                (Some(server), Some(mine)) => server < mine,
                _ => false,
            });
        let next = if first { servers.next() } else { ours.next() };
        out.extend(next);
    }
    out.extend(servers);
    Ok(out)
}
