//! Servers and requests for tests.

use std::sync::Arc;

use ::http::{Method, Request};
use http_body_util::BodyExt;
use json_tree::{Value, json};
use kube_sim::{ApiServer, Config};
use ports::{Clock, SeededIds, SimClock};
use tower::ServiceExt;

/// The media types of bodies.
pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

/// A server on a clock that begins in 2026. Must be called inside a runtime.
pub(crate) fn server() -> ApiServer {
    with_config(Config::default())
}

pub(crate) fn with_config(config: Config) -> ApiServer {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()));
    ApiServer::builder(clock, Arc::new(SeededIds::new(7)))
        .config(config)
        .build()
}

/// Sends a request and returns status and body.
pub(crate) async fn send(server: &ApiServer, method: Method, path: &str, media: &str, body: Value) -> (u16, Value) {
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", media)
        .header("user-agent", "test/1");
    let response = server.clone().oneshot(request.body(text).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned())),
    )
}

pub(crate) async fn get(server: &ApiServer, path: &str) -> (u16, Value) {
    send(server, Method::GET, path, JSON, Value::Null).await
}

pub(crate) async fn post(server: &ApiServer, path: &str, body: Value) -> (u16, Value) {
    send(server, Method::POST, path, JSON, body).await
}

pub(crate) async fn put(server: &ApiServer, path: &str, body: Value) -> (u16, Value) {
    send(server, Method::PUT, path, JSON, body).await
}

pub(crate) async fn patch(server: &ApiServer, path: &str, media: &str, body: Value) -> (u16, Value) {
    send(server, Method::PATCH, path, media, body).await
}

pub(crate) async fn delete(server: &ApiServer, path: &str) -> (u16, Value) {
    send(server, Method::DELETE, path, JSON, Value::Null).await
}

/// A small pod.
pub(crate) fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "a"}},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]}})
}

pub(crate) fn config_map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}})
}

pub(crate) fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": {
            "metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}}})
}

pub(crate) const PODS: &str = "/api/v1/namespaces/default/pods";
pub(crate) const MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub(crate) const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// The message of a refusal.
pub(crate) fn message(status: &Value) -> &str {
    status["message"].as_str().unwrap_or_default()
}
