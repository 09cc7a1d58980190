//! Determinism, idleness, drivers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube_world::{NodeSpec, SharedWorld, StepClock, World};
use ports::{Clock, SeededIds, SimClock};

use crate::support::{Bench, condition, pod, pods, server, start};

/// A small story with all kinds of trouble; its log as text and as a digest.
async fn story(seed: u64) -> (Vec<String>, String) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let clock = Arc::new(StepClock::at(start()));
    let world = World::builder(server(&clock, seed))
        .seed(seed)
        .log_sink(Box::new(move |line| kept.lock().unwrap().push(line.to_owned())))
        .build();
    let mut bench = Bench::new(seed);
    (bench.clock, bench.world) = (clock, world);
    for node in ["a", "b", "c"] {
        bench.world.add_node(NodeSpec::new(node));
    }
    bench.pass(10).await;
    for number in 0..30 {
        let node = ["a", "b", "c"][number % 3];
        let crash: &[(&str, &str)] = if number % 7 == 0 {
            &[("crash-after", "20s")]
        } else {
            &[]
        };
        bench.pod(pod(&format!("p{number}"), node, crash)).await;
    }
    bench.pass(60).await;
    bench.world.kill_node("b");
    bench.delete_pod("p0", None).await;
    bench.pass(600).await;
    bench.world.revive_node("b");
    bench.pass(600).await;
    let digest = bench.world.log().digest();
    let lines = lines.lock().unwrap().clone();
    (lines, digest)
}

/// Writes of statuses alone are read in part: what comes of it must be what a world finds that reads the objects whole.
#[tokio::test]
async fn what_is_known_of_pods_is_what_their_objects_say() {
    let mut bench = Bench::new(3);
    for node in ["a", "b"] {
        bench.world.add_node(NodeSpec::new(node));
    }
    bench.pass(10).await;
    for number in 0..8 {
        let crash: &[(&str, &str)] = if number % 3 == 0 {
            &[("crash-after", "20s")]
        } else {
            &[]
        };
        bench
            .pod(pod(&format!("p{number}"), ["a", "b"][number % 2], crash))
            .await;
    }
    let mut ready = 0;
    for round in 0..60 {
        match round {
            20 => bench.delete_pod("p1", None).await,
            30 => drop(bench.world.kill_node("b")),
            _ => {}
        }
        bench.pass(5).await;
        let known: Vec<_> = bench.world.view().pods("").cloned().collect();
        let fresh = World::builder(bench.world.server().clone()).build();
        let read: Vec<_> = fresh.view().pods("").cloned().collect();
        assert!(known == read, "{round}: {known:?} {read:?}");
        ready += known.iter().filter(|pod| pod.ready && pod.restarts > 0).count();
    }
    assert!(ready > 0);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_log_and_another_one_another_order() {
    let (first, again, other) = (story(1).await, story(1).await, story(2).await);
    assert!(first.0.len() > 100, "{}", first.0.len());
    assert_eq!(first, again);
    assert_ne!(first.1, other.1);
    // The order of starts depends on what was drawn, not only times and uids.
    let starts = |lines: &[String]| -> Vec<String> {
        let words = lines.iter().map(|line| line.split(' ').collect::<Vec<_>>());
        words
            .filter(|words| words[1] == "kubelet" && words[3].starts_with("pods/"))
            .map(|words| words[3].to_owned())
            .collect()
    };
    assert_ne!(starts(&first.0), starts(&other.0));
}

#[tokio::test]
async fn an_idle_day_takes_no_steps() {
    let mut bench = Bench::new(1);
    for number in 0..20 {
        let node = format!("n{number}");
        bench.world.add_node(NodeSpec::new(&node));
        bench.pod(pod(&format!("p{number}"), &node, &[])).await;
    }
    // Two hours: the events of the beginning are forgotten by then.
    assert!(bench.pass(7_200).await > 0);
    let version = bench.world.server().resource_version();
    assert_eq!(bench.world.next_due(), None);
    assert_eq!(bench.pass(86_400).await, 0);
    assert_eq!(bench.world.server().resource_version(), version);
}

#[tokio::test(start_paused = true)]
async fn a_shared_world_wakes_for_writes_and_for_its_own_timers() {
    let clock = Arc::new(SimClock::starting_at(start()));
    let server = kube_sim::ApiServer::new(clock.clone(), Arc::new(SeededIds::new(1)));
    let world = SharedWorld::new(World::builder(server.clone()).build());
    let script = async {
        world.hold().await.add_node(NodeSpec::new("a"));
        clock.sleep(Duration::from_secs(5)).await;
        let admin = server.local(kube_sim::UserInfo::admin());
        admin.create(pods(), pod("p", "a", &[])).await.unwrap();
        clock.sleep(Duration::from_secs(60)).await;
        assert_eq!(
            condition(&server.read("", "pods", "default", "p").unwrap(), "Ready"),
            "True"
        );
        let steps = world.hold().await.steps();
        clock.sleep(Duration::from_secs(86_400)).await;
        assert_eq!(world.hold().await.steps(), steps);
    };
    tokio::select! {
        biased;
        () = script => {}
        () = world.run(&*clock) => panic!("a world runs for ever"),
    }
}

#[tokio::test]
async fn equal_events_are_counted_and_forgotten_after_an_hour() {
    let mut bench = Bench::new(1);
    bench.world.add_node(NodeSpec::new("a"));
    bench
        .pod(pod(
            "p",
            "a",
            &[("crash-after", "5s"), ("crash-times", "4"), ("start-after", "0s")],
        ))
        .await;
    bench.pass(300).await;
    assert_eq!(bench.events("p"), [("BackOff".to_owned(), 3)]);
    bench.pass(3_600).await;
    assert_eq!(bench.events("p"), []);
}

/// Writes by others come between a kubelet's write and the world's look at it, when they come from another thread. Taken for
/// the kubelet's own, a deletion was never seen.
#[test]
fn what_others_write_at_the_same_time_is_seen() {
    const PODS: usize = 400;
    let block = |work: &mut dyn FnMut(&tokio::runtime::Runtime)| {
        work(&tokio::runtime::Builder::new_current_thread().build().unwrap());
    };
    let mut bench = Bench::new(1);
    bench.world.add_node(NodeSpec::new("a"));
    let (server, over) = (bench.world.server().clone(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            block(&mut |runtime| {
                let admin = server.local(kube_sim::UserInfo::admin());
                let quick = kube_sim::DeleteOptions {
                    grace_period_seconds: Some(1),
                    ..kube_sim::DeleteOptions::default()
                };
                for number in 0..PODS {
                    let name = format!("p{number}");
                    let quick = async {
                        let object = pod(&name, "a", &[("start-after", "0s")]);
                        admin.create(pods(), object).await.unwrap();
                        admin.delete(pods(), &name, &quick).await.unwrap();
                    };
                    runtime.block_on(quick);
                }
            });
            over.store(true, Ordering::SeqCst);
        });
        block(&mut |runtime| {
            while !over.load(Ordering::SeqCst) {
                runtime.block_on(bench.world.settle());
            }
        });
    });
    block(&mut |runtime| {
        runtime.block_on(bench.pass(600));
    });
    let left = bench.world.server().read_all("", "pods", "");
    assert!(left.is_empty(), "{} of {PODS} are still there", left.len());
}

#[test]
fn worlds_can_be_driven_on_any_thread() {
    fn is_send<T: Send>(_: T) {}
    let clock = Arc::new(StepClock::at(start()));
    let mut world = World::builder(server(&clock, 1)).build();
    is_send(world.settle());
    let shared = SharedWorld::new(World::builder(server(&clock, 1)).build());
    is_send(shared.run(&*clock));
}
