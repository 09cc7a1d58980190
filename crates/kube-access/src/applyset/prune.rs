//! Carrying out a prune.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::prune_plan::{
    Consent, KeptReason, PruneItem, PrunePlan, PruneRefusal, Rank, Threshold, kept_reason, plan_prune,
};
use crate::access::Mode;
use crate::apply::{Applier, ApplyPlan, Memory, Observation, Observed};
use crate::call::{Call, Depth};
use crate::discovery::Kinds;
use crate::error::AccessError;
use crate::resource::{ObjectKey, at, list_at, meta};

use super::PART_OF;

/// What became of an object that left git.
#[derive(Debug, Clone, PartialEq)]
pub enum PruneOutcome {
    /// It is gone.
    Deleted,
    /// It would be deleted; nothing was, in dry-run mode.
    WouldDelete,
    /// It was gone already, or another object has its name now.
    Gone,
    /// It is marked for deletion and waits for these finalizers.
    Waiting {
        /// The finalizers, sorted.
        finalizers: Vec<String>,
    },
    /// It stays after all.
    Kept(KeptReason),
    /// The cluster did not delete it.
    Failed(AccessError),
}

/// One object's result.
#[derive(Debug, Clone, PartialEq)]
pub struct PruneResult {
    /// The object.
    pub key: ObjectKey,
    /// What became of it.
    pub outcome: PruneOutcome,
}

/// The results of a prune, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PruneReport {
    /// One result an object.
    pub results: Vec<PruneResult>,
}

impl PruneReport {
    /// How many objects are gone because of it.
    #[must_use]
    pub fn deleted(&self) -> usize {
        self.results
            .iter()
            .filter(|result| result.outcome == PruneOutcome::Deleted)
            .count()
    }

    /// True if nothing is left to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let done = |outcome: &PruneOutcome| matches!(outcome, PruneOutcome::Deleted | PruneOutcome::Gone);
        self.results.iter().all(|result| done(&result.outcome))
    }
}

/// The pause between two looks at objects that are going.
const LOOK: Duration = Duration::from_millis(500);

impl Applier {
    /// Plans a prune from what a pass observed. Look at [`crate::apply::ApplyReport::is_good`] first: an object that failed to
    /// be applied may be the new name of one that would go.
    #[must_use]
    pub fn plan_prune(&self, plan: &ApplyPlan, observation: &Observation) -> PrunePlan {
        plan_prune(self.set().id(), plan, observation)
    }

    /// Carries out a prune, if the threshold or a consent allows it, and takes what is gone out of `memory`.
    ///
    /// Each object is looked at once more before it goes: it must be the same object and still a member. Definitions and
    /// namespaces go only when nothing else is in them. Afterwards the set's parent names only the kinds that are left.
    ///
    /// # Errors
    /// [`PruneRefusal`] inside the result if it is not allowed; otherwise if the parent or discovery cannot be read. What goes
    /// wrong with a single object is in the report.
    pub async fn prune(
        &self,
        prune: &PrunePlan,
        plan: &ApplyPlan,
        memory: &mut Memory,
        threshold: Threshold,
        consent: Option<&Consent>,
    ) -> Result<Result<PruneReport, PruneRefusal>, AccessError> {
        if let Err(refusal) = prune.allowed(threshold, consent) {
            return Ok(Err(refusal));
        }
        let mut report = PruneReport::default();
        if !prune.items.is_empty() {
            let mut kinds = self.access().kinds().await?;
            let ranks: BTreeSet<Rank> = prune.items.iter().map(|item| item.rank).collect();
            for rank in ranks {
                // Definitions that went took their kinds along; whoever looks into a namespace has to know.
                if rank == Rank::Namespaces && self.access().mode() == Mode::Live {
                    kinds = self.access().refresh_kinds().await?;
                }
                let items: Vec<&PruneItem> = prune.items.iter().filter(|item| item.rank == rank).collect();
                let outcomes = self.rank(&items, &kinds).await;
                report
                    .results
                    .extend(items.iter().zip(outcomes).map(|(item, outcome)| PruneResult {
                        key: item.key.clone(),
                        outcome,
                    }));
            }
        }
        for result in &report.results {
            if matches!(result.outcome, PruneOutcome::Deleted | PruneOutcome::Gone) {
                memory.objects.remove(&result.key);
            }
        }
        self.narrow(prune, plan, memory, &report).await?;
        Ok(Ok(report))
    }

    /// Deletes the objects of a rank and waits for those that do not go at once.
    async fn rank(&self, items: &[&PruneItem], kinds: &Kinds) -> Vec<PruneOutcome> {
        let mut outcomes = Vec::new();
        for item in items {
            outcomes.push(self.delete(item, kinds).await.unwrap_or_else(PruneOutcome::Failed));
        }
        let clock = self.access().clock();
        let began = clock.now();
        loop {
            let mut waiting = false;
            for (item, outcome) in items.iter().zip(&mut outcomes) {
                if matches!(outcome, PruneOutcome::Waiting { .. }) {
                    *outcome = self.look(item, kinds).await.unwrap_or_else(PruneOutcome::Failed);
                    waiting |= matches!(outcome, PruneOutcome::Waiting { .. });
                }
            }
            let waited = clock.now().duration_since(began).unsigned_abs();
            if !waiting || waited > self.policy_ref().patience {
                return outcomes;
            }
            clock.sleep(LOOK).await;
        }
    }

    async fn delete(&self, item: &PruneItem, kinds: &Kinds) -> Result<PruneOutcome, AccessError> {
        let Some(kind) = kinds.preferred(&item.key.kind) else {
            if kinds.partial().contains(&item.key.kind.group) {
                return Err(AccessError::PartialDiscovery {
                    subject: item.key.to_string(),
                    groups: vec![item.key.kind.group.clone()],
                });
            }
            return Ok(PruneOutcome::Gone);
        };
        let Some(live) = self.access().get(kind, &item.key, Depth::Metadata).await? else {
            return Ok(PruneOutcome::Gone);
        };
        if meta(&live, "uid") != item.uid {
            return Ok(PruneOutcome::Gone);
        }
        let member = at(&live, &["metadata", "labels", PART_OF]).and_then(Value::as_str) == Some(self.set().id());
        let observed = Observed::of(&live, self.access().field_manager());
        match kept_reason(&observed) {
            Some(KeptReason::Deleting) => return self.look(item, kinds).await,
            Some(reason) => return Ok(PruneOutcome::Kept(reason)),
            None if !member => return Ok(PruneOutcome::Kept(KeptReason::NotOurs)),
            None => {}
        }
        if let Some(stranger) = self.access().contents(item, kinds).await? {
            return Ok(PruneOutcome::Kept(KeptReason::Contents(stranger)));
        }
        if self.access().mode() == Mode::DryRun {
            return Ok(PruneOutcome::WouldDelete);
        }
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background",
            "preconditions": {"uid": item.uid}});
        match self.access().call(&Call::delete(kind, &item.key, &options)).await {
            Ok(_) => self.look(item, kinds).await,
            Err(AccessError::NotFound { .. }) => Ok(PruneOutcome::Deleted),
            // Either another object has the name now, or the server met another writer; a look tells.
            Err(error @ AccessError::Stale { .. }) => match self.look(item, kinds).await? {
                PruneOutcome::Deleted => Ok(PruneOutcome::Gone),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Whether an object that was deleted is gone.
    async fn look(&self, item: &PruneItem, kinds: &Kinds) -> Result<PruneOutcome, AccessError> {
        let Some(kind) = kinds.preferred(&item.key.kind) else {
            return Ok(PruneOutcome::Deleted);
        };
        let live = match self.access().get(kind, &item.key, Depth::Metadata).await {
            Ok(Some(live)) if meta(&live, "uid") == item.uid => live,
            // A definition takes its own kind along.
            Ok(_) | Err(AccessError::NotServed { .. }) => return Ok(PruneOutcome::Deleted),
            Err(error) => return Err(error),
        };
        let finalizers = list_at(&live, &["metadata", "finalizers"]).filter_map(Value::as_str);
        let finalizers: BTreeSet<String> = finalizers.map(str::to_owned).collect();
        Ok(PruneOutcome::Waiting {
            finalizers: finalizers.into_iter().collect(),
        })
    }

    /// Lets the parent say only what is left: what git wants, and kinds of which something stayed.
    async fn narrow(
        &self,
        prune: &PrunePlan,
        plan: &ApplyPlan,
        memory: &mut Memory,
        report: &PruneReport,
    ) -> Result<(), AccessError> {
        let gone = |result: &&PruneResult| !matches!(result.outcome, PruneOutcome::Deleted | PruneOutcome::Gone);
        let left = report.results.iter().filter(gone).map(|result| &result.key);
        let ours = prune
            .kept
            .iter()
            .filter(|kept| kept.reason != KeptReason::NotOurs)
            .map(|kept| &kept.key);
        let (mut kinds, mut namespaces) = (plan.kinds(), plan.namespaces());
        for key in left.chain(ours) {
            kinds.insert(key.kind.clone());
            if !key.namespace.is_empty() {
                namespaces.insert(key.namespace.clone());
            }
        }
        let record = self.set().record(kinds, namespaces);
        if memory.parent.as_ref() != Some(&record) && self.access().mode() == Mode::Live {
            self.set().write(self.access(), &record).await?;
            memory.parent = Some(record);
        }
        Ok(())
    }
}
