//! The original manager as a script of registry writes, client-side applies and stacks: what it does, and no more.

use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::discovery::ApiResource;
use model::{ClusterStatus, ClusterUpdate, ClusterVersion};
use ports::Registry;
use serde_json::{Value, json};

use crate::bench::{Bench, context};

const MANAGER: &str = "kubectl-client-side-apply";

fn api(bench: &Bench, alias: &str, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
    let client = kube::Client::new(bench.servers[alias].clone(), "default");
    let kind = ApiResource::from_gvk(&kube::api::GroupVersionKind::gvk("", "v1", kind));
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &kind),
        None => Api::all_with(client, &kind),
    }
}

/// `kubectl apply` of one object, as the original calls it.
async fn apply(bench: &Bench, alias: &str, namespace: Option<&str>, mut object: Value) {
    let (kind, name) = (
        object["kind"].as_str().unwrap().to_owned(),
        object["metadata"]["name"].as_str().unwrap().to_owned(),
    );
    let last = object.to_string();
    object["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": last});
    let api = api(bench, alias, &kind, namespace);
    if api.get_opt(&name).await.unwrap().is_none() {
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        api.create(&params, &serde_json::from_value(object).unwrap())
            .await
            .unwrap();
        return;
    }
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch(&name, &params, &Patch::Merge(object)).await.unwrap();
}

async fn patch(bench: &Bench, alias: &str, status: ClusterStatus) {
    let update = ClusterUpdate {
        status: Some(status),
        ..ClusterUpdate::default()
    };
    let id = bench.cluster(alias).await.id;
    bench
        .upstream
        .update_cluster(&id, update, &context("clm"))
        .await
        .unwrap();
}

/// Whether the original would work on the cluster with its channel at this commit (fact 2.3).
pub(crate) async fn wants(bench: &Bench, alias: &str, commit: &str) -> bool {
    let cluster = bench.cluster(alias).await;
    if cluster
        .config_items
        .keys()
        .any(|key| key.as_str() == "cluster_update_block")
    {
        return false;
    }
    let status = &cluster.status;
    let under_way = !status.next_version.is_empty() && status.next_version != status.current_version;
    under_way || status.current_version != ClusterVersion::of(commit, &cluster).to_string()
}

/// The first half of a pass: it says what it begins.
pub(crate) async fn begin(bench: &Bench, alias: &str, commit: &str) {
    let cluster = bench.cluster(alias).await;
    let status = ClusterStatus {
        next_version: ClusterVersion::of(commit, &cluster).to_string(),
        ..cluster.status
    };
    patch(bench, alias, status).await;
}

/// One pass of the original, if it has anything to do: answers whether it had.
pub(crate) async fn pass(bench: &Bench, alias: &str, commit: &str, level: &str) -> bool {
    if !wants(bench, alias, commit).await {
        return false;
    }
    begin(bench, alias, commit).await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}});
    apply(bench, alias, None, namespace).await;
    set(bench, alias, level).await;
    let status = bench.cluster(alias).await.status;
    let done = ClusterStatus {
        last_version: status.current_version,
        current_version: status.next_version,
        ..ClusterStatus::default()
    };
    patch(bench, alias, done).await;
    true
}

/// Applies the ConfigMap with this level.
pub(crate) async fn set(bench: &Bench, alias: &str, level: &str) {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "web"},
        "data": {"level": level}});
    apply(bench, alias, Some("web"), map).await;
}

/// The original says that it failed.
pub(crate) async fn fail(bench: &Bench, alias: &str) {
    let mut status = bench.cluster(alias).await.status;
    status.add_problem(model::Problem::general("context cancelled"));
    patch(bench, alias, status).await;
}
