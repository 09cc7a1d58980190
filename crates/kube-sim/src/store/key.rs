//! Names of objects and of collections, and how they are found by hash.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hashbrown::Equivalent;

use crate::registry::GroupResource;

/// Names an object within its collection; cluster-scoped objects have an empty namespace. Keys are in the order of namespace
/// and name. A copy is a pointer, and a comparison looks at one text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Namespace and name with [`BETWEEN`] between them.
    text: Arc<str>,
    /// How long the namespace is.
    namespace: usize,
}

/// Comes before everything that stands in a name.
const BETWEEN: char = '\0';

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        let mut text = String::with_capacity(namespace.len() + name.len() + 1);
        text.push_str(namespace);
        text.push(BETWEEN);
        text.push_str(name);
        Self {
            text: text.into(),
            namespace: namespace.len(),
        }
    }

    /// The namespace; empty for cluster-scoped objects.
    pub(crate) fn namespace(&self) -> &str {
        self.text.get(..self.namespace).unwrap_or_default()
    }

    /// The name.
    pub(crate) fn name(&self) -> &str {
        self.text.get(self.namespace + BETWEEN.len_utf8()..).unwrap_or_default()
    }

    /// The names that the key is made of.
    fn names(&self) -> Names<'_> {
        Names {
            namespace: self.namespace(),
            name: self.name(),
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.names().hash(state);
    }
}

/// What a [`Key`] says, for looking without making one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Names<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl Equivalent<Key> for Names<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self == key.names()
    }
}

/// What a [`GroupResource`] says, for looking without making one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Served<'a> {
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
}

impl Equivalent<GroupResource> for Served<'_> {
    fn equivalent(&self, id: &GroupResource) -> bool {
        (self.group, self.resource) == (&*id.group, &*id.resource)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

    use super::*;

    #[test]
    fn keys_are_in_the_order_of_namespace_and_name() {
        let texts = [("", "b"), ("a", ""), ("a", "b"), ("a", "c"), ("a-b", "a"), ("b", "a")];
        let keys: Vec<Key> = texts
            .iter()
            .map(|(namespace, name)| Key::new(namespace, name))
            .collect();
        assert!(keys.is_sorted());
        for (key, (namespace, name)) in keys.iter().zip(texts) {
            assert_eq!((key.namespace(), key.name()), (namespace, name));
        }
    }

    #[test]
    fn what_is_looked_for_by_its_names_has_the_hash_of_what_is_there() {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let (key, names) = (
            Key::new("ab", "c"),
            Names {
                namespace: "ab",
                name: "c",
            },
        );
        assert!(names.equivalent(&key));
        assert!(
            !Names {
                namespace: "a",
                name: "bc"
            }
            .equivalent(&key)
        );
        assert_eq!(hasher.hash_one(&key), hasher.hash_one(names));
        let (id, served) = (
            GroupResource::new("apps", "deployments"),
            Served {
                group: "apps",
                resource: "deployments",
            },
        );
        assert!(served.equivalent(&id));
        assert_eq!(hasher.hash_one(&id), hasher.hash_one(served));
    }
}
