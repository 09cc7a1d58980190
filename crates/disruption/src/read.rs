//! Pods and budgets from the objects that a cluster serves, straight from their text or from trees.
//!
//! What one object cannot tell stays for the caller to fill in: zones of volumes (persistent volumes), the deadline of the
//! Job itself, how many members a StatefulSet wants, refusals, clocks of operators. A member that the contract needs and that
//! is absent or unreadable is an error, never a default that would free a pod.

use jiff::Timestamp;
use model::duration::GoDuration;
use serde::Deserialize;
use serde_json::Value;

use crate::budget::{Amount, AmountError, Budget, Limit, UnhealthyPods};
use crate::labels::{Labels, Selector};
use crate::marking::MarkError;
use crate::members::{Items, Pairs, Part, Present, Scalar};
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

/// A pod object as far as the contract reads it, borrowed from text or from a tree. Whatever else it has is passed over.
///
/// ```
/// let text = r#"{"metadata": {"namespace": "shop", "name": "cart-1", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
///     "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Running"}}"#;
/// let object: disruption::PodObject = serde_json::from_str(text)?;
/// assert_eq!(object.read()?.key.to_string(), "shop/cart-1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodObject<'a> {
    #[serde(borrow)]
    metadata: Part<Metadata<'a>>,
    spec: Part<PodSpec<'a>>,
    status: Part<PodStatus<'a>>,
}

/// A disruption budget as far as the contract reads it; see [`PodObject`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BudgetObject<'a> {
    #[serde(borrow)]
    metadata: Part<Metadata<'a>>,
    spec: Part<BudgetSpec<'a>>,
    status: Part<BudgetStatus<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    namespace: Scalar<'a>,
    name: Scalar<'a>,
    uid: Scalar<'a>,
    resource_version: Scalar<'a>,
    generation: Scalar<'a>,
    creation_timestamp: Scalar<'a>,
    deletion_timestamp: Scalar<'a>,
    deletion_grace_period_seconds: Scalar<'a>,
    labels: Pairs<'a>,
    annotations: Pairs<'a>,
    owner_references: Items<Part<OwnerReference<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnerReference<'a> {
    #[serde(borrow)]
    kind: Scalar<'a>,
    name: Scalar<'a>,
    controller: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec<'a> {
    #[serde(borrow)]
    node_name: Scalar<'a>,
    termination_grace_period_seconds: Scalar<'a>,
    active_deadline_seconds: Scalar<'a>,
    priority: Scalar<'a>,
    volumes: Items<Part<PodVolume<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodVolume<'a> {
    empty_dir: Present,
    #[serde(borrow)]
    persistent_volume_claim: Part<ClaimOfVolume<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ClaimOfVolume<'a> {
    #[serde(borrow)]
    claim_name: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatus<'a> {
    #[serde(borrow)]
    phase: Scalar<'a>,
    start_time: Scalar<'a>,
    conditions: Items<Part<Condition<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Scalar<'a>,
    status: Scalar<'a>,
    last_transition_time: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BudgetSpec<'a> {
    #[serde(borrow)]
    max_unavailable: Scalar<'a>,
    min_available: Scalar<'a>,
    unhealthy_pod_eviction_policy: Scalar<'a>,
    selector: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BudgetStatus<'a> {
    #[serde(borrow)]
    observed_generation: Scalar<'a>,
    expected_pods: Scalar<'a>,
    current_healthy: Scalar<'a>,
    desired_healthy: Scalar<'a>,
    disruptions_allowed: Scalar<'a>,
}

/// Reads a pod.
///
/// # Errors
/// [`ReadError`] for the first member that the contract needs and cannot read.
pub fn read_pod(object: &Value) -> Result<PodState, ReadError> {
    PodObject::of(object).read()
}

/// Reads a pod disruption budget of `policy/v1`. A selector that cannot be read makes the budget guard nothing, as in the
/// API server (fact 58); every other broken member is an error.
///
/// # Errors
/// [`ReadError`] for the first member that cannot be read.
pub fn read_budget(object: &Value) -> Result<Budget, ReadError> {
    BudgetObject::of(object).read()
}

impl<'a> PodObject<'a> {
    /// The object of a tree.
    #[must_use]
    pub fn of(object: &'a Value) -> Self {
        // A tree has every shape that is read, so that only what is no object at all says nothing.
        Part::deserialize(object).map(|Part(object)| object).unwrap_or_default()
    }

    /// Namespace, name and `resourceVersion`; empty where they are missing.
    #[must_use]
    pub fn place(&self) -> [&str; 3] {
        self.metadata.0.place()
    }

    /// The text of an annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata.0.annotations.get(key)
    }

    /// Names of the persistent volume claims of its volumes, in their order.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        let volumes = self.spec.0.volumes.0.iter();
        let claims = volumes.filter_map(|volume| volume.0.persistent_volume_claim.0.claim_name.text());
        claims.filter(|name| !name.is_empty())
    }

    /// What the contract knows of the pod.
    ///
    /// # Errors
    /// [`ReadError`] for the first member that the contract needs and cannot read.
    pub fn read(&self) -> Result<PodState, ReadError> {
        let (meta, spec, status) = (&self.metadata.0, &self.spec.0, &self.status.0);
        let key = PodKey::new(
            needed(&meta.namespace, "/metadata/namespace")?,
            needed(&meta.name, "/metadata/name")?,
        );
        let created = time(&meta.creation_timestamp, "/metadata/creationTimestamp")?.ok_or(ReadError::Member {
            field: "/metadata/creationTimestamp",
            expected: "a time",
        })?;
        let node = spec.node_name.text().filter(|name| !name.is_empty());
        let started = time(&status.start_time, "/status/startTime")?;
        let grace = seconds(&spec.termination_grace_period_seconds).unwrap_or_else(|| whole(DEFAULT_GRACE_SECONDS));
        let terminating = |ends| {
            let grace = seconds(&meta.deletion_grace_period_seconds).unwrap_or(grace);
            Termination {
                since: before(ends, grace),
                grace,
            }
        };
        let asks = |(key, value): &&(&str, &str)| self.annotation(key) == Some(*value);
        Ok(PodState {
            key,
            uid: needed(&meta.uid, "/metadata/uid")?.into(),
            node: node.map(NodeName::from),
            kind: self.kind(started),
            labels: meta.labels.iter().collect(),
            created,
            started,
            phase: phase(&status.phase)?,
            readiness: readiness(&status.conditions, created)?,
            terminating: time(&meta.deletion_timestamp, "/metadata/deletionTimestamp")?.map(terminating),
            grace,
            priority: spec.priority.whole().and_then(|n| i32::try_from(n).ok()).unwrap_or(0),
            local_data: spec.volumes.0.iter().any(|volume| volume.0.empty_dir.0),
            volume_zones: Vec::new(),
            hold: HOLD_ANNOTATIONS.iter().find(asks).map(|(key, _)| (*key).into()),
            operator_moving: None,
            refused: None,
        })
    }

    fn kind(&self, started: Option<Timestamp>) -> PodKind {
        let owners = self.metadata.0.owner_references.0.iter();
        let owner = owners.map(|owner| &owner.0).find(|owner| owner.controller.holds());
        if self.annotation(MIRROR).is_some() {
            return PodKind::Static;
        }
        let Some(owner) = owner else { return PodKind::Bare };
        let owner = Owner::new(
            owner.kind.text().unwrap_or_default(),
            owner.name.text().unwrap_or_default(),
        );
        match &*owner.kind {
            "Node" => PodKind::Static,
            "DaemonSet" => PodKind::DaemonSet(owner),
            "Job" => {
                let limit = seconds(&self.spec.0.active_deadline_seconds);
                let deadline = started.zip(limit).map(|(start, limit)| after(start, limit));
                PodKind::Job { owner, deadline }
            }
            "StatefulSet" => {
                let name = self.metadata.0.name.text().unwrap_or_default();
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
}

impl<'a> BudgetObject<'a> {
    /// The object of a tree.
    #[must_use]
    pub fn of(object: &'a Value) -> Self {
        Part::deserialize(object).map(|Part(object)| object).unwrap_or_default()
    }

    /// Namespace, name and `resourceVersion`; empty where they are missing.
    #[must_use]
    pub fn place(&self) -> [&str; 3] {
        self.metadata.0.place()
    }

    /// What the contract knows of the budget; see [`read_budget`].
    ///
    /// # Errors
    /// [`ReadError`] for the first member that cannot be read.
    pub fn read(&self) -> Result<Budget, ReadError> {
        let (meta, spec, status) = (&self.metadata.0, &self.spec.0, &self.status.0);
        let key = BudgetKey::new(
            needed(&meta.namespace, "/metadata/namespace")?,
            needed(&meta.name, "/metadata/name")?,
        );
        let selector = Selector::from_json(spec.selector.as_ref());
        let limit = match amount(&spec.max_unavailable, "/spec/maxUnavailable")? {
            Some(most) => Limit::MaxUnavailable(most),
            // With neither side one pod is taken to be kept; what counts for evictions is the status either way.
            None => Limit::MinAvailable(amount(&spec.min_available, "/spec/minAvailable")?.unwrap_or(Amount::Count(1))),
        };
        let count = |number: &Scalar<'_>| u32::try_from(number.whole().unwrap_or(0).max(0)).unwrap_or(u32::MAX);
        let mut budget = Budget::new(key, selector, limit, 0, 0);
        budget.unhealthy = match spec.unhealthy_pod_eviction_policy.text() {
            Some("AlwaysAllow") => UnhealthyPods::AlwaysAllow,
            _ => UnhealthyPods::IfHealthyBudget,
        };
        budget.generation = meta.generation.whole().unwrap_or(0);
        budget.observed_generation = status.observed_generation.whole().unwrap_or(0);
        budget.expected = count(&status.expected_pods);
        budget.healthy = count(&status.current_healthy);
        budget.desired = count(&status.desired_healthy);
        budget.allowed = count(&status.disruptions_allowed);
        Ok(budget)
    }
}

impl Metadata<'_> {
    fn place(&self) -> [&str; 3] {
        [&self.namespace, &self.name, &self.resource_version].map(|part| part.text().unwrap_or_default())
    }
}

fn needed<'m>(member: &'m Scalar<'_>, field: &'static str) -> Result<&'m str, ReadError> {
    let found = member.text().filter(|text| !text.is_empty());
    found.ok_or(ReadError::Member {
        field,
        expected: "a text",
    })
}

fn time(member: &Scalar<'_>, field: &'static str) -> Result<Option<Timestamp>, ReadError> {
    match member {
        Scalar::Absent => Ok(None),
        Scalar::Text(text) => text
            .parse()
            .map(Some)
            .map_err(|source| ReadError::Time { field, source }),
        _ => Err(ReadError::Member {
            field,
            expected: "a time",
        }),
    }
}

fn whole(seconds: i64) -> GoDuration {
    GoDuration::from_nanos(seconds.saturating_mul(1_000_000_000))
}

fn seconds(member: &Scalar<'_>) -> Option<GoDuration> {
    member.whole().map(whole)
}

fn phase(member: &Scalar<'_>) -> Result<Phase, ReadError> {
    match member.text() {
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

fn readiness(conditions: &Items<Part<Condition<'_>>>, created: Timestamp) -> Result<Readiness, ReadError> {
    let mut conditions = conditions.0.iter().map(|condition| &condition.0);
    let Some(ready) = conditions.find(|condition| condition.kind.text() == Some("Ready")) else {
        return Ok(Readiness::NotReady(created));
    };
    let since = time(&ready.last_transition_time, "/lastTransitionTime")?.unwrap_or(created);
    Ok(if ready.status.text() == Some("True") {
        Readiness::Ready(since)
    } else {
        Readiness::NotReady(since)
    })
}

fn amount(member: &Scalar<'_>, field: &'static str) -> Result<Option<Amount>, ReadError> {
    let read = match member {
        Scalar::Absent => return Ok(None),
        Scalar::Text(text) => Amount::parse(text),
        Scalar::Whole(number) => Amount::parse(&number.to_string()),
        Scalar::Flag(_) | Scalar::Other => Amount::parse("a value of another type"),
    };
    read.map(Some).map_err(|source| ReadError::Amount { field, source })
}

/// The labels of any object.
#[must_use]
pub fn read_labels(object: &Value) -> Labels {
    let map = object.pointer("/metadata/labels").and_then(Value::as_object);
    let pairs = map.into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .collect()
}

#[cfg(test)]
mod tests;
