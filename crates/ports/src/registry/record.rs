//! Revisions, changes, history and imports.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use model::Invalid;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Revision of one object: 1 when it is made, one more with each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub i64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An object with its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// Its revision.
    pub revision: Revision,
    /// The object.
    pub object: T,
}

/// Kinds of objects that have revisions, changes and history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// A cluster with its config items and node pools.
    Cluster,
    /// An infrastructure account.
    InfrastructureAccount,
    /// An entry of the ledger; its id is `kind/id`.
    Entry,
}

impl ObjectKind {
    /// The spelling on the wire and in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::InfrastructureAccount => "infrastructure-account",
            Self::Entry => "entry",
        }
    }
}

impl FromStr for ObjectKind {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "cluster" => Ok(Self::Cluster),
            "infrastructure-account" => Ok(Self::InfrastructureAccount),
            "entry" => Ok(Self::Entry),
            _ => Err(Invalid::new(
                "kind",
                "must be one of cluster, infrastructure-account, entry",
                text,
            )),
        }
    }
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
    /// It was removed.
    Deleted,
}

impl Action {
    /// The spelling on the wire and in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

impl FromStr for Action {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "created" => Ok(Self::Created),
            "updated" => Ok(Self::Updated),
            "deleted" => Ok(Self::Deleted),
            _ => Err(Invalid::new("action", "must be one of created, updated, deleted", text)),
        }
    }
}

/// One entry of the change feed: that something changed, not what; readers get the object itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Position in the feed, from 1; grows with each change and is never given twice.
    pub sequence: i64,
    /// When it was written.
    pub time: Timestamp,
    /// Kind of the object.
    pub kind: ObjectKind,
    /// Id of the object.
    pub id: String,
    /// What happened.
    pub action: Action,
    /// Revision of the object after it.
    pub revision: Revision,
    /// Who did it.
    pub actor: String,
}

/// One changed field of a history record; secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Path of the field, such as `config_items.cluster_update_block` or `node_pools.worker.max_size`.
    pub field: String,
    /// The value before; absent when the field was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value after; absent when the field is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// An audit record: a change with its request and the fields that it touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRecord {
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// Id of the request that made it.
    pub request_id: String,
    /// What changed, in field order.
    pub fields: Vec<FieldChange>,
}

/// What an import does with objects that exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportMode {
    /// Refuse the document: every object must be new.
    #[default]
    Create,
    /// Bring them to what the document says.
    Apply,
}

/// What an import did, by object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// Objects that were made, as `kind/id`.
    pub created: Vec<String>,
    /// Objects that were changed.
    pub updated: Vec<String>,
    /// Objects that were as the document says.
    pub unchanged: Vec<String>,
}
