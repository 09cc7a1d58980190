//! Faults of the original and incidents of others that concern replicas, stores and restarts, each by its number.

use kube_sim::{Fault, FaultPlan, FaultRule};
use lifecycle::guard::Rules;
use lifecycle::queue::Limits;
use ports::{Clock, Registry};

use super::world::World;
use crate::bench::{cluster, context};
use testkit::source::tree;

/// F2: in the original a failing cluster tops the queue for ever, and as many of them as there are workers starve all others.
#[tokio::test(start_paused = true)]
async fn f2_as_many_dead_clusters_as_places_starve_nobody_and_back_off() {
    let aliases = [
        "dead-1", "dead-2", "kube-1", "kube-2", "kube-3", "kube-4", "kube-5", "kube-6",
    ];
    let mut world = World::new(&aliases, 11, Rules::default(), 0).await;
    world.pace.limits = Limits {
        fleet: 2,
        account: 2,
        decommissions: 1,
        urgent: 1,
    };
    for dead in &aliases[..2] {
        world.apis[*dead].set_plan(FaultPlan::new(0).rule(FaultRule::new("dead", Fault::Dead)));
    }
    world.commit(1);
    let replicas = [world.start(1), world.start(2)];
    // They have begun, and are not left alone.
    let first = world.settled(&aliases[2..], 600).await;
    world.pass_time(600).await;
    world.commit(2);
    replicas.iter().for_each(|one| one.life.wake.configuration_moved());
    let second = world.settled(&aliases[2..], 600).await;
    println!("six healthy clusters beside two dead ones in two places: {first:?}, then {second:?}");
    let began = world.witness.state().seen.log.len();
    world.pass_time(3_600).await;
    let tries = world.witness.state().seen.log.split_off(began);
    let tries = tries.iter().filter(|line| line.contains(" claim lifecycle/")).count();
    // A minute is the longest wait here, and each of two replicas may try.
    assert!(tries <= 2 * 2 * 125, "{tries} tries in an hour");
    for one in replicas {
        one.life.end().await;
    }
    world.sound();
}

/// Incident 10: a slow worker applied an old plan over a newer one, and a clean-up removed what was in use.
#[tokio::test(start_paused = true)]
async fn incident_10_a_slow_replica_neither_applies_nor_prunes_by_an_old_plan() {
    let world = World::new(&["kube-1"], 10, Rules::default(), 0).await;
    // Commit 1 has one extra object, commit 2 has two, commit 3 none.
    world.commit(2);
    let first = world.start(1);
    world.settled(&["kube-1"], 60).await;
    world.slow(4);
    world.commit(4);
    first.life.wake.configuration_moved();
    world.pass_time(6).await;
    // In the middle of going to one extra object the first stands still; the second brings two again.
    first.life.pause(true);
    world.commit(5);
    let second = world.start(2);
    world.slow(0);
    world.settled(&["kube-1"], 120).await;
    first.life.pause(false);
    world.pass_time(300).await;
    let extra = |n: u32| world.servers["kube-1"].read("", "configmaps", "web", &format!("extra-{n}"));
    assert!(extra(0).is_some() && extra(1).is_some(), "what is in use stays");
    assert_eq!(world.level("kube-1"), Some(5), "{:#?}", world.witness.state().seen.log);
    first.life.end().await;
    second.life.end().await;
    world.sound();
}

/// Incident 11: everything that restarts together asks together. Replicas look around and try again at times of their own.
#[tokio::test(start_paused = true)]
async fn incident_11_replicas_that_restart_together_do_not_come_back_together() {
    let aliases = ["kube-1", "kube-2", "kube-3"];
    let world = World::new(&aliases, 11, Rules::default(), 0).await;
    world.commit(1);
    let replicas: Vec<_> = (1..=8).map(|actor| world.start(actor)).collect();
    world.settled(&aliases, 120).await;
    // Until their health is no longer watched.
    world.pass_time(600).await;
    let before = world.witness.state().seen.log.len();
    world.pass_time(120).await;
    let log = world.witness.state().seen.log.split_off(before);
    let signs: Vec<&String> = log.iter().filter(|line| line.contains(" claim replica/")).collect();
    let moments: std::collections::BTreeSet<&str> = signs.iter().filter_map(|line| line.split(' ').next()).collect();
    assert!(signs.len() > 100, "{}", signs.len());
    assert!(
        moments.len() * 10 > signs.len() * 9,
        "{} signs at {} moments",
        signs.len(),
        moments.len()
    );
    // Nothing but signs of life and leases is written by a fleet that is as wanted.
    let lease = |line: &&String| {
        [" claim ", " renew ", " release "]
            .iter()
            .any(|word| line.contains(word))
    };
    let other: Vec<&String> = log.iter().filter(|line| !lease(line)).collect();
    assert!(other.is_empty(), "{other:#?}");
    // The store is away for a while: when it is back they do not all read everything at the same moment.
    replicas.iter().for_each(|one| one.store.away(true));
    world.pass_time(300).await;
    replicas.iter().for_each(|one| one.store.away(false));
    world.pass_time(120).await;
    for one in replicas {
        one.life.end().await;
    }
    world.sound();
}

/// Incident 11 and 12: a blank is no value. A row with blank fields is refused where it would enter.
#[tokio::test(start_paused = true)]
async fn incident_12_a_blank_field_is_refused_and_deletes_nothing() {
    let world = World::new(&["kube-1"], 12, Rules::default(), 0).await;
    world.commit(2);
    let replica = world.start(1);
    world.settled(&["kube-1"], 60).await;
    for blank in [
        "channel",
        "environment",
        "region",
        "provider",
        "local_id",
        "lifecycle_status",
        "api_server_url",
    ] {
        let update = serde_json::from_value(serde_json::json!({blank: ""}));
        let refused = match update {
            Err(_) => true,
            Ok(update) => world
                .registry
                .update_cluster(&cluster("kube-1").id, update, &context("bob"))
                .await
                .is_err(),
        };
        assert!(refused, "a blank {blank} was taken");
    }
    world.pass_time(600).await;
    assert!(world.is_settled("kube-1") && world.level("kube-1") == Some(2));
    replica.life.end().await;
    world.sound();
}

/// Incidents 8 and 13: a root that renders to nothing, or a source that fails, is no wish to delete everything.
#[tokio::test(start_paused = true)]
async fn incident_13_an_empty_configuration_deletes_nothing_without_consent() {
    let aliases = ["kube-1", "kube-2"];
    let world = World::new(&aliases, 13, Rules::default(), 0).await;
    world.commit(2);
    let replicas = [world.start(1), world.start(2)];
    world.settled(&aliases, 60).await;
    let files = [
        ("cluster/cluster.yaml", "Resources: {}\n"),
        ("cluster/config-defaults.yaml", "replicas: 2\n"),
    ];
    world.source.commit("dev", tree("commit-empty", &files));
    replicas.iter().for_each(|one| one.life.wake.configuration_moved());
    world.pass_time(900).await;
    for alias in aliases {
        assert_eq!(world.level(alias), Some(2), "{alias}: everything is there");
        let problems = world.witness.entry(alias).status.problems;
        let told = problems.iter().any(|problem| problem.title.contains("approve prune"));
        assert!(told, "{alias}: {problems:?}");
    }
    // The channel cannot be found at all: that is told, and nothing goes either.
    let nowhere = serde_json::from_value(serde_json::json!({"channel": "gone"})).unwrap();
    world
        .registry
        .update_cluster(&cluster("kube-1").id, nowhere, &context("bob"))
        .await
        .unwrap();
    world.pass_time(900).await;
    assert_eq!(world.level("kube-1"), Some(2));
    assert!(!world.witness.entry("kube-1").status.problems.is_empty());
    for one in replicas {
        one.life.end().await;
    }
    let deleted = world
        .sound()
        .log
        .iter()
        .filter(|line| line.contains(" DELETE "))
        .count();
    assert_eq!(deleted, 0);
}

/// Incidents 5 and 6: nothing changes what runs outside of its channel. A fleet that is as wanted is left alone, for days.
#[tokio::test(start_paused = true)]
async fn incident_5_a_fleet_that_is_as_wanted_is_not_touched_by_time_alone() {
    let aliases = ["kube-1", "kube-2"];
    let world = World::new(&aliases, 5, Rules::default(), 0).await;
    world.commit(1);
    let replicas = [world.start(1), world.start(2)];
    world.settled(&aliases, 60).await;
    let versions: Vec<u64> = aliases
        .iter()
        .map(|alias| world.servers[*alias].resource_version())
        .collect();
    let began = world.clock.now();
    world.pass_time(12 * 3_600).await;
    let now: Vec<u64> = aliases
        .iter()
        .map(|alias| world.servers[*alias].resource_version())
        .collect();
    assert_eq!(versions, now, "after {:?}", world.clock.now().duration_since(began));
    for one in replicas {
        one.life.end().await;
    }
    world.sound();
}
