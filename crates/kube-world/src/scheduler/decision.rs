//! What the scheduler decides, as values; carrying it out is another's business.

use std::sync::Arc;

use super::volumes::VolumePlan;

/// The longest text of an event.
const LONGEST_NOTE: usize = 1024;

/// A pod by its names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodRef {
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: Arc<str>,
}

/// The outcome of one look at one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The pod goes to a node. It counts as there from now on.
    Bind(Binding),
    /// No node takes the pod now. It waits for a change.
    Refuse(Refusal),
}

/// A pod and its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The pod.
    pub pod: PodRef,
    /// The node's name.
    pub node: String,
    /// What is to be done for its claims before the binding.
    pub volumes: VolumePlan,
}

impl Binding {
    /// The text of the pod's event `Scheduled`.
    #[must_use]
    pub fn event(&self) -> String {
        format!(
            "Successfully assigned {}/{} to {}",
            self.pod.namespace, self.pod.name, self.node
        )
    }
}

/// Why a pod is not placed, and what is done to change that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The pod.
    pub pod: PodRef,
    /// The message of its condition `PodScheduled` = `False`, reason `Unschedulable`.
    pub message: String,
    /// Pods to evict so that it fits.
    pub preemption: Option<Preemption>,
    /// A nomination that it has is of no use any more: `status.nominatedNodeName` is to be emptied.
    pub clear_nomination: bool,
}

impl Refusal {
    /// The text of the pod's event `FailedScheduling`: the message, cut where events end.
    #[must_use]
    pub fn event(&self) -> String {
        if self.message.len() <= LONGEST_NOTE {
            return self.message.clone();
        }
        let suffix = " ...";
        let mut end = LONGEST_NOTE - suffix.len();
        while !self.message.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}{suffix}", self.message.get(..end).unwrap_or_default())
    }
}

/// Making room for a pod by evicting others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preemption {
    /// The node, which becomes the pod's `status.nominatedNodeName`.
    pub node: String,
    /// The pods to delete, the most important first.
    pub victims: Vec<PodRef>,
    /// How many of the victims a disruption budget would have kept.
    pub violations: usize,
    /// Less important pods that lose their nomination to this node.
    pub displaced: Vec<PodRef>,
}

impl Preemption {
    /// The reason of a victim's condition `DisruptionTarget` = `True`.
    pub const CONDITION_REASON: &'static str = "PreemptionByScheduler";

    /// The text of a victim's event `Preempted`.
    #[must_use]
    pub fn event(&self, preemptor: &PodRef) -> String {
        format!("Preempted by pod {} on node {}", preemptor.uid, self.node)
    }

    /// The message of a victim's condition `DisruptionTarget`.
    #[must_use]
    pub fn condition(scheduler_name: &str) -> String {
        format!("{scheduler_name}: preempting to accommodate a higher priority pod")
    }
}
