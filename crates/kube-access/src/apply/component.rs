//! The input of an apply: what git wants, in order.

use std::sync::Arc;

use serde_json::Value;

/// Objects that are applied together, in the order of the manifests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Component {
    /// The name, such as `coredns`.
    pub name: String,
    /// The objects, shared with whoever rendered them.
    pub objects: Vec<Arc<Value>>,
}

impl Component {
    /// Puts a component together.
    #[must_use]
    pub fn new(name: &str, objects: impl IntoIterator<Item = Value>) -> Self {
        Self {
            name: name.to_owned(),
            objects: objects.into_iter().map(Arc::new).collect(),
        }
    }
}
