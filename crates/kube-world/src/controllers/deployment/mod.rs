//! Deployments: one template after another, each in a ReplicaSet of its own, changed over without a gap.

mod plan;
mod progress;
mod rolling;
mod sets;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use json_tree::Value;
use kube_sim::ApiError;

use crate::controllers::support::interest::{owner_key, owner_of, owners_of_pod};
use crate::controllers::support::pods::Pod;
use crate::controllers::support::tree::{name, texts, uid};
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

/// The controller of Deployments.
#[derive(Debug)]
pub(crate) struct Deployments;

impl Controller for Deployments {
    fn name(&self) -> &'static str {
        "deployment-controller"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        match change.key.kind {
            // What it tells of itself follows from what it has just looked at, and its plan said when to look again.
            Kind::DEPLOYMENT if change.actor == self.name() && change.is_status() => Vec::new(),
            Kind::DEPLOYMENT => vec![change.key.clone()],
            Kind::REPLICA_SET => {
                let keys = owner_of(change, Kind::DEPLOYMENT);
                if keys.is_empty() { adopters(change, view) } else { keys }
            }
            // The last old pod that goes lets a recreation go on.
            Kind::POD if change.is_removal() => {
                let sets = owners_of_pod(change, Kind::REPLICA_SET).into_iter();
                let owner = |set: Key| {
                    let object = view.object(&set)?;
                    owner_key(&object, Kind::DEPLOYMENT, &set.namespace)
                };
                sets.filter_map(owner).collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(deployment) = view.object(key) else {
            return Vec::new();
        };
        // Its own sets and those that nobody has are all that it looks at.
        let mut names: BTreeSet<Arc<str>> = view.caches.objects.ownerless_sets(&key.namespace).cloned().collect();
        let own = view.dependents(Kind::REPLICA_SET, uid(&deployment)).into_iter();
        names.extend(own.filter(|set| set.namespace == key.namespace).map(|set| set.name));
        let tree = |name: &Arc<str>| view.get(Kind::REPLICA_SET, &key.namespace, name);
        let all: Vec<Arc<Value>> = names.iter().filter_map(tree).collect();
        let sets: Vec<&Value> = all.iter().map(|set| &**set).collect();
        let pods: Vec<Pod> = if sets::is_rolling(&deployment) {
            Vec::new()
        } else {
            let mine = all
                .iter()
                .filter(|set| owner_key(set, Kind::DEPLOYMENT, &key.namespace).as_ref() == Some(key));
            mine.flat_map(|set| view.pods_of(uid(set)).cloned().collect::<Vec<_>>())
                .collect()
        };
        let input = plan::Input {
            deployment: &deployment,
            sets: &sets,
            pods: &pods,
            is_taken: &|name| view.stored(Kind::REPLICA_SET, &key.namespace, name).is_some(),
            now: view.now,
        };
        plan::plan(&input).into_actions()
    }

    fn failed(&self, view: &View<'_>, key: &Key, action: &Action, error: &ApiError) -> Vec<Action> {
        match (action, view.object(key)) {
            (Action::Create { object, .. }, Some(deployment)) => {
                plan::refused(&deployment, name(object), &error.message, view.now).into_actions()
            }
            _ => Vec::new(),
        }
    }
}

/// The Deployments that could adopt a ReplicaSet nobody controls.
fn adopters(change: &Change, view: &View<'_>) -> Vec<Key> {
    let Some(set) = change.after() else {
        return Vec::new();
    };
    let labels = texts(set, &["metadata", "labels"]).into_iter();
    let labels: BTreeMap<Box<str>, Box<str>> = labels.map(|(key, value)| (key.into(), value.into())).collect();
    let namespace = &change.key.namespace;
    let found = view.caches.objects.selecting(Kind::DEPLOYMENT, namespace, &labels);
    found
        .into_iter()
        .map(|name| Key::new(Kind::DEPLOYMENT, namespace, name))
        .collect()
}
