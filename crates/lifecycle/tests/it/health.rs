//! Verdicts: taken after updates, against what was there before, written where people read them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use json_tree::{Value, json};
use kube_access::Access;
use kube_sim::{Fault, FaultPlan, FaultRule, FaultyApi};
use lifecycle::{Policies, Settings};
use model::{HealthState, HealthVerdict};
use plan::policy::FleetPolicy;
use ports::Prometheus;
use ports::prometheus::{PrometheusError, Sample};

use crate::bench::{Bench, World, cluster};
use crate::updates::commit;

/// A Deployment of component `web` as git has it.
pub(crate) fn deployment(name: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: web}}\nspec:\n  replicas: 2\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      \
         containers: [{{name: main, image: '{image}'}}]\n"
    )
}

/// A configuration with Deployment `front` in component `front` at this image.
fn release(bench: &Bench, id: &str, image: &str) {
    let front = deployment("front", image);
    let files = [("cluster/manifests/front/deployment.yaml", front.as_str())];
    bench.source.commit("dev", commit(id, "1", &files));
}

/// What the Deployment controller of the simulated cluster says: so many pods are available.
pub(crate) fn available(bench: &Bench, alias: &str, name: &str, pods: u64) {
    let server = &bench.servers[alias].0;
    let mut object = server.read("apps", "deployments", "web", name).expect("it was applied");
    object["kind"] = "Deployment".into();
    object["apiVersion"] = "apps/v1".into();
    object["status"] = json!({
        "observedGeneration": object["metadata"]["generation"], "replicas": 2, "updatedReplicas": 2,
        "availableReplicas": pods, "readyReplicas": pods,
    });
    server.place(object);
}

/// The verdict on the newest update that has one; drift that is corrected brings none.
pub(crate) async fn verdict(bench: &Bench, alias: &str) -> HealthVerdict {
    let updates = bench.updates(alias).await;
    updates
        .into_iter()
        .find_map(|update| update.health)
        .expect("it is checked")
}

pub(crate) fn policy(text: &str) -> Settings {
    Settings {
        policies: Policies::new(FleetPolicy::parse(&format!("kind: FleetPolicy\n{text}")).unwrap()),
        ..Settings::default()
    }
}

/// Brings a fleet of these clusters to commit `one`, all of it healthy and its watch still on.
async fn healthy(aliases: &[&str], settings: Settings) -> (Bench, lifecycle::Wake) {
    let bench = Bench::with(aliases, settings).await;
    release(&bench, "one", "front:1");
    let wake = bench.start();
    bench.pass_time(5).await;
    for alias in aliases {
        available(&bench, alias, "front", 2);
    }
    bench.pass_time(600).await;
    for alias in aliases {
        assert_eq!(verdict(&bench, alias).await.state, HealthState::Healthy);
    }
    (bench, wake)
}

async fn update(bench: &Bench, wake: &lifecycle::Wake, id: &str, image: &str) {
    release(bench, id, image);
    wake.configuration_moved();
    bench.pass_time(5).await;
}

#[tokio::test(start_paused = true)]
async fn c15_a_component_whose_pods_never_get_ready_turns_the_verdict_red_and_is_named() {
    let (bench, wake) = healthy(&["kube-1", "kube-2"], Settings::default()).await;
    update(&bench, &wake, "two", "front:broken").await;
    // The work is done, and that is not yet health.
    assert_eq!(
        bench.cluster("kube-1").await.status.current_version,
        bench.version("kube-1", "two").await
    );
    assert_eq!(verdict(&bench, "kube-1").await.state, HealthState::Checking);
    available(&bench, "kube-1", "front", 0);
    available(&bench, "kube-2", "front", 2);
    bench.pass_time(1_200).await;
    let red = verdict(&bench, "kube-1").await;
    assert_eq!(
        red.sentence(),
        "unhealthy: Deployment web/front (front): 0 of 2 pods are available"
    );
    assert_eq!(verdict(&bench, "kube-2").await.state, HealthState::Healthy);

    // Somebody repairs it, and the verdict turns.
    available(&bench, "kube-1", "front", 2);
    bench.pass_time(1_200).await;
    assert_eq!(verdict(&bench, "kube-1").await.state, HealthState::Healthy);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_sick_before_is_not_blamed() {
    let (bench, wake) = healthy(&["kube-1"], Settings::default()).await;
    available(&bench, "kube-1", "front", 1);
    update(&bench, &wake, "two", "front:2").await;
    available(&bench, "kube-1", "front", 1);
    bench.pass_time(1_200).await;
    assert_eq!(verdict(&bench, "kube-1").await.state, HealthState::Healthy);
    // Sicker is another matter.
    available(&bench, "kube-1", "front", 0);
    bench.pass_time(1_800).await;
    let red = verdict(&bench, "kube-1").await.sentence();
    assert_eq!(
        red,
        "unhealthy: Deployment web/front (front): 0 of 2 pods are available; before the update 1 of 2 were missing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_newer_commit_overtakes_a_check_and_answers_for_what_was_broken() {
    let (bench, wake) = healthy(&["kube-1"], Settings::default()).await;
    update(&bench, &wake, "bad", "front:broken").await;
    available(&bench, "kube-1", "front", 0);
    bench.pass_time(60).await;
    // It is not waited for.
    update(&bench, &wake, "next", "front:broken too").await;
    available(&bench, "kube-1", "front", 0);
    assert_eq!(
        bench.cluster("kube-1").await.status.current_version,
        bench.version("kube-1", "next").await
    );
    bench.pass_time(1_200).await;
    assert_eq!(
        verdict(&bench, "kube-1").await.state,
        HealthState::Unhealthy,
        "the baseline is the one before \"bad\""
    );
    update(&bench, &wake, "fix", "front:3").await;
    available(&bench, "kube-1", "front", 2);
    bench.pass_time(600).await;
    assert_eq!(verdict(&bench, "kube-1").await.state, HealthState::Healthy);
}

#[tokio::test(start_paused = true)]
async fn a_healthy_cluster_that_turns_bad_while_it_is_watched_turns_the_verdict() {
    let (bench, _) = healthy(&["kube-1"], Settings::default()).await;
    bench.pass_time(3_000).await;
    available(&bench, "kube-1", "front", 0);
    bench.pass_time(900).await;
    assert_eq!(verdict(&bench, "kube-1").await.state, HealthState::Unhealthy);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_manager_goes_on_with_the_check() {
    let bench = Bench::new(&["kube-1"]).await;
    release(&bench, "one", "front:1");
    bench.once().await;
    available(&bench, "kube-1", "front", 2);
    assert_eq!(verdict(&bench, "kube-1").await.state, HealthState::Checking);
    bench.start();
    bench.pass_time(600).await;
    assert_eq!(verdict(&bench, "kube-1").await.state, HealthState::Healthy);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_and_costs_nothing_then() {
    let (bench, _) = healthy(&["kube-1"], Settings::default()).await;
    bench.pass_time(3 * 3_600).await;
    // Watches for drift are opened again and again; looks at health are lists and single reads.
    let looks = || {
        bench.servers["kube-1"]
            .1
            .counts()
            .calls
            .get(&kube_access::Verb::Get)
            .copied()
    };
    let before = looks();
    bench.pass_time(24 * 3_600).await;
    assert_eq!(looks(), before);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_checked_where_the_check_time_is_zero() {
    let bench = Bench::with(&["kube-1"], policy("health: {checkTime: 0s, checkTimes: []}\n")).await;
    release(&bench, "one", "front:1");
    bench.once().await;
    assert_eq!(bench.updates("kube-1").await[0].health, None);
}

#[tokio::test(start_paused = true)]
async fn conditions_on_objects_are_checked() {
    let text = "health:\n  checks:\n  - name: level\n    clusters: channel=dev\n    objects:\n      apiVersion: v1\n      \
                kind: ConfigMap\n      namespace: web\n      condition: object.data.level != '7' || cluster.alias != 'kube-1'\n";
    let bench = Bench::with(&["kube-1", "kube-2"], policy(text)).await;
    bench.source.commit("dev", commit("one", "1", &[]));
    let wake = bench.start();
    bench.pass_time(600).await;
    assert_eq!(verdict(&bench, "kube-1").await.state, HealthState::Healthy);
    bench.source.commit("dev", commit("two", "7", &[]));
    wake.configuration_moved();
    bench.pass_time(1_200).await;
    let red = verdict(&bench, "kube-1").await.sentence();
    assert!(
        red.starts_with("unhealthy: check level: ConfigMap web/settings: object.data.level"),
        "{red}"
    );
    assert_eq!(verdict(&bench, "kube-2").await.state, HealthState::Healthy);
}

/// A Prometheus that says what the test says: values by query, or nothing at all.
#[derive(Debug, Default)]
struct Told(Mutex<Option<BTreeMap<String, f64>>>);

#[async_trait]
impl Prometheus for Told {
    async fn query(&self, server: &str, promql: &str, _: Timestamp) -> Result<Vec<Sample>, PrometheusError> {
        let down = || PrometheusError::Unavailable {
            server: server.to_owned(),
            why: "refused".to_owned(),
        };
        let values = self.0.lock().unwrap().clone().ok_or_else(down)?;
        let sample = |value: &f64| Sample {
            labels: BTreeMap::new(),
            value: *value,
        };
        Ok(values.get(promql).map(sample).into_iter().collect())
    }
}

#[tokio::test(start_paused = true)]
async fn v12_queries_are_asked_and_a_prometheus_that_is_down_is_no_good_news() {
    let told = Arc::new(Told::default());
    let text = "health:\n  prometheus: http://prometheus.example.org\n  checks:\n  - name: errors\n    query: {promql: \
                'errors{c=\"$cluster\"}', atMost: 0.01}\n";
    let settings = Settings {
        prometheus: Some(told.clone()),
        ..policy(text)
    };
    let bench = Bench::with(&["kube-1"], settings).await;
    bench.source.commit("dev", commit("one", "1", &[]));
    bench.start();
    bench.pass_time(3_600).await;
    let unknown = verdict(&bench, "kube-1").await;
    assert_eq!(unknown.state, HealthState::Undecided);
    assert!(unknown.reasons[0].message.contains("does not answer"), "{unknown:?}");
    let say = |value: f64| *told.0.lock().unwrap() = Some([("errors{c=\"kube-1\"}".to_owned(), value)].into());
    say(0.002);
    bench.pass_time(600).await;
    assert_eq!(verdict(&bench, "kube-1").await.state, HealthState::Healthy);
    say(0.2);
    bench.pass_time(900).await;
    let red = verdict(&bench, "kube-1").await.sentence();
    assert_eq!(red, "unhealthy: check errors: the value: 0.2 is above 0.01");
}

#[tokio::test(start_paused = true)]
async fn f13_nodes_that_do_not_get_ready_and_pods_that_stay_pending_count() {
    let (bench, wake) = healthy(&["kube-1"], Settings::default()).await;
    let server = &bench.servers["kube-1"].0;
    let node = |name: &str, ready: &str| -> Value {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "creationTimestamp": "2023-01-01T00:00:00Z"},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    };
    server.place(node("sick", "False"));
    server.place(node("sound", "True"));
    update(&bench, &wake, "two", "front:2").await;
    available(&bench, "kube-1", "front", 2);
    bench.pass_time(400).await;
    assert_eq!(
        verdict(&bench, "kube-1").await.state,
        HealthState::Healthy,
        "one was sick before"
    );
    server.place(node("sound", "Unknown"));
    for n in 0..8 {
        server.place(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{n}"), "namespace": "web",
            "creationTimestamp": "2023-11-01T00:00:00Z"}, "spec": {"containers": []}, "status": {"phase": "Pending"}}),
        );
    }
    bench.pass_time(1_500).await;
    let red = verdict(&bench, "kube-1").await;
    let subjects: Vec<&str> = red.reasons.iter().map(|reason| reason.subject.as_str()).collect();
    assert_eq!(
        (red.state, subjects),
        (HealthState::Unhealthy, vec!["Node sound", "pending pods"])
    );
}

#[tokio::test(start_paused = true)]
async fn f14_the_environment_decides_how_long_is_checked() {
    let mut production = cluster("kube-2");
    production.environment = "production".to_owned();
    let world = World {
        clusters: vec![cluster("kube-1"), production],
        ..World::of(&[])
    };
    let (bench, _) = world.build().await;
    bench.source.commit("dev", commit("one", "1", &[]));
    bench.start();
    bench.pass_time(120).await;
    let states = (
        verdict(&bench, "kube-1").await.state,
        verdict(&bench, "kube-2").await.state,
    );
    assert_eq!(states, (HealthState::Healthy, HealthState::Checking));
    bench.pass_time(300).await;
    assert_eq!(verdict(&bench, "kube-2").await.state, HealthState::Healthy);
}

/// A cluster with a fault of its API between these seconds of the test.
async fn troubled(fault: Fault, from: i64, until: i64) -> Bench {
    let world = World {
        open: Box::new(move |context, server| {
            let at = |second| Timestamp::from_second(1_700_000_000 + second).unwrap();
            let rule = FaultRule::new("trouble", fault.clone()).between(at(from), at(until));
            let plan = FaultPlan::new(1).rule(rule);
            Access::from_service(context, FaultyApi::over(server, plan))
        }),
        ..World::of(&["kube-1"])
    };
    let (bench, _) = world.build().await;
    bench.source.commit("dev", commit("one", "1", &[]));
    bench.start();
    bench.pass_time(5).await;
    bench
}

#[tokio::test(start_paused = true)]
async fn incident_4_a_cluster_that_goes_dark_after_its_update_is_red_and_says_so_until_it_is_back() {
    let bench = troubled(Fault::Dead, 10, 3_000).await;
    bench.pass_time(2_400).await;
    let red = verdict(&bench, "kube-1").await;
    assert_eq!(
        (red.state, red.reasons[0].subject.as_str()),
        (HealthState::Unhealthy, "api"),
        "{red:?}"
    );
    bench.pass_time(2_400).await;
    assert_eq!(verdict(&bench, "kube-1").await.state, HealthState::Healthy);
}

#[tokio::test(start_paused = true)]
async fn incident_9_an_api_that_answers_much_slower_than_before_turns_the_verdict() {
    let bench = troubled(Fault::Delay(std::time::Duration::from_secs(4)), 10, 100_000).await;
    bench.pass_time(3_000).await;
    let red = verdict(&bench, "kube-1").await.sentence();
    assert_eq!(red, "unhealthy: api: answers in 4000 ms, before the update in 0 ms");
}

#[tokio::test(start_paused = true)]
async fn incident_5_nodes_that_lose_their_routes_turn_the_verdict_with_the_nodes_named() {
    let (bench, wake) = healthy(&["kube-1"], Settings::default()).await;
    let server = &bench.servers["kube-1"].0;
    let nodes = |ready: &str| {
        for n in 0..3 {
            server.place(json!({"apiVersion": "v1", "kind": "Node",
                "metadata": {"name": format!("node-{n}"), "creationTimestamp": "2023-01-01T00:00:00Z"},
                "status": {"conditions": [{"type": "Ready", "status": ready, "message": "no route"}]}}));
        }
    };
    nodes("True");
    update(&bench, &wake, "two", "front:2").await;
    available(&bench, "kube-1", "front", 2);
    nodes("Unknown");
    bench.pass_time(1_200).await;
    let red = verdict(&bench, "kube-1").await;
    let subjects: Vec<&str> = red.reasons.iter().map(|reason| reason.subject.as_str()).collect();
    assert_eq!(subjects, ["Node node-0", "Node node-1", "Node node-2"]);
    assert_eq!(red.state, HealthState::Unhealthy);
}
