//! Pauses, freezes and fast lanes.

use std::time::Duration;

use ports::Clock as _;
use serde_json::{Value, json};

use crate::support::App;

const ACTS: &str = "/api/v1/acts";

async fn open(app: &App) -> Vec<Value> {
    let list = app.get(&format!("{ACTS}?open=true")).await;
    assert_eq!(list.status, 200, "{}", list.text);
    list.json()["items"].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn acts_are_done_listed_and_ended() {
    let app = App::new();
    for (draft, id) in [
        (
            json!({"what": "pause", "channel": "team/beta", "reason": "looking"}),
            Some("team%2Fbeta"),
        ),
        (
            json!({"what": "freeze", "clusters": "environment=production", "reason": "sale"}),
            None,
        ),
        (
            json!({"what": "fast-lane", "channel": "beta", "config": "0123456", "reason": "CVE", "ticket": "INC-7"}),
            None,
        ),
    ] {
        let done = app.call("POST", ACTS, draft.clone()).await;
        assert_eq!(done.status, 201, "{}", done.text);
        let told = done.json();
        assert!(id.is_none_or(|id| told["id"] == id), "{told}");
        for (member, value) in draft.as_object().unwrap() {
            assert_eq!(told[member], *value, "{told}");
        }
        assert_eq!(told["open"], true);
    }
    let all = open(&app).await;
    assert_eq!(all.len(), 3);
    assert!(
        all[0].get("until").is_none() && all[1]["until"].is_string() && all[2]["until"].is_string(),
        "{all:?}"
    );
    for act in &all {
        let id = act["id"].as_str().unwrap().replace('%', "%25");
        let path = format!("{ACTS}/{}/{id}", act["what"].as_str().unwrap());
        let ended = app.call("DELETE", &path, Value::Null).await;
        assert!(ended.json()["items"][0]["lifted"]["at"].is_string(), "{}", ended.text);
        let again = app.call("DELETE", &path, Value::Null).await;
        assert_eq!(again.json()["items"], json!([]), "{}", again.text);
    }
    assert!(open(&app).await.is_empty());
    assert_eq!(
        app.get(ACTS).await.json()["items"].as_array().unwrap().len(),
        3,
        "the past stays"
    );
    let never = app.call("DELETE", &format!("{ACTS}/pause/never"), Value::Null).await;
    assert_eq!(never.status, 404);
}

#[tokio::test(start_paused = true)]
async fn acts_that_make_no_sense_are_refused_by_field() {
    let app = App::new();
    let far = app
        .clock
        .now()
        .checked_add(Duration::from_secs(30 * 86_400))
        .unwrap()
        .to_string();
    for (draft, part) in [
        (json!({"what": "pause", "reason": "x"}), "channel"),
        (json!({"what": "pause", "channel": "beta", "reason": " "}), "reason"),
        (
            json!({"what": "pause", "channel": "beta", "reason": "x", "clusters": "a=b"}),
            "must not be given for a pause",
        ),
        (
            json!({"what": "freeze", "reason": "x", "clusters": "colour=red"}),
            "there is no field",
        ),
        (
            json!({"what": "freeze", "reason": "x", "until": far}),
            "must be within 28 days",
        ),
        (
            json!({"what": "freeze", "reason": "x", "until": "2001-01-01T00:00:00Z"}),
            "must be in the future",
        ),
        (json!({"what": "fast-lane", "channel": "beta", "reason": "x"}), "config"),
        (json!({"what": "stop", "reason": "x"}), "what"),
    ] {
        let refused = app.call("POST", ACTS, draft.clone()).await;
        assert_eq!(refused.status, 400, "{draft}: {}", refused.text);
        assert!(refused.text.contains(part), "{draft}: {}", refused.text);
    }
    assert!(open(&app).await.is_empty());
}
