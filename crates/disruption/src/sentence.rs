//! Decisions in one sentence: what waits, on what, since when, until when at most, who can lift it.

use jiff::Timestamp;
use model::words::count;

use crate::decision::{Leave, NodeDecision, NodeStep, PodDecision, Reason, Verdict, Wait};
use crate::evidence::{Cause, Evidence};
use crate::names::NodeName;
use crate::pacing::PoolWait;
use crate::pod::PodState;
use crate::rule::Rule;
use crate::time::{between, clock, short};
use crate::view::ClusterView;

/// Says a decision on a pod in one sentence. `cluster` names the cluster in it, when given.
///
/// The text is stable: the same decision at the same instant gives the same words. Times are given as a span and as an
/// instant; the owner comes from the pod's labels.
#[must_use]
pub fn explain_pod(
    cluster: Option<&str>,
    view: &ClusterView,
    node: &NodeName,
    decision: &PodDecision,
    now: Timestamp,
) -> String {
    let pod = &decision.pod;
    let state = view.pod(pod);
    let owner = owner_of(state);
    let place = format!("node {node}, pod {pod}");
    let says = |verb: &str| cluster.map_or_else(String::new, |name| format!("cluster {name} {verb}: "));
    match &decision.verdict {
        Verdict::Evict => format!("{}{place} can be evicted now; owner {owner}", says("moves")),
        Verdict::Wait(wait) => format!("{}{place} {}", says("waits"), waiting(wait, &owner, now)),
        Verdict::Force(evidence) => {
            format!("{}{place} {}; owner {owner}", says("forces"), forcing(evidence))
        }
        Verdict::Leave(leave) => format!("{}{place} stays: {}", says("leaves"), staying(leave)),
    }
}

/// Says in one sentence what happens to a node next.
#[must_use]
pub fn explain_node(cluster: Option<&str>, view: &ClusterView, decision: &NodeDecision, now: Timestamp) -> String {
    let node = &decision.node;
    let mark = view.node(node).and_then(|state| state.mark.as_ref());
    let says = |verb: &str| cluster.map_or_else(String::new, |name| format!("cluster {name} {verb}: "));
    let selected = mark.map_or_else(String::new, |mark| {
        format!(
            ", selected {} ago ({}) for: {}",
            span(mark.selected, now),
            clock(mark.selected),
            mark.reason
        )
    });
    match &decision.step {
        NodeStep::Stays => format!("{}node {node} is not to be replaced", says("keeps")),
        NodeStep::WaitsForItsTurn => format!("{}node {node} waits for its turn{selected}", says("waits")),
        NodeStep::Cordon => format!("{}node {node} is to be cordoned{selected}", says("moves")),
        NodeStep::Act { evict, force } => {
            let (evictions, forced) = (count(evict.len(), "eviction"), count(force.len(), "forced termination"));
            format!(
                "{}node {node} has {evictions} and {forced} due now{selected}",
                says("moves")
            )
        }
        NodeStep::Wait { pod: Some(pod), .. } => {
            let slowest = decision.pods.iter().find(|one| one.pod == *pod);
            slowest.map_or_else(String::new, |one| explain_pod(cluster, view, node, one, now))
        }
        NodeStep::Wait { pod: None, until } => {
            let until = until.map_or_else(
                || "no end known".to_owned(),
                |at| format!("until {}", explain_instant(at, now)),
            );
            format!(
                "{}node {node} waits for the end of the cluster's block, {until}",
                says("waits")
            )
        }
        NodeStep::Quarantine { pod } => {
            format!(
                "{}node {node} cannot be drained, pod {pod} does not end{selected}",
                says("gives up")
            )
        }
        NodeStep::Quarantined(why) => {
            format!(
                "{}node {node} was given up: {why}; the cluster's operator can lift it",
                says("keeps")
            )
        }
        NodeStep::Drained => format!("{}node {node} is drained, its machine may go{selected}", says("moves")),
    }
}

/// Says in a few words what a pool waits on.
#[must_use]
pub fn explain_pool_wait(wait: &PoolWait, now: Timestamp) -> String {
    match wait {
        PoolWait::Blocked { why, until } => {
            let until = until.map_or_else(
                || "no end set".to_owned(),
                |at| format!("until {}", explain_instant(at, now)),
            );
            format!("the cluster is blocked ({why}), {until}")
        }
        PoolWait::NodesNotReady { ready, desired } => format!("{ready} of {desired} nodes are ready"),
        PoolWait::InFlight { limit } => format!("{} on the way out at once at most", count(*limit, "node")),
        PoolWait::NoNodeInZone { node, zone } => {
            let zone = zone.as_ref().map_or("of its volumes", |zone| zone.as_str());
            format!("node {node} has volumes and no new node is ready in zone {zone}")
        }
        PoolWait::SetOnOtherNode { node, set } => {
            format!("node {node} has a member of StatefulSet {set}, another member's node is going")
        }
        PoolWait::RepairBrake { failed } => format!("{} failed to become ready", count(*failed, "new node")),
        PoolWait::TooManyQuarantined { quarantined } => {
            format!("{} could not be drained", count(*quarantined, "node"))
        }
        PoolWait::NotAllDrained { left } => {
            format!(
                "{} of the old set still to be drained before any is removed",
                count(*left, "node")
            )
        }
    }
}

fn owner_of(pod: Option<&PodState>) -> String {
    let Some(pod) = pod else { return "unknown".to_owned() };
    match (pod.labels.team(), pod.labels.application()) {
        (Some(team), Some(app)) => format!("{team} (application {app})"),
        (Some(team), None) => team.to_owned(),
        (None, Some(app)) => format!("of application {app}"),
        (None, None) => format!("of namespace {}", pod.key.namespace),
    }
}

fn waiting(wait: &Wait, owner: &str, now: Timestamp) -> String {
    let since = format!("since {} ({})", span(wait.since, now), clock(wait.since));
    let end = match (&wait.gate, wait.until) {
        (Some(gate), Some(at)) => format!("force not before {}, when {gate}", explain_instant(at, now)),
        (_, Some(at)) => format!("until {} at most", explain_instant(at, now)),
        (_, None) => "time alone does not end it".to_owned(),
    };
    format!(
        "{} {since}; {end}; {}",
        explain_reason(&wait.on),
        lifted_by(&wait.on, owner)
    )
}

/// Says in a few words what keeps a pod: `blocked by PDB shop/cart (0 of 1 allowed, 1 healthy, 1 needed)`.
#[must_use]
pub fn explain_reason(reason: &Reason) -> String {
    match reason {
        Reason::Blocked { why, .. } => format!("blocked by the cluster's update block ({why})"),
        Reason::NotDraining => "waits for its node's turn".to_owned(),
        Reason::NotCordoned => "waits until its node is cordoned".to_owned(),
        Reason::JustRefused => "was just refused eviction".to_owned(),
        Reason::Budget {
            budget,
            room,
            healthy,
            desired,
        } => {
            format!("blocked by PDB {budget} (0 of {room} allowed, {healthy} healthy, {desired} needed)")
        }
        Reason::BudgetAllowsNothing { budget, limit } => {
            format!("blocked by PDB {budget} ({limit} never allows an eviction)")
        }
        Reason::BudgetStale { budget } => format!("blocked by PDB {budget} (its status is out of date)"),
        Reason::SeveralBudgets { budgets } => {
            let names: Vec<String> = budgets.iter().map(ToString::to_string).collect();
            format!("blocked by more than one PDB ({})", names.join(", "))
        }
        Reason::SetMateDown { set, mate } => format!("waits for member {mate} of StatefulSet {set}"),
        Reason::SetIncomplete { set, present, wanted } => {
            format!("waits for StatefulSet {set} ({present} of {wanted} members exist)")
        }
        Reason::Primary { label } => format!("waits for its database to move the primary ({label})"),
        Reason::JobRunning { job, deadline } => {
            let own = deadline.map_or_else(String::new, |at| format!(", its own deadline is {}", clock(at)));
            format!("waits for Job {job} to end{own}")
        }
        Reason::BarePod => "is held back, nothing makes it again".to_owned(),
        Reason::LocalData => "is held back, its local data would be lost".to_owned(),
        Reason::OwnerHold { annotation } => format!("is held back by annotation {annotation}"),
        Reason::OperatorMoving => "waits for its operator to move its data".to_owned(),
        Reason::Ending => "is ending".to_owned(),
        Reason::Overdue => "should have ended".to_owned(),
    }
}

fn lifted_by(reason: &Reason, owner: &str) -> String {
    match reason {
        Reason::Blocked {
            owner: Some(holder), ..
        } => format!("{holder} can lift the block"),
        Reason::Blocked { owner: None, .. } | Reason::Overdue => "the cluster's operator can lift it".to_owned(),
        Reason::NotDraining | Reason::NotCordoned | Reason::JustRefused | Reason::Ending => {
            format!("nobody has to act, owner {owner}")
        }
        _ => format!("owner {owner}"),
    }
}

fn forcing(evidence: &Evidence) -> String {
    let against = evidence
        .protections
        .first()
        .map_or_else(String::new, |first| format!(" ({})", explain_reason(first)));
    let right = match &evidence.cause {
        Cause::Contract => {
            let last = evidence.rules.iter().max_by_key(|reading| reading.met_at);
            let last = last.map_or_else(String::new, |last| {
                format!(", the last at {}: {}", clock(last.met_at), last.rule)
            });
            format!("every rule is met{last}")
        }
        Cause::MachineEnds { at } => format!("{} at {}", Rule::MachineEnds, clock(*at)),
    };
    format!("is terminated by force now{against}: {right}")
}

fn staying(leave: &Leave) -> String {
    match leave {
        Leave::Finished => Rule::FinishedStays.to_string(),
        Leave::DaemonSet => Rule::DaemonSetStays.to_string(),
        Leave::Static => Rule::StaticStays.to_string(),
        Leave::NodeStays => "its node is not to be replaced".to_owned(),
        Leave::NodeQuarantined(why) => format!("its node was given up ({why})"),
        Leave::Stuck => "it does not end, its node is to be given up".to_owned(),
    }
}

fn span(from: Timestamp, to: Timestamp) -> String {
    short(between(from, to))
}

/// An instant with its distance: `2026-11-21 14:05 UTC (in 2h55m)`.
#[must_use]
pub fn explain_instant(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        format!("{} (in {})", clock(at), span(now, at))
    } else {
        format!("{} (now)", clock(at))
    }
}
