//! The record of a forced termination: with which right, at which clock values.

use jiff::Timestamp;
use model::duration::GoDuration;
use serde::{Deserialize, Serialize};

use crate::budget::Limit;
use crate::decision::Reason;
use crate::names::{BudgetKey, NodeName, PodKey};
use crate::pod::Owner;
use crate::rule::Rule;
use crate::time::{after, between};

/// One rule with its clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReading {
    /// The rule.
    pub rule: Rule,
    /// The sibling or budget that the clock belongs to, as `namespace/name`; absent for clocks of the pod and the node.
    pub subject: Option<String>,
    /// Where the clock started.
    pub from: Timestamp,
    /// How long it must have run.
    pub required: GoDuration,
    /// How long it had run at the decision.
    pub elapsed: GoDuration,
    /// From when on the rule is met; met at that very instant.
    pub met_at: Timestamp,
}

impl RuleReading {
    pub(crate) fn new(
        rule: Rule,
        subject: Option<String>,
        from: Timestamp,
        required: GoDuration,
        now: Timestamp,
    ) -> Self {
        Self {
            rule,
            subject,
            from,
            required,
            elapsed: between(from, now),
            met_at: after(from, required),
        }
    }

    /// Whether the rule is met at `now`.
    #[must_use]
    pub fn is_met(&self, now: Timestamp) -> bool {
        self.met_at <= now
    }
}

/// The state of a budget at the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetReading {
    /// The budget.
    pub budget: BudgetKey,
    /// What its author wrote.
    pub limit: Limit,
    /// `status.expectedPods`.
    pub expected: u32,
    /// `status.currentHealthy`.
    pub healthy: u32,
    /// `status.desiredHealthy`.
    pub desired: u32,
    /// `status.disruptionsAllowed`.
    pub allowed: u32,
    /// `metadata.generation` and `status.observedGeneration`.
    pub generation: (i64, i64),
}

/// By which right a pod was force-terminated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Every rule of the contract was met.
    Contract,
    /// The machine goes away whatever we do; the contract's rules were not asked.
    MachineEnds {
        /// When.
        at: Timestamp,
    },
}

/// Everything that a forced termination rests on. Enough to check it again without the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The pod.
    pub pod: PodKey,
    /// Its UID.
    pub uid: Box<str>,
    /// Its node.
    pub node: NodeName,
    /// The object that makes it again.
    pub owner: Option<Owner>,
    /// Its application, from its labels.
    pub application: Option<Box<str>>,
    /// Its team, from its labels.
    pub team: Option<Box<str>>,
    /// Why the node goes.
    pub node_reason: Box<str>,
    /// When the decision was made.
    pub decided: Timestamp,
    /// By which right.
    pub cause: Cause,
    /// What it overrides.
    pub protections: Vec<Reason>,
    /// Each rule with its clock; every sibling has its own.
    pub rules: Vec<RuleReading>,
    /// Each budget that guards the pod.
    pub budgets: Vec<BudgetReading>,
    /// Rules that were switched off; never any outside a simulation.
    pub switched_off: Vec<Rule>,
}

impl Evidence {
    /// The readings whose rule was not met at the decision; empty for every termination by the contract.
    pub fn unmet(&self) -> impl Iterator<Item = &RuleReading> {
        self.rules.iter().filter(|reading| !reading.is_met(self.decided))
    }
}
