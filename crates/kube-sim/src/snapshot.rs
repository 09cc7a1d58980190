//! Snapshots: all objects as a YAML stream, and back.
//!
//! A dump of a real cluster (`kubectl get ... -o yaml`) loads as well, so that a twin can start from it.

use std::collections::BTreeMap;

use json_tree::{Value, json};

use crate::gc::give_service_account;
use crate::registry::{Resource, split_api_version};
use crate::server::{ApiServer, Core};
use crate::store::{Key, State};
use crate::value::{self, list, list_mut, map_at, set, text};
use crate::{convert, crd, strategy};

/// What becomes of the uids and versions of loaded objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// They are kept, where an object has them.
    Keep,
    /// Each object gets new ones; references between owners and dependents follow.
    Reassign,
}

/// Why a snapshot was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The text is no YAML.
    #[error("the snapshot cannot be read")]
    Yaml(#[source] yaml::Error),
    /// A document is no object of a kind that is served.
    #[error("document {number}: kind {kind:?} in {api_version:?} is not served")]
    UnknownKind {
        /// The place of the document, from one.
        number: usize,
        /// Its kind.
        kind: String,
        /// Its version.
        api_version: String,
    },
    /// A document has no name.
    #[error("document {number}: {kind} has no name")]
    Nameless {
        /// The place of the document, from one.
        number: usize,
        /// Its kind.
        kind: String,
    },
}

impl ApiServer {
    /// All objects as a stream of YAML documents: definitions and namespaces first, then by group, resource and key.
    #[must_use]
    pub fn export(&self) -> String {
        let mut objects: Vec<(u8, Value)> = Vec::new();
        {
            let state = self.core.state();
            for (_, collection) in state.collections() {
                objects.extend(
                    collection
                        .objects
                        .values()
                        .map(|object| object.value())
                        .map(|value| (rank(&value), value)),
                );
            }
        }
        objects.sort_by_key(|(rank, _)| *rank);
        let plain: Vec<serde_json::Value> = objects.into_iter().map(|(_, value)| value.into()).collect();
        yaml::to_stream(&plain)
    }

    /// Loads a stream of YAML documents (or lists) and returns how many objects it held. Objects that are there already are
    /// replaced. Watches start again afterwards.
    ///
    /// # Errors
    /// [`SnapshotError`]; nothing is loaded unless all can be.
    pub fn load(&self, text: &str, identity: Identity) -> Result<usize, SnapshotError> {
        let documents = yaml::load_documents(text, &yaml::Options::manifests()).map_err(SnapshotError::Yaml)?;
        let mut objects: Vec<(usize, Value)> = Vec::new();
        for (place, document) in documents.into_iter().enumerate() {
            let document = Value::from(document.value);
            let is_list = value::text(&document, &["kind"]).is_some_and(|kind| kind.ends_with("List"))
                && document.get("items").is_some_and(Value::is_array);
            if is_list {
                objects.extend(list(&document, &["items"]).iter().map(|item| (place + 1, item.clone())));
            } else {
                objects.push((place + 1, document));
            }
        }
        objects.sort_by_key(|(_, value)| rank(value));
        let mut state = self.core.state();
        check_all(&state, &objects)?;
        let count = objects.len();
        let uids = if identity == Identity::Reassign {
            new_uids(&self.core, &mut objects)
        } else {
            BTreeMap::new()
        };
        let is_namespace = |object: &&Value| value::text(object, &["kind"]) == Some("Namespace");
        let namespaces: Vec<Value> = objects
            .iter()
            .map(|(_, object)| object)
            .filter(is_namespace)
            .cloned()
            .collect();
        for (_, object) in objects {
            place_object(&self.core, &mut state, object, identity, &uids);
        }
        // Last, so that an account that the stream brings is the one that stays.
        for namespace in namespaces {
            give_service_account(&self.core, &mut state, value::name(&namespace));
        }
        state.compact();
        Ok(count)
    }
}

/// Definitions have to be there before their objects, namespaces before what is in them.
fn rank(object: &Value) -> u8 {
    match text(object, &["kind"]) {
        Some("CustomResourceDefinition") => 0,
        Some("Namespace") => 1,
        _ => 2,
    }
}

fn find(state: &State, object: &Value) -> Option<std::sync::Arc<Resource>> {
    let (group, _) = split_api_version(text(object, &["apiVersion"])?);
    state.registry.find_kind(group, text(object, &["kind"])?)
}

fn check_all(state: &State, objects: &[(usize, Value)]) -> Result<(), SnapshotError> {
    // Kinds that the snapshot itself defines.
    let defined: Vec<(String, String)> = objects
        .iter()
        .filter(|(_, object)| rank(object) == 0)
        .filter_map(|(_, object)| {
            let group = text(object, &["spec", "group"])?;
            Some((group.to_owned(), text(object, &["spec", "names", "kind"])?.to_owned()))
        })
        .collect();
    for (number, object) in objects {
        let kind = text(object, &["kind"]).unwrap_or_default().to_owned();
        let api_version = text(object, &["apiVersion"]).unwrap_or_default().to_owned();
        let (group, _) = split_api_version(&api_version);
        let known = find(state, object).is_some() || defined.iter().any(|(g, k)| g == group && *k == kind);
        if !known {
            return Err(SnapshotError::UnknownKind {
                number: *number,
                kind,
                api_version,
            });
        }
        if value::name(object).is_empty() {
            return Err(SnapshotError::Nameless { number: *number, kind });
        }
    }
    Ok(())
}

fn new_uids(core: &Core, objects: &mut [(usize, Value)]) -> BTreeMap<String, String> {
    let mut uids = BTreeMap::new();
    for (_, object) in objects.iter_mut() {
        let old = value::uid(object).to_owned();
        let new = core.ids.uuid();
        set(object, &["metadata", "uid"], new.as_str());
        if !old.is_empty() {
            uids.insert(old, new);
        }
    }
    uids
}

/// Places one object that is new to the server; the object as it is stored.
pub(crate) fn place_one(core: &Core, state: &mut State, mut object: Value) -> Option<Value> {
    let resource = find(state, &object)?;
    let metadata = map_at(&mut object, &["metadata"]);
    if resource.namespaced {
        metadata.entry("namespace").or_insert_with(|| json!("default"));
    }
    let placed = place_object(core, state, object, Identity::Reassign, &BTreeMap::new())?;
    if is_namespace(&resource) {
        give_service_account(core, state, value::name(&placed));
    }
    Some(placed)
}

fn is_namespace(resource: &Resource) -> bool {
    resource.is() == ("", "namespaces")
}

fn place_object(
    core: &Core,
    state: &mut State,
    object: Value,
    identity: Identity,
    uids: &BTreeMap<String, String>,
) -> Option<Value> {
    let resource = find(state, &object)?;
    let mut object = convert::to_storage(object, &resource);
    for owner in list_mut(&mut object, &["metadata", "ownerReferences"]) {
        if let Some(new) = text(owner, &["uid"]).and_then(|uid| uids.get(uid)).cloned() {
            set(owner, &["uid"], new);
        }
    }
    let (uid, now) = (core.ids.uuid(), core.now_text());
    let metadata = map_at(&mut object, &["metadata"]);
    metadata.entry("uid").or_insert_with(|| json!(uid));
    metadata.entry("creationTimestamp").or_insert_with(|| json!(now));
    if !resource.namespaced {
        metadata.remove("namespace");
    } else if !metadata.contains_key("namespace") {
        metadata.insert("namespace", "default".into());
    }
    let version = metadata
        .get("resourceVersion")
        .and_then(Value::as_str)
        .and_then(|text| text.parse::<u64>().ok());
    strategy::defaults(&resource, &mut object);
    if is_namespace(&resource) {
        // A manifest says nothing of these, and nobody comes to fill them in.
        let status = map_at(&mut object, &["status"]);
        status.entry("phase").or_insert_with(|| json!("Active"));
        let spec = map_at(&mut object, &["spec"]);
        spec.entry("finalizers").or_insert_with(|| json!(["kubernetes"]));
    }
    if resource.is() == crd::RESOURCE {
        crd::accept(core, state, &mut object);
    }
    let key = Key::new(value::namespace(&object), value::name(&object));
    match version.filter(|_| identity == Identity::Keep) {
        Some(version) => {
            state.raise_version(version);
            state.put_as_is(&resource, &key, &object, version);
        }
        None => {
            state.put_numbered(&resource, &key, &mut object);
        }
    }
    if resource.is() == crd::RESOURCE {
        crd::register(state, &object);
    }
    Some(object)
}
