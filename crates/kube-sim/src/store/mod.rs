//! The objects of one server with their versions, and the log of what happened to them.
//!
//! An object rests as its canonical JSON in one allocation with little beside it: lists and watch events copy bytes and
//! build no trees; the trees of the objects that were used last are kept beside them for a while. One counter numbers all writes of a server, so versions are unique and grow (the law that watches
//! rely on). Each collection keeps a window of its newest events; older ones are forgotten, and who asks for them is
//! told to list again.

mod budgets;
mod by_field;
mod key;
mod object;
mod objects;
mod places;
mod tap;
mod trees;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use budgets::Budgets;
use by_field::ByField;
use futures::task::AtomicWaker;
use hashbrown::HashMap;
use json_tree::Value;
use rustc_hash::FxBuildHasher;

pub(crate) use key::{Key, Names, Served};
pub(crate) use object::Object;
pub(crate) use objects::Objects;
pub(crate) use places::written;
pub(crate) use tap::{TapBuffer, Tapped};
use trees::Trees;

use crate::registry::{GroupResource, Registry, Resource};
use crate::value::set;

/// Names an object of a server.
pub(crate) type Reference = (GroupResource, Key);

/// One write.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) version: u64,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Object>>,
    /// The object after the write; for a deletion its last state, numbered by the deletion.
    pub(crate) object: Arc<Object>,
    pub(crate) deleted: bool,
}

/// A watcher's place in a collection: woken on writes, closed when the collection goes.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) waker: AtomicWaker,
    pub(crate) closed: AtomicBool,
}

/// The objects of one resource.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    pub(crate) objects: Objects,
    log: VecDeque<Event>,
    log_bytes: usize,
    /// Events up to this version are forgotten.
    pub(crate) compacted: u64,
    watchers: BTreeMap<u64, Arc<Slot>>,
    /// The objects by the field that is indexed, where the resource has one.
    by_field: ByField,
}

impl Collection {
    /// The objects whose indexed field has this value, in order of their keys.
    pub(crate) fn with_field<'c>(&'c self, value: &str) -> impl Iterator<Item = (&'c Key, &'c Arc<Object>)> + use<'c> {
        let keys = self.by_field.keys(value);
        keys.filter_map(|key| self.objects.get_key_value(key))
    }

    /// The events after a version, oldest first.
    pub(crate) fn events_after(&self, version: u64) -> impl Iterator<Item = &Event> {
        let from = self.log.partition_point(|event| event.version <= version);
        self.log.range(from..)
    }

    /// The objects as they were at a version that is not yet forgotten, in order of their keys.
    pub(crate) fn at(&self, version: u64) -> Objects {
        let mut objects = self.objects.clone();
        for event in self.log.iter().rev().take_while(|event| event.version > version) {
            match &event.before {
                Some(before) => objects.insert(event.key.clone(), before.clone()),
                None => objects.remove(&event.key),
            };
        }
        objects
    }

    /// One object as it was at a version, or at the oldest one that is remembered; none if it was not there.
    pub(crate) fn object_at(&self, key: &Key, version: u64) -> Option<Arc<Object>> {
        let later = self.events_after(version).find(|event| event.key == *key);
        match later {
            Some(event) => event.before.clone(),
            None => self.objects.get(key).cloned(),
        }
    }

    fn push(&mut self, event: Event, window: usize, bytes: usize) {
        self.log_bytes += event.object.bytes.len();
        self.log.push_back(event);
        while self.log.len() > window || (self.log_bytes > bytes && self.log.len() > 1) {
            if let Some(oldest) = self.log.pop_front() {
                self.log_bytes = self.log_bytes.saturating_sub(oldest.object.bytes.len());
                self.compacted = oldest.version;
            }
        }
        self.wake();
    }

    fn wake(&self) {
        self.watchers.values().for_each(|slot| slot.waker.wake());
    }
}

/// How much of the past is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// All that a server remembers; behind one lock.
#[derive(Debug)]
pub(crate) struct State {
    version: u64,
    compacted: u64,
    window: Window,
    /// In no order.
    collections: HashMap<GroupResource, Collection, FxBuildHasher>,
    pub(crate) registry: Arc<Registry>,
    /// Which objects name an owner, by the owner's uid.
    dependents: HashMap<Box<str>, BTreeSet<Reference>, FxBuildHasher>,
    next_watcher: u64,
    watchers: usize,
    taps: Vec<Weak<TapBuffer>>,
    trees: Trees,
    budgets: Budgets,
    /// The size of all current objects.
    stored_bytes: usize,
}

impl State {
    pub(crate) fn new(window: Window) -> Self {
        Self {
            version: 1,
            compacted: 0,
            window,
            collections: HashMap::default(),
            registry: Arc::default(),
            dependents: HashMap::default(),
            next_watcher: 0,
            watchers: 0,
            taps: Vec::new(),
            trees: Trees::default(),
            budgets: Budgets::default(),
            stored_bytes: 0,
        }
    }

    /// The number of the newest write.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Lets the counter jump forward, for snapshots that keep their versions.
    pub(crate) fn raise_version(&mut self, version: u64) {
        self.version = self.version.max(version);
    }

    pub(crate) fn collection(&self, id: &GroupResource) -> Option<&Collection> {
        self.collections.get(id)
    }

    /// All collections in order of their names.
    pub(crate) fn collections(&self) -> impl Iterator<Item = (&GroupResource, &Collection)> {
        let mut all: Vec<_> = self.collections.iter().collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all.into_iter()
    }

    pub(crate) fn get(&self, id: &GroupResource, key: &Key) -> Option<Arc<Object>> {
        self.collections.get(id)?.objects.get(key).cloned()
    }

    /// A collection by its names alone.
    pub(crate) fn served(&self, served: Served<'_>) -> Option<&Collection> {
        self.collections.get(&served)
    }

    /// An object by its names alone.
    pub(crate) fn find(&self, served: Served<'_>, names: Names<'_>) -> Option<(Key, Arc<Object>)> {
        let found = self.served(served)?.objects.find(names)?;
        Some((found.0.clone(), found.1.clone()))
    }

    /// Everything up to this version of a collection is forgotten.
    pub(crate) fn compacted(&self, id: &GroupResource) -> u64 {
        self.collections
            .get(id)
            .map_or(0, |collection| collection.compacted)
            .max(self.compacted)
    }

    /// Forgets the past up to now; watches that lag and continued lists are told to start again.
    pub(crate) fn compact(&mut self) {
        self.compacted = self.version;
        for collection in self.collections.values_mut() {
            collection.log.clear();
            collection.log_bytes = 0;
            collection.compacted = self.version;
            collection.wake();
        }
    }

    /// Writes an object under the next version and returns it as stored.
    pub(crate) fn put(&mut self, resource: &Resource, key: &Key, mut value: Value) -> Arc<Object> {
        let object = self.put_numbered(resource, key, &mut value);
        self.trees.keep(&object, Arc::new(value), self.stored_bytes);
        object
    }

    /// An object as a tree, which is kept for those who ask next.
    pub(crate) fn tree(&mut self, object: &Arc<Object>) -> Arc<Value> {
        if let Some(tree) = object.kept() {
            return tree;
        }
        let tree = object.tree();
        self.trees.keep(object, tree.clone(), self.stored_bytes);
        tree
    }

    /// The same for a tree that is needed further on: it gets the version.
    pub(crate) fn put_numbered(&mut self, resource: &Resource, key: &Key, value: &mut Value) -> Arc<Object> {
        self.version += 1;
        let version = self.version;
        set(value, &["metadata", "resourceVersion"], version.to_string());
        self.put_as_is(resource, key, value, version)
    }

    /// Writes a new object that is made from the next version, of which no tree is kept.
    pub(crate) fn put_made(&mut self, resource: &Resource, key: &Key, make: impl FnOnce(u64) -> Object) -> Arc<Object> {
        self.version += 1;
        self.put_object(resource, key, make(self.version))
    }

    /// Writes an object whose version is already in it.
    pub(crate) fn put_as_is(&mut self, resource: &Resource, key: &Key, value: &Value, version: u64) -> Arc<Object> {
        self.put_object(resource, key, Object::new(value, version, &resource.fields))
    }

    /// Replaces the status of an object under the next version; none if there is no such object. The tree of the object moves on
    /// to the new version where one is kept; it is copied only if somebody else holds it.
    pub(crate) fn put_status(&mut self, resource: &Resource, key: &Key, status: Value) -> Option<Arc<Object>> {
        let old = self.get(&resource.stored_as, key)?;
        let Some(new) = old.with_status(&status, self.version + 1, &resource.fields) else {
            let mut value = old.value();
            set(&mut value, &["status"], status);
            return Some(self.put(resource, key, value));
        };
        self.version += 1;
        let tree = self.trees.let_go(&old);
        let new = self.put_object(resource, key, new);
        if let Some(tree) = tree {
            let mut tree = Arc::unwrap_or_clone(tree);
            set(&mut tree, &["status"], status);
            set(&mut tree, &["metadata", "resourceVersion"], self.version.to_string());
            self.trees.keep(&new, Arc::new(tree), self.stored_bytes);
        }
        Some(new)
    }

    fn put_object(&mut self, resource: &Resource, key: &Key, object: Object) -> Arc<Object> {
        let (version, object) = (object.version, Arc::new(object));
        let floor = self.compacted;
        let collection = self.collections.entry(resource.stored_as.clone()).or_default();
        collection.compacted = collection.compacted.max(floor);
        let key = key.clone();
        let before = collection.objects.insert(key.clone(), object.clone());
        if let Some(place) = resource.indexed_field() {
            collection.by_field.note(place, &key, before.as_deref(), Some(&object));
        }
        let replaced = before.as_ref().map_or(0, |before| before.bytes.len());
        self.stored_bytes = (self.stored_bytes + object.bytes.len()).saturating_sub(replaced);
        let reference = (resource.stored_as.clone(), key.clone());
        let event = Event {
            version,
            key,
            before: before.clone(),
            object: object.clone(),
            deleted: false,
        };
        collection.push(event, self.window.events, self.window.bytes);
        self.reindex(&reference, before.as_deref(), Some(&object));
        self.tell_taps(reference, version, before, Some(object.clone()));
        object
    }

    /// Takes an object away; its last state carries the version of the deletion.
    pub(crate) fn remove(&mut self, resource: &Resource, key: &Key) -> Option<Arc<Object>> {
        self.remove_as(resource, key, None)
    }

    /// Takes an object away in a last state that was never stored.
    pub(crate) fn remove_as(&mut self, resource: &Resource, key: &Key, last: Option<Value>) -> Option<Arc<Object>> {
        let collection = self.collections.get_mut(&resource.stored_as)?;
        let (key, before) = collection.objects.remove_entry(key)?;
        if let Some(place) = resource.indexed_field() {
            collection.by_field.note(place, &key, Some(&before), None);
        }
        self.version += 1;
        self.stored_bytes = self.stored_bytes.saturating_sub(before.bytes.len());
        let same = last.is_none().then(|| before.with_version(self.version)).flatten();
        let object = same.map_or_else(
            || {
                let mut value = last.unwrap_or_else(|| before.value());
                set(&mut value, &["metadata", "resourceVersion"], self.version.to_string());
                let object = Arc::new(Object::new(&value, self.version, &resource.fields));
                self.trees.keep(&object, Arc::new(value), self.stored_bytes);
                object
            },
            Arc::new,
        );
        let reference = (resource.stored_as.clone(), key.clone());
        let event = Event {
            version: self.version,
            key,
            before: Some(before.clone()),
            object: object.clone(),
            deleted: true,
        };
        collection.push(event, self.window.events, self.window.bytes);
        self.reindex(&reference, Some(&before), None);
        self.tell_taps(reference, self.version, Some(before), None);
        Some(object)
    }

    fn reindex(&mut self, reference: &Reference, before: Option<&Object>, after: Option<&Object>) {
        self.budgets.note(reference, after);
        let owners = |object: Option<&Object>| object.map_or(&[][..], |object| &object.owners[..]).to_vec();
        if before.map(|object| &object.owners) == after.map(|object| &object.owners) {
            return;
        }
        for owner in owners(before) {
            if let Some(set) = self.dependents.get_mut(&owner) {
                set.remove(reference);
                if set.is_empty() {
                    self.dependents.remove(&owner);
                }
            }
        }
        for owner in owners(after) {
            self.dependents.entry(owner).or_default().insert(reference.clone());
        }
    }

    /// Opens a tap on all writes from now on; it closes when its buffer is dropped.
    pub(crate) fn tap(&mut self) -> Arc<TapBuffer> {
        let buffer = Arc::new(TapBuffer::default());
        self.taps.push(Arc::downgrade(&buffer));
        buffer
    }

    fn tell_taps(
        &mut self,
        (id, key): Reference,
        version: u64,
        before: Option<Arc<Object>>,
        after: Option<Arc<Object>>,
    ) {
        if self.taps.is_empty() {
            return;
        }
        self.taps.retain(|tap| {
            let Some(tap) = tap.upgrade() else { return false };
            tap.push(Tapped {
                id: id.clone(),
                key: key.clone(),
                version,
                before: before.clone(),
                after: after.clone(),
            });
            true
        });
    }

    /// The objects that name this uid as an owner, in a fixed order.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<Reference> {
        self.dependents
            .get(uid)
            .map(|set| set.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Those of one collection, in order.
    pub(crate) fn dependents_in<'s>(&'s self, id: &'s GroupResource, uid: &str) -> impl Iterator<Item = &'s Key> {
        let first = (id.clone(), Key::new("", ""));
        let found = self.dependents.get(uid).map(|set| set.range(first..));
        let own = found.into_iter().flatten().take_while(move |(found, _)| found == id);
        own.map(|(_, key)| key)
    }

    /// The disruption budgets of a namespace that find a pod with these labels, in order of their names.
    pub(crate) fn budgets_of(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<Key> {
        self.budgets.finding(namespace, labels)
    }

    /// Registers a watcher; [`State::unwatch`] must follow.
    pub(crate) fn watch(&mut self, id: &GroupResource) -> (u64, Arc<Slot>) {
        self.next_watcher += 1;
        self.watchers += 1;
        let slot = Arc::new(Slot::default());
        let floor = self.compacted;
        let collection = self.collections.entry(id.clone()).or_default();
        collection.compacted = collection.compacted.max(floor);
        collection.watchers.insert(self.next_watcher, slot.clone());
        (self.next_watcher, slot)
    }

    pub(crate) fn unwatch(&mut self, id: &GroupResource, watcher: u64) {
        self.watchers = self.watchers.saturating_sub(1);
        if let Some(collection) = self.collections.get_mut(id) {
            collection.watchers.remove(&watcher);
        }
    }

    /// How many watches are open.
    pub(crate) fn watchers(&self) -> usize {
        self.watchers
    }

    /// Drops a collection with its past and ends its watches: its resource is served no more.
    pub(crate) fn drop_collection(&mut self, id: &GroupResource) {
        if let Some(collection) = self.collections.remove(id) {
            let bytes: usize = collection.objects.values().map(|object| object.bytes.len()).sum();
            self.stored_bytes = self.stored_bytes.saturating_sub(bytes);
            for slot in collection.watchers.values() {
                slot.closed.store(true, Ordering::Release);
                slot.waker.wake();
            }
        }
    }
}
