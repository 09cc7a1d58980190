//! Draining the nodes of a cluster before it is taken down: no node takes new pods, and pods leave by evictions that ask the
//! disruption budgets. What refuses is asked again until a bound; then the nodes go with what is still on them, since a
//! cluster that was agreed to go must not stay for a budget that nobody will ever satisfy.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube_access::nodes::{Eviction, PodRef};
use kube_access::{Access, AccessError, Depth, GroupKind, Selection};
use model::Progress;
use ports::Clock;
use serde_json::Value;

use super::Finding;
use crate::guard::{Guard, Touches};
use crate::journal::Journal;
use crate::words::{moment, span};

/// Place in the history.
const PATH: &str = "decommission/drain";
/// When to look again.
const LOOK: Duration = Duration::from_secs(15);
/// Labels of nodes that hold the control plane: its pods go last, with the stacks.
const CONTROL_PLANE: [&str; 2] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
];
/// Annotation of pods that the kubelet runs from files: nobody can evict them.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// What the work needs.
pub(crate) struct DrainRun<'a> {
    /// The cluster, or why it does not answer.
    pub(crate) access: Result<Access, String>,
    pub(crate) alias: &'a str,
    pub(crate) guard: &'a Guard,
    pub(crate) journal: &'a Journal,
    pub(crate) clock: &'a dyn Clock,
    /// How long pods are asked to leave.
    pub(crate) bound: SignedDuration,
}

/// What one round left.
#[derive(Debug, Default)]
struct Left {
    nodes: usize,
    leaving: usize,
    /// Pods that a budget holds, with the budgets.
    held: Vec<(String, Vec<String>)>,
}

/// One round. `Done` once nothing is left to wait for, or the bound has passed.
pub(crate) async fn drain(run: &DrainRun<'_>) -> Finding {
    let began = match run.journal.since(PATH) {
        Some((_, true)) => return Finding::Done,
        Some((began, false)) => began,
        None => {
            run.journal.begin(PATH);
            run.clock.now()
        }
    };
    let now = run.clock.now();
    let end = began.saturating_add(run.bound).unwrap_or(Timestamp::MAX);
    if let Err(refusal) = run.guard.permit(Touches::Nodes).await {
        return refusal.into();
    }
    let round = match &run.access {
        Ok(access) => round(run, access).await.map_err(|error| error.to_string()),
        Err(why) => Err(why.clone()),
    };
    let waits = match &round {
        Ok(left) if left.leaving == 0 && left.held.is_empty() => {
            let message = format!("the pods of {} nodes have left", left.nodes);
            run.journal.note(PATH, Progress::Done, &message);
            return Finding::Done;
        }
        Ok(left) => told(left),
        Err(why) => format!("the nodes cannot be looked at: {why}"),
    };
    if now >= end {
        let message = format!(
            "{waits}; given up after {}, the nodes go with what is on them",
            span(run.bound)
        );
        run.journal.note(PATH, Progress::Skipped, &message);
        return Finding::Done;
    }
    let sentence = format!(
        "cluster {} is drained before it is taken down: {waits}; until {} at most, a block stops it",
        run.alias,
        moment(end)
    );
    run.journal.note(PATH, Progress::Waiting, &sentence);
    let until = now.saturating_add(LOOK).unwrap_or(Timestamp::MAX).min(end);
    Finding::Wait { until, sentence }
}

fn told(left: &Left) -> String {
    let mut parts = Vec::new();
    if left.leaving > 0 {
        parts.push(format!("{} pods are leaving", left.leaving));
    }
    if let Some((first, budgets)) = left.held.first() {
        let budgets = match budgets.is_empty() {
            true => String::new(),
            false => format!(" ({})", budgets.join(", ")),
        };
        parts.push(format!(
            "{} pods are held by disruption budgets, such as {first}{budgets}",
            left.held.len()
        ));
    }
    parts.join(", ")
}

async fn round(run: &DrainRun<'_>, access: &Access) -> Result<Left, AccessError> {
    let kinds = access.kinds().await?;
    let (Some(nodes), Some(pods)) = (
        kinds.preferred(&GroupKind::new("", "Node")),
        kinds.preferred(&GroupKind::new("", "Pod")),
    ) else {
        // What serves no nodes has none to drain.
        return Ok(Left::default());
    };
    let mut workers = BTreeSet::new();
    for node in access.list(nodes, &Selection::default(), Depth::Full).await? {
        let labels = node.pointer("/metadata/labels");
        let plane = |label: &&str| labels.and_then(|labels| labels.get(*label)).is_some();
        let name = text(&node, "/metadata/name").to_owned();
        if name.is_empty() || CONTROL_PLANE.iter().any(plane) {
            continue;
        }
        if node.pointer("/spec/unschedulable") != Some(&Value::Bool(true)) {
            access.set_schedulable(&name, false).await?;
        }
        workers.insert(name);
    }
    let mut left = Left {
        nodes: workers.len(),
        ..Left::default()
    };
    for pod in access.list(pods, &Selection::default(), Depth::Full).await? {
        if !workers.contains(text(&pod, "/spec/nodeName")) || !moves(&pod) {
            continue;
        }
        if pod.pointer("/metadata/deletionTimestamp").is_some() {
            left.leaving += 1;
            continue;
        }
        let one = PodRef {
            namespace: text(&pod, "/metadata/namespace").to_owned(),
            name: text(&pod, "/metadata/name").to_owned(),
            uid: text(&pod, "/metadata/uid").to_owned(),
        };
        if run.guard.permit(Touches::Nodes).await.is_err() {
            // The next round says why.
            left.leaving += 1;
            return Ok(left);
        }
        match access.evict(&one, None).await? {
            Eviction::NotFound | Eviction::Gone => {}
            Eviction::Evicted | Eviction::Unknown { .. } => left.leaving += 1,
            Eviction::Refused { budgets, .. } => {
                left.held.push((format!("{}/{}", one.namespace, one.name), budgets));
            }
        }
    }
    Ok(left)
}

/// Pods of DaemonSets stay with their nodes, mirrors belong to the kubelet, finished ones are in nobody's way.
fn moves(pod: &Value) -> bool {
    let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let of_set = owners.is_some_and(|owners| owners.iter().any(|owner| text(owner, "/kind") == "DaemonSet"));
    let annotations = pod.pointer("/metadata/annotations");
    let mirror = annotations.and_then(|annotations| annotations.get(MIRROR)).is_some();
    let over = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
    !of_set && !mirror && !over
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
