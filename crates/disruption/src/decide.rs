//! The one function: what may happen to a pod, a node, a cluster now.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::decision::{Leave, NodeDecision, NodeStep, PodDecision, PrimarySignal, Reason, Unknown, Verdict, Wait};
use crate::force;
use crate::names::{NodeName, PodKey};
use crate::node::{NodeMark, NodeState};
use crate::order;
use crate::pod::{PodKind, PodState};
use crate::policy::Policy;
use crate::protect::{primary_label, protections};
use crate::rule::Rule;
use crate::time::{after, unless_never};
use crate::view::{BudgetSlot, ClusterView, PodEntry, PodSlot};

/// What has been decided in this round and is not in the view yet.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    used: BTreeMap<BudgetSlot, u32>,
    forced_in: BTreeMap<BudgetSlot, Timestamp>,
    forced_on: BTreeMap<NodeName, Timestamp>,
    going: BTreeMap<PodSlot, Timestamp>,
}

impl Ledger {
    /// Disruptions of a budget that this round has used up.
    pub(crate) fn used(&self, budget: BudgetSlot) -> u32 {
        self.used.get(&budget).copied().unwrap_or(0)
    }

    /// Since when a pod is on its way out by a decision of this round.
    pub(crate) fn going(&self, pod: PodSlot) -> Option<Timestamp> {
        self.going.get(&pod).copied()
    }

    pub(crate) fn forced_in(&self, budget: BudgetSlot) -> Option<Timestamp> {
        self.forced_in.get(&budget).copied()
    }

    pub(crate) fn forced_on(&self, node: &NodeName) -> Option<Timestamp> {
        self.forced_on.get(node).copied()
    }

    fn record(&mut self, node: &NodeName, slot: PodSlot, entry: &PodEntry, verdict: &Verdict, now: Timestamp) {
        let forced = match verdict {
            Verdict::Evict => false,
            Verdict::Force(_) => true,
            Verdict::Wait(_) | Verdict::Leave(_) => return,
        };
        self.going.insert(slot, now);
        for budget in &entry.budgets {
            if entry.pod.is_healthy() {
                *self.used.entry(*budget).or_default() += 1;
            }
            if forced {
                self.forced_in.insert(*budget, now);
            }
        }
        if forced {
            self.forced_on.insert(node.clone(), now);
        }
    }
}

/// Everything that a decision looks at.
pub(crate) struct Scene<'a> {
    pub(crate) view: &'a ClusterView,
    pub(crate) policy: &'a Policy,
    pub(crate) ledger: &'a Ledger,
    pub(crate) now: Timestamp,
}

/// Decides what may happen to one pod now, taken by itself.
///
/// Use it to explain. To act, take the decisions of [`decide_node`] or [`decide_cluster`]: two pods that may each go alone
/// may not be allowed to go together.
///
/// # Errors
/// [`Unknown`] when the view lacks the pod or the node, or the pod is not on the node.
pub fn decide_pod(
    view: &ClusterView,
    policy: &Policy,
    node: &NodeName,
    pod: &PodKey,
    now: Timestamp,
) -> Result<PodDecision, Unknown> {
    let state = view.node(node).ok_or_else(|| Unknown::Node { node: node.clone() })?;
    let unknown = || Unknown::Pod { pod: pod.clone() };
    let slot = view.slot(pod).ok_or_else(unknown)?;
    let entry = view.entry_at(slot).ok_or_else(unknown)?;
    if entry.pod.node.as_ref() != Some(node) {
        return Err(Unknown::Elsewhere {
            pod: pod.clone(),
            node: node.clone(),
        });
    }
    let scene = Scene {
        view,
        policy,
        ledger: &Ledger::default(),
        now,
    };
    Ok(scene.decide(state, slot, entry))
}

/// Decides what happens to a node next, with the decisions on all its pods.
///
/// # Errors
/// [`Unknown::Node`] when the view lacks the node.
pub fn decide_node(
    view: &ClusterView,
    policy: &Policy,
    node: &NodeName,
    now: Timestamp,
) -> Result<NodeDecision, Unknown> {
    let state = view.node(node).ok_or_else(|| Unknown::Node { node: node.clone() })?;
    Ok(node_with(view, policy, state, &mut Ledger::default(), now))
}

/// Decides for all marked nodes at once, in the order of [`order::nodes`](crate::node_order): the decisions may be
/// carried out together, since each takes those before it as carried out.
#[must_use]
pub fn decide_cluster(view: &ClusterView, policy: &Policy, now: Timestamp) -> Vec<NodeDecision> {
    let marked = view.nodes().filter(|node| node.mark.is_some());
    decide_all(view, policy, now, marked.collect())
}

/// The same for those nodes only whose drain has begun or whose machine goes away: on all others nothing happens to a pod,
/// so executors of large pools need not look at them in every round.
#[must_use]
pub fn decide_going(view: &ClusterView, policy: &Policy, now: Timestamp) -> Vec<NodeDecision> {
    decide_all(view, policy, now, view.going().collect())
}

fn decide_all(view: &ClusterView, policy: &Policy, now: Timestamp, mut marked: Vec<&NodeState>) -> Vec<NodeDecision> {
    let mut ledger = Ledger::default();
    marked.sort_by(|a, b| order::by_turn(a, b));
    marked
        .into_iter()
        .map(|node| node_with(view, policy, node, &mut ledger, now))
        .collect()
}

fn node_with(
    view: &ClusterView,
    policy: &Policy,
    node: &NodeState,
    ledger: &mut Ledger,
    now: Timestamp,
) -> NodeDecision {
    let mut pods = Vec::new();
    for (slot, entry) in order::pods_of(view, policy, &node.name) {
        let decision = Scene {
            view,
            policy,
            ledger,
            now,
        }
        .decide(node, slot, entry);
        ledger.record(&node.name, slot, entry, &decision.verdict, now);
        pods.push(decision);
    }
    let signal = primary_signal(view, policy, node, now);
    let signal_change = match &signal {
        Some(PrimarySignal::Given { again_at }) => unless_never(*again_at),
        _ => None,
    };
    let changes_at = pods.iter().filter_map(|pod| pod.changes_at).chain(signal_change).min();
    NodeDecision {
        node: node.name.clone(),
        step: step(view, policy, node, &pods, now),
        pods,
        primary_signal: signal,
        changes_at,
    }
}

fn step(view: &ClusterView, policy: &Policy, node: &NodeState, pods: &[PodDecision], now: Timestamp) -> NodeStep {
    let Some(mark) = &node.mark else { return NodeStep::Stays };
    if let Some(reason) = &mark.quarantined {
        return NodeStep::Quarantined(reason.clone());
    }
    let chosen = |wanted: fn(&Verdict) -> bool| -> Vec<PodKey> {
        let pods = pods.iter().filter(|pod| wanted(&pod.verdict));
        pods.map(|pod| pod.pod.clone()).collect()
    };
    let evict = chosen(|verdict| matches!(verdict, Verdict::Evict));
    let force = chosen(|verdict| matches!(verdict, Verdict::Force(_)));
    if !evict.is_empty() || !force.is_empty() {
        return NodeStep::Act { evict, force };
    }
    let blocked = blocked(view, policy, mark, now);
    if mark.draining.is_none() && mark.machine_ends.is_none() && !blocked {
        return NodeStep::WaitsForItsTurn;
    }
    if !node.cordoned && !blocked {
        return NodeStep::Cordon;
    }
    if let Some(pod) = chosen(|verdict| matches!(verdict, Verdict::Leave(Leave::Stuck)))
        .into_iter()
        .next()
    {
        return NodeStep::Quarantine { pod };
    }
    // A wait without end outlasts every other; of equal ones the first in order speaks.
    let waits = pods.iter().filter_map(|pod| match &pod.verdict {
        Verdict::Wait(wait) => Some((pod, wait.until)),
        _ => None,
    });
    let longest = waits.reduce(|best, next| {
        let longer = next.1.unwrap_or(Timestamp::MAX) > best.1.unwrap_or(Timestamp::MAX);
        if longer { next } else { best }
    });
    match longest {
        Some((pod, until)) => NodeStep::Wait {
            pod: Some(pod.pod.clone()),
            until,
        },
        None if blocked => NodeStep::Wait {
            pod: None,
            until: view.block().and_then(|block| block.until),
        },
        None => NodeStep::Drained,
    }
}

/// Whether the cluster's block holds for this node. A machine that goes away anyway is emptied politely all the same.
fn blocked(view: &ClusterView, policy: &Policy, mark: &NodeMark, now: Timestamp) -> bool {
    policy.rules.on(Rule::Blocked) && mark.machine_ends.is_none() && view.block().is_some_and(|block| block.holds(now))
}

fn primary_signal(view: &ClusterView, policy: &Policy, node: &NodeState, now: Timestamp) -> Option<PrimarySignal> {
    let mark = node.mark.as_ref().filter(|_| node.is_draining())?;
    let waiting = |pod: &PodState| !pod.stays() && pod.terminating.is_none() && primary_label(policy, pod).is_some();
    if blocked(view, policy, mark, now) || !view.pods_on(&node.name).any(waiting) {
        return None;
    }
    let Some(given) = mark.ready_label_removed else {
        return Some(PrimarySignal::RemoveReadyLabel);
    };
    let again_at = after(given, policy.rearm_after);
    Some(if now < again_at {
        PrimarySignal::Given { again_at }
    } else {
        PrimarySignal::GiveAgain
    })
}

impl Scene<'_> {
    /// The decision on one pod: first what never moves, then what is moving already, then the guards of the node, then
    /// the pod's own protections against its clocks.
    pub(crate) fn decide(&self, node: &NodeState, slot: PodSlot, entry: &PodEntry) -> PodDecision {
        let (verdict, changes_at) = self.verdict(node, slot, entry);
        PodDecision {
            pod: entry.pod.key.clone(),
            verdict,
            changes_at,
        }
    }

    fn verdict(&self, node: &NodeState, slot: PodSlot, entry: &PodEntry) -> (Verdict, Option<Timestamp>) {
        let pod = &entry.pod;
        let leave = |why| (Verdict::Leave(why), None);
        if let Some(why) = self.stays(pod) {
            return leave(why);
        }
        let Some(mark) = &node.mark else {
            return leave(Leave::NodeStays);
        };
        if let Some(reason) = &mark.quarantined {
            return leave(Leave::NodeQuarantined(reason.clone()));
        }
        if let Some(ending) = self.ending(pod) {
            return ending;
        }
        if let Some(guarded) = self.guards(node, mark) {
            return guarded;
        }
        let since = mark.draining.unwrap_or(mark.selected).max(pod.created);
        let protections = protections(self, slot, entry);
        let Some(first) = protections.first() else {
            return self.evict(pod);
        };
        let gate = force::gate(self, node, mark, slot, entry);
        if gate.at <= self.now {
            let evidence = force::evidence(self, node, mark, slot, entry, gate.cause, protections);
            return (Verdict::Force(Box::new(evidence)), None);
        }
        let until = unless_never(gate.at);
        (
            Verdict::Wait(Wait {
                since,
                until,
                on: first.clone(),
                gate: until.map(|_| gate.rule),
            }),
            until,
        )
    }

    fn stays(&self, pod: &PodState) -> Option<Leave> {
        let on = |rule| self.policy.rules.on(rule);
        match pod.kind {
            _ if pod.is_finished() && on(Rule::FinishedStays) => Some(Leave::Finished),
            PodKind::DaemonSet(_) if on(Rule::DaemonSetStays) => Some(Leave::DaemonSet),
            PodKind::Static if on(Rule::StaticStays) => Some(Leave::Static),
            _ => None,
        }
    }

    /// A pod on its way out gets its time, then some more, then its node is given up.
    fn ending(&self, pod: &PodState) -> Option<(Verdict, Option<Timestamp>)> {
        let termination = pod.terminating.filter(|_| self.policy.rules.on(Rule::EndingAwaited))?;
        let due = termination.due(self.policy.termination_headroom);
        let stuck = after(due, self.policy.stuck_after);
        let wait = |since, until, on| {
            let until = unless_never(until);
            (
                Verdict::Wait(Wait {
                    since,
                    until,
                    on,
                    gate: None,
                }),
                until,
            )
        };
        Some(if self.now < due {
            wait(termination.since, due, Reason::Ending)
        } else if self.now < stuck {
            wait(termination.since, stuck, Reason::Overdue)
        } else {
            (Verdict::Leave(Leave::Stuck), None)
        })
    }

    /// Guards of the cluster and the node, before any question about the pod itself.
    fn guards(&self, node: &NodeState, mark: &NodeMark) -> Option<(Verdict, Option<Timestamp>)> {
        let wait = |since, until, on| {
            Some((
                Verdict::Wait(Wait {
                    since,
                    until,
                    on,
                    gate: None,
                }),
                until,
            ))
        };
        if let Some(block) = self
            .view
            .block()
            .filter(|_| blocked(self.view, self.policy, mark, self.now))
        {
            let on = Reason::Blocked {
                why: block.reason.clone(),
                owner: block.owner.clone(),
            };
            return wait(block.since.max(mark.selected), block.until, on);
        }
        // A dying machine's pods are better asked to leave from a node that is not prepared than killed with it.
        if !self.policy.rules.on(Rule::CordonFirst) || mark.machine_ends.is_some() {
            return None;
        }
        match mark.draining {
            None => wait(mark.selected, None, Reason::NotDraining),
            Some(start) if !node.cordoned => wait(start, None, Reason::NotCordoned),
            Some(_) => None,
        }
    }

    fn evict(&self, pod: &PodState) -> (Verdict, Option<Timestamp>) {
        let pause = |at| after(at, self.policy.poll_interval);
        let refused = pod.refused.filter(|_| self.policy.rules.on(Rule::RefusalPause));
        match refused.map(|at| (at, pause(at))) {
            Some((since, until)) if self.now < until => {
                let wait = Wait {
                    since,
                    until: Some(until),
                    on: Reason::JustRefused,
                    gate: None,
                };
                (Verdict::Wait(wait), Some(until))
            }
            _ => (Verdict::Evict, None),
        }
    }
}

/// Names of the pods that a round of decisions asks to go, for executors and tests.
#[must_use]
pub fn leaving(decisions: &[NodeDecision]) -> BTreeSet<PodKey> {
    let pods = decisions.iter().flat_map(|node| &node.pods);
    pods.filter(|pod| matches!(pod.verdict, Verdict::Evict | Verdict::Force(_)))
        .map(|pod| pod.pod.clone())
        .collect()
}
