//! What holds for every fleet, policy and history.

use proptest::prelude::*;

use super::*;
use crate::policy::Limits;

/// Clusters over two channels, three accounts, two environments, two types.
fn arbitrary_fleet() -> impl Strategy<Value = Vec<Member>> {
    let one = (0..2_u8, 0..4_u8, 0..2_u8, 1..3_i32, 0..2_u8, 0..10_u8);
    proptest::collection::vec(one, 1..40).prop_map(|all| {
        let each = all.into_iter().enumerate();
        each.map(|(n, (channel, account, environment, level, kind, state))| {
            let environment = ["test", "production"][usize::from(environment)];
            let state = match state {
                0..=4 => not_begun(),
                5 => broken(),
                6 => State::Updating,
                7 => State::Done,
                8 => checking(None),
                _ => failed("x"),
            };
            let mut member = member(&format!("c{n:02} {environment} {level} k{kind}"), state);
            let cluster = Arc::make_mut(&mut member.cluster);
            cluster.channel = ["beta", "stable"][usize::from(channel)].to_owned();
            cluster.infrastructure_account = format!("aws:{account}").parse().unwrap();
            member
        })
        .collect()
    })
}

fn arbitrary_limits() -> impl Strategy<Value = Limits> {
    (1..5_u32, 1..4_u32, 1..9_u32, 1..3_u32).prop_map(|(wave, account, fleet, urgent)| Limits {
        wave,
        account,
        fleet,
        urgent,
    })
}

fn in_flight(members: &[Member], wanted: impl Fn(&Member) -> bool) -> usize {
    members
        .iter()
        .filter(|member| member.state.in_flight() && wanted(member))
        .count()
}

/// Lets everybody begin who may.
fn begin(case: &mut Case) -> Decisions {
    let decisions = case.decide();
    for go in &decisions.go {
        let member = case
            .members
            .iter_mut()
            .find(|member| member.cluster.id == go.cluster)
            .unwrap();
        assert!(matches!(member.state, State::NotBegun { .. }), "it has begun already");
        member.state = State::Updating;
        member.begun = Some(now());
        member.urgent = go.passed.is_some();
    }
    decisions
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn v5_never_more_are_in_flight_than_the_limits_say(members in arbitrary_fleet(), limits in arbitrary_limits(), lane in any::<bool>()) {
        let mut case = case(members);
        case.policy.limits = limits;
        // Failing clusters may be more than that already; nothing may be added then.
        case.policy.failure_budget.fleet = Share::Count(100);
        case.policy.failure_budget.channel = Share::Count(100);
        case.policy.failure_budget.wave = Share::Percent(100);
        case.policy.failure_budget.canary = Share::Percent(100);
        if lane {
            case.acts.fast_lanes = vec![("lane".to_owned(), super::lane("environment=test"))];
        }
        let before = case.members.clone();
        begin(&mut case);
        let most = |limit: u32, before: usize| before.max(usize::try_from(limit).unwrap());
        let plain = |member: &Member| !member.urgent;
        prop_assert!(in_flight(&case.members, plain) <= most(limits.fleet, in_flight(&before, plain)));
        prop_assert!(in_flight(&case.members, |member| member.urgent) <= most(limits.urgent, 0));
        for account in 0..4 {
            let own = |member: &Member| member.cluster.infrastructure_account.as_str() == format!("aws:{account}");
            prop_assert!(in_flight(&case.members, own) <= most(limits.account, in_flight(&before, own)));
        }
        let waves = case.decide();
        for (name, state) in &waves.channels {
            let own = |member: &Member| member.cluster.channel == *name && !member.urgent;
            let waves = state.waves.len().max(1);
            prop_assert!(in_flight(&case.members, own) <= most(limits.wave, in_flight(&before, own)) * waves);
        }
    }

    #[test]
    fn a_halted_channel_begins_no_cluster(members in arbitrary_fleet(), limits in arbitrary_limits()) {
        let mut case = case(members);
        case.policy.limits = limits;
        let decisions = case.decide();
        for go in &decisions.go {
            let member = case.members.iter().find(|member| member.cluster.id == go.cluster).unwrap();
            let state = &decisions.channels[&member.cluster.channel];
            let broken = matches!(member.state, State::NotBegun { broken: true, .. });
            let of_fleet = state.halt.as_ref().is_some_and(|halt| halt.what == "the fleet");
            prop_assert!(state.phase != Phase::Halted || (broken && of_fleet));
        }
    }

    #[test]
    fn a_freeze_holds_everything_and_the_floor_wins_over_it(members in arbitrary_fleet(), floor in any::<bool>()) {
        let mut case = case(members);
        let freeze = FreezeAct { reason: "sale".to_owned(), by: "bob".to_owned(), ..FreezeAct::default() };
        // Since long before the period; with a floor as long as the period everything is open.
        case.acts.freezes = vec![("2026-01-01T00:00:00Z".parse().unwrap(), freeze)];
        case.policy.floor.time = if floor { case.policy.floor.every } else { Span::default() };
        let frozen = case.decide();
        if floor {
            case.acts.freezes.clear();
            let free = case.decide();
            prop_assert_eq!(frozen.go, free.go);
        } else {
            prop_assert!(frozen.go.is_empty());
        }
    }

    #[test]
    fn every_wait_has_a_sentence_and_a_moment(members in arbitrary_fleet(), limits in arbitrary_limits(), paused in any::<bool>()) {
        let mut case = case(members);
        case.policy.limits = limits;
        if paused {
            case.acts.pauses = vec![(earlier(1), super::pause())];
        }
        let decisions = case.decide();
        for member in &case.members {
            let id = &member.cluster.id;
            let goes = decisions.go.iter().any(|go| go.cluster == *id);
            let waits = decisions.waits.get(id);
            let not_begun = matches!(member.state, State::NotBegun { .. });
            prop_assert_eq!(not_begun, goes ^ waits.is_some(), "it either begins or waits");
            let Some(wait) = waits else { continue };
            prop_assert!(wait.look > now() && wait.until.is_none_or(|until| until > now()));
            prop_assert!(decisions.look.is_some_and(|look| look <= wait.look));
            let state = &decisions.channels[&member.cluster.channel];
            let alias = member.cluster.alias.as_str();
            let said = wait_sentence(alias, wait, &member.cluster.channel, &state.waves, now());
            prop_assert!(said.starts_with(&format!("cluster {alias} waits on ")), "{}", said);
            prop_assert_eq!(said.matches("; ").count() >= 3, true, "what, since when, until when, who: {}", said);
        }
    }

    #[test]
    fn without_failures_every_cluster_gets_there_stage_by_stage(members in arbitrary_fleet(), limits in arbitrary_limits()) {
        let mut case = case(members);
        case.policy.limits = limits;
        for member in &mut case.members {
            member.state = not_begun();
            member.begun = None;
        }
        for _ in 0..200 {
            let decisions = begin(&mut case);
            for go in &decisions.go {
                let own = case.members.iter().find(|member| member.cluster.id == go.cluster).unwrap();
                // Test is done before production begins.
                let earlier_done = case.members.iter()
                    .filter(|other| other.cluster.channel == own.cluster.channel && other.cluster.environment == "test")
                    .all(|other| other.state == State::Done);
                prop_assert!(own.cluster.environment == "test" || earlier_done);
            }
            // One of those in flight ends, the first by id; so order cannot hide behind speed.
            match case.members.iter_mut().find(|member| member.state == State::Updating) {
                Some(member) => member.state = State::Done,
                None => break,
            }
        }
        prop_assert!(case.members.iter().all(|member| member.state == State::Done), "{:?}", case.decide());
    }
}
