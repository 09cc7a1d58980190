//! Deletion and what follows from it: finalizers, grace periods, dependents, namespaces, definitions.
//!
//! Real clusters collect garbage in controllers, some time later. Here everything that follows from a write is done
//! before the write is answered, in a fixed order: a cascade is the same in every run, and who reads after a delete
//! sees its end. Objects that must wait (pods for their kubelet, finalizers for their owners) wait as they do in reality.

mod conditions;
mod service_accounts;

use std::collections::VecDeque;
use std::sync::Arc;

use conditions::{remaining_conditions, strip_times};
use json_tree::Value;
pub(crate) use service_accounts::give_service_account;

use crate::crd;
use crate::registry::{GroupResource, Resource, split_api_version};
use crate::request::Propagation;
use crate::server::{Core, time_text};
use crate::status::ApiError;
use crate::store::{Key, Object, Reference, State};
use crate::value::{at, flag, int, list, map_at, remove, set, text};

/// The finalizer that keeps an owner until its dependents are gone.
const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer that keeps an owner until its dependents are let go.
const ORPHAN: &str = "orphan";
/// The finalizer that keeps a definition until its objects are gone.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// How something is to be deleted.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteRequest {
    pub(crate) grace: Option<i64>,
    pub(crate) propagation: Option<Propagation>,
    pub(crate) uid: Option<String>,
    pub(crate) version: Option<String>,
}

/// What a deletion came to.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object is gone; this was its last state.
    Gone(Arc<Object>),
    /// The object is marked and waits.
    Going(Arc<Object>),
}

/// Something that happened and may have consequences.
#[derive(Debug)]
enum Work {
    Put(Reference, bool),
    Removed(Reference, Arc<Object>),
}

/// Does what follows from a write.
pub(crate) fn after_put(core: &Core, state: &mut State, resource: &Resource, key: &Key, owners_changed: bool) {
    let work = Work::Put((resource.stored_as.clone(), key.clone()), owners_changed);
    Collector {
        core,
        state,
        queue: VecDeque::from([work]),
    }
    .settle();
}

/// Does what follows from a removal.
pub(crate) fn after_remove(core: &Core, state: &mut State, resource: &Resource, key: &Key, last: &Arc<Object>) {
    let work = Work::Removed((resource.stored_as.clone(), key.clone()), last.clone());
    Collector {
        core,
        state,
        queue: VecDeque::from([work]),
    }
    .settle();
}

/// Deletes an object and does what follows.
pub(crate) fn delete(
    core: &Core,
    state: &mut State,
    resource: &Resource,
    key: &Key,
    request: &DeleteRequest,
) -> Result<Deleted, ApiError> {
    let mut collector = Collector {
        core,
        state,
        queue: VecDeque::new(),
    };
    let deleted = collector.delete(resource, key, request)?;
    collector.settle();
    Ok(match deleted {
        // A mark may have been settled into a removal at once.
        Deleted::Going(object) => state
            .get(&resource.stored_as, key)
            .map_or(Deleted::Gone(object), Deleted::Going),
        gone @ Deleted::Gone(_) => gone,
    })
}

/// Judges a deletion's preconditions and finds out what it would come to, without doing it.
pub(crate) fn check(
    state: &State,
    resource: &Resource,
    key: &Key,
    request: &DeleteRequest,
) -> Result<Arc<Object>, ApiError> {
    let (group, plural) = resource.is();
    let object = state
        .get(&resource.stored_as, key)
        .ok_or_else(|| ApiError::not_found(group, plural, key.name()))?;
    if let Some(uid) = &request.uid
        && **uid != *object.uid
    {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
            object.uid
        );
        return Err(ApiError::conflict(group, &resource.kind, key.name(), &why));
    }
    if let Some(version) = &request.version
        && *version != object.version.to_string()
    {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The object might have been modified",
            object.version
        );
        return Err(ApiError::conflict(group, &resource.kind, key.name(), &why));
    }
    if group.is_empty() && plural == "namespaces" && matches!(key.name(), "default" | "kube-system" | "kube-public") {
        return Err(ApiError::forbidden(
            group,
            plural,
            key.name(),
            "this namespace may not be deleted",
        ));
    }
    Ok(object)
}

/// Whether a deletion would take an object away at once: nothing holds it and nobody has to stop it.
pub(crate) fn goes_at_once(resource: &Resource, object: &Object, request: &DeleteRequest) -> bool {
    let value = object.tree();
    let grace = if resource.is() == ("", "pods") {
        pod_grace(&value, request.grace)
    } else {
        0
    };
    let waits = matches!(request.propagation, Some(Propagation::Foreground | Propagation::Orphan));
    grace == 0 && !waits && finalizers(&value).is_empty() && list(&value, &["spec", "finalizers"]).is_empty()
}

/// Whether an object goes at once whatever else it says: what most deletions find, and what needs no look into the object.
fn is_loose(resource: &Resource, object: &Object, request: &DeleteRequest) -> bool {
    let waits = matches!(request.propagation, Some(Propagation::Foreground | Propagation::Orphan));
    !object.held && !object.deleting && !waits && resource.is() != ("", "pods") && resource.is() != crd::RESOURCE
}

struct Collector<'a> {
    core: &'a Core,
    state: &'a mut State,
    queue: VecDeque<Work>,
}

/// How long a pod may take to stop: what the request says, else the pod, and nothing where no kubelet is at work.
fn pod_grace(pod: &Value, wanted: Option<i64>) -> i64 {
    let idle = text(pod, &["spec", "nodeName"]).is_none_or(str::is_empty)
        || matches!(text(pod, &["status", "phase"]), Some("Succeeded" | "Failed"));
    if idle {
        return 0;
    }
    let own = int(pod, &["spec", "terminationGracePeriodSeconds"]).unwrap_or(30);
    let grace = wanted.unwrap_or(own);
    // Negative periods mean "at once, but gracefully" to the API: one second.
    if grace < 0 { 1 } else { grace }
}

fn finalizers(object: &Value) -> Vec<String> {
    let found = list(object, &["metadata", "finalizers"]);
    found
        .iter()
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

fn set_finalizers(object: &mut Value, finalizers: Vec<String>) {
    if finalizers.is_empty() {
        remove(object, &["metadata", "finalizers"]);
    } else {
        set(object, &["metadata", "finalizers"], finalizers);
    }
}

impl Collector<'_> {
    fn resource(&self, id: &GroupResource) -> Option<Arc<Resource>> {
        self.state.registry.find(&id.group, &id.resource)
    }

    fn delete(&mut self, resource: &Resource, key: &Key, request: &DeleteRequest) -> Result<Deleted, ApiError> {
        let object = check(self.state, resource, key, request)?;
        if is_loose(resource, &object, request) {
            return Ok(self.take(resource, key).map_or(Deleted::Going(object), Deleted::Gone));
        }
        let tree = self.state.tree(&object);
        let value = &*tree;
        let is_pod = resource.is() == ("", "pods");
        let grace = if is_pod { pod_grace(value, request.grace) } else { 0 };
        let before = finalizers(value);
        let mut after: Vec<String> = match request.propagation {
            Some(_) => before
                .iter()
                .filter(|name| *name != FOREGROUND && *name != ORPHAN)
                .cloned()
                .collect(),
            None => before.clone(),
        };
        match request.propagation {
            Some(Propagation::Foreground) => after.push(FOREGROUND.to_owned()),
            Some(Propagation::Orphan) => after.push(ORPHAN.to_owned()),
            _ => {}
        }
        if resource.is() == crd::RESOURCE && !self.clean_definition(value) {
            after.push(CLEANUP.to_owned());
            after.dedup();
        }
        let holds = !after.is_empty() || !list(value, &["spec", "finalizers"]).is_empty();
        if object.deleting {
            let left = int(value, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0);
            let shorter = is_pod && request.grace.is_some() && grace < left;
            if !shorter && (holds || left > 0) {
                if before != after {
                    let mut value = value.clone();
                    set_finalizers(&mut value, after);
                    return Ok(Deleted::Going(self.put(resource, key, value)));
                }
                return Ok(Deleted::Going(object));
            }
        }
        if !holds && grace == 0 && is_pod {
            // The last state of a pod says that it was stopped without grace.
            let mut value = value.clone();
            if object.deleting {
                set(&mut value, &["metadata", "deletionGracePeriodSeconds"], 0);
            } else {
                self.mark(resource, &mut value, 0);
            }
            let last = self.state.remove_as(resource, key, Some(value));
            let reference = (resource.stored_as.clone(), key.clone());
            return Ok(last.map_or(Deleted::Going(object), |last| {
                self.queue.push_back(Work::Removed(reference, last.clone()));
                Deleted::Gone(last)
            }));
        }
        if !holds && grace == 0 {
            return Ok(self.take(resource, key).map_or(Deleted::Going(object), Deleted::Gone));
        }
        let mut value = value.clone();
        set_finalizers(&mut value, after);
        self.mark(resource, &mut value, grace);
        Ok(Deleted::Going(self.put(resource, key, value)))
    }

    /// Writes the beginning of a deletion into an object.
    fn mark(&self, resource: &Resource, value: &mut Value, grace: i64) {
        let now = self.core.now();
        let due = jiff::SignedDuration::from_secs(grace);
        let when = now.saturating_add(due).unwrap_or(now);
        set(value, &["metadata", "deletionTimestamp"], time_text(when));
        if resource.is() != ("", "namespaces") {
            set(value, &["metadata", "deletionGracePeriodSeconds"], grace);
        }
        if let Some(generation) = int(value, &["metadata", "generation"]) {
            set(value, &["metadata", "generation"], generation.saturating_add(1));
        }
        if resource.is() == ("", "namespaces") {
            set(value, &["status", "phase"], "Terminating");
        }
    }

    fn put(&mut self, resource: &Resource, key: &Key, value: Value) -> Arc<Object> {
        let object = self.state.put(resource, key, value);
        self.queue
            .push_back(Work::Put((resource.stored_as.clone(), key.clone()), false));
        object
    }

    fn take(&mut self, resource: &Resource, key: &Key) -> Option<Arc<Object>> {
        let last = self.state.remove(resource, key)?;
        self.queue
            .push_back(Work::Removed((resource.stored_as.clone(), key.clone()), last.clone()));
        Some(last)
    }

    /// Works the queue off. Each step either removes something or takes a finalizer away, so it ends.
    fn settle(mut self) {
        while let Some(work) = self.queue.pop_front() {
            match work {
                Work::Put((id, key), owners_changed) => {
                    let Some(resource) = self.resource(&id) else { continue };
                    let Some(object) = self.state.get(&id, &key) else {
                        continue;
                    };
                    self.settle_put(&resource, &key, &object, owners_changed);
                }
                Work::Removed((id, key), last) => self.settle_removed(&id, &key, &last),
            }
        }
    }

    fn settle_put(&mut self, resource: &Arc<Resource>, key: &Key, object: &Object, owners_changed: bool) {
        if !object.deleting {
            if resource.is() == crd::RESOURCE {
                crd::register(self.state, &object.tree());
            }
            if resource.is() == ("", "namespaces") {
                give_service_account(self.core, self.state, key.name());
            }
            if owners_changed && self.core.config.collect_garbage && self.is_abandoned(key, object) {
                let request = DeleteRequest {
                    propagation: Some(Propagation::Background),
                    ..DeleteRequest::default()
                };
                // The object was there a moment ago and the request has no preconditions: nothing can refuse.
                let _ = self.delete(resource, key, &request);
            }
            return;
        }
        let value = object.value();
        let held = finalizers(&value);
        if held.iter().any(|name| name == ORPHAN) && self.core.config.collect_garbage {
            self.let_go(&object.uid);
            self.release(resource, key, ORPHAN);
        } else if held.iter().any(|name| name == FOREGROUND) && self.core.config.collect_garbage {
            if self.delete_dependents(&object.uid) {
                self.release(resource, key, FOREGROUND);
            }
        } else if resource.is() == ("", "namespaces") {
            self.empty_namespace(resource, key, value);
        } else if resource.is() == crd::RESOURCE
            && held.iter().any(|name| name == CLEANUP)
            && self.clean_definition(&value)
        {
            self.release(resource, key, CLEANUP);
        }
    }

    fn settle_removed(&mut self, id: &GroupResource, key: &Key, last: &Object) {
        if (&*id.group, &*id.resource) == crd::RESOURCE {
            crd::unregister(self.state, &last.value());
        }
        if self.core.config.collect_garbage {
            for dependent in self.state.dependents(&last.uid) {
                self.collect(&dependent);
            }
            if !last.owners.is_empty() {
                self.revisit_owners(key, &last.tree());
            }
        }
        if !key.namespace().is_empty() {
            self.revisit(&GroupResource::new("", "namespaces"), &Key::new("", key.namespace()));
        }
        if self.resource(id).is_some_and(|resource| resource.custom) {
            let name = format!("{}.{}", id.resource, id.group);
            self.revisit(
                &GroupResource::new(crd::RESOURCE.0, crd::RESOURCE.1),
                &Key::new("", &name),
            );
        }
    }

    /// Looks at an object again if it is being deleted.
    fn revisit(&mut self, id: &GroupResource, key: &Key) {
        if self.state.get(id, key).is_some_and(|object| object.deleting) {
            self.queue.push_back(Work::Put((id.clone(), key.clone()), false));
        }
    }

    fn revisit_owners(&mut self, key: &Key, value: &Value) {
        for owner in list(value, &["metadata", "ownerReferences"]) {
            if let Some((resource, owner_key)) = self.owner(key, owner) {
                self.revisit(&resource.stored_as, &owner_key);
            }
        }
    }

    /// The place that an owner reference points at.
    fn owner(&self, key: &Key, owner: &Value) -> Option<(Arc<Resource>, Key)> {
        let (group, _) = split_api_version(text(owner, &["apiVersion"])?);
        let resource = self.state.registry.find_kind(group, text(owner, &["kind"])?)?;
        let namespace = if resource.namespaced { key.namespace() } else { "" };
        let owner_key = Key::new(namespace, text(owner, &["name"])?);
        Some((resource, owner_key))
    }

    /// Whether an owner is there with the uid that the reference names. Owners of unknown kinds count as there.
    fn is_solid(&self, key: &Key, owner: &Value) -> bool {
        self.owner(key, owner).is_none_or(|(resource, owner_key)| {
            let found = self.state.get(&resource.stored_as, &owner_key);
            found.is_some_and(|object| Some(&*object.uid) == text(owner, &["uid"]))
        })
    }

    fn is_abandoned(&self, key: &Key, object: &Object) -> bool {
        if object.owners.is_empty() {
            return false;
        }
        let value = object.tree();
        let owners = list(&value, &["metadata", "ownerReferences"]);
        !owners.is_empty() && !owners.iter().any(|owner| self.is_solid(key, owner))
    }

    /// An owner of this object is gone: the object goes as well, or keeps its other owners.
    fn collect(&mut self, (id, key): &Reference) {
        let (Some(resource), Some(object)) = (self.resource(id), self.state.get(id, key)) else {
            return;
        };
        let value = object.tree();
        let owners = list(&value, &["metadata", "ownerReferences"]).to_vec();
        let solid: Vec<Value> = owners.into_iter().filter(|owner| self.is_solid(key, owner)).collect();
        if solid.is_empty() {
            if !object.deleting {
                let request = DeleteRequest {
                    propagation: Some(Propagation::Background),
                    ..DeleteRequest::default()
                };
                let _ = self.delete(&resource, key, &request);
            }
        } else {
            let mut value = Arc::unwrap_or_clone(value);
            set(&mut value, &["metadata", "ownerReferences"], solid);
            self.put(&resource, key, value);
        }
    }

    /// Takes references to an owner out of all its dependents.
    fn let_go(&mut self, uid: &str) {
        for (id, key) in self.state.dependents(uid) {
            let (Some(resource), Some(object)) = (self.resource(&id), self.state.get(&id, &key)) else {
                continue;
            };
            let mut value = object.value();
            let owners = list(&value, &["metadata", "ownerReferences"]);
            let others: Vec<Value> = owners
                .iter()
                .filter(|owner| text(owner, &["uid"]) != Some(uid))
                .cloned()
                .collect();
            if others.is_empty() {
                remove(&mut value, &["metadata", "ownerReferences"]);
            } else {
                set(&mut value, &["metadata", "ownerReferences"], others);
            }
            self.put(&resource, &key, value);
        }
    }

    /// Deletes the dependents of an owner that waits for them; true when none blocks it any more.
    fn delete_dependents(&mut self, uid: &str) -> bool {
        let blocks = |value: &Value| {
            let owners = list(value, &["metadata", "ownerReferences"]);
            owners
                .iter()
                .any(|owner| text(owner, &["uid"]) == Some(uid) && flag(owner, &["blockOwnerDeletion"]))
        };
        for (id, key) in self.state.dependents(uid) {
            let (Some(resource), Some(object)) = (self.resource(&id), self.state.get(&id, &key)) else {
                continue;
            };
            if object.deleting {
                continue;
            }
            let has_own = !self.state.dependents(&object.uid).is_empty();
            let propagation = if has_own {
                Propagation::Foreground
            } else {
                Propagation::Background
            };
            let request = DeleteRequest {
                propagation: Some(propagation),
                ..DeleteRequest::default()
            };
            let _ = self.delete(&resource, &key, &request);
        }
        let left = self.state.dependents(uid);
        !left
            .iter()
            .any(|(id, key)| self.state.get(id, key).is_some_and(|object| blocks(&object.tree())))
    }

    /// Takes a finalizer away; the object goes with its last one.
    fn release(&mut self, resource: &Resource, key: &Key, finalizer: &str) {
        let Some(object) = self.state.get(&resource.stored_as, key) else {
            return;
        };
        let mut value = object.value();
        let left: Vec<String> = finalizers(&value)
            .into_iter()
            .filter(|name| name != finalizer)
            .collect();
        let waits = int(&value, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0) > 0
            || !list(&value, &["spec", "finalizers"]).is_empty();
        let done = left.is_empty() && !waits;
        set_finalizers(&mut value, left);
        if done {
            self.take(resource, key);
        } else {
            self.put(resource, key, value);
        }
    }

    /// Deletes what is in a namespace; the namespace goes when nothing is left.
    fn empty_namespace(&mut self, resource: &Resource, key: &Key, mut value: Value) {
        let inside = |state: &State| -> Vec<Reference> {
            let namespaced = |id: &GroupResource| {
                state
                    .registry
                    .find(&id.group, &id.resource)
                    .is_some_and(|r| r.namespaced)
            };
            let wanted = state.collections().filter(|(id, _)| namespaced(id));
            wanted
                .flat_map(|(id, collection)| {
                    let keys = collection
                        .objects
                        .keys()
                        .filter(|inner| inner.namespace() == key.name());
                    keys.map(move |inner| (id.clone(), inner.clone()))
                })
                .collect()
        };
        for (id, inner) in inside(self.state) {
            if let Some(resource) = self.resource(&id)
                && self.state.get(&id, &inner).is_some_and(|object| !object.deleting)
            {
                let request = DeleteRequest {
                    propagation: Some(Propagation::Background),
                    ..DeleteRequest::default()
                };
                let _ = self.delete(&resource, &inner, &request);
            }
        }
        let left = inside(self.state);
        if !left.is_empty() {
            let conditions = remaining_conditions(self.state, &left, &self.core.now_text());
            if at(&value, &["status", "conditions"]).map(strip_times) != Some(strip_times(&conditions)) {
                set(&mut value, &["status", "conditions"], conditions);
                self.state.put(resource, key, value);
            }
            return;
        }
        let spec = map_at(&mut value, &["spec"]);
        spec.remove("finalizers");
        if finalizers(&value).is_empty() {
            self.take(resource, key);
        } else if !self
            .state
            .get(&resource.stored_as, key)
            .is_some_and(|object| *object.tree() == value)
        {
            self.state.put(resource, key, value);
        }
    }

    /// Deletes the objects of a definition; true when none is left.
    fn clean_definition(&mut self, definition: &Value) -> bool {
        let Some(id) = crd::defined(definition) else {
            return true;
        };
        let Some(resource) = self.resource(&id).filter(|resource| resource.custom) else {
            return true;
        };
        let keys = |state: &State| -> Vec<(Key, bool)> {
            let found = state.collection(&id).map(|collection| collection.objects.iter());
            found
                .into_iter()
                .flatten()
                .map(|(key, object)| (key.clone(), object.deleting))
                .collect()
        };
        for (key, deleting) in keys(self.state) {
            if !deleting {
                let request = DeleteRequest {
                    propagation: Some(Propagation::Background),
                    ..DeleteRequest::default()
                };
                let _ = self.delete(&resource, &key, &request);
            }
        }
        keys(self.state).is_empty()
    }
}
