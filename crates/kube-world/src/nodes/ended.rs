//! The rest of the pod garbage collector: pods that ended long ago, and pods of nodes that are declared out of service.

use json_tree::Value;
use kube_sim::DeleteOptions;

use super::NodeTimes;
use super::lifecycle::next_look;
use crate::cache::{NodeView, PodView};
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};
use crate::path::Path as _;

/// The taint by which somebody vouches for it that a node's machine is off.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

fn forced(pod: &PodView) -> Action {
    Action::Delete {
        key: Key::new(Kind::POD, &pod.namespace, &pod.name),
        options: DeleteOptions {
            grace_period_seconds: Some(0),
            uid: Some(pod.uid.to_string()),
            ..DeleteOptions::default()
        },
    }
}

/// Deletes the oldest of the pods that have ended once there are too many: evicted ones first, then by age. Its only key
/// is the sweep.
#[derive(Debug)]
pub(super) struct EndedPods {
    pub(super) times: NodeTimes,
}

impl Controller for EndedPods {
    fn name(&self) -> &'static str {
        "pod-garbage-collector"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        let ended = change.pod_after.as_ref().is_some_and(|pod| pod.phase.is_terminal());
        let too_many = self.times.ended_pods > 0 && view.ended_pods() > self.times.ended_pods;
        if ended && too_many {
            vec![Key::new(Kind::POD, "", "")]
        } else {
            Vec::new()
        }
    }

    fn reconcile(&self, view: &View<'_>, _sweep: &Key) -> Vec<Action> {
        let surplus = view.ended_pods().saturating_sub(self.times.ended_pods);
        let due = next_look(view.now, self.times.collector_period);
        if surplus > 0 && due > view.now {
            return vec![Action::WakeAt(due)];
        }
        if surplus == 0 {
            return Vec::new();
        }
        let mut ended: Vec<&PodView> = view
            .pods("")
            .filter(|pod| pod.phase.is_terminal())
            .map(|pod| &**pod)
            .collect();
        ended.sort_by_cached_key(|pod| {
            (
                !was_evicted(view, pod),
                pod.created,
                pod.namespace.clone(),
                pod.name.clone(),
            )
        });
        ended.into_iter().take(surplus).map(forced).collect()
    }
}

fn was_evicted(view: &View<'_>, pod: &PodView) -> bool {
    let tree = view.get(Kind::POD, &pod.namespace, &pod.name);
    let reason = tree.as_deref().and_then(|tree| tree.path("/status/reason"));
    reason.and_then(Value::as_str) == Some("Evicted")
}

/// Ends the waiting for pods that are being stopped on a node that is not ready and declared out of service.
#[derive(Debug)]
pub(super) struct OutOfService;

fn is_out(node: &NodeView) -> bool {
    !node.is_ready() && node.taints.iter().any(|taint| &*taint.key == OUT_OF_SERVICE)
}

impl Controller for OutOfService {
    fn name(&self) -> &'static str {
        "pod-garbage-collector"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        let key = |pod: &PodView| Key::new(Kind::POD, &pod.namespace, &pod.name);
        if let Some(node) = &change.node_after {
            let was = change.node_before.as_ref().is_some_and(|node| is_out(node));
            if was || !is_out(node) {
                return Vec::new();
            }
            return view.pods_on(&node.name).map(|pod| key(pod)).collect();
        }
        let pod = change.pod_after.as_ref().filter(|pod| pod.deleting_by.is_some());
        let node = pod.and_then(|pod| pod.node.as_ref()).and_then(|node| view.node(node));
        match (pod, node) {
            (Some(pod), Some(node)) if is_out(node) => vec![key(pod)],
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(pod) = view.pod(&key.namespace, &key.name) else {
            return Vec::new();
        };
        let out = pod
            .node
            .as_ref()
            .and_then(|node| view.node(node))
            .is_some_and(|node| is_out(node));
        if out && pod.deleting_by.is_some() {
            vec![forced(pod)]
        } else {
            Vec::new()
        }
    }
}
