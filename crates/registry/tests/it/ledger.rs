//! Blocks and updates.

use std::sync::Arc;
use std::time::Duration;

use model::{Progress, Update};
use ports::ledger::EntryDraft;
use ports::{Clock as _, Ledger as _, SeededIds, SystemClock, WriteContext};
use registry::Server;
use serde_json::{Value, json};
use service::Shutdown;
use store::MemoryRegistry;

use crate::support::{Answer, App, CLUSTER, cluster, open};

const ID: &str = "aws:123456789012:eu-central-1:kube-1";
const BLOCKS: &str = "/api/v1/blocks";

fn draft(reason: &str) -> Value {
    json!({"cluster_id": ID, "reason": reason, "owner": "team-cart", "ticket": "OPS-1"})
}

/// Reasons of a list, with `*` before those that hold.
fn reasons(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    let items = body["items"].as_array().unwrap().iter();
    let told = |item: &Value| {
        let mark = if item["open"] == true { "*" } else { "" };
        format!("{mark}{}", item["reason"].as_str().unwrap())
    };
    items.map(told).collect()
}

async fn item(app: &App) -> Value {
    app.get(CLUSTER).await.json()["config_items"]["cluster_update_block"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_block_from_its_beginning_to_its_end() {
    let app = App::filled().await;
    let set = app.call("POST", BLOCKS, draft(" canary broken ")).await;
    assert_eq!(set.status, 201, "{}", set.text);
    let set = set.json();
    let told = [
        &set["scope"],
        &set["reason"],
        &set["by"],
        &set["expires_at"],
        &set["open"],
    ];
    let expected = [
        json!("all"),
        json!("canary broken"),
        json!("anonymous"),
        json!("2023-11-17T22:13:20Z"),
        json!(true),
    ];
    assert_eq!(told.map(Clone::clone), expected);
    assert_eq!(item(&app).await, "canary broken (anonymous)");
    assert_eq!(reasons(&app.get("/api/v1/blocks?open=true").await), ["*canary broken"]);
    assert!(reasons(&app.get("/api/v1/blocks?open=false").await).is_empty());
    let events = app.get("/api/v1/changes?follow=false").await.json();
    let of_entries = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["kind"] == "entry");
    let ids: Vec<&str> = of_entries.map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [format!("block/{}", set["id"].as_str().unwrap())]);
    let lifted = app.call("DELETE", &format!("{BLOCKS}/{ID}"), Value::Null).await;
    assert_eq!(reasons(&lifted), ["canary broken"]);
    assert_eq!(item(&app).await, Value::Null);
    let again = app.call("DELETE", &format!("{BLOCKS}/{ID}"), Value::Null).await;
    assert!(reasons(&again).is_empty());
    let ended = app.get("/api/v1/blocks?open=false").await;
    assert_eq!(reasons(&ended), ["canary broken"]);
    assert_eq!(ended.json()["items"][0]["lifted"]["by"], "anonymous");
}

#[tokio::test(start_paused = true)]
async fn the_config_item_is_the_same_thing() {
    let app = App::filled().await;
    let path = format!("{CLUSTER}/config-items/cluster_update_block");
    app.call("PUT", &path, json!({"value": "by hand (alice)"})).await;
    let listed = app.get("/api/v1/blocks").await;
    assert_eq!(reasons(&listed), ["*by hand"]);
    let only = &listed.json()["items"][0];
    assert_eq!(
        (&only["by"], only.get("id"), only.get("since")),
        (&json!("alice"), None, None)
    );
    assert_eq!(
        reasons(&app.call("DELETE", &format!("{BLOCKS}/{ID}"), Value::Null).await),
        ["by hand"]
    );
    assert_eq!(item(&app).await, Value::Null);
    // And the other way round: who removes the item lifts the block.
    app.call("POST", BLOCKS, draft("x")).await;
    assert_eq!(app.call("DELETE", &path, Value::Null).await.status, 204);
    assert!(reasons(&app.get("/api/v1/blocks?open=true").await).is_empty());
    assert_eq!(reasons(&app.get("/api/v1/blocks").await), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn one_of_two_blocks_is_lifted_and_the_other_holds() {
    let app = App::filled().await;
    app.call("POST", BLOCKS, draft("first")).await;
    app.clock.sleep(Duration::from_secs(1)).await;
    let second = app.call("POST", BLOCKS, draft("second")).await.json();
    assert_eq!(reasons(&app.get("/api/v1/blocks").await), ["*second", "*first"]);
    let path = format!("{BLOCKS}/{ID}/{}", second["id"].as_str().unwrap());
    assert_eq!(reasons(&app.call("DELETE", &path, Value::Null).await), ["second"]);
    assert_eq!(item(&app).await, "first (anonymous)");
    assert_eq!(reasons(&app.get("/api/v1/blocks").await), ["second", "*first"]);
    assert!(reasons(&app.call("DELETE", &path, Value::Null).await).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_block_that_expired_holds_no_more() {
    let app = App::filled().await;
    let nodes = json!({"cluster_id": ID, "scope": "nodes", "reason": "x", "expires_at": "2023-11-14T22:14:20Z"});
    assert_eq!(app.call("POST", BLOCKS, nodes).await.status, 201);
    assert_eq!(item(&app).await, Value::Null);
    assert_eq!(reasons(&app.get("/api/v1/blocks?open=true").await), ["*x"]);
    app.clock.sleep(Duration::from_secs(60)).await;
    assert!(reasons(&app.get("/api/v1/blocks?open=true").await).is_empty());
    assert_eq!(reasons(&app.get("/api/v1/blocks?open=false").await), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn lists_of_blocks_page_and_filter() {
    let app = App::filled().await;
    for n in 2..=4 {
        app.call("POST", "/kubernetes-clusters", cluster(&format!("kube-{n}")))
            .await;
        let path =
            format!("/kubernetes-clusters/aws:123456789012:eu-central-1:kube-{n}/config-items/cluster_update_block");
        app.call("PUT", &path, json!({"value": format!("item {n}")})).await;
    }
    for n in 0..4 {
        app.clock.sleep(Duration::from_secs(1)).await;
        app.call("POST", BLOCKS, draft(&format!("block {n}"))).await;
    }
    let all = reasons(&app.get(BLOCKS).await);
    assert_eq!(all.len(), 7, "{all:?}");
    for limit in 1..=8 {
        let (mut seen, mut path) = (Vec::new(), format!("{BLOCKS}?limit={limit}"));
        loop {
            let page = app.get(&path).await;
            let reasons = reasons(&page);
            assert!(reasons.len() <= limit);
            seen.extend(reasons);
            let body = page.json();
            let Some(next) = body["continue"].as_str() else { break };
            path = format!("{BLOCKS}?limit={limit}&continue={next}");
        }
        assert_eq!(seen, all, "{limit}");
    }
    assert_eq!(reasons(&app.get(&format!("{BLOCKS}?cluster_id={ID}")).await).len(), 4);
    assert!(reasons(&app.get(&format!("{BLOCKS}?cluster_id=no-such")).await).is_empty());
}

#[tokio::test(start_paused = true)]
async fn refusals_name_field_and_rule() {
    let app = App::filled().await;
    for (change, status, detail) in [
        (json!({"reason": " "}), 400, "reason: must not be empty"),
        (
            json!({"reason": "a\nb"}),
            400,
            "reason: must not contain control characters",
        ),
        (json!({"owner": ""}), 400, "owner: must not be empty"),
        (json!({"scope": "pods"}), 400, "scope: must be one of nodes or all"),
        (json!({"by": "somebody else"}), 400, "by: is not known"),
        (
            json!({"expires_at": "2023-11-14T22:13:20Z"}),
            400,
            "expires_at: must be in the future",
        ),
        (
            json!({"expires_at": "2023-12-14T22:13:20Z"}),
            400,
            "expires_at: must be within 14 days",
        ),
        (json!({"expires_at": "soon"}), 400, "expires_at: "),
        (json!({"cluster_id": "no-such"}), 404, "cluster \"no-such\" not found"),
    ] {
        let mut body = draft("x");
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let answer = app.call("POST", BLOCKS, body).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        let told = answer.json()["detail"].as_str().unwrap().replace('`', "");
        assert!(told.contains(detail), "{told}");
    }
    let conditions = [("content-type", "application/json"), ("if-match", "\"1\"")];
    for (method, path, headers, body, status, detail) in [
        (
            "POST",
            BLOCKS.to_owned(),
            &conditions[..],
            draft("x"),
            400,
            "If-Match: must not be given",
        ),
        (
            "DELETE",
            format!("{BLOCKS}/{ID}"),
            &conditions[..],
            Value::Null,
            400,
            "If-Match: must not be given",
        ),
        (
            "DELETE",
            format!("{BLOCKS}/no-such"),
            &[],
            Value::Null,
            404,
            "cluster \"no-such\" not found",
        ),
        (
            "DELETE",
            format!("{BLOCKS}/{ID}/b-1"),
            &[],
            Value::Null,
            404,
            "block \"b-1\" not found",
        ),
        (
            "GET",
            format!("{BLOCKS}?open=yes"),
            &[],
            Value::Null,
            400,
            "open: must be true or false",
        ),
        (
            "GET",
            format!("{BLOCKS}?cluster_id=K"),
            &[],
            Value::Null,
            400,
            "cluster_id: must be the id of a cluster",
        ),
        (
            "GET",
            format!("{BLOCKS}?continue=16161"),
            &[],
            Value::Null,
            400,
            "continue: must be",
        ),
        (
            "GET",
            "/api/v1/updates/u-1".to_owned(),
            &[],
            Value::Null,
            404,
            "update \"u-1\" not found",
        ),
        (
            "GET",
            "/api/v1/updates?continue=16161".to_owned(),
            &[],
            Value::Null,
            400,
            "continue: must be",
        ),
    ] {
        let answer = app.send(method, &path, headers, body.to_string().into()).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert!(
            answer.json()["detail"].as_str().unwrap().contains(detail),
            "{}",
            answer.text
        );
    }
    assert!(reasons(&app.get(BLOCKS).await).is_empty());
}

#[tokio::test]
async fn a_server_without_a_ledger_says_so() {
    let clock = Arc::new(SystemClock);
    let store = Arc::new(MemoryRegistry::new(clock.clone()));
    let server = Server::new(store, clock, Arc::new(SeededIds::new(1)), Shutdown::new());
    let app = App {
        router: server.router(open()),
        ..App::new()
    };
    for path in [
        BLOCKS,
        "/api/v1/updates",
        "/api/v1/updates/u-1",
        "/api/v1/rollouts",
        "/api/v1/evidence",
    ] {
        assert_eq!(app.get(path).await.status, 503, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn updates_are_told_as_they_are_written_down() {
    let app = App::filled().await;
    for (n, progress) in [(1, Progress::Done), (2, Progress::Running)] {
        let update = Update {
            to: format!("version-{n}"),
            progress,
            ..Update::default()
        };
        let draft = EntryDraft {
            kind: "update".parse().unwrap(),
            id: format!("u-{n}").parse().unwrap(),
            cluster: Some(ID.parse().unwrap()),
            open: !progress.is_over(),
            body: serde_json::to_value(update).unwrap(),
            items: Vec::new(),
        };
        app.store
            .put_entry(draft, &WriteContext::by("manager", "r"))
            .await
            .unwrap();
        app.clock.sleep(Duration::from_secs(1)).await;
    }
    for (query, expected) in [
        ("", vec!["u-2", "u-1"]),
        ("?open=true", vec!["u-2"]),
        ("?open=false", vec!["u-1"]),
        ("?limit=1", vec!["u-2"]),
        ("?cluster_id=no-such", vec![]),
    ] {
        let list = app.get(&format!("/api/v1/updates{query}")).await.json();
        let ids: Vec<&str> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|u| u["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, expected, "{query}");
        assert_eq!(list.get("continue").is_some(), query == "?limit=1");
    }
    let one = app.get("/api/v1/updates/u-2").await;
    assert_eq!(
        (one.header("etag"), &one.json()["update"]["to"]),
        ("\"1\"", &json!("version-2"))
    );
    let known = app.send(
        "GET",
        "/api/v1/updates/u-2",
        &[("if-none-match", "\"1\"")],
        Value::Null.to_string().into(),
    );
    assert_eq!(known.await.status, 304);
}

#[tokio::test(start_paused = true)]
async fn records_of_rollouts_and_evidence_are_told_by_their_kind() {
    let app = App::filled().await;
    for (kind, id, open) in [
        ("rollout", "r-1", true),
        ("forced-termination", "e-1", false),
        ("forced-termination", "e-2", true),
    ] {
        let draft = EntryDraft {
            kind: kind.parse().unwrap(),
            id: id.parse().unwrap(),
            cluster: Some(ID.parse().unwrap()),
            open,
            body: json!({"what": id}),
            items: Vec::new(),
        };
        app.store
            .put_entry(draft, &WriteContext::by("manager", "r"))
            .await
            .unwrap();
        app.clock.sleep(Duration::from_secs(1)).await;
    }
    for (path, expected) in [
        ("/api/v1/rollouts", vec!["r-1"]),
        ("/api/v1/rollouts?open=false", vec![]),
        ("/api/v1/evidence", vec!["e-2", "e-1"]),
        ("/api/v1/evidence?open=false", vec!["e-1"]),
        ("/api/v1/evidence?cluster_id=no-such", vec![]),
    ] {
        let list = app.get(path).await.json();
        let items = list["items"].as_array().unwrap();
        let ids: Vec<&str> = items
            .iter()
            .map(|item| item["record"]["what"].as_str().unwrap())
            .collect();
        assert_eq!(ids, expected, "{path}");
    }
}
