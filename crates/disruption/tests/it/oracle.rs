//! The promises again, written from their definitions and not from the code: plain loops over the input lists.

use disruption::{
    Budget, Cause, Handling, NodeState, Phase, PodKey, PodKind, PodState, Rule, SiblingClock, UnhealthyPods, Verdict,
    decide_cluster, decide_pool,
};
use jiff::{SignedDuration, Timestamp};
use model::duration::GoDuration;

use crate::random::Case;

/// Every promise that the decisions of one round break at `now`, with the rule that should have kept it.
pub(crate) fn breaches(case: &Case, now: Timestamp) -> Vec<(Rule, String)> {
    let view = case.view();
    let mut found = Vec::new();
    let mut round = Round {
        case,
        now,
        going: Vec::new(),
        forced: Vec::new(),
    };
    for node in decide_cluster(&view, &case.policy, now) {
        let state = case.nodes.iter().find(|n| n.name == node.node).unwrap();
        for decision in &node.pods {
            let pod = case.pods.iter().find(|p| p.key == decision.pod).unwrap();
            let mut breach = |rule: Rule, broken: bool| {
                if broken {
                    found.push((rule, format!("{} on {}: {:?}", pod.key, state.name, decision.verdict)));
                }
            };
            match &decision.verdict {
                Verdict::Evict => {
                    round.told_to_go(state, pod, &mut breach);
                    round.evicted(pod, &mut breach);
                    round.going.push(pod);
                }
                Verdict::Force(evidence) => {
                    round.told_to_go(state, pod, &mut breach);
                    assert_eq!(evidence.decided, now);
                    if evidence.cause == Cause::Contract {
                        round.forced(state, pod, &mut breach);
                    }
                    round.going.push(pod);
                    round.forced.push((state, pod));
                }
                Verdict::Wait(_) => {
                    let ends = state.mark.as_ref().and_then(|mark| mark.machine_ends);
                    let late = ends.is_some_and(|at| back(at, case.policy.shutdown_margin) <= now);
                    breach(
                        Rule::MachineEnds,
                        late && pod.terminating.is_none() && pod.refused.is_none(),
                    );
                }
                Verdict::Leave(_) => {}
            }
        }
    }
    found.extend(pool(case, now));
    found
}

fn back(at: Timestamp, by: GoDuration) -> Timestamp {
    at - SignedDuration::from_nanos(by.nanos())
}

struct Round<'a> {
    case: &'a Case,
    now: Timestamp,
    going: Vec<&'a PodState>,
    forced: Vec<(&'a NodeState, &'a PodState)>,
}

impl<'a> Round<'a> {
    fn is_going(&self, key: &PodKey) -> bool {
        self.going.iter().any(|pod| pod.key == *key)
    }

    /// Age of a clock is below what is required.
    fn young(&self, from: Timestamp, required: GoDuration) -> bool {
        self.now.duration_since(from) < SignedDuration::from_nanos(required.nanos())
    }

    fn budgets(&self, pod: &PodState) -> Vec<&'a Budget> {
        let guards = |b: &&Budget| b.key.namespace == pod.key.namespace && b.selector.matches(&pod.labels);
        self.case.budgets.iter().filter(guards).collect()
    }

    fn mates(&self, pod: &PodState) -> Vec<&'a PodState> {
        let PodKind::StatefulSet { owner, .. } = &pod.kind else {
            return Vec::new();
        };
        let same = |other: &&PodState| {
            let set = matches!(&other.kind, PodKind::StatefulSet { owner: o, .. } if o == owner);
            set && other.key.namespace == pod.key.namespace && other.key != pod.key && !finished(other)
        };
        self.case.pods.iter().filter(same).collect()
    }

    /// What holds for every pod that is asked to go, by eviction or by force.
    fn told_to_go(&self, node: &NodeState, pod: &PodState, breach: &mut impl FnMut(Rule, bool)) {
        breach(Rule::FinishedStays, finished(pod));
        breach(Rule::DaemonSetStays, matches!(pod.kind, PodKind::DaemonSet(_)));
        breach(Rule::StaticStays, matches!(pod.kind, PodKind::Static));
        breach(Rule::EndingAwaited, pod.terminating.is_some());
        let mark = node.mark.as_ref().unwrap();
        assert_eq!(mark.quarantined, None);
        if mark.machine_ends.is_none() {
            let blocked = self
                .case
                .block
                .as_ref()
                .is_some_and(|b| b.until.is_none_or(|until| self.now < until));
            breach(Rule::Blocked, blocked);
            breach(Rule::CordonFirst, mark.draining.is_none() || !node.cordoned);
        }
    }

    /// V1: the API server would grant it, and no healthy pod goes that its budget or set needs.
    fn evicted(&self, pod: &PodState, breach: &mut impl FnMut(Rule, bool)) {
        let budgets = self.budgets(pod);
        let started = pod.phase != Phase::Pending && pod.terminating.is_none();
        breach(Rule::SeveralBudgets, started && budgets.len() > 1);
        for budget in budgets.iter().filter(|_| started) {
            let guarded =
                |p: &&&PodState| p.key.namespace == budget.key.namespace && budget.selector.matches(&p.labels);
            let used = self.going.iter().filter(guarded).filter(|p| p.is_healthy()).count();
            let used = u32::try_from(used).unwrap();
            let free = !pod.readiness.is_ready()
                && (budget.unhealthy == UnhealthyPods::AlwaysAllow
                    || (budget.desired > 0 && budget.healthy.saturating_sub(used) >= budget.desired));
            breach(
                Rule::StaleBudget,
                !free && budget.observed_generation < budget.generation,
            );
            breach(Rule::Budget, !free && budget.allowed <= used);
        }
        let mates = self.mates(pod);
        let down = mates.iter().any(|mate| !mate.is_healthy() || self.is_going(&mate.key));
        let wanted = match pod.kind {
            PodKind::StatefulSet { replicas, .. } => replicas.unwrap_or(0),
            _ => 0,
        };
        let missing = usize::try_from(wanted).unwrap() > mates.len() + 1;
        breach(Rule::StatefulSetOneAtATime, pod.is_healthy() && (down || missing));
        breach(Rule::PrimaryMovesFirst, pod.labels.get("spilo-role") == Some("master"));
        breach(Rule::JobEnds, matches!(pod.kind, PodKind::Job { .. }));
        let hold = |handling| handling == Handling::Hold;
        let policy = &self.case.policy;
        breach(
            Rule::BarePodHeld,
            matches!(pod.kind, PodKind::Bare) && hold(policy.bare_pods),
        );
        breach(Rule::LocalDataHeld, pod.local_data && hold(policy.local_data));
        breach(Rule::OwnerHold, pod.hold.is_some() && hold(policy.owner_holds));
        breach(Rule::OperatorMoves, pod.operator_moving.is_some());
        breach(
            Rule::RefusalPause,
            pod.refused.is_some_and(|at| self.young(at, policy.poll_interval)),
        );
    }

    /// V2 and V3: every clock has run, and nothing forced in this round is too near.
    fn forced(&self, node: &NodeState, pod: &PodState, breach: &mut impl FnMut(Rule, bool)) {
        let policy = &self.case.policy;
        let mark = node.mark.as_ref().unwrap();
        let started = mark.draining.unwrap_or(self.now);
        breach(Rule::GracePeriod, self.young(started, policy.grace_period));
        breach(Rule::PodLifetime, self.young(pod.created, policy.min_pod_lifetime));
        let soon = mark.last_forced.is_some_and(|at| self.young(at, policy.force_interval));
        breach(
            Rule::ForceInterval,
            soon || self.forced.iter().any(|(other, _)| other.name == node.name),
        );
        let budgets = self.budgets(pod);
        for budget in &budgets {
            let last = budget.last_forced;
            let again = last.is_some_and(|at| self.young(at, policy.min_healthy_sibling_lifetime));
            let twice = self
                .forced
                .iter()
                .any(|(_, other)| self.budgets(other).iter().any(|b| b.key == budget.key));
            breach(Rule::GroupInterval, again || twice);
        }
        let mut siblings = self.mates(pod);
        siblings.extend(self.case.pods.iter().filter(|other| {
            let shared = |b: &&Budget| b.key.namespace == other.key.namespace && b.selector.matches(&other.labels);
            other.key != pod.key
                && !finished(other)
                && !matches!(other.kind, PodKind::Job { .. })
                && budgets.iter().copied().any(|b| shared(&b))
        }));
        for sibling in siblings {
            if self.is_going(&sibling.key) {
                breach(
                    Rule::UnreadySiblings,
                    policy.min_unhealthy_sibling_lifetime > GoDuration::ZERO,
                );
            } else if let Some(termination) = sibling.terminating {
                breach(
                    Rule::UnreadySiblings,
                    self.young(termination.since, policy.min_unhealthy_sibling_lifetime),
                );
            } else {
                let from = match policy.sibling_clock {
                    SiblingClock::Lifetime => sibling.created,
                    SiblingClock::SinceChange => sibling.readiness.since(),
                };
                if sibling.readiness.is_ready() {
                    breach(
                        Rule::ReadySiblings,
                        self.young(from, policy.min_healthy_sibling_lifetime),
                    );
                } else {
                    breach(
                        Rule::UnreadySiblings,
                        self.young(from, policy.min_unhealthy_sibling_lifetime),
                    );
                }
            }
        }
        if let PodKind::Job {
            deadline: Some(deadline),
            ..
        } = pod.kind
        {
            breach(Rule::JobDeadline, self.now < deadline);
        }
        breach(
            Rule::OperatorTime,
            pod.operator_moving
                .is_some_and(|at| self.young(at, policy.operator_time)),
        );
    }
}

fn finished(pod: &PodState) -> bool {
    matches!(pod.phase, Phase::Succeeded | Phase::Failed)
}

/// Promises about which nodes begin (V4, V5 and capacity first).
fn pool(case: &Case, now: Timestamp) -> Vec<(Rule, String)> {
    let decision = decide_pool(&case.view(), &case.policy, &case.limits, now);
    let mut found = Vec::new();
    let mut breach = |rule: Rule, broken: bool| {
        if broken {
            found.push((rule, format!("{decision:?}")));
        }
    };
    let moves = |node: &NodeState| {
        let mark = node.mark.as_ref();
        let spoken_for = mark.is_some_and(|mark| mark.quarantined.is_some() || mark.machine_ends.is_some());
        let here = |pod: &&PodState| pod.node.as_ref() == Some(&node.name) && !pod.stays();
        node.outdated.is_some() && !spoken_for && (!node.is_draining() || case.pods.iter().any(|pod| here(&pod)))
    };
    breach(
        Rule::AllDrainedFirst,
        case.limits.together && !decision.keep_drained && case.nodes.iter().any(moves),
    );
    if decision.begin.is_empty() {
        return found;
    }
    let by_name = |name: &disruption::NodeName| case.nodes.iter().find(|node| node.name == *name).unwrap();
    let begun: Vec<&NodeState> = decision.begin.iter().map(by_name).collect();
    let mine = |node: &&NodeState| node.outdated.is_some() && node.is_draining();
    let going: Vec<&NodeState> = case.nodes.iter().filter(mine).collect();
    for node in &begun {
        assert!(node.mark.is_some() && node.outdated.is_some() && !node.is_draining());
    }
    breach(
        Rule::Blocked,
        case.block
            .as_ref()
            .is_some_and(|b| b.until.is_none_or(|until| now < until)),
    );
    breach(
        Rule::InFlight,
        going.len() + begun.len() > usize::try_from(case.limits.in_flight).unwrap(),
    );
    let given_up = case
        .nodes
        .iter()
        .filter(|n| n.mark.as_ref().is_some_and(|m| m.quarantined.is_some()))
        .count();
    let too_many = given_up > usize::try_from(case.limits.max_quarantined).unwrap();
    breach(
        Rule::RepairBrake,
        too_many || case.limits.failed_replacements >= case.limits.max_failed_replacements,
    );
    if !case.limits.spot {
        let ready = case.nodes.iter().filter(|node| node.ready).count();
        breach(
            Rule::CapacityFirst,
            ready < usize::try_from(case.limits.desired).unwrap(),
        );
        let new = |n: &&NodeState| n.outdated.is_none() && n.ready && !n.cordoned;
        for zone in ["x", "y"] {
            let in_zone = |n: &&NodeState| n.zone.as_ref().is_some_and(|z| z.as_str() == zone);
            let with_volumes = |n: &&NodeState| {
                let here = |p: &&PodState| p.node.as_ref() == Some(&n.name) && !p.stays();
                n.replace_first && case.pods.iter().filter(here).any(|p| !p.volume_zones.is_empty())
            };
            let needed = begun.iter().copied().filter(with_volumes).filter(in_zone).count();
            let there = case.nodes.iter().filter(new).filter(in_zone).count();
            breach(Rule::ZoneMatch, needed > there);
        }
    }
    let sets = |node: &NodeState| -> Vec<(Box<str>, Owner)> {
        let here = case
            .pods
            .iter()
            .filter(|p| p.node.as_ref() == Some(&node.name) && !finished(p));
        here.filter_map(|p| match &p.kind {
            PodKind::StatefulSet { owner, .. } => Some((p.key.namespace.clone(), owner.name.clone())),
            _ => None,
        })
        .collect()
    };
    for (i, node) in begun.iter().enumerate() {
        let others = begun.iter().take(i).chain(&going);
        let shared = others
            .flat_map(|other| sets(other))
            .any(|set| sets(node).contains(&set));
        breach(Rule::SetsApart, shared);
    }
    found
}

type Owner = Box<str>;
