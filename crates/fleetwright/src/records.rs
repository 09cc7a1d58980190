//! Rollouts of node pools and the evidence of forced terminations as the commands show them.

use cli_args::Kind;
use jiff::Timestamp;
use model::ClusterId;
use ports::registry::PageRequest;
use registry_api::RecordEntry;
use rollout::{EVIDENCE_KIND, EvidenceRecord, Outcome, PoolRecord, ROLLOUT_KIND};

use crate::age::age;
use crate::failure::Failure;
use crate::ledger::{Aliases, Entry, NEWEST};
use crate::objects::Object;
use crate::session::Session;
use crate::table::{NONE, or_none};

/// Members of a record, and the alias of its cluster.
pub(crate) const FIELDS: &[&str] = &[
    "cluster",
    "cluster_id",
    "id",
    "open",
    "revision",
    "created_at",
    "updated_at",
    "record",
];

/// Columns of rollouts: those of every table, and those of wide ones.
pub(crate) const ROLLOUT_HEADER: (&[&str], &[&str]) = (
    &["NAME", "POOL", "STATE", "NODES", "FAILED", "AGE", "CHANGED"],
    &["GENERATION", "CLUSTER-ID"],
);

/// Columns of evidence.
pub(crate) const EVIDENCE_HEADER: (&[&str], &[&str]) = (
    &["NAME", "POD", "NODE", "OWNER", "CAUSE", "OVERRODE", "OUTCOME", "AGE"],
    &["UID", "DECIDED", "RULES", "CLUSTER-ID"],
);

/// The newest records of a kind, of one cluster or of all.
pub(crate) async fn fetch(
    session: &Session,
    aliases: &Aliases,
    kind: Kind,
    cluster: Option<&ClusterId>,
) -> Result<Vec<Object>, Failure> {
    let newest = PageRequest {
        limit: Some(NEWEST),
        after: None,
    };
    let client = &session.client;
    if kind == Kind::Rollouts {
        let page = client.list_rollouts(cluster, None, &newest).await?;
        let records = page.items.into_iter().map(|entry| aliases.record(entry));
        return Ok(records.map(Object::Rollout).collect());
    }
    let page = client.list_evidence(cluster, None, &newest).await?;
    let records = page.items.into_iter().map(|entry| aliases.record(entry));
    Ok(records.map(Object::Evidence).collect())
}

/// The record that an entry of the feed is about, if it is one of this kind.
pub(crate) async fn changed(session: &Session, kind: Kind, entry: &str, id: &str) -> Result<Option<Object>, Failure> {
    let wanted = if kind == Kind::Rollouts {
        ROLLOUT_KIND
    } else {
        EVIDENCE_KIND
    };
    if entry != wanted {
        return Ok(None);
    }
    let aliases = Aliases::read(session).await?;
    let all = fetch(session, &aliases, kind, None).await?;
    let is = |object: &Object| match object {
        Object::Rollout(record) | Object::Evidence(record) => record.entry.id == id,
        _ => false,
    };
    Ok(all.into_iter().find(is))
}

/// Name of a rollout: cluster and pool.
pub(crate) fn rollout_name(record: &Entry<RecordEntry>) -> String {
    let pool = read::<PoolRecord>(record).map(|read| read.pool.to_string());
    format!("rollout/{}/{}", record.cluster, pool.unwrap_or_default())
}

/// The record as its engine wrote it; a newer version may write others.
fn read<T: serde::de::DeserializeOwned>(record: &Entry<RecordEntry>) -> Option<T> {
    serde_json::from_value(record.entry.record.clone()).ok()
}

pub(crate) fn rollout_row(record: &Entry<RecordEntry>, wide: bool, now: Timestamp) -> Vec<String> {
    let entry = &record.entry;
    let pool: Option<PoolRecord> = read(record);
    let of = |what: fn(&PoolRecord) -> String| pool.as_ref().map_or_else(|| NONE.to_owned(), what);
    let mut row = vec![
        or_none(record.cluster.as_str()),
        of(|pool| pool.pool.to_string()),
        (if entry.open { "running" } else { "done" }).to_owned(),
        of(|pool| pool.size.to_string()),
        of(|pool| pool.failed.len().to_string()),
        age(Some(pool.as_ref().map_or(entry.created_at, |pool| pool.started)), now),
        age(Some(entry.updated_at), now),
    ];
    if wide {
        let id = entry.cluster_id.as_ref().map(ToString::to_string);
        row.extend([of(|pool| pool.generation.clone()), or_none(id.unwrap_or_default())]);
    }
    row
}

pub(crate) fn evidence_row(record: &Entry<RecordEntry>, wide: bool, now: Timestamp) -> Vec<String> {
    let entry = &record.entry;
    let Some(EvidenceRecord { outcome, evidence, .. }) = read(record) else {
        return vec![or_none(record.cluster.as_str()), entry.id.clone()];
    };
    let owner = evidence.team.as_deref().or(evidence.application.as_deref());
    let cause = match evidence.cause {
        disruption::Cause::Contract => "contract",
        disruption::Cause::MachineEnds { .. } => "machine ends",
    };
    let overrode: Vec<&str> = evidence.protections.iter().map(|reason| reason.rule().text()).collect();
    let outcome = match outcome {
        Outcome::Decided => "not looked at",
        Outcome::Done => "done",
        Outcome::Abandoned => "not done",
    };
    let mut row = vec![
        or_none(record.cluster.as_str()),
        evidence.pod.to_string(),
        evidence.node.to_string(),
        or_none(owner.unwrap_or(&evidence.pod.namespace)),
        cause.to_owned(),
        or_none(overrode.join(", ")),
        outcome.to_owned(),
        age(Some(evidence.decided), now),
    ];
    if wide {
        let met = evidence.rules.len() - evidence.unmet().count();
        let id = entry.cluster_id.as_ref().map(ToString::to_string);
        row.extend([
            evidence.uid.to_string(),
            evidence.decided.to_string(),
            format!("{met}/{} met", evidence.rules.len()),
            or_none(id.unwrap_or_default()),
        ]);
    }
    row
}
