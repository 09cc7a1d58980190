//! Blocks and updates on the wire.

use jiff::Timestamp;
use model::{Block, BlockScope, ClusterId, Lifted, Update};
use ports::blocks::Blocked;
use serde::{Deserialize, Serialize};

/// A block with its place, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockEntry {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// Its id; absent for a block that is only the config item `cluster_update_block`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether it holds now: it has neither expired nor been lifted, by whatever way.
    pub open: bool,
    /// What it keeps from happening.
    pub scope: BlockScope,
    /// Why, in one line; empty when somebody set the config item without a text.
    pub reason: String,
    /// The team or person that answers for it and can lift it.
    pub owner: String,
    /// Ticket or address that tells more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Who set it.
    pub by: String,
    /// Since when; absent where only the config item is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub since: Option<Timestamp>,
    /// When it ends by itself; absent for one that was set through the config item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub expires_at: Option<Timestamp>,
    /// How it ended, once that has been written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

impl BlockEntry {
    /// The block as it is told; `open` says whether it holds.
    #[must_use]
    pub fn new(blocked: Blocked, open: bool) -> Self {
        let Block {
            scope,
            reason,
            owner,
            ticket,
            by,
            expires_at,
            lifted,
        } = blocked.block;
        Self {
            cluster_id: blocked.cluster,
            id: blocked.id.map(Into::into),
            open,
            scope,
            reason,
            owner,
            ticket,
            by,
            since: blocked.since,
            expires_at,
            lifted,
        }
    }
}

impl From<BlockEntry> for Blocked {
    /// The block that was told; an id that is none counts as missing.
    fn from(entry: BlockEntry) -> Self {
        Self {
            cluster: entry.cluster_id,
            id: entry.id.and_then(|id| id.parse().ok()),
            since: entry.since,
            block: Block {
                scope: entry.scope,
                reason: entry.reason,
                owner: entry.owner,
                ticket: entry.ticket,
                by: entry.by,
                expires_at: entry.expires_at,
                lifted: entry.lifted,
            },
        }
    }
}

/// Blocks of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockList {
    /// Those that are only config items first, by cluster; then the others, newest first.
    pub items: Vec<BlockEntry>,
    /// Where the next page starts, for the parameter `continue`; absent on the last page.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A block to be set. Who sets it is the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockDraft {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// What it keeps from happening; everything when absent.
    #[serde(default)]
    pub scope: BlockScope,
    /// Why, in one line.
    pub reason: String,
    /// The team or person that answers for it and can lift it; the caller when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Ticket or address that tells more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// When it ends by itself, within 14 days; 72 hours from now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub expires_at: Option<Timestamp>,
}

impl BlockDraft {
    /// The block that `by` sets.
    #[must_use]
    pub fn block(&self, by: &str) -> Block {
        Block {
            scope: self.scope,
            reason: self.reason.trim().to_owned(),
            owner: self.owner.as_deref().unwrap_or(by).trim().to_owned(),
            ticket: self.ticket.as_deref().map(|ticket| ticket.trim().to_owned()),
            by: by.to_owned(),
            expires_at: self.expires_at,
            lifted: None,
        }
    }
}

/// An update with its place in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateEntry {
    /// Its id.
    pub id: String,
    /// The cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<ClusterId>,
    /// Whether it goes on.
    pub open: bool,
    /// 1 when it began, one more with each change.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub revision: i64,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When it was changed last.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub updated_at: Timestamp,
    /// What it does and how far it is.
    pub update: Update,
}

/// Updates of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateList {
    /// The updates, newest first.
    pub items: Vec<UpdateEntry>,
    /// Where the next page starts, for the parameter `continue`; absent on the last page.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Something that was written down while nodes were replaced, with its place in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordEntry {
    /// Its id.
    pub id: String,
    /// The cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<ClusterId>,
    /// Whether it goes on.
    pub open: bool,
    /// 1 when it began, one more with each change.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub revision: i64,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When it was changed last.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub updated_at: Timestamp,
    /// The record: of a rollout its pool, size, start and failed machines; of a forced termination its outcome and evidence.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub record: serde_json::Value,
}

/// Records of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordList {
    /// The records, newest first.
    pub items: Vec<RecordEntry>,
    /// Where the next page starts, for the parameter `continue`; absent on the last page.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
