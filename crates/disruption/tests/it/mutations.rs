//! Each rule matters: with all of them no promise breaks, with one switched off that rule's promise does.

use disruption::Rule;

use crate::oracle::breaches;
use crate::random::case;
use crate::support::t0;

const SEEDS: u64 = 2_500;

#[test]
fn with_all_rules_no_promise_breaks() {
    for seed in 0..SEEDS {
        assert_eq!(breaches(&case(seed), t0()), [], "seed {seed}");
    }
}

/// Finds a seed at which the rule's promise breaks once the rule is off.
fn breaks_without(rule: Rule) {
    let broken = (0..SEEDS * 6).find(|seed| {
        let mut case = case(*seed);
        case.policy.rules = case.policy.rules.without(rule);
        breaches(&case, t0()).iter().any(|(breached, _)| *breached == rule)
    });
    assert!(broken.is_some(), "{rule:?} can be switched off and nothing breaks");
}

macro_rules! mutations {
    ($($test:ident = $rule:ident,)*) => {
        $(#[test]
        fn $test() {
            breaks_without(Rule::$rule);
        })*

        #[test]
        fn every_rule_has_its_mutation() {
            let tested = [$(Rule::$rule,)*];
            let left: Vec<&Rule> = Rule::ALL.iter().filter(|rule| !tested.contains(rule)).collect();
            assert!(left.is_empty(), "{left:?}");
        }
    };
}

mutations! {
    without_finished_stays = FinishedStays,
    without_daemon_set_stays = DaemonSetStays,
    without_static_stays = StaticStays,
    without_ending_awaited = EndingAwaited,
    without_blocked = Blocked,
    without_cordon_first = CordonFirst,
    without_budget = Budget,
    without_several_budgets = SeveralBudgets,
    without_stale_budget = StaleBudget,
    without_stateful_set_one_at_a_time = StatefulSetOneAtATime,
    without_primary_moves_first = PrimaryMovesFirst,
    without_job_ends = JobEnds,
    without_bare_pod_held = BarePodHeld,
    without_local_data_held = LocalDataHeld,
    without_owner_hold = OwnerHold,
    without_operator_moves = OperatorMoves,
    without_refusal_pause = RefusalPause,
    without_grace_period = GracePeriod,
    without_pod_lifetime = PodLifetime,
    without_force_interval = ForceInterval,
    without_ready_siblings = ReadySiblings,
    without_unready_siblings = UnreadySiblings,
    without_group_interval = GroupInterval,
    without_job_deadline = JobDeadline,
    without_operator_time = OperatorTime,
    without_machine_ends = MachineEnds,
    without_capacity_first = CapacityFirst,
    without_zone_match = ZoneMatch,
    without_in_flight = InFlight,
    without_sets_apart = SetsApart,
    without_repair_brake = RepairBrake,
    without_all_drained_first = AllDrainedFirst,
}
