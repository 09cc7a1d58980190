//! When a node is gone at the latest, and when it is expected to be.
//!
//! # Why the bound holds
//!
//! Take a pod and the instant `base` from which on every clock that runs already is met. After it the pod is kept only by
//! siblings that move meanwhile, and by the pace of its node. A sibling that moves keeps it for at most one *span*: the
//! sibling's grace period with headroom, the time until its replacement is ready, and the ready siblings' minimum
//! lifetime. Siblings on `k` nodes that go move once each, since replacements land on nodes that stay; so they keep the pod
//! for at most `k` spans in all, however these fall. A sibling whose volume is in a zone where no node stays finds none for
//! its replacement, as on the spot market, where no new node comes first: its span has the lifetime that siblings which
//! are not ready need. The other `n - 1` pods of the node take at most as many
//! intervals. An executor that looks once per poll interval can miss each free moment between two such times once. The
//! pod is thus told to go by `base + k spans + (n - 1) intervals + (k + n) polls`, and gone after its own grace period.

use jiff::Timestamp;
use model::duration::GoDuration;
use serde::{Deserialize, Serialize};

use crate::budget::UnhealthyPods;
use crate::decide::{Ledger, Scene};
use crate::decision::{Reason, Unknown, Verdict};
use crate::force;
use crate::names::{NodeName, PodKey};
use crate::node::{NodeMark, NodeState};
use crate::order;
use crate::pod::{Phase, PodKind, PodState};
use crate::policy::{Handling, Policy, SiblingClock};
use crate::protect::primary_label;
use crate::rule::Rule;
use crate::siblings;
use crate::time::{after, sum, times, unless_never};
use crate::view::{ClusterView, PodEntry, PodSlot};

/// A bound with what it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The machine is gone at the latest.
    pub at: Timestamp,
    /// The last pod is gone at the latest.
    pub drained: Timestamp,
    /// The start of the drain that was counted from: the real one, or the instant of the question.
    pub starts: Timestamp,
    /// The pod that decides.
    pub slowest: Option<PodKey>,
    /// Siblings of that pod that move meanwhile.
    pub moves: u32,
}

/// Why there is no bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unbounded {
    /// The node is not to go.
    NotSelected,
    /// The cluster's block has no end.
    Blocked,
    /// The node was given up.
    Quarantined,
}

/// What an expectation rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "basis", rename_all = "snake_case")]
pub enum Basis {
    /// Nothing has to move.
    Empty,
    /// Pods can be evicted, in so many rounds of their budget.
    Evictions {
        /// Rounds, each as long as a grace period and a usual replacement.
        rounds: u32,
    },
    /// A protection has to end by forced termination.
    Force {
        /// The protection.
        against: Box<Reason>,
    },
    /// A database's operator has to move a primary.
    PrimaryMoves,
    /// A pod is ending.
    Ending,
}

/// When a node is expected to be gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The instant; `None` when nothing tells.
    pub at: Option<Timestamp>,
    /// The pod that decides.
    pub slowest: Option<PodKey>,
    /// What it rests on.
    #[serde(flatten)]
    pub basis: Basis,
}

/// When a selected node is gone at the latest, under the [`Assumptions`](crate::Assumptions) of the policy: replacements
/// get ready in time and land on nodes that stay, pods end within their grace period, nobody adds pods or budgets, siblings
/// do not fail by themselves. A node that has not begun is taken to begin now; when its turn comes is the pool's forecast.
///
/// # Errors
/// [`Unknown::Node`] when the view lacks the node.
pub fn gone_at_latest(
    view: &ClusterView,
    policy: &Policy,
    node: &NodeName,
    now: Timestamp,
) -> Result<Result<Bound, Unbounded>, Unknown> {
    let state = view.node(node).ok_or_else(|| Unknown::Node { node: node.clone() })?;
    Ok(bound_from(view, policy, state, now, now))
}

/// When a selected node is expected to be gone, and on what that rests.
///
/// # Errors
/// [`Unknown::Node`] when the view lacks the node.
pub fn expected(view: &ClusterView, policy: &Policy, node: &NodeName, now: Timestamp) -> Result<Expected, Unknown> {
    let state = view.node(node).ok_or_else(|| Unknown::Node { node: node.clone() })?;
    Ok(expected_from(view, policy, state, now))
}

/// The node as it is once its drain has begun at `start`, unless it has begun already.
fn begun(node: &NodeState, start: Timestamp) -> NodeState {
    let mut node = node.clone();
    let mark = node.mark.get_or_insert_with(|| NodeMark::new(start, "outdated"));
    mark.draining.get_or_insert(start);
    node.cordoned = true;
    node
}

/// From when on steps are possible: now, or the end of the block.
pub(crate) fn opens(view: &ClusterView, now: Timestamp) -> Result<Timestamp, Unbounded> {
    match view.block().filter(|block| block.holds(now)) {
        None => Ok(now),
        Some(block) => block.until.ok_or(Unbounded::Blocked),
    }
}

pub(crate) fn bound_from(
    view: &ClusterView,
    policy: &Policy,
    node: &NodeState,
    start: Timestamp,
    now: Timestamp,
) -> Result<Bound, Unbounded> {
    if node.mark.is_none() && node.outdated.is_none() {
        return Err(Unbounded::NotSelected);
    }
    let dying = node.mark.as_ref().is_some_and(|mark| mark.machine_ends.is_some());
    let opens = if dying { now } else { opens(view, now)? };
    // A drain that has not begun cannot begin before the block ends.
    let node = begun(node, start.max(opens));
    let Some(mark) = &node.mark else {
        return Err(Unbounded::NotSelected);
    };
    if mark.quarantined.is_some() {
        return Err(Unbounded::Quarantined);
    }
    let starts = mark.draining.unwrap_or(start);
    let floor = starts.max(now).max(opens);
    let pods: Vec<(PodSlot, &PodEntry)> = order::pods_of(view, policy, &node.name)
        .into_iter()
        .filter(|(_, entry)| !entry.pod.stays())
        .collect();
    let scene = Scene {
        view,
        policy,
        ledger: &Ledger::default(),
        now,
    };
    let mut bound = Bound {
        at: floor,
        drained: floor,
        starts,
        slowest: None,
        moves: 0,
    };
    for (slot, entry) in &pods {
        let (gone, moves) = pod_bound(&scene, &node, mark, *slot, entry, floor, pods.len());
        if bound.slowest.is_none() || gone > bound.drained {
            bound.drained = bound.drained.max(gone);
            (bound.slowest, bound.moves) = (Some(entry.pod.key.clone()), moves);
        }
    }
    if let Some(ends) = mark.machine_ends {
        // A cloud may take longer than it said.
        bound.drained = bound.drained.min(ends.max(floor));
    }
    bound.at = after(bound.drained, policy.assumptions.machine_at_most);
    Ok(bound)
}

fn pod_bound(
    scene: &Scene<'_>,
    node: &NodeState,
    mark: &NodeMark,
    slot: PodSlot,
    entry: &PodEntry,
    floor: Timestamp,
    pods: usize,
) -> (Timestamp, u32) {
    let (policy, pod) = (scene.policy, &entry.pod);
    let polls = |n: usize| times(policy.poll_interval, n);
    if let Some(termination) = pod.terminating {
        let due = termination.due(policy.termination_headroom);
        // One that is overdue already either ends or is given up with its node.
        let given_up = after(due, policy.stuck_after);
        return (if scene.now < due { due } else { given_up.max(scene.now) }, 0);
    }
    let ends = |at| after(at, sum(pod.grace, policy.termination_headroom));
    let asked = pod
        .refused
        .map_or(floor, |at| after(at, policy.poll_interval).max(floor));
    if never_protected(policy, entry) {
        return (ends(after(asked, polls(1))), 0);
    }
    let mut base = asked;
    force::each_clock(scene, node, mark, slot, entry, |_, _, from, required| {
        base = base.max(after(from, required));
    });
    let Moving { moves, grace, homeless } = moving_siblings(scene, slot, entry, &mut base);
    let assumed = policy.assumptions.replacement_at_most;
    let lifetime = if homeless {
        policy
            .min_healthy_sibling_lifetime
            .max(policy.min_unhealthy_sibling_lifetime)
    } else {
        policy.min_healthy_sibling_lifetime
    };
    let span = [policy.termination_headroom, assumed, lifetime]
        .into_iter()
        .fold(grace, sum);
    let delays = [
        times(span, moves),
        times(policy.force_interval, pods.saturating_sub(1)),
        polls(moves.saturating_add(pods)),
    ];
    let told = delays.into_iter().fold(base, after);
    (ends(told), u32::try_from(moves).unwrap_or(u32::MAX))
}

/// What keeps a pod by moving before it does.
struct Moving {
    /// Siblings that may move.
    moves: usize,
    /// The longest grace period among them.
    grace: GoDuration,
    /// One of them finds no node for its replacement.
    homeless: bool,
}

/// Counts the siblings that may move before the pod does, and moves `base` behind what siblings that stay may ask for.
fn moving_siblings(scene: &Scene<'_>, slot: PodSlot, entry: &PodEntry, base: &mut Timestamp) -> Moving {
    let policy = scene.policy;
    let longer = policy
        .min_healthy_sibling_lifetime
        .max(policy.min_unhealthy_sibling_lifetime);
    let (mut moves, mut grace, mut homeless) = (0, entry.pod.grace, false);
    siblings::each(scene.view, slot, entry, |_, sibling| {
        let node = sibling.node.as_ref().and_then(|name| scene.view.node(name));
        let goes = node.is_some_and(|node| node.mark.is_some() || node.outdated.is_some());
        if sibling.terminating.is_some() || (goes && !sibling.stays()) {
            moves += 1;
            homeless |= !has_place(scene.view, sibling);
        }
        grace = grace.max(sibling.grace);
        grace = grace.max(sibling.terminating.map_or(GoDuration::ZERO, |t| t.grace));
        // It may turn from ready to not ready or back until then.
        *base = (*base).max(after(sibling.created, longer));
        if policy.sibling_clock == SiblingClock::SinceChange {
            let ready_again = sum(
                policy.assumptions.replacement_at_most,
                policy.min_healthy_sibling_lifetime,
            );
            *base = (*base).max(after(scene.now, ready_again));
        }
    });
    // Pods that are gone and not yet replaced count as moving: their replacements come young.
    for budget in entry.budgets.iter().filter_map(|budget| scene.view.budget_at(*budget)) {
        let alive = budget
            .pods
            .iter()
            .filter_map(|pod| scene.view.entry_at(*pod))
            .filter(|e| !e.pod.is_finished());
        let expected = usize::try_from(budget.budget.expected).unwrap_or(usize::MAX);
        moves += expected.saturating_sub(alive.count());
    }
    if let PodKind::StatefulSet {
        replicas: Some(wanted), ..
    } = &entry.pod.kind
    {
        let present = scene.view.set_members(&entry.pod).len();
        moves += usize::try_from(*wanted).unwrap_or(usize::MAX).saturating_sub(present);
    }
    Moving { moves, grace, homeless }
}

/// Whether a node that stays is in a zone of the pod's volumes.
fn has_place(view: &ClusterView, pod: &PodState) -> bool {
    let stays = |node: &NodeState| node.ready && !node.cordoned && node.mark.is_none() && node.outdated.is_none();
    let near = |node: &NodeState| node.zone.as_ref().is_some_and(|zone| pod.volume_zones.contains(zone));
    pod.volume_zones.is_empty() || view.nodes().any(|node| stays(node) && near(node))
}

/// Whether nothing can ever protect the pod: the first look at it ends its stay.
fn never_protected(policy: &Policy, entry: &PodEntry) -> bool {
    let pod = &entry.pod;
    let held = |handling| handling == Handling::Hold;
    entry.budgets.is_empty()
        && matches!(pod.kind, PodKind::Replicated(_) | PodKind::Bare)
        && !(matches!(pod.kind, PodKind::Bare) && held(policy.bare_pods))
        && !(pod.local_data && held(policy.local_data))
        && !(pod.hold.is_some() && held(policy.owner_holds))
        && pod.operator_moving.is_none()
        && primary_label(policy, pod).is_none()
}

pub(crate) fn expected_from(view: &ClusterView, policy: &Policy, node: &NodeState, start: Timestamp) -> Expected {
    let node = begun(node, start);
    let scene = Scene {
        view,
        policy,
        ledger: &Ledger::default(),
        now: start,
    };
    let mut all = Expected {
        at: Some(start),
        slowest: None,
        basis: Basis::Empty,
    };
    for (slot, entry) in order::pods_of(view, policy, &node.name) {
        if entry.pod.stays() {
            continue;
        }
        let decision = scene.decide(&node, slot, entry);
        let (at, basis) = expected_pod(&scene, &node, entry, &decision.verdict);
        let later = at.unwrap_or(Timestamp::MAX) > all.at.unwrap_or(Timestamp::MAX);
        if later || all.slowest.is_none() {
            all = Expected {
                at,
                slowest: Some(entry.pod.key.clone()),
                basis,
            };
        }
    }
    all
}

fn expected_pod(
    scene: &Scene<'_>,
    node: &NodeState,
    entry: &PodEntry,
    verdict: &Verdict,
) -> (Option<Timestamp>, Basis) {
    let (pod, policy, start) = (&entry.pod, scene.policy, scene.now);
    let ends = |at| after(at, pod.grace);
    let round = sum(pod.grace, policy.assumptions.replacement_usually);
    match verdict {
        Verdict::Leave(_) => (None, Basis::Empty),
        Verdict::Force(evidence) => {
            let against = evidence.protections.first().cloned().unwrap_or(Reason::BarePod);
            (
                Some(ends(start)),
                Basis::Force {
                    against: Box::new(against),
                },
            )
        }
        Verdict::Evict => {
            let rounds = rounds(scene, node, entry);
            (
                Some(ends(after(start, times(round, rounds.saturating_sub(1))))),
                evictions(rounds),
            )
        }
        Verdict::Wait(wait) => match &wait.on {
            Reason::Ending | Reason::Overdue => (wait.until, Basis::Ending),
            Reason::Primary { .. } => {
                let moved = after(start, policy.rearm_after);
                (Some(ends(wait.until.unwrap_or(moved).min(moved))), Basis::PrimaryMoves)
            }
            Reason::Budget { .. } | Reason::SetMateDown { .. } | Reason::SetIncomplete { .. } if recovers(pod) => {
                let rounds = rounds(scene, node, entry).saturating_add(1);
                (Some(ends(after(start, times(round, rounds)))), evictions(rounds))
            }
            on => (
                wait.until.map(ends),
                Basis::Force {
                    against: Box::new(on.clone()),
                },
            ),
        },
    }
}

fn evictions(rounds: usize) -> Basis {
    Basis::Evictions {
        rounds: u32::try_from(rounds).unwrap_or(u32::MAX),
    }
}

/// A running pod's siblings usually come back; one that has not started says nothing about them.
fn recovers(pod: &PodState) -> bool {
    pod.phase == Phase::Running
}

/// In how many rounds the budget lets the pods of the node go.
fn rounds(scene: &Scene<'_>, node: &NodeState, entry: &PodEntry) -> usize {
    let on_node = |slot: &PodSlot| {
        scene
            .view
            .entry_at(*slot)
            .is_some_and(|e| e.pod.node.as_ref() == Some(&node.name) && !e.pod.stays())
    };
    let of_budgets = entry
        .budgets
        .iter()
        .filter_map(|slot| scene.view.budget_at(*slot))
        .map(|guard| {
            let free = guard.budget.unhealthy == UnhealthyPods::AlwaysAllow && !entry.pod.readiness.is_ready();
            let room = usize::try_from(guard.budget.room()).unwrap_or(usize::MAX).max(1);
            if free {
                1
            } else {
                guard.pods.iter().filter(|slot| on_node(slot)).count().div_ceil(room)
            }
        });
    let of_set = scene
        .view
        .set_members(&entry.pod)
        .iter()
        .filter(|slot| on_node(slot))
        .count();
    of_budgets.chain([of_set, 1]).max().unwrap_or(1)
}

/// When a pod could be force-terminated if the drain of its node began at `start`; `None` for never.
pub(crate) fn force_time(
    view: &ClusterView,
    policy: &Policy,
    node: &NodeState,
    slot: PodSlot,
    entry: &PodEntry,
    start: Timestamp,
) -> (Option<Timestamp>, Rule) {
    let node = begun(node, start);
    let scene = Scene {
        view,
        policy,
        ledger: &Ledger::default(),
        now: start,
    };
    let Some(mark) = &node.mark else {
        return (None, Rule::GracePeriod);
    };
    let gate = force::gate(&scene, &node, mark, slot, entry);
    (unless_never(gate.at), gate.rule)
}
