//! Requests and agreements to deletions as the commands show them.

use jiff::Timestamp;
use model::ClusterId;
use model::words;
use ports::registry::PageRequest;
use registry_api::{ApprovalEntry, GuardedName, StandingName};

use crate::age::age;
use crate::failure::Failure;
use crate::ledger::{Aliases, Entry};
use crate::objects::Object;
use crate::session::Session;
use crate::table::or_none;

/// Members of an approval, and the alias of its cluster.
pub(crate) const FIELDS: &[&str] = &[
    "cluster",
    "cluster_id",
    "id",
    "what",
    "standing",
    "count",
    "requested_by",
    "requested_at",
    "approved_by",
    "approved_at",
    "not_before",
    "expires_at",
];

/// Column names: those of every table, and those of wide ones.
pub(crate) const HEADER: (&[&str], &[&str]) = (
    &[
        "NAME",
        "CLUSTER",
        "COUNT",
        "STANDING",
        "ASKED-BY",
        "APPROVED-BY",
        "AGE",
        "MESSAGE",
    ],
    &["NOT-BEFORE", "EXPIRES", "ID", "CLUSTER-ID"],
);

/// What still matters, of one cluster or of all.
pub(crate) async fn fetch(
    session: &Session,
    aliases: &Aliases,
    cluster: Option<&ClusterId>,
) -> Result<Vec<Object>, Failure> {
    let page = session
        .client
        .list_approvals(cluster, Some(true), &PageRequest::all())
        .await?;
    Ok(page.items.into_iter().map(|entry| aliases.approval(entry)).collect())
}

/// The approval that an entry of the feed is about, if it is about one.
pub(crate) async fn changed(session: &Session, kind: &str, id: &str) -> Result<Option<Object>, Failure> {
    let what = match kind {
        "decommission" => GuardedName::Decommission,
        "prune-request" | "prune-consent" => GuardedName::Prune,
        _ => return Ok(None),
    };
    let all = session
        .client
        .list_approvals(None, None, &PageRequest::all())
        .await?
        .items;
    // A request to prune and the agreement to it may have the same id only if somebody wrote them by hand.
    let found = all.into_iter().find(|entry| entry.id == id && entry.what == what);
    match found {
        Some(entry) => Ok(Some(Aliases::read(session).await?.approval(entry))),
        None => Ok(None),
    }
}

/// Name of an approval: what it is to, and the cluster.
pub(crate) fn name(approval: &Entry<ApprovalEntry>) -> String {
    format!("{}/{}", what(&approval.entry), approval.cluster)
}

fn what(entry: &ApprovalEntry) -> &'static str {
    ports::approvals::Guarded::from(entry.what).as_str()
}

pub(crate) fn row(approval: &Entry<ApprovalEntry>, wide: bool, now: Timestamp) -> Vec<String> {
    let entry = &approval.entry;
    let time = |time: Option<Timestamp>| or_none(time.map(|time| time.to_string()).unwrap_or_default());
    let mut row = vec![
        what(entry).to_owned(),
        approval.cluster.clone(),
        or_none(entry.count.map(|count| count.to_string()).unwrap_or_default()),
        entry.standing.as_str().to_owned(),
        or_none(entry.requested_by.as_str()),
        or_none(entry.approved_by.clone().unwrap_or_default()),
        age(Some(entry.requested_at), now),
        sentence(&approval.cluster, entry, now),
    ];
    if wide {
        row.extend([
            time(entry.not_before),
            time(entry.expires_at),
            entry.id.clone(),
            entry.cluster_id.to_string(),
        ]);
    }
    row
}

/// What waits, on what, since when, until when at most, who can lift it.
pub(crate) fn sentence(alias: &str, entry: &ApprovalEntry, now: Timestamp) -> String {
    let since = words::ago(entry.requested_at, now);
    let end = entry
        .expires_at
        .map(|end| format!("; expires {}", words::moment(end)))
        .unwrap_or_default();
    let by = &entry.requested_by;
    let approver = entry.approved_by.as_deref().unwrap_or_default();
    let objects = entry.count.unwrap_or_default();
    match (entry.what, entry.standing) {
        (_, StandingName::Closed) => format!("cluster {alias}: closed"),
        (GuardedName::Prune, StandingName::Asked) => format!(
            "cluster {alias} waits: {objects} objects left git since {since}; \"fleetwright approve prune {alias} --count {objects}\" deletes them"
        ),
        (GuardedName::Prune, StandingName::Expired) => {
            format!("cluster {alias} waits: the agreement of {approver} to delete {objects} objects has expired")
        }
        (GuardedName::Prune, _) => {
            format!("cluster {alias} may delete {objects} objects, as {approver} agreed{end}")
        }
        (GuardedName::Decommission, StandingName::Asked) => format!(
            "cluster {alias} waits to be taken down: {by} asked {since} ago, somebody else has to agree (\"fleetwright approve decommission {alias}\"){end}"
        ),
        (GuardedName::Decommission, StandingName::Expired) => format!(
            "cluster {alias} waits to be taken down: what {by} asked for {since} ago has expired; \"fleetwright decommission {alias}\" asks again"
        ),
        (GuardedName::Decommission, StandingName::Waiting) => {
            let begin = entry.not_before.map(words::moment).unwrap_or_default();
            format!(
                "cluster {alias} waits to be taken down until {begin}, as {by} and {approver} agreed; \"fleetwright cancel decommission {alias}\" calls it off"
            )
        }
        (GuardedName::Decommission, StandingName::Given) => {
            format!("cluster {alias} may be taken down, as {by} and {approver} agreed{end}")
        }
    }
}
