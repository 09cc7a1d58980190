//! Entries of the change feed and of histories, and what an import did.

use jiff::Timestamp;
use ports::registry::{Action, Change, HistoryRecord, ObjectKind, Revision};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One entry of the change feed: that an object changed; readers get the object itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeEvent {
    /// Position in the feed, from 1; grows with each change and is never given twice.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub sequence: i64,
    /// When it was written.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub time: Timestamp,
    /// Kind of the object.
    #[cfg_attr(feature = "openapi", schema(value_type = ObjectKindName))]
    pub kind: ObjectKind,
    /// Id of the object.
    pub id: String,
    /// What happened.
    #[cfg_attr(feature = "openapi", schema(value_type = ActionName))]
    pub action: Action,
    /// Revision of the object after it.
    #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 1))]
    pub revision: Revision,
    /// Who did it.
    pub actor: String,
}

impl ChangeEvent {
    /// Name of the server-sent event, such as `cluster.updated`.
    #[must_use]
    pub fn event_name(&self) -> String {
        format!("{}.{}", self.kind.as_str(), self.action.as_str())
    }
}

impl From<Change> for ChangeEvent {
    fn from(change: Change) -> Self {
        let Change {
            sequence,
            time,
            kind,
            id,
            action,
            revision,
            actor,
        } = change;
        Self {
            sequence,
            time,
            kind,
            id,
            action,
            revision,
            actor,
        }
    }
}

impl From<ChangeEvent> for Change {
    fn from(event: ChangeEvent) -> Self {
        let ChangeEvent {
            sequence,
            time,
            kind,
            id,
            action,
            revision,
            actor,
        } = event;
        Self {
            sequence,
            time,
            kind,
            id,
            action,
            revision,
            actor,
        }
    }
}

/// Changes for readers that poll (`follow=false`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeList {
    /// The changes, oldest first.
    pub items: Vec<ChangeEvent>,
    /// Sequence number of the newest change in the whole feed; 0 before the first.
    pub last: i64,
}

/// One changed field; secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldChange {
    /// Path of the field, such as `config_items.cluster_update_block`.
    pub field: String,
    /// The value before; absent when the field was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value after; absent when the field is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// One audit record: a change with its request and the fields that it touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryEntry {
    /// The change.
    #[serde(flatten)]
    pub change: ChangeEvent,
    /// Id of the request that made it.
    pub request_id: String,
    /// What changed, in field order.
    pub fields: Vec<FieldChange>,
}

impl From<HistoryRecord> for HistoryEntry {
    fn from(record: HistoryRecord) -> Self {
        let field = |f: ports::registry::FieldChange| FieldChange {
            field: f.field,
            before: f.before,
            after: f.after,
        };
        Self {
            change: record.change.into(),
            request_id: record.request_id,
            fields: record.fields.into_iter().map(field).collect(),
        }
    }
}

impl From<HistoryEntry> for HistoryRecord {
    fn from(entry: HistoryEntry) -> Self {
        let field = |f: FieldChange| ports::registry::FieldChange {
            field: f.field,
            before: f.before,
            after: f.after,
        };
        Self {
            change: entry.change.into(),
            request_id: entry.request_id,
            fields: entry.fields.into_iter().map(field).collect(),
        }
    }
}

/// History of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryList {
    /// The records, newest first.
    pub items: Vec<HistoryEntry>,
    /// Where the next page starts, for the parameter `continue`; absent on the last page.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What an import did, by object, as `kind/id`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportReport {
    /// Objects that were made.
    pub created: Vec<String>,
    /// Objects that were changed.
    pub updated: Vec<String>,
    /// Objects that were as the document says.
    pub unchanged: Vec<String>,
}

impl From<ports::registry::ImportReport> for ImportReport {
    fn from(report: ports::registry::ImportReport) -> Self {
        Self {
            created: report.created,
            updated: report.updated,
            unchanged: report.unchanged,
        }
    }
}

impl From<ImportReport> for ports::registry::ImportReport {
    fn from(report: ImportReport) -> Self {
        Self {
            created: report.created,
            updated: report.updated,
            unchanged: report.unchanged,
        }
    }
}

/// Schema of [`ObjectKind`], which lives in a crate that knows no OpenAPI.
#[cfg(feature = "openapi")]
#[derive(utoipa::ToSchema)]
#[schema(as = ObjectKind, rename_all = "kebab-case")]
pub enum ObjectKindName {
    /// A cluster with its config items and node pools.
    Cluster,
    /// An infrastructure account.
    InfrastructureAccount,
    /// An entry of the ledger; its id is `kind/id`.
    Entry,
}

/// Schema of [`Action`], which lives in a crate that knows no OpenAPI.
#[cfg(feature = "openapi")]
#[derive(utoipa::ToSchema)]
#[schema(as = Action, rename_all = "kebab-case")]
pub enum ActionName {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
    /// It was removed.
    Deleted,
}

/// Schema of [`ports::registry::ImportMode`].
#[cfg(feature = "openapi")]
#[derive(utoipa::ToSchema)]
#[schema(as = ImportMode, rename_all = "kebab-case")]
pub enum ImportModeName {
    /// Refuse the document: every object must be new.
    Create,
    /// Bring them to what the document says.
    Apply,
}
