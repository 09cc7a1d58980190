use jiff::{SignedDuration, Timestamp};
use model::ClusterId;
use proptest::prelude::*;

use super::*;

fn id(name: &str) -> ClusterId {
    format!("c-{name}").parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn waiting(account: &str, cause: Cause, due: i64) -> Waiting {
    Waiting {
        account: account.to_owned(),
        cause,
        due: at(due),
        failures: 0,
        last_run: None,
        urgent: false,
    }
}

fn taken(queue: &mut Queue, now: i64, limits: &Limits) -> Vec<String> {
    std::iter::from_fn(|| queue.take(at(now), limits))
        .map(|(id, _)| id.as_str().trim_start_matches("c-").to_owned())
        .collect()
}

#[test]
fn urgent_causes_come_first_then_those_that_waited_longest() {
    let mut queue = Queue::default();
    queue.put(&id("a"), waiting("x", Cause::Version, 0));
    queue.put(&id("b"), waiting("x", Cause::Unfinished, 0));
    let rested = Waiting {
        last_run: Some(at(5)),
        ..waiting("x", Cause::Version, 0)
    };
    queue.put(&id("0"), rested);
    queue.put(&id("later"), waiting("x", Cause::Unfinished, 100));
    assert_eq!(taken(&mut queue, 10, &Limits::default()), ["b", "a", "0"]);
    assert_eq!(queue.next_due(at(10)), Some(at(100)));
}

#[test]
fn f2_a_failing_cluster_never_takes_the_turn_of_a_healthy_one() {
    let mut queue = Queue::default();
    let failing = Waiting {
        failures: 3,
        ..waiting("x", Cause::Unfinished, 0)
    };
    for n in 0..5 {
        queue.put(&id(&format!("bad{n}")), failing.clone());
    }
    queue.put(&id("good"), waiting("x", Cause::Version, 0));
    assert_eq!(queue.take(at(1), &Limits::default()).unwrap().0, id("good"));
}

#[test]
fn limits_of_fleet_account_and_decommissions_hold() {
    let limits = Limits {
        fleet: 4,
        account: 2,
        decommissions: 1,
        urgent: 1,
    };
    let mut queue = Queue::default();
    for n in 0..5 {
        queue.put(&id(&format!("a{n}")), waiting("a", Cause::Version, 0));
        queue.put(&id(&format!("d{n}")), waiting(&format!("d{n}"), Cause::Decommission, 0));
    }
    assert_eq!(taken(&mut queue, 1, &limits), ["d0", "a0", "a1"]);
    queue.done(&id("a0"));
    assert_eq!(taken(&mut queue, 1, &limits), ["a2"]);
}

#[test]
fn a_cluster_is_never_worked_on_twice_at_once() {
    let mut queue = Queue::default();
    queue.put(&id("a"), waiting("x", Cause::Version, 0));
    assert_eq!(taken(&mut queue, 1, &Limits::default()), ["a"]);
    queue.put(&id("a"), waiting("x", Cause::Unfinished, 0));
    assert!(taken(&mut queue, 1, &Limits::default()).is_empty());
    queue.done(&id("a"));
    assert_eq!(taken(&mut queue, 1, &Limits::default()), ["a"]);
}

proptest! {
    /// Whatever comes and goes: limits hold at every moment, and everything that is due runs in the end.
    #[test]
    fn limits_hold_and_nothing_starves(
        clusters in prop::collection::vec((0..3u8, 0..4u8, 0..50i64, 0..3u32), 1..40),
        fleet in 1..6usize,
        account in 1..3usize,
    ) {
        let limits = Limits { fleet, account, decommissions: 1, urgent: 1 };
        let mut queue = Queue::default();
        for (n, (account, cause, due, failures)) in clusters.iter().enumerate() {
            let cause = [Cause::Version, Cause::Drift, Cause::Decommission, Cause::Unfinished][usize::from(*cause)];
            let entry = Waiting { failures: *failures, ..waiting(&account.to_string(), cause, *due) };
            queue.put(&id(&format!("c{n}")), entry);
        }
        let mut now = at(0);
        let mut ran = 0;
        for _ in 0..1_000 {
            let mut round = Vec::new();
            while let Some((id, waiting)) = queue.take(now, &limits) {
                prop_assert!(waiting.due <= now);
                round.push((id, waiting));
                prop_assert!(queue.running() <= limits.fleet);
            }
            for account in 0..3u8 {
                let of_account = round.iter().filter(|(_, w)| w.account == account.to_string()).count();
                prop_assert!(of_account <= limits.account);
            }
            ran += round.len();
            round.iter().for_each(|(id, _)| queue.done(id));
            now = now.saturating_add(SignedDuration::from_secs(1)).unwrap();
            if ran == clusters.len() {
                break;
            }
        }
        prop_assert_eq!(ran, clusters.len());
    }
}

#[test]
fn a_decommission_is_not_starved_by_updates_that_are_looked_after_again_and_again() {
    let limits = Limits {
        fleet: 2,
        account: 9,
        ..Limits::default()
    };
    let mut queue = Queue::default();
    queue.put(&id("down"), waiting("y", Cause::Decommission, 0));
    queue.put(&id("new"), waiting("y", Cause::Version, 0));
    let mut ran = Vec::new();
    for round in 0..400 {
        // Ten clusters whose unfinished updates are due at every moment.
        for n in 0..10 {
            queue.put(&id(&format!("busy{n}")), waiting("x", Cause::Unfinished, round));
        }
        let names = taken(&mut queue, round, &limits);
        names.iter().for_each(|name| queue.done(&id(name)));
        ran.extend(
            names
                .into_iter()
                .filter(|name| !name.starts_with("busy"))
                .map(|name| (round, name)),
        );
    }
    let names: Vec<&str> = ran.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["down", "new"]);
    // The ten that were there before them have waited as long.
    assert!(ran.iter().all(|(round, _)| (300..=310).contains(round)), "{ran:?}");
}

#[test]
fn f2_failing_clusters_as_many_as_there_are_places_starve_nobody_and_are_not_starved() {
    let limits = Limits {
        fleet: 3,
        account: 9,
        ..Limits::default()
    };
    let mut queue = Queue::default();
    let failing = |due| Waiting {
        failures: 5,
        ..waiting("x", Cause::Unfinished, due)
    };
    let (mut healthy, mut failed) = (0, 0);
    for round in 0..1_000 {
        for n in 0..10 {
            queue.put(&id(&format!("bad{n}")), failing(round));
            queue.put(&id(&format!("good{n}")), waiting("x", Cause::Version, round));
        }
        for name in taken(&mut queue, round, &limits) {
            queue.done(&id(&name));
            *(if name.starts_with("bad") {
                &mut failed
            } else {
                &mut healthy
            }) += 1;
        }
    }
    assert!(healthy >= 2_000, "at least two of three places: {healthy}");
    assert!(failed > 0, "a failing cluster is tried again in the end");
}

#[test]
fn fast_lanes_have_places_of_their_own() {
    let limits = Limits {
        fleet: 2,
        account: 9,
        ..Limits::default()
    };
    let mut queue = Queue::default();
    for n in 0..4 {
        queue.put(&id(&format!("slow{n}")), waiting("x", Cause::Unfinished, 0));
    }
    assert_eq!(taken(&mut queue, 1, &limits), ["slow0", "slow1"]);
    for n in 0..4 {
        let urgent = Waiting {
            urgent: true,
            ..waiting("x", Cause::Version, 0)
        };
        queue.put(&id(&format!("fast{n}")), urgent);
    }
    assert_eq!(taken(&mut queue, 1, &limits), ["fast0", "fast1"]);
    queue.done(&id("slow0"));
    assert_eq!(
        taken(&mut queue, 1, &limits),
        ["fast2"],
        "they come first where others may go too"
    );
}
