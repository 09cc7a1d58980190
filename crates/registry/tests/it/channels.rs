//! Channels and agreements at their gates.

use std::sync::Arc;

use async_trait::async_trait;
use model::{ChannelCounts, ChannelStatus, GateState, GateStatus};
use ports::{WriteContext, channels};
use registry::auth::{AuthError, Authenticate, Caller, Role};
use registry::{Access, Limits};
use serde_json::json;

use crate::support::App;

const CHANNELS: &str = "/api/v1/channels";
const AGREEMENTS: &str = "/api/v1/gate-agreements";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Everybody is an operator under the name of its token; `eve` only reads.
struct People;

#[async_trait]
impl Authenticate for People {
    async fn identify(&self, token: &str) -> Result<Caller, AuthError> {
        let role = if token == "eve" { Role::Reader } else { Role::Operator };
        Ok(Caller {
            name: token.to_owned(),
            role,
        })
    }
}

fn status(name: &str, order: usize, gate: Option<GateStatus>) -> ChannelStatus {
    ChannelStatus {
        channel: name.to_owned(),
        order,
        commit: "c1".to_owned(),
        counts: ChannelCounts {
            clusters: 3,
            there: 2,
            healthy: 2,
            behind: 1,
            ..ChannelCounts::default()
        },
        gate,
        ..ChannelStatus::default()
    }
}

/// A server on which a lifecycle manager wrote two channels, with a commit at the gate of the second one.
async fn app() -> App {
    let app = App::with(|_| Access::Tokens(Arc::new(People)), Limits::default());
    let gate = GateStatus {
        from: "dev".to_owned(),
        commit: COMMIT.to_owned(),
        state: GateState::Waiting,
        ..GateStatus::default()
    };
    let manager = WriteContext::by("lifecycle", "request-1");
    for status in [status("release/beta", 1, Some(gate)), status("dev", 0, None)] {
        channels::put_channel(&*app.store, &status, true, &manager)
            .await
            .unwrap();
    }
    app
}

#[tokio::test(start_paused = true)]
async fn channels_are_listed_in_the_order_in_which_commits_walk() {
    let app = app().await;
    let listed = app.as_("eve").get(CHANNELS).await;
    assert_eq!(listed.status, 200, "{}", listed.text);
    let names: Vec<String> = listed.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["channel"].to_string())
        .collect();
    assert_eq!(names, ["\"dev\"", "\"release/beta\""]);
    assert_eq!(listed.json()["items"][1]["gate"]["state"], "waiting");
    assert_eq!(listed.json()["items"][0]["counts"]["behind"], 1);
}

#[tokio::test(start_paused = true)]
async fn agreements_are_to_the_commit_at_the_gate_and_by_known_persons() {
    let app = app().await;
    let agree = |who: &'static str, commit: &str| {
        let (app, body) = (app.as_(who), json!({"channel": "release/beta", "commit": commit}));
        async move { app.call("POST", AGREEMENTS, body).await }
    };
    let given = agree("alice", &COMMIT[..8]).await;
    assert_eq!(
        (given.status, &given.json()["by"], &given.json()["commit"]),
        (201, &json!("alice"), &json!(COMMIT))
    );
    let other = agree("bob", "76543210").await;
    assert_eq!(other.status, 400);
    assert!(
        other.text.contains("must be the commit that stands at the gate"),
        "{}",
        other.text
    );
    assert_eq!(
        agree("bob", "012345").await.status,
        400,
        "too short to mean one commit for ever"
    );
    assert_eq!(agree("eve", COMMIT).await.status, 403);
    assert_eq!(agree("alice", COMMIT).await.status, 201);
    let body = json!({"channel": "dev", "commit": COMMIT});
    assert_eq!(
        app.as_("bob").call("POST", AGREEMENTS, body).await.status,
        404,
        "there is no gate"
    );
    let all = app.as_("eve").get(AGREEMENTS).await;
    assert_eq!(all.json()["items"].as_array().unwrap().len(), 1, "{}", all.text);
}
