//! PodDisruptionBudgets: how many pods are healthy, how many should be, how many may go.
//!
//! The budget's status is what the eviction API judges by, so every change of a pod that counts comes here at once.

mod arithmetic;
mod plan;

use std::collections::BTreeMap;

use json_tree::Value;

use crate::controllers::support::interest::{is_numbered, owner_key, selecting};
use crate::controllers::support::pods::Pod;
use crate::controllers::support::tree::{int, uid};
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

/// The controller of PodDisruptionBudgets.
#[derive(Debug)]
pub(crate) struct Budgets;

impl Controller for Budgets {
    fn name(&self) -> &'static str {
        "controllermanager"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        match change.key.kind {
            // Its own status follows from what it has just looked at.
            Kind::POD_DISRUPTION_BUDGET if change.actor != self.name() => vec![change.key.clone()],
            Kind::POD if is_numbered(change) => selecting(change, view, Kind::POD_DISRUPTION_BUDGET),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(budget) = view.object(key) else {
            return Vec::new();
        };
        let pods = match view.caches.objects.selector(key) {
            Some(selector) => view.selected(&key.namespace, selector),
            None => Vec::new(),
        };
        let scale = if plan::wish(&budget).needs_scale() {
            scale(view, &pods)
        } else {
            Ok(0)
        };
        let unmanaged = pods.iter().any(|pod| pod.controller.is_none());
        plan::plan(&plan::Input {
            budget: &budget,
            pods: &pods,
            scale,
            unmanaged,
            now: view.now,
        })
        .into_actions()
    }
}

/// The sizes of all controllers of the pods together; pods without one do not count.
fn scale(view: &View<'_>, pods: &[&Pod]) -> Result<i64, String> {
    let mut sizes: BTreeMap<String, i64> = BTreeMap::new();
    let mut seen: BTreeMap<&str, ()> = BTreeMap::new();
    for pod in pods {
        let Some(owner) = &pod.controller else {
            continue;
        };
        if seen.insert(&owner.uid, ()).is_some() {
            continue;
        }
        match size(view, pod) {
            Some((uid, size)) => sizes.insert(uid, size),
            None => return Err(format!("found no controllers for pod \"{}\"", pod.name)),
        };
    }
    Ok(sizes.values().sum())
}

/// The controller that decides a pod's number, by uid, and the number: a ReplicaSet's Deployment counts for it.
fn size(view: &View<'_>, pod: &Pod) -> Option<(String, i64)> {
    let owner = pod.controller.as_ref()?;
    let replicas = |object: &Value| int(object, &["spec", "replicas"]).unwrap_or(1);
    let of = |object: &Value| Some((uid(object).to_owned(), replicas(object)));
    match Kind::named(&owner.api_version, &owner.kind) {
        Some(Kind::REPLICA_SET) => {
            let set = view.get(Kind::REPLICA_SET, &pod.namespace, &owner.name)?;
            let deployment = owner_key(&set, Kind::DEPLOYMENT, &pod.namespace).and_then(|key| view.object(&key));
            of(deployment.as_ref().unwrap_or(&set))
        }
        Some(kind @ (Kind::STATEFUL_SET | Kind::REPLICATION_CONTROLLER | Kind::DEPLOYMENT)) => {
            let object = view.get(kind, &pod.namespace, &owner.name)?;
            of(&object)
        }
        // Jobs, daemons and the like have no scale, as the API means it.
        Some(_) => None,
        None => custom_size(view, pod),
    }
}

/// The size of a custom resource with a scale subresource.
fn custom_size(view: &View<'_>, pod: &Pod) -> Option<(String, i64)> {
    let owner = pod.controller.as_ref()?;
    let (object, replicas) =
        super::support::scale::of_custom(view, &owner.api_version, &owner.kind, &pod.namespace, &owner.name)?;
    (uid(&object) == &*owner.uid).then(|| (owner.uid.to_string(), replicas))
}
