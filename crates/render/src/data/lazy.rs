//! An object whose larger fields are made when a template first asks for them.

use std::fmt;
use std::sync::{Arc, OnceLock};

use gotemplate::{Function, Object, Record, Value};

type Make = Box<dyn Fn() -> Value + Send + Sync>;

/// A record, some of whose fields only hold their place in the order until they are read.
pub(super) struct Lazy {
    record: Record,
    parts: Vec<(&'static str, Make, OnceLock<Value>)>,
}

impl Lazy {
    pub(super) fn new(record: Record) -> Self {
        let parts = Vec::new();
        Self { record, parts }
    }

    /// The value of a field that the record has already.
    pub(super) fn part(mut self, name: &'static str, make: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        self.parts.push((name, Box::new(make), OnceLock::new()));
        self
    }
}

/// The record alone: debugging output must not make what no template asked for.
impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.fmt(f)
    }
}

impl Object for Lazy {
    fn type_name(&self) -> &str {
        self.record.type_name()
    }

    fn field(&self, name: &str) -> Option<Value> {
        let part = self.parts.iter().find(|(part, ..)| *part == name);
        match part {
            Some((_, make, made)) => Some(made.get_or_init(make).clone()),
            None => Object::field(&self.record, name),
        }
    }

    fn method(&self, name: &str) -> Option<Function> {
        Object::method(&self.record, name)
    }

    fn field_names(&self) -> Vec<&str> {
        self.record.field_names()
    }

    fn method_names(&self) -> Vec<&str> {
        self.record.method_names()
    }

    fn provenance(&self) -> Option<Arc<str>> {
        self.record.provenance()
    }
}
