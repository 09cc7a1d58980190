//! A look at a cluster, told as changes of a plan.

use std::collections::BTreeMap;

use kube_access::ObjectKey;
use kube_access::apply::Outcome;
use kube_access::deletions::{DeletionOutcome, DeletionResult};
use plan::{ClusterPlan, Deletion, ObjectChange, ObjectRef, Phase, Verb};
use sha2::{Digest as _, Sha256};

use super::Preview;
use crate::concern::about;
use crate::desired::chain;

/// The key under which a look keeps the selection of a prune.
const PRUNE: &str = "what left git";

impl Preview {
    /// Adds what was seen to the plan of a cluster: objects, deletions, numbers of nodes, and errors. Answers a digest of
    /// each change, by what it changes, to which the id of a plan is bound. `hide` masks secrets.
    pub fn tell(&self, plan: &mut ClusterPlan, hide: &dyn Fn(&str) -> String) -> BTreeMap<String, String> {
        let mut digests = BTreeMap::new();
        self.objects(plan, &mut digests, hide);
        plan.deletions = [(Phase::Before, &self.before), (Phase::After, &self.after)]
            .into_iter()
            .flat_map(|(phase, results)| results.iter().filter_map(move |result| deletion(phase, result)))
            .collect();
        for deletion in &plan.deletions {
            digests.insert(deletion.target.clone(), "deleted by name".to_owned());
        }
        if !self.prune.items.is_empty() {
            digests.insert(PRUNE.to_owned(), self.prune.hash());
        }
        for pool in &mut plan.pools {
            pool.nodes.seen = Some(self.nodes.get(&pool.pool).copied().unwrap_or_default());
        }
        digests
    }

    /// What becomes of the objects: those that git wants in the order of application, then those that it wants no more.
    fn objects(&self, plan: &mut ClusterPlan, digests: &mut BTreeMap<String, String>, hide: &dyn Fn(&str) -> String) {
        plan.objects.clear();
        let whole = |key: &ObjectKey, component: &str, verb| ObjectChange {
            object: reference(key),
            component: component.to_owned(),
            verb,
            fields: Vec::new(),
            immutable: None,
        };
        for result in &self.report.results {
            let (key, component) = (&result.key, result.component.as_str());
            let change = match &result.outcome {
                Outcome::Unchanged => continue,
                Outcome::Created => whole(key, component, Verb::Create),
                Outcome::Configured { changes } | Outcome::Drifted { changes, .. } => {
                    plan::changed_object(reference(key), component, changes, &|text| hide(text))
                }
                Outcome::Recreated { fields } => ObjectChange {
                    immutable: Some(fields.join(", ")),
                    ..whole(key, component, Verb::Replace)
                },
                Outcome::Failed { error } => {
                    plan.errors.push(hide(&about(key, &chain(error))));
                    continue;
                }
                Outcome::HeldBack { by, rule } => {
                    plan.errors.push(format!("{key} waits for {by}: {rule}"));
                    continue;
                }
            };
            digests.insert(key.to_string(), digest(&change));
            plan.objects.push(change);
        }
        for item in &self.prune.items {
            digests.insert(item.key.to_string(), item.uid.clone());
            plan.objects.push(whole(&item.key, "", Verb::Delete));
        }
    }
}

/// An object that a file of deletions names and that is there.
fn deletion(phase: Phase, result: &DeletionResult) -> Option<Deletion> {
    (result.outcome == DeletionOutcome::WouldDelete).then(|| Deletion {
        phase,
        target: result.key.to_string(),
    })
}

fn reference(key: &ObjectKey) -> ObjectRef {
    ObjectRef {
        group: key.kind.group.clone(),
        kind: key.kind.kind.clone(),
        namespace: Some(key.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        name: key.name.clone(),
    }
}

/// Of a change after masking: whoever reads a plan learns nothing from it that the plan does not say.
fn digest(change: &ObjectChange) -> String {
    // Values of a plan always serialise: their keys are texts.
    let bytes = serde_json::to_vec(change).unwrap_or_default();
    hex::encode(Sha256::digest(bytes)).chars().take(16).collect()
}
