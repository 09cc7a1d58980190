//! Freezes, pauses and fast lanes while a commit walks.

use jiff::SignedDuration;
use model::acts::{FastLane, FreezeAct, Pause};
use model::selector::Selector;
use plan::policy::Span;
use plan::waves::Phase;
use ports::acts::{lift, perform};

use super::fleet::{Fleet, good, unchecked};
use crate::bench::context;

async fn freeze(fleet: &Fleet, clusters: &str, hours: i64) -> ports::ledger::EntryId {
    let until = fleet.now().checked_add(SignedDuration::from_hours(hours)).unwrap();
    let act = FreezeAct {
        clusters: Selector::of_clusters(clusters).unwrap(),
        reason: "sale".to_owned(),
        until: Some(until),
        ..FreezeAct::default()
    };
    let bench = &fleet.bench;
    let with: (&dyn ports::Clock, &dyn ports::Ids) = (&*bench.clock, &bench.ids);
    perform(&*bench.registry, with, act, &context("alice"))
        .await
        .unwrap()
        .id
}

#[tokio::test(start_paused = true)]
async fn a_freeze_holds_what_has_not_begun_until_it_ends() {
    let fleet = Fleet::of(&[("beta", 20)]).await;
    freeze(&fleet, "environment=production", 30).await;
    fleet.commit("beta", good("two", "2"));
    fleet.bench.pass_time(29 * 3_600).await;
    let behind = fleet.behind(None, "two").await;
    assert_eq!(behind.len(), 10, "test has it, production waits: {behind:?}");
    assert_eq!(fleet.touched("two").await.len(), 10);
    assert_eq!(fleet.phase("beta").await, Phase::Waiting);
    fleet
        .until("it ends by itself", 3, async |fleet| {
            fleet.behind(None, "two").await.is_empty()
        })
        .await;
    let turns = fleet.turns().await;
    assert!(
        turns["beta-19"].wave.starts_with("production"),
        "{:?}",
        turns["beta-19"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_floor_wins_over_a_freeze_that_leaves_no_time_to_patch() {
    let fleet = Fleet::of(&[("beta", 4)]).await;
    let mut policy = unchecked();
    (policy.floor.time, policy.floor.every) = (Span::hours(6), Span::hours(48));
    policy.failure_budget.deadline = Span::hours(2);
    fleet.policies.replace(policy);
    freeze(&fleet, "", 28 * 24).await;
    fleet.commit("beta", good("two", "2"));
    fleet
        .until("the floor opens", 97, async |fleet| {
            fleet.behind(None, "two").await.is_empty()
        })
        .await;
    let begun = fleet.turns().await["beta-00"].begun;
    // The last six hours of a period of two days from Monday, 1 January 2024; this fleet's time is before.
    let into = (begun.as_second() - 1_704_067_200).rem_euclid(48 * 3_600);
    assert!(into >= 42 * 3_600, "{begun}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_keeps_what_has_begun_and_resuming_goes_on_where_it_was() {
    let fleet = Fleet::of(&[("beta", 30)]).await;
    fleet.commit("beta", good("two", "2"));
    fleet
        .until("some have it", 1, async |fleet| fleet.touched("two").await.len() >= 6)
        .await;
    let pause = Pause {
        channel: "beta".to_owned(),
        reason: "looking".to_owned(),
        ..Pause::default()
    };
    let bench = &fleet.bench;
    let with: (&dyn ports::Clock, &dyn ports::Ids) = (&*bench.clock, &bench.ids);
    let paused = perform(&*bench.registry, with, pause, &context("alice")).await.unwrap();
    fleet.bench.pass_time(60).await;
    let touched = fleet.touched("two").await;
    fleet.bench.pass_time(86_400 + 60).await;
    assert_eq!(fleet.touched("two").await, touched, "nobody else begins");
    let unfinished: Vec<_> = fleet
        .clusters()
        .await
        .into_iter()
        .filter(|c| !c.status.next_version.is_empty())
        .collect();
    assert!(unfinished.is_empty(), "what has begun comes to its end: {unfinished:?}");
    assert_eq!(fleet.phase("beta").await, Phase::Paused);
    let alarms = lifecycle::waves::open_alarms(&*bench.registry).await.unwrap();
    assert_eq!(
        alarms.values().map(|alarm| alarm.kind.as_str()).collect::<Vec<_>>(),
        ["pause"],
        "nobody cared for a day"
    );
    lift::<Pause>(&*bench.registry, &*bench.clock, &paused.id, &context("bob"))
        .await
        .unwrap();
    fleet
        .until("it goes on", 2, async |fleet| {
            fleet.behind(None, "two").await.is_empty()
        })
        .await;
    let alarms = lifecycle::waves::open_alarms(&*bench.registry).await.unwrap();
    assert!(alarms.is_empty(), "W6: {alarms:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fast_lane_passes_waves_and_freezes_and_every_cluster_carries_the_evidence() {
    let fleet = Fleet::of(&[("beta", 20)]).await;
    freeze(&fleet, "", 48).await;
    fleet.commit("beta", good("hotfix-1", "2"));
    fleet.bench.pass_time(600).await;
    assert!(fleet.touched("hotfix-1").await.is_empty());
    let lane = FastLane {
        channel: "beta".to_owned(),
        config: "hotfix-".to_owned(),
        clusters: Selector::of_clusters("environment=production").unwrap(),
        reason: "CVE-2026-1".to_owned(),
        ticket: Some("INC-7".to_owned()),
        ..FastLane::default()
    };
    let bench = &fleet.bench;
    let with: (&dyn ports::Clock, &dyn ports::Ids) = (&*bench.clock, &bench.ids);
    let lane = perform(&*bench.registry, with, lane, &context("alice")).await.unwrap();
    fleet
        .until("production has it", 1, async |fleet| {
            fleet.behind(None, "hotfix-1").await.len() == 10
        })
        .await;
    for (alias, turn) in fleet
        .turns()
        .await
        .iter()
        .filter(|(_, turn)| turn.version.starts_with("hotfix"))
    {
        let passed = turn.passed.as_ref().unwrap();
        assert_eq!(passed.fast_lane, lane.id.as_str());
        assert!(
            passed.instead_of.contains("a freeze by alice (\"sale\")"),
            "{alias}: {passed:?}"
        );
    }
    assert!(
        fleet.most().fleet <= 2,
        "fast lanes have two places: {:?}",
        fleet.most()
    );
}

#[tokio::test(start_paused = true)]
async fn incident_12_a_blank_end_is_a_term_and_a_blank_reason_is_refused() {
    let fleet = Fleet::of(&[("dev", 1)]).await;
    let bench = &fleet.bench;
    let with: (&dyn ports::Clock, &dyn ports::Ids) = (&*bench.clock, &bench.ids);
    let act = FreezeAct {
        reason: "sale".to_owned(),
        ..FreezeAct::default()
    };
    let done = perform(&*bench.registry, with, act.clone(), &context("alice"))
        .await
        .unwrap();
    assert_eq!(
        done.act.until.unwrap().duration_since(fleet.now()),
        ports::acts::FREEZE_TERM
    );
    let blank = FreezeAct {
        reason: " ".to_owned(),
        ..act
    };
    let refused = perform(&*bench.registry, with, blank, &context("alice"))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("reason"), "{refused}");
    let lane = FastLane {
        channel: "dev".to_owned(),
        config: "a".to_owned(),
        reason: "x".to_owned(),
        ..FastLane::default()
    };
    let done = perform(&*bench.registry, with, lane, &context("alice")).await.unwrap();
    assert_eq!(
        done.act.until.unwrap().duration_since(fleet.now()),
        ports::acts::LANE_TERM
    );
    assert!(!done.act.is_for("abcdef0123"), "a short prefix is no commit");
}

#[tokio::test(start_paused = true)]
async fn stale_blocks_and_version_debt_raise_alarms_that_end_by_themselves() {
    let fleet = Fleet::of(&[("dev", 3)]).await;
    let bench = &fleet.bench;
    let until = fleet.now().checked_add(SignedDuration::from_hours(13 * 24)).unwrap();
    let block = model::Block {
        owner: "team".to_owned(),
        by: "alice".to_owned(),
        expires_at: Some(until),
        ..model::Block::from_item("looking")
    };
    let mut policy = unchecked();
    policy.alarms.debt = Span::hours(8 * 24);
    fleet.policies.replace(policy);
    let id = crate::bench::cluster("dev-00").id;
    let alice = context("alice");
    let set = ports::blocks::set(&*bench.registry, &*bench.clock, &bench.ids, &id, block, &alice);
    set.await.unwrap();
    fleet.commit("dev", good("two", "2"));
    let kinds = async || {
        let alarms = lifecycle::waves::open_alarms(&*bench.registry).await.unwrap();
        alarms
            .into_values()
            .map(|alarm| format!("{} {}", alarm.kind, alarm.subject))
            .collect::<Vec<_>>()
    };
    bench.pass_time(6 * 86_400).await;
    assert!(kinds().await.is_empty());
    bench.pass_time(86_400 + 3_600).await;
    assert_eq!(kinds().await, ["stale-block dev-00"]);
    bench.pass_time(86_400).await;
    assert_eq!(kinds().await, ["stale-block dev-00", "version-debt dev-00"]);
    // The block expires, the cluster gets its version, and nothing is left to be said.
    fleet
        .until("it has its version", 24 * 6, async |fleet| {
            fleet.behind(None, "two").await.is_empty()
        })
        .await;
    bench.pass_time(60).await;
    assert!(kinds().await.is_empty());
}
