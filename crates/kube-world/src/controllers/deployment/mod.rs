//! Deployments: one template after another, each in a ReplicaSet of its own, changed over without a gap.

mod plan;
mod progress;
mod rolling;
mod sets;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use kube_sim::{ApiError, Stored};
use serde_json::Value;

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
        // Its own sets and those that nobody has are all that it looks at; of the others only the names matter.
        let stored = view.list_stored(Kind::REPLICA_SET, &key.namespace);
        let taken: Vec<&str> = stored.iter().map(|set| set.key().1).collect();
        let concerned = |set: &&Stored| {
            let mut owners = set.owners().peekable();
            owners.peek().is_none() || owners.any(|owner| owner == uid(&deployment))
        };
        let all: Vec<Arc<Value>> = stored.iter().filter(concerned).map(|set| view.tree(set)).collect();
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
            taken: &taken,
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
