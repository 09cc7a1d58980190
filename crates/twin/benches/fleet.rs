//! What fleets cost: start, memory, idleness, and a day of churn.
//!
//! Memory is the resident set of the process as `/proc/self/statm` tells it, printed beside the times.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark may stop, and prints figures"
)]

use std::sync::Arc;

use divan::Bencher;
use jiff::{SignedDuration, Timestamp};
use kube_sim::{Place, UserInfo};
use ports::Clock;
use serde_json::json;
use twin::{ClusterSpec, Fleet, FleetSpec, PoolSpec, Profile, Shape, StepClock};

fn main() {
    divan::main();
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
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

fn pool(nodes: u32) -> PoolSpec {
    PoolSpec::new("workers", nodes).shape(Shape::default())
}

async fn fleet(clusters: u32, nodes: u32, pods_per_node: u32) -> (Arc<StepClock>, Fleet) {
    let clock = Arc::new(StepClock::at(Timestamp::from_second(1_750_000_020).unwrap()));
    let mut spec = FleetSpec::new(1);
    for number in 0..clusters {
        let profile = Profile::ALL[usize::try_from(number % 4).unwrap()];
        let cluster = ClusterSpec::new(&format!("kube-{number}")).pool(pool(nodes));
        spec = spec.cluster(cluster.profile(profile).pods_per_node(pods_per_node));
    }
    let fleet = Fleet::build(spec, clock.clone()).await.unwrap();
    (clock, fleet)
}

fn pods(fleet: &Fleet) -> usize {
    fleet
        .clusters()
        .iter()
        .map(|one| one.world().view().pods("").count())
        .sum()
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn start_150_clusters_of_8_nodes_and_100_pods_each() -> Fleet {
    let before = resident();
    let (_, fleet) = block(fleet(150, 8, 100));
    println!("  {} pods, {} MiB more resident", pods(&fleet), resident() - before);
    fleet
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn start_1_cluster_of_1000_nodes_and_30000_pods() -> Fleet {
    let before = resident();
    let (_, fleet) = block(fleet(1, 1_000, 30));
    println!("  {} pods, {} MiB more resident", pods(&fleet), resident() - before);
    fleet
}

/// Nobody does anything for a day in 150 clusters; what is left are the schedules of the profiles.
#[divan::bench(sample_count = 1, sample_size = 1)]
fn a_day_without_users_in_150_clusters(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(|| block(fleet(150, 8, 12)))
        .bench_values(|(clock, mut fleet)| {
            let until = clock.now() + SignedDuration::from_hours(24);
            let steps = block(fleet.advance_to(&clock, until));
            println!("  {steps} plans");
            fleet
        });
}

/// A usual day on 1,000 nodes and 30,000 pods: rollouts replace 5 % of the pods, five machines die and return, and the
/// schedules of the profile run.
#[divan::bench(sample_count = 1, sample_size = 1)]
fn a_day_of_churn_on_1000_nodes(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(|| block(fleet(1, 1_000, 30)))
        .bench_values(|(clock, mut fleet)| {
            block(async {
                let server = fleet.clusters()[0].server().clone();
                let admin = server.local(UserInfo::admin());
                let end = clock.now() + SignedDuration::from_hours(24);
                let (mut left, mut rollouts) = (pods(&fleet) / 20, Vec::new());
                for deployment in server.read_all("apps", "deployments", "") {
                    let size = usize::try_from(deployment["spec"]["replicas"].as_u64().unwrap()).unwrap();
                    if left < size {
                        break;
                    }
                    left -= size;
                    let text = |field: &str| deployment["metadata"][field].as_str().unwrap().to_owned();
                    rollouts.push((text("namespace"), text("name")));
                }
                let gap = SignedDuration::from_secs(86_000 / i64::try_from(rollouts.len()).unwrap().max(1));
                let mut steps = 0;
                for (turn, (namespace, name)) in rollouts.iter().enumerate() {
                    let place = Place {
                        group: "apps",
                        version: "v1",
                        resource: "deployments",
                        namespace,
                    };
                    let again = json!({"spec": {"template": {"metadata": {"annotations": {"restarted": "today"}}}}});
                    admin.patch(place, name, "", &again).await.unwrap();
                    if turn % (rollouts.len() / 5).max(1) == 0 {
                        let node = format!("workers-{turn}");
                        fleet.with("kube-0", |one| one.world_mut().kill_node(&node)).unwrap();
                        let later = clock.now() + SignedDuration::from_mins(10);
                        steps += fleet.advance_to(&clock, later).await;
                        fleet.with("kube-0", |one| one.world_mut().revive_node(&node)).unwrap();
                    }
                    let until = (clock.now() + gap).min(end);
                    steps += fleet.advance_to(&clock, until).await;
                }
                steps += fleet.advance_to(&clock, end.max(clock.now())).await;
                println!("  {} rollouts, {steps} plans", rollouts.len());
            });
            fleet
        });
}
