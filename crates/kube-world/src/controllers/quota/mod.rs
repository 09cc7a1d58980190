//! ResourceQuotas: how much of what a quota limits its namespace uses.
//!
//! The status follows every write that can change it. What is not done here is to refuse what would exceed a quota: that is
//! admission's business, and the simulated API has no such plugin.

mod usage;

use json_tree::{Map, Value, json};

use super::support::acts::Acts;
use super::support::tree::{at, deleting};
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

/// The controller of quotas' statuses. Its keys are quotas.
#[derive(Debug)]
pub(crate) struct ResourceQuotas;

impl Controller for ResourceQuotas {
    fn name(&self) -> &'static str {
        "resourcequota-controller"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        if change.key.kind == Kind::RESOURCE_QUOTA && !change.is_removal() {
            return vec![change.key.clone()];
        }
        if !change.key.kind.namespaced || !may_count(change) {
            return Vec::new();
        }
        let quotas = view.list_stored(Kind::RESOURCE_QUOTA, &change.key.namespace);
        let key = |quota: &kube_sim::Stored| Key::new(Kind::RESOURCE_QUOTA, &change.key.namespace, quota.key().1);
        quotas.iter().map(key).collect()
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(quota) = view.object(key).filter(|quota| !deleting(quota)) else {
            return Vec::new();
        };
        let hard = at(&quota, &["spec", "hard"]).cloned().unwrap_or_else(|| json!({}));
        let scopes = usage::Scopes::of(&quota);
        let names = hard.as_object().into_iter().flat_map(Map::keys);
        let used: Map = names
            .filter_map(|name| Some((name.clone(), usage::used(view, &key.namespace, name, &scopes)?.into())))
            .collect();
        let mut acts = Acts::default();
        acts.status(Kind::RESOURCE_QUOTA, &quota, &json!({"hard": hard, "used": used}));
        acts.into_actions()
    }
}

/// Whether a write can change what a namespace uses: something came or went, a pod ended, or a specification changed.
fn may_count(change: &Change) -> bool {
    if change.is_creation() || change.is_removal() {
        return true;
    }
    match change.key.kind {
        Kind::POD => {
            let phase = |pod: &Option<std::sync::Arc<crate::cache::PodView>>| {
                pod.as_ref().map(|pod| (pod.phase.is_terminal(), pod.requests.clone()))
            };
            phase(&change.pod_before) != phase(&change.pod_after)
        }
        Kind::SERVICE | Kind::PERSISTENT_VOLUME_CLAIM => {
            let spec = |object: Option<&Value>| object.and_then(|object| object.get("spec")).cloned();
            spec(change.before()) != spec(change.after())
        }
        _ => false,
    }
}
