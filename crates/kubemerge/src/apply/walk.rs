//! Walks over values along their schema: which fields a value sets, how two values differ, what remains when fields go.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::fields::{FieldSet, Path, PathElement, Scalar};
use crate::schema::{Kind, ListKey, ListKind, Scalar as ScalarType, TypeRef};

/// A value that does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path}: {reason}")]
pub struct TypedError {
    /// Path in the form `.spec.replicas`.
    pub path: String,
    /// What does not fit.
    pub reason: String,
}

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
        Kind::Scalar(_) => Place::Leaf,
        Kind::List { kind: ListKind::Atomic } => Place::Leaf,
        Kind::List { kind } => Place::List(kind),
        Kind::Object if at.is_atomic() => Place::Leaf,
        Kind::Object => Place::Map,
        Kind::Any if value.is_object() && !at.is_atomic() => Place::Map,
        Kind::Any => Place::Leaf,
    }
}

/// The path element of a list item.
pub(super) fn item_element(kind: &ListKind, item: &Value) -> Result<PathElement, String> {
    match kind {
        ListKind::Atomic => Err("atomic lists have no items of their own".to_owned()),
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

fn keyed_element(keys: &[ListKey], item: &Value) -> Result<PathElement, String> {
    let map = match item {
        Value::Object(map) => map,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut fields = Vec::with_capacity(keys.len());
    for key in keys {
        let value = map.get(&key.name).or(key.default.as_ref()).ok_or_else(|| {
            format!(
                "associative list with keys has an element that omits key field {:?} (and doesn't have default value)",
                key.name
            )
        })?;
        let value = Scalar::new(value.clone()).ok_or_else(|| format!("key field {:?} is not a scalar", key.name))?;
        fields.push((key.name.clone(), value));
    }
    fields.sort();
    Ok(PathElement::Key(fields))
}

/// Checks that a value fits its schema as server-side apply asks for it: known fields, matching kinds, distinct keys.
pub(super) fn check(value: &Value, at: TypeRef<'_>, duplicates: bool) -> Vec<TypedError> {
    let mut checker = Checker {
        duplicates,
        path: Vec::new(),
        errors: Vec::new(),
    };
    checker.value(value, at);
    checker.errors
}

struct Checker {
    duplicates: bool,
    path: Vec<PathElement>,
    errors: Vec<TypedError>,
}

impl Checker {
    fn fail(&mut self, reason: impl Into<String>) {
        self.errors.push(TypedError {
            path: Path(self.path.clone()).to_string(),
            reason: reason.into(),
        });
    }

    fn value(&mut self, value: &Value, at: TypeRef<'_>) {
        match (at.kind(), value) {
            (_, Value::Null) => {}
            (Kind::Any, Value::Object(map)) | (Kind::Object, Value::Object(map)) => self.members(map, at),
            (Kind::Any, _) => {}
            (Kind::Object, _) => self.fail(format!("expected map, got {}", kind_of(value))),
            (Kind::List { kind }, Value::Array(items)) => self.items(items, kind, at),
            (Kind::List { .. }, _) => self.fail(format!("expected list, got {}", kind_of(value))),
            (Kind::Scalar(scalar), _) => self.scalar(scalar, value),
        }
    }

    fn members(&mut self, map: &Map<String, Value>, at: TypeRef<'_>) {
        for (name, value) in map {
            self.path.push(PathElement::field(name));
            match at.child(name) {
                Some(child) => self.value(value, child),
                // A custom resource may carry fields beside a schema that keeps unknown ones.
                None if at.preserves_unknown() => {}
                None => self.fail("field not declared in schema"),
            }
            self.path.pop();
        }
    }

    fn items(&mut self, items: &[Value], kind: &ListKind, at: TypeRef<'_>) {
        let mut seen = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            let place = i64::try_from(index).unwrap_or(i64::MAX);
            let element = match kind {
                ListKind::Atomic => PathElement::Index(place),
                _ => match item_element(kind, item) {
                    Ok(element) => element,
                    Err(reason) => {
                        self.fail(format!("element {index}: {reason}"));
                        continue;
                    }
                },
            };
            if !self.duplicates && seen.insert(element.clone(), ()).is_some() {
                self.fail(format!("duplicate entries for key {element}"));
            }
            if let Some(child) = at.element() {
                self.path.push(element);
                self.value(item, child);
                self.path.pop();
            }
        }
    }

    fn scalar(&mut self, scalar: ScalarType, value: &Value) {
        let fits = match scalar {
            ScalarType::String | ScalarType::Bytes | ScalarType::Time => value.is_string(),
            ScalarType::Boolean => value.is_boolean(),
            ScalarType::Int32 | ScalarType::Integer | ScalarType::Number => value.is_number(),
            ScalarType::IntOrString | ScalarType::Quantity => !value.is_object() && !value.is_array(),
        };
        if !fits {
            let expected = match scalar {
                ScalarType::Boolean => "boolean",
                ScalarType::Int32 | ScalarType::Integer | ScalarType::Number => "numeric (int or float)",
                ScalarType::IntOrString | ScalarType::Quantity => "scalar",
                _ => "string",
            };
            self.fail(format!("expected {expected}, got {}", kind_of(value)));
        }
    }
}

/// Go's name for the kind of a decoded value.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

/// All fields that a value sets.
pub(super) fn field_set(value: &Value, at: TypeRef<'_>) -> FieldSet {
    let mut set = FieldSet::new();
    match (place(at, value), value) {
        (Place::Map, Value::Object(map)) => {
            for (name, value) in map {
                let element = PathElement::field(name);
                let Some(child) = at.child(name) else {
                    set.add(element);
                    continue;
                };
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                let leaf = matches!(place(child, value), Place::Leaf) || (!value.is_object() && !value.is_array());
                if empty || leaf || at.field(name).is_none() {
                    set.add(element.clone());
                }
                if !leaf {
                    set.graft(element, field_set(value, child));
                }
            }
        }
        (Place::List(kind), Value::Array(items)) => {
            for item in items {
                let (Ok(element), Some(child)) = (item_element(kind, item), at.element()) else {
                    continue;
                };
                set.add(element.clone());
                let inner = field_set(item, child);
                if let Some(before) = set.below(&element).cloned() {
                    set.graft(element, before.union(&inner));
                } else {
                    set.graft(element, inner);
                }
            }
        }
        _ => {}
    }
    set
}

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

impl Comparison {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }
}

/// Compares two values along their schema.
pub(super) fn compare(old: &Value, new: &Value, at: TypeRef<'_>) -> Comparison {
    let mut out = Comparison::default();
    let mut path = Vec::new();
    differ(Some(old), Some(new), at, &mut path, &mut out);
    out
}

fn differ(
    old: Option<&Value>,
    new: Option<&Value>,
    at: TypeRef<'_>,
    path: &mut Vec<PathElement>,
    out: &mut Comparison,
) {
    // An absent side takes the form of the other one.
    let Some(shape) = new.filter(|new| !new.is_null()).or(old).or(new) else {
        return;
    };
    let branch = match place(at, shape) {
        Place::Leaf => false,
        Place::Map => differ_maps(old, new, at, path, out),
        Place::List(kind) => differ_lists(old, new, kind, at, path, out),
    };
    match (old, new) {
        (None, Some(_)) => out.added.insert(path),
        (Some(_), None) => out.removed.insert(path),
        (Some(a), Some(b)) if (!branch || other_kind(a, b)) && !same(a, b) => out.modified.insert(path),
        _ => {}
    }
}

/// Whether a value has become one of another kind, such as a map in place of text.
fn other_kind(a: &Value, b: &Value) -> bool {
    !a.is_null() && !b.is_null() && std::mem::discriminant(a) != std::mem::discriminant(b)
}

/// Equality as Go sees it: 1 and 1.0 are the same number.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => Scalar::new(a.clone()) == Scalar::new(b.clone()),
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
    path: &mut Vec<PathElement>,
    out: &mut Comparison,
) -> bool {
    let before = old.and_then(Value::as_object).filter(|map| !map.is_empty());
    let after = new.and_then(Value::as_object).filter(|map| !map.is_empty());
    if before.is_none() && after.is_none() {
        return false;
    }
    let untyped = crate::schema::Schema::untyped_root();
    let names: std::collections::BTreeSet<&String> = before
        .into_iter()
        .flat_map(Map::keys)
        .chain(after.into_iter().flat_map(Map::keys))
        .collect();
    for name in names {
        path.push(PathElement::field(name));
        let child = at.child(name).unwrap_or(untyped);
        differ(
            before.and_then(|map| map.get(name)),
            after.and_then(|map| map.get(name)),
            child,
            path,
            out,
        );
        path.pop();
    }
    true
}

fn differ_lists(
    old: Option<&Value>,
    new: Option<&Value>,
    kind: &ListKind,
    at: TypeRef<'_>,
    path: &mut Vec<PathElement>,
    out: &mut Comparison,
) -> bool {
    let before = old.and_then(Value::as_array).filter(|list| !list.is_empty());
    let after = new.and_then(Value::as_array).filter(|list| !list.is_empty());
    if before.is_none() && after.is_none() {
        return false;
    }
    let Some(child) = at.element() else { return false };
    let (before, after) = (index(kind, before), index(kind, after));
    let elements: std::collections::BTreeSet<&PathElement> = before.keys().chain(after.keys()).collect();
    for element in elements {
        let none = Vec::new();
        let (a, b) = (
            before.get(element).unwrap_or(&none),
            after.get(element).unwrap_or(&none),
        );
        path.push(element.clone());
        if a.len() > 1 || b.len() > 1 {
            // Duplicate items are one unit: only the whole of them can be compared.
            match (a.is_empty(), b.is_empty()) {
                (true, _) => out.added.insert(path),
                (_, true) => out.removed.insert(path),
                _ if a.len() != b.len() || a.iter().zip(b).any(|(a, b)| !same(a, b)) => out.modified.insert(path),
                _ => {}
            }
        } else {
            differ(a.first().copied(), b.first().copied(), child, path, out);
        }
        path.pop();
    }
    true
}

/// Items by path element, with duplicates together; items without a key are left out.
pub(super) fn index<'v>(kind: &ListKind, items: Option<&'v Vec<Value>>) -> BTreeMap<PathElement, Vec<&'v Value>> {
    let mut out: BTreeMap<PathElement, Vec<&Value>> = BTreeMap::new();
    for item in items.into_iter().flatten() {
        if let Ok(element) = item_element(kind, item) {
            out.entry(element).or_default().push(item);
        }
    }
    out
}

/// What stands for a map or list that has lost all it had but stays itself. Go writes null here, which its typed decoder then
/// takes for empty; there is no such decoder behind this crate.
fn emptied(value: &Value) -> Value {
    if value.is_array() {
        Value::Array(Vec::new())
    } else {
        Value::Object(Map::new())
    }
}

/// What remains of a value without the given fields; `None` when nothing does.
pub(super) fn remove(value: &Value, gone: &FieldSet, at: TypeRef<'_>) -> Option<Value> {
    match (place(at, value), value) {
        (Place::Map, Value::Object(map)) => {
            let untyped = crate::schema::Schema::untyped_root();
            let mut out = Map::new();
            for (name, value) in map {
                let element = PathElement::field(name);
                if gone.has(&element) {
                    continue;
                }
                let rest = match gone.below(&element) {
                    Some(below) => {
                        remove(value, below, at.child(name).unwrap_or(untyped)).unwrap_or_else(|| emptied(value))
                    }
                    None => value.clone(),
                };
                out.insert(name.clone(), rest);
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        (Place::List(kind), Value::Array(items)) => {
            let mut out = Vec::new();
            for item in items {
                let rest = match (item_element(kind, item), at.element()) {
                    (Ok(element), _) if gone.has(&element) => continue,
                    (Ok(element), Some(child)) => match gone.below(&element) {
                        Some(below) => remove(item, below, child).unwrap_or_else(|| emptied(item)),
                        None => item.clone(),
                    },
                    _ => item.clone(),
                };
                out.push(rest);
            }
            (!out.is_empty()).then_some(Value::Array(out))
        }
        _ => Some(value.clone()),
    }
}
