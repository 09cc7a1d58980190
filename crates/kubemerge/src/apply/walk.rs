//! Walks over a value along its schema: which fields it sets, and what remains of it when fields go.

use std::collections::BTreeMap;

use json_tree::{List, Map, Value};

use crate::fields::{FieldSet, PathElement, Scalar};
use crate::schema::{Kind, ListKey, ListKind, Schema, TypeRef};

/// What a value is at a place, given its type: decides how ownership works there.
pub(super) enum Place<'a> {
    /// One owner for the whole value.
    Leaf,
    /// A list whose items have owners.
    List(&'a ListKind),
    /// A map or struct whose members have owners.
    Map,
}

/// The place of a value of this type. Where no type is known the value decides: maps are granular, lists atomic.
pub(super) fn place<'a>(at: TypeRef<'a>, value: &Value) -> Place<'a> {
    match at.kind() {
        Kind::Scalar(_) | Kind::List { kind: ListKind::Atomic } => Place::Leaf,
        Kind::List { kind } => Place::List(kind),
        Kind::Any | Kind::Object if at.is_atomic() => Place::Leaf,
        Kind::Object => Place::Map,
        Kind::Any if value.is_object() || value.is_null() => Place::Map,
        Kind::Any => Place::Leaf,
    }
}

/// The path element of a list item.
pub(super) fn item_element(kind: &ListKind, item: &Value) -> Result<PathElement, String> {
    match kind {
        ListKind::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        ListKind::Set => match Scalar::new(item.clone()) {
            Some(_) if item.is_null() => {
                Err("associative list without keys has an element that's an explicit null".to_owned())
            }
            Some(value) => Ok(PathElement::Value(value)),
            None if item.is_object() => {
                Err("associative list without keys has an element that's a map type".to_owned())
            }
            None => Err("not supported: associative list with lists as elements".to_owned()),
        },
        ListKind::Map(keys) => keyed_element(keys, item),
    }
}

/// A key that the item leaves out and that has no default is no part of the element; one has to be there.
fn keyed_element(keys: &[ListKey], item: &Value) -> Result<PathElement, String> {
    let map = match item {
        Value::Object(map) => map,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut fields = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(value) = map.get(&key.name).or(key.default.as_ref()) else {
            continue;
        };
        let value = Scalar::new(value.clone()).ok_or_else(|| format!("key field {:?} is not a scalar", key.name))?;
        fields.push((key.name.clone(), value));
    }
    if fields.is_empty() {
        let names: Vec<String> = keys.iter().map(|key| format!("{:?}", key.name)).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            names.join(" ")
        ));
    }
    Ok(PathElement::key(fields))
}

/// All fields that a value sets.
pub(super) fn field_set(value: &Value, at: TypeRef<'_>) -> FieldSet {
    let mut set = FieldSet::new();
    match (place(at, value), value) {
        (Place::Map, Value::Object(map)) => {
            for (name, value) in map {
                let (member, below) = match at.child(name) {
                    None => (true, FieldSet::new()),
                    Some(child) => {
                        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                        let leaf = matches!(place(child, value), Place::Leaf);
                        // Named fields of a struct are members only as leaves.
                        let member = empty || leaf || at.field(name).is_none();
                        (member, if leaf { FieldSet::new() } else { field_set(value, child) })
                    }
                };
                set.put(PathElement::field(name), member, below);
            }
        }
        (Place::List(kind), Value::Array(items)) => {
            let mut counts: BTreeMap<PathElement, (usize, &Value)> = BTreeMap::new();
            for item in items {
                if let Ok(element) = item_element(kind, item) {
                    counts.entry(element).or_insert((0, item)).0 += 1;
                }
            }
            for (element, (count, item)) in counts {
                let child = at.element().filter(|_| count == 1);
                let below = child.map_or_else(FieldSet::new, |child| field_set(item, child));
                set.put(element, true, below);
            }
        }
        _ => {}
    }
    set
}

/// What stands for a map or list that has lost all it had but stays itself.
fn emptied(value: &Value) -> Value {
    if value.is_array() {
        Value::Array(List::new())
    } else {
        Value::Object(Map::new())
    }
}

/// What remains of a value without the given fields; `None` when nothing does.
pub(super) fn remove(value: &Value, gone: &FieldSet, at: TypeRef<'_>) -> Option<Value> {
    let rest = |value: &Value, element: &PathElement, child: TypeRef<'_>| match gone.below(element) {
        Some(below) => remove(value, below, child).unwrap_or_else(|| emptied(value)),
        None => value.clone(),
    };
    match (place(at, value), value) {
        (Place::Map, Value::Object(map)) => {
            let mut out = Map::new();
            for (name, value) in map {
                let element = PathElement::field(name);
                if !gone.has(&element) {
                    let child = at.child(name).unwrap_or(Schema::untyped_root());
                    out.insert(name.clone(), rest(value, &element, child));
                }
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        (Place::List(kind), Value::Array(items)) => {
            let mut out = Vec::new();
            for item in items {
                match (item_element(kind, item), at.element()) {
                    (Ok(element), _) if gone.has(&element) => {}
                    (Ok(element), Some(child)) => out.push(rest(item, &element, child)),
                    _ => out.push(item.clone()),
                }
            }
            (!out.is_empty()).then_some(Value::from(out))
        }
        _ => Some(value.clone()),
    }
}
