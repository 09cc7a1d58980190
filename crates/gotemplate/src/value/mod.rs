//! The values that templates work on. Contents are shared: cloning a value never copies data.

mod collections;
mod object;

use std::sync::Arc;

pub use collections::{ElementType, List, Map};
pub use object::{Object, Record};

use crate::function::Function;
use crate::record::join;

/// A value in a template.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// Nothing: a missing key, a nil interface.
    #[default]
    Nil,
    /// A boolean.
    Bool(bool),
    /// A signed integer of any of Go's sizes.
    Int(i64),
    /// An unsigned integer of any of Go's sizes.
    Uint(u64),
    /// A floating point number.
    Float(f64),
    /// A string. Unlike Go's it is always UTF-8.
    String(Arc<str>),
    /// A list.
    List(Arc<List>),
    /// A map with string keys, sorted.
    Map(Arc<Map>),
    /// Something with named fields and methods, Go's struct.
    Object(Arc<dyn Object>),
    /// A function, for `call` and for method-style calls.
    Function(Function),
}

impl Value {
    /// A list of any values.
    pub fn list(items: impl IntoIterator<Item = Value>) -> Self {
        Self::from(List::new(items))
    }

    /// A list of strings, Go's `[]string`.
    pub fn strings<S: Into<Arc<str>>>(items: impl IntoIterator<Item = S>) -> Self {
        Self::from(List::of(
            ElementType::String,
            items.into_iter().map(|item| Value::String(item.into())),
        ))
    }

    /// Wraps an object.
    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Arc::new(object))
    }

    /// Go's truth: false, zero, empty and nil are false; the string `"false"` is true.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Uint(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::String(text) => !text.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => !map.entries().is_empty(),
            Self::Object(_) | Self::Function(_) => true,
        }
    }

    /// Go's name of the type, for errors and `%T`.
    pub fn type_name(&self) -> String {
        match self {
            Self::Nil => "<nil>".into(),
            Self::Bool(_) => "bool".into(),
            Self::Int(_) => "int".into(),
            Self::Uint(_) => "uint".into(),
            Self::Float(_) => "float64".into(),
            Self::String(_) => "string".into(),
            Self::List(list) => format!("[]{}", list.element().name()),
            Self::Map(map) => format!("map[string]{}", map.element().name()),
            Self::Object(object) => object.type_name().to_owned(),
            Self::Function(_) => "func".into(),
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The signed integer, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_items(&self) -> Option<&[Value]> {
        match self {
            Self::List(list) => Some(list.items()),
            _ => None,
        }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The name under which reads of this container are recorded.
    pub fn provenance(&self) -> Option<Arc<str>> {
        match self {
            Self::Map(map) => map.provenance().cloned(),
            Self::Object(object) => object.provenance(),
            _ => None,
        }
    }

    /// The same data with provenance names on all maps: this one gets the name, maps inside it the path below. Maps that
    /// have a name keep it; objects answer for themselves.
    #[must_use]
    pub fn labelled(&self, name: &str) -> Self {
        match self {
            Self::Map(map) => {
                let name: Arc<str> = map.provenance().cloned().unwrap_or_else(|| name.into());
                let entries = map
                    .entries()
                    .iter()
                    .map(|(key, value)| (Arc::clone(key), value.labelled(&join(&name, key))));
                Self::from(Map::of(map.element(), entries).with_provenance(name))
            }
            Self::List(list) if list.nesting() > 1 => {
                let items = list
                    .items()
                    .iter()
                    .enumerate()
                    .map(|(at, item)| item.labelled(&format!("{name}[{at}]")));
                Self::from(List::of(list.element(), items))
            }
            other => other.clone(),
        }
    }

    /// How many values it is made of, itself included. Values that lists share count each time, so this can be far more than memory
    /// holds; it is kept with each collection and costs nothing to ask.
    pub fn nodes(&self) -> usize {
        match self {
            Self::List(list) => list.nodes(),
            Self::Map(map) => map.nodes(),
            _ => 1,
        }
    }

    /// How deep lists and maps are nested in it.
    pub fn nesting(&self) -> usize {
        match self {
            Self::List(list) => list.nesting(),
            Self::Map(map) => map.nesting(),
            _ => 0,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(value: Arc<str>) -> Self {
        Self::String(value)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(Arc::new(list))
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(Arc::new(map))
    }
}

impl From<Function> for Value {
    fn from(function: Function) -> Self {
        Self::Function(function)
    }
}

impl From<Record> for Value {
    fn from(record: Record) -> Self {
        Self::object(record)
    }
}
