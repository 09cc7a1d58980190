//! Things with named fields and methods: Go's structs, seen through a trait.

use std::fmt;
use std::sync::Arc;

use super::Value;
use crate::function::Function;

/// A value with named fields and methods. Unlike a map, asking it for a field it does not have is always an error.
pub trait Object: fmt::Debug + Send + Sync {
    /// Go's name of the type, for errors, such as `*api.Cluster`.
    fn type_name(&self) -> &str;

    /// The value of a field.
    fn field(&self, name: &str) -> Option<Value>;

    /// A method; it is called with the arguments that follow it in the template. Methods win over fields of the same name.
    fn method(&self, _name: &str) -> Option<Function> {
        None
    }

    /// The fields in the order of their declaration, for printing and suggestions.
    fn field_names(&self) -> Vec<&str>;

    /// The methods, for suggestions.
    fn method_names(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The name under which reads of this object are recorded.
    fn provenance(&self) -> Option<Arc<str>> {
        None
    }
}

/// An object made of given fields and methods.
///
/// ```
/// use gotemplate::{Function, Record, Value};
///
/// let pool = Record::new("*api.NodePool")
///     .field("Name", "worker")
///     .method("IsSpot", Function::constant(Value::from(false)));
/// assert_eq!(Value::from(pool).type_name(), "*api.NodePool");
/// ```
#[derive(Debug, Clone)]
pub struct Record {
    type_name: Arc<str>,
    fields: Vec<(Arc<str>, Value)>,
    methods: Vec<(Arc<str>, Function)>,
    provenance: Option<Arc<str>>,
}

impl Record {
    /// An object without fields.
    pub fn new(type_name: impl Into<Arc<str>>) -> Self {
        Self {
            type_name: type_name.into(),
            fields: Vec::new(),
            methods: Vec::new(),
            provenance: None,
        }
    }

    /// Adds a field; the order is the order of printing.
    #[must_use]
    pub fn field(mut self, name: impl Into<Arc<str>>, value: impl Into<Value>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Adds a method.
    #[must_use]
    pub fn method(mut self, name: impl Into<Arc<str>>, function: Function) -> Self {
        self.methods.push((name.into(), function));
        self
    }

    /// Names the object, so that reads from it are recorded.
    #[must_use]
    pub fn with_provenance(mut self, name: impl Into<Arc<str>>) -> Self {
        self.provenance = Some(name.into());
        self
    }
}

impl Object for Record {
    fn type_name(&self) -> &str {
        &self.type_name
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields
            .iter()
            .find(|(field, _)| &**field == name)
            .map(|(_, value)| value.clone())
    }

    fn method(&self, name: &str) -> Option<Function> {
        self.methods
            .iter()
            .find(|(method, _)| &**method == name)
            .map(|(_, function)| function.clone())
    }

    fn field_names(&self) -> Vec<&str> {
        self.fields.iter().map(|(name, _)| &**name).collect()
    }

    fn method_names(&self) -> Vec<&str> {
        self.methods.iter().map(|(name, _)| &**name).collect()
    }

    fn provenance(&self) -> Option<Arc<str>> {
        self.provenance.clone()
    }
}
