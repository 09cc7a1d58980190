//! Clusters as a kubeconfig leads to them, and what they say an apply would do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use kube_access::apply::Outcome;
use kube_access::deletions::{DeletionOutcome, DeletionResult};
use kube_access::{Access, Context, Mode, ObjectKey};
use lifecycle::preview::{Preview, preview};
use model::Cluster;
use plan::{ClusterPlan, Deletion, ObjectChange, ObjectRef, Phase, Verb};
use ports::{SystemClock, SystemIds};
use render::DesiredCluster;
use sha2::{Digest as _, Sha256};

use crate::failure::{Failure, chain};
use crate::kubeconfig;
use crate::settings::Env;

/// The key under which a look keeps the selection of a prune.
const PRUNE: &str = "what left git";

/// The way to clusters.
#[derive(Debug, Clone)]
pub(crate) struct Clusters {
    files: Vec<PathBuf>,
}

/// What a look at a cluster gave.
pub(crate) struct Seen {
    pub(crate) plan: ClusterPlan,
    /// A digest of each change, by what it changes.
    pub(crate) digests: BTreeMap<String, String>,
    /// Why its prune would wait for somebody's agreement.
    pub(crate) asks: Option<String>,
}

impl Clusters {
    /// The clusters of one kubeconfig, or of those that kubectl would read.
    pub(crate) fn of(file: Option<PathBuf>, env: &Env) -> Self {
        Self {
            files: match file {
                Some(file) => vec![file],
                None => kubeconfig::files(env),
            },
        }
    }

    /// Opens a cluster: by the context that has its alias or id, else by the one whose server is the cluster's.
    pub(crate) async fn open(&self, cluster: &Cluster, mode: Mode) -> Result<Access, Failure> {
        let (file, name) = kubeconfig::context_of(&self.files, cluster)?;
        let mut context = Context::new(cluster.alias.as_str(), Arc::new(SystemClock), Arc::new(SystemIds));
        context.settings.mode = mode;
        let access = Access::from_kubeconfig(context, &file, Some(&name)).await;
        access.map_err(|error| Failure::of(&error).while_doing(format!("cluster {}", cluster.alias)))
    }

    /// Looks into a cluster and adds what it says to the plan of its stacks and pools.
    pub(crate) async fn look(
        &self,
        cluster: &Cluster,
        desired: &DesiredCluster,
        mut plan: ClusterPlan,
        hide: &(dyn Fn(&str) -> String + Sync),
    ) -> Result<Seen, String> {
        let access = self
            .open(cluster, Mode::DryRun)
            .await
            .map_err(|failure| failure.text())?;
        let settings = lifecycle::Settings::default();
        let adopted = cluster.provider == Cluster::EXISTING;
        let seen = preview(&access, desired, (settings.policy, settings.threshold), adopted)
            .await
            .map_err(|failure| failure.title)?;
        let mut digests = BTreeMap::new();
        objects(&seen, &mut plan, &mut digests, hide);
        plan.deletions = [(Phase::Before, &seen.before), (Phase::After, &seen.after)]
            .into_iter()
            .flat_map(|(phase, results)| results.iter().filter_map(move |result| deletion(phase, result)))
            .collect();
        for deletion in &plan.deletions {
            digests.insert(deletion.target.clone(), "deleted by name".to_owned());
        }
        if !seen.prune.items.is_empty() {
            digests.insert(PRUNE.to_owned(), seen.prune.hash());
        }
        for pool in &mut plan.pools {
            pool.nodes.seen = Some(seen.nodes.get(&pool.pool).copied().unwrap_or_default());
        }
        let asks = seen.asks.as_ref().map(ToString::to_string);
        Ok(Seen { plan, digests, asks })
    }
}

/// What becomes of the objects: those that git wants in the order of application, then those that it wants no more.
fn objects(
    seen: &Preview,
    plan: &mut ClusterPlan,
    digests: &mut BTreeMap<String, String>,
    hide: &(dyn Fn(&str) -> String + Sync),
) {
    plan.objects.clear();
    let whole = |key: &ObjectKey, component: &str, verb| ObjectChange {
        object: reference(key),
        component: component.to_owned(),
        verb,
        fields: Vec::new(),
        immutable: None,
    };
    for result in &seen.report.results {
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
                plan.errors.push(hide(&format!("{key}: {}", chain(error))));
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
    for item in &seen.prune.items {
        digests.insert(item.key.to_string(), item.uid.clone());
        plan.objects.push(whole(&item.key, "", Verb::Delete));
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
