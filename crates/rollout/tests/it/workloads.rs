//! Every kind of pod through the engine: what is asked to go, in which order, and what is left alone. The order comes from a
//! tap on the cluster's storage, so that nothing between two looks is missed.

use std::time::Duration;

use disruption::Handling;
use json_tree::{Value, json};
use kube_sim::{Place, Tap};
use kube_world::NodeSpec;
use rollout::PoolPhase;

use crate::lab::{Lab, Options};

pub(crate) const PODS: Place<'static> = Place {
    group: "",
    version: "v1",
    resource: "pods",
    namespace: "default",
};

/// A pod's way out: the object at the moment in which somebody first asked it to go.
pub(crate) fn asked_to_go(tap: &mut Tap) -> Vec<Value> {
    let mut gone = Vec::new();
    for write in tap.take() {
        if write.resource() != ("", "pods") {
            continue;
        }
        let (before, after) = (write.before(), write.after());
        let was_going = before.as_ref().is_some_and(|pod| pod.deleting());
        match (before, after) {
            (Some(_), Some(now)) if !was_going && now.deleting() => gone.push(now.value()),
            (Some(old), None) if !was_going => gone.push(old.value()),
            _ => {}
        }
    }
    gone
}

pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn pod_spec(extra: &Value) -> Value {
    let mut spec = json!({"terminationGracePeriodSeconds": 30, "containers": [{"name": "app", "image": "app:1"}]});
    spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    spec
}

pub(crate) async fn stateful_set(lab: &Lab, name: &str, replicas: u32, annotations: &Value) {
    let object = json!({"metadata": {"name": name, "namespace": "default"}, "spec": {
        "replicas": replicas, "serviceName": name, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}, "annotations": annotations}, "spec": pod_spec(&json!({}))}}});
    lab.create("apps", "statefulsets", object).await;
}

/// A lab with the engine at rest, whose pool gets a new definition next.
pub(crate) async fn ready(seed: u64, nodes: u32) -> Lab {
    Lab::new(&Options::new(seed, nodes)).await
}

#[tokio::test(start_paused = true)]
async fn daemon_sets_and_static_pods_stay_until_their_machine_goes_and_the_rest_is_evicted() {
    let mut lab = ready(61, 2).await;
    let daemon = json!({"metadata": {"name": "agent", "namespace": "default"}, "spec": {
        "selector": {"matchLabels": {"app": "agent"}},
        "template": {"metadata": {"labels": {"app": "agent"}}, "spec": pod_spec(&json!({"tolerations": [{"operator": "Exists"}]}))}}});
    lab.create("apps", "daemonsets", daemon).await;
    // One more machine of the pool, with a pod that its kubelet runs by itself, marked by hand below.
    let scratch = json!({"volumes": [{"name": "s", "emptyDir": {}}]});
    let bare = json!({"metadata": {"name": "bare", "namespace": "default"}, "spec": pod_spec(&scratch)});
    lab.create("", "pods", bare).await;
    let done = json!({"metadata": {"name": "done", "namespace": "default",
        "annotations": {"sim.fleetwright.dev/exit-after": "1s"}}, "spec": pod_spec(&json!({"restartPolicy": "Never"}))});
    lab.create("", "pods", done).await;
    lab.deployment("cart", 4).await;
    lab.pass(120).await;
    let node = name(&lab.nodes()[0]).to_owned();
    let mirror = json!({"metadata": {"name": format!("proxy-{node}"), "namespace": "default",
        "annotations": {"kubernetes.io/config.mirror": "x"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node, "uid": node, "controller": true}]},
        "spec": pod_spec(&json!({"nodeName": node}))});
    lab.create("", "pods", mirror).await;
    let mut tap = lab.server.tap();
    lab.start_engine(None);
    lab.new_definition("workers").await;
    lab.rolled("workers", 6).await;
    let gone = asked_to_go(&mut tap);
    let place = |wanted: &str| gone.iter().position(|pod| name(pod) == wanted);
    let count = |prefix: &str| gone.iter().filter(|pod| name(pod).starts_with(prefix)).count();
    assert_eq!(
        count("bare"),
        1,
        "a bare pod with local data is evicted like all others"
    );
    assert!(count("cart-") >= 4);
    // The daemon's pods go with the two old nodes, after everything that was evicted from them.
    assert_eq!(count("agent-"), 2);
    let last_cart = gone.iter().rposition(|pod| name(pod).starts_with("cart-")).unwrap();
    let mirror_at = place(&format!("proxy-{node}"));
    assert!(mirror_at.is_none_or(|at| gone[at]["spec"]["nodeName"] == node.as_str()));
    let counts = lab.handle().counts().await.unwrap();
    let evicted = usize::try_from(counts.evicted).unwrap();
    assert_eq!(
        evicted,
        count("bare") + count("cart-"),
        "nothing else was evicted; last cart at {last_cart}"
    );
    assert_eq!((counts.forced, counts.terminated), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn bare_pods_and_local_data_are_held_until_the_rules_are_met_where_the_policy_says_so() {
    let mut lab = ready(62, 2).await;
    lab.spec.send_modify(|spec| {
        spec.pools[0].policy.bare_pods = Handling::Hold;
        spec.pools[0].policy.local_data = Handling::Hold;
    });
    let bare = json!({"metadata": {"name": "bare", "namespace": "default"}, "spec": pod_spec(&json!({}))});
    lab.create("", "pods", bare).await;
    let labels = json!({"app": "cache"});
    let cache = json!({"metadata": {"name": "cache", "namespace": "default"}, "spec": {"replicas": 1,
        "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": pod_spec(&json!({"volumes": [{"name": "s", "emptyDir": {}}]}))}}});
    lab.create("apps", "deployments", cache).await;
    lab.pass(120).await;
    let begin = lab.clock.now();
    lab.start_engine(None);
    lab.new_definition("workers").await;
    lab.rolled("workers", 24).await;
    let evidence = lab.ledger.evidence();
    let mut pods: Vec<String> = evidence
        .iter()
        .map(|record| record.evidence.pod.name.to_string())
        .collect();
    pods.sort();
    assert_eq!(pods.len(), 2, "{pods:?}");
    assert!(pods[0] == "bare" && pods[1].starts_with("cache-"));
    for record in &evidence {
        let hours = record.evidence.decided.duration_since(begin).as_secs_f64() / 3600.0;
        // Test column: the pod has lived for 8 hours.
        assert!((7.9..12.0).contains(&hours), "{hours}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_left_to_end_by_itself() {
    let mut lab = ready(63, 2).await;
    let job = |name: &str, runs: &str, deadline: Value| {
        json!({"metadata": {"name": name, "namespace": "default"}, "spec": {"backoffLimit": 0, "activeDeadlineSeconds": deadline,
            "template": {"metadata": {"annotations": {"sim.fleetwright.dev/exit-after": runs}},
                "spec": pod_spec(&json!({"restartPolicy": "Never"}))}}})
    };
    lab.create("batch", "jobs", job("report", "3h", Value::Null)).await;
    // It would run for a day; its own deadline is six hours.
    lab.create("batch", "jobs", job("stuck", "24h", json!(6 * 3600))).await;
    lab.pass(120).await;
    let mut tap = lab.server.tap();
    lab.start_engine(None);
    lab.new_definition("workers").await;
    let hours = lab.rolled("workers", 24).await;
    assert!((5.5..8.0).contains(&hours), "the longer Job decides: {hours}");
    let report = lab.server.read("batch", "jobs", "default", "report").unwrap();
    assert_eq!(report["status"]["succeeded"], 1);
    let stuck = lab.server.read("batch", "jobs", "default", "stuck").unwrap();
    let why = |reason: &str| {
        stuck["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["reason"] == reason)
    };
    assert!(why("DeadlineExceeded"), "{stuck:#}");
    let early = asked_to_go(&mut tap)
        .into_iter()
        .filter(|pod| name(pod).starts_with("report") && pod["status"]["phase"] == "Running");
    assert_eq!(early.count(), 0);
    let counts = lab.handle().counts().await.unwrap();
    assert_eq!((counts.evicted, counts.forced), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn members_of_a_set_go_one_at_a_time_without_any_budget() {
    let mut lab = ready(64, 3).await;
    stateful_set(&lab, "db", 3, &json!({"sim.fleetwright.dev/ready-after": "2m"})).await;
    lab.pass(900).await;
    let watcher = {
        let (server, clock) = (lab.server.clone(), lab.clock.clone());
        let least = std::sync::Arc::new(std::sync::Mutex::new(usize::MAX));
        let kept = least.clone();
        let task = tokio::spawn(async move {
            loop {
                let pods = server.read_all("", "pods", "default");
                let up = pods
                    .iter()
                    .filter(|pod| crate::look::is_ready(pod) && pod["metadata"]["deletionTimestamp"].is_null());
                let up = up.count();
                {
                    let mut least = kept.lock().unwrap();
                    *least = (*least).min(up);
                }
                clock.sleep(Duration::from_secs(1)).await;
            }
        });
        (task, least)
    };
    lab.start_engine(None);
    lab.new_definition("workers").await;
    lab.rolled("workers", 8).await;
    watcher.0.abort();
    assert_eq!(*watcher.1.lock().unwrap(), 2, "never two members down at once");
    assert_eq!(lab.handle().counts().await.unwrap().evicted, 3);
}

#[tokio::test(start_paused = true)]
async fn an_undrainable_node_is_given_up_and_several_stop_the_pool() {
    for stuck in [1, 3] {
        let mut lab = ready(66 + stuck, 5).await;
        for n in 0..stuck {
            // Each on a node of its own.
            let apart = json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{
                "topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"kind": "stuck"}}}]}}});
            let pod = json!({"metadata": {"name": format!("stuck-{n}"), "namespace": "default", "labels": {"kind": "stuck"},
                "annotations": {"sim.fleetwright.dev/stuck-terminating": "true"}}, "spec": pod_spec(&apart)});
            lab.create("", "pods", pod).await;
        }
        lab.pass(120).await;
        // Their nodes go first, so that all of them are on their way before anything else is.
        for pod in lab.server.read_all("", "pods", "default") {
            let first = (
                "cluster-lifecycle-controller.zalan.do/decommission-priority".to_owned(),
                Some("9".to_owned()),
            );
            let node = pod["spec"]["nodeName"].as_str().unwrap();
            lab.access
                .mark_node(node, &[first].into(), &Default::default())
                .await
                .unwrap();
        }
        lab.start_engine(None);
        lab.new_definition("workers").await;
        lab.pass(3600 * 12).await;
        let status = lab.handle().status().await.unwrap();
        let quarantined: Vec<Value> = lab
            .nodes()
            .into_iter()
            .filter(|node| !node["metadata"]["annotations"]["rollout.fleetwright.dev/quarantined"].is_null())
            .collect();
        assert_eq!(quarantined.len(), usize::try_from(stuck).unwrap());
        let counts = lab.handle().counts().await.unwrap();
        let pool = &status.pools[0];
        assert_eq!(pool.phase, PoolPhase::Halted, "{stuck}: {:?}", pool.waits);
        if stuck == 1 {
            // The four others were replaced.
            assert_eq!(counts.terminated, 4, "{:?}", pool.waits);
        } else {
            assert_eq!(counts.terminated, 0);
            assert_eq!(pool.waits, ["3 nodes could not be drained"]);
        }
    }
}

/// The kubelet's own pods are no reason to keep a node.
#[tokio::test(start_paused = true)]
async fn a_node_with_static_pods_only_is_drained_at_once() {
    let mut lab = ready(69, 1).await;
    let group = lab.nodes()[0]["metadata"]["labels"]["node.kubernetes.io/node-pool"].clone();
    assert_eq!(group, "workers");
    let mut spec = NodeSpec::new("by-hand").label("lifecycle-status", "ready");
    spec.static_pods =
        vec![json!({"metadata": {"name": "proxy", "namespace": "default"}, "spec": pod_spec(&json!({}))})];
    lab.world.hold().await.add_node(spec);
    lab.pass(120).await;
    let pods = lab.server.read_all("", "pods", "default");
    assert!(pods.iter().any(|pod| name(pod) == "proxy-by-hand"), "{pods:#?}");
    lab.start_engine(None);
    lab.new_definition("workers").await;
    let hours = lab.rolled("workers", 2).await;
    assert!(hours < 1.0, "{hours}");
    assert!(
        lab.server.read("", "pods", "default", "proxy-by-hand").is_some(),
        "not of the pool, not touched"
    );
}
