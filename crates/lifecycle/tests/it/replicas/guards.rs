//! Each guard against other replicas, seen to be needed: switched off, the promise that it keeps is broken.

use lifecycle::guard::Rules;
use lifecycle::queue::Limits;

use super::witness::Seen;
use super::world::World;
use super::{CLUSTERS, on_paused_time};

const ONE: [&str; 1] = ["kube-1"];

/// A replica stands still in the middle of an update for longer than its lease, another one takes the cluster over and goes on
/// to the next version, then the first wakes up where it was. `off` is by how many milliseconds its clock is wrong.
async fn wakes_late(rules: Rules, off: i64) -> Seen {
    let world = World::new(&ONE, 7, rules, 0).await;
    world.slow(5);
    world.commit(1);
    let first = world.start(1);
    first.machine.jump(off);
    world.pass_time(12).await;
    assert!(!world.is_settled("kube-1"), "it is in the middle of it");
    first.life.pause(true);
    world.commit(2);
    let second = world.start(2);
    world.slow(0);
    world.settled(&ONE, 120).await;
    assert_eq!(world.level("kube-1"), Some(2), "the second has taken over");
    first.life.pause(false);
    world.pass_time(60).await;
    first.life.end().await;
    second.life.end().await;
    world.witness.state().seen.clone()
}

fn breached(seen: &Seen, promise: &str) -> bool {
    seen.breaches.iter().any(|breach| breach.starts_with(promise))
}

#[test]
fn v10_a_replica_that_wakes_up_late_writes_nothing_whatever_its_clock_says() {
    for off in [-600_000, 0, 600_000] {
        let seen = on_paused_time(wakes_late(Rules::default(), off));
        assert!(
            seen.checks["V10"] > 0 && seen.breaches.is_empty(),
            "{off}: {:#?}\n{:#?}",
            seen.breaches,
            seen.log
        );
    }
}

/// The store would take the end of an update from a replica that no longer has the cluster.
#[test]
fn without_the_stamp_the_store_takes_writes_of_a_lost_lease_and_v10_is_breached() {
    let rules = Rules {
        stamp: false,
        ..Rules::default()
    };
    let seen = on_paused_time(wakes_late(rules, 0));
    assert!(
        breached(&seen, "V10 ") && seen.breaches.iter().any(|b| b.contains("the store took")),
        "{:#?}",
        seen.log
    );
}

/// A clock that is behind makes a lost lease look held; only the mark in the cluster knows.
#[test]
fn without_the_fence_in_the_cluster_v10_is_breached_by_a_clock_that_is_behind() {
    let rules = Rules {
        fence: false,
        ..Rules::default()
    };
    let seen = on_paused_time(wakes_late(rules, -600_000));
    assert!(breached(&seen, "V10 kube-1: P"), "{:#?}", seen.log);
}

#[test]
fn without_lease_and_fence_v10_is_breached() {
    let rules = Rules {
        lease: false,
        fence: false,
        ..Rules::default()
    };
    let seen = on_paused_time(wakes_late(rules, 0));
    assert!(breached(&seen, "V10 kube-1: P"), "{:#?}", seen.log);
}

/// Clusters enough that each of two replicas comes second for some of them.
const SOME: [&str; 6] = ["kube-1", "kube-2", "kube-3", "kube-4", "kube-5", "kube-6"];

/// The second replica stands still while clusters wait in its queue, and hears of nothing for minutes after it wakes up. The first
/// one has brought all of them to a newer commit by then.
async fn hears_late(rules: Rules) -> Seen {
    let mut world = World::new(&SOME, 3, rules, 0).await;
    world.late.insert(2, std::time::Duration::from_secs(600));
    world.pace.limits = Limits {
        fleet: 1,
        account: 1,
        decommissions: 1,
        urgent: 1,
    };
    world.commit(1);
    let (first, second) = (world.start(1), world.start(2));
    world.settled(&SOME, 120).await;
    world.watch(700).await;
    world.slow(4);
    world.commit(2);
    first.life.wake.configuration_moved();
    second.life.wake.configuration_moved();
    world.watch(6).await;
    second.life.pause(true);
    second.git.away(true);
    world.slow(0);
    world.commit(4);
    first.life.wake.configuration_moved();
    world.settled(&SOME, 180).await;
    second.life.pause(false);
    world.watch(120).await;
    first.life.end().await;
    second.life.end().await;
    world.witness.state().seen.clone()
}

#[test]
fn v8_a_replica_that_hears_late_looks_again_before_it_works() {
    let seen = on_paused_time(hears_late(Rules::default()));
    assert!(seen.breaches.is_empty(), "{:#?}\n{:#?}", seen.breaches, seen.log);
}

#[test]
fn without_the_second_look_v8_is_breached() {
    let rules = Rules {
        anew: false,
        ..Rules::default()
    };
    let seen = on_paused_time(hears_late(rules));
    assert!(breached(&seen, "V8 "), "{:#?}", seen.log);
}

/// The second replica cannot read git any more, and sees clusters at a commit that it does not know.
async fn reads_old_git(rules: Rules) -> Seen {
    let world = World::new(&SOME, 3, rules, 0).await;
    world.commit(1);
    let (first, second) = (world.start(1), world.start(2));
    world.settled(&SOME, 120).await;
    world.watch(5).await;
    second.git.away(true);
    world.commit(2);
    first.life.wake.configuration_moved();
    world.watch(600).await;
    for alias in SOME {
        let brought = world.level(alias);
        world
            .witness
            .state()
            .seen
            .check("W1", brought == Some(2), || format!("{alias}: {brought:?}"));
    }
    first.life.end().await;
    second.git.away(false);
    world.commit(4);
    world.settled(&SOME, 300).await;
    second.life.end().await;
    world.witness.state().seen.clone()
}

/// The one that reads git brings all clusters to the new commit, also those for which it comes second; the other one waits until
/// it can read again, and goes on then.
#[test]
fn v8_a_replica_with_old_git_brings_nothing_back() {
    let seen = on_paused_time(reads_old_git(Rules::default()));
    assert!(seen.breaches.is_empty(), "{:#?}\n{:#?}", seen.breaches, seen.log);
}

#[test]
fn without_reading_git_anew_v8_is_breached() {
    let rules = Rules {
        newest: false,
        ..Rules::default()
    };
    let seen = on_paused_time(reads_old_git(rules));
    assert!(breached(&seen, "V8 "), "{:#?}", seen.log);
}

/// Two replicas, a commit, and all the time that it needs to come through the gate.
async fn comes_through(rules: Rules) -> Seen {
    let world = World::new(&CLUSTERS, 9, rules, 0).await.behind_a_gate().await;
    world.commit(1);
    let (first, second) = (world.start(1), world.start(2));
    world.settled(&CLUSTERS, 120).await;
    world.watch(60).await;
    world.commit(2);
    first.life.wake.configuration_moved();
    second.life.wake.configuration_moved();
    world.settled(&CLUSTERS, 400).await;
    first.life.end().await;
    second.life.end().await;
    world.witness.state().seen.clone()
}

#[test]
fn v6_a_commit_comes_through_the_gate_when_it_has_soaked() {
    let seen = on_paused_time(comes_through(Rules::default()));
    assert!(
        seen.checks["V6"] > 0 && seen.breaches.is_empty(),
        "{:#?}\n{:#?}",
        seen.breaches,
        seen.log
    );
}

#[test]
fn without_the_gate_v6_is_breached() {
    let rules = Rules {
        gates: false,
        ..Rules::default()
    };
    let seen = on_paused_time(comes_through(rules));
    assert!(breached(&seen, "V6 "), "{:#?}", seen.log);
}

/// Between two looks of one replica another one changed an object, and git took the change back: what the first remembers of
/// the object fits what git wants, but not what is there.
#[test]
fn w4_what_a_replica_remembers_of_a_cluster_does_not_count_once_another_had_it() {
    on_paused_time(async {
        let world = World::new(&ONE, 7, Rules::default(), 0).await;
        let mode = |id: &str, mode: &str| {
            let map = format!("{}data: {{mode: '{mode}'}}\n", crate::updates::map_named("mode"));
            let files = [("cluster/manifests/web/mode.yaml", map.as_str())];
            world.witness.state().commits = 9;
            world.source.commit("dev", crate::updates::commit(id, "1", &files));
        };
        let there = || world.servers["kube-1"].read("", "configmaps", "web", "mode").unwrap()["data"]["mode"].clone();
        let bring = async |id: &str, by: &super::world::Replica| {
            by.life.wake.configuration_moved();
            world.watch(60).await;
            let current = world.witness.entry("kube-1").status.current_version;
            assert!(current.starts_with(id), "{current}");
        };
        mode("a", "x");
        let first = world.start(1);
        bring("a", &first).await;
        first.life.pause(true);
        mode("b", "y");
        let second = world.start(2);
        bring("b", &second).await;
        assert_eq!(there(), "y");
        second.life.end().await;
        mode("c", "x");
        first.life.pause(false);
        bring("c", &first).await;
        assert_eq!(there(), "x");
        first.life.end().await;
        world.sound();
    });
}
