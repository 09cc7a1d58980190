//! What the planner wants done, with the texts of the events.

use jiff::SignedDuration;

use crate::scheduler::PodRef;

/// A group that grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// The group.
    pub group: String,
    /// Its target before.
    pub from: usize,
    /// Its target after.
    pub to: usize,
    /// Its bound.
    pub max: usize,
}

/// Why a node cannot go although it is hardly used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocker {
    /// The node's annotation.
    Disabled,
    /// The group is at its lower bound.
    GroupMinimum,
    /// A pod that nobody would make anew.
    NotReplicated(PodRef),
    /// A pod with data on the node.
    LocalStorage(PodRef),
    /// A pod of `kube-system` without a budget.
    SystemPod(PodRef),
    /// A pod whose annotation says so.
    NotSafeToEvict(PodRef),
    /// A pod whose budget allows no disruption.
    Budget(PodRef),
    /// A pod that no other node takes.
    NoPlace(PodRef),
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Raise the targets of groups: one, or several similar ones.
    Grow {
        /// The groups.
        groups: Vec<Growth>,
        /// The pods that it is for.
        pods: Vec<PodRef>,
    },
    /// Nothing can be done for a pod.
    CannotHelp {
        /// The pod.
        pod: PodRef,
        /// Each reason with the number of groups that have it.
        reasons: Vec<(usize, String)>,
    },
    /// Nodes of a group did not come: lower its target to what it has.
    GiveUp {
        /// The group.
        group: String,
        /// The target to set.
        target: usize,
        /// How long it was waited.
        waited: SignedDuration,
    },
    /// Put the soft taint on a node that is not needed.
    Mark {
        /// The node.
        node: String,
    },
    /// Take the soft taint off a node that is needed again.
    Unmark {
        /// The node.
        node: String,
    },
    /// Taint a node as to be deleted, evict the pods, and remove it from its group, whose target sinks by one.
    Remove {
        /// The node.
        node: String,
        /// Its group.
        group: String,
        /// Pods to evict before; those of the node itself just end with it.
        pods: Vec<PodRef>,
    },
}

impl Step {
    /// Reason and text of the events that tell of the step; they are about the step's pods or its node.
    #[must_use]
    pub fn event(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Grow { groups, .. } => {
                let each = |growth: &Growth| {
                    format!(
                        "{{{} {}->{} (max: {})}}",
                        growth.group, growth.from, growth.to, growth.max
                    )
                };
                let groups: Vec<String> = groups.iter().map(each).collect();
                Some((
                    "TriggeredScaleUp",
                    format!("pod triggered scale-up: [{}]", groups.join(" ")),
                ))
            }
            Self::CannotHelp { reasons, .. } => {
                let reasons: Vec<String> = reasons
                    .iter()
                    .map(|(groups, text)| format!("{groups} {text}"))
                    .collect();
                Some((
                    "NotTriggerScaleUp",
                    format!("pod didn't trigger scale-up: {}", reasons.join(", ")),
                ))
            }
            Self::GiveUp { group, waited, .. } => {
                let text = format!("Nodes added to group {group} failed to register within {waited:#}");
                Some(("ScaleUpTimedOut", text))
            }
            Self::Remove { .. } => Some(("ScaleDown", "marked the node as toBeDeleted/unschedulable".to_owned())),
            Self::Mark { .. } | Self::Unmark { .. } => None,
        }
    }

    /// The text of the event `ScaleDown` about each pod that is evicted for a node's removal.
    pub const EVICTED: &'static str = "deleting pod for node scale down";
}
