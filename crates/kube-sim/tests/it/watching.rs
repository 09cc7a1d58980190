//! Watches over plain requests: order, selections, bookmarks, expiry.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use json_tree::{Value, json};
use kube_sim::{ApiServer, Config, ReplyBody};
use tower::ServiceExt;

use crate::support::*;

struct Watch(ReplyBody, Vec<Value>);

async fn open(server: &ApiServer, path: &str) -> Watch {
    let request = Request::get(path).body(String::new()).unwrap();
    let response = server.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    Watch(response.into_body(), Vec::new())
}

impl Watch {
    /// The next event; none when the stream has ended.
    async fn next(&mut self) -> Option<Value> {
        while self.1.is_empty() {
            let frame = self.0.frame().await?.unwrap().into_data().unwrap();
            let text = String::from_utf8(frame.to_vec()).unwrap();
            self.1 = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        Some(self.1.remove(0))
    }

    async fn expect(&mut self, kind: &str, name: &str) -> Value {
        let event = self.next().await.unwrap();
        assert_eq!(
            (&event["type"], &event["object"]["metadata"]["name"]),
            (&json!(kind), &json!(name)),
            "{event}"
        );
        event
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_all_writes_in_order() {
    let server = server();
    post(&server, MAPS, config_map("a", "1")).await;
    let mut watch = open(&server, &format!("{MAPS}?watch=1")).await;
    watch.expect("ADDED", "a").await;
    post(&server, MAPS, config_map("b", "1")).await;
    patch(&server, &format!("{MAPS}/a"), MERGE, json!({"data": {"k": "2"}})).await;
    delete(&server, &format!("{MAPS}/a")).await;
    watch.expect("ADDED", "b").await;
    watch.expect("MODIFIED", "a").await;
    let last = watch.expect("DELETED", "a").await;
    assert_eq!(
        last["object"]["metadata"]["resourceVersion"],
        server.resource_version().to_string()
    );
    assert_eq!(server.open_watches(), 1);
    drop(watch);
    assert_eq!(server.open_watches(), 0);
}

#[tokio::test(start_paused = true)]
async fn leaving_a_selection_is_a_deletion() {
    let server = server();
    let mut watch = open(&server, &format!("{PODS}?watch=1&labelSelector=app%3Da")).await;
    post(&server, PODS, pod("p")).await;
    watch.expect("ADDED", "p").await;
    patch(
        &server,
        &format!("{PODS}/p"),
        MERGE,
        json!({"metadata": {"labels": {"app": "b"}}}),
    )
    .await;
    let left = watch.expect("DELETED", "p").await;
    assert_eq!(left["object"]["metadata"]["labels"]["app"], "a");
    patch(
        &server,
        &format!("{PODS}/p"),
        MERGE,
        json!({"metadata": {"labels": {"app": "a"}}}),
    )
    .await;
    watch.expect("ADDED", "p").await;
}

#[tokio::test(start_paused = true)]
async fn streaming_lists_end_with_a_marked_bookmark() {
    let server = server();
    post(&server, MAPS, config_map("a", "1")).await;
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = open(&server, &format!("{MAPS}?{query}")).await;
    watch.expect("ADDED", "a").await;
    let mark = watch.next().await.unwrap();
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(
        mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    let quiet = watch.next().await.unwrap();
    assert_eq!(quiet["type"], "BOOKMARK");
    assert_eq!(
        quiet["object"]["metadata"]["resourceVersion"],
        server.resource_version().to_string()
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_in_time_and_resumes() {
    let server = server();
    let mut watch = open(&server, &format!("{MAPS}?watch=1&timeoutSeconds=5")).await;
    let before = tokio::time::Instant::now();
    assert_eq!(watch.next().await, None);
    assert_eq!(before.elapsed(), Duration::from_secs(5));
    let version = server.resource_version();
    post(&server, MAPS, config_map("a", "1")).await;
    let mut watch = open(&server, &format!("{MAPS}?watch=1&resourceVersion={version}")).await;
    watch.expect("ADDED", "a").await;
}

#[tokio::test(start_paused = true)]
async fn who_falls_behind_is_cut() {
    let server = with_config(Config {
        event_window: 3,
        ..Config::default()
    });
    let version = server.resource_version();
    let mut slow = open(&server, &format!("{MAPS}?watch=1&resourceVersion={version}")).await;
    for n in 0..10 {
        post(&server, MAPS, config_map(&format!("m{n}"), "1")).await;
    }
    let event = slow.next().await.unwrap();
    assert_eq!(
        (&event["type"], &event["object"]["code"]),
        (&json!("ERROR"), &json!(410))
    );
    assert_eq!(slow.next().await, None);
    let (code, body) = get(&server, &format!("{MAPS}?watch=1&resourceVersion={version}")).await;
    assert_eq!((code, &body["reason"]), (410, &json!("Expired")));
    let (code, _) = get(&server, &format!("{MAPS}?watch=1&resourceVersion=99999")).await;
    assert_eq!(code, 504);
}

#[tokio::test(start_paused = true)]
async fn watches_are_counted_and_limited() {
    let server = with_config(Config {
        max_watches: 1,
        ..Config::default()
    });
    let _first = open(&server, &format!("{MAPS}?watch=1")).await;
    let (code, _) = get(&server, &format!("{MAPS}?watch=1")).await;
    assert_eq!(code, 429);
}
