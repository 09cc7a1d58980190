//! Taking a cluster down: its pods leave first.

use jiff::SignedDuration;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::discovery::ApiResource;
use lifecycle::Settings;
use lifecycle::consent::{self, DecommissionConsent};
use model::{ClusterUpdate, LifecycleStatus, Progress};
use ports::cloud::Stacks;
use ports::{Clock, Registry};
use serde_json::{Value, json};

use crate::bench::{Bench, cluster, context};
use crate::clouds::{MAIN, clouded, one_subnet};

fn api(bench: &Bench, group: &str, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
    let client = kube::Client::new(bench.servers["kube-1"].0.clone(), "default");
    let kind = ApiResource::from_gvk(&kube::api::GroupVersionKind::gvk(group, "v1", kind));
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &kind),
        None => Api::all_with(client, &kind),
    }
}

async fn create(api: &Api<DynamicObject>, object: &Value) {
    let object = serde_json::from_value(object.clone()).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

fn pod(name: &str, more: &Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "web", "labels": {"app": name}},
        "spec": {"nodeName": "node-1", "terminationGracePeriodSeconds": 0, "containers": [{"name": "a", "image": "a"}]}});
    kube_merge(&mut pod, more);
    pod
}

fn kube_merge(into: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        match into.get_mut(key) {
            Some(known) if known.is_object() => kube_merge(known, value),
            _ => into[key] = value.clone(),
        }
    }
}

/// A budget that allows no disruption of the pods of this name.
async fn forbid(bench: &Bench, name: &str) {
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "web"},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": name}}}});
    let budgets = api(bench, "policy", "PodDisruptionBudget", Some("web"));
    create(&budgets, &budget).await;
    let status = json!({"status": {"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1,
        "observedGeneration": 1}});
    let merge = Patch::Merge(status);
    budgets
        .patch_status(name, &PatchParams::default(), &merge)
        .await
        .unwrap();
}

/// A cluster that runs, with a node and these pods, and somebody's agreement to its end.
async fn doomed(pods: &[Value], budgets: &[&str]) -> (Bench, cloud_sim::CloudSim) {
    let settings = Settings {
        decommission_wait: SignedDuration::ZERO,
        decommission_drain: SignedDuration::from_mins(30),
        ..Settings::default()
    };
    let (bench, cloud) = Bench::clouded(&["kube-1"], settings, one_subnet()).await;
    bench.source.commit("dev", clouded("one", "1", MAIN));
    bench.start();
    bench.pass_time(1_800).await;
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}});
    create(&api(&bench, "", "Node", None), &node).await;
    // Whose owner is not there is collected.
    let set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "logs", "namespace": "web"},
        "spec": {"selector": {"matchLabels": {"app": "logs"}}, "template": {"metadata": {"labels": {"app": "logs"}},
            "spec": {"containers": [{"name": "a", "image": "a"}]}}}});
    create(&api(&bench, "apps", "DaemonSet", Some("web")), &set).await;
    let set = bench.servers["kube-1"]
        .0
        .read("apps", "daemonsets", "web", "logs")
        .unwrap();
    for pod in pods {
        let mut pod = pod.clone();
        if let Some(owner) = pod.pointer_mut("/metadata/ownerReferences/0") {
            owner["uid"] = set["metadata"]["uid"].clone().into();
        }
        let pods = api(&bench, "", "Pod", Some("web"));
        create(&pods, &pod).await;
        // Only pods that are ready count for a budget.
        let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        let name = pod["metadata"]["name"].as_str().unwrap();
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(ready))
            .await
            .unwrap();
    }
    for name in budgets {
        forbid(&bench, name).await;
    }
    let id = cluster("kube-1").id;
    let update = ClusterUpdate {
        lifecycle_status: Some(LifecycleStatus::DecommissionRequested),
        ..ClusterUpdate::default()
    };
    bench
        .registry
        .update_cluster(&id, update, &context("alice"))
        .await
        .unwrap();
    let agreed = DecommissionConsent {
        confirmed_name: "kube-1".to_owned(),
        requested_by: "alice".to_owned(),
        requested_at: bench.clock.now(),
        approved_by: Some("bob".to_owned()),
        approved_at: Some(bench.clock.now()),
    };
    consent::put_decommission(&*bench.registry, &id, &agreed, &context("bob"))
        .await
        .unwrap();
    (bench, cloud)
}

fn names(bench: &Bench) -> Vec<String> {
    let pods = bench.servers["kube-1"].0.read_all("", "pods", "web");
    let name = |pod: &json_tree::Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
    pods.iter().map(name).collect()
}

#[tokio::test(start_paused = true)]
async fn f12_pods_leave_before_the_stacks_go() {
    let of_set = json!({"metadata": {"ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "logs", "uid": "u", "controller": true}]}});
    let (bench, cloud) = doomed(&[pod("shop", &json!({})), pod("logs", &of_set)], &[]).await;
    bench.pass_time(120).await;
    let node = bench.servers["kube-1"].0.read("", "nodes", "", "node-1").unwrap();
    assert_eq!(node["spec"]["unschedulable"], true);
    assert_eq!(names(&bench), ["logs"], "DaemonSets stay with their nodes");
    bench.pass_time(1_800).await;
    assert!(cloud.stack("kube-1").await.is_err());
    let update = bench.updates("kube-1").await.remove(0);
    let step = update
        .steps
        .iter()
        .find(|step| step.path == "decommission/drain")
        .unwrap();
    assert_eq!(
        (step.progress, step.message.as_str()),
        (Progress::Done, "the pods of 1 nodes have left")
    );
}

#[tokio::test(start_paused = true)]
async fn a_budget_holds_the_nodes_until_the_bound_and_no_longer() {
    let (bench, cloud) = doomed(&[pod("shop", &json!({}))], &["shop"]).await;
    bench.pass_time(600).await;
    assert_eq!(names(&bench), ["shop"]);
    assert!(cloud.stack("kube-1").await.is_ok());
    let update = bench.updates("kube-1").await.remove(0);
    assert_eq!(update.progress, Progress::Waiting);
    assert!(
        update
            .message
            .contains("1 pods are held by disruption budgets, such as web/shop"),
        "{}",
        update.message
    );
    bench.pass_time(3_600).await;
    assert!(
        cloud.stack("kube-1").await.is_err(),
        "a cluster that was agreed to go goes"
    );
    let update = bench.updates("kube-1").await.remove(0);
    let step = update
        .steps
        .iter()
        .find(|step| step.path == "decommission/drain")
        .unwrap();
    assert!(step.message.contains("given up after 30m"), "{}", step.message);
}
