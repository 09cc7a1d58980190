//! Entries of the ledger on the wire, as the engine keeps them.

use jiff::Timestamp;
use model::ClusterId;
use ports::RegistryError;
use ports::ledger::Entry;
use ports::registry::Revision;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LedgerEntry {
    /// Its kind.
    pub kind: String,
    /// Its id within the kind.
    pub id: String,
    /// The cluster that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<ClusterId>,
    /// Whether it still matters.
    pub open: bool,
    /// 1 when it was made, one more with each change.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub revision: i64,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When it was changed last.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub updated_at: Timestamp,
    /// What it says.
    pub body: Value,
}

impl From<Entry> for LedgerEntry {
    fn from(entry: Entry) -> Self {
        Self {
            kind: entry.kind.into(),
            id: entry.id.into(),
            cluster_id: entry.cluster,
            open: entry.open,
            revision: entry.revision.0,
            created_at: entry.created_at,
            updated_at: entry.updated_at,
            body: entry.body,
        }
    }
}

impl TryFrom<LedgerEntry> for Entry {
    type Error = RegistryError;

    fn try_from(entry: LedgerEntry) -> Result<Self, RegistryError> {
        Ok(Self {
            kind: entry.kind.parse()?,
            id: entry.id.parse()?,
            cluster: entry.cluster_id,
            open: entry.open,
            revision: Revision(entry.revision),
            created_at: entry.created_at,
            updated_at: entry.updated_at,
            body: entry.body,
        })
    }
}

/// Entries of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LedgerEntryList {
    /// The entries, newest first.
    pub items: Vec<LedgerEntry>,
    /// Where the next page starts, for the parameter `continue`; absent on the last page.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An entry to be made, or changed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LedgerEntryDraft {
    /// The cluster that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<ClusterId>,
    /// Whether it still matters.
    pub open: bool,
    /// What it says; an object without secrets.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub body: Value,
}
