//! A rollout over many nodes under the production policy, in simulated time: engine, cluster and cloud in one process. Prints
//! the machine, what three simulated days cost, and what the API server was asked for each drained node.
//!
//! `cargo bench -p rollout`. `NODES` and `PODS` say how large (1,000 nodes with 30 pods each).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lab of the tests, and figures for people"
)]

#[path = "../tests/it/guard.rs"]
mod guard;
#[path = "../tests/it/lab.rs"]
mod lab;
#[path = "../tests/it/ledger.rs"]
mod ledger;

use disruption::Environment;
use kube_access::Verb;
use testkit::bench::{Stopwatch, machine};

/// The allocator that the binary has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

fn number(name: &str, default: u32) -> u32 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What a node takes beside one eviction for each pod and the events that tell people: the taint read and written, because
/// taints are replaced as a whole; the write that closes it; a look before its machine ends; the hold on the new node in its
/// place, and its release.
const LEAST: f64 = 6.0;

/// Pods of an application; half of the applications may lack five of them at once, half one.
const REPLICAS: u32 = 60;

#[divan::bench(sample_count = 1, sample_size = 1)]
fn whole_pool() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (nodes, pods) = (number("NODES", 1_000), number("PODS", 30));
        let options = lab::Options {
            environment: Environment::Production,
            watched: false,
            ..lab::Options::new(1, nodes)
        };
        println!("\n{}", machine());
        let watch = Stopwatch::start();
        let mut lab = lab::Lab::new(&options).await;
        for app in 0..nodes * pods / REPLICAS {
            let name = format!("app-{app}");
            lab.deployment(&name, REPLICAS).await;
            lab.budget(&name, if app.is_multiple_of(2) { 5 } else { 1 }).await;
        }
        lab.pass(600).await;
        lab.start_engine(None);
        lab.pass(600).await;
        println!("{nodes} nodes with {} pods are there: {}", nodes * pods, watch.read());
        let before = lab.access.counts();
        let watch = Stopwatch::start();
        lab.new_definition("workers").await;
        let mut over = None;
        for hours in 1..=3 * 24 {
            lab.pass(3_600).await;
            let open = lab.ledger.all(rollout::ROLLOUT_KIND).iter().any(|entry| entry.open);
            if !open && over.is_none() {
                println!("the rollout is over within {hours} simulated hours: {}", watch.read());
                over = Some(lab.access.counts());
            }
        }
        println!("three simulated days: {}", watch.read());
        // What three days were not enough for is not measured, but it has to come to its end.
        let more = lab.rolled("workers", 24 * 30).await;
        assert!(!lab.nodes().iter().any(lab::is_marked), "{more} hours more");
        let (done, after) = (
            lab.handle().counts().await.unwrap(),
            over.unwrap_or_else(|| lab.access.counts()),
        );
        println!("{done:?}");
        let gone = done.terminated.max(1) as f64;
        let asked = |verb: &Verb| {
            let of = |counts: &kube_access::Counts| counts.calls.get(verb).copied().unwrap_or(0);
            (of(&after) - of(&before)) as f64 / gone
        };
        let by_verb = Verb::ALL.iter().map(|verb| (verb, asked(verb)));
        let by_verb: Vec<String> = by_verb
            .filter(|(_, share)| *share > 0.0)
            .map(|(verb, share)| format!("{} {share:.2}", verb.name()))
            .collect();
        let beside: f64 = [Verb::Get, Verb::List, Verb::Patch, Verb::Delete]
            .iter()
            .map(asked)
            .sum();
        println!(
            "calls for each drained node: {}; beside evictions and events (apply) {beside:.2}, at least {LEAST:.2}",
            by_verb.join(", ")
        );
    });
}
