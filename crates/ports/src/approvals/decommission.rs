//! The agreement to take a cluster down: a typed name, two people, a waiting time.

use jiff::{SignedDuration, Timestamp};
use model::{Alias, Cluster, ClusterId, ClusterUpdate, Invalid, LifecycleStatus, words};
use serde::{Deserialize, Serialize};

use super::{Approval, DECOMMISSION_TERM, Guarded, Standing, WAIT, after, close, newest, person, put, read};
use crate::ledger::{Entry, EntryKind};
use crate::registry::Versioned;
use crate::{Clock, Ledger, Registry, RegistryError, WriteContext};

/// The agreement to take a cluster down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecommissionConsent {
    /// The cluster's alias, typed by the person who asked.
    pub confirmed_name: String,
    /// Who asked.
    pub requested_by: String,
    /// When.
    pub requested_at: Timestamp,
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

impl DecommissionConsent {
    /// The approver and the moment, if it was somebody else than the one who asked.
    fn approval(&self) -> Option<(&str, Timestamp)> {
        let by = self.approved_by.as_deref().filter(|by| *by != self.requested_by)?;
        Some((by, self.approved_at?))
    }

    /// When it ends by itself.
    fn end(&self, wait: SignedDuration) -> Timestamp {
        match self.approval() {
            Some((_, at)) => after(after(at, wait), DECOMMISSION_TERM),
            None => after(self.requested_at, DECOMMISSION_TERM),
        }
    }

    pub(super) fn told(self, cluster: &ClusterId, entry: &Entry, now: Timestamp) -> Approval {
        let not_before = self.approval().map(|(_, at)| after(at, WAIT));
        let end = self.end(WAIT);
        let standing = match not_before {
            _ if !entry.open => Standing::Closed,
            _ if now >= end => Standing::Expired,
            None => Standing::Asked,
            Some(begin) if now < begin => Standing::Waiting,
            Some(_) => Standing::Given,
        };
        Approval {
            cluster: cluster.clone(),
            id: entry.id.clone(),
            what: Guarded::Decommission,
            standing,
            count: None,
            requested_by: self.requested_by,
            requested_at: self.requested_at,
            approved_by: self.approved_by,
            approved_at: self.approved_at,
            not_before,
            expires_at: Some(end),
        }
    }

    /// Whether the cluster may be taken down now, and if not, on what it waits.
    #[must_use]
    pub fn standing(&self, alias: &Alias, wait: SignedDuration, now: Timestamp) -> Decommission {
        let by = &self.requested_by;
        let waits =
            |why: String, until| Decommission::Waits(format!("cluster {alias} waits to be taken down{why}"), until);
        if self.confirmed_name != alias.as_str() {
            let typed = &self.confirmed_name;
            return waits(format!(": the name that was confirmed is {typed:?}"), None);
        }
        if now >= self.end(wait) {
            let since = words::moment(self.requested_at);
            let again = format!("\"fleetwright decommission {alias}\" asks again");
            return waits(format!(": what {by} asked for on {since} has expired; {again}"), None);
        }
        match self.approval() {
            None => waits(
                format!(
                    ": {by} asked {} ago, somebody else has to agree before {}",
                    words::ago(self.requested_at, now),
                    words::moment(self.end(wait))
                ),
                None,
            ),
            Some((_, at)) if now >= after(at, wait) => Decommission::Allowed,
            Some((approver, at)) => {
                let begin = after(at, wait);
                let when = words::moment(begin);
                waits(
                    format!(" until {when}, as {by} and {approver} agreed; either can call it off"),
                    Some(begin),
                )
            }
        }
    }
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
    let entry = newest(ledger, EntryKind::decommission(), &cluster.id).await?;
    let consent = entry.and_then(|entry| serde_json::from_value::<DecommissionConsent>(entry.body).ok());
    Ok(match consent {
        Some(consent) => consent.standing(alias, wait, now),
        None => Decommission::Waits(
            format!(
                "cluster {alias} waits to be taken down: nobody has confirmed its name; \"fleetwright decommission {alias}\" does"
            ),
            None,
        ),
    })
}

/// Writes a request or agreement down as it is; the id is that of the cluster, so there is one at a time.
///
/// # Errors
/// Those of the ledger.
pub async fn put_decommission(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    consent: &DecommissionConsent,
    context: &WriteContext,
) -> Result<Entry, RegistryError> {
    let id = cluster.as_str().parse()?;
    put(ledger, EntryKind::decommission(), id, cluster, consent, context).await
}

/// Asks for a cluster to be taken down: the typed name must be its alias. The record comes first and the cluster's status
/// second, so a crash between the two leaves a cluster that nobody touches; asking again goes on.
///
/// # Errors
/// [`RegistryError::Invalid`] for another name, [`RegistryError::Forbidden`] for a cluster that is gone, was built by others,
/// or that somebody else has asked for already; those of ledger and registry.
pub async fn request_decommission(
    (ledger, registry): (&dyn Ledger, &dyn Registry),
    clock: &dyn Clock,
    cluster: &Versioned<Cluster>,
    typed: &str,
    context: &WriteContext,
) -> Result<Approval, RegistryError> {
    let (now, found) = (clock.now(), &cluster.object);
    let by = person(context, found)?;
    let forbidden = |why: &str| Err(RegistryError::Forbidden(format!("cluster {} {why}", found.alias)));
    if found.provider == Cluster::EXISTING {
        return forbidden("was built by others and is not ours to take down");
    }
    if found.lifecycle_status == LifecycleStatus::Decommissioned {
        return forbidden("is decommissioned already");
    }
    if typed != found.alias.as_str() {
        let rule = format!("must be the name of the cluster, {}", found.alias);
        return Err(Invalid::new("confirm", rule, typed).into());
    }
    let entry = match newest(ledger, EntryKind::decommission(), &found.id).await? {
        Some(entry) => {
            let known: DecommissionConsent = read(&entry)?;
            match now < known.end(WAIT) {
                true if known.requested_by == by => Some(entry),
                true => {
                    let other = &known.requested_by;
                    let hint = format!("\"fleetwright approve decommission {}\" agrees", found.alias);
                    return forbidden(&format!("is to be taken down already, as {other} asked; {hint}"));
                }
                false => None,
            }
        }
        None => None,
    };
    let entry = match entry {
        Some(entry) => entry,
        None => {
            let consent = DecommissionConsent {
                confirmed_name: typed.to_owned(),
                requested_by: by.to_owned(),
                requested_at: now,
                approved_by: None,
                approved_at: None,
            };
            put_decommission(ledger, &found.id, &consent, context).await?
        }
    };
    if found.lifecycle_status != LifecycleStatus::DecommissionRequested {
        let expecting = context.clone().expecting(cluster.revision);
        set_status(registry, &found.id, LifecycleStatus::DecommissionRequested, &expecting).await?;
    }
    Ok(read::<DecommissionConsent>(&entry)?.told(&found.id, &entry, now))
}

async fn set_status(
    registry: &dyn Registry,
    cluster: &ClusterId,
    status: LifecycleStatus,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    let update = ClusterUpdate {
        lifecycle_status: Some(status),
        ..ClusterUpdate::default()
    };
    registry.update_cluster(cluster, update, context).await.map(drop)
}

/// Agrees that a cluster is taken down, as somebody else than the one who asked.
///
/// # Errors
/// [`RegistryError::Forbidden`] when nobody asked, the caller asked, or the request has expired; those of the ledger.
pub async fn approve_decommission(
    ledger: &dyn Ledger,
    clock: &dyn Clock,
    cluster: &Cluster,
    context: &WriteContext,
) -> Result<Approval, RegistryError> {
    let (now, alias) = (clock.now(), &cluster.alias);
    let by = person(context, cluster)?;
    let forbidden = |why: String| Err(RegistryError::Forbidden(why));
    let Some(entry) = newest(ledger, EntryKind::decommission(), &cluster.id).await? else {
        return forbidden(format!(
            "nobody has asked to take cluster {alias} down; \"fleetwright decommission {alias}\" does"
        ));
    };
    let mut consent: DecommissionConsent = read(&entry)?;
    if consent.requested_by == by {
        return forbidden(format!(
            "{by} asked to take cluster {alias} down, so somebody else has to agree"
        ));
    }
    if now >= consent.end(WAIT) {
        return forbidden(format!(
            "the request of {} of {} to take cluster {alias} down has expired; \"fleetwright decommission {alias}\" asks again",
            consent.requested_by,
            words::moment(consent.requested_at)
        ));
    }
    if consent.approval().is_some() {
        return Ok(consent.told(&cluster.id, &entry, now));
    }
    consent.approved_by = Some(by.to_owned());
    consent.approved_at = Some(now);
    // Only the very request that was read is agreed to: one that somebody made anew meanwhile is another.
    let expecting = context.clone().expecting(entry.revision);
    let entry = put_decommission(ledger, &cluster.id, &consent, &expecting).await?;
    Ok(consent.told(&cluster.id, &entry, now))
}

/// Calls a decommission off: the request is closed and the cluster is `ready` again, so that it is brought to its channel's
/// version as any other, whatever was taken down already. Answers what was open.
///
/// # Errors
/// Those of ledger and registry.
pub async fn cancel_decommission(
    (ledger, registry): (&dyn Ledger, &dyn Registry),
    clock: &dyn Clock,
    cluster: &Versioned<Cluster>,
    context: &WriteContext,
) -> Result<Vec<Approval>, RegistryError> {
    let found = &cluster.object;
    // The status first: it stops a run that is under way.
    if found.lifecycle_status == LifecycleStatus::DecommissionRequested {
        let expecting = context.clone().expecting(cluster.revision);
        set_status(registry, &found.id, LifecycleStatus::Ready, &expecting).await?;
    }
    let mut closed = Vec::new();
    while let Some(entry) = newest(ledger, EntryKind::decommission(), &found.id).await? {
        let entry = close(ledger, entry, context).await?;
        closed.push(read::<DecommissionConsent>(&entry)?.told(&found.id, &entry, clock.now()));
    }
    Ok(closed)
}

/// Closes the agreement of a cluster that is gone: a later cluster of the same id has to be agreed to anew.
///
/// # Errors
/// Those of the ledger.
pub async fn settle_decommission(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    while let Some(entry) = newest(ledger, EntryKind::decommission(), cluster).await? {
        close(ledger, entry, context).await?;
    }
    Ok(())
}
