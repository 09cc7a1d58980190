//! Fleets on a clock that runs by itself.

use std::sync::Arc;
use std::time::Duration;

use json_tree::json;
use kube_sim::{Place, UserInfo};
use ports::cloud::{GroupName, GroupSize, NodeGroups};
use ports::{Clock, SimClock};
use twin::{ClusterSpec, Fleet, FleetSpec, PoolSpec, Profile, ScaledClock, SharedFleet};

use crate::support::start;

const PODS: Place<'static> = Place {
    group: "",
    version: "v1",
    resource: "pods",
    namespace: "default",
};

fn needs_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test(start_paused = true)]
async fn a_fleet_lives_beside_its_users_and_rests_when_nothing_is_due() {
    // A hundred times as fast as the runtime's time.
    let clock: Arc<dyn Clock> = Arc::new(ScaledClock::new(
        Arc::new(SimClock::starting_at(start())),
        start(),
        100.0,
    ));
    let cluster = |id: &str| {
        ClusterSpec::new(id)
            .pool(PoolSpec::new("workers", 2))
            .profile(Profile::Shop)
    };
    let spec = FleetSpec::new(5).cluster(cluster("kube-1")).cluster(cluster("kube-2"));
    let fleet = SharedFleet::new(Fleet::build(spec, clock.clone()).await.unwrap());
    let driver = fleet.clone();
    let driver = tokio::spawn(needs_send(async move { driver.run().await }));
    let server = fleet.hold().await.cluster("kube-2").unwrap().server().clone();
    let pod = json!({"metadata": {"name": "new"}, "spec": {"containers": [{"name": "main", "image": "main:1"}]}});
    server.local(UserInfo::admin()).create(PODS, pod).await.unwrap();
    let real = tokio::time::Instant::now();
    while server.read("", "pods", "default", "new").unwrap()["status"]["phase"] != "Running" {
        clock.sleep(Duration::from_secs(1)).await;
    }
    assert!(real.elapsed() < Duration::from_secs(1), "{:?}", real.elapsed());
    // A day without events takes no plan, but for what has to do with time itself.
    clock.sleep(Duration::from_secs(600)).await;
    let steps = |fleet: &Fleet| fleet.clusters().iter().map(|one| one.world().steps()).sum::<u64>();
    let before = steps(&*fleet.hold().await);
    clock.sleep(Duration::from_secs(12 * 3600)).await;
    assert_eq!(steps(&*fleet.hold().await), before);
    driver.abort();
}

#[tokio::test(start_paused = true)]
async fn a_call_to_the_cloud_wakes_the_driver() {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::starting_at(start()));
    let cluster = ClusterSpec::new("kube-1")
        .pool(PoolSpec::new("workers", 2).bounds(2, 5))
        .on_cloud();
    let fleet = Fleet::build(FleetSpec::new(6).cluster(cluster), clock.clone())
        .await
        .unwrap();
    let sim = fleet.clouds().sim("123456789012", "eu-central-1");
    let fleet = SharedFleet::new(fleet);
    let driver = fleet.clone();
    let driver = tokio::spawn(async move { driver.run().await });
    clock.sleep(Duration::from_secs(3600)).await;
    let size = GroupSize {
        desired: Some(4),
        ..GroupSize::default()
    };
    sim.resize_group(&GroupName::from("kube-1-workers"), size)
        .await
        .unwrap();
    clock.sleep(Duration::from_secs(600)).await;
    let held = fleet.hold().await;
    let ready = held.clusters()[0]
        .world()
        .view()
        .nodes()
        .filter(|node| node.is_ready())
        .count();
    assert_eq!(ready, 4);
    driver.abort();
}
