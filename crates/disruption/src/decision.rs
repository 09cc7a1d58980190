//! What a decision looks like: verdict, reason, the time it changes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::budget::Limit;
use crate::evidence::Evidence;
use crate::names::{BudgetKey, NodeName, PodKey};
use crate::rule::Rule;

/// A question about an object that the view does not hold. Missing data is an error, never "none".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No such pod.
    #[error("pod {pod} is not in the view")]
    Pod {
        /// The pod.
        pod: PodKey,
    },
    /// No such node.
    #[error("node {node} is not in the view")]
    Node {
        /// The node.
        node: NodeName,
    },
    /// The pod is bound to another node, or to none.
    #[error("pod {pod} is not on node {node}")]
    Elsewhere {
        /// The pod.
        pod: PodKey,
        /// The node that was asked for.
        node: NodeName,
    },
}

/// What a pod waits on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "on", rename_all = "snake_case")]
pub enum Reason {
    /// The cluster is blocked.
    Blocked {
        /// Why.
        why: Box<str>,
        /// Who can lift it.
        owner: Option<Box<str>>,
    },
    /// The node's drain has not begun.
    NotDraining,
    /// The node would take the pod back.
    NotCordoned,
    /// The API server refused the eviction a moment ago.
    JustRefused,
    /// The budget allows no disruption now.
    Budget {
        /// The budget.
        budget: BudgetKey,
        /// How many could be gone at once if all were healthy.
        room: u32,
        /// Healthy pods.
        healthy: u32,
        /// Pods that must be healthy.
        desired: u32,
    },
    /// The budget can never allow a disruption.
    BudgetAllowsNothing {
        /// The budget.
        budget: BudgetKey,
        /// What its author wrote.
        limit: Limit,
    },
    /// The status of the budget is older than its specification.
    BudgetStale {
        /// The budget.
        budget: BudgetKey,
    },
    /// More than one budget guards the pod, which the API server refuses.
    SeveralBudgets {
        /// The budgets, by key.
        budgets: Vec<BudgetKey>,
    },
    /// Another member of the StatefulSet is down or on its way out.
    SetMateDown {
        /// The set.
        set: Box<str>,
        /// The member.
        mate: PodKey,
    },
    /// The StatefulSet has fewer members than it wants.
    SetIncomplete {
        /// The set.
        set: Box<str>,
        /// Members that exist.
        present: u32,
        /// Members that it wants.
        wanted: u32,
    },
    /// The pod is the primary of a database.
    Primary {
        /// The label that says so.
        label: Box<str>,
    },
    /// The pod runs a Job.
    JobRunning {
        /// The Job.
        job: Box<str>,
        /// When it gives up by itself.
        deadline: Option<Timestamp>,
    },
    /// Nobody makes the pod again.
    BarePod,
    /// The pod has data that is lost with the node.
    LocalData,
    /// The owner asked not to be disturbed.
    OwnerHold {
        /// The annotation.
        annotation: Box<str>,
    },
    /// The pod's operator moves its data away.
    OperatorMoving,
    /// The pod is ending, within its time.
    Ending,
    /// The pod should have ended.
    Overdue,
}

impl Reason {
    /// The rule behind it.
    #[must_use]
    pub fn rule(&self) -> Rule {
        match self {
            Self::Blocked { .. } => Rule::Blocked,
            Self::NotDraining | Self::NotCordoned => Rule::CordonFirst,
            Self::JustRefused => Rule::RefusalPause,
            Self::Budget { .. } | Self::BudgetAllowsNothing { .. } => Rule::Budget,
            Self::BudgetStale { .. } => Rule::StaleBudget,
            Self::SeveralBudgets { .. } => Rule::SeveralBudgets,
            Self::SetMateDown { .. } | Self::SetIncomplete { .. } => Rule::StatefulSetOneAtATime,
            Self::Primary { .. } => Rule::PrimaryMovesFirst,
            Self::JobRunning { .. } => Rule::JobEnds,
            Self::BarePod => Rule::BarePodHeld,
            Self::LocalData => Rule::LocalDataHeld,
            Self::OwnerHold { .. } => Rule::OwnerHold,
            Self::OperatorMoving => Rule::OperatorMoves,
            Self::Ending | Self::Overdue => Rule::EndingAwaited,
        }
    }
}

/// Why a pod is not touched at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leave {
    /// It has ended (fact 59).
    Finished,
    /// It goes with its node (fact 59).
    DaemonSet,
    /// It goes with its node (fact 59).
    Static,
    /// Its node is not to be replaced.
    NodeStays,
    /// Its node was given up.
    NodeQuarantined(Box<str>),
    /// It should have ended long ago: the node cannot be drained and is to be given up.
    Stuck,
}

/// A pod that has to stay for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Since when it waits.
    pub since: Timestamp,
    /// When the wait ends at the latest if nothing else happens; `None` when time alone does not end it.
    pub until: Option<Timestamp>,
    /// What it waits on.
    #[serde(flatten)]
    pub on: Reason,
    /// The rule of forced termination that is met last, at `until`; `None` when the wait ends in another way.
    pub gate: Option<Rule>,
}

/// What may happen to a pod now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Ask the eviction API.
    Evict,
    /// Nothing yet.
    Wait(Wait),
    /// Delete it against its protections; the evidence says with which right.
    Force(Box<Evidence>),
    /// Nothing ever, as things are.
    Leave(Leave),
}

impl Verdict {
    /// Whether two verdicts say the same: forced terminations differ in the instant of their evidence only.
    #[must_use]
    pub fn says_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Force(a), Self::Force(b)) => a.protections == b.protections && a.cause == b.cause,
            (a, b) => a == b,
        }
    }
}

/// The decision on one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodDecision {
    /// The pod.
    pub pod: PodKey,
    /// What may happen to it.
    pub verdict: Verdict,
    /// When the verdict changes by time alone: it is the same at every instant before, and another one then. `None` when
    /// time alone never changes it.
    pub changes_at: Option<Timestamp>,
}

/// The state of the signal by which operators of databases learn that their primary must move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrimarySignal {
    /// The label `lifecycle-status=ready` is still there: take it away. Cordon alone moves nothing.
    RemoveReadyLabel,
    /// The operator has been told and has time until then.
    Given {
        /// When the signal is given again.
        again_at: Timestamp,
    },
    /// The operator did not react: restore the label and take it away again, since it looks at the change only.
    GiveAgain,
}

/// What happens to a node next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStep {
    /// It is not to be replaced.
    Stays,
    /// It is selected and waits for its turn; which node is next is the pool's decision.
    WaitsForItsTurn,
    /// Cordon it: its drain has begun and it would still take pods.
    Cordon,
    /// Carry out these, in this order; they are allowed together.
    Act {
        /// Ask the eviction API for each.
        evict: Vec<PodKey>,
        /// Delete each; the evidence is in its decision.
        force: Vec<PodKey>,
    },
    /// Nothing now.
    Wait {
        /// The pod that keeps it longest.
        pod: Option<PodKey>,
        /// When the last wait ends at the latest; `None` when time alone does not end it.
        until: Option<Timestamp>,
    },
    /// Give it up: this pod does not end.
    Quarantine {
        /// The pod.
        pod: PodKey,
    },
    /// It was given up.
    Quarantined(Box<str>),
    /// Only pods that stay are left: the machine may go (fact 59).
    Drained,
}

/// The decision on one node with those on all its pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDecision {
    /// The node.
    pub node: NodeName,
    /// What happens next.
    pub step: NodeStep,
    /// Every pod on it, in the order in which they go. Each decision takes those before it as carried out.
    pub pods: Vec<PodDecision>,
    /// Set while a database primary has to move off the node.
    pub primary_signal: Option<PrimarySignal>,
    /// When any of this changes by time alone, at the earliest.
    pub changes_at: Option<Timestamp>,
}
