//! The agreement to delete exactly the objects that left git.

use jiff::Timestamp;
use model::{Cluster, ClusterId, Invalid};
use serde::{Deserialize, Serialize};

use super::{Approval, Guarded, PRUNE_TERM, Standing, after, close, newest, person, put, read};
use crate::ledger::{Entry, EntryId, EntryKind};
use crate::{Clock, Ids, Ledger, RegistryError, WriteContext};

/// Somebody's agreement to delete exactly these objects, or a cluster's request for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneConsent {
    /// How many.
    pub count: usize,
    /// Digest of the selection, identities included.
    pub hash: String,
    /// Who agreed; empty in a request.
    pub by: String,
}

impl PruneConsent {
    pub(super) fn told(self, cluster: &ClusterId, entry: &Entry, given: bool, now: Timestamp) -> Approval {
        let end = after(entry.created_at, PRUNE_TERM);
        let standing = match (entry.open, given) {
            (false, _) => Standing::Closed,
            (true, false) => Standing::Asked,
            (true, true) if now >= end => Standing::Expired,
            (true, true) => Standing::Given,
        };
        Approval {
            cluster: cluster.clone(),
            id: entry.id.clone(),
            what: Guarded::Prune,
            standing,
            count: Some(self.count),
            requested_by: String::new(),
            requested_at: if given { entry.created_at } else { entry.updated_at },
            approved_by: given.then_some(self.by),
            approved_at: given.then_some(entry.created_at),
            not_before: None,
            expires_at: given.then_some(end),
        }
    }
}

/// The newest agreement to a prune, if it still counts.
///
/// # Errors
/// Those of the ledger.
pub async fn prune_consent(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    now: Timestamp,
) -> Result<Option<PruneConsent>, RegistryError> {
    let entry = newest(ledger, EntryKind::prune_consent(), cluster).await?;
    let counts = entry.filter(|entry| now < after(entry.created_at, PRUNE_TERM));
    Ok(counts.and_then(|entry| serde_json::from_value(entry.body).ok()))
}

/// The prune that a cluster waits for agreement to, if it does.
///
/// # Errors
/// Those of the ledger.
pub async fn asked(ledger: &dyn Ledger, cluster: &ClusterId) -> Result<Option<PruneConsent>, RegistryError> {
    let entry = newest(ledger, EntryKind::prune_request(), cluster).await?;
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
    let id = cluster.as_str().parse()?;
    put(ledger, EntryKind::prune_request(), id, cluster, wanted, context).await
}

/// Writes an agreement to a prune down, whatever was asked for. It counts for exactly this selection.
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
    put(ledger, EntryKind::prune_consent(), id, cluster, consent, context).await
}

/// Agrees to the prune that a cluster asks for. The count is what the person has seen: when the selection has changed since,
/// it differs, and then nothing is agreed to.
///
/// # Errors
/// [`RegistryError::Forbidden`] when the cluster asks for nothing, [`RegistryError::Invalid`] for another count, and those of
/// the ledger.
pub async fn approve_prune(
    ledger: &dyn Ledger,
    (clock, ids): (&dyn Clock, &dyn Ids),
    cluster: &Cluster,
    count: usize,
    context: &WriteContext,
) -> Result<Approval, RegistryError> {
    let by = person(context, cluster)?;
    let Some(request) = newest(ledger, EntryKind::prune_request(), &cluster.id).await? else {
        return Err(RegistryError::Forbidden(format!(
            "cluster {} does not ask for agreement to a prune",
            cluster.alias
        )));
    };
    let wanted: PruneConsent = read(&request)?;
    if wanted.count != count {
        let rule = format!(
            "must be the number of objects that would go, which is {} for cluster {}",
            wanted.count, cluster.alias
        );
        return Err(Invalid::new("count", rule, count).into());
    }
    let consent = PruneConsent {
        by: by.to_owned(),
        ..wanted
    };
    let entry = agree_to_prune(ledger, ids.uuid().parse()?, &cluster.id, &consent, context).await?;
    close(ledger, request, context).await?;
    Ok(consent.told(&cluster.id, &entry, true, clock.now()))
}

/// Takes back what was agreed to, and the request. Answers what was open.
///
/// # Errors
/// Those of the ledger.
pub async fn cancel_prune(
    ledger: &dyn Ledger,
    clock: &dyn Clock,
    cluster: &ClusterId,
    context: &WriteContext,
) -> Result<Vec<Approval>, RegistryError> {
    let mut closed = Vec::new();
    for (kind, given) in [(EntryKind::prune_consent(), true), (EntryKind::prune_request(), false)] {
        while let Some(entry) = newest(ledger, kind.clone(), cluster).await? {
            let consent: PruneConsent = read(&entry)?;
            let entry = close(ledger, entry, context).await?;
            closed.push(consent.told(cluster, &entry, given, clock.now()));
        }
    }
    Ok(closed)
}

/// Closes agreement and request after the prune was carried out, or when nothing has to go any more: an agreement is used
/// once.
///
/// # Errors
/// Those of the ledger.
pub async fn settle_prune(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    for kind in [EntryKind::prune_consent(), EntryKind::prune_request()] {
        while let Some(entry) = newest(ledger, kind.clone(), cluster).await? {
            close(ledger, entry, context).await?;
        }
    }
    Ok(())
}
