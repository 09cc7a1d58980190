//! Agreements that deletions need: to a prune above the threshold, to taking a cluster down.
//!
//! Each is an entry of the ledger, so it is durable, has an audit record and wakes whoever waits for it. Who may say what is
//! decided here and nowhere else: the registry writes through these functions, the lifecycle manager asks them, and both see
//! the same standing of the same record.
//!
//! A prune: the cluster asks (it knows the selection), somebody agrees to exactly that many objects. A decommission: somebody
//! types the name, somebody else agrees, and a time passes. Agreements do not last: one that nobody used in time is none.

mod decommission;
mod prune;

use jiff::{SignedDuration, Timestamp};
use model::{Cluster, ClusterId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind};
use crate::registry::PageRequest;
use crate::{Ledger, RegistryError, WriteContext};

pub use decommission::{
    Decommission, DecommissionConsent, approve_decommission, cancel_decommission, may_decommission, put_decommission,
    request_decommission, settle_decommission,
};
pub use prune::{PruneConsent, agree_to_prune, approve_prune, ask, asked, cancel_prune, prune_consent, settle_prune};

/// How long a cluster waits between the agreement to its deletion and the deletion.
pub const WAIT: SignedDuration = SignedDuration::from_hours(24);
/// How long an agreement to a prune counts.
pub const PRUNE_TERM: SignedDuration = SignedDuration::from_hours(72);
/// How long a request to take a cluster down waits for a second person; and how long, after the waiting time, the agreement
/// counts: a cluster that was blocked for months must not vanish on the day of its unblocking.
pub const DECOMMISSION_TERM: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What an agreement is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guarded {
    /// Deleting objects that left git.
    Prune,
    /// Taking a cluster down.
    Decommission,
}

impl Guarded {
    /// The spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prune => "prune",
            Self::Decommission => "decommission",
        }
    }
}

impl std::str::FromStr for Guarded {
    type Err = model::Invalid;

    fn from_str(text: &str) -> Result<Self, model::Invalid> {
        let known = [Self::Prune, Self::Decommission];
        let found = known.into_iter().find(|what| what.as_str() == text);
        found.ok_or_else(|| model::Invalid::new("what", "must be one of prune, decommission", text))
    }
}

/// How an agreement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Somebody, or the cluster itself, asks for it.
    Asked,
    /// It is given; the waiting time runs.
    Waiting,
    /// It is given and counts.
    Given,
    /// Nobody gave it in time, or nobody used it in time.
    Expired,
    /// It is closed: used, called off, or no longer needed.
    Closed,
}

impl Standing {
    /// The spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Waiting => "waiting",
            Self::Given => "given",
            Self::Expired => "expired",
            Self::Closed => "closed",
        }
    }
}

/// A request or an agreement, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The cluster.
    pub cluster: ClusterId,
    /// Id of its entry within its kind.
    pub id: EntryId,
    /// What it is to.
    pub what: Guarded,
    /// How it stands.
    pub standing: Standing,
    /// Objects that a prune deletes.
    pub count: Option<usize>,
    /// Who asked; empty when the cluster itself did.
    pub requested_by: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Who agreed.
    pub approved_by: Option<String>,
    /// When.
    pub approved_at: Option<Timestamp>,
    /// When what was agreed to happens at the earliest.
    pub not_before: Option<Timestamp>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// The kinds of entries that approvals are kept in, in the order of lists.
#[must_use]
pub fn kinds() -> [EntryKind; 3] {
    [
        EntryKind::decommission(),
        EntryKind::prune_request(),
        EntryKind::prune_consent(),
    ]
}

/// Reads an entry of one of the [`kinds`].
///
/// # Errors
/// [`RegistryError::Internal`] when the entry holds no approval.
pub fn of_entry(entry: &Entry, now: Timestamp) -> Result<Option<Approval>, RegistryError> {
    let Some(cluster) = &entry.cluster else { return Ok(None) };
    if entry.kind == EntryKind::decommission() {
        return read::<DecommissionConsent>(entry).map(|consent| Some(consent.told(cluster, entry, now)));
    }
    let given = entry.kind == EntryKind::prune_consent();
    read::<PruneConsent>(entry).map(|consent| Some(consent.told(cluster, entry, given, now)))
}

fn read<T: DeserializeOwned>(entry: &Entry) -> Result<T, RegistryError> {
    serde_json::from_value(entry.body.clone()).map_err(|error| RegistryError::Internal(Box::new(error)))
}

fn after(begin: Timestamp, term: SignedDuration) -> Timestamp {
    begin.saturating_add(term).unwrap_or(Timestamp::MAX)
}

/// The newest open entry of a kind about a cluster.
async fn newest(ledger: &dyn Ledger, kind: EntryKind, cluster: &ClusterId) -> Result<Option<Entry>, RegistryError> {
    let filter = EntryFilter {
        cluster: Some(cluster.clone()),
        open: Some(true),
        ..EntryFilter::of(kind)
    };
    let page = PageRequest {
        limit: Some(1),
        after: None,
    };
    Ok(ledger.list_entries(&filter, &page).await?.items.into_iter().next())
}

async fn put<T: Serialize + Sync>(
    ledger: &dyn Ledger,
    kind: EntryKind,
    id: EntryId,
    cluster: &ClusterId,
    body: &T,
    context: &WriteContext,
) -> Result<Entry, RegistryError> {
    let draft = EntryDraft {
        kind,
        id,
        cluster: Some(cluster.clone()),
        open: true,
        body: serde_json::to_value(body).map_err(|error| RegistryError::Internal(Box::new(error)))?,
        items: Vec::new(),
    };
    ledger.put_entry(draft, context).await
}

/// Closes an entry and leaves what it says.
async fn close(ledger: &dyn Ledger, entry: Entry, context: &WriteContext) -> Result<Entry, RegistryError> {
    let draft = EntryDraft {
        kind: entry.kind,
        id: entry.id,
        cluster: entry.cluster,
        open: false,
        body: entry.body,
        items: Vec::new(),
    };
    ledger.put_entry(draft, context).await
}

/// The person who writes. A server without access control knows nobody, and then nobody can agree to anything.
fn person<'c>(context: &'c WriteContext, cluster: &Cluster) -> Result<&'c str, RegistryError> {
    match context.actor.as_str() {
        "" | "anonymous" => Err(RegistryError::Forbidden(format!(
            "who agrees to a deletion in cluster {} must be known: this server tells nobody apart, since it runs without tokens",
            cluster.alias
        ))),
        name => Ok(name),
    }
}
