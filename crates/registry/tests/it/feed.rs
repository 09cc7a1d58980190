//! The change feed.

use std::time::Duration;

use axum::body::Body;
use futures::StreamExt;
use http::Request;
use ports::Clock;
use registry::Limits;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{App, CLUSTER, open};

/// One open stream, read event by event.
struct Stream {
    body: axum::body::BodyDataStream,
}

impl Stream {
    async fn open(app: &App, path: &str, last: Option<&str>) -> Self {
        let mut request = Request::builder().uri(path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = app
            .router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let mut this = Self {
            body: response.into_body().into_data_stream(),
        };
        assert_eq!(this.next().await.unwrap(), "retry: 2000\n\n");
        this
    }

    async fn next(&mut self) -> Option<String> {
        let bytes = self.body.next().await?.unwrap();
        Some(String::from_utf8(bytes.into()).unwrap())
    }

    /// Id and name of the next event.
    async fn event(&mut self) -> (String, String) {
        let text = self.next().await.unwrap();
        let line = |start: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(start))
                .unwrap_or_default()
                .to_owned()
        };
        let data: Value = serde_json::from_str(&line("data: ")).unwrap();
        assert_eq!(data["sequence"].to_string(), line("id: "));
        (line("id: "), line("event: "))
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_the_past_and_then_the_present() {
    let app = App::filled().await;
    let mut stream = Stream::open(&app, "/api/v1/changes", None).await;
    assert_eq!(
        stream.event().await,
        ("1".to_owned(), "infrastructure-account.created".to_owned())
    );
    assert_eq!(stream.event().await, ("2".to_owned(), "cluster.created".to_owned()));
    app.call("PATCH", CLUSTER, json!({"channel": "beta"})).await;
    assert_eq!(stream.event().await, ("3".to_owned(), "cluster.updated".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_reader_resumes_after_the_last_event_it_saw() {
    let app = App::filled().await;
    app.call("PATCH", CLUSTER, json!({"channel": "beta"})).await;
    let mut by_query = Stream::open(&app, "/api/v1/changes?after=1", None).await;
    assert_eq!(by_query.event().await.0, "2");
    // A browser repeats the address with its query, so the header must win.
    let mut by_header = Stream::open(&app, "/api/v1/changes?after=1", Some("2")).await;
    assert_eq!(by_header.event().await.0, "3");
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_heartbeats_and_ended_by_shutdown() {
    let app = App::filled().await;
    let mut stream = Stream::open(&app, "/api/v1/changes?after=2", None).await;
    let begun = app.clock.now();
    assert_eq!(stream.next().await.unwrap(), ": heartbeat\n\n");
    assert_eq!(
        app.clock.now().duration_since(begun).unsigned_abs(),
        Duration::from_secs(15)
    );
    assert!(app.get("/metrics").await.text.contains("registry_feed_readers 1"));
    app.shutdown.begin();
    assert_eq!(stream.next().await, None);
    drop(stream);
    assert!(app.get("/metrics").await.text.contains("registry_feed_readers 0"));
}

#[tokio::test(start_paused = true)]
async fn pollers_get_lists() {
    let app = App::filled().await;
    let all = app.get("/api/v1/changes?follow=false").await.json();
    assert_eq!((all["items"].as_array().unwrap().len(), &all["last"]), (2, &json!(2)));
    let one = app.get("/api/v1/changes?follow=false&limit=1").await.json();
    assert_eq!((one["items"].as_array().unwrap().len(), &one["last"]), (1, &json!(2)));
    let none = app.get("/api/v1/changes?follow=false&after=2").await.json();
    assert_eq!((none["items"].as_array().unwrap().len(), &none["last"]), (0, &json!(2)));
}

#[tokio::test(start_paused = true)]
async fn the_number_of_readers_is_bounded() {
    let app = App::with(
        |_| open(),
        Limits {
            feed_readers: 1,
            ..Limits::default()
        },
    );
    let first = Stream::open(&app, "/api/v1/changes", None).await;
    let second = app.get("/api/v1/changes").await;
    assert_eq!((second.status, second.header("retry-after")), (503, "5"));
    drop(first);
    Stream::open(&app, "/api/v1/changes", None).await;
}
