//! Reading objects of a cluster: which workloads, nodes and pods are not as they should be.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a workload is short of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortfall {
    /// Pods that should be available, of the new version, and are not.
    pub missing: u64,
    /// Pods that should be.
    pub wanted: u64,
    /// The sentence.
    pub message: String,
    /// The workload's own deadline has passed: waiting longer does not help.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
}

impl Shortfall {
    fn of(missing: u64, wanted: u64, message: String) -> Option<Self> {
        (missing > 0).then_some(Self {
            missing,
            wanted,
            message,
            over: false,
        })
    }
}

fn number(object: &Value, pointer: &str) -> Option<u64> {
    object.pointer(pointer).and_then(Value::as_u64)
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A condition of a status, by its type.
fn condition<'v>(object: &'v Value, kind: &str) -> Option<&'v Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|one| text(one, "/type") == kind)
}

/// What a Deployment, StatefulSet, DaemonSet or Job is short of; `None` when it is as wanted, and for other kinds, of which
/// nobody knows when they are.
///
/// The kind is given, since objects of a list do not name theirs. `excused` nodes are just coming or going: so many pods of a DaemonSet may be missing.
#[must_use]
pub fn workload(kind: &str, object: &Value, excused: u64) -> Option<Shortfall> {
    match kind {
        "Deployment" => deployment(object),
        "StatefulSet" => stateful_set(object),
        "DaemonSet" => daemon_set(object, excused),
        "Job" => job(object),
        _ => None,
    }
}

/// Whether the controller of an object has seen its newest version: before, its status says nothing about it.
fn unseen(object: &Value) -> bool {
    let generation = number(object, "/metadata/generation").unwrap_or_default();
    number(object, "/status/observedGeneration").unwrap_or_default() < generation
}

const UNSEEN: &str = "its controller has not seen its newest version";

/// Judges by the numbers that all kinds of workloads have.
fn counted(wanted: u64, updated: u64, available: u64) -> Option<Shortfall> {
    if available < wanted {
        let message = format!("{available} of {wanted} pods are available");
        return Shortfall::of(wanted - available.min(updated), wanted, message);
    }
    let message = format!("{updated} of {wanted} pods are of the new version");
    Shortfall::of(wanted.saturating_sub(updated), wanted, message)
}

fn deployment(object: &Value) -> Option<Shortfall> {
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    if unseen(object) {
        return Shortfall::of(wanted.max(1), wanted, UNSEEN.to_owned());
    }
    let available = number(object, "/status/availableReplicas").unwrap_or_default();
    let paused = object.pointer("/spec/paused") == Some(&Value::Bool(true));
    let updated = match number(object, "/status/updatedReplicas") {
        _ if paused => wanted,
        updated => updated.unwrap_or_default(),
    };
    let progressing = condition(object, "Progressing");
    let over = progressing.is_some_and(|one| text(one, "/reason") == "ProgressDeadlineExceeded");
    counted(wanted, updated, available).map(|short| Shortfall { over, ..short })
}

fn stateful_set(object: &Value) -> Option<Shortfall> {
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    if unseen(object) {
        return Shortfall::of(wanted.max(1), wanted, UNSEEN.to_owned());
    }
    let available = number(object, "/status/availableReplicas").or_else(|| number(object, "/status/readyReplicas"));
    // A partition, and OnDelete, keep pods at the old version on purpose.
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or_default();
    let on_delete = text(object, "/spec/updateStrategy/type") == "OnDelete";
    let same = text(object, "/status/currentRevision") == text(object, "/status/updateRevision");
    let updated = match number(object, "/status/updatedReplicas") {
        _ if on_delete || partition > 0 || same => wanted,
        updated => updated.unwrap_or_default(),
    };
    counted(wanted, updated, available.unwrap_or_default())
}

fn daemon_set(object: &Value, excused: u64) -> Option<Shortfall> {
    if unseen(object) {
        return Shortfall::of(1, 1, UNSEEN.to_owned());
    }
    let wanted = number(object, "/status/desiredNumberScheduled").unwrap_or_default();
    let available = number(object, "/status/numberAvailable").unwrap_or_default();
    let updated = match number(object, "/status/updatedNumberScheduled") {
        _ if text(object, "/spec/updateStrategy/type") == "OnDelete" => wanted,
        updated => updated.unwrap_or_default(),
    };
    counted(wanted, updated, available).filter(|short| short.missing > excused)
}

fn job(object: &Value) -> Option<Shortfall> {
    let failed = condition(object, "Failed").filter(|one| text(one, "/status") == "True")?;
    let why = text(failed, "/message");
    let message = if why.is_empty() {
        "it failed".to_owned()
    } else {
        format!("it failed: {why}")
    };
    Shortfall::of(1, 1, message).map(|short| Shortfall { over: true, ..short })
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Ready.
    Ready,
    /// It is just coming or going, and nothing is expected of it.
    Excused,
    /// Not ready, and it should be.
    NotReady(String),
}

/// Reads a node. One that is cordoned, deleted, marked for replacement or younger than `young` is excused.
#[must_use]
pub fn node(object: &Value, now: Timestamp, young: SignedDuration) -> Node {
    let ready = condition(object, "Ready");
    if ready.is_some_and(|one| text(one, "/status") == "True") {
        return Node::Ready;
    }
    let cordoned = object.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
    let deleted = object.pointer("/metadata/deletionTimestamp").is_some();
    // The label by which nodes are marked for replacement; a node without one is in service.
    let mark = text(object, "/metadata/labels/lifecycle-status");
    let marked = !mark.is_empty() && mark != "ready";
    if cordoned || deleted || marked || age(object, now) < young {
        return Node::Excused;
    }
    let why = ready
        .map(|one| text(one, "/message"))
        .unwrap_or("its kubelet never reported");
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(": {why}")
    };
    // No time in it: the same thing is said in the same words at every look.
    Node::NotReady(format!("not ready{why}"))
}

/// The sentence of a pod that is pending for longer than `after`; `None` for any other.
#[must_use]
pub fn pending(object: &Value, now: Timestamp, after: SignedDuration) -> Option<String> {
    if text(object, "/status/phase") != "Pending" || age(object, now) < after {
        return None;
    }
    let unscheduled = condition(object, "PodScheduled").filter(|one| text(one, "/status") == "False");
    let why = unscheduled.map(|one| text(one, "/message")).unwrap_or_default();
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(": {why}")
    };
    Some(format!("pending{why}"))
}

/// How old an object is; one without a time of creation is new.
#[must_use]
pub fn age(object: &Value, now: Timestamp) -> SignedDuration {
    let created = text(object, "/metadata/creationTimestamp").parse::<Timestamp>();
    created.map_or(SignedDuration::ZERO, |created| now.duration_since(created))
}
