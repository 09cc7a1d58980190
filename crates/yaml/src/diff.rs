//! Field-by-field comparison of two values, with list elements paired by their natural key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

/// Fields that identify the elements of Kubernetes lists, in the order in which they are tried.
const LIST_KEYS: [&str; 9] = [
    "name",
    "key",
    "containerPort",
    "port",
    "mountPath",
    "devicePath",
    "ip",
    "topologyKey",
    "type",
];

/// A step from a value to one of its parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// A member of a mapping.
    Field(String),
    /// An element of a list, by place, counted from 0.
    Index(usize),
    /// An element of a list, by the value of its key field.
    Element {
        /// The key field, such as `name`.
        key: &'static str,
        /// Its value.
        value: String,
    },
}

/// Where in a value: `spec.containers[name=web].ports[0]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// True for the value as a whole.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The steps.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Appends a step.
    pub fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    fn with(&self, segment: Segment) -> Self {
        let mut path = self.clone();
        path.push(segment);
        path
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if is_simple(name) => {
                    if i > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(name)?;
                }
                Segment::Field(name) => write!(f, "[{name:?}]")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Element { key, value } => write!(f, "[{key}={value}]")?,
            }
        }
        Ok(())
    }
}

fn is_simple(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// What happened to a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It is new.
    Added(Value),
    /// It is gone.
    Removed(Value),
    /// It has another value.
    Changed {
        /// Before.
        old: Value,
        /// After.
        new: Value,
    },
    /// The elements that a list had before and after stand in another order.
    Reordered,
}

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// Where.
    pub path: FieldPath,
    /// What.
    pub change: Change,
}

/// The differences between two values, in the order of the paths of the new one; empty if and only if they are equal.
#[must_use]
pub fn diff(old: &Value, new: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    compare(&FieldPath::default(), old, new, &mut changes);
    changes
}

fn compare(path: &FieldPath, old: &Value, new: &Value, out: &mut Vec<FieldChange>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => compare_maps(path, old, new, out),
        (Value::Array(old), Value::Array(new)) => match list_key(old, new) {
            Some(key) => compare_keyed(path, key, old, new, out),
            None => compare_lists(path, old, new, out),
        },
        _ => out.push(FieldChange {
            path: path.clone(),
            change: Change::Changed {
                old: old.clone(),
                new: new.clone(),
            },
        }),
    }
}

fn compare_maps(path: &FieldPath, old: &Map<String, Value>, new: &Map<String, Value>, out: &mut Vec<FieldChange>) {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let path = path.with(Segment::Field(key.clone()));
        compare_optional(path, old.get(key), new.get(key), out);
    }
}

fn compare_optional(path: FieldPath, old: Option<&Value>, new: Option<&Value>, out: &mut Vec<FieldChange>) {
    match (old, new) {
        (Some(old), Some(new)) => compare(&path, old, new, out),
        (Some(old), None) => out.push(FieldChange {
            path,
            change: Change::Removed(old.clone()),
        }),
        (None, Some(new)) => out.push(FieldChange {
            path,
            change: Change::Added(new.clone()),
        }),
        (None, None) => {}
    }
}

/// The first key field that every element of both lists has, with distinct values in each.
fn list_key(old: &[Value], new: &[Value]) -> Option<&'static str> {
    if old.is_empty() || new.is_empty() {
        return None;
    }
    LIST_KEYS
        .into_iter()
        .find(|key| index_by(old, key).is_some() && index_by(new, key).is_some())
}

fn index_by<'v>(items: &'v [Value], key: &str) -> Option<BTreeMap<String, &'v Value>> {
    let mut index = BTreeMap::new();
    for item in items {
        let id = match item.get(key)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        if index.insert(id, item).is_some() {
            return None;
        }
    }
    Some(index)
}

fn compare_keyed(path: &FieldPath, key: &'static str, old: &[Value], new: &[Value], out: &mut Vec<FieldChange>) {
    let (Some(before), Some(after)) = (index_by(old, key), index_by(new, key)) else {
        return;
    };
    let names = |items: &[Value], other: &BTreeMap<String, &Value>| -> Vec<String> {
        let id = |item: &Value| match item.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        items.iter().map(id).filter(|id| other.contains_key(id)).collect()
    };
    if names(old, &after) != names(new, &before) {
        out.push(FieldChange {
            path: path.clone(),
            change: Change::Reordered,
        });
    }
    let ids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for id in ids {
        let value = id.clone();
        let path = path.with(Segment::Element { key, value });
        compare_optional(path, before.get(id).copied(), after.get(id).copied(), out);
    }
}

/// Lists without a key: the common start and end are left out, the rest is compared place by place.
fn compare_lists(path: &FieldPath, old: &[Value], new: &[Value], out: &mut Vec<FieldChange>) {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = |items: &'_ [Value]| items.len() - start;
    let most = rest(old).min(rest(new));
    let end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(most)
        .take_while(|(a, b)| a == b)
        .count();
    let old_middle = old.get(start..old.len() - end).unwrap_or_default();
    let new_middle = new.get(start..new.len() - end).unwrap_or_default();
    for i in 0..old_middle.len().max(new_middle.len()) {
        let path = path.with(Segment::Index(start + i));
        compare_optional(path, old_middle.get(i), new_middle.get(i), out);
    }
}
