//! A ledger inside the cluster: an entry is a ConfigMap, so that `kubectl get configmaps -l
//! ledger.fleetwright.dev/kind=forced-termination` shows what was forced and by which right.
//!
//! Only the leader writes, so an entry needs no test of its version. Closed entries are kept for [`KEPT`] and then deleted.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use kube_access::{Access, AccessError, ApiKind, Depth, Selection};
use model::ClusterId;
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::{Page, PageRequest, Revision};
use ports::{Ledger, RegistryError, WriteContext};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Label with the kind of the entry.
pub const KIND_LABEL: &str = "ledger.fleetwright.dev/kind";
/// Label that says whether the entry still matters.
pub const OPEN_LABEL: &str = "ledger.fleetwright.dev/open";
/// How long closed entries are kept.
pub const KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);

const DATA: &str = "entry.json";

/// The ledger of one cluster.
#[derive(Debug, Clone)]
pub struct ClusterLedger {
    access: Access,
    namespace: String,
}

/// What a ConfigMap holds.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    kind: EntryKind,
    id: EntryId,
    cluster: Option<ClusterId>,
    open: bool,
    revision: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    body: Value,
}

impl From<Stored> for Entry {
    fn from(stored: Stored) -> Self {
        Self {
            kind: stored.kind,
            id: stored.id,
            cluster: stored.cluster,
            open: stored.open,
            revision: Revision(stored.revision),
            created_at: stored.created_at,
            updated_at: stored.updated_at,
            body: stored.body,
        }
    }
}

fn failed(error: AccessError) -> RegistryError {
    RegistryError::Unavailable(Box::new(error))
}

fn broken(error: serde_json::Error) -> RegistryError {
    RegistryError::Internal(Box::new(error))
}

/// The name of an entry's ConfigMap: ids have characters that names must not have.
fn name_of(kind: &EntryKind, id: &EntryId) -> String {
    let hash = hex::encode(Sha256::digest(id.as_str().as_bytes()));
    format!("fleetwright-{kind}-{}", hash.get(..16).unwrap_or(&hash))
}

impl ClusterLedger {
    /// The ledger in this namespace, which has to exist.
    #[must_use]
    pub fn new(access: Access, namespace: &str) -> Self {
        Self {
            access,
            namespace: namespace.to_owned(),
        }
    }

    /// Deletes closed entries that nobody needs any more.
    ///
    /// # Errors
    /// If the cluster does not answer.
    pub async fn tidy(&self) -> Result<usize, RegistryError> {
        let kind = config_map();
        let old = self.access.clock().now().checked_sub(KEPT).unwrap_or(Timestamp::MIN);
        let mut gone = 0;
        for object in self.maps(&format!("{KIND_LABEL},{OPEN_LABEL}=false")).await? {
            if read(&object)?.updated_at > old {
                continue;
            }
            let name = text(&object, "/metadata/name");
            let key = kind.key(&self.namespace, name);
            let uid = text(&object, "/metadata/uid");
            self.access.delete_object(&kind, &key, uid).await.map_err(failed)?;
            gone += 1;
        }
        Ok(gone)
    }

    async fn maps(&self, labels: &str) -> Result<Vec<Value>, RegistryError> {
        let selection = Selection {
            namespace: self.namespace.clone(),
            ..Selection::labelled(labels)
        };
        let listed = self.access.list(&config_map(), &selection, Depth::Full).await;
        listed.map_err(failed)
    }

    async fn find(&self, kind: &EntryKind, id: &EntryId) -> Result<Option<Stored>, RegistryError> {
        let map = config_map();
        let key = map.key(&self.namespace, &name_of(kind, id));
        let found = self.access.get(&map, &key, Depth::Full).await.map_err(failed)?;
        found.map(|object| read(&object)).transpose()
    }
}

#[async_trait]
impl Ledger for ClusterLedger {
    async fn put_entry(&self, draft: EntryDraft, _context: &WriteContext) -> Result<Entry, RegistryError> {
        let old = self.find(&draft.kind, &draft.id).await?;
        let now = self.access.clock().now();
        let stored = Stored {
            revision: old.as_ref().map_or(1, |old| old.revision.saturating_add(1)),
            created_at: old.map_or(now, |old| old.created_at),
            updated_at: now,
            kind: draft.kind,
            id: draft.id,
            cluster: draft.cluster,
            open: draft.open,
            body: draft.body,
        };
        let text = serde_json::to_string_pretty(&stored).map_err(broken)?;
        let open = if stored.open { "true" } else { "false" };
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name_of(&stored.kind, &stored.id), "namespace": self.namespace,
                "labels": {KIND_LABEL: stored.kind.as_str(), OPEN_LABEL: open}},
            "data": {DATA: text}});
        let manager = self.access.field_manager().to_owned();
        let done = self.access.apply_object(&config_map(), &object, &manager, true).await;
        done.map_err(failed)?;
        Ok(stored.into())
    }

    async fn get_entry(&self, kind: &EntryKind, id: &EntryId) -> Result<Entry, RegistryError> {
        let found = self.find(kind, id).await?;
        found.map(Entry::from).ok_or_else(|| RegistryError::NotFound {
            kind: "entry",
            id: format!("{kind}/{id}"),
        })
    }

    async fn list_entries(&self, filter: &EntryFilter, _page: &PageRequest) -> Result<Page<Entry>, RegistryError> {
        let open = filter
            .open
            .map_or_else(String::new, |open| format!(",{OPEN_LABEL}={open}"));
        let maps = self.maps(&format!("{KIND_LABEL}={}{open}", filter.kind)).await?;
        let mut items = Vec::new();
        for object in maps {
            let entry = Entry::from(read(&object)?);
            if filter.cluster.is_none() || filter.cluster == entry.cluster {
                items.push(entry);
            }
        }
        items.sort_by(|a, b| (b.updated_at, &a.id).cmp(&(a.updated_at, &b.id)));
        Ok(Page { items, next: None })
    }
}

fn config_map() -> ApiKind {
    ApiKind::core("ConfigMap", "configmaps", true)
}

fn text<'v>(object: &'v Value, path: &str) -> &'v str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn read(object: &Value) -> Result<Stored, RegistryError> {
    let data = object
        .get("data")
        .and_then(|data| data.get(DATA))
        .and_then(Value::as_str);
    serde_json::from_str(data.unwrap_or_default()).map_err(broken)
}
