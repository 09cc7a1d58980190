//! Taking pods on: a kubelet refuses what its node has no room for, whatever the scheduler thought.

use json_tree::{Value, json};

use crate::cache::{Amounts, PodView};
use crate::engine::{Action, EventType, View, seconds};
use crate::kind::Key;

/// Why a pod is refused.
struct Lack {
    resource: String,
    requested: i64,
    used: i64,
    capacity: i64,
}

fn lack(view: &View<'_>, pod: &PodView) -> Option<Lack> {
    let node = view.node(pod.node.as_deref()?)?;
    let (mut used, mut count) = (Amounts::default(), 0_i64);
    let others = view.pods_on(&node.name);
    for other in others.filter(|other| other.started.is_some() && !other.phase.is_terminal() && other.uid != pod.uid) {
        used.add(&other.requests);
        count += 1;
    }
    if count >= node.max_pods {
        return Some(Lack {
            resource: "pods".to_owned(),
            requested: 1,
            used: count,
            capacity: node.max_pods,
        });
    }
    let mut free = node.allocatable.clone();
    free.subtract(&used);
    let (resource, requested, left) = pod.requests.exceeds(&free)?;
    let capacity = node.allocatable.amount(resource);
    Some(Lack {
        resource: resource.to_owned(),
        requested,
        used: capacity.saturating_sub(left),
        capacity,
    })
}

/// Refuses a pod that its node has no room for; empty if it fits.
pub(super) fn refuse(view: &View<'_>, pod: &PodView, key: &Key) -> Vec<Action> {
    let Some(lack) = lack(view, pod) else {
        return Vec::new();
    };
    let reason = format!("OutOf{}", lack.resource);
    let message = format!(
        "Node didn't have enough resource: {}, requested: {}, used: {}, capacity: {}",
        lack.resource, lack.requested, lack.used, lack.capacity
    );
    let told = format!("Pod was rejected: {message}");
    let status: Value = json!({
        "phase": "Failed", "reason": reason, "message": told, "startTime": seconds(view.now)});
    vec![
        Action::PatchStatus {
            key: key.clone(),
            patch: json!({"status": status}),
        },
        Action::Event {
            about: key.clone(),
            event_type: EventType::Warning,
            reason,
            message,
        },
    ]
}
