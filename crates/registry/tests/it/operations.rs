//! Every operation as it should go.

use axum::body::Body;
use serde_json::{Value, json};

use crate::support::{App, CLUSTER, account, cluster, pool};

#[tokio::test(start_paused = true)]
async fn all_operations_work_at_the_original_paths() {
    let app = App::new();
    let account_path = "/infrastructure-accounts/aws:123456789012";
    let pool_path = format!("{CLUSTER}/node-pools/worker-1");
    let item = format!("{CLUSTER}/config-items/a_key");
    let pool_item = format!("{pool_path}/config-items/a_key");
    for (method, path, body, status) in [
        ("POST", "/infrastructure-accounts", account(), 201),
        ("GET", "/infrastructure-accounts", Value::Null, 200),
        ("GET", account_path, Value::Null, 200),
        ("PATCH", account_path, json!({"owner": "team/baz"}), 200),
        ("POST", "/kubernetes-clusters", cluster("kube-1"), 201),
        ("GET", "/kubernetes-clusters", Value::Null, 200),
        ("GET", CLUSTER, Value::Null, 200),
        ("PATCH", CLUSTER, json!({"channel": "beta"}), 200),
        ("PUT", &item, json!({"value": "v"}), 200),
        ("GET", &format!("{CLUSTER}/node-pools"), Value::Null, 200),
        ("PUT", &pool_path, pool("worker-1"), 200),
        ("PATCH", &pool_path, json!({"max_size": 5}), 200),
        ("PUT", &pool_item, json!({"value": "v"}), 200),
        ("DELETE", &pool_item, Value::Null, 204),
        ("DELETE", &pool_path, Value::Null, 204),
        ("DELETE", &item, Value::Null, 204),
        ("PATCH", CLUSTER, json!({"lifecycle_status": "decommissioned"}), 200),
        ("DELETE", CLUSTER, Value::Null, 204),
        ("GET", "/api/v1/changes?follow=false", Value::Null, 200),
        (
            "GET",
            "/api/v1/history/cluster/aws:123456789012:eu-central-1:kube-1",
            Value::Null,
            200,
        ),
        ("GET", "/api/v1/export", Value::Null, 200),
        ("POST", "/api/v1/import", json!({"clusters": []}), 200),
    ] {
        let answer = app.call(method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_cluster_answers_with_everything_and_its_place() {
    let app = App::new();
    app.call("POST", "/infrastructure-accounts", account()).await;
    let made = app.call("POST", "/kubernetes-clusters", cluster("kube-1")).await;
    assert_eq!(made.header("location"), CLUSTER);
    assert_eq!(made.header("etag"), "\"1\"");
    let body = made.json();
    assert_eq!(body["status"], json!({"problems": []}));
    assert_eq!((&body["config_items"], &body["node_pools"]), (&json!({}), &json!([])));
    assert_eq!(body["created_at"], "2023-11-14T22:13:20Z");
}

#[tokio::test(start_paused = true)]
async fn verbose_false_drops_two_members() {
    let app = App::filled().await;
    for path in ["/kubernetes-clusters", CLUSTER] {
        let brief = app.get(&format!("{path}?verbose=false")).await.json();
        let brief = brief.get("items").map_or(&brief, |items| &items[0]);
        assert!(
            brief.get("config_items").is_none() && brief.get("node_pools").is_none(),
            "{brief}"
        );
        assert_eq!(brief["status"]["problems"], json!([]));
        let full = app.get(&format!("{path}?verbose=true")).await.json();
        let full = full.get("items").map_or(&full, |items| &items[0]);
        assert!(
            full["config_items"].is_object() && full["node_pools"].is_array(),
            "{full}"
        );
    }
}

/// The body of the original manager after a successful update, byte for byte.
#[tokio::test(start_paused = true)]
async fn fact_9_a_status_without_next_version_clears_it() {
    let app = App::filled().await;
    let begun = r#"{"lifecycle_status":"ready","status":{"current_version":"a#b","last_version":"","next_version":"c#d","problems":[]}}"#;
    let ended = r#"{"lifecycle_status":"ready","status":{"current_version":"c#d","last_version":"a#b","problems":[]}}"#;
    let json = [("content-type", "application/json"), ("accept", "application/json")];
    let answer = app.send("PATCH", CLUSTER, &json, Body::from(begun)).await;
    assert_eq!(answer.json()["status"]["next_version"], "c#d");
    let answer = app.send("PATCH", CLUSTER, &json, Body::from(ended)).await;
    assert_eq!(answer.status, 200);
    for body in [answer.json(), app.get(CLUSTER).await.json()] {
        assert_eq!(
            body["status"],
            json!({"current_version": "c#d", "last_version": "a#b", "problems": []})
        );
        assert_eq!(body["channel"], "alpha");
    }
}

#[tokio::test(start_paused = true)]
async fn lists_filter_and_page() {
    let app = App::filled().await;
    for i in 2..=5 {
        app.call("POST", "/kubernetes-clusters", cluster(&format!("kube-{i}")))
            .await;
    }
    app.call("PATCH", CLUSTER, json!({"lifecycle_status": "decommission-requested"}))
        .await;
    for (query, count) in [
        ("", 5),
        ("?alias=kube-2", 1),
        ("?lifecycle_status=ready", 4),
        ("?criticality_level=2", 0),
        ("?cost_center=0000123&provider=zalando-aws", 5),
        ("?api_server_url=https%3A%2F%2Fkube-3.foo.example.org%2F", 1),
    ] {
        let list = app.get(&format!("/kubernetes-clusters{query}")).await.json();
        assert_eq!(list["items"].as_array().unwrap().len(), count, "{query}");
        assert!(list.get("continue").is_none());
    }
    let mut seen = Vec::new();
    let mut path = "/kubernetes-clusters?limit=2".to_owned();
    loop {
        let page = app.get(&path).await.json();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c["alias"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["continue"].as_str() else { break };
        path = format!("/kubernetes-clusters?limit=2&continue={next}");
    }
    assert_eq!(seen, ["kube-1", "kube-2", "kube-3", "kube-4", "kube-5"]);
    let ready = app.get("/infrastructure-accounts?lifecycle_status=ready").await.json();
    assert_eq!(ready["items"][0]["owner"], "team/bar");
}

#[tokio::test(start_paused = true)]
async fn history_tells_who_when_and_what_without_secrets() {
    let app = App::filled().await;
    let headers = [("content-type", "application/json"), ("x-request-id", "req-7")];
    let path = format!("{CLUSTER}/config-items/some_token");
    app.send("PUT", &path, &headers, Body::from(r#"{"value":"hunter2"}"#))
        .await;
    let history = app
        .get("/api/v1/history/cluster/aws:123456789012:eu-central-1:kube-1?limit=1")
        .await;
    assert!(!history.text.contains("hunter2"), "{}", history.text);
    let history = history.json();
    let newest = &history["items"][0];
    assert_eq!(
        (&newest["request_id"], &newest["actor"]),
        (&json!("req-7"), &json!("anonymous"))
    );
    assert_eq!((&newest["action"], &newest["revision"]), (&json!("updated"), &json!(2)));
    assert_eq!(newest["fields"][0]["field"], "config_items.some_token");
    let next = history["continue"].as_str().unwrap();
    let path = format!("/api/v1/history/cluster/aws:123456789012:eu-central-1:kube-1?continue={next}");
    assert_eq!(app.get(&path).await.json()["items"][0]["action"], "created");
}
