//! The scheduler against tables of situations, against an obvious reference, and against properties that always hold.

mod filters;
mod preemption;
mod properties;
mod queue;
mod reference;
mod scores;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};

use super::{Decision, Node, Pod, Refusal, Scheduler};

/// A world to set up in a test: nodes and pods from short JSON.
pub(crate) struct World {
    pub(crate) scheduler: Scheduler,
    pub(crate) now: Timestamp,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::seeded(1)
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            scheduler: Scheduler::new(Arc::new(ports::SeededIds::new(seed))),
            now: Timestamp::UNIX_EPOCH,
        }
    }

    pub(crate) fn pass(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).unwrap();
    }

    pub(crate) fn node(&mut self, name: &str, change: &Value) {
        self.scheduler
            .set_node(Node::from_json(&node(name, change), None), self.now);
    }

    pub(crate) fn pod(&mut self, name: &str, change: &Value) {
        self.scheduler
            .set_pod(Pod::from_json(&pod(name, change), None), self.now);
    }

    pub(crate) fn gone(&mut self, name: &str) {
        self.scheduler.remove_pod(name, self.now);
    }

    pub(crate) fn decide(&mut self) -> Option<Decision> {
        self.scheduler.decide(self.now)
    }

    /// The node chosen for the next pod, or the message of its refusal.
    pub(crate) fn outcome(&mut self) -> String {
        match self.decide() {
            Some(Decision::Bind(binding)) => binding.node,
            Some(Decision::Refuse(refusal)) => refusal.message,
            None => "nothing to decide".to_owned(),
        }
    }

    pub(crate) fn refusal(&mut self) -> Refusal {
        match self.decide() {
            Some(Decision::Refuse(refusal)) => refusal,
            other => panic!("expected a refusal, not {other:?}"),
        }
    }
}

/// A node of 4 cores, 8 GiB and 10 pods in zone a, changed by a merge patch.
pub(crate) fn node(name: &str, change: &Value) -> Value {
    let mut node = json!({
        "metadata": { "name": name, "labels": {
            "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": "a",
        }},
        "status": { "allocatable": { "cpu": "4", "memory": "8Gi", "pods": "10" } },
    });
    merge(&mut node, change);
    node
}

/// A pod that asks for a core and labels itself `app: web`, changed by a merge patch.
pub(crate) fn pod(name: &str, change: &Value) -> Value {
    let mut pod = json!({
        "metadata": { "namespace": "default", "name": name, "uid": name, "labels": { "app": "web" } },
        "spec": { "containers": [{ "resources": { "requests": { "cpu": "1" } } }] },
    });
    merge(&mut pod, change);
    pod
}

/// A JSON merge patch.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    match (target.as_object_mut(), patch.as_object()) {
        (Some(target), Some(patch)) => {
            for (name, value) in patch {
                if value.is_null() {
                    target.remove(name);
                } else {
                    merge(target.entry(name.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (None, Some(_)) => {
            *target = json!({});
            merge(target, patch);
        }
        _ => *target = patch.clone(),
    }
}

pub(crate) fn zone(zone: &str) -> Value {
    json!({ "metadata": { "labels": { "topology.kubernetes.io/zone": zone } } })
}

pub(crate) fn on(node: &str) -> Value {
    json!({ "spec": { "nodeName": node } })
}

/// Two patches together.
pub(crate) fn both(first: &Value, second: &Value) -> Value {
    let mut all = first.clone();
    merge(&mut all, second);
    all
}
