//! Deterministic simulation of two and three replicas that share a small fleet: leases that are lost, processes that stand
//! still and wake up, die at a write or are told to stop, clocks that differ and jump, git that each of them reads at its own
//! time, a store that goes away, clusters that do not answer. All of it is drawn from a seed; what must never happen is checked
//! at every external write, what must happen in the end once the faults stop.
//!
//! A failing seed is printed with the command that replays it:
//! `FLEETWRIGHT_SEED=<seed> cargo test -p lifecycle --test it replicas::replay -- --nocapture`.

mod guards;
mod handing_over;
mod incidents;
mod story;
mod witness;
mod world;

use lifecycle::guard::Rules;

use story::Goes;
use witness::Seen;

/// The clusters of the fleet; every third seed lets the last one be dead for most of the time.
const CLUSTERS: [&str; 2] = ["kube-1", "kube-2"];
/// How many objects may be pruned without consent.
const FEW: usize = 1;

/// A configuration whose level is the number of the commit. Every fifth one holds an object that clusters refuse.
fn numbered(n: u32) -> model::config_tree::ConfigTree {
    let extras: Vec<(String, String)> = (0..n % 3)
        .map(|extra| {
            let path = format!("cluster/manifests/extra/e{extra}.yaml");
            (path, crate::updates::map_named(&format!("extra-{extra}")))
        })
        .collect();
    let mut files: Vec<(&str, &str)> = extras
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let bad = crate::updates::map_named("Bad");
    if n % 5 == 3 {
        files.push(("cluster/manifests/zz/bad.yaml", &bad));
    }
    crate::updates::commit(&format!("commit-{n}"), &n.to_string(), &files)
}

fn on_paused_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(work)
}

fn run(seed: u64, rules: Rules) -> Seen {
    on_paused_time(story::live(seed, rules, Goes::Free))
}

fn run_in_waves(seed: u64, rules: Rules) -> Seen {
    on_paused_time(story::live(seed, rules, Goes::InWaves))
}

fn run_through_a_gate(seed: u64, rules: Rules) -> Seen {
    on_paused_time(story::live(seed, rules, Goes::ThroughAGate))
}

fn command(seed: u64, replay: &str) -> String {
    format!("FLEETWRIGHT_SEED={seed} cargo test -p lifecycle --test it replicas::{replay} -- --nocapture")
}

/// Runs the seeds on two threads and adds up.
fn run_all(count: u64, replay: &'static str, run: fn(u64, Rules) -> Seen) -> Seen {
    let half = |first: u64| {
        std::thread::spawn(move || {
            let mut all = Seen::default();
            for seed in (first..count).step_by(2) {
                let mut seen = run(seed, Rules::default());
                seen.breaches
                    .iter_mut()
                    .for_each(|breach| breach.push_str(&format!("\n  {}", command(seed, replay))));
                all.add(seen);
            }
            all
        })
    };
    let mut all = Seen::default();
    for half in [half(0), half(1)] {
        all.add(half.join().unwrap());
    }
    all
}

#[test]
fn no_seed_of_replicas_breaks_a_promise() {
    let asked = std::env::var("FLEETWRIGHT_SEEDS");
    let count = asked.ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let began = ports::Clock::now(&ports::SystemClock);
    let seen = run_all(count, "replay", run);
    let spent = ports::Clock::now(&ports::SystemClock)
        .duration_since(began)
        .as_secs_f64();
    println!(
        "{count} seeds with two and three replicas in {spent:.1} s: {:?}, {} breaches; checks: {:?}",
        seen.events,
        seen.breaches.len(),
        seen.checks
    );
    let shown: Vec<&String> = seen.breaches.iter().take(5).collect();
    assert!(
        seen.breaches.is_empty(),
        "{} breaches, such as {shown:#?}",
        seen.breaches.len()
    );
    for promise in [
        "V4", "V7", "V8", "V9", "V10", "V11", "V12", "V15", "W1", "W3", "W4", "W5", "W6",
    ] {
        assert!(
            count < 100 || seen.checks.contains_key(promise),
            "{promise} was never checked"
        );
    }
}

#[test]
fn v5_no_seed_of_replicas_that_go_in_waves_has_more_in_flight_than_the_limit() {
    let asked = std::env::var("FLEETWRIGHT_SEEDS");
    let count = asked.ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let seen = run_all(count, "replay_in_waves", run_in_waves);
    println!("{count} seeds in waves: {:?}; checks: {:?}", seen.events, seen.checks);
    let shown: Vec<&String> = seen.breaches.iter().take(5).collect();
    assert!(
        seen.breaches.is_empty(),
        "{} breaches, such as {shown:#?}",
        seen.breaches.len()
    );
    for promise in ["V4", "V5", "V7", "V8", "V10", "V15", "W1", "W4", "W6"] {
        assert!(
            count < 10 || seen.checks.contains_key(promise),
            "{promise} was never checked"
        );
    }
}

#[test]
fn v6_no_seed_of_replicas_brings_a_commit_through_a_gate_before_it_soaked() {
    let asked = std::env::var("FLEETWRIGHT_SEEDS");
    let count = asked.ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let seen = run_all(count, "replay_through_a_gate", run_through_a_gate);
    println!(
        "{count} seeds through a gate: {:?}; checks: {:?}",
        seen.events, seen.checks
    );
    let shown: Vec<&String> = seen.breaches.iter().take(5).collect();
    assert!(
        seen.breaches.is_empty(),
        "{} breaches, such as {shown:#?}",
        seen.breaches.len()
    );
    for promise in ["V4", "V6", "V7", "V8", "V10", "V15", "W1", "W4", "W6"] {
        assert!(
            count < 10 || seen.checks.contains_key(promise),
            "{promise} was never checked"
        );
    }
}

#[test]
fn the_same_seed_of_replicas_gives_the_same_run_and_another_seed_another() {
    for seed in [12, 13] {
        let (one, again) = (run(seed, Rules::default()), run(seed, Rules::default()));
        assert_eq!((&one.digest, &one.log), (&again.digest, &again.log));
    }
    assert_ne!(run(12, Rules::default()).digest, run(13, Rules::default()).digest);
}

#[test]
fn replay() {
    replayed(run);
}

#[test]
fn replay_in_waves() {
    replayed(run_in_waves);
}

#[test]
fn replay_through_a_gate() {
    replayed(run_through_a_gate);
}

fn replayed(run: fn(u64, Rules) -> Seen) {
    let asked = std::env::var("FLEETWRIGHT_SEED");
    let Some(seed) = asked.ok().and_then(|text| text.parse().ok()) else {
        return;
    };
    let seen = run(seed, Rules::default());
    seen.log.iter().for_each(|line| println!("{line}"));
    println!("{:?}\n{:#?}\n{}", seen.checks, seen.breaches, seen.digest);
    assert!(seen.breaches.is_empty());
}
