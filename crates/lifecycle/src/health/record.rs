//! What is kept of the health of a cluster, one entry of the ledger for each.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::{ClusterId, HealthState, HealthVerdict};
use plan::health::{Check, Observation};
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::PageRequest;
use ports::{Ledger, RegistryError, WriteContext};
use render::DesiredCluster;
use serde::{Deserialize, Serialize};

/// Kind of the entries. Their ids are those of the clusters.
pub const KIND: &str = "health";

/// Kinds of workloads that say by themselves when they are available.
const WORKLOADS: [(&str, &str); 4] = [
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("batch", "Job"),
];

/// The health of one cluster since its newest update.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// Id of the update's entry; empty until its work is done.
    pub(crate) update: String,
    /// The version before.
    pub(crate) from: String,
    /// The version that it brought.
    pub(crate) to: String,
    /// The channel that it came from.
    pub(crate) channel: String,
    /// What the cluster was like before; nothing for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) baseline: Option<Observation>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) baseline_at: Option<Timestamp>,
    /// What has to be available.
    pub(crate) workloads: Vec<Workload>,
    /// The watch, once the work is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) check: Option<Check>,
}

/// A workload of an applied component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Workload {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) component: String,
}

impl Record {
    fn fared(self) -> Option<Fared> {
        let check = self.check?;
        Some(Fared {
            from: self.from,
            version: self.to,
            done_at: check.began,
            verdict: check.verdict,
        })
    }
}

impl Workload {
    /// As verdicts name it.
    pub(crate) fn subject(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }

    /// The workloads of a rendered cluster, sorted.
    pub(crate) fn all(desired: &DesiredCluster) -> Vec<Self> {
        let mut all = Vec::new();
        for component in &desired.components {
            let objects = component
                .manifests
                .iter()
                .flat_map(|manifest| &manifest.content.objects);
            for object in objects {
                let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
                if WORKLOADS.contains(&(group, object.kind.as_str())) {
                    all.push(Self {
                        api_version: object.api_version.clone(),
                        kind: object.kind.clone(),
                        namespace: object.namespace.clone().unwrap_or_else(|| "default".to_owned()),
                        name: object.name.clone(),
                        component: component.name.clone(),
                    });
                }
            }
        }
        all.sort();
        all
    }
}

pub(super) fn kind() -> EntryKind {
    match KIND.parse() {
        Ok(kind) => kind,
        Err(refused) => unreachable!("a name of this module: {refused}"),
    }
}

fn read(entry: &Entry) -> Option<Record> {
    serde_json::from_value(entry.body.clone()).ok()
}

/// The record of a cluster with its entry, if there is one that can be read.
pub(super) async fn load(ledger: &dyn Ledger, cluster: &ClusterId) -> Result<Option<(Entry, Record)>, RegistryError> {
    match ledger.get_entry(&kind(), &cluster.as_str().parse()?).await {
        Ok(entry) => Ok(read(&entry).map(|record| (entry, record))),
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Clusters that are being watched.
pub(super) async fn open(ledger: &dyn Ledger) -> Result<Vec<ClusterId>, RegistryError> {
    let filter = EntryFilter {
        open: Some(true),
        ..EntryFilter::of(kind())
    };
    let mut all: Vec<ClusterId> = ledger
        .list_entries(&filter, &PageRequest::all())
        .await?
        .items
        .into_iter()
        .filter_map(|entry| entry.cluster)
        .collect();
    all.sort();
    Ok(all)
}

pub(super) async fn put(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    record: &Record,
    open: bool,
    context: &WriteContext,
) -> Result<Entry, RegistryError> {
    let draft = EntryDraft {
        kind: kind(),
        id: cluster.as_str().parse()?,
        cluster: Some(cluster.clone()),
        open,
        body: serde_json::to_value(record).map_err(|error| RegistryError::Internal(Box::new(error)))?,
        items: Vec::new(),
    };
    ledger.put_entry(draft, context).await
}

/// How a cluster fares with the version that it was brought to last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fared {
    /// The version before.
    pub from: String,
    /// The version.
    pub version: String,
    /// When the work was done.
    pub done_at: Timestamp,
    /// What the looks at it came to.
    pub verdict: HealthVerdict,
}

/// How clusters fare, by cluster. One whose update goes on, or was never checked, is not among them.
///
/// # Errors
/// Those of the ledger.
pub async fn fared(ledger: &dyn Ledger) -> Result<BTreeMap<ClusterId, Fared>, RegistryError> {
    let entries = ledger
        .list_entries(&EntryFilter::of(kind()), &PageRequest::all())
        .await?;
    let known = entries.items.into_iter().filter_map(|entry| {
        let fared = read(&entry)?.fared()?;
        Some((entry.cluster?, fared))
    });
    Ok(known.collect())
}

/// How one cluster fares.
pub(crate) async fn fares(ledger: &dyn Ledger, cluster: &ClusterId) -> Result<Option<Fared>, RegistryError> {
    let known = load(ledger, cluster).await?;
    Ok(known.and_then(|(_, record)| record.fared()))
}

/// What the verdict on a cluster is, as waves see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The version that it was, or is being, brought to.
    pub version: String,
    /// `None` as long as that work goes on.
    pub verdict: Option<HealthVerdict>,
}

impl Judged {
    /// Nothing is held against a cluster with this version.
    pub(crate) fn well(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            verdict: Some(HealthVerdict {
                state: HealthState::Healthy,
                ..HealthVerdict::default()
            }),
        }
    }
}

/// The part of a [`Record`] that says so; what was there before may be long.
#[derive(Deserialize)]
struct Brief {
    to: String,
    check: Option<BriefCheck>,
}

#[derive(Deserialize)]
struct BriefCheck {
    verdict: HealthVerdict,
}

fn judged_by(entry: Entry) -> Option<(ClusterId, Judged)> {
    let brief: Brief = serde_json::from_value(entry.body).ok()?;
    let judged = Judged {
        version: brief.to,
        verdict: brief.check.map(|check| check.verdict),
    };
    Some((entry.cluster?, judged))
}

/// The verdicts on all clusters that were updated since there are verdicts.
pub(crate) async fn all_judged(ledger: &dyn Ledger) -> Result<BTreeMap<ClusterId, Judged>, RegistryError> {
    let (filter, all) = (EntryFilter::of(kind()), PageRequest::all());
    let entries = ledger.list_entries(&filter, &all).await?;
    Ok(entries.items.into_iter().filter_map(judged_by).collect())
}

/// The verdict that an entry holds.
pub(crate) async fn judged(ledger: &dyn Ledger, id: &EntryId) -> Result<Option<(ClusterId, Judged)>, RegistryError> {
    Ok(judged_by(ledger.get_entry(&kind(), id).await?))
}
