//! Every guard of the contract by name.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A guard of the contract. Each decision names the one that made it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Rule {
            $($(#[$doc])* $name,)*
        }

        impl Rule {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What it says, in a few words.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

rules! {
    /// Pods that have ended stay: nothing runs in them.
    FinishedStays = "a finished pod stays",
    /// DaemonSet pods go with their node.
    DaemonSetStays = "a DaemonSet pod goes with its node",
    /// The API cannot end static pods.
    StaticStays = "a static pod goes with its node",
    /// A pod on its way out gets its grace period and some headroom before anybody calls it stuck.
    EndingAwaited = "a pod that is ending gets its time",
    /// No new disruptive step while the cluster is blocked (V4).
    Blocked = "no step while the cluster is blocked",
    /// No eviction from a node that would take the pod back.
    CordonFirst = "the node is cordoned before the first eviction",
    /// A budget that allows no disruption is respected (V1).
    Budget = "a disruption budget is respected",
    /// The API server refuses a pod with several budgets; so does the contract.
    SeveralBudgets = "a pod with several budgets cannot be evicted",
    /// A budget whose status is older than its specification refuses.
    StaleBudget = "a budget with an old status refuses",
    /// Members of a StatefulSet go one at a time.
    StatefulSetOneAtATime = "members of a StatefulSet go one at a time",
    /// A database primary waits until its role has moved.
    PrimaryMovesFirst = "a database primary goes after its role has moved",
    /// A running Job is left to end.
    JobEnds = "a Job runs to its end",
    /// A pod that nobody makes again is held back, where the policy says so.
    BarePodHeld = "a bare pod is held back",
    /// A pod with local data is held back, where the policy says so.
    LocalDataHeld = "a pod with local data is held back",
    /// The owner's wish not to be disturbed is honoured, where the policy says so.
    OwnerHold = "the owner asked not to be disturbed",
    /// An operator that moves data away is left to finish.
    OperatorMoves = "the pod's operator moves its data first",
    /// A refused eviction is not asked again at once.
    RefusalPause = "a refused eviction is asked again after a pause",
    /// Force: the drain of the node has lasted for the grace period.
    GracePeriod = "the grace period of the node is over",
    /// Force: the pod has lived for its minimum.
    PodLifetime = "the pod has had its minimum lifetime",
    /// Force: the last forced termination on the node is long enough ago.
    ForceInterval = "the last forced termination on the node is long enough ago",
    /// Force: each ready sibling has lived for its minimum.
    ReadySiblings = "each ready sibling has had its minimum lifetime",
    /// Force: each sibling that is not ready, or on its way out, has had its longer minimum.
    UnreadySiblings = "each sibling that is not ready has had its minimum lifetime",
    /// Force: the last forced termination in the same budget is at least the ready siblings' minimum ago.
    GroupInterval = "the last forced termination in the budget is long enough ago",
    /// Force: the Job's own deadline has passed.
    JobDeadline = "the Job's own deadline has passed",
    /// Force: the operator has had its time to move the data.
    OperatorTime = "the operator has had its time",
    /// Force without the contract: the machine goes away whatever we do.
    MachineEnds = "the machine goes away",
    /// A node of the pool's present definition is ready before one goes.
    CapacityFirst = "new nodes come first",
    /// A node with volumes goes only when a new node is ready in its zone.
    ZoneMatch = "volumes find a new node in their zone",
    /// At most so many nodes of a pool are on their way out at once.
    InFlight = "limited number of nodes at once",
    /// Two nodes with members of the same StatefulSet do not go at once.
    SetsApart = "nodes with members of one StatefulSet go one after another",
    /// Blue-green: no machine of the old set is ended before all of its nodes are drained.
    AllDrainedFirst = "the whole old set is drained before a machine of it ends",
    /// Too many failing replacements stop the pool.
    RepairBrake = "too many failing replacements stop the pool",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Which rules are in force.
///
/// Production uses [`Rules::all`] only. Simulations switch single rules off to show that each one matters: with the rule
/// off, a run must breach a promise. Nothing that reads configuration can switch a rule off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    off: u64,
}

impl Rules {
    /// Every rule.
    #[must_use]
    pub const fn all() -> Self {
        Self { off: 0 }
    }

    /// These rules but `rule`; for simulations.
    #[must_use]
    pub const fn without(self, rule: Rule) -> Self {
        Self {
            off: self.off | 1 << rule as u32,
        }
    }

    /// Whether `rule` is in force.
    #[must_use]
    pub const fn on(self, rule: Rule) -> bool {
        self.off & (1 << rule as u32) == 0
    }

    /// The rules that are switched off, for evidence records.
    #[must_use]
    pub fn switched_off(self) -> Vec<Rule> {
        Rule::ALL.iter().copied().filter(|rule| !self.on(*rule)).collect()
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::all()
    }
}
