//! What is written down about waves.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::ClusterId;
use plan::policy::FleetPolicy;
use plan::waves::{Halt, Passed, Phase};
use ports::acts::channel_id;
use ports::ledger::{EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::PageRequest;
use ports::{Ledger, RegistryError, WriteContext};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// That a cluster was let begin a version. The newest of each cluster is kept; the ones before are in its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The channel.
    pub channel: String,
    /// The version, as in the cluster's status.
    pub version: String,
    /// The version together with the digest of the entry: two entries may have one version (fault F9).
    pub target: String,
    /// The change that it belongs to: when that was first seen.
    pub run: Timestamp,
    /// When it was let begin.
    pub begun: Timestamp,
    /// The wave that it was in.
    pub wave: String,
    /// What a fast lane let it pass: the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<Passed>,
}

/// A change that walks through a channel, or the last one that did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The channel.
    pub channel: String,
    /// Id of the configuration that the channel stands at.
    pub config: String,
    /// When the change was first seen; tells it from others of the channel.
    pub since: Timestamp,
    /// Whether the configuration moved; otherwise registry entries were edited.
    pub commit: bool,
    /// When no cluster was left that it was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Timestamp>,
    /// How the channel stands.
    pub phase: Phase,
    /// The wave that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<String>,
    /// Why nothing more begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt: Option<Halt>,
    /// Clusters that have been behind since another moment than the change: since an earlier one, or because they joined it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub behind: BTreeMap<ClusterId, Timestamp>,
}

const TURN: &str = "turn";
const RUN: &str = "run";
const POLICY: &str = "policy";
const ALARM: &str = "alarm";
/// The id of the one policy.
const FLEET: &str = "fleet";

fn kind(name: &str) -> EntryKind {
    match name.parse() {
        Ok(kind) => kind,
        Err(refused) => unreachable!("a name of this module: {refused}"),
    }
}

/// The kind of the entries of alarms.
#[must_use]
pub(super) fn alarm_kind() -> EntryKind {
    kind(ALARM)
}

fn body<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, RegistryError> {
    serde_json::from_value(value).map_err(|error| RegistryError::Internal(Box::new(error)))
}

async fn put(
    ledger: &dyn Ledger,
    (name, id): (&str, EntryId),
    cluster: Option<&ClusterId>,
    open: bool,
    content: &impl Serialize,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    let draft = EntryDraft {
        kind: kind(name),
        id,
        cluster: cluster.cloned(),
        open,
        body: serde_json::to_value(content).map_err(|error| RegistryError::Internal(Box::new(error)))?,
        items: Vec::new(),
    };
    ledger.put_entry(draft, context).await.map(drop)
}

pub(crate) async fn put_turn(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    turn: &Turn,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    put(
        ledger,
        (TURN, cluster.as_str().parse()?),
        Some(cluster),
        true,
        turn,
        context,
    )
    .await
}

pub(crate) async fn put_run(ledger: &dyn Ledger, run: &RunRecord, context: &WriteContext) -> Result<(), RegistryError> {
    let id = channel_id(&run.channel).parse()?;
    put(ledger, (RUN, id), None, run.over.is_none(), run, context).await
}

pub(crate) async fn put_policy(
    ledger: &dyn Ledger,
    policy: &FleetPolicy,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    put(ledger, (POLICY, FLEET.parse()?), None, true, policy, context).await
}

pub(crate) async fn put_alarm(
    ledger: &dyn Ledger,
    id: &EntryId,
    open: bool,
    alarm: &impl Serialize,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    put(ledger, (ALARM, id.clone()), None, open, alarm, context).await
}

/// The newest turn of each cluster that ever had one.
///
/// # Errors
/// Those of the ledger.
pub async fn turns(ledger: &dyn Ledger) -> Result<BTreeMap<ClusterId, Turn>, RegistryError> {
    let entries = ledger
        .list_entries(&EntryFilter::of(kind(TURN)), &PageRequest::all())
        .await?;
    let mut turns = BTreeMap::new();
    for entry in entries.items {
        if let Some(cluster) = entry.cluster {
            turns.insert(cluster, body(entry.body)?);
        }
    }
    Ok(turns)
}

/// The change of each channel, under way or over.
///
/// # Errors
/// Those of the ledger.
pub async fn runs(ledger: &dyn Ledger) -> Result<BTreeMap<String, RunRecord>, RegistryError> {
    let entries = ledger
        .list_entries(&EntryFilter::of(kind(RUN)), &PageRequest::all())
        .await?;
    let mut runs = BTreeMap::new();
    for entry in entries.items {
        let run: RunRecord = body(entry.body)?;
        runs.insert(run.channel.clone(), run);
    }
    Ok(runs)
}

/// The policy that managers go by; the default one where none has written down another.
///
/// # Errors
/// Those of the ledger.
pub async fn policy_in_force(ledger: &dyn Ledger) -> Result<FleetPolicy, RegistryError> {
    Ok(policy_told(ledger).await?.map(|(_, policy)| policy).unwrap_or_default())
}

/// The policy that managers wrote down, and when; `None` where no manager has let clusters begin in waves yet.
///
/// # Errors
/// Those of the ledger.
pub async fn policy_told(ledger: &dyn Ledger) -> Result<Option<(Timestamp, FleetPolicy)>, RegistryError> {
    match ledger.get_entry(&kind(POLICY), &FLEET.parse()?).await {
        Ok(entry) => Ok(Some((entry.updated_at, body(entry.body)?))),
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What an entry of the change feed is about, by its id there.
pub(crate) enum About {
    Turn(EntryId),
    Run(EntryId),
    Act,
    Update(EntryId),
    Health(EntryId),
    Else,
}

impl About {
    pub(crate) fn of(change: &str) -> Self {
        let Some((kind, id)) = change.split_once('/') else {
            return Self::Else;
        };
        match (kind, id.parse()) {
            (TURN, Ok(id)) => Self::Turn(id),
            (RUN, Ok(id)) => Self::Run(id),
            ("update", Ok(id)) => Self::Update(id),
            (crate::health::KIND, Ok(id)) => Self::Health(id),
            ("pause" | "freeze" | "fast-lane", _) => Self::Act,
            _ => Self::Else,
        }
    }
}

pub(crate) async fn turn(ledger: &dyn Ledger, id: &EntryId) -> Result<Option<(ClusterId, Turn)>, RegistryError> {
    let entry = ledger.get_entry(&kind(TURN), id).await?;
    let Some(cluster) = entry.cluster else { return Ok(None) };
    Ok(Some((cluster, body(entry.body)?)))
}

pub(crate) async fn run(ledger: &dyn Ledger, id: &EntryId) -> Result<RunRecord, RegistryError> {
    body(ledger.get_entry(&kind(RUN), id).await?.body)
}
