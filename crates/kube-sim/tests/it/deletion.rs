//! Finalizers, grace periods, owners, namespaces.

use http::Method;
use json_tree::{Value, json};

use crate::support::*;

async fn exists(server: &kube_sim::ApiServer, path: &str) -> bool {
    get(server, path).await.0 == 200
}

fn owned(name: &str, owner: &Value, block: bool) -> Value {
    let mut map = config_map(name, "1");
    map["metadata"]["ownerReferences"] = json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": block}]);
    map
}

#[tokio::test]
async fn the_three_propagations_do_what_they_say() {
    for (policy, dependent_left) in [("Background", false), ("Foreground", false), ("Orphan", true)] {
        let server = server();
        let (_, owner) = post(&server, DEPLOYMENTS, deployment("d")).await;
        post(&server, MAPS, owned("m", &owner, true)).await;
        let (_, middle) = get(&server, &format!("{MAPS}/m")).await;
        post(&server, MAPS, owned("leaf", &middle, false)).await;
        let path = format!("{DEPLOYMENTS}/d?propagationPolicy={policy}");
        assert_eq!(delete(&server, &path).await.0, 200);
        assert!(!exists(&server, &format!("{DEPLOYMENTS}/d")).await, "{policy}");
        assert_eq!(exists(&server, &format!("{MAPS}/m")).await, dependent_left, "{policy}");
        assert_eq!(
            exists(&server, &format!("{MAPS}/leaf")).await,
            dependent_left,
            "{policy}"
        );
        if dependent_left {
            let (_, map) = get(&server, &format!("{MAPS}/m")).await;
            assert_eq!(map["metadata"]["ownerReferences"], Value::Null);
        }
    }
}

#[tokio::test]
async fn a_foreground_deletion_waits_for_a_held_dependent() {
    let server = server();
    let (_, owner) = post(&server, DEPLOYMENTS, deployment("d")).await;
    let mut held = owned("m", &owner, true);
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    post(&server, MAPS, held).await;
    delete(&server, &format!("{DEPLOYMENTS}/d?propagationPolicy=Foreground")).await;
    let (_, waiting) = get(&server, &format!("{DEPLOYMENTS}/d")).await;
    assert_eq!(waiting["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    let path = format!("{MAPS}/m");
    patch(&server, &path, MERGE, json!({"metadata": {"finalizers": null}})).await;
    assert!(!exists(&server, &path).await);
    assert!(!exists(&server, &format!("{DEPLOYMENTS}/d")).await);
}

#[tokio::test]
async fn pods_on_a_node_take_their_grace() {
    let server = server();
    let mut bound = pod("p");
    bound["spec"]["nodeName"] = json!("n");
    post(&server, PODS, bound).await;
    let path = format!("{PODS}/p");
    let (code, going) = delete(&server, &path).await;
    assert_eq!(
        (code, &going["metadata"]["deletionGracePeriodSeconds"]),
        (200, &json!(30))
    );
    assert_eq!(going["metadata"]["deletionTimestamp"], "2026-01-01T00:00:30Z");
    assert!(exists(&server, &path).await);
    let (code, _) = send(&server, Method::DELETE, &path, JSON, json!({"gracePeriodSeconds": 0})).await;
    assert_eq!(code, 200);
    assert!(!exists(&server, &path).await);
    post(&server, PODS, pod("free")).await;
    delete(&server, &format!("{PODS}/free")).await;
    assert!(!exists(&server, &format!("{PODS}/free")).await);
}

#[tokio::test]
async fn preconditions_hold() {
    let server = server();
    post(&server, MAPS, config_map("m", "1")).await;
    let body = json!({"preconditions": {"uid": "other"}});
    let (code, refused) = send(&server, Method::DELETE, &format!("{MAPS}/m"), JSON, body).await;
    assert_eq!(code, 409);
    assert!(
        message(&refused).contains("the UID in the precondition (other) does not match"),
        "{refused}"
    );
}

#[tokio::test]
async fn namespaces_go_when_they_are_empty() {
    let server = server();
    post(&server, "/api/v1/namespaces", json!({"metadata": {"name": "n"}})).await;
    let maps = "/api/v1/namespaces/n/configmaps";
    let mut held = config_map("held", "1");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    post(&server, maps, held).await;
    post(&server, maps, config_map("free", "1")).await;
    let (code, going) = delete(&server, "/api/v1/namespaces/n").await;
    assert_eq!((code, &going["status"]["phase"]), (200, &json!("Terminating")));
    assert!(!exists(&server, &format!("{maps}/free")).await);
    let (code, refused) = post(&server, maps, config_map("late", "1")).await;
    assert_eq!(
        (code, &refused["details"]["causes"][0]["reason"]),
        (403, &json!("NamespaceTerminating"))
    );
    patch(
        &server,
        &format!("{maps}/held"),
        MERGE,
        json!({"metadata": {"finalizers": []}}),
    )
    .await;
    assert!(!exists(&server, "/api/v1/namespaces/n").await);
}

#[tokio::test]
async fn collections_are_deleted_by_selector() {
    let server = server();
    for name in ["a", "b"] {
        let mut map = config_map(name, "1");
        map["metadata"]["labels"] = json!({"name": name});
        post(&server, MAPS, map).await;
    }
    let (code, gone) = delete(&server, &format!("{MAPS}?labelSelector=name%3Da")).await;
    assert_eq!((code, gone["items"].as_array().unwrap().len()), (200, 1));
    assert!(exists(&server, &format!("{MAPS}/b")).await);
}

#[tokio::test]
async fn dependents_of_nobody_are_collected() {
    let server = server();
    let ghost = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "ghost", "uid": "u"}});
    post(&server, MAPS, owned("m", &ghost, false)).await;
    assert!(!exists(&server, &format!("{MAPS}/m")).await);
}
