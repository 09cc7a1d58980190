//! Evictions and budgets, bindings, reviews, tokens.

use json_tree::{Value, json};
use kube_sim::ApiServer;

use crate::support::*;

const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

async fn budget(server: &ApiServer, name: &str, allowed: i64) {
    let made =
        json!({"metadata": {"name": name}, "spec": {"minAvailable": 9, "selector": {"matchLabels": {"app": "a"}}}});
    let (code, body) = post(server, BUDGETS, made).await;
    assert_eq!(code, 201, "{body}");
    let status = json!({"status": {"observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": 9 + allowed,
        "desiredHealthy": 9, "expectedPods": 10}});
    assert_eq!(
        patch(server, &format!("{BUDGETS}/{name}/status"), MERGE, status)
            .await
            .0,
        200
    );
}

async fn running(server: &ApiServer, name: &str, ready: &str) {
    post(server, PODS, pod(name)).await;
    let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}});
    assert_eq!(
        patch(server, &format!("{PODS}/{name}/status"), MERGE, status).await.0,
        200
    );
}

async fn evict(server: &ApiServer, name: &str, query: &str) -> (u16, Value) {
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
    post(server, &format!("{PODS}/{name}/eviction{query}"), body).await
}

#[tokio::test]
async fn a_budget_allows_one_and_refuses_the_next() {
    let server = server();
    budget(&server, "b", 1).await;
    for name in ["p1", "p2"] {
        running(&server, name, "True").await;
    }
    assert_eq!(evict(&server, "p1", "?dryRun=All").await.0, 201);
    assert_eq!(evict(&server, "p1", "").await.0, 201);
    assert_eq!(get(&server, &format!("{PODS}/p1")).await.0, 404);
    let status = json!({"status": {"currentHealthy": 9}});
    patch(&server, &format!("{BUDGETS}/b/status"), MERGE, status).await;
    let (code, body) = evict(&server, "p2", "").await;
    assert_eq!((code, &body["reason"]), (429, &json!("TooManyRequests")));
    assert_eq!(
        message(&body),
        "Cannot evict pod as it would violate the pod's disruption budget."
    );
    let cause = &body["details"]["causes"][0];
    assert_eq!(cause["reason"], "DisruptionBudget");
    assert_eq!(
        cause["message"],
        "The disruption budget b needs 9 healthy pods and has 9 currently"
    );
    assert_eq!(body["details"]["retryAfterSeconds"], Value::Null);
}

#[tokio::test]
async fn two_budgets_on_one_pod_are_an_error() {
    let server = server();
    budget(&server, "b1", 1).await;
    budget(&server, "b2", 1).await;
    running(&server, "p", "True").await;
    let (code, body) = evict(&server, "p", "").await;
    assert_eq!(code, 500);
    assert!(
        message(&body).starts_with("This pod has more than one PodDisruptionBudget"),
        "{body}"
    );
}

#[tokio::test]
async fn unready_pods_go_while_the_budget_is_met() {
    let server = server();
    budget(&server, "b", 0).await;
    running(&server, "ready", "True").await;
    running(&server, "unready", "False").await;
    assert_eq!(evict(&server, "ready", "").await.0, 429);
    assert_eq!(evict(&server, "unready", "").await.0, 201);
}

#[tokio::test]
async fn a_binding_puts_a_pod_on_a_node_once() {
    let server = server();
    post(&server, PODS, pod("p")).await;
    let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}});
    assert_eq!(
        post(&server, &format!("{PODS}/p/binding"), binding.clone()).await.0,
        201
    );
    let (_, bound) = get(&server, &format!("{PODS}/p")).await;
    assert_eq!(bound["spec"]["nodeName"], "n");
    let (code, body) = post(&server, &format!("{PODS}/p/binding"), binding).await;
    assert_eq!(code, 409);
    assert!(
        message(&body).ends_with("pod p is already assigned to node \"n\""),
        "{body}"
    );
}

#[tokio::test]
async fn reviews_and_tokens_are_answered() {
    let server = server();
    let ask = json!({"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let (code, review) = post(&server, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", ask).await;
    assert_eq!((code, &review["status"]["allowed"]), (201, &json!(true)));
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let (code, token) = post(&server, path, json!({"spec": {"expirationSeconds": 600}})).await;
    assert_eq!(code, 201);
    let ask = json!({"spec": {"token": token["status"]["token"]}});
    let (_, review) = post(&server, "/apis/authentication.k8s.io/v1/tokenreviews", ask).await;
    assert_eq!(
        review["status"]["user"]["username"],
        "system:serviceaccount:default:default"
    );
}
