//! The parent object of a set.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{ApplySet, GROUP_KINDS, ID, NAMESPACES, TOOLING};
use crate::access::Access;
use crate::apply::ParentRecord;
use crate::call::{Call, Depth};
use crate::error::AccessError;
use crate::resource::{ApiKind, GroupKind, ObjectKey, at};

/// The tool that this set says it is managed by; the specification asks for name and version.
const TOOL: &str = "fleetwright";

impl ApplySet {
    /// The kind of the parent, which every cluster serves.
    fn parent_kind() -> ApiKind {
        ApiKind::core("ConfigMap", "configmaps", true)
    }

    /// The key of the parent.
    #[must_use]
    pub fn parent_key(&self) -> ObjectKey {
        Self::parent_kind().key(self.namespace(), self.name())
    }

    /// What the parent says; none if there is no parent.
    ///
    /// # Errors
    /// If it cannot be read, or belongs to another tool.
    pub(crate) async fn read(&self, access: &Access) -> Result<Option<ParentRecord>, AccessError> {
        let key = self.parent_key();
        let Some(found) = access.get(&Self::parent_kind(), &key, Depth::Metadata).await? else {
            return Ok(None);
        };
        let annotation = |name: &str| {
            let path = ["metadata", "annotations", name];
            at(&found, &path).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let tooling = annotation(TOOLING);
        if tooling.split('/').next() != Some(TOOL) {
            return Err(AccessError::ForeignSet {
                subject: key.to_string(),
                tooling,
            });
        }
        let parts = |text: String| -> BTreeSet<String> {
            text.split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()
        };
        Ok(Some(ParentRecord {
            group_kinds: parts(annotation(GROUP_KINDS))
                .iter()
                .map(|text| GroupKind::parse(text))
                .collect(),
            namespaces: parts(annotation(NAMESPACES)),
        }))
    }

    /// Writes the parent.
    ///
    /// # Errors
    /// If the cluster does not take it.
    pub(crate) async fn write(&self, access: &Access, record: &ParentRecord) -> Result<(), AccessError> {
        let join = |parts: Vec<String>| parts.join(",");
        let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": self.name(), "namespace": self.namespace(),
            "labels": {ID: self.id()},
            "annotations": {
                TOOLING: concat!("fleetwright/v", env!("CARGO_PKG_VERSION")),
                GROUP_KINDS: join(record.group_kinds.iter().map(ToString::to_string).collect()),
                NAMESPACES: join(record.namespaces.iter().cloned().collect()),
            }}});
        let (kind, key) = (Self::parent_kind(), self.parent_key());
        let body = Bytes::from(body.to_string());
        let call = Call::apply(&kind, &key, body, access.field_manager(), true, false);
        access.call(&call).await.map(|_| ())
    }

    /// What the parent has to say for members of these kinds and namespaces.
    pub(crate) fn record(&self, kinds: BTreeSet<GroupKind>, mut namespaces: BTreeSet<String>) -> ParentRecord {
        namespaces.remove(self.namespace());
        ParentRecord {
            group_kinds: kinds,
            namespaces,
        }
    }
}
