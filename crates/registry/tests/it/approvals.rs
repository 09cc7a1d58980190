//! Requests and agreements to deletions.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::Cluster;
use ports::approvals::{self, Decommission, PruneConsent};
use ports::registry::Detail;
use ports::{Clock as _, Registry as _, WriteContext};
use registry::auth::{AuthError, Authenticate, Caller, Role};
use registry::{Access, Limits};
use serde_json::{Value, json};

use crate::support::{Answer, App, CLUSTER, cluster};

const ID: &str = "aws:123456789012:eu-central-1:kube-1";
const APPROVALS: &str = "/api/v1/approvals";
const DECOMMISSIONS: &str = "/api/v1/decommissions";
const HOUR: Duration = Duration::from_secs(3_600);

/// Everybody is an operator under the name of its token; `a` may do everything.
struct People;

#[async_trait]
impl Authenticate for People {
    async fn identify(&self, token: &str) -> Result<Caller, AuthError> {
        Ok(Caller {
            name: token.to_owned(),
            role: if token == "a" { Role::Admin } else { Role::Operator },
        })
    }
}

async fn people() -> App {
    let app = App::with(|_| Access::Tokens(Arc::new(People)), Limits::default());
    app.as_("a").fill().await;
    app
}

fn approve(what: &str, count: Option<usize>) -> Value {
    match count {
        Some(count) => json!({"cluster_id": ID, "what": what, "count": count}),
        None => json!({"cluster_id": ID, "what": what}),
    }
}

/// The answer's refusal contains this.
fn refused(answer: &Answer, status: u16, part: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert!(answer.text.contains(part), "{part:?} is not in {}", answer.text);
}

async fn stored(app: &App) -> Cluster {
    app.store
        .get_cluster(&ID.parse().unwrap(), Detail::Full)
        .await
        .unwrap()
        .object
}

/// What the lifecycle manager makes of it.
async fn may(app: &App) -> Decommission {
    approvals::may_decommission(&*app.store, &stored(app).await, approvals::WAIT, app.clock.now())
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_decommission_needs_the_name_a_second_person_and_time() {
    let app = people().await;
    let ask = |name: &str| json!({"cluster_id": ID, "confirm": name});
    let nobody = app
        .as_("bob")
        .call("POST", APPROVALS, approve("decommission", None))
        .await;
    refused(&nobody, 403, "nobody has asked to take cluster kube-1 down");
    let wrong = app.as_("alice").call("POST", DECOMMISSIONS, ask("kube-2")).await;
    refused(&wrong, 400, "must be the name of the cluster, kube-1");
    assert_eq!(stored(&app).await.lifecycle_status.to_string(), "ready");
    let asked = app.as_("alice").call("POST", DECOMMISSIONS, ask("kube-1")).await;
    assert_eq!(
        (asked.status, &asked.json()["standing"]),
        (201, &json!("asked")),
        "{}",
        asked.text
    );
    assert_eq!(
        stored(&app).await.lifecycle_status.to_string(),
        "decommission-requested"
    );
    let again = app.as_("alice").call("POST", DECOMMISSIONS, ask("kube-1")).await;
    assert_eq!(again.json(), asked.json(), "asking again changes nothing");
    let other = app.as_("bob").call("POST", DECOMMISSIONS, ask("kube-1")).await;
    refused(&other, 403, "is to be taken down already, as alice asked");
    let same = app
        .as_("alice")
        .call("POST", APPROVALS, approve("decommission", None))
        .await;
    refused(
        &same,
        403,
        "alice asked to take cluster kube-1 down, so somebody else has to agree",
    );
    assert!(matches!(may(&app).await, Decommission::Waits(why, None) if why.contains("somebody else has to agree")));
    let given = app
        .as_("bob")
        .call("POST", APPROVALS, approve("decommission", None))
        .await;
    assert_eq!(given.json()["standing"], "waiting", "{}", given.text);
    assert_eq!(given.json()["approved_by"], "bob");
    app.clock.sleep(23 * HOUR).await;
    assert!(matches!(may(&app).await, Decommission::Waits(why, Some(_)) if why.contains("alice and bob agreed")));
    app.clock.sleep(HOUR).await;
    assert_eq!(may(&app).await, Decommission::Allowed);
    app.clock.sleep(7 * 24 * HOUR).await;
    assert!(matches!(may(&app).await, Decommission::Waits(why, None) if why.contains("has expired")));
    let listed = app.as_("bob").get(&format!("{APPROVALS}?open=true")).await.json();
    assert_eq!(listed["items"][0]["standing"], "expired");
    let history = app.as_("bob").get(&format!("/api/v1/history/cluster/{ID}")).await;
    assert!(
        history.text.contains("alice"),
        "the change of the status has its author"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_expires_and_can_be_called_off() {
    let app = people().await;
    let ask = json!({"cluster_id": ID, "confirm": "kube-1"});
    app.as_("alice").call("POST", DECOMMISSIONS, ask.clone()).await;
    app.clock.sleep(7 * 24 * HOUR).await;
    let late = app
        .as_("bob")
        .call("POST", APPROVALS, approve("decommission", None))
        .await;
    refused(&late, 403, "has expired");
    let anew = app.as_("bob").call("POST", DECOMMISSIONS, ask).await;
    assert_eq!(anew.json()["requested_by"], "bob", "{}", anew.text);
    let given = app
        .as_("alice")
        .call("POST", APPROVALS, approve("decommission", None))
        .await;
    assert_eq!(given.json()["standing"], "waiting");
    let path = format!("{APPROVALS}/decommission/{ID}");
    let closed = app.as_("carol").call("DELETE", &path, Value::Null).await;
    assert_eq!(closed.json()["items"][0]["standing"], "closed", "{}", closed.text);
    assert_eq!(stored(&app).await.lifecycle_status.to_string(), "ready");
    app.clock.sleep(48 * HOUR).await;
    assert!(matches!(may(&app).await, Decommission::Waits(why, None) if why.contains("nobody has confirmed")));
    let nothing = app.as_("carol").call("DELETE", &path, Value::Null).await;
    assert_eq!(nothing.json()["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_prune_is_agreed_to_by_its_count_and_only_while_it_is_asked_for() {
    let app = people().await;
    let id = ID.parse().unwrap();
    let consent = async || {
        approvals::prune_consent(&*app.store, &id, app.clock.now())
            .await
            .unwrap()
    };
    let early = app.as_("bob").call("POST", APPROVALS, approve("prune", Some(3))).await;
    refused(&early, 403, "cluster kube-1 does not ask for agreement to a prune");
    let wanted = PruneConsent {
        count: 12,
        hash: "selection".to_owned(),
        by: String::new(),
    };
    let engine = WriteContext::by("lifecycle", "r");
    approvals::ask(&*app.store, &id, &wanted, &engine).await.unwrap();
    let listed = app.as_("bob").get(&format!("{APPROVALS}?open=true")).await.json();
    assert_eq!(
        (&listed["items"][0]["standing"], &listed["items"][0]["count"]),
        (&json!("asked"), &json!(12))
    );
    for (count, part) in [(Some(11), "which is 12"), (None, "is required for a prune")] {
        let wrong = app.as_("bob").call("POST", APPROVALS, approve("prune", count)).await;
        refused(&wrong, 400, part);
        assert_eq!(consent().await, None);
    }
    let given = app.as_("bob").call("POST", APPROVALS, approve("prune", Some(12))).await;
    assert_eq!(
        (given.status, &given.json()["standing"]),
        (201, &json!("given")),
        "{}",
        given.text
    );
    let held = consent().await.unwrap();
    assert_eq!(
        (held.count, held.hash.as_str(), held.by.as_str()),
        (12, "selection", "bob")
    );
    let listed = app.as_("bob").get(&format!("{APPROVALS}?open=true")).await.json();
    assert_eq!(
        listed["items"].as_array().unwrap().len(),
        1,
        "the request is answered: {listed}"
    );
    app.clock.sleep(72 * HOUR).await;
    assert_eq!(consent().await, None, "it does not last");
    approvals::settle_prune(&*app.store, &id, &engine).await.unwrap();
    let closed = app.as_("bob").get(&format!("{APPROVALS}?open=false")).await.json();
    assert_eq!(closed["items"].as_array().unwrap().len(), 2, "{closed}");
}

#[tokio::test(start_paused = true)]
async fn who_agrees_must_be_known_and_the_cluster_too() {
    let app = App::filled().await;
    let ask = json!({"cluster_id": ID, "confirm": "kube-1"});
    refused(
        &app.call("POST", DECOMMISSIONS, ask).await,
        403,
        "this server tells nobody apart",
    );
    let app = people().await;
    let gone = json!({"cluster_id": "aws:123456789012:eu-central-1:kube-9", "confirm": "kube-9"});
    assert_eq!(app.as_("alice").call("POST", DECOMMISSIONS, gone).await.status, 404);
    let path = format!("{CLUSTER}/config-items/a_key");
    assert_eq!(
        app.as_("alice").call("PUT", &path, json!({"value": "v"})).await.status,
        200
    );
    let existing = json!({"provider": "kubeconfig"});
    assert_eq!(app.as_("a").call("PATCH", CLUSTER, existing).await.status, 200);
    let ask = json!({"cluster_id": ID, "confirm": "kube-1"});
    refused(
        &app.as_("alice").call("POST", DECOMMISSIONS, ask).await,
        403,
        "was built by others",
    );
}

#[tokio::test(start_paused = true)]
async fn lists_page_over_the_kinds() {
    let app = people().await;
    for n in 2..=4 {
        let name = format!("kube-{n}");
        app.as_("a").call("POST", "/kubernetes-clusters", cluster(&name)).await;
        let id = format!("aws:123456789012:eu-central-1:{name}");
        app.as_("alice")
            .call("POST", DECOMMISSIONS, json!({"cluster_id": id, "confirm": name}))
            .await;
        let wanted = PruneConsent {
            count: n,
            hash: "h".to_owned(),
            by: String::new(),
        };
        approvals::ask(
            &*app.store,
            &id.parse().unwrap(),
            &wanted,
            &WriteContext::by("lifecycle", "r"),
        )
        .await
        .unwrap();
        app.clock.sleep(Duration::from_secs(1)).await;
    }
    let (mut told, mut next) = (Vec::new(), String::new());
    for _ in 0..10 {
        let page = app.as_("alice").get(&format!("{APPROVALS}?limit=2{next}")).await.json();
        for item in page["items"].as_array().unwrap() {
            let cluster = item["cluster_id"].as_str().unwrap();
            told.push(format!(
                "{} {}",
                item["what"].as_str().unwrap(),
                &cluster[cluster.len() - 1..]
            ));
        }
        match page["continue"].as_str() {
            Some(cursor) => next = format!("&continue={cursor}"),
            None => break,
        }
    }
    assert_eq!(
        told,
        [
            "decommission 4",
            "decommission 3",
            "decommission 2",
            "prune 4",
            "prune 3",
            "prune 2"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn entries_of_the_engine_are_written_and_agreements_are_not() {
    let app = people().await;
    let put = async |kind: &str, id: &str, body: Value, open: bool| {
        let path = format!("/api/v1/ledger/{kind}/{id}");
        let draft = json!({"cluster_id": ID, "open": open, "body": body});
        app.as_("alice").call("PUT", &path, draft).await
    };
    let made = put("update", "u-1", json!({"to": "a#b"}), true).await;
    assert_eq!((made.status, made.header("etag")), (200, "\"1\""), "{}", made.text);
    let read = app.as_("bob").get("/api/v1/ledger/update/u-1").await;
    assert_eq!(read.json(), made.json());
    let listed = app
        .as_("bob")
        .get(&format!("/api/v1/ledger/update?cluster_id={ID}&open=true"))
        .await;
    assert_eq!(listed.json()["items"], json!([made.json()]));
    refused(
        &put("block", "b-1", json!({}), true).await,
        400,
        "others are written by operations of their own",
    );
    let forged = json!({"confirmed_name": "kube-1", "requested_by": "bob", "requested_at": "2023-11-14T22:13:20Z",
        "approved_by": "alice", "approved_at": "2023-11-01T00:00:00Z"});
    refused(
        &put("decommission", ID, forged, true).await,
        403,
        "can only be closed here",
    );
    let consent = json!({"count": 3, "hash": "h", "by": "alice"});
    refused(
        &put("prune-consent", "c-1", consent.clone(), true).await,
        403,
        "can only be closed here",
    );
    let id = ID.parse().unwrap();
    let given: PruneConsent = serde_json::from_value(consent.clone()).unwrap();
    let engine = WriteContext::by("lifecycle", "r");
    approvals::agree_to_prune(&*app.store, "c-1".parse().unwrap(), &id, &given, &engine)
        .await
        .unwrap();
    let other = json!({"count": 4, "hash": "h", "by": "alice"});
    refused(
        &put("prune-consent", "c-1", other, false).await,
        403,
        "can only be closed here",
    );
    assert_eq!(put("prune-consent", "c-1", consent, false).await.json()["open"], false);
    assert_eq!(app.as_("bob").get("/api/v1/ledger/update/u-9").await.status, 404);
}
