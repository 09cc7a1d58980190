//! Revisions: tags, conditional reads and writes; request ids; compression.

use axum::body::Body;
use http::Request;
use serde_json::json;
use tower::ServiceExt;

use crate::support::{App, CLUSTER, cluster, pool};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test(start_paused = true)]
async fn a_write_is_bound_to_the_revision_that_it_names() {
    let app = App::filled().await;
    let body = || Body::from(r#"{"channel":"beta"}"#);
    let written = app.send("PATCH", CLUSTER, &[JSON, ("if-match", "\"1\"")], body()).await;
    assert_eq!((written.status, written.header("etag")), (200, "\"2\""));
    let stale = app.send("PATCH", CLUSTER, &[JSON, ("if-match", "\"1\"")], body()).await;
    assert_eq!(stale.status, 412);
    assert_eq!(
        (&stale.json()["expected"], &stale.json()["actual"]),
        (&1.into(), &2.into())
    );
    let any = app
        .send(
            "PATCH",
            CLUSTER,
            &[JSON, ("if-match", "*")],
            Body::from(r#"{"channel":"dev"}"#),
        )
        .await;
    assert_eq!((any.status, any.header("etag")), (200, "\"3\""));
    let item = format!("{CLUSTER}/config-items/a_key");
    let put = app
        .send(
            "PUT",
            &item,
            &[JSON, ("if-match", "\"3\"")],
            Body::from(r#"{"value":"v"}"#),
        )
        .await;
    assert_eq!((put.status, put.header("etag")), (200, "\"4\""));
    assert_eq!(
        app.send("DELETE", &item, &[("if-match", "\"3\"")], Body::empty())
            .await
            .status,
        412
    );
    assert_eq!(
        app.send("DELETE", &item, &[("if-match", "\"4\"")], Body::empty())
            .await
            .status,
        204
    );
}

#[tokio::test(start_paused = true)]
async fn a_read_of_what_the_caller_has_is_empty() {
    let app = App::filled().await;
    for path in [
        CLUSTER,
        "/infrastructure-accounts/aws:123456789012",
        &format!("{CLUSTER}/node-pools"),
    ] {
        let read = app.get(path).await;
        let again = app
            .send("GET", path, &[("if-none-match", read.header("etag"))], Body::empty())
            .await;
        assert_eq!(
            (again.status, again.text.as_str(), again.header("etag")),
            (304, "", "\"1\"")
        );
        let other = app
            .send("GET", path, &[("if-none-match", "\"9\"")], Body::empty())
            .await;
        assert_eq!(other.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn request_ids_are_kept_or_made() {
    let app = App::new();
    let kept = app
        .send(
            "GET",
            "/kubernetes-clusters",
            &[("x-request-id", "mine-1")],
            Body::empty(),
        )
        .await;
    assert_eq!(kept.header("x-request-id"), "mine-1");
    let made = app
        .send(
            "GET",
            "/kubernetes-clusters",
            &[("x-request-id", "not mine")],
            Body::empty(),
        )
        .await;
    assert_eq!(made.header("x-request-id").len(), 36);
}

#[tokio::test(start_paused = true)]
async fn answers_are_compressed_on_demand_but_streams_are_not() {
    let app = App::filled().await;
    for (path, expected) in [("/kubernetes-clusters", "gzip"), ("/api/v1/changes", "")] {
        let request = Request::builder()
            .uri(path)
            .header("accept-encoding", "gzip")
            .body(Body::empty())
            .unwrap();
        let response = app.router.clone().oneshot(request).await.unwrap();
        let encoding = response
            .headers()
            .get("content-encoding")
            .map_or("", |v| v.to_str().unwrap());
        assert_eq!(encoding, expected, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_and_health_are_served() {
    let app = App::filled().await;
    app.get("/kubernetes-clusters/kube-9").await;
    let metrics = app.get("/metrics").await.text;
    for line in [
        r#"http_requests_total{operation="GET /kubernetes-clusters/{cluster_id}",status="404"} 1"#,
        r#"http_requests_in_flight 0"#,
        r#"registry_store_duration_seconds_count{method="create_cluster",result="ok"} 1"#,
        "registry_feed_readers 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert_eq!(
        (app.get("/healthz").await.status, app.get("/readyz").await.status),
        (200, 200)
    );
    app.shutdown.begin();
    let ready = app.get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.json()["checks"][0]["detail"]),
        (503, &"shutting down".into())
    );
}

#[tokio::test(start_paused = true)]
async fn lists_carry_the_revision_of_each_entry() {
    let app = App::filled().await;
    app.call("POST", "/kubernetes-clusters", cluster("kube-2")).await;
    app.call("PATCH", CLUSTER, json!({"channel": "beta"})).await;
    app.call(
        "PATCH",
        "/infrastructure-accounts/aws:123456789012",
        json!({"owner": "x"}),
    )
    .await;
    for (path, expected) in [
        ("/kubernetes-clusters", json!([2, 1])),
        ("/kubernetes-clusters?verbose=false", json!([2, 1])),
        ("/kubernetes-clusters?limit=1", json!([2])),
        ("/kubernetes-clusters?alias=kube-2", json!([1])),
        ("/kubernetes-clusters?alias=none", json!([])),
        ("/infrastructure-accounts", json!([2])),
    ] {
        assert_eq!(app.get(path).await.json()["revisions"], expected, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bound_removal_tells_the_revision_that_it_made() {
    let app = App::filled().await;
    let pool_path = format!("{CLUSTER}/node-pools/worker-1");
    let (item, pool_item) = (
        format!("{CLUSTER}/config-items/a_key"),
        format!("{pool_path}/config-items/a_key"),
    );
    let value = json!({"value": "v"});
    app.call("PUT", &pool_path, pool("worker-1")).await;
    app.call("PUT", &item, value.clone()).await;
    app.call("PUT", &pool_item, value.clone()).await;
    let mut tag = app.get(CLUSTER).await.header("etag").to_owned();
    assert_eq!(tag, "\"4\"");
    for path in [&item, &pool_item, &pool_path] {
        let gone = app.send("DELETE", path, &[("if-match", &tag)], Body::empty()).await;
        assert_eq!(gone.status, 204, "{path}");
        assert_eq!(gone.header("etag"), app.get(CLUSTER).await.header("etag"), "{path}");
        gone.header("etag").clone_into(&mut tag);
    }
    assert_eq!(tag, "\"7\"");
    app.call("PUT", &item, value).await;
    let unbound = app.send("DELETE", &item, &[("if-match", "*")], Body::empty()).await;
    assert_eq!((unbound.status, unbound.header("etag")), (204, ""));
}
