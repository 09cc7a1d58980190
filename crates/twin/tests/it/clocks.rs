//! Clusters whose own clocks are set: nodes and pods live on, and what is under way goes on.

use http::Request;
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use json_tree::{List, Value, json};
use kube_sim::{DeleteOptions, Place, UserInfo};
use kube_world::autoscaler::Options;
use ports::Clock;
use tower::ServiceExt as _;
use twin::{ClusterSpec, Fleet, FleetSnapshot, PoolSpec, Profile};

use crate::support::{Lab, start};

const PODS: Place<'static> = Place {
    group: "",
    version: "v1",
    resource: "pods",
    namespace: "default",
};

/// As far as clocks jump here: longer than every grace period, back-off and toleration.
const JUMPS: [SignedDuration; 2] = [SignedDuration::from_hours(2), SignedDuration::from_hours(-2)];

fn cluster() -> ClusterSpec {
    ClusterSpec::new("kube-1")
        .pool(PoolSpec::new("workers", 3))
        .profile(Profile::Shop)
        .pods_per_node(4)
}

fn set_clock(lab: &mut Lab, by: SignedDuration) {
    lab.fleet.with("kube-1", |cluster| cluster.set_clock(by)).unwrap();
}

fn object(lab: &Lab, resource: &str, namespace: &str, name: &str) -> Option<Value> {
    lab.fleet.clusters()[0].server().read("", resource, namespace, name)
}

/// A node's lease as clients of the API see it.
async fn lease(lab: &Lab, node: &str) -> Value {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}");
    let request = Request::get(path).body(String::new()).unwrap();
    let response = lab.fleet.clusters()[0].server().clone().oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

/// What the cluster's nodes are like: name, Ready, taints.
fn nodes(lab: &Lab) -> Vec<(String, String, usize)> {
    let all = lab.fleet.clusters()[0].server().read_all("", "nodes", "");
    let ready = |node: &Value| {
        let conditions = node["status"]["conditions"].as_array().unwrap();
        let ready = conditions.iter().find(|one| one["type"] == "Ready").unwrap();
        ready["status"].as_str().unwrap().to_owned()
    };
    let taints = |node: &Value| node["spec"]["taints"].as_array().map_or(0, List::len);
    all.iter()
        .map(|node| {
            (
                node["metadata"]["name"].as_str().unwrap().to_owned(),
                ready(node),
                taints(node),
            )
        })
        .collect()
}

fn uids(lab: &Lab) -> Vec<String> {
    let view = lab.fleet.clusters()[0].world().view();
    view.pods("").map(|pod| pod.uid.to_string()).collect()
}

fn now(lab: &Lab) -> Timestamp {
    lab.fleet.clusters()[0].server().now()
}

#[tokio::test]
async fn leases_and_nodes_survive_a_clock_that_is_set_forward_or_back() {
    for by in JUMPS {
        let mut lab = Lab::new(1, [cluster()]).await;
        lab.pass(60).await;
        let (before, pods) = (nodes(&lab), uids(&lab));
        set_clock(&mut lab, by);
        assert_eq!(now(&lab), lab.clock.now() + by);
        for _ in 0..6 {
            lab.pass(30).await;
            assert_eq!(nodes(&lab), before, "{by}");
            let lease = lease(&lab, "workers-0").await;
            let renewed: Timestamp = lease["spec"]["renewTime"].as_str().unwrap().parse().unwrap();
            let age = now(&lab).duration_since(renewed).as_secs();
            assert!((0..=10).contains(&age), "{by}: the lease was renewed {age} s ago");
        }
        assert_eq!(uids(&lab), pods, "{by}: no pod was replaced");
        // Silence is noticed as soon as on a clock that was never set.
        lab.fleet
            .with("kube-1", |cluster| cluster.world_mut().kill_node("workers-0"))
            .unwrap();
        lab.pass(30).await;
        assert_eq!(nodes(&lab)[0].1, "True", "{by}");
        lab.pass(30).await;
        assert_eq!(nodes(&lab)[0].1, "Unknown", "{by}");
        assert_eq!(nodes(&lab)[1..], before[1..], "{by}");
    }
}

#[tokio::test]
async fn what_is_under_way_goes_on_when_the_clock_is_set() {
    let pod = |name: &str, annotations: Value| {
        json!({"metadata": {"name": name, "annotations": annotations}, "spec": {"terminationGracePeriodSeconds": 60,
            "containers": [{"name": "main", "image": "main:1", "readinessProbe": {"httpGet": {"path": "/", "port": 80}}}]}})
    };
    for by in JUMPS {
        let mut lab = Lab::new(2, [cluster()]).await;
        let admin = lab.fleet.clusters()[0].server().local(UserInfo::admin());
        let slow = json!({"sim.fleetwright.dev/start-after": "20s", "sim.fleetwright.dev/ready-after": "20s"});
        let stopping = json!({"sim.fleetwright.dev/start-after": "1s", "sim.fleetwright.dev/stop-after": "40s"});
        admin.create(PODS, pod("stopping", stopping)).await.unwrap();
        lab.pass(30).await;
        admin.create(PODS, pod("starting", slow)).await.unwrap();
        admin.delete(PODS, "stopping", &DeleteOptions::default()).await.unwrap();
        lab.pass(10).await;
        let phase = |lab: &Lab| object(lab, "pods", "default", "starting").unwrap()["status"]["phase"].clone();
        assert_eq!(phase(&lab), "Pending");
        set_clock(&mut lab, by);
        lab.pass(15).await;
        let running = phase(&lab);
        assert_eq!(running, "Running", "{by}");
        // Set forward, the clock says that its grace period is over.
        let there = object(&lab, "pods", "default", "stopping").is_some();
        assert_eq!(there, by.is_negative(), "{by}");
        lab.pass(60).await;
        assert!(
            object(&lab, "pods", "default", "stopping").is_none(),
            "{by}: it has ended by now"
        );
        let view = lab.fleet.clusters()[0].world().view();
        assert!(view.pod("default", "starting").unwrap().ready, "{by}");
        let times = object(&lab, "pods", "default", "starting").unwrap()["status"].to_string();
        let ahead = times.split('"').filter_map(|word| word.parse::<Timestamp>().ok());
        assert!(ahead.max().unwrap() <= now(&lab), "{by}: {times}");
    }
}

#[tokio::test]
async fn an_autoscaler_and_the_cloud_stay_on_the_fleets_clock() {
    let big = json!({"metadata": {"name": "big"}, "spec": {"containers": [
        {"name": "main", "image": "main:1", "resources": {"requests": {"cpu": "3500m"}}}]}});
    for by in JUMPS {
        let pool = PoolSpec::new("workers", 2).bounds(2, 4);
        let cluster = ClusterSpec::new("kube-1").pool(pool).autoscaler(Options::default());
        let mut lab = Lab::new(3, [cluster]).await;
        lab.pass(60).await;
        set_clock(&mut lab, by);
        let admin = lab.fleet.clusters()[0].server().local(UserInfo::admin());
        for number in 0..3 {
            let mut pod = big.clone();
            pod["metadata"]["name"] = format!("big-{number}").into();
            admin.create(PODS, pod).await.unwrap();
        }
        lab.pass(5 * 60).await;
        let ready = nodes(&lab).iter().filter(|(_, ready, _)| ready == "True").count();
        assert_eq!(ready, 3, "{by}: {:?}", nodes(&lab));
        for number in 0..3 {
            let options = DeleteOptions::default();
            admin.delete(PODS, &format!("big-{number}"), &options).await.unwrap();
        }
        lab.pass(30 * 60).await;
        assert_eq!(nodes(&lab).len(), 2, "{by}");
    }
}

#[tokio::test]
async fn planned_jumps_happen_in_their_time_and_replay() {
    let run = async || {
        let at = start() + SignedDuration::from_secs(100);
        let cluster = cluster()
            .clock_jump(at + SignedDuration::from_secs(200), SignedDuration::from_secs(-3_600))
            .clock_jump(at, SignedDuration::from_secs(600));
        let mut lab = Lab::new(4, [cluster]).await;
        let mut ahead = Vec::new();
        for _ in 0..4 {
            lab.pass(99).await;
            ahead.push(lab.fleet.clusters()[0].clock_ahead().as_secs());
        }
        (ahead, lab.fleet.log().digest())
    };
    let first = run().await;
    assert_eq!(first.0, [0, 600, 600, -3_000]);
    assert_eq!(first, run().await);
}

#[tokio::test]
async fn a_snapshot_keeps_how_far_a_clock_is_off() {
    let mut lab = Lab::new(5, [cluster()]).await;
    lab.pass(60).await;
    set_clock(&mut lab, SignedDuration::from_hours(2));
    lab.pass(60).await;
    let text = lab.fleet.snapshot().to_text().unwrap();
    let snapshot = FleetSnapshot::from_text(&text).unwrap();
    let mut loaded = Fleet::load(&snapshot, lab.clock.clone(), None).await.unwrap();
    assert_eq!(loaded.clusters()[0].server().now(), now(&lab));
    let pods = |fleet: &Fleet| {
        fleet.clusters()[0]
            .world()
            .view()
            .pods("")
            .filter(|pod| pod.ready)
            .count()
    };
    let before = pods(&loaded);
    loaded
        .advance_to(&lab.clock, lab.clock.now() + SignedDuration::from_mins(5))
        .await;
    assert_eq!(loaded.violations(), []);
    assert_eq!(pods(&loaded), before);
}
