//! Properties of every decision on random clusters.

use std::collections::{BTreeMap, BTreeSet};

use disruption::{ClusterView, PodDecision, PodKey, PodKind, Policy, Rule, decide_cluster, decide_node, decide_pod};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::oracle::breaches;
use crate::random::{Case, Dice, case};
use crate::support::{plus, t0, word};

fn all_pods(case: &Case, view: &ClusterView, policy: &Policy, now: Timestamp) -> Vec<PodDecision> {
    let decide = |pod: &disruption::PodState| decide_pod(view, policy, pod.node.as_ref().unwrap(), &pod.key, now);
    case.pods.iter().map(|pod| decide(pod).unwrap()).collect()
}

/// How many siblings a pod has, counted pod by pod from the definition.
fn siblings_of(case: &Case, key: &PodKey) -> usize {
    let pod = case.pods.iter().find(|pod| pod.key == *key).unwrap();
    let set = |pod: &disruption::PodState| match &pod.kind {
        PodKind::StatefulSet { owner, .. } => Some(owner.name.clone()),
        _ => None,
    };
    let related = |other: &&disruption::PodState| {
        let both = |b: &disruption::Budget| {
            b.key.namespace == key.namespace && b.selector.matches(&pod.labels) && b.selector.matches(&other.labels)
        };
        let guarded = case.budgets.iter().any(both) || (set(pod).is_some() && set(pod) == set(other));
        let counts = !other.is_finished() && !matches!(other.kind, PodKind::Job { .. });
        other.key != *key && other.key.namespace == key.namespace && counts && guarded
    };
    case.pods.iter().filter(related).count()
}

fn nano() -> SignedDuration {
    SignedDuration::from_nanos(1)
}

const VERDICTS: [&str; 22] = [
    "evict",
    "force",
    "leave: DaemonSet",
    "leave: Finished",
    "leave: NodeQuarantined(\"a pod does not end\")",
    "leave: NodeStays",
    "leave: Static",
    "leave: Stuck",
    "wait: BarePodHeld",
    "wait: Blocked",
    "wait: Budget",
    "wait: CordonFirst",
    "wait: EndingAwaited",
    "wait: JobEnds",
    "wait: LocalDataHeld",
    "wait: OperatorMoves",
    "wait: OwnerHold",
    "wait: PrimaryMovesFirst",
    "wait: RefusalPause",
    "wait: SeveralBudgets",
    "wait: StaleBudget",
    "wait: StatefulSetOneAtATime",
];

/// The properties speak of something: the random clusters reach every verdict, each one often, and many decisions announce
/// an instant.
#[test]
fn random_clusters_reach_every_verdict() {
    let mut met: BTreeMap<String, u32> = BTreeMap::new();
    let mut announced = [0_u32; 2];
    for seed in 0..2_000 {
        let case = case(seed);
        for decision in all_pods(&case, &case.view(), &case.policy, t0()) {
            *met.entry(word(&decision)).or_default() += 1;
            announced[usize::from(decision.changes_at.is_some())] += 1;
        }
    }
    println!("{announced:?} {met:?}");
    for verdict in VERDICTS {
        let count = met.remove(verdict).unwrap_or(0);
        assert!(count >= 20, "{verdict}: {count}");
    }
    assert_eq!(met, BTreeMap::new(), "verdicts that nobody expected");
    assert!(announced.iter().all(|count| *count >= 1_500), "{announced:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    /// Nothing changes before the announced time, something changes then; without one, nothing ever changes.
    #[test]
    fn the_announced_change_is_exact(seed: u64) {
        let case = case(seed);
        let view = case.view();
        let at = |now| all_pods(&case, &view, &case.policy, now);
        let mut dice = Dice::new(seed);
        for (i, decision) in at(t0()).into_iter().enumerate() {
            let same = |now: Timestamp| at(now)[i].verdict.says_same(&decision.verdict);
            if let Some(change) = decision.changes_at {
                prop_assert!(change > t0(), "{decision:?}");
                prop_assert!(same(change - nano()), "before: {decision:?}");
                prop_assert!(!same(change), "at: {decision:?}");
                let width = u64::try_from(change.duration_since(t0()).as_nanos()).unwrap();
                let inside = i64::try_from(dice.below(width)).unwrap();
                prop_assert!(same(t0() + SignedDuration::from_nanos(inside)), "between: {decision:?}");
            } else {
                for later in ["1ns", "30s", "5m", "1h", "6h", "71h59m", "72h", "90h", "1000h"] {
                    prop_assert!(same(plus(t0(), later)), "{later}: {decision:?}");
                }
            }
        }
    }

    /// A node's announced change is exact as long as nothing is carried out.
    #[test]
    fn a_nodes_announced_change_is_exact(seed: u64) {
        let case = case(seed);
        let view = case.view();
        for node in &case.nodes {
            let at = |now| decide_node(&view, &case.policy, &node.name, now).unwrap();
            let decision = at(t0());
            // A forced termination in the same round starts clocks at the instant of the round.
            let acts = matches!(decision.step, disruption::NodeStep::Act { .. });
            if let Some(change) = decision.changes_at.filter(|_| !acts) {
                let before = at(change - nano());
                prop_assert_eq!(&before, &decision);
                prop_assert_ne!(at(change), decision);
            }
        }
    }

    /// V1 to V3, and every other promise on a decision, hold in every round: now, at each instant that a decision announces,
    /// and the moment before.
    #[test]
    fn no_promise_breaks_when_a_clock_runs_out(seed: u64) {
        let case = case(seed);
        let view = case.view();
        let mut instants = BTreeSet::from([t0()]);
        for change in all_pods(&case, &view, &case.policy, t0()).iter().filter_map(|decision| decision.changes_at) {
            instants.extend([change - nano(), change]);
        }
        for now in instants {
            prop_assert_eq!(breaches(&case, now), [], "at {}", now);
        }
    }

    /// The order of the input lists and the way by which the view came to be do not matter.
    #[test]
    fn order_of_arrival_does_not_matter(seed: u64) {
        let case = case(seed);
        let expected = decide_cluster(&case.view(), &case.policy, t0());
        prop_assert_eq!(&decide_cluster(&case.view(), &case.policy, t0()), &expected);

        let mut dice = Dice::new(seed ^ 1);
        let mut view = ClusterView::default();
        view.set_block(case.block.clone());
        let mut steps: Vec<u64> = (0..(case.nodes.len() + case.budgets.len() + case.pods.len()) as u64).collect();
        steps.sort_by_cached_key(|_| dice.next());
        for step in steps {
            let step = usize::try_from(step).unwrap();
            let (nodes, budgets) = (case.nodes.len(), case.budgets.len());
            if step < nodes {
                view.set_node(case.nodes[step].clone());
            } else if step < nodes + budgets {
                view.set_budget(case.budgets[step - nodes].clone());
            } else {
                // Each pod arrives as something else first, goes, and comes back.
                let pod = case.pods[step - nodes - budgets].clone();
                let mut other = pod.clone();
                other.labels = [("app", "other")].into_iter().collect();
                other.node = None;
                view.set_pod(other);
                if dice.one_in(2) {
                    view.remove_pod(&pod.key);
                }
                view.set_pod(pod);
            }
        }
        prop_assert_eq!(decide_cluster(&view, &case.policy, t0()), expected);
    }

    /// What acts alone and what acts in a round agree, but for what the round takes as carried out.
    #[test]
    fn a_round_asks_no_more_to_go_than_its_pods_alone(seed: u64) {
        let case = case(seed);
        let view = case.view();
        for node in decide_cluster(&view, &case.policy, t0()) {
            for decision in node.pods {
                let alone = decide_pod(&view, &case.policy, &node.node, &decision.pod, t0()).unwrap();
                let goes = |d: &PodDecision| matches!(d.verdict, disruption::Verdict::Evict | disruption::Verdict::Force(_));
                prop_assert!(goes(&alone) || !goes(&decision), "{alone:?} {decision:?}");
            }
        }
    }

    /// Evidence is complete, serialisable and true.
    #[test]
    fn evidence_can_be_kept_and_checked_again(seed: u64) {
        let case = case(seed);
        for node in decide_cluster(&case.view(), &case.policy, t0()) {
            for decision in node.pods {
                let text = serde_json::to_string(&decision).unwrap();
                let read: PodDecision = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(&read, &decision);
                if let disruption::Verdict::Force(evidence) = decision.verdict {
                    prop_assert!(!evidence.protections.is_empty());
                    if evidence.cause == disruption::Cause::Contract {
                        prop_assert_eq!(evidence.unmet().count(), 0);
                        let read = |rule| evidence.rules.iter().filter(|reading| reading.rule == rule).count();
                        prop_assert_eq!((read(Rule::GracePeriod), read(Rule::PodLifetime)), (1, 1));
                        let siblings = read(Rule::ReadySiblings) + read(Rule::UnreadySiblings);
                        prop_assert_eq!(siblings, siblings_of(&case, &evidence.pod));
                    }
                }
            }
        }
    }
}
