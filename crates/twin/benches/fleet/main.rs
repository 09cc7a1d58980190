//! What fleets cost: start, memory, idleness, and a day of churn.
//!
//! Each bench prints what it made beside its time: pods, the memory of the process (its resident set as
//! `/proc/self/statm` tells it, before and after), and for days what happened in them and the time that the processor spent. Nothing is asserted about time.
//!
//! `cargo bench -p twin --bench fleet` runs all of it; `-- start` or `-- day` a part.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark may stop, and prints figures"
)]

mod day;
mod idle;

use std::sync::Arc;

use divan::Bencher;
use jiff::{SignedDuration, Timestamp};
use ports::Clock;
use twin::{ClusterSpec, Fleet, FleetSpec, PoolSpec, Profile, StepClock};

/// The allocator that the binary has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

/// Resident mebibytes of this process.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4 / 1024
}

/// The time in user and system mode that this process has spent so far, in hundredths of a second.
pub(crate) fn spent() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in brackets, may hold blanks.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// A fleet of so many clusters, whose profiles take turns.
pub(crate) fn spec(clusters: u32, nodes: u32, pods_per_node: u32) -> FleetSpec {
    let cluster = |number: u32| {
        let profile = Profile::ALL[usize::try_from(number % 4).unwrap()];
        ClusterSpec::new(&format!("kube-{number}"))
            .pool(PoolSpec::new("workers", nodes))
            .profile(profile)
            .pods_per_node(pods_per_node)
    };
    (0..clusters).map(cluster).fold(FleetSpec::new(1), FleetSpec::cluster)
}

/// One cluster as a company runs it: every kind of workload, and the parts of the system on each node.
pub(crate) fn one(nodes: u32, pods_per_node: u32) -> FleetSpec {
    let cluster = ClusterSpec::new("kube-0").pool(PoolSpec::new("workers", nodes));
    FleetSpec::new(1).cluster(cluster.profile(Profile::Zalando).pods_per_node(pods_per_node))
}

pub(crate) fn build(spec: FleetSpec) -> (Arc<StepClock>, Fleet) {
    let clock = Arc::new(StepClock::at(Timestamp::from_second(1_750_000_020).unwrap()));
    let fleet = block(Fleet::build(spec, clock.clone())).unwrap();
    (clock, fleet)
}

pub(crate) fn pods(fleet: &Fleet) -> usize {
    fleet
        .clusters()
        .iter()
        .map(|one| one.world().view().pods("").count())
        .sum()
}

fn started(spec: FleetSpec) -> Fleet {
    let before = resident();
    let (_, fleet) = build(spec);
    println!(
        "  {} pods; {before} MiB resident before, {} MiB after",
        pods(&fleet),
        resident()
    );
    fleet
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn start_150_clusters_of_8_nodes_and_100_pods() -> Fleet {
    started(spec(150, 8, 12))
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn start_150_clusters_of_8_nodes_and_800_pods() -> Fleet {
    started(spec(150, 8, 100))
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn start_1_cluster_of_1000_nodes_and_30000_pods() -> Fleet {
    started(one(1_000, 30))
}

/// Nobody does anything for a day; what is left are the schedules of the profiles.
fn day_without_users(bencher: Bencher<'_, '_>, spec: fn() -> FleetSpec) {
    bencher
        .with_inputs(|| build(spec()))
        .bench_values(|(clock, mut fleet)| {
            let until = clock.now() + SignedDuration::from_hours(24);
            let steps = block(fleet.advance_to(&clock, until));
            println!("  {steps} plans");
            fleet
        });
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn day_without_users_in_150_clusters(bencher: Bencher<'_, '_>) {
    day_without_users(bencher, || spec(150, 8, 12));
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn day_without_users_on_1000_nodes(bencher: Bencher<'_, '_>) {
    day_without_users(bencher, || one(1_000, 30));
}
