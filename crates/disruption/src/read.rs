//! Pods and budgets from the objects that a cluster serves.
//!
//! What one object cannot tell stays for the caller to fill in: zones of volumes (persistent volumes), the deadline of the
//! Job itself, how many members a StatefulSet wants, refusals, clocks of operators. A member that the contract needs and that
//! is absent or unreadable is an error, never a default that would free a pod.

use jiff::Timestamp;
use model::duration::GoDuration;
use serde_json::Value;

use crate::budget::{Amount, AmountError, Budget, Limit, UnhealthyPods};
use crate::labels::{Labels, Selector};
use crate::marking::MarkError;
use crate::names::{BudgetKey, NodeName, PodKey};
use crate::pod::{HOLD_ANNOTATIONS, Owner, Phase, PodKind, PodState, Readiness, Termination};
use crate::time::{after, before};

/// Annotation that the kubelet puts on mirrors of its static pods.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// Grace period of pods that name none.
const DEFAULT_GRACE_SECONDS: i64 = 30;

/// Why an object cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// A member is absent or of another type.
    #[error("{field} is missing or not {expected}")]
    Member {
        /// Its path.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A member is no instant.
    #[error("{field} is not an RFC 3339 time")]
    Time {
        /// Its path.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: jiff::Error,
    },
    /// A side of a budget is neither a number nor a share.
    #[error("{field} is not an amount of pods")]
    Amount {
        /// Its path.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: AmountError,
    },
    /// A mark of a node cannot be read.
    #[error("the node's mark cannot be read")]
    Mark(#[from] MarkError),
}

/// Reads a pod.
///
/// # Errors
/// [`ReadError`] for the first member that the contract needs and cannot read.
pub fn read_pod(object: &Value) -> Result<PodState, ReadError> {
    let key = PodKey::new(
        needed(object, "/metadata/namespace")?,
        needed(object, "/metadata/name")?,
    );
    let created = time(object, "/metadata/creationTimestamp")?.ok_or(ReadError::Member {
        field: "/metadata/creationTimestamp",
        expected: "a time",
    })?;
    let node = text(object, "/spec/nodeName")
        .filter(|name| !name.is_empty())
        .map(NodeName::from);
    let started = time(object, "/status/startTime")?;
    let mut pod = PodState::new(key, kind(object, started), node, created);
    pod.uid = needed(object, "/metadata/uid")?.into();
    pod.labels = strings(object, "/metadata/labels").collect();
    pod.started = started;
    pod.phase = phase(object)?;
    pod.readiness = readiness(object, created)?;
    pod.grace = seconds(object, "/spec/terminationGracePeriodSeconds").unwrap_or_else(|| whole(DEFAULT_GRACE_SECONDS));
    pod.terminating = time(object, "/metadata/deletionTimestamp")?.map(|ends| {
        let grace = seconds(object, "/metadata/deletionGracePeriodSeconds").unwrap_or(pod.grace);
        Termination {
            since: before(ends, grace),
            grace,
        }
    });
    pod.priority = object
        .pointer("/spec/priority")
        .and_then(Value::as_i64)
        .and_then(|n| i32::try_from(n).ok())
        .unwrap_or(0);
    let volumes = object.pointer("/spec/volumes").and_then(Value::as_array);
    pod.local_data = volumes
        .into_iter()
        .flatten()
        .any(|volume| volume.get("emptyDir").is_some());
    let asks = |(key, value): &&(&str, &str)| annotation(object, key) == Some(*value);
    pod.hold = HOLD_ANNOTATIONS.iter().find(asks).map(|(key, _)| (*key).into());
    Ok(pod)
}

/// Reads a pod disruption budget of `policy/v1`. A selector that cannot be read makes the budget guard nothing, as in the
/// API server (fact 58); every other broken member is an error.
///
/// # Errors
/// [`ReadError`] for the first member that cannot be read.
pub fn read_budget(object: &Value) -> Result<Budget, ReadError> {
    let key = BudgetKey::new(
        needed(object, "/metadata/namespace")?,
        needed(object, "/metadata/name")?,
    );
    let selector = Selector::from_json(object.pointer("/spec/selector"));
    let limit = match amount(object, "/spec/maxUnavailable")? {
        Some(most) => Limit::MaxUnavailable(most),
        // With neither side one pod is taken to be kept; what counts for evictions is the status either way.
        None => Limit::MinAvailable(amount(object, "/spec/minAvailable")?.unwrap_or(Amount::Count(1))),
    };
    let count = |field: &str| {
        let number = object.pointer(field).and_then(Value::as_i64).unwrap_or(0);
        u32::try_from(number.max(0)).unwrap_or(u32::MAX)
    };
    let mut budget = Budget::new(key, selector, limit, 0, 0);
    budget.unhealthy = match text(object, "/spec/unhealthyPodEvictionPolicy") {
        Some("AlwaysAllow") => UnhealthyPods::AlwaysAllow,
        _ => UnhealthyPods::IfHealthyBudget,
    };
    budget.generation = object
        .pointer("/metadata/generation")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    budget.observed_generation = object
        .pointer("/status/observedGeneration")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    budget.expected = count("/status/expectedPods");
    budget.healthy = count("/status/currentHealthy");
    budget.desired = count("/status/desiredHealthy");
    budget.allowed = count("/status/disruptionsAllowed");
    Ok(budget)
}

fn text<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.pointer(field).and_then(Value::as_str)
}

fn needed<'a>(object: &'a Value, field: &'static str) -> Result<&'a str, ReadError> {
    let found = text(object, field).filter(|text| !text.is_empty());
    found.ok_or(ReadError::Member {
        field,
        expected: "a text",
    })
}

fn time(object: &Value, field: &'static str) -> Result<Option<Timestamp>, ReadError> {
    match object.pointer(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let text = value.as_str().ok_or(ReadError::Member {
                field,
                expected: "a time",
            })?;
            text.parse()
                .map(Some)
                .map_err(|source| ReadError::Time { field, source })
        }
    }
}

fn whole(seconds: i64) -> GoDuration {
    GoDuration::from_nanos(seconds.saturating_mul(1_000_000_000))
}

fn seconds(object: &Value, field: &str) -> Option<GoDuration> {
    object.pointer(field).and_then(Value::as_i64).map(whole)
}

fn strings<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let map = object.pointer(field).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(key)?.as_str()
}

fn kind(object: &Value, started: Option<Timestamp>) -> PodKind {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let controls = |owner: &&Value| owner.get("controller") == Some(&Value::Bool(true));
    let owner = owners.into_iter().flatten().find(controls).map(|owner| {
        let member = |key: &str| owner.get(key).and_then(Value::as_str).unwrap_or_default();
        Owner::new(member("kind"), member("name"))
    });
    if annotation(object, MIRROR).is_some() {
        return PodKind::Static;
    }
    let Some(owner) = owner else { return PodKind::Bare };
    match &*owner.kind {
        "Node" => PodKind::Static,
        "DaemonSet" => PodKind::DaemonSet(owner),
        "Job" => {
            let limit = seconds(object, "/spec/activeDeadlineSeconds");
            let deadline = started.zip(limit).map(|(start, limit)| after(start, limit));
            PodKind::Job { owner, deadline }
        }
        "StatefulSet" => {
            let name = text(object, "/metadata/name").unwrap_or_default();
            let ordinal = name.rsplit('-').next().and_then(|last| last.parse().ok()).unwrap_or(0);
            PodKind::StatefulSet {
                owner,
                ordinal,
                replicas: None,
            }
        }
        _ => PodKind::Replicated(owner),
    }
}

fn phase(object: &Value) -> Result<Phase, ReadError> {
    match text(object, "/status/phase") {
        Some("Pending") => Ok(Phase::Pending),
        Some("Running") => Ok(Phase::Running),
        Some("Succeeded") => Ok(Phase::Succeeded),
        Some("Failed") => Ok(Phase::Failed),
        Some("Unknown") => Ok(Phase::Unknown),
        _ => Err(ReadError::Member {
            field: "/status/phase",
            expected: "a phase",
        }),
    }
}

fn readiness(object: &Value, created: Timestamp) -> Result<Readiness, ReadError> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    let Some(ready) = conditions.find(|c| c.get("type").and_then(Value::as_str) == Some("Ready")) else {
        return Ok(Readiness::NotReady(created));
    };
    let field = "/lastTransitionTime";
    let since = time(ready, field)?.unwrap_or(created);
    let holds = ready.get("status").and_then(Value::as_str) == Some("True");
    Ok(if holds {
        Readiness::Ready(since)
    } else {
        Readiness::NotReady(since)
    })
}

fn amount(object: &Value, field: &'static str) -> Result<Option<Amount>, ReadError> {
    let text = match object.pointer(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    Amount::parse(&text)
        .map(Some)
        .map_err(|source| ReadError::Amount { field, source })
}

/// The labels of any object.
#[must_use]
pub fn read_labels(object: &Value) -> Labels {
    strings(object, "/metadata/labels").collect()
}

#[cfg(test)]
mod tests;
