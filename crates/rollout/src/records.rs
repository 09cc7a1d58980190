//! What is written to the ledger: the state of a pool's rollout, and the evidence of forced terminations.

use std::collections::{BTreeMap, BTreeSet};

use disruption::{BudgetKey, Evidence, PoolName};
use jiff::Timestamp;
use model::ClusterId;
use ports::ledger::{EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::PageRequest;
use ports::{Ledger, RegistryError, WriteContext};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::RolloutError;

/// Kind of the entries of running rollouts.
pub const ROLLOUT_KIND: &str = "rollout";
/// Kind of the entries of forced terminations.
pub const EVIDENCE_KIND: &str = "forced-termination";

/// What must be remembered of a pool's rollout beside the marks on its nodes. Its entry is open while the rollout lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolRecord {
    /// The pool.
    pub pool: PoolName,
    /// What its groups launched when this was written; another value begins a new rollout.
    pub generation: String,
    /// How many nodes it had when the rollout began.
    pub size: u32,
    /// When it began.
    pub started: Timestamp,
    /// Machines that failed to become ready nodes.
    pub failed: BTreeSet<String>,
    /// Largest sizes of groups before we raised them.
    pub widened: BTreeMap<String, u32>,
    /// Groups whose evening out of zones we suspended: it would end old machines without a drain.
    #[serde(default)]
    pub stilled: BTreeSet<String>,
}

/// How a forced termination went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Written before the deletion; nobody has looked since.
    Decided,
    /// The pod was deleted, or found on its way out.
    Done,
    /// The deletion never happened.
    Abandoned,
}

/// The record of one forced termination. It is written before the pod is deleted and closed afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRecord {
    /// How it went.
    pub outcome: Outcome,
    /// With which right.
    pub evidence: Evidence,
    /// When it was done at the latest, where that is known to be long after the decision: paces count from then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_out: Option<Timestamp>,
}

impl EvidenceRecord {
    /// The instant from which paces count.
    pub(crate) fn paced_from(&self) -> Timestamp {
        self.carried_out.unwrap_or(self.evidence.decided)
    }
}

/// The ledger, seen by one cluster's rollouts.
pub(crate) struct Records<'a> {
    pub(crate) ledger: &'a dyn Ledger,
    pub(crate) cluster: &'a ClusterId,
    pub(crate) context: &'a WriteContext,
}

impl Records<'_> {
    async fn put<T: Serialize>(&self, kind: &str, id: String, open: bool, body: &T) -> Result<(), RolloutError> {
        let body = serde_json::to_value(body).map_err(|error| RolloutError::Record {
            entry: id.clone(),
            why: error.to_string(),
        })?;
        let draft = EntryDraft {
            kind: kind.parse::<EntryKind>().map_err(RegistryError::from)?,
            id: id.parse::<EntryId>().map_err(RegistryError::from)?,
            cluster: Some(self.cluster.clone()),
            open,
            body,
            items: Vec::new(),
        };
        self.ledger.put_entry(draft, self.context).await?;
        Ok(())
    }

    async fn all<T: DeserializeOwned>(&self, kind: &str, open: Option<bool>) -> Result<Vec<T>, RolloutError> {
        let filter = EntryFilter {
            cluster: Some(self.cluster.clone()),
            open,
            ..EntryFilter::of(kind.parse::<EntryKind>().map_err(RegistryError::from)?)
        };
        let page = self.ledger.list_entries(&filter, &PageRequest::all()).await?;
        let read = page.items.into_iter().map(|entry| {
            serde_json::from_value(entry.body).map_err(|error| RolloutError::Record {
                entry: format!("{}/{}", entry.kind, entry.id),
                why: error.to_string(),
            })
        });
        read.collect()
    }

    pub(crate) async fn pools(&self) -> Result<Vec<PoolRecord>, RolloutError> {
        self.all(ROLLOUT_KIND, Some(true)).await
    }

    pub(crate) async fn put_pool(&self, record: &PoolRecord, open: bool) -> Result<(), RolloutError> {
        let id = format!("{}:{}", self.cluster, record.pool);
        self.put(ROLLOUT_KIND, id, open, record).await
    }

    pub(crate) async fn put_evidence(&self, record: &EvidenceRecord) -> Result<(), RolloutError> {
        let open = record.outcome == Outcome::Decided;
        let id = record.evidence.uid.to_string();
        self.put(EVIDENCE_KIND, id, open, record).await
    }

    pub(crate) async fn evidence(&self) -> Result<Vec<EvidenceRecord>, RolloutError> {
        self.all(EVIDENCE_KIND, None).await
    }
}

/// The last forced termination in each budget.
pub(crate) fn last_forced(records: &[EvidenceRecord]) -> BTreeMap<BudgetKey, Timestamp> {
    let mut last = BTreeMap::new();
    let done = records.iter().filter(|record| record.outcome != Outcome::Abandoned);
    for record in done {
        let from = record.paced_from();
        for budget in &record.evidence.budgets {
            let at = last.entry(budget.budget.clone()).or_insert(from);
            *at = (*at).max(from);
        }
    }
    last
}
