//! Forced termination: the clocks that must all have run, and the record of them.

use jiff::Timestamp;
use model::duration::GoDuration;

use crate::decide::Scene;
use crate::decision::Reason;
use crate::evidence::{BudgetReading, Cause, Evidence, RuleReading};
use crate::names::PodKey;
use crate::node::{NodeMark, NodeState};
use crate::pod::PodKind;
use crate::rule::Rule;
use crate::siblings;
use crate::time::{after, before};
use crate::view::{BudgetSlot, PodEntry, PodSlot};

/// Whose clock a rule reads.
pub(crate) enum Subject<'a> {
    /// The pod's or its node's.
    Own,
    /// A sibling's.
    Sibling(&'a PodKey),
    /// A budget's.
    Budget(BudgetSlot),
}

/// When a forced termination becomes possible, and by which rule.
pub(crate) struct Gate {
    pub(crate) at: Timestamp,
    pub(crate) rule: Rule,
    pub(crate) cause: Cause,
}

/// Calls `visit` for each clock that a forced termination of the pod depends on. A clock that starts at `from` is met
/// from `from + required` on, that instant included (facts 56 to 58).
pub(crate) fn each_clock(
    scene: &Scene<'_>,
    node: &NodeState,
    mark: &NodeMark,
    slot: PodSlot,
    entry: &PodEntry,
    mut visit: impl FnMut(Rule, Subject<'_>, Timestamp, GoDuration),
) {
    let policy = scene.policy;
    let mut visit = |rule, subject: Subject<'_>, from, required| {
        if policy.rules.on(rule) {
            visit(rule, subject, from, required);
        }
    };
    if let Some(start) = mark.draining {
        visit(Rule::GracePeriod, Subject::Own, start, policy.grace_period);
    }
    visit(
        Rule::PodLifetime,
        Subject::Own,
        entry.pod.created,
        policy.min_pod_lifetime,
    );
    if let Some(last) = scene.ledger.forced_on(&node.name).max(mark.last_forced) {
        visit(Rule::ForceInterval, Subject::Own, last, policy.force_interval);
    }
    siblings::each(scene.view, slot, entry, |other, sibling| {
        let (rule, from, required) = siblings::clock(policy, scene.ledger, other, sibling);
        visit(rule, Subject::Sibling(&sibling.key), from, required);
    });
    for budget in &entry.budgets {
        let known = scene.view.budget_at(*budget).and_then(|b| b.budget.last_forced);
        if let Some(last) = scene.ledger.forced_in(*budget).max(known) {
            visit(
                Rule::GroupInterval,
                Subject::Budget(*budget),
                last,
                policy.min_healthy_sibling_lifetime,
            );
        }
    }
    if let PodKind::Job {
        deadline: Some(deadline),
        ..
    } = entry.pod.kind
    {
        visit(Rule::JobDeadline, Subject::Own, deadline, GoDuration::ZERO);
    }
    if let Some(since) = entry.pod.operator_moving {
        visit(Rule::OperatorTime, Subject::Own, since, policy.operator_time);
    }
}

/// When every clock is met; the end of the machine comes before them all if it is earlier.
pub(crate) fn gate(scene: &Scene<'_>, node: &NodeState, mark: &NodeMark, slot: PodSlot, entry: &PodEntry) -> Gate {
    let mut gate = Gate {
        at: Timestamp::MIN,
        rule: Rule::GracePeriod,
        cause: Cause::Contract,
    };
    each_clock(scene, node, mark, slot, entry, |rule, _, from, required| {
        let met = after(from, required);
        // Of several rules met at the same instant the first of the list speaks, whatever the order of visits.
        if met > gate.at || (met == gate.at && rule < gate.rule) {
            (gate.at, gate.rule) = (met, rule);
        }
    });
    if let Some(ends) = mark.machine_ends.filter(|_| scene.policy.rules.on(Rule::MachineEnds)) {
        let last_moment = before(ends, scene.policy.shutdown_margin);
        if last_moment < gate.at || mark.draining.is_none() {
            gate = Gate {
                at: last_moment,
                rule: Rule::MachineEnds,
                cause: Cause::MachineEnds { at: ends },
            };
        }
    }
    gate
}

/// The whole record for a termination decided now.
pub(crate) fn evidence(
    scene: &Scene<'_>,
    node: &NodeState,
    mark: &NodeMark,
    slot: PodSlot,
    entry: &PodEntry,
    cause: Cause,
    protections: Vec<Reason>,
) -> Evidence {
    let mut rules = Vec::new();
    each_clock(scene, node, mark, slot, entry, |rule, subject, from, required| {
        let subject = match subject {
            Subject::Own => None,
            Subject::Sibling(key) => Some(key.to_string()),
            Subject::Budget(slot) => scene.view.budget_at(slot).map(|b| b.budget.key.to_string()),
        };
        rules.push(RuleReading::new(rule, subject, from, required, scene.now));
    });
    rules.sort_by(|a, b| (a.rule, &a.subject).cmp(&(b.rule, &b.subject)));
    let pod = &entry.pod;
    Evidence {
        pod: pod.key.clone(),
        uid: pod.uid.clone(),
        node: node.name.clone(),
        owner: pod.kind.owner().cloned(),
        application: pod.labels.application().map(Into::into),
        team: pod.labels.team().map(Into::into),
        node_reason: mark.reason.clone(),
        decided: scene.now,
        cause,
        protections,
        rules,
        budgets: budgets(scene, entry),
        switched_off: scene.policy.rules.switched_off(),
    }
}

fn budgets(scene: &Scene<'_>, entry: &PodEntry) -> Vec<BudgetReading> {
    let known = entry
        .budgets
        .iter()
        .filter_map(|slot| Some((*slot, &scene.view.budget_at(*slot)?.budget)));
    let mut all: Vec<BudgetReading> = known
        .map(|(slot, budget)| BudgetReading {
            budget: budget.key.clone(),
            limit: budget.limit,
            expected: budget.expected,
            healthy: budget.healthy,
            desired: budget.desired,
            allowed: budget.allowed.saturating_sub(scene.ledger.used(slot)),
            generation: (budget.generation, budget.observed_generation),
        })
        .collect();
    all.sort_by(|a, b| a.budget.cmp(&b.budget));
    all
}
