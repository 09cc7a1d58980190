//! Every refusal: status, field and rule, always a problem document, never a secret.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use ports::{SeededIds, SystemClock};
use registry::{Limits, Server};
use serde_json::{Value, json};
use service::Shutdown;
use store::{DatabaseUrl, Store};

use crate::support::{Answer, App, CLUSTER, account, cluster, open, pool};

/// The parts that every problem document has, and those that this one should have.
fn is_problem(answer: &Answer, status: u16, kind: &str, detail: &str) {
    let body = answer.json();
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(body["type"], format!("urn:fleetwright:error:{kind}"), "{}", answer.text);
    assert!(
        body["detail"].as_str().unwrap().contains(detail),
        "{} lacks {detail}",
        answer.text
    );
    assert_eq!(
        (&body["message"], &body["code"], &body["status"]),
        (&body["detail"], &json!(status), &json!(status))
    );
    assert!(body["fields"].is_string() && body["title"].is_string());
    assert_eq!(body["request_id"], answer.header("x-request-id"));
}

/// Method, path, headers, body; status, kind and a part of the detail.
type Case<'a> = (
    &'a str,
    &'a str,
    Vec<(&'a str, &'a str)>,
    Vec<u8>,
    u16,
    &'a str,
    &'a str,
);

fn with(mut object: Value, member: &str, value: Value) -> Value {
    object[member] = value;
    object
}

#[tokio::test(start_paused = true)]
async fn bad_bodies_are_refused_with_field_and_rule() {
    let app = App::filled().await;
    let clusters = "/kubernetes-clusters";
    let pool_path = format!("{CLUSTER}/node-pools/worker-1");
    let item = format!("{CLUSTER}/config-items/a_key");
    for (method, path, body, detail) in [
        (
            "POST",
            clusters,
            with(cluster("kube-2"), "alais", json!("x")),
            "alais: is not known",
        ),
        (
            "POST",
            clusters,
            with(cluster("kube-2"), "status", json!({"curent": "x"})),
            "status.curent: is not known",
        ),
        (
            "POST",
            clusters,
            with(cluster("kube-2"), "id", json!("K")),
            "id: must match `^[a-z][a-z0-9-:]*[a-z0-9]$`, got \"K\"",
        ),
        (
            "POST",
            clusters,
            with(cluster("kube-2"), "region", json!("")),
            "region: must not be empty",
        ),
        (
            "POST",
            clusters,
            with(cluster("kube-2"), "lifecycle_status", json!("x")),
            "lifecycle_status: must be one of requested",
        ),
        (
            "POST",
            clusters,
            with(cluster("kube-2"), "node_pools", json!([pool("a-b"), pool("a-b")])),
            "node_pools[1].name: must be unique",
        ),
        (
            "POST",
            clusters,
            with(cluster("kube-2"), "created_at", json!("yesterday")),
            "created_at: ",
        ),
        (
            "POST",
            clusters,
            with(cluster("kube-2"), "region", json!("a\u{0}")),
            "region: must not contain the character U+0000",
        ),
        ("POST", clusters, json!([]), "must be an object"),
        (
            "POST",
            "/infrastructure-accounts",
            json!({"id": "aws:2"}),
            "type: is required",
        ),
        (
            "POST",
            "/infrastructure-accounts",
            with(account(), "nodes", json!(1)),
            "nodes: is not known",
        ),
        ("PATCH", CLUSTER, json!({"node_pools": []}), "node_pools: is not known"),
        ("PATCH", CLUSTER, json!({"id": "other"}), "id: cannot be changed"),
        ("PATCH", CLUSTER, json!({"config_items": {"A": "x"}}), "must match"),
        (
            "PATCH",
            CLUSTER,
            json!({"status": {"problems": [{"type": "t", "title": "t", "x": 1}]}}),
            "status.problems[0]",
        ),
        (
            "PUT",
            &pool_path,
            pool("worker-2"),
            "name: must be the name in the path, worker-1",
        ),
        (
            "PUT",
            &pool_path,
            with(pool("worker-1"), "instance_types", json!(["a", "a"])),
            "instance_types[1]: must be unique",
        ),
        (
            "PUT",
            &pool_path,
            with(pool("worker-1"), "max_size", json!(0)),
            "max_size: must not be below min_size (1)",
        ),
        ("PUT", &item, json!({}), "value: is required"),
        (
            "PUT",
            &item,
            json!({"value": "a\u{0}b"}),
            "config_items.a_key: must not contain the character U+0000, got <3 bytes>",
        ),
        (
            "PUT",
            &item,
            json!({"value": "x".repeat(256 * 1024 + 1)}),
            "config_items.a_key: must have at most 262144 bytes",
        ),
    ] {
        let answer = app.call(method, path, body).await;
        is_problem(&answer, 400, "invalid", detail);
        let body = answer.json();
        assert!(body["errors"][0]["rule"].is_string(), "{body}");
    }
    let list = app.get(clusters).await.json();
    assert_eq!(
        (list["items"].as_array().unwrap().len(), &list["items"][0]["node_pools"]),
        (1, &json!([]))
    );
}

#[tokio::test(start_paused = true)]
async fn a_value_is_refused_under_the_name_of_its_item() {
    let app = App::filled().await;
    let pool_path = format!("{CLUSTER}/node-pools/worker-1");
    app.call("PUT", &pool_path, pool("worker-1")).await;
    for owner in [CLUSTER, &pool_path] {
        let item = format!("{owner}/config-items/a_key");
        for (value, rule) in [
            ("a\u{0}b".to_owned(), "must not contain the character U+0000"),
            ("x".repeat(256 * 1024 + 1), "must have at most 262144 bytes"),
        ] {
            let answer = app.call("PUT", &item, json!({"value": value})).await;
            is_problem(&answer, 400, "invalid", rule);
            assert_eq!(answer.json()["errors"][0]["field"], "config_items.a_key", "{item}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_broken_rule_is_listed() {
    let app = App::filled().await;
    let broken = with(with(cluster("kube-2"), "region", json!("")), "channel", json!("a\nb"));
    let body = app.call("POST", "/kubernetes-clusters", broken).await.json();
    assert_eq!(body["fields"], "region,channel");
    let unknown = with(with(cluster("kube-2"), "b", json!(1)), "a", json!(1));
    let body = app.call("POST", "/kubernetes-clusters", unknown).await.json();
    assert_eq!(body["fields"], "a,b");
}

#[tokio::test(start_paused = true)]
async fn bad_requests_are_problem_documents_too() {
    let app = App::filled().await;
    let json = ("content-type", "application/json");
    let big = "x".repeat(4 * 1024 * 1024 + 1);
    let item = format!("{CLUSTER}/config-items/a_key");
    let cases: Vec<Case<'_>> = vec![
        ("GET", "/nowhere", vec![], vec![], 404, "no-such-path", ""),
        ("GET", "/kubernetes-clusters/", vec![], vec![], 404, "no-such-path", ""),
        (
            "DELETE",
            "/kubernetes-clusters",
            vec![],
            vec![],
            405,
            "method-not-allowed",
            "",
        ),
        (
            "GET",
            "/kubernetes-clusters/K",
            vec![],
            vec![],
            400,
            "invalid",
            "cluster_id: must match `^[a-z][a-z0-9-:]*[a-z0-9]$`",
        ),
        (
            "GET",
            "/kubernetes-clusters/%ff",
            vec![],
            vec![],
            400,
            "malformed",
            "UTF-8",
        ),
        (
            "GET",
            "/kubernetes-clusters/kube-9",
            vec![],
            vec![],
            404,
            "not-found",
            "cluster \"kube-9\" not found",
        ),
        (
            "GET",
            "/kubernetes-clusters?colour=red",
            vec![],
            vec![],
            400,
            "invalid",
            "colour: is not known",
        ),
        (
            "GET",
            "/kubernetes-clusters?limit=0",
            vec![],
            vec![],
            400,
            "invalid",
            "limit: must be a number from 1 to 1000",
        ),
        (
            "GET",
            "/kubernetes-clusters?continue=x",
            vec![],
            vec![],
            400,
            "invalid",
            "continue: ",
        ),
        (
            "GET",
            "/kubernetes-clusters?alias=%ff",
            vec![],
            vec![],
            400,
            "malformed",
            "UTF-8",
        ),
        (
            "GET",
            "/kubernetes-clusters?alias=%00",
            vec![],
            vec![],
            400,
            "invalid",
            "U+0000",
        ),
        (
            "GET",
            "/api/v1/history/node/x1",
            vec![],
            vec![],
            400,
            "invalid",
            "kind: must be one of",
        ),
        (
            "GET",
            "/api/v1/changes?follow=false&after=-1",
            vec![],
            vec![],
            400,
            "invalid",
            "after: ",
        ),
        (
            "GET",
            "/api/v1/changes?limit=5",
            vec![],
            vec![],
            400,
            "invalid",
            "limit: may be given with follow=false only",
        ),
        (
            "GET",
            "/api/v1/changes",
            vec![("last-event-id", "x")],
            vec![],
            400,
            "invalid",
            "Last-Event-ID: ",
        ),
        (
            "GET",
            "/api/v1/export",
            vec![("accept", "image/png")],
            vec![],
            406,
            "not-acceptable",
            "application/yaml",
        ),
        (
            "POST",
            "/api/v1/import?mode=merge",
            vec![json],
            b"{}".to_vec(),
            400,
            "invalid",
            "mode: must be create or apply",
        ),
        (
            "POST",
            "/kubernetes-clusters",
            vec![json],
            b"{".to_vec(),
            400,
            "malformed",
            "line 1, column 1",
        ),
        (
            "POST",
            "/kubernetes-clusters",
            vec![json],
            b"{\"a\":\"\xff\"}".to_vec(),
            400,
            "malformed",
            "byte 6",
        ),
        (
            "POST",
            "/kubernetes-clusters",
            vec![],
            b"{}".to_vec(),
            415,
            "unsupported-media-type",
            "application/json",
        ),
        (
            "POST",
            "/kubernetes-clusters",
            vec![("content-type", "text/plain")],
            b"{}".to_vec(),
            415,
            "unsupported-media-type",
            "",
        ),
        (
            "PUT",
            &item,
            vec![json],
            big.into_bytes(),
            413,
            "too-large",
            "4194304 bytes",
        ),
        (
            "PATCH",
            CLUSTER,
            vec![json, ("if-match", "2")],
            b"{}".to_vec(),
            400,
            "invalid",
            "If-Match: must be `*` or one revision",
        ),
        (
            "PATCH",
            CLUSTER,
            vec![json, ("if-match", "\"7\"")],
            b"{\"channel\":\"x\"}".to_vec(),
            412,
            "wrong-revision",
            "revision 1, not at 7",
        ),
        ("DELETE", CLUSTER, vec![], vec![], 403, "forbidden", ""),
        ("DELETE", &item, vec![], vec![], 404, "not-found", "a_key"),
    ];
    for (method, path, headers, body, status, kind, detail) in cases {
        let answer = app.send(method, path, &headers, Body::from(body)).await;
        is_problem(&answer, status, kind, detail);
        assert_eq!(answer.json()["instance"], path.split('?').next().unwrap());
    }
    let refused = app.call("DELETE", "/kubernetes-clusters", Value::Null).await;
    assert_eq!(refused.header("allow"), "GET,HEAD,POST");
}

#[tokio::test(start_paused = true)]
async fn taken_values_name_their_holder() {
    let app = App::filled().await;
    let again = app.call("POST", "/kubernetes-clusters", cluster("kube-1")).await;
    is_problem(&again, 409, "already-exists", "id");
    let alias = with(cluster("kube-2"), "alias", json!("kube-1"));
    let taken = app.call("POST", "/kubernetes-clusters", alias).await;
    is_problem(&taken, 409, "already-exists", "alias: must be unique");
    assert_eq!(taken.json()["holder"], "aws:123456789012:eu-central-1:kube-1");
}

#[tokio::test(start_paused = true)]
async fn secrets_stay_out_of_refusals() {
    let app = App::filled().await;
    let item = format!("{CLUSTER}/config-items/a_key");
    for (method, path, body) in [
        ("PUT", item.as_str(), json!("hunter2")),
        ("PUT", &item, json!({"value": ["hunter2"]})),
        ("PUT", &item, json!({"value": "hunter2\u{0}"})),
        ("PUT", &item, json!({"value": "a", "hunter": "hunter2"})),
        ("PATCH", CLUSTER, json!({"config_items": "hunter2"})),
        ("PATCH", CLUSTER, json!({"config_items": {"a_key": {"hunter2": 1}}})),
        ("PATCH", CLUSTER, json!({"config_items": {"a_key": "hunter2\u{0}"}})),
    ] {
        let answer = app.call(method, path, body).await;
        assert_eq!(answer.status, 400);
        assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    }
    let answer = app.get("/kubernetes-clusters?access_token=hunter2").await;
    assert!(!answer.text.contains("hunter2"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_given_up_on() {
    let app = App::filled().await;
    let silence = futures::stream::pending::<Result<Bytes, std::io::Error>>();
    let headers = [("content-type", "application/json")];
    let answer = app.send("PATCH", CLUSTER, &headers, Body::from_stream(silence)).await;
    is_problem(&answer, 408, "timeout", "30 s");
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_are_sent_back() {
    let app = App::with(
        |_| open(),
        Limits {
            in_flight: 1,
            body_timeout: Duration::from_secs(5),
            ..Limits::default()
        },
    );
    let silence = || Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let headers = [("content-type", "application/json")];
    let slow = app.send("POST", "/kubernetes-clusters", &headers, silence());
    let (slow, quick) = futures::join!(slow, app.get("/kubernetes-clusters"));
    assert_eq!(slow.status, 408);
    is_problem(&quick, 503, "busy", "in flight");
    assert_eq!(quick.header("retry-after"), "1");
    assert_eq!(app.get("/kubernetes-clusters").await.status, 200);
    assert_eq!(app.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_store_that_is_gone_is_said_to_be() {
    let clock = Arc::new(SystemClock);
    let url: DatabaseUrl = "sqlite::memory:".parse().unwrap();
    let store = Arc::new(Store::open(&url, clock.clone()).await.unwrap());
    let server = Server::new(store.clone(), clock, Arc::new(SeededIds::new(1)), Shutdown::new());
    let app = App {
        router: server.router(open()),
        ..App::new()
    };
    assert_eq!(app.get("/kubernetes-clusters").await.status, 200);
    store.close().await;
    let answer = app.call("POST", "/infrastructure-accounts", account()).await;
    is_problem(&answer, 503, "unavailable", "cannot be reached");
    assert_eq!(answer.header("retry-after"), "1");
}
