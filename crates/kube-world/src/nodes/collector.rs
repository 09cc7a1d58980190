//! Cleaning up after nodes: pods whose node is gone, and nodes whose machine is gone.

use json_tree::json;
use kube_sim::DeleteOptions;

use super::NodeTimes;
use super::conditions::{self, Wanted};
use crate::engine::{Action, Change, Controller, EventType, View};
use crate::kind::{Key, Kind};

/// Takes pods away whose node does not exist (any more).
///
/// Real clusters sweep every twenty seconds and keep pods of a vanished node for another forty; here they go with the node.
#[derive(Debug)]
pub(super) struct PodCollector {
    pub(super) times: NodeTimes,
}

impl Controller for PodCollector {
    fn name(&self) -> &'static str {
        "pod-garbage-collector"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        if change.key.kind == Kind::NODE && change.is_removal() {
            let pods = view.pods_on(&change.key.name);
            return pods.map(|pod| Key::new(Kind::POD, &pod.namespace, &pod.name)).collect();
        }
        let node = change.pod_after.as_ref().and_then(|pod| pod.node.as_ref());
        match node {
            Some(node) if view.node(node).is_none() => vec![change.key.clone()],
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(pod) = view.pod(&key.namespace, &key.name) else {
            return Vec::new();
        };
        if pod.node.as_ref().is_none_or(|node| view.node(node).is_some()) {
            return Vec::new();
        }
        let from = view
            .past(pod.created)
            .saturating_add(self.times.orphan_quarantine)
            .unwrap_or(view.now);
        if view.now < from {
            return vec![Action::WakeAt(from)];
        }
        let mut plan = Vec::new();
        if !pod.phase.is_terminal()
            && let Some(tree) = view.object(key)
        {
            let mut list = conditions::list(&tree).to_vec();
            let wanted = Wanted {
                r#type: "DisruptionTarget",
                status: "True",
                reason: "DeletionByPodGC",
                message: "PodGC: node no longer exists",
            };
            conditions::set(&mut list, wanted, false, view.now);
            plan.push(Action::PatchStatus {
                key: key.clone(),
                patch: json!({"status": {"phase": "Failed", "conditions": list}}),
            });
        }
        plan.push(Action::Delete {
            key: key.clone(),
            options: DeleteOptions {
                grace_period_seconds: Some(0),
                ..DeleteOptions::default()
            },
        });
        plan
    }
}

/// Deletes nodes that are not ready and whose machine does not exist any more, as a cloud's node controller does.
#[derive(Debug)]
pub(super) struct CloudNodes;

impl Controller for CloudNodes {
    fn name(&self) -> &'static str {
        "cloud-node-lifecycle-controller"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        let gone = change.node_after.is_some() && view.machine(&change.key.name).is_none();
        if gone { vec![change.key.clone()] } else { Vec::new() }
    }

    fn machine_changed(&self, node: &str, _view: &View<'_>) -> Vec<Key> {
        vec![Key::new(Kind::NODE, "", node)]
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let known = view.machines.heartbeats().get(&key.name).is_some();
        let ready = view.node(&key.name).is_none_or(|node| node.is_ready());
        if !known || ready || view.machine(&key.name).is_some() {
            return Vec::new();
        }
        vec![
            Action::Event {
                about: key.clone(),
                event_type: EventType::Normal,
                reason: "DeletingNode".to_owned(),
                message: format!(
                    "Deleting node {} because it does not exist in the cloud provider",
                    key.name
                ),
            },
            Action::Delete {
                key: key.clone(),
                options: DeleteOptions::default(),
            },
        ]
    }
}
