//! Collects pods that nobody will stop: those bound to nodes that are gone, and those that were deleted before they got
//! a node.

use serde_json::json;

use super::support::acts::Acts;
use super::support::pods::{Pod, PodExt};
use super::support::tree::{list, stamp, text};
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

/// The pod garbage collector. Its keys are pods.
#[derive(Debug)]
pub(crate) struct PodCollector;

impl Controller for PodCollector {
    fn name(&self) -> &'static str {
        "pod-garbage-collector"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        match change.key.kind {
            Kind::NODE if change.is_removal() => view.pods_on(&change.key.name).map(|pod| pod.key()).collect(),
            // Somebody may bind a pod to a node that has just gone, or delete one that never had any.
            Kind::POD => {
                let lost = |pod: &Pod| pod.node.as_deref().is_some_and(|node| view.node(node).is_none());
                let idle = |pod: &Pod| pod.node.is_none() && pod.is_deleting();
                let found = change.pod_after.iter().filter(|pod| lost(pod) || idle(pod));
                found.map(|pod| pod.key()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(pod) = view.pod(&key.namespace, &key.name) else {
            return Vec::new();
        };
        let mut acts = Acts::default();
        match pod.node.as_deref() {
            Some(node) if view.node(node).is_none() => {
                if !pod.phase.is_terminal() {
                    fail(view, key, &mut acts);
                }
                acts.delete_at_once(key.clone(), &pod.uid);
            }
            None if pod.is_deleting() => acts.delete_at_once(key.clone(), &pod.uid),
            _ => {}
        }
        acts.into_actions()
    }
}

/// A pod on a node that is gone has failed, as far as anybody can tell.
fn fail(view: &View<'_>, key: &Key, acts: &mut Acts) {
    let Some(object) = view.object(key) else {
        return;
    };
    let mut conditions = list(&object, &["status", "conditions"]).to_vec();
    conditions.retain(|condition| text(condition, &["type"]) != Some("DisruptionTarget"));
    conditions.push(json!({
        "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
        "message": "PodGC: node no longer exists", "lastTransitionTime": stamp(view.now)}));
    acts.patch_status(key.clone(), json!({"phase": "Failed", "conditions": conditions}));
}
