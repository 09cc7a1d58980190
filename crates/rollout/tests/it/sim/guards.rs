//! Each guard matters: with one switched off, the oracle finds a breach of exactly the promise that the guard keeps. Where two
//! guards keep the same promise one behind the other, both are off, and the comment says so.

use disruption::Rule;
use rollout::Guard;

use super::case::{Case, Guard as Budget, Load, Taste};
use super::run;

const FROZEN: Load = Load::Deployment {
    replicas: 3,
    budget: Budget::MaxUnavailable(0),
    ready: true,
};
const CAREFUL: Load = Load::Deployment {
    replicas: 4,
    budget: Budget::MaxUnavailable(1),
    ready: true,
};
const KILLS: Taste = Taste {
    kills: true,
    ..Taste::CALM
};

/// Runs seeds until the oracle finds a breach of this law, and returns it. Unoptimised that takes minutes.
fn breaks(law: &'static str, seeds: u64, case: impl Fn(u64) -> Case) -> String {
    if cfg!(debug_assertions) && super::number("FLEETWRIGHT_GUARDS").is_none() {
        return format!("{law}: passed over in an unoptimised build; FLEETWRIGHT_GUARDS=1 runs it all the same");
    }
    let mut others = Vec::new();
    for seed in 0..seeds {
        let seen = run(Case {
            seeks: Some(law),
            ..case(seed)
        });
        if let Some(breach) = seen.breaches.iter().find(|breach| breach.starts_with(law)) {
            return format!("seed {seed}: {breach}");
        }
        others.extend(seen.breaches);
    }
    panic!("nobody noticed in {seeds} seeds; others: {others:#?}");
}

macro_rules! guards {
    ($($test:ident: $law:literal in $seeds:literal seeds, $case:expr;)*) => {
        $(#[test]
        fn $test() {
            println!("{}", breaks($law, $seeds, $case));
        })*

        /// The tests of the contract's rules are complete in the crate that has the contract; those of the engine's guards here.
        #[test]
        fn every_guard_of_the_engine_has_its_test() {
            let cases: Vec<Case> = vec![$($case(0)),*];
            let tested = |guard: &&Guard| cases.iter().any(|case| !case.guards.on(**guard));
            let left: Vec<&Guard> = Guard::ALL.iter().filter(|guard| !tested(guard)).collect();
            assert!(left.is_empty(), "{left:?}");
        }
    };
}

guards! {
    // Pods are known later than their nodes; the second look would still find them.
    without_reading_everything_first_v1_is_breached: "V1" in 20 seeds, |seed| Case {
        taste: Taste { late: true, ..KILLS },
        ..Case::about(seed, &[FROZEN, CAREFUL])
    }.without_guards(&[Guard::Complete, Guard::SecondLook]);
    without_asking_for_blocks_v4_is_breached: "V4" in 20 seeds, |seed| Case::about(seed, &[FROZEN, CAREFUL])
        .taste(Taste { people: true, ..Taste::CALM }).without_guards(&[Guard::Blocks]);
    without_asking_for_the_lease_v10_is_breached: "V10" in 20 seeds, |seed| Case {
        managers: 2,
        ..Case::about(seed, &[FROZEN, CAREFUL])
    }.taste(KILLS).without_guards(&[Guard::Lease]);
    without_evidence_first_v15_is_breached: "V15" in 5 seeds, |seed| Case::about(seed, &[FROZEN]).without_guards(&[Guard::Evidence]);
    without_the_pace_on_the_node_v3_is_breached: "V3 node" in 120 seeds, |seed| Case {
        nodes: 2,
        trouble: 240,
        ..Case::about(seed, &[FROZEN, FROZEN, FROZEN, FROZEN])
    }.taste(KILLS).without_guards(&[Guard::Pace]);
    // Young siblings hold a pod back as well.
    without_the_paces_on_record_v3_is_breached: "V3 budget" in 120 seeds, |seed| Case {
        trouble: 240,
        ..Case::about(seed, &[FROZEN, FROZEN])
    }.taste(KILLS).without_guards(&[Guard::Records]).without_rules(&[Rule::ReadySiblings, Rule::UnreadySiblings]);
    without_a_second_look_v1_is_breached: "V1" in 120 seeds, |seed| Case::about(seed, &[Load::Bare])
        .taste(Taste { gaps: true, bursts: true, ..Taste::CALM }).without_guards(&[Guard::SecondLook]);
    without_comparing_clocks_v2_is_breached: "V2" in 20 seeds, |seed| Case::about(seed, &[FROZEN, FROZEN])
        .taste(Taste { jumps: true, ..Taste::CALM }).without_guards(&[Guard::Clock]);
    without_holding_zones_still_v1_is_breached: "V1" in 40 seeds, |seed| Case {
        zones: "ab",
        nodes: 4,
        ..Case::about(seed, &[FROZEN, CAREFUL, Load::Volumes { replicas: 3, budget: Budget::MaxUnavailable(1) }])
    }.taste(Taste { losses: true, ..Taste::CALM }).without_guards(&[Guard::Zones]);
    without_taking_marks_back_w3_is_breached: "W3" in 20 seeds, |seed| Case {
        trouble: 5,
        ..Case::about(seed, &[FROZEN])
    }.taste(Taste { people: true, ..Taste::CALM }).without_guards(&[Guard::TakeBack]);

    without_the_grace_period_v2_is_breached: "V2 grace" in 5 seeds, |seed| Case::about(seed, &[FROZEN, FROZEN])
        .without_rules(&[Rule::GracePeriod]);
    without_the_minimum_lifetime_v2_is_breached: "V2 lifetime" in 5 seeds, |seed| Case::about(seed, &[FROZEN, FROZEN])
        .without_rules(&[Rule::PodLifetime]);
    // Owners make their pods anew all the time; what we terminate ourselves the interval of the group spaces out as well.
    without_ready_siblings_v2_is_breached: "V2 ready" in 10 seeds, |seed| Case::about(seed, &[FROZEN, FROZEN])
        .taste(Taste { restarts: true, ..Taste::CALM }).without_rules(&[Rule::ReadySiblings]);
    without_unready_siblings_v2_is_breached: "V2 unready" in 20 seeds, |seed| Case::about(seed, &[
        Load::Deployment { replicas: 4, budget: Budget::MaxUnavailable(1), ready: false }])
        .without_rules(&[Rule::UnreadySiblings]);
    without_the_force_interval_v3_is_breached: "V3 node" in 10 seeds, |seed| Case::about(seed, &[FROZEN, FROZEN, FROZEN])
        .without_rules(&[Rule::ForceInterval]);
    // Young siblings hold a pod back as well.
    without_the_group_interval_v3_is_breached: "V3 budget" in 10 seeds, |seed| Case::about(seed, &[FROZEN, FROZEN])
        .without_rules(&[Rule::GroupInterval, Rule::ReadySiblings, Rule::UnreadySiblings]);
    without_the_deadline_of_jobs_v2_is_breached: "V2 deadline" in 10 seeds, |seed| Case::about(seed, &[
        Load::Job { minutes: 600, deadline: Some(400) }]).without_rules(&[Rule::JobDeadline]);
    without_waiting_for_jobs_s3_is_breached: "S3" in 5 seeds, |seed| Case::about(seed, &[
        Load::Job { minutes: 600, deadline: None }]).without_rules(&[Rule::JobEnds]);
    without_respect_for_budgets_w2_is_breached: "W2" in 2 seeds, |seed| Case::about(seed, &[FROZEN]).without_rules(&[Rule::Budget]);
    without_several_budgets_w2_is_breached: "W2" in 2 seeds, |seed| Case::about(seed, &[
        Load::Deployment { replicas: 2, budget: Budget::Overlapping, ready: true }]).without_rules(&[Rule::SeveralBudgets]);
    without_one_member_at_a_time_s1_is_breached: "S1" in 20 seeds, |seed| Case::about(seed, &[
        Load::Volumes { replicas: 3, budget: Budget::None }, Load::Volumes { replicas: 3, budget: Budget::None }])
        .without_rules(&[Rule::StatefulSetOneAtATime]);
    // Nobody moves the role before the node is closed, and no budget keeps the primary.
    without_primaries_moving_first_s2_is_breached: "S2" in 20 seeds, |seed| Case::about(seed, &[
        Load::Postgres { replicas: 3, works: false, budget: false }]).without_rules(&[Rule::PrimaryMovesFirst]);
    without_waiting_for_operators_v2_is_breached: "V2 operator" in 20 seeds, |seed| {
        let mut case = Case::about(seed, &[Load::Search { replicas: 3, operator: true }]);
        // The operator begins within a minute and needs five more; everything else is over between.
        case.policy.grace_period = model::duration::GoDuration::from_nanos(3 * 60_000_000_000);
        case.policy.min_pod_lifetime = model::duration::GoDuration::from_nanos(0);
        case.policy.min_healthy_sibling_lifetime = model::duration::GoDuration::from_nanos(0);
        case.policy.min_unhealthy_sibling_lifetime = model::duration::GoDuration::from_nanos(0);
        case.without_rules(&[Rule::OperatorTime])
    };
    // On the spot market nobody waits for new nodes, which would limit them as well.
    without_the_limit_in_flight_v5_is_breached: "V5" in 10 seeds, |seed| Case {
        nodes: 4,
        spot: true,
        ..Case::about(seed, &[CAREFUL, FROZEN])
    }.without_rules(&[Rule::InFlight]);
    without_capacity_first_c1_is_breached: "C1" in 5 seeds, |seed| Case::about(seed, &[CAREFUL]).without_rules(&[Rule::CapacityFirst]);
    // Pods that come let the engine look again all the time.
    without_the_pause_after_refusals_p1_is_breached: "P1" in 20 seeds, |seed| Case::about(seed, &[FROZEN])
        .taste(Taste { bursts: true, ..Taste::CALM }).without_rules(&[Rule::RefusalPause, Rule::Budget]);
    without_daemon_sets_staying_k1_is_breached: "K1" in 5 seeds, |seed| Case::about(seed, &[Load::Daemon, CAREFUL])
        .without_rules(&[Rule::DaemonSetStays]);
}
