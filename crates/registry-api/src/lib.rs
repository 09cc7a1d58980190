//! The registry API as both ends see it: paths, wire types, error bodies, and the typed client.
//!
//! Field names, paths, path patterns and status codes are those of the Cluster Registry API that the original Cluster
//! Lifecycle Manager speaks; what goes beyond it (paging, revisions, change feed, history, import, export) is additive and
//! lives in further members, headers or under `/api/v1`.
//!
//! The objects themselves are the types of `model`; this crate adds only what exists on the wire: lists, single values,
//! feed and history entries, and one [`ErrorBody`] for every refusal. An error body carries enough to be turned back into
//! the [`ports::RegistryError`] that it was made from, so a remote registry fails exactly like a local one.
//!
//! What this crate deliberately does not do: it serves nothing (that is `registry`), stores nothing, and decides nothing.
//!
//! Main types: [`ErrorBody`], [`ErrorKind`], [`ClusterList`], [`BriefCluster`], [`ConfigValue`], [`ChangeEvent`],
//! [`HistoryList`], [`BlockEntry`], [`ApprovalEntry`], [`ChannelList`], [`UpdateEntry`], [`RecordEntry`]; module [`paths`], and `client` with the feature of that name.
//!
//! ```
//! use ports::RegistryError;
//! use registry_api::{ErrorBody, ErrorKind};
//!
//! let body = ErrorBody::from(&RegistryError::NotFound { kind: "cluster", id: "kube-1".to_owned() });
//! assert_eq!((body.status, body.kind()), (404, Some(ErrorKind::NotFound)));
//! assert_eq!(body.message, "cluster \"kube-1\" not found");
//! assert!(matches!(RegistryError::from(body), RegistryError::NotFound { kind: "cluster", .. }));
//! ```

mod acts;
mod approvals;
mod brief;
mod channels;
#[cfg(feature = "client")]
pub mod client;
mod cursor;
mod entries;
mod error_body;
mod error_kind;
mod feed;
mod ledger;
mod lists;
pub mod paths;

pub use acts::{ActDraft, ActEntry, ActList, ActName, AnyAct};
pub use approvals::{ApprovalDraft, ApprovalEntry, ApprovalList, DecommissionDraft, GuardedName, StandingName};
pub use brief::BriefCluster;
pub use channels::{ChannelList, GateAgreementDraft, GateAgreementList};
pub use cursor::{decode_cursor, encode_cursor};
pub use entries::{LedgerEntry, LedgerEntryDraft, LedgerEntryList};
pub use error_body::{ErrorBody, FieldError};
pub use error_kind::ErrorKind;
#[cfg(feature = "openapi")]
pub use feed::{ActionName, ImportModeName, ObjectKindName};
pub use feed::{ChangeEvent, ChangeList, FieldChange, HistoryEntry, HistoryList, ImportReport};
pub use ledger::{BlockDraft, BlockEntry, BlockList, RecordEntry, RecordList, UpdateEntry, UpdateList};
pub use lists::{AccountList, BriefClusterList, ClusterList, ConfigValue, NodePoolList};

/// Content type of every error body.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Header with the id of a request; taken from the caller when it is sane, made otherwise, always echoed.
pub const REQUEST_ID: &str = "x-request-id";
/// Most entries that a page may be asked to have.
pub const MAX_LIMIT: usize = 1000;
/// Largest request body, in bytes, unless the server is told otherwise.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
