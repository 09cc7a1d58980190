//! The end of a pod: the order to stop, its own stopping time, the grace period, and the final deletion.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};
use kube_sim::DeleteOptions;

use super::containers::after;
use super::life::{Course, Pod};
use crate::engine::Action;
use crate::kind::Key;
use crate::nodes::conditions::{self, Wanted};
use crate::path::Path as _;

/// The exit code of a container that was killed because its grace period was over.
const KILLED: i64 = 137;

/// What is to be done about a pod whose deletion has begun, and which has stopped running at this time at the latest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    /// When it was told to stop.
    pub(super) told: Timestamp,
    /// How long it may take.
    pub(super) grace: Duration,
}

impl Order {
    /// The order that a deletion is.
    pub(super) fn of_deletion(deleting_by: Timestamp, grace: i64) -> Self {
        let told = deleting_by
            .saturating_sub(SignedDuration::from_secs(grace))
            .unwrap_or(deleting_by);
        Self {
            told,
            grace: Duration::from_secs(u64::try_from(grace).unwrap_or(0)),
        }
    }

    /// When its containers have ended, and whether they had to be killed.
    fn end(self, pod: &Pod<'_>, running: bool) -> (Timestamp, bool) {
        if !running {
            return (self.told, false);
        }
        let own = pod.behaviour.stop_after;
        let own = own.unwrap_or_else(|| pod.draws.delay("stop", &pod.profile.stop));
        (after(self.told, own.min(self.grace)), own > self.grace)
    }
}

/// Stops a pod that is being deleted.
pub(super) fn delete(pod: &Pod<'_>, key: &Key, course: Course, order: Order, now: Timestamp) -> Vec<Action> {
    if pod.behaviour.stuck_terminating {
        return Vec::new();
    }
    let running = course.containers.iter().any(|(container, _)| container.is_running());
    let (end, killed) = order.end(pod, running);
    if now < end {
        return vec![Action::WakeAt(end)];
    }
    let text = |path: &str| pod.tree.path(path).and_then(Value::as_str).unwrap_or_default();
    let held = pod
        .tree
        .path("/metadata/finalizers")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty());
    let ended = matches!(text("/status/phase"), "Succeeded" | "Failed");
    let mut plan = Vec::new();
    // Only who waits for the outcome gets to see it: holders of finalizers, and owners of pods that are to end.
    if !ended && (held || text("/spec/restartPolicy") != "Always") {
        let code = if killed { KILLED } else { 0 };
        plan.push(Action::PatchStatus {
            key: key.clone(),
            patch: json!({"status": ended_status(pod, course, code, now)}),
        });
    }
    let finished = held && pod.tree.path("/metadata/deletionGracePeriodSeconds") == Some(&json!(0));
    if !finished {
        plan.push(Action::Delete {
            key: key.clone(),
            options: DeleteOptions {
                grace_period_seconds: Some(0),
                uid: Some(text("/metadata/uid").to_owned()),
                ..DeleteOptions::default()
            },
        });
    }
    plan
}

/// Ends a pod because its node shuts down.
pub(super) fn shut_down(pod: &Pod<'_>, key: &Key, course: Course, order: Order, now: Timestamp) -> Vec<Action> {
    let running = course.containers.iter().any(|(container, _)| container.is_running());
    let (end, killed) = order.end(pod, running);
    if now < end {
        return vec![Action::WakeAt(end)];
    }
    let mut status = ended_status(pod, course, if killed { KILLED } else { 0 }, now);
    status["phase"] = "Failed".into();
    status["reason"] = "Terminated".into();
    let message = "Pod was terminated in response to imminent node shutdown.";
    status["message"] = message.into();
    if let Some(list) = status.get("conditions").and_then(Value::as_array) {
        let mut list = list.to_vec();
        let wanted = Wanted {
            r#type: "DisruptionTarget",
            status: "True",
            reason: "TerminationByKubelet",
            message,
        };
        conditions::set(&mut list, wanted, false, now);
        status["conditions"] = list.into();
    }
    vec![Action::PatchStatus {
        key: key.clone(),
        patch: json!({"status": status}),
    }]
}

/// The status of a pod whose containers have all been stopped.
fn ended_status(pod: &Pod<'_>, mut course: Course, code: i64, now: Timestamp) -> Value {
    let mut statuses = Vec::new();
    for (container, rules) in &mut course.containers {
        container.stop(code, now);
        rules.restarts = (false, false);
        statuses.push(container.status(false, ("ContainerCreating", ""), *rules, ""));
    }
    let bad = statuses
        .iter()
        .filter_map(|status| status.path("/state/terminated/exitCode").and_then(Value::as_i64))
        .any(|code| code != 0);
    let mut list = conditions::list(pod.tree).to_vec();
    for r#type in ["ContainersReady", "Ready"] {
        let wanted = Wanted {
            r#type,
            status: "False",
            reason: "PodCompleted",
            message: "",
        };
        conditions::set(&mut list, wanted, false, now);
    }
    let phase = if bad { "Failed" } else { "Succeeded" };
    json!({"phase": phase, "conditions": list, "containerStatuses": statuses})
}
