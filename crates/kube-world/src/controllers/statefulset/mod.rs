//! StatefulSets: pods with a name, an order and volumes of their own.

mod plan;
mod pods;
mod turn;

use std::sync::Arc;

use json_tree::{Value, json};
use kube_sim::{ApiError, LabelSelector, Stored};

use crate::controllers::support::acts::Acts;
use crate::controllers::support::interest::{adopters, controlled, is_counted, owner_of, owners_of_pod};
use crate::controllers::support::meta::controller_ref;
use crate::controllers::support::pods::{Pod, PodExt};
use crate::controllers::support::revisions;
use crate::controllers::support::tree::{at, deleting, name, uid};
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

/// The controller of StatefulSets.
#[derive(Debug)]
pub(crate) struct StatefulSets;

fn selector(set: &Value) -> LabelSelector {
    LabelSelector::from_object(at(set, &["spec", "selector"]))
}

impl Controller for StatefulSets {
    fn name(&self) -> &'static str {
        "statefulset-controller"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        match change.key.kind {
            Kind::STATEFUL_SET => vec![change.key.clone()],
            Kind::CONTROLLER_REVISION => owner_of(change, Kind::STATEFUL_SET),
            Kind::POD if is_counted(change) => {
                let mut keys = owners_of_pod(change, Kind::STATEFUL_SET);
                keys.extend(adopters(change, view, Kind::STATEFUL_SET));
                keys
            }
            // A pod may wait for a claim of an earlier life to be gone.
            Kind::PERSISTENT_VOLUME_CLAIM if change.is_removal() => {
                let all = view.list(Kind::STATEFUL_SET, &change.key.namespace);
                let named = |set: &&Arc<Value>| is_claim_of(set, &change.key.name);
                all.iter()
                    .filter(named)
                    .map(|set| Key::of(Kind::STATEFUL_SET, set))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(set) = view.object(key) else {
            return Vec::new();
        };
        let mut adopt = Acts::default();
        let pods = claim(view, &set, key, &mut adopt);
        let all = controlled(view, Kind::CONTROLLER_REVISION, uid(&set));
        let revisions = revisions::of_owner(&set, all.iter().map(|revision| &**revision));
        let claims: Vec<Value> = if pods::claim_templates(&set).is_empty() {
            Vec::new()
        } else {
            let all = view.list_stored(Kind::PERSISTENT_VOLUME_CLAIM, &key.namespace);
            let mine = all.iter().filter(|claim| is_claim_of(&set, claim.key().1));
            mine.map(Stored::value).collect()
        };
        let input = turn::Input {
            set: &set,
            revisions: &revisions,
            pods: &pods,
            claims: &claims,
            now: view.now,
        };
        let mut actions = adopt.into_actions();
        actions.extend(turn::turn(&input).into_actions());
        actions
    }

    fn failed(&self, view: &View<'_>, key: &Key, action: &Action, error: &ApiError) -> Vec<Action> {
        let mut acts = Acts::default();
        if let (Action::Create { kind, object }, Some(set)) = (action, view.object(key)) {
            let (what, own) = (name(object), name(&set));
            let message = match *kind {
                Kind::POD => format!("create Pod {what} in StatefulSet {own} failed error: {}", error.message),
                _ => format!(
                    "create Claim {what} in StatefulSet {own} failed error: {}",
                    error.message
                ),
            };
            acts.warn(Kind::STATEFUL_SET, &set, "FailedCreate", message);
        }
        acts.into_actions()
    }
}

/// Whether a claim is named like one of the set's.
fn is_claim_of(set: &Value, claim: &str) -> bool {
    let fits = |template: &Value| {
        let rest = claim
            .strip_prefix(name(template))
            .and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(|rest| pods::ordinal(name(set), rest).is_some())
    };
    pods::claim_templates(set).iter().any(fits)
}

/// The set's pods; orphans that have its name and labels are taken in, pods that have lost its labels let go.
fn claim(view: &View<'_>, set: &Value, key: &Key, acts: &mut Acts) -> Vec<Pod> {
    let selector = selector(set);
    let mut pods = Vec::new();
    for pod in view.pods_of(uid(set)) {
        if pod.is_selected_by(&selector) || deleting(set) {
            pods.push(pod.clone());
        } else {
            acts.patch_key(pod.key(), json!({"metadata": {"ownerReferences": null}}));
        }
    }
    if deleting(set) {
        return pods;
    }
    for pod in view.orphans(&key.namespace) {
        let named = pods::ordinal(name(set), &pod.name).is_some();
        if named && pod.is_active() && pod.is_selected_by(&selector) {
            let reference = controller_ref(Kind::STATEFUL_SET, set);
            acts.patch_key(pod.key(), json!({"metadata": {"ownerReferences": [reference]}}));
            pods.push(pod.clone());
        }
    }
    pods
}
