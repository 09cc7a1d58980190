//! The objects of one collection: found by hash, listed in order.
//!
//! A cluster has tens of thousands of pods, and nearly every write looks for one of them. A search among ordered keys reads two
//! dozen of them, each somewhere else in memory; a hash reads one.

use std::collections::BTreeSet;
use std::ops::RangeBounds;
use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::{Key, Names, Object};

/// Objects by their keys.
#[derive(Debug, Default, Clone)]
pub(crate) struct Objects {
    /// Its own order is never seen.
    found: HashMap<Key, Arc<Object>, FxBuildHasher>,
    order: BTreeSet<Key>,
}

impl Objects {
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.found.get(key)
    }

    /// The object of these names, with its key.
    pub(crate) fn find(&self, names: Names<'_>) -> Option<(&Key, &Arc<Object>)> {
        self.found.get_key_value(&names)
    }

    pub(crate) fn get_key_value(&self, key: &Key) -> Option<(&Key, &Arc<Object>)> {
        self.found.get_key_value(key)
    }

    /// Sets an object, and returns the one that was there before.
    pub(crate) fn insert(&mut self, key: Key, object: Arc<Object>) -> Option<Arc<Object>> {
        if let Some(there) = self.found.get_mut(&key) {
            return Some(std::mem::replace(there, object));
        }
        self.order.insert(key.clone());
        self.found.insert(key, object)
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Object>> {
        self.remove_entry(key).map(|(_, object)| object)
    }

    pub(crate) fn remove_entry(&mut self, key: &Key) -> Option<(Key, Arc<Object>)> {
        let entry = self.found.remove_entry(key)?;
        self.order.remove(key);
        Some(entry)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The objects in order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<Object>)> {
        self.entries(self.order.iter())
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.iter().map(|(_, object)| object)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.order.iter()
    }

    /// The objects between two keys, in order.
    pub(crate) fn range<R: RangeBounds<Key>>(
        &self,
        bounds: R,
    ) -> impl Iterator<Item = (&Key, &Arc<Object>)> + use<'_, R> {
        self.entries(self.order.range::<Key, _>(bounds))
    }

    fn entries<'c>(&'c self, keys: impl Iterator<Item = &'c Key>) -> impl Iterator<Item = (&'c Key, &'c Arc<Object>)> {
        keys.filter_map(|key| self.found.get_key_value(key))
    }
}
