//! What the engine and its users write down beside the registry: blocks, updates, approvals, evidence of forced terminations.
//!
//! An entry is a JSON document with a kind, an id, perhaps a cluster, and a mark whether it still matters (*open*). Types
//! for the kinds live with those who write them; the ledger keeps them all alike, so that each gets revisions, audit
//! records, a place in the change feed and fencing without a table of its own.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use model::{ClusterId, ConfigKey, Invalid};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::registry::{Page, PageRequest, Revision};
use crate::{RegistryError, WriteContext};

/// Longest body of an entry, in bytes of its JSON.
pub const MAX_ENTRY: usize = 1 << 20;

/// Kind of an entry: lower-case letters, digits and dashes, such as `block` or `update`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryKind(Arc<str>);

/// Id of an entry within its kind: 1 to 200 printable ASCII characters without spaces and slashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryId(Arc<str>);

macro_rules! name_type {
    ($name:ident, $field:literal, $rule:literal, $good:expr) => {
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                let good: fn(&str) -> bool = $good;
                if good(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(Invalid::new($field, $rule, text))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    EntryKind,
    "kind",
    "must be 1 to 40 lower-case letters, digits and dashes",
    |text| matches!(text.len(), 1..=40) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
);
name_type!(
    EntryId,
    "id",
    "must be 1 to 200 printable ASCII characters without spaces and slashes",
    |text| matches!(text.len(), 1..=200) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
);

impl EntryKind {
    /// A block.
    #[must_use]
    pub fn block() -> Self {
        Self("block".into())
    }

    /// An update: what the lifecycle manager did to a cluster, step by step.
    #[must_use]
    pub fn update() -> Self {
        Self("update".into())
    }

    /// A request or agreement to take a cluster down.
    #[must_use]
    pub fn decommission() -> Self {
        Self("decommission".into())
    }

    /// A cluster's request for agreement to a prune.
    #[must_use]
    pub fn prune_request() -> Self {
        Self("prune-request".into())
    }

    /// An agreement to a prune.
    #[must_use]
    pub fn prune_consent() -> Self {
        Self("prune-consent".into())
    }
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its kind.
    pub kind: EntryKind,
    /// Its id within the kind.
    pub id: EntryId,
    /// The cluster that it is about, if it is about one.
    pub cluster: Option<ClusterId>,
    /// Whether it still matters: a block that holds, an update that runs.
    pub open: bool,
    /// 1 when it is made, one more with each change.
    pub revision: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// What it says.
    pub body: Value,
}

/// A change of a config item that belongs to an entry and happens with it or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemChange {
    /// Whose item.
    pub cluster: ClusterId,
    /// Its key.
    pub key: ConfigKey,
    /// Its value; `None` removes it, if it is there.
    pub value: Option<String>,
}

/// An entry to be made, or changed as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryDraft {
    /// Its kind.
    pub kind: EntryKind,
    /// Its id within the kind.
    pub id: EntryId,
    /// The cluster that it is about.
    pub cluster: Option<ClusterId>,
    /// Whether it still matters.
    pub open: bool,
    /// What it says; a JSON object of at most [`MAX_ENTRY`] bytes, without secrets.
    pub body: Value,
    /// Config items that change in the same transaction.
    pub items: Vec<ItemChange>,
}

/// Which entries are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryFilter {
    /// Of this kind.
    pub kind: EntryKind,
    /// About this cluster.
    pub cluster: Option<ClusterId>,
    /// Open ones, or closed ones.
    pub open: Option<bool>,
}

impl EntryFilter {
    /// All entries of a kind.
    #[must_use]
    pub fn of(kind: EntryKind) -> Self {
        Self {
            kind,
            cluster: None,
            open: None,
        }
    }
}

/// The ledger. Writes obey the same promises as those of [`crate::Registry`]: durable when answered, with audit record and
/// feed entry ([`crate::registry::ObjectKind::Entry`], id `kind/id`), refused when the expected revision or the fence does
/// not hold. Entries are never deleted.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Makes an entry, or changes it as a whole. `expected` of the context at revision 0 means that it must be new. Writing
    /// what is there already succeeds without a trace.
    ///
    /// # Errors
    /// [`RegistryError`]: wrong revision, lost fence, a body that is no object or too long, an item of an unknown cluster.
    async fn put_entry(&self, draft: EntryDraft, context: &WriteContext) -> Result<Entry, RegistryError>;

    /// One entry.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] and failures of the store.
    async fn get_entry(&self, kind: &EntryKind, id: &EntryId) -> Result<Entry, RegistryError>;

    /// Entries that match, newest first; those of the same millisecond by id, descending.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a page that no list gave, and failures of the store.
    async fn list_entries(&self, filter: &EntryFilter, page: &PageRequest) -> Result<Page<Entry>, RegistryError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_ids_are_checked() {
        let known = [EntryKind::block(), EntryKind::update()];
        for kind in known.into_iter().chain(crate::approvals::kinds()) {
            assert_eq!(kind.as_str().parse::<EntryKind>().unwrap(), kind);
        }
        for wrong in ["", "Block", "a b", "a/b"] {
            assert!(wrong.parse::<EntryKind>().is_err(), "{wrong}");
        }
        assert!("aws:1:eu-central-1:kube-1.17".parse::<EntryId>().is_ok());
        for wrong in ["", "a/b", "a b", "ü"] {
            assert!(wrong.parse::<EntryId>().is_err(), "{wrong}");
        }
    }
}
