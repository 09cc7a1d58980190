//! Agreements that dangerous steps need: to a prune above the threshold, to taking a cluster down.

use jiff::{SignedDuration, Timestamp};
use kube_access::applyset::Consent;
use model::{Cluster, ClusterId};
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::PageRequest;
use ports::{Ledger, RegistryError, WriteContext};
use serde::{Deserialize, Serialize};

use crate::words;

/// How long a cluster waits between the agreement to its deletion and the deletion.
pub const WAIT: SignedDuration = SignedDuration::from_hours(24);

/// Somebody's agreement to delete exactly these objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneConsent {
    /// How many.
    pub count: usize,
    /// Digest of the plan that was agreed to.
    pub hash: String,
    /// Who agreed.
    pub by: String,
}

/// The agreement to take a cluster down: two people and a waiting time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecommissionConsent {
    /// The cluster's alias, typed by the person who asked.
    pub confirmed_name: String,
    /// Who asked.
    pub requested_by: String,
    /// Who agreed; somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// When it was agreed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Timestamp>,
}

/// Whether a cluster may be taken down now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decommission {
    /// It may.
    Allowed,
    /// Not yet, and why in one sentence; look again at the moment, if there is one.
    Waits(String, Option<Timestamp>),
}

fn name<T: std::str::FromStr<Err = model::Invalid>>(text: &'static str) -> T {
    match text.parse() {
        Ok(name) => name,
        Err(refused) => unreachable!("a name of this module: {refused}"),
    }
}

/// Kind of the entries about prunes.
#[must_use]
pub fn prune_kind() -> EntryKind {
    name("prune-consent")
}

/// Kind of the entries about decommissions.
#[must_use]
pub fn decommission_kind() -> EntryKind {
    name("decommission")
}

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

/// The newest agreement to a prune.
///
/// # Errors
/// Those of the ledger.
pub async fn prune_consent(ledger: &dyn Ledger, cluster: &ClusterId) -> Result<Option<Consent>, RegistryError> {
    let entry = newest(ledger, prune_kind(), cluster).await?;
    let consent = entry.and_then(|entry| serde_json::from_value::<PruneConsent>(entry.body).ok());
    Ok(consent.map(|consent| Consent {
        count: consent.count,
        hash: consent.hash,
        by: consent.by,
    }))
}

/// Kind of the entries that ask for an agreement to a prune.
#[must_use]
pub fn asked_kind() -> EntryKind {
    name("prune-request")
}

/// The prune that a cluster waits for agreement to, if it does.
///
/// # Errors
/// Those of the ledger.
pub async fn asked(ledger: &dyn Ledger, cluster: &ClusterId) -> Result<Option<PruneConsent>, RegistryError> {
    let entry = newest(ledger, asked_kind(), cluster).await?;
    Ok(entry.and_then(|entry| serde_json::from_value(entry.body).ok()))
}

/// Writes down that a cluster waits for agreement to a prune; one request per cluster, the newest.
///
/// # Errors
/// Those of the ledger.
pub async fn ask(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    wanted: &PruneConsent,
    context: &WriteContext,
) -> Result<Entry, RegistryError> {
    put(
        ledger,
        asked_kind(),
        cluster.as_str().parse()?,
        cluster,
        wanted,
        context,
    )
    .await
}

/// Writes an agreement to a prune down. It counts for exactly this plan.
///
/// # Errors
/// Those of the ledger.
pub async fn agree_to_prune(
    ledger: &dyn Ledger,
    id: EntryId,
    cluster: &ClusterId,
    consent: &PruneConsent,
    context: &WriteContext,
) -> Result<Entry, RegistryError> {
    put(ledger, prune_kind(), id, cluster, consent, context).await
}

/// Writes a request or agreement to take a cluster down; the id is that of the cluster, so there is one at a time.
///
/// # Errors
/// Those of the ledger.
pub async fn put_decommission(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    consent: &DecommissionConsent,
    context: &WriteContext,
) -> Result<Entry, RegistryError> {
    put(
        ledger,
        decommission_kind(),
        cluster.as_str().parse()?,
        cluster,
        consent,
        context,
    )
    .await
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

/// Whether a cluster may be taken down now: the typed name, a second person, the waiting time.
///
/// # Errors
/// Those of the ledger: what cannot be read is no agreement.
pub async fn may_decommission(
    ledger: &dyn Ledger,
    cluster: &Cluster,
    wait: SignedDuration,
    now: Timestamp,
) -> Result<Decommission, RegistryError> {
    let alias = &cluster.alias;
    let waits = |why: String, until| Ok(Decommission::Waits(why, until));
    let entry = newest(ledger, decommission_kind(), &cluster.id).await?;
    let Some(consent) = entry.and_then(|entry| serde_json::from_value::<DecommissionConsent>(entry.body).ok()) else {
        return waits(
            format!(
                "cluster {alias} waits to be taken down: nobody has confirmed its name; \"fleetwright decommission {alias}\" does"
            ),
            None,
        );
    };
    if consent.confirmed_name != alias.as_str() {
        let typed = &consent.confirmed_name;
        return waits(
            format!("cluster {alias} waits to be taken down: the name that was confirmed is {typed:?}"),
            None,
        );
    }
    let by = &consent.requested_by;
    match (&consent.approved_by, consent.approved_at) {
        (Some(approver), Some(at)) if approver != by => {
            let end = at.saturating_add(wait).unwrap_or(Timestamp::MAX);
            if now >= end {
                return Ok(Decommission::Allowed);
            }
            let when = words::moment(end);
            waits(
                format!(
                    "cluster {alias} waits to be taken down until {when}, as {by} and {approver} agreed; either can call it off"
                ),
                Some(end),
            )
        }
        _ => waits(
            format!("cluster {alias} waits to be taken down: {by} asked, somebody else has to agree"),
            None,
        ),
    }
}
