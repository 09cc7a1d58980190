//! What is read from stored objects once and used many times: roles, webhook configurations, policies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use json_tree::Value;

use crate::registry::GroupResource;
use crate::server::ApiServer;
use crate::store::{Key, Object, Served};

/// The objects of one resource in a form made from them, remembered until the object changes.
///
/// Versions are unique over a server, so an object's version alone says whether what was made from it still holds.
#[derive(Debug)]
pub(crate) struct Compiled<T> {
    entries: Mutex<BTreeMap<Key, (u64, Arc<T>)>>,
}

impl<T> Default for Compiled<T> {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
        }
    }
}

impl<T> Compiled<T> {
    /// All objects of the resource in a namespace (empty for all), in the order of their names.
    pub(crate) fn all(
        &self,
        server: &ApiServer,
        id: &GroupResource,
        namespace: &str,
        make: impl Fn(&Value) -> T,
    ) -> Vec<Arc<T>> {
        let objects: Vec<(Key, Arc<Object>)> = {
            let state = server.core.state();
            let Some(collection) = state.collection(id) else {
                return Vec::new();
            };
            let wanted = collection.objects.iter();
            let wanted = wanted.filter(|(key, _)| namespace.is_empty() || *key.namespace() == *namespace);
            wanted.map(|(key, object)| (key.clone(), object.clone())).collect()
        };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if namespace.is_empty() && entries.len() > objects.len() {
            entries.retain(|key, _| objects.binary_search_by(|(known, _)| known.cmp(key)).is_ok());
        }
        objects
            .iter()
            .map(|(key, object)| entry(&mut entries, key, object, &make))
            .collect()
    }

    /// One object of the resource.
    pub(crate) fn one(
        &self,
        server: &ApiServer,
        id: &GroupResource,
        key: &Key,
        make: impl Fn(&Value) -> T,
    ) -> Option<Arc<T>> {
        let object = server.core.state().get(id, key)?;
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Some(entry(&mut entries, key, &object, &make))
    }
}

fn entry<T>(
    entries: &mut BTreeMap<Key, (u64, Arc<T>)>,
    key: &Key,
    object: &Object,
    make: &impl Fn(&Value) -> T,
) -> Arc<T> {
    if let Some((version, made)) = entries.get(key)
        && *version == object.version
    {
        return made.clone();
    }
    let made = Arc::new(make(&object.value()));
    entries.insert(key.clone(), (object.version, made.clone()));
    made
}

/// Whether the server stores any object of a resource. Every write asks.
pub(crate) fn any(server: &ApiServer, group: &str, resource: &str) -> bool {
    let state = server.core.state();
    let collection = state.served(Served { group, resource });
    collection.is_some_and(|collection| !collection.objects.is_empty())
}
