//! Protections: what keeps a pod from a plain eviction now.

use crate::decide::Scene;
use crate::decision::Reason;
use crate::pod::{Phase, PodKind, PodState};
use crate::policy::{Handling, Policy};
use crate::rule::Rule;
use crate::view::{PodEntry, PodSlot};

/// Everything that protects the pod, the most telling first. Empty means that it may be evicted.
pub(crate) fn protections(scene: &Scene<'_>, slot: PodSlot, entry: &PodEntry) -> Vec<Reason> {
    let pod = &entry.pod;
    let found = [
        primary(scene.policy, pod),
        operator(pod),
        job(pod),
        set_mate(scene, slot, pod),
        budget(scene, entry),
        owner_hold(scene.policy, pod),
        local_data(scene.policy, pod),
        bare(scene.policy, pod),
    ];
    found
        .into_iter()
        .flatten()
        .filter(|reason| scene.policy.rules.on(reason.rule()))
        .collect()
}

/// The label that makes the pod the primary of a database.
pub(crate) fn primary_label<'a>(policy: &'a Policy, pod: &PodState) -> Option<&'a (Box<str>, Box<str>)> {
    let has = |(key, value): &&(Box<str>, Box<str>)| pod.labels.get(key) == Some(&**value);
    policy.primary_labels.iter().find(has)
}

fn primary(policy: &Policy, pod: &PodState) -> Option<Reason> {
    let (key, value) = primary_label(policy, pod)?;
    Some(Reason::Primary {
        label: format!("{key}={value}").into(),
    })
}

fn operator(pod: &PodState) -> Option<Reason> {
    pod.operator_moving.map(|_| Reason::OperatorMoving)
}

fn job(pod: &PodState) -> Option<Reason> {
    match &pod.kind {
        PodKind::Job { owner, deadline } => Some(Reason::JobRunning {
            job: owner.name.clone(),
            deadline: *deadline,
        }),
        _ => None,
    }
}

/// A healthy member waits while another one is down, leaving or missing. A member that is not ready itself protects
/// nothing by staying.
fn set_mate(scene: &Scene<'_>, slot: PodSlot, pod: &PodState) -> Option<Reason> {
    let PodKind::StatefulSet { owner, replicas, .. } = &pod.kind else {
        return None;
    };
    if !pod.is_healthy() {
        return None;
    }
    let members = scene.view.set_members(pod).iter().copied();
    let alive: Vec<(PodSlot, &PodState)> = members
        .filter_map(|member| Some((member, &scene.view.entry_at(member)?.pod)))
        .filter(|(_, member)| !member.is_finished())
        .collect();
    let down = |(member, state): &&(PodSlot, &PodState)| {
        *member != slot && (!state.is_healthy() || scene.ledger.going(*member).is_some())
    };
    // The first by name, so that the answer does not depend on the order of arrival.
    let mate = alive.iter().filter(down).map(|(_, state)| &state.key).min();
    if let Some(mate) = mate {
        return Some(Reason::SetMateDown {
            set: owner.name.clone(),
            mate: mate.clone(),
        });
    }
    let present = u32::try_from(alive.len()).unwrap_or(u32::MAX);
    replicas
        .filter(|wanted| present < *wanted)
        .map(|wanted| Reason::SetIncomplete {
            set: owner.name.clone(),
            present,
            wanted,
        })
}

/// What the eviction API would answer, by its own order of questions: pods that have not started are free, several
/// budgets refuse, pods that are not ready are judged by the budget's policy for them, then the status counts.
fn budget(scene: &Scene<'_>, entry: &PodEntry) -> Option<Reason> {
    let pod = &entry.pod;
    if pod.phase == Phase::Pending {
        return None;
    }
    let mut guards = entry
        .budgets
        .iter()
        .filter_map(|slot| Some((*slot, &scene.view.budget_at(*slot)?.budget)));
    let (slot, budget) = guards.next()?;
    if guards.next().is_some() && scene.policy.rules.on(Rule::SeveralBudgets) {
        let budgets = entry.budgets.iter().filter_map(|slot| scene.view.budget_at(*slot));
        let mut budgets: Vec<_> = budgets.map(|b| b.budget.key.clone()).collect();
        budgets.sort();
        return Some(Reason::SeveralBudgets { budgets });
    }
    let used = scene.ledger.used(slot);
    if !pod.readiness.is_ready() {
        let enough = budget.desired > 0 && budget.healthy.saturating_sub(used) >= budget.desired;
        if enough || budget.unhealthy == crate::budget::UnhealthyPods::AlwaysAllow {
            return None;
        }
    }
    let key = budget.key.clone();
    if budget.is_stale() && scene.policy.rules.on(Rule::StaleBudget) {
        return Some(Reason::BudgetStale { budget: key });
    }
    if budget.allowed > used {
        return None;
    }
    if budget.allows_nothing() {
        return Some(Reason::BudgetAllowsNothing {
            budget: key,
            limit: budget.limit,
        });
    }
    let healthy = budget.healthy.saturating_sub(used);
    Some(Reason::Budget {
        budget: key,
        room: budget.room(),
        healthy,
        desired: budget.desired,
    })
}

fn owner_hold(policy: &Policy, pod: &PodState) -> Option<Reason> {
    let annotation = pod.hold.clone().filter(|_| policy.owner_holds == Handling::Hold)?;
    Some(Reason::OwnerHold { annotation })
}

fn local_data(policy: &Policy, pod: &PodState) -> Option<Reason> {
    (pod.local_data && policy.local_data == Handling::Hold).then_some(Reason::LocalData)
}

fn bare(policy: &Policy, pod: &PodState) -> Option<Reason> {
    (matches!(pod.kind, PodKind::Bare) && policy.bare_pods == Handling::Hold).then_some(Reason::BarePod)
}
