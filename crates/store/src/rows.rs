//! Objects as rows and back.

use std::error::Error;

use jiff::Timestamp;
use model::{Cluster, InfrastructureAccount};
use ports::ledger::Entry;
use ports::registry::{Change, Detail, HistoryRecord, Revision, Versioned};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::core::{LocalKey, Record, Stamp, Stored};
use crate::sql::{Arg, Columns};

/// Columns of a cluster without its documents, in the order that [`cluster`] reads.
pub(crate) const CLUSTER_COLUMNS: &str = "c.id, c.alias, c.infrastructure_account, c.region, c.local_id, c.provider, \
     c.api_server_url, c.channel, c.environment, c.criticality_level, c.lifecycle_status, c.status, c.revision, \
     c.created_at";
/// The documents, which follow them.
pub(crate) const DOCUMENT_COLUMNS: &str = ", d.config_items, d.node_pools";
/// Columns of an account in the order that [`account`] reads.
pub(crate) const ACCOUNT_COLUMNS: &str = "a.id, a.kind, a.name, a.owner, a.cost_center, a.environment, \
     a.criticality_level, a.external_id, a.lifecycle_status, a.revision";
/// Columns of a change in the order that [`change`] and [`history`] read.
pub(crate) const CHANGE_COLUMNS: &str = "sequence, time, kind, object_id, action, revision, actor";

/// Columns of an entry in the order that [`entry`] reads and of the table.
pub(crate) const ENTRY_COLUMNS: &str = "kind, id, cluster_id, open, revision, created_at, updated_at, body";

type Result<T> = std::result::Result<T, sqlx::Error>;

fn decode(error: impl Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn parse<T>(text: &str) -> Result<T>
where
    T: std::str::FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    text.parse().map_err(decode)
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(decode)
}

/// A text enum of the model, by its spelling.
fn word<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(decode)
}

fn instant(millis: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(millis).map_err(decode)
}

/// A cluster from [`CLUSTER_COLUMNS`], for [`Detail::Full`] with [`DOCUMENT_COLUMNS`] behind.
pub(crate) fn cluster(row: &dyn Columns, detail: Detail) -> Result<Versioned<Cluster>> {
    let (config_items, node_pools) = match detail {
        Detail::Full => (from_json(row.text(14)?)?, from_json(row.text(15)?)?),
        Detail::Brief => Default::default(),
    };
    Ok(Versioned {
        revision: Revision(row.int(12)?),
        object: Cluster {
            id: parse(row.text(0)?)?,
            alias: parse(row.text(1)?)?,
            infrastructure_account: parse(row.text(2)?)?,
            region: row.text(3)?.to_owned(),
            local_id: row.text(4)?.to_owned(),
            provider: row.text(5)?.to_owned(),
            api_server_url: row.text(6)?.to_owned(),
            channel: row.text(7)?.to_owned(),
            environment: row.text(8)?.to_owned(),
            criticality_level: i32::try_from(row.int(9)?).map_err(decode)?,
            lifecycle_status: parse(row.text(10)?)?,
            status: from_json(row.text(11)?)?,
            config_items,
            node_pools,
            created_at: Some(instant(row.int(13)?)?),
        },
    })
}

/// An account from [`ACCOUNT_COLUMNS`].
pub(crate) fn account(row: &dyn Columns) -> Result<Versioned<InfrastructureAccount>> {
    Ok(Versioned {
        revision: Revision(row.int(9)?),
        object: InfrastructureAccount {
            id: parse(row.text(0)?)?,
            kind: row.text(1)?.to_owned(),
            name: row.text(2)?.to_owned(),
            owner: row.text(3)?.to_owned(),
            cost_center: row.text(4)?.to_owned(),
            environment: row.text(5)?.to_owned(),
            criticality_level: i32::try_from(row.int(6)?).map_err(decode)?,
            external_id: row.text(7)?.to_owned(),
            lifecycle_status: word(row.text(8)?)?,
        },
    })
}

/// A change from [`CHANGE_COLUMNS`].
pub(crate) fn change(row: &dyn Columns) -> Result<Change> {
    Ok(Change {
        sequence: row.int(0)?,
        time: instant(row.int(1)?)?,
        kind: parse(row.text(2)?)?,
        id: row.text(3)?.to_owned(),
        action: parse(row.text(4)?)?,
        revision: Revision(row.int(5)?),
        actor: row.text(6)?.to_owned(),
    })
}

/// An entry from [`ENTRY_COLUMNS`].
pub(crate) fn entry(row: &dyn Columns) -> Result<Entry> {
    Ok(Entry {
        kind: parse(row.text(0)?)?,
        id: parse(row.text(1)?)?,
        cluster: row.maybe_text(2)?.map(parse).transpose()?,
        open: row.int(3)? != 0,
        revision: Revision(row.int(4)?),
        created_at: instant(row.int(5)?)?,
        updated_at: instant(row.int(6)?)?,
        body: from_json(row.text(7)?)?,
    })
}

/// The eight columns of an entry.
pub(crate) fn entry_args(entry: &Entry) -> Result<Vec<Arg>> {
    Ok(vec![
        entry.kind.as_str().into(),
        entry.id.as_str().into(),
        Arg::MaybeText(entry.cluster.as_ref().map(ToString::to_string)),
        i64::from(entry.open).into(),
        entry.revision.0.into(),
        entry.created_at.as_millisecond().into(),
        entry.updated_at.as_millisecond().into(),
        to_json(&entry.body)?.into(),
    ])
}

/// An audit record from [`CHANGE_COLUMNS`], request id and fields.
pub(crate) fn history(row: &dyn Columns) -> Result<HistoryRecord> {
    Ok(HistoryRecord {
        change: change(row)?,
        request_id: row.text(7)?.to_owned(),
        fields: from_json(row.text(8)?)?,
    })
}

/// A value as JSON text. The model's types always have one; an error here would be ours.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

/// The sixteen columns of a cluster, in the order of the table.
pub(crate) fn cluster_args(stored: &Stored<Cluster>, now: Stamp) -> Result<Vec<Arg>> {
    let c = &*stored.object;
    Ok(vec![
        c.id.as_str().into(),
        c.alias.as_str().into(),
        c.infrastructure_account.as_str().into(),
        c.region.as_str().into(),
        c.local_id.as_str().into(),
        LocalKey::of(c).as_str().into(),
        c.provider.as_str().into(),
        c.api_server_url.as_str().into(),
        c.channel.as_str().into(),
        c.environment.as_str().into(),
        i64::from(c.criticality_level).into(),
        c.lifecycle_status.as_str().into(),
        to_json(&c.status)?.into(),
        stored.revision.0.into(),
        c.created_at.map_or(now.0, Timestamp::as_millisecond).into(),
        now.0.into(),
    ])
}

/// The documents of a cluster.
pub(crate) fn document_args(cluster: &Cluster) -> Result<Vec<Arg>> {
    Ok(vec![
        cluster.id.as_str().into(),
        to_json(&cluster.config_items)?.into(),
        to_json(&cluster.node_pools)?.into(),
    ])
}

/// The eleven columns of an account.
pub(crate) fn account_args(stored: &Stored<InfrastructureAccount>, now: Stamp) -> Result<Vec<Arg>> {
    let a = &*stored.object;
    let status = serde_json::to_value(a.lifecycle_status).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    Ok(vec![
        a.id.as_str().into(),
        a.kind.as_str().into(),
        a.name.as_str().into(),
        a.owner.as_str().into(),
        a.cost_center.as_str().into(),
        a.environment.as_str().into(),
        i64::from(a.criticality_level).into(),
        a.external_id.as_str().into(),
        status.as_str().unwrap_or_default().into(),
        stored.revision.0.into(),
        now.0.into(),
    ])
}

/// A record with its place in the feed, as a row of `changes`.
pub(crate) fn change_args(sequence: i64, now: Stamp, record: &Record, actor: &str, request: &str) -> Result<Vec<Arg>> {
    Ok(vec![
        sequence.into(),
        now.0.into(),
        record.kind.as_str().into(),
        record.id.as_str().into(),
        record.action.as_str().into(),
        record.revision.0.into(),
        actor.into(),
        request.into(),
        to_json(&record.fields)?.into(),
    ])
}
