//! Lists and maps with a declared element type, because Go's zero values and type errors depend on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Value;

/// The declared type of a list's or map's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ElementType {
    /// Go's empty interface; its zero value is nil.
    #[default]
    Any,
    /// Booleans; zero is false.
    Bool,
    /// Signed integers; zero is 0.
    Int,
    /// Unsigned integers; zero is 0.
    Uint,
    /// Floating point numbers; zero is 0.
    Float,
    /// Strings; zero is the empty string.
    String,
    /// Objects of the named type. There is no zero object: an absent one is nil.
    Object(&'static str),
}

impl ElementType {
    /// Go's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Float => "float64",
            Self::String => "string",
            Self::Object(name) => name,
        }
    }

    /// What `index` gives for an absent key.
    pub fn zero(self) -> Value {
        match self {
            Self::Any | Self::Object(_) => Value::Nil,
            Self::Bool => Value::Bool(false),
            Self::Int => Value::Int(0),
            Self::Uint => Value::Uint(0),
            Self::Float => Value::Float(0.0),
            Self::String => Value::String(Arc::from("")),
        }
    }
}

/// A list and the declared type of its elements.
#[derive(Debug, Clone)]
pub struct List {
    items: Vec<Value>,
    element: ElementType,
    nesting: usize,
    nodes: usize,
}

impl List {
    /// A list of any values.
    pub fn new(items: impl IntoIterator<Item = Value>) -> Self {
        Self::of(ElementType::Any, items)
    }

    /// A list of one type. The caller vouches for the items.
    pub fn of(element: ElementType, items: impl IntoIterator<Item = Value>) -> Self {
        let items: Vec<Value> = items.into_iter().collect();
        let nesting = 1 + items.iter().map(Value::nesting).max().unwrap_or(0);
        let nodes = count(&items);
        Self {
            items,
            element,
            nesting,
            nodes,
        }
    }

    /// The items.
    pub fn items(&self) -> &[Value] {
        &self.items
    }

    /// The declared type of the items.
    pub fn element(&self) -> ElementType {
        self.element
    }

    pub(crate) fn nesting(&self) -> usize {
        self.nesting
    }

    pub(crate) fn nodes(&self) -> usize {
        self.nodes
    }
}

/// All values in a collection and the collection itself.
fn count<'v>(values: impl IntoIterator<Item = &'v Value>) -> usize {
    values
        .into_iter()
        .fold(1, |count: usize, value| count.saturating_add(value.nodes()))
}

/// A map with string keys, sorted, and the declared type of its elements.
#[derive(Debug, Clone)]
pub struct Map {
    entries: BTreeMap<Arc<str>, Value>,
    element: ElementType,
    provenance: Option<Arc<str>>,
    nesting: usize,
    nodes: usize,
}

impl Map {
    /// A map of any values, Go's `map[string]interface{}`.
    pub fn new<K: Into<Arc<str>>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::of(ElementType::Any, entries)
    }

    /// A map of strings, Go's `map[string]string`.
    pub fn strings<K: Into<Arc<str>>, V: Into<Arc<str>>>(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::of(
            ElementType::String,
            entries
                .into_iter()
                .map(|(key, value)| (key, Value::String(value.into()))),
        )
    }

    /// A map of one type. The caller vouches for the values.
    pub fn of<K: Into<Arc<str>>>(element: ElementType, entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        let entries: BTreeMap<Arc<str>, Value> = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
        let nesting = 1 + entries.values().map(Value::nesting).max().unwrap_or(0);
        let nodes = count(entries.values());
        Self {
            entries,
            element,
            provenance: None,
            nesting,
            nodes,
        }
    }

    /// Names the map, so that reads from it are recorded.
    #[must_use]
    pub fn with_provenance(mut self, name: impl Into<Arc<str>>) -> Self {
        self.provenance = Some(name.into());
        self
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    /// All entries, sorted by key.
    pub fn entries(&self) -> &BTreeMap<Arc<str>, Value> {
        &self.entries
    }

    /// The declared type of the values.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// The name under which reads are recorded.
    pub fn provenance(&self) -> Option<&Arc<str>> {
        self.provenance.as_ref()
    }

    pub(crate) fn nesting(&self) -> usize {
        self.nesting
    }

    pub(crate) fn nodes(&self) -> usize {
        self.nodes
    }
}
