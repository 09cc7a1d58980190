//! What the members of a set are like now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use serde_json::Value;

use super::fields::{applied_by, fingerprint, holds};
use crate::access::Access;
use crate::applyset::PART_OF;
use crate::call::Depth;
use crate::discovery::Kinds;
use crate::error::AccessError;
use crate::list::{ListSink, Selection};
use crate::resource::{GroupKind, ObjectKey, at, list_at, meta};

/// A member as it is now: little enough to keep for every object of a fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The object's identity.
    pub uid: String,
    /// The version of the object.
    pub resource_version: String,
    /// Name of the field set that is ours; empty if we applied nothing.
    pub fields: String,
    /// True if the membership label is a field that we applied: labels get copied, this does not.
    pub ours: bool,
    /// True if a controller made it for another object.
    pub controlled: bool,
    /// True if it is being deleted.
    pub deleting: bool,
    /// True if it asks not to be pruned ([`KEEP_ANNOTATION`]).
    pub protected: bool,
    /// The whole object, where it was read, in the version that the server prefers.
    pub live: Option<Arc<Value>>,
}

/// An annotation by which a live object asks not to be pruned: `fleetwright.dev/prune: "never"`.
pub const KEEP_ANNOTATION: &str = "fleetwright.dev/prune";

impl Observed {
    /// What counts of a live object, read in full or only its metadata. This is the projection for watches.
    #[must_use]
    pub fn of(object: &Value, manager: &str) -> Self {
        let applied = applied_by(object, manager);
        let is_controller = |owner: &Value| owner.get("controller").and_then(Value::as_bool) == Some(true);
        Self {
            uid: meta(object, "uid").to_owned(),
            resource_version: meta(object, "resourceVersion").to_owned(),
            fields: applied.map(fingerprint).unwrap_or_default(),
            ours: applied.is_some_and(|fields| holds(fields, &["metadata", "labels", PART_OF])),
            controlled: list_at(object, &["metadata", "ownerReferences"]).any(is_controller),
            deleting: !meta(object, "deletionTimestamp").is_empty(),
            protected: at(object, &["metadata", "annotations", KEEP_ANNOTATION]).and_then(Value::as_str)
                == Some("never"),
            live: None,
        }
    }

    /// The whole object, if it was read in this version; another version spells fields differently.
    #[must_use]
    pub fn live_as(&self, api_version: &str) -> Option<&Arc<Value>> {
        let in_version = |live: &&Arc<Value>| live.get("apiVersion").and_then(Value::as_str) == Some(api_version);
        self.live.as_ref().filter(in_version)
    }
}

/// All objects with a set's label, by kind. It is complete for the kinds it has, or it does not exist (V12).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observation {
    /// The kinds that were looked at, with what was found.
    pub kinds: BTreeMap<GroupKind, BTreeMap<ObjectKey, Observed>>,
}

impl Observation {
    /// An object.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<&Observed> {
        self.kinds.get(&key.kind)?.get(key)
    }

    /// All objects in order.
    pub fn objects(&self) -> impl Iterator<Item = (&ObjectKey, &Observed)> {
        self.kinds.values().flatten()
    }
}

/// How many lists are on their way at the same time.
const LISTS: usize = 4;

impl Access {
    /// Lists the members of a set, kind by kind.
    ///
    /// A kind that the cluster does not serve has no members. A kind that the cluster may serve, but whose group did not answer
    /// discovery, is an error, and so is every failed list: missing data is never "none" (V12).
    ///
    /// # Errors
    /// If discovery is incomplete for one of the kinds or a list fails.
    pub async fn observe(
        &self,
        set: &str,
        wanted: &BTreeSet<GroupKind>,
        kinds: &Kinds,
        depth: Depth,
    ) -> Result<Observation, AccessError> {
        let lost: BTreeSet<&String> = wanted
            .iter()
            .map(|kind| &kind.group)
            .filter(|g| kinds.partial().contains(*g))
            .collect();
        if !lost.is_empty() {
            return Err(AccessError::PartialDiscovery {
                subject: format!("members of {set}"),
                groups: lost.into_iter().cloned().collect(),
            });
        }
        let selection = Selection::labelled(&format!("{PART_OF}={set}"));
        let served = wanted
            .iter()
            .filter_map(|id| kinds.preferred(id))
            .filter(|kind| kind.can("list"));
        // Boxed one by one: as a lazy map of borrowing futures the whole could not travel between threads.
        let mut lists: Vec<BoxFuture<'_, Result<MembersOfKind, AccessError>>> = Vec::new();
        for kind in served {
            let selection = &selection;
            let one = async move {
                let mut members = Members {
                    kind: &kind.id,
                    api_version: kind.api_version(),
                    manager: self.field_manager(),
                    keep: depth == Depth::Full,
                    found: BTreeMap::new(),
                };
                self.list_into(kind, selection, depth, &mut members).await?;
                Ok((kind.id.clone(), members.found))
            };
            lists.push(one.boxed());
        }
        let mut found: BTreeMap<_, _> = futures::stream::iter(lists).buffered(LISTS).try_collect().await?;
        for id in wanted {
            found.entry(id.clone()).or_insert_with(BTreeMap::new);
        }
        Ok(Observation { kinds: found })
    }
}

/// A kind with its members.
type MembersOfKind = (GroupKind, BTreeMap<ObjectKey, Observed>);

struct Members<'a> {
    kind: &'a GroupKind,
    api_version: String,
    manager: &'a str,
    keep: bool,
    found: BTreeMap<ObjectKey, Observed>,
}

impl ListSink for Members<'_> {
    fn take(&mut self, mut object: Value) {
        let mut observed = Observed::of(&object, self.manager);
        let key = ObjectKey::of(self.kind, &object);
        if self.keep {
            // Items of a list leave out what the list says for all of them.
            if let Some(map) = object.as_object_mut() {
                map.entry("kind").or_insert_with(|| self.kind.kind.as_str().into());
                map.entry("apiVersion")
                    .or_insert_with(|| self.api_version.as_str().into());
            }
            observed.live = Some(Arc::new(object));
        }
        self.found.insert(key, observed);
    }

    fn reset(&mut self) {
        self.found.clear();
    }
}
