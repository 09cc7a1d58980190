//! Starting together, stopping, dying, and a store that goes away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lifecycle::guard::Rules;
use lifecycle::queue::Limits;
use model::Progress;
use ports::Clock;

use super::world::{TERM, World};

async fn calm(aliases: &[&str]) -> World {
    let mut world = World::new(aliases, 5, Rules::default(), 0).await;
    world.pace.limits = Limits {
        account: 10,
        ..Limits::default()
    };
    world
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_told_to_stop_hands_over_at_once() {
    let world = calm(&["kube-1"]).await;
    world.slow(3);
    world.commit(1);
    let first = world.start(1);
    world.pass_time(5).await;
    let second = world.start(2);
    world.pass_time(3).await;
    assert!(!world.is_settled("kube-1"), "the first is in the middle of it");
    first.stop();
    world.slow(0);
    let stopping = world.stopped(first).await;
    let took = world.settled(&["kube-1"], 60).await;
    println!("stopped after {stopping:?}, done by the other one {took:?} later");
    assert!(
        stopping + took < TERM,
        "{stopping:?} and {took:?}: no lease had to run out"
    );
    second.life.end().await;
    world.sound();
    let updates = world.updates("kube-1").await;
    assert_eq!(updates.len(), 1, "one went on with what the other began: {updates:#?}");
    assert_eq!(updates[0].progress, Progress::Done);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_dies_is_followed_within_two_terms_and_nothing_is_lost_or_done_twice() {
    let aliases = ["kube-1", "kube-2", "kube-3", "kube-4", "kube-5", "kube-6"];
    for victim in 0..3 {
        let world = calm(&aliases).await;
        world.commit(1);
        let mut replicas = vec![world.start(1), world.start(2), world.start(3)];
        world.settled(&aliases, 60).await;
        world.slow(2);
        world.commit(2);
        replicas.iter().for_each(|one| one.life.wake.configuration_moved());
        world.pass_time(3).await;
        replicas.remove(victim).life.end().await;
        world.slow(0);
        let took = world.settled(&aliases, 120).await;
        println!("victim {victim}: all done {took:?} after its death; leases last {TERM:?}");
        assert!(took < TERM * 2 + Duration::from_secs(5), "{took:?}");
        for one in replicas {
            one.life.end().await;
        }
        world.sound();
        for alias in aliases {
            let updates = world.updates(alias).await;
            let done = updates
                .iter()
                .filter(|update| update.progress == Progress::Done)
                .count();
            assert_eq!((done, updates.len()), (2, 2), "{alias}: {updates:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_that_start_together_spread_the_work_and_do_nothing_twice() {
    let names: Vec<String> = (0..36).map(|n| format!("kube-{n}")).collect();
    let aliases: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = calm(&aliases).await;
    world.slow(1);
    world.commit(1);
    let replicas = [world.start(1), world.start(2), world.start(3)];
    let took = world.settled(&aliases, 300).await;
    for one in replicas {
        one.life.end().await;
    }
    let seen = world.sound();
    let mut shares: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut claims = 0;
    for line in &seen.log {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            [_, _, "claim", name] if name.starts_with("lifecycle/") => claims += 1,
            [_, actor, alias, "PATCH", path] if path.contains("settings") => {
                shares.entry(actor).or_default().insert(alias);
            }
            _ => {}
        }
    }
    let sizes: Vec<usize> = shares.values().map(BTreeSet::len).collect();
    println!("36 clusters in {took:?}; shares {sizes:?}, {claims} claims");
    assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (3, 36), "{shares:?}");
    assert!(sizes.iter().all(|size| *size >= 5), "{sizes:?}");
    assert!(claims <= 36 + 18, "{claims} claims: they get in each other's way");
    for alias in aliases {
        assert_eq!(world.updates(alias).await.len(), 1, "{alias}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_over_in_mid_update_stops_all_and_all_go_on_afterwards() {
    let aliases = ["kube-1", "kube-2", "kube-3", "kube-4"];
    for away in [2, 8, 20, 90] {
        let world = calm(&aliases).await;
        world.slow(2);
        world.commit(1);
        let replicas = [world.start(1), world.start(2), world.start(3)];
        world.pass_time(5).await;
        replicas.iter().for_each(|one| one.store.away(true));
        // What was on its way arrives; then nobody may take a step, for whether it may cannot be read.
        world.pass_time(1).await;
        // The mark that says who works is taken back also then.
        let step = |line: &str| {
            let to_cluster = line.split(' ').nth(2).is_some_and(|word| word.starts_with("kube-"));
            to_cluster && !line.contains("/leases/")
        };
        let before = world.witness.state().seen.log.len();
        world.pass_time(away).await;
        let log = world.witness.state().seen.log.split_off(before);
        let steps: Vec<&String> = log.iter().filter(|line| step(line)).collect();
        assert!(steps.is_empty(), "{away}: {steps:#?}");
        let began = world.clock.now();
        replicas.iter().for_each(|one| one.store.away(false));
        world.slow(0);
        world.settled(&aliases, 180).await;
        println!(
            "away for {away} s: all done {:?} after",
            world.clock.now().duration_since(began)
        );
        for one in replicas {
            one.life.end().await;
        }
        world.sound();
        for alias in aliases {
            let updates = world.updates(alias).await;
            assert!(
                updates.iter().all(|update| update.progress.is_over()),
                "{alias}: {updates:#?}"
            );
        }
    }
}
