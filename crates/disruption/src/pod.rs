//! What the contract needs to know of a pod.

use jiff::Timestamp;
use model::duration::GoDuration;
use serde::{Deserialize, Serialize};

use crate::labels::Labels;
use crate::names::{NodeName, PodKey, Zone};
use crate::time::after;

/// Kind and name of the object that makes a pod again when it is gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// Kind, such as `ReplicaSet`.
    pub kind: Box<str>,
    /// Name, in the pod's namespace.
    pub name: Box<str>,
}

impl Owner {
    /// An owner of this kind and name.
    pub fn new(kind: impl Into<Box<str>>, name: impl Into<Box<str>>) -> Self {
        Self {
            kind: kind.into(),
            name: name.into(),
        }
    }
}

/// What a pod is to the drain; each kind has its own named rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PodKind {
    /// A controller makes it again anywhere: ReplicaSet, ReplicationController or a controller of a custom kind.
    Replicated(Owner),
    /// A member of a StatefulSet.
    StatefulSet {
        /// The set.
        owner: Owner,
        /// Its number in the set.
        ordinal: u32,
        /// How many members the set wants, when known; a missing member then counts as a member that is down.
        replicas: Option<u32>,
    },
    /// A run of a Job.
    Job {
        /// The Job.
        owner: Owner,
        /// When the Job or the pod gives up by itself: start plus `activeDeadlineSeconds`.
        deadline: Option<Timestamp>,
    },
    /// Belongs to every node; goes with it.
    DaemonSet(Owner),
    /// A mirror of a file of the kubelet; the API cannot end it.
    Static,
    /// Nobody makes it again.
    Bare,
}

impl PodKind {
    /// The controlling object.
    #[must_use]
    pub fn owner(&self) -> Option<&Owner> {
        match self {
            Self::Replicated(owner)
            | Self::StatefulSet { owner, .. }
            | Self::Job { owner, .. }
            | Self::DaemonSet(owner) => Some(owner),
            Self::Static | Self::Bare => None,
        }
    }
}

/// `status.phase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// Not all containers have started.
    Pending,
    /// At least one container runs.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// The node does not answer.
    Unknown,
}

/// The condition `Ready` with the time of its last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// Ready since then.
    Ready(Timestamp),
    /// Not ready since then; a pod that never was ready has been so since its creation.
    NotReady(Timestamp),
}

impl Readiness {
    /// Whether the pod is ready.
    #[must_use]
    pub fn is_ready(self) -> bool {
        matches!(self, Self::Ready(_))
    }

    /// Since when the pod is what it is.
    #[must_use]
    pub fn since(self) -> Timestamp {
        match self {
            Self::Ready(at) | Self::NotReady(at) => at,
        }
    }
}

/// A deletion that has been accepted and is not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Termination {
    /// When the deletion was accepted: `deletionTimestamp` less the grace period.
    pub since: Timestamp,
    /// The grace period that was granted.
    pub grace: GoDuration,
}

impl Termination {
    /// When the pod should be gone, with some headroom for the kubelet (30 s in the original).
    #[must_use]
    pub fn due(&self, headroom: GoDuration) -> Timestamp {
        after(after(self.since, self.grace), headroom)
    }
}

/// A pod, as far as the contract looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodState {
    /// Namespace and name.
    pub key: PodKey,
    /// Tells apart pods that had the same name one after another.
    pub uid: Box<str>,
    /// The node it is bound to.
    pub node: Option<NodeName>,
    /// What it is to the drain.
    pub kind: PodKind,
    /// Its labels.
    pub labels: Labels,
    /// `metadata.creationTimestamp`; its lifetime counts from here.
    pub created: Timestamp,
    /// `status.startTime`.
    pub started: Option<Timestamp>,
    /// Its phase.
    pub phase: Phase,
    /// Ready or not, and since when.
    pub readiness: Readiness,
    /// Set while it is being deleted.
    pub terminating: Option<Termination>,
    /// `spec.terminationGracePeriodSeconds`.
    pub grace: GoDuration,
    /// `spec.priority`.
    pub priority: i32,
    /// It has an emptyDir or another volume that is lost with the node.
    pub local_data: bool,
    /// Zones of its persistent volumes that are bound to a zone; empty when it can move to any zone.
    pub volume_zones: Vec<Zone>,
    /// An annotation by which its owner asks not to be disturbed, such as `karpenter.sh/do-not-disrupt`.
    pub hold: Option<Box<str>>,
    /// When its operator was first seen moving its data away (`operator.zalando.org/draining`).
    pub operator_moving: Option<Timestamp>,
    /// When the API server last refused its eviction.
    pub refused: Option<Timestamp>,
}

/// Annotations by which owners ask not to be disturbed, with the value that asks.
pub const HOLD_ANNOTATIONS: [(&str, &str); 2] = [
    ("karpenter.sh/do-not-disrupt", "true"),
    ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
];

/// Annotation of es-operator on a pod whose shards it is moving away.
pub const OPERATOR_DRAINING: &str = "operator.zalando.org/draining";

impl PodState {
    /// A running, ready pod created at `created` with a grace period of 30 seconds and nothing special about it.
    #[must_use]
    pub fn new(key: PodKey, kind: PodKind, node: Option<NodeName>, created: Timestamp) -> Self {
        Self {
            uid: format!("{key}@{}", created.as_second()).into(),
            key,
            node,
            kind,
            labels: Labels::default(),
            created,
            started: Some(created),
            phase: Phase::Running,
            readiness: Readiness::Ready(created),
            terminating: None,
            grace: GoDuration::from_nanos(30_000_000_000),
            priority: 0,
            local_data: false,
            volume_zones: Vec::new(),
            hold: None,
            operator_moving: None,
            refused: None,
        }
    }

    /// Ended, well or badly.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// Whether a budget counts it as healthy: ready and not on its way out.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.readiness.is_ready() && self.terminating.is_none() && !self.is_finished()
    }

    /// Whether it stays on its node whatever happens: DaemonSet, static and finished pods (fact 59).
    #[must_use]
    pub fn stays(&self) -> bool {
        self.is_finished() || matches!(self.kind, PodKind::DaemonSet(_) | PodKind::Static)
    }

    /// Who answers for it: team, else application, else namespace.
    #[must_use]
    pub fn responsible(&self) -> &str {
        let named = self.labels.team().or_else(|| self.labels.application());
        named.unwrap_or(&self.key.namespace)
    }
}
