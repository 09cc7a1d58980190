//! What worlds cost: their start, their memory, a day of churn, an idle day, and one status patch.
#![allow(clippy::unwrap_used, reason = "a benchmark may stop")]

use std::sync::Arc;

use divan::Bencher;
use jiff::{SignedDuration, Timestamp};
use kube_sim::{ApiServer, DeleteOptions, Place, UserInfo};
use kube_world::{NodeSpec, Profile, StepClock, World};
use ports::{Clock, SeededIds};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn pod(number: usize, nodes: usize) -> Value {
    let app = number / 10;
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("app-{app}-{number}"), "namespace": "default",
            "labels": {"application": format!("app-{app}"), "component": "web", "version": "v1"}},
        "spec": {"nodeName": format!("node-{}", number % nodes), "containers": [{
            "name": "app", "image": "registry.example.org/team/app:1",
            "ports": [{"name": "http", "containerPort": 8080}],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
            "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}}}]}})
}

/// A settled world with pods that run.
async fn settled(seed: u64, nodes: usize, pods: usize) -> (Arc<StepClock>, World) {
    let clock = Arc::new(StepClock::at(Timestamp::from_second(1_750_000_000).unwrap()));
    let server = ApiServer::new(clock.clone(), Arc::new(SeededIds::new(seed)));
    let mut world = World::builder(server).seed(seed).profile(Profile::default()).build();
    for node in 0..nodes {
        world.add_node(NodeSpec::new(&format!("node-{node}")));
    }
    world.settle().await;
    assert_eq!(world.start_settled((0..pods).map(|number| pod(number, nodes))), pods);
    world.settle().await;
    (clock, world)
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn start_1_cluster_of_1000_nodes_and_30000_pods() -> World {
    block(settled(1, 1_000, 30_000)).1
}

/// Two threads, each with half of the clusters.
#[divan::bench(sample_count = 1, sample_size = 1)]
fn start_150_clusters_of_8_nodes_and_800_pods() -> Vec<World> {
    let half =
        |from: u64, to: u64| move || -> Vec<World> { (from..to).map(|seed| block(settled(seed, 8, 800)).1).collect() };
    let other = std::thread::spawn(half(75, 150));
    let mut worlds = half(0, 75)();
    worlds.extend(other.join().unwrap());
    worlds
}

/// A pod is replaced every 30 seconds: 2,880 are created, started, made ready, and as many stopped.
#[divan::bench(sample_count = 1, sample_size = 1)]
fn a_day_of_churn_on_1000_nodes(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(|| block(settled(1, 1_000, 30_000)))
        .bench_values(|(clock, mut world)| {
            block(async {
                let place = Place {
                    group: "",
                    version: "v1",
                    resource: "pods",
                    namespace: "default",
                };
                let admin = world.server().local(UserInfo::admin());
                for turn in 0..2_880 {
                    admin.create(place, pod(40_000 + turn, 1_000)).await.unwrap();
                    let old = pod(turn, 1_000)["metadata"]["name"].as_str().unwrap().to_owned();
                    admin.delete(place, &old, &DeleteOptions::default()).await.unwrap();
                    let until = clock.now() + SignedDuration::from_secs(30);
                    world.advance_to(&clock, until).await;
                }
                world
            })
        });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn an_idle_day_on_1000_nodes(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(|| block(settled(1, 1_000, 30_000)))
        .bench_values(|(clock, mut world)| {
            block(async {
                let until = clock.now() + SignedDuration::from_hours(24);
                world.advance_to(&clock, until).await;
                world
            })
        });
}

#[divan::bench]
fn one_status_patch(bencher: Bencher<'_, '_>) {
    let (_clock, world) = block(settled(1, 1, 100));
    let admin = world.server().local(UserInfo::admin());
    let mut turn = 0_u64;
    bencher.bench_local(|| {
        turn += 1;
        let place = Place {
            group: "",
            version: "v1",
            resource: "pods",
            namespace: "default",
        };
        let patch = json!({"status": {"nominatedNodeName": turn.to_string()}});
        block(admin.patch(place, "app-0-1", "status", &patch)).unwrap()
    });
}
