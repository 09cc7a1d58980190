//! The status of a Deployment, summed up from its ReplicaSets.

use jiff::Timestamp;
use json_tree::{Value, json};

use super::progress::{self, HABIT};
use super::sets::{bounds, desired, wanted};
use crate::controllers::support::conditions::{self, Says};
use crate::controllers::support::tree::{at, generation, int, list, name, set, text};
use crate::kind::Kind;

/// The numbers and the `Available` condition; other conditions are taken over.
pub(crate) fn compute(deployment: &Value, all: &[&Value], new: Option<&Value>, now: Timestamp) -> Value {
    let number = |set: &Value, field: &str| int(set, &["status", field]).unwrap_or(0);
    let sum = |field: &str| -> i64 { all.iter().map(|set| number(set, field)).sum() };
    let available = sum("availableReplicas");
    let unavailable = all.iter().map(|set| wanted(set)).sum::<i64>() - available;
    let mut status = json!({"observedGeneration": generation(deployment)});
    for (field, value) in [
        ("replicas", sum("replicas")),
        ("updatedReplicas", new.map_or(0, |new| number(new, "replicas"))),
        ("readyReplicas", sum("readyReplicas")),
        ("availableReplicas", available),
        ("unavailableReplicas", unavailable.max(0)),
    ] {
        if value > 0 {
            set(&mut status, &[field], value);
        }
    }
    set(&mut status, &["terminatingReplicas"], sum("terminatingReplicas"));
    for field in ["collisionCount", "conditions"] {
        if let Some(old) = at(deployment, &["status", field]) {
            set(&mut status, &[field], old.clone());
        }
    }
    let limits = bounds(deployment);
    let says = if available >= desired(deployment) - limits.unavailable {
        Says {
            kind: "Available",
            status: "True",
            reason: "MinimumReplicasAvailable",
            message: "Deployment has minimum availability.",
        }
    } else {
        Says {
            kind: "Available",
            status: "False",
            reason: "MinimumReplicasUnavailable",
            message: "Deployment does not have minimum availability.",
        }
    };
    conditions::put(&mut status, says, HABIT, now);
    status
}

/// Whether every pod is a new one and available, as the status that [`compute`] makes would say.
pub(crate) fn is_complete<'a>(
    deployment: &Value,
    all: impl Iterator<Item = &'a Value> + Clone,
    new: Option<&Value>,
) -> bool {
    let number = |set: &Value, field: &str| int(set, &["status", field]).unwrap_or(0);
    let sum = |field: &str| all.clone().map(|set| number(set, field)).sum::<i64>().max(0);
    let desired = desired(deployment);
    new.map_or(0, |new| number(new, "replicas")).max(0) == desired
        && sum("replicas") == desired
        && sum("availableReplicas") == desired
}

/// Completes the status of a Deployment whose rollout is under way: progress and failures of its ReplicaSets.
pub(crate) fn with_rollout(
    deployment: &Value,
    all: &[&Value],
    new: Option<&Value>,
    status: &mut Value,
    now: Timestamp,
) {
    let empty = json!({});
    let before = deployment.get("status").unwrap_or(&empty);
    let spec = deployment.get("spec").unwrap_or(&empty);
    let subject = match new {
        Some(new) => format!("{} \"{}\"", Kind::REPLICA_SET.kind, name(new)),
        None => format!("Deployment \"{}\"", name(deployment)),
    };
    progress::update(spec, desired(deployment), &subject, before, status, now);
    match failure(all, new) {
        Some(condition) => {
            let part = |field: &str| text(condition, &[field]).unwrap_or_default();
            let says = Says {
                kind: "ReplicaFailure",
                status: part("status"),
                reason: part("reason"),
                message: part("message"),
            };
            conditions::put(status, says, HABIT, now);
        }
        None => conditions::drop(status, "ReplicaFailure"),
    }
}

/// The failure that counts: the new ReplicaSet's, else that of any other.
fn failure<'a>(all: &[&'a Value], new: Option<&'a Value>) -> Option<&'a Value> {
    let found = |set: &'a Value| {
        let conditions = list(set, &["status", "conditions"]);
        conditions
            .iter()
            .find(|condition| text(condition, &["type"]) == Some("ReplicaFailure"))
    };
    new.and_then(found).or_else(|| all.iter().find_map(|set| found(set)))
}
