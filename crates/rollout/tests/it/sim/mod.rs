//! Deterministic simulation: the engine replaces the nodes of a small cluster while everything goes wrong that a seed draws,
//! and an oracle that shares nothing with it watches. What must never happen is checked at every write, what must happen in
//! the end once the faults stop.
//!
//! `cargo test --release -p rollout --test it -- sim:: --show-output` runs 2,000 seeds and switches every guard off once; an
//! unoptimised build runs ten seeds. `FLEETWRIGHT_SEEDS` and `FLEETWRIGHT_FROM` say how many and from which one on. A failing
//! seed is printed with the command that replays it, byte for byte.
//!
//! | law | says |
//! |---|---|
//! | V1 | no eviction below a budget, no machine ended under a pod |
//! | V2 | no forced termination with a clock unmet: grace, lifetime, siblings, deadline, operator |
//! | V3 | paces of forced terminations, on a node and in a budget |
//! | V4 | nothing disruptive leaves after a block |
//! | V5 | never more nodes in flight, nor machines wanted, than the limits |
//! | V10 | nobody writes without the lease |
//! | V15 | no forced termination without a record |
//! | C1 | capacity first |
//! | S1 to S5, K1, P1 | one member of a set at a time, primaries, Jobs, operators, cordon; who stays; no hammering |
//! | W2 | every node goes, within the bound that the engine printed and one of the oracle's own |
//! | W3 | a block takes marks back, and the rollout goes on after it |
//! | W4 | whatever was killed, the end is the same |
//!
//! # What the oracle lets pass
//!
//! V1 below budgets, V4, V5, V10, V15, S3, S5, P1 and the deadlines of Jobs are exact: no tolerance, with the oracle's own clock.
//!
//! | what | where | why that is right |
//! |---|---|---|
//! | clocks are over at the decision, not when the deletion arrives | V2, V3 | the record is written at the decision; that a slow API takes its time makes pods older, never younger, so this is the stricter reading |
//! | [`LATE`](oracle::LATE), a second | V2 grace | the engine writes the start of a drain anew that was longer on its way |
//! | `UNDER_WAY`, five seconds | V3 | the engine decides anew what did not leave within five seconds, and counts the pace anew of what was done later than that |
//! | clocks of managers that are wrong by half a minute at most, by as much as they are | V2, V3 | such a clock may go unnoticed while answers take up to twenty seconds: their time says no more than that it was made meanwhile. Only seeds that draw such a clock have it |
//! | `WATCHED`, ninety seconds while the API misbehaves, else two | S1, S2, S4, K1, C1 | what others change nobody can know before his watch tells: silent for up to a minute, then broken and opened anew on a list that is late or old by twenty seconds |
//! | `LISTED`, 45 seconds while the API misbehaves, else two | V2 siblings, operator | the same for pods that are read once more right before |
//! | evictions and deletions that the server answered with 404 or 409 | V4 | they name a UID: whoever was meant is gone, and nobody was disturbed |
//! | machines that end anyway, or that trouble took | V1, V4, V5, C1, S5, W3 | the contract empties them politely whatever else holds |
//! | a manager's refusals before its clock was set, or its engine began | P1 | they are noted by that clock, in memory |
//! | a minute | W2 bound | the bound is for the last pod; the machine's end is asked for in the next round |

mod book;
mod case;
mod dice;
mod facts;
mod force;
mod guards;
mod life;
mod manager;
mod objects;
mod oracle;
mod people;
mod site;
mod wires;

use std::collections::BTreeMap;

use case::Case;
use life::{Seen, live};

/// Runs one case on a runtime of its own.
fn run(case: Case) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(live(case))
}

/// The command that replays a seed.
fn replays(seed: u64) -> String {
    format!("FLEETWRIGHT_SEED={seed} cargo test -p rollout --test it sim::replay -- --exact --nocapture")
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Sums over many seeds.
#[derive(Default)]
struct Total {
    checks: BTreeMap<&'static str, u64>,
    breaches: usize,
    kills: u64,
    writes: u64,
    evicted: u64,
    forced: u64,
    hours: i64,
}

impl Total {
    fn add(&mut self, seen: Seen) {
        for (law, count) in seen.checks {
            *self.checks.entry(law).or_default() += count;
        }
        self.breaches += seen.breaches.len();
        self.kills += seen.kills;
        self.writes += seen.writes;
        self.evicted += seen.evicted;
        self.forced += seen.forced;
        self.hours += seen.hours;
    }

    fn join(&mut self, other: Self) {
        for (law, count) in other.checks {
            *self.checks.entry(law).or_default() += count;
        }
        self.breaches += other.breaches;
        self.kills += other.kills;
        self.writes += other.writes;
        self.evicted += other.evicted;
        self.forced += other.forced;
        self.hours += other.hours;
    }
}

/// Runs seeds on two threads and adds up.
fn run_all(from: u64, count: u64) -> Total {
    let halves: Vec<_> = (0..2)
        .map(|half| {
            std::thread::spawn(move || {
                let mut total = Total::default();
                for seed in (from + half..from + count).step_by(2) {
                    let seen = run(Case::drawn(seed));
                    for breach in &seen.breaches {
                        // What a breach says at length is in the replay.
                        let brief: String = breach.chars().take(240).collect();
                        println!("{brief}\n    {}", replays(seed));
                    }
                    total.add(seen);
                }
                total
            })
        })
        .collect();
    let mut total = Total::default();
    for half in halves {
        total.join(half.join().unwrap());
    }
    total
}

#[test]
fn no_seed_breaks_a_promise() {
    let count = number("FLEETWRIGHT_SEEDS").unwrap_or(if cfg!(debug_assertions) { 10 } else { 2_000 });
    let total = run_all(number("FLEETWRIGHT_FROM").unwrap_or(0), count);
    let checks: u64 = total.checks.values().sum();
    println!(
        "{count} seeds, {} simulated hours, {} writes, {} kills, {} evictions, {} forced terminations: {checks} checks, {} breaches",
        total.hours, total.writes, total.kills, total.evicted, total.forced, total.breaches
    );
    println!("{:?}", total.checks);
    assert_eq!(total.breaches, 0);
}

#[test]
fn replay() {
    let Some(seed) = number("FLEETWRIGHT_SEED") else { return };
    let seen = run(Case::drawn(seed));
    println!("{}", seen.log);
    println!("{:?}\nbreaches: {:#?}", seen.checks, seen.breaches);
}

#[test]
fn a_printed_command_replays_a_seed_byte_for_byte() {
    let seed = 7;
    let command = replays(seed);
    let mut words = command.split(' ');
    let (name, value) = words.next().unwrap().split_once('=').unwrap();
    // `cargo test -p rollout --test it` is this very program; what follows are its arguments.
    let arguments: Vec<&str> = words
        .skip_while(|word| *word != "it")
        .skip(1)
        .filter(|word| *word != "--")
        .collect();
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new(program)
        .args(&arguments)
        .env(name, value)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let seen = run(Case::drawn(seed));
    assert!(seen.log.lines().count() > 100, "{}", seen.log);
    assert!(text.contains(&seen.log), "the replay says something else");
    assert_ne!(seen.log, run(Case::drawn(seed + 1)).log);
}
