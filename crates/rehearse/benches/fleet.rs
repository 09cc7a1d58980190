//! How much simulated time a second of a core buys: a rollout over every node of a fleet, until all is done or three days have
//! passed. `CLUSTERS` and `NODES` say how large the fleet is (12 clusters of 12 nodes, half of them production).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the scenarios of the tests, and figures for people"
)]

#[path = "../tests/it/fleet.rs"]
mod fleet;

use rehearse::{Scenario, Workload, rehearse};
use testkit::bench::{Stopwatch, machine};
use twin::Profile;

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

fn scenario() -> Scenario {
    let (clusters, nodes) = (number("CLUSTERS", 12), number("NODES", 12));
    let cluster = |n: u32| {
        let environment = if n.is_multiple_of(2) { "production" } else { "test" };
        let cluster = fleet::cluster(&format!("kube-{n}"), environment, nodes);
        fleet::input(cluster, Workload::Profile(Profile::Zalando))
    };
    let (from, to) = (fleet::tree("one", "ami-1"), fleet::tree("two", "ami-2"));
    fleet::between(&from, &to, (1..=clusters).map(cluster).collect())
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn whole_fleet() {
    let scenario = scenario();
    let watch = Stopwatch::start();
    let report = rehearse(&scenario, 1).unwrap();
    let taken = watch.read();
    let hours = report.end.duration_since(report.start).as_secs_f64() / 3_600.0;
    let nodes: usize = report.clusters.iter().map(|cluster| cluster.nodes.len()).sum();
    println!("{}", machine());
    println!(
        "{} clusters, {nodes} nodes old and new, {hours:.1} simulated hours in {taken}: {:?}",
        report.clusters.len(),
        report.totals
    );
}
