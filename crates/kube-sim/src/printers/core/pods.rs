//! Tables of pods: what a pod is doing, in the real printer's words.

use json_tree::Value;

use super::name;
use crate::printers::Env;
use crate::printers::text::{age, or_none, since};
use crate::value::{at, flag, int, list, text};

fn node_lost(pod: &Value) -> bool {
    text(pod, &["status", "reason"]) == Some("NodeLost")
}

/// The word for what a pod is doing, worked out as the real printer does.
fn pod_status(pod: &Value) -> String {
    let mut status = text(pod, &["status", "phase"]).unwrap_or_default().to_owned();
    if let Some(reason) = text(pod, &["status", "reason"]).filter(|reason| !reason.is_empty()) {
        reason.clone_into(&mut status);
    }
    let conditions = list(pod, &["status", "conditions"]);
    let gated = conditions
        .iter()
        .any(|c| text(c, &["type"]) == Some("PodScheduled") && text(c, &["reason"]) == Some("SchedulingGated"));
    if gated {
        status = "SchedulingGated".to_owned();
    }
    let total = list(pod, &["spec", "initContainers"]).len();
    let mut initializing = false;
    for (place, container) in list(pod, &["status", "initContainerStatuses"]).iter().enumerate() {
        if int(container, &["state", "terminated", "exitCode"]) == Some(0) || flag(container, &["started"]) {
            continue;
        }
        initializing = true;
        status = if let Some(code) = int(container, &["state", "terminated", "exitCode"]) {
            match text(container, &["state", "terminated", "reason"]).filter(|reason| !reason.is_empty()) {
                Some(reason) => format!("Init:{reason}"),
                None => format!("Init:ExitCode:{code}"),
            }
        } else {
            match text(container, &["state", "waiting", "reason"]) {
                Some(reason) if !reason.is_empty() && reason != "PodInitializing" => format!("Init:{reason}"),
                _ => format!("Init:{place}/{total}"),
            }
        };
        break;
    }
    if !initializing {
        status = container_status(pod, status);
    }
    if at(pod, &["metadata", "deletionTimestamp"]).is_some() {
        if node_lost(pod) {
            return "Unknown".to_owned();
        }
        if !matches!(text(pod, &["status", "phase"]), Some("Succeeded" | "Failed")) {
            return "Terminating".to_owned();
        }
    }
    status
}

fn container_status(pod: &Value, mut status: String) -> String {
    let mut running = false;
    for container in list(pod, &["status", "containerStatuses"]).iter().rev() {
        let reason = |state: &str| text(container, &["state", state, "reason"]).filter(|reason| !reason.is_empty());
        if let Some(reason) = reason("waiting") {
            reason.clone_into(&mut status);
        } else if let Some(reason) = reason("terminated") {
            reason.clone_into(&mut status);
        } else if let Some(code) = int(container, &["state", "terminated", "exitCode"]) {
            status = format!("ExitCode:{code}");
        } else if flag(container, &["ready"]) && at(container, &["state", "running"]).is_some() {
            running = true;
        }
    }
    if status == "Completed" && running {
        let conditions = list(pod, &["status", "conditions"]);
        let ready = conditions
            .iter()
            .any(|c| text(c, &["type"]) == Some("Ready") && text(c, &["status"]) == Some("True"));
        status = if ready { "Running" } else { "NotReady" }.to_owned();
    }
    status
}

pub(super) fn pod(pod: &Value, env: &Env) -> Vec<Value> {
    let statuses = list(pod, &["status", "containerStatuses"]);
    let ready = statuses.iter().filter(|container| flag(container, &["ready"])).count();
    let restarts: i64 = statuses
        .iter()
        .filter_map(|container| int(container, &["restartCount"]))
        .sum();
    let last = statuses
        .iter()
        .filter_map(|c| text(c, &["lastState", "terminated", "finishedAt"]))
        .max();
    let restarts = match last {
        Some(when) if restarts > 0 => format!("{restarts} ({} ago)", since(when, env.now)),
        _ => restarts.to_string(),
    };
    let gates = list(pod, &["spec", "readinessGates"]);
    let gates = if gates.is_empty() {
        "<none>".to_owned()
    } else {
        let conditions = list(pod, &["status", "conditions"]);
        let met = gates.iter().filter(|gate| {
            let kind = text(gate, &["conditionType"]);
            conditions
                .iter()
                .any(|c| text(c, &["type"]) == kind && text(c, &["status"]) == Some("True"))
        });
        format!("{}/{}", met.count(), gates.len())
    };
    vec![
        name(pod),
        format!("{ready}/{}", list(pod, &["spec", "containers"]).len()).into(),
        pod_status(pod).into(),
        restarts.into(),
        age(pod, env).into(),
        or_none(text(pod, &["status", "podIP"]).unwrap_or_default()).into(),
        or_none(text(pod, &["spec", "nodeName"]).unwrap_or_default()).into(),
        or_none(text(pod, &["status", "nominatedNodeName"]).unwrap_or_default()).into(),
        gates.into(),
    ]
}
