//! What the simulated cloud costs: a large group, idle accounts, a day of churn.
//!
//! Every input follows from a fixed seed. Figures only; nothing is asserted.

#![allow(clippy::expect_used, reason = "benchmarks stop at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use cloud_sim::{CloudSim, GroupSpec, LaunchTemplateSpec, WorldOptions};
use divan::Bencher;
use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use ports::SystemClock;
use ports::cloud::{GroupName, Market, NodeGroups, Tags};

fn main() {
    divan::main();
}

/// An account ahead of the machine's clock, with one group.
fn account(seed: u64, size: u32, market: Market, life: Option<Duration>) -> CloudSim {
    let mut options = WorldOptions::new("123456789012", "eu-central-1", seed).unthrottled();
    options.start = Timestamp::MAX - SignedDuration::from_hours(24 * 30);
    options.spot_mean_life = life;
    let sim = CloudSim::new(options, Arc::new(SystemClock));
    sim.add_image_with_id("ami-1");
    let mut spec = LaunchTemplateSpec::new("ami-1", "m5.large");
    spec.market = market;
    sim.create_launch_template("lt", spec).expect("a new name");
    sim.create_group(GroupSpec::new("g", "lt", 0, size, size * 2))
        .expect("a new group");
    sim
}

fn hours(sim: &CloudSim, hours: i64) {
    sim.advance(sim.now() + SignedDuration::from_hours(hours));
}

/// A group of a thousand instances comes up.
#[divan::bench(sample_count = 10)]
fn launch_1000_instances(bencher: Bencher) {
    bencher
        .with_inputs(|| account(1, 1000, Market::OnDemand, None))
        .bench_refs(|sim| hours(sim, 1));
}

/// A group of a thousand instances is described.
#[divan::bench(sample_count = 50)]
fn describe_1000_instances(bencher: Bencher) {
    let sim = account(2, 1000, Market::OnDemand, None);
    hours(&sim, 1);
    bencher.bench(|| {
        sim.group(&GroupName::from("g"))
            .now_or_never()
            .expect("an answer")
            .expect("the group")
            .instances
            .len()
    });
}

/// A simulated day of a thousand spot instances that live six hours on average: some four thousand replacements.
#[divan::bench(sample_count = 5)]
fn a_day_of_1000_spot_instances(bencher: Bencher) {
    let life = Some(Duration::from_secs(6 * 3600));
    bencher
        .with_inputs(|| account(3, 1000, Market::Spot, life))
        .bench_refs(|sim| hours(sim, 24));
}

/// A simulated day of 150 settled accounts with twenty instances each.
#[divan::bench(sample_count = 20)]
fn an_idle_day_of_150_accounts(bencher: Bencher) {
    let fleet: Vec<CloudSim> = (0..150).map(|seed| account(seed, 20, Market::OnDemand, None)).collect();
    fleet.iter().for_each(|sim| hours(sim, 2));
    bencher.bench(|| {
        fleet.iter().for_each(|sim| hours(sim, 24));
        fleet.iter().filter(|sim| sim.next_due().is_some()).count()
    });
}

/// 150 accounts come into being, with a group of twenty instances in service each.
#[divan::bench(sample_count = 10)]
fn start_150_accounts(bencher: Bencher) {
    bencher.bench(|| {
        let fleet: Vec<CloudSim> = (0..150).map(|seed| account(seed, 20, Market::OnDemand, None)).collect();
        fleet.iter().for_each(|sim| hours(sim, 1));
        fleet
            .iter()
            .filter(|sim| {
                !sim.groups(&Tags::new())
                    .now_or_never()
                    .expect("an answer")
                    .expect("groups")
                    .is_empty()
            })
            .count()
    });
}
