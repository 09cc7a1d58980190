//! Who may do what: roles, token files, JWTs with rotating keys.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ports::{Clock, SimClock};
use registry::auth::{
    AnyOf, AuthError, Authenticate, Fetch, FetchError, Oidc, OidcOptions, Role, TokenFile, hash_token,
};
use registry::{Access, BindError, Limits, Loopback, Server};
use serde_json::{Value, json};

use crate::support::{App, CLUSTER, account, cluster, open, pool};

/// Tokens `r`, `o` and `a` for the three roles.
struct Three;

#[async_trait]
impl Authenticate for Three {
    async fn identify(&self, token: &str) -> Result<registry::auth::Caller, AuthError> {
        let role = match token {
            "r" => Role::Reader,
            "o" => Role::Operator,
            "a" => Role::Admin,
            "later" => return Err(AuthError::Unavailable("the issuer's keys cannot be fetched".to_owned())),
            _ => return Err(AuthError::Unknown),
        };
        Ok(registry::auth::Caller {
            name: format!("{role}-token"),
            role,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn each_operation_needs_its_role() {
    let app = App::with(|_| Access::Tokens(Arc::new(Three)), Limits::default());
    app.as_("a").fill().await;
    let item = format!("{CLUSTER}/config-items/a_key");
    let pool_path = format!("{CLUSTER}/node-pools/worker-1");
    let put_pool = app.as_("a").call("PUT", &pool_path, pool("worker-1")).await;
    assert_eq!(put_pool.status, 200);
    let pool_item = format!("{pool_path}/config-items/a_key");
    let status = json!({"lifecycle_status": "ready", "status": {"problems": []}, "config_items": {"b_key": "v"}});
    for (method, path, body, role) in [
        ("GET", "/kubernetes-clusters", Value::Null, Role::Reader),
        ("GET", CLUSTER, Value::Null, Role::Reader),
        ("GET", "/infrastructure-accounts", Value::Null, Role::Reader),
        ("GET", "/api/v1/changes?follow=false", Value::Null, Role::Reader),
        ("GET", "/api/v1/export", Value::Null, Role::Reader),
        ("GET", "/api/v1/blocks", Value::Null, Role::Reader),
        ("GET", "/api/v1/updates", Value::Null, Role::Reader),
        (
            "POST",
            "/api/v1/blocks",
            json!({"cluster_id": "aws:123456789012:eu-central-1:kube-1", "reason": "x"}),
            Role::Operator,
        ),
        (
            "DELETE",
            "/api/v1/blocks/aws:123456789012:eu-central-1:kube-1",
            Value::Null,
            Role::Operator,
        ),
        ("PATCH", CLUSTER, status, Role::Operator),
        ("PUT", &item, json!({"value": "v"}), Role::Operator),
        ("DELETE", &item, Value::Null, Role::Operator),
        ("PUT", &pool_item, json!({"value": "v"}), Role::Operator),
        ("DELETE", &pool_item, Value::Null, Role::Operator),
        ("PATCH", &pool_path, json!({"config_items": {}}), Role::Operator),
        (
            "PATCH",
            CLUSTER,
            json!({"channel": "beta", "alias": "kube-1"}),
            Role::Admin,
        ),
        ("PATCH", &pool_path, json!({"max_size": 9}), Role::Admin),
        ("PUT", &pool_path, pool("worker-1"), Role::Admin),
        ("POST", "/kubernetes-clusters", cluster("kube-2"), Role::Admin),
        (
            "PATCH",
            "/infrastructure-accounts/aws:123456789012",
            json!({"owner": "x"}),
            Role::Admin,
        ),
        (
            "POST",
            "/api/v1/import?mode=apply",
            json!({"infrastructure_accounts": [account()]}),
            Role::Admin,
        ),
        ("DELETE", &pool_path, Value::Null, Role::Admin),
    ] {
        for (token, has) in [("r", Role::Reader), ("o", Role::Operator), ("a", Role::Admin)] {
            let answer = app.as_(token).call(method, path, body.clone()).await;
            let place = format!("{method} {path} as {has}: {}", answer.text);
            assert_eq!(answer.status == 403, has < role, "{place}");
            assert!(
                answer.status < 300 || answer.status == 403 || answer.status == 404,
                "{place}"
            );
        }
        assert_eq!(app.call(method, path, body).await.status, 401);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_member_and_the_audit_names_the_caller() {
    let app = App::with(|_| Access::Tokens(Arc::new(Three)), Limits::default());
    app.as_("a").fill().await;
    let refused = app
        .as_("o")
        .call("PATCH", CLUSTER, json!({"channel": "beta", "status": {}}))
        .await;
    assert_eq!(refused.json()["detail"], "role operator may not change channel");
    app.as_("o")
        .call("PATCH", CLUSTER, json!({"lifecycle_status": "creating"}))
        .await;
    let history = app
        .as_("r")
        .get("/api/v1/history/cluster/aws:123456789012:eu-central-1:kube-1")
        .await
        .json();
    assert_eq!(history["items"][0]["actor"], "operator-token");
}

#[tokio::test(start_paused = true)]
async fn unknown_callers_are_told_how_to_be_known() {
    let app = App::with(|_| Access::Tokens(Arc::new(Three)), Limits::default());
    for (header, challenge) in [
        (None, "Bearer realm=\"fleetwright\""),
        (
            Some("Bearer s3cret"),
            "error=\"invalid_token\", error_description=\"the token is not known\"",
        ),
        (Some("Basic czNjcmV0"), "error=\"invalid_request\""),
    ] {
        let headers: Vec<_> = header.map(|value| ("authorization", value)).into_iter().collect();
        let answer = app.send("GET", "/kubernetes-clusters", &headers, Body::empty()).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (401, "application/problem+json")
        );
        assert!(
            answer.header("www-authenticate").contains(challenge),
            "{}",
            answer.header("www-authenticate")
        );
        assert!(!answer.text.contains("s3cret") && !answer.text.contains("czNjcmV0"));
    }
    let later = app.as_("later").get("/kubernetes-clusters").await;
    assert_eq!((later.status, later.header("retry-after")), (503, "5"));
    // What tools and probes need is open.
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_token_file_is_read_again_and_a_broken_one_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let write = |lines: &[(&str, &str, &str)]| {
        let text: String = lines
            .iter()
            .map(|(n, r, t)| format!("{n} {r} {}\n", hash_token(t)))
            .collect();
        std::fs::write(&path, text).unwrap();
    };
    write(&[("ann", "admin", "one")]);
    let clock = Arc::new(SimClock::starting_at(jiff::Timestamp::UNIX_EPOCH));
    let file = TokenFile::open(&path, clock.clone()).await.unwrap();
    let role = async |token: &str| {
        file.identify(token)
            .await
            .map(|c| format!("{} {}", c.name, c.role))
            .ok()
    };
    assert_eq!(role("one").await.as_deref(), Some("ann admin"));
    write(&[("bob", "reader", "two")]);
    assert_eq!(role("two").await, None);
    clock.sleep(Duration::from_secs(5)).await;
    assert_eq!(role("two").await.as_deref(), Some("bob reader"));
    assert_eq!(role("one").await, None);
    std::fs::write(&path, "bob reader two").unwrap();
    clock.sleep(Duration::from_secs(5)).await;
    assert_eq!(role("two").await.as_deref(), Some("bob reader"));
    assert!(TokenFile::open(&path, clock.clone()).await.is_err());
}

#[tokio::test]
async fn open_access_stays_on_this_machine() {
    let address = "0.0.0.0:0".parse().unwrap();
    assert!(Loopback::new(address).is_err());
    assert!(Loopback::new("[::1]:80".parse().unwrap()).is_ok());
    let clock = Arc::new(ports::SystemClock);
    let store = Arc::new(store::MemoryRegistry::new(clock.clone()));
    let server = Server::new(store, clock, Arc::new(ports::SystemIds), service::Shutdown::new());
    let refused = server.bind(address, open()).await.err().unwrap();
    assert!(matches!(refused, BindError::OpenElsewhere(_)), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn open_access_answers_to_no_name_that_others_can_own() {
    let app = App::filled().await;
    let with_tokens = App::with(|_| Access::Tokens(Arc::new(Three)), Limits::default()).as_("a");
    for (host, refused) in [
        ("127.0.0.1:4711", false),
        ("localhost", false),
        ("localhost:80", false),
        ("[::1]:4711", false),
        ("rebound.example.org:4711", true),
        ("192.0.2.1", true),
    ] {
        for path in ["/kubernetes-clusters", "/openapi.json", "/docs", "/metrics", "/nowhere"] {
            let answer = app.send("GET", path, &[("host", host)], Body::empty()).await;
            assert_eq!(answer.status == 403, refused, "{host} {path}");
            if refused {
                assert_eq!(answer.header("content-type"), "application/problem+json");
                let problem = answer.json();
                assert_eq!(problem["type"], "urn:fleetwright:error:forbidden");
                assert!(problem["detail"].as_str().unwrap().contains("localhost"), "{problem}");
            }
        }
        let body = Body::from(account().to_string());
        let headers = [("host", host), ("content-type", "application/json")];
        let write = app.send("POST", "/infrastructure-accounts", &headers, body).await;
        assert_eq!(write.status, if refused { 403 } else { 409 }, "{host}");
        let known = with_tokens
            .send("GET", "/kubernetes-clusters", &[("host", host)], Body::empty())
            .await;
        assert_eq!(known.status, 200, "tokens decide, whatever the host: {host}");
    }
}

/// An issuer whose documents a test changes.
#[derive(Default)]
struct Issuer {
    documents: Mutex<BTreeMap<String, Value>>,
    fetched: AtomicUsize,
}

#[async_trait]
impl Fetch for Issuer {
    async fn get(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        let found = self.documents.lock().unwrap().get(url).map(ToString::to_string);
        found.map(String::into_bytes).ok_or_else(|| FetchError::Answer {
            url: url.to_owned(),
            problem: "404".to_owned(),
        })
    }
}

struct Key {
    secret: EncodingKey,
    public: Jwk,
}

fn key(id: &str) -> Key {
    let pair = rcgen::KeyPair::generate().unwrap();
    let secret = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    let mut public = Jwk::from_encoding_key(&secret, Algorithm::ES256).unwrap();
    public.common.key_id = Some(id.to_owned());
    Key { secret, public }
}

impl Issuer {
    fn publish(&self, keys: &[&Key]) {
        let set = JwkSet {
            keys: keys.iter().map(|key| key.public.clone()).collect(),
        };
        let mut documents = self.documents.lock().unwrap();
        documents.insert(
            "https://id.example.org/.well-known/openid-configuration".to_owned(),
            json!({"issuer": "https://id.example.org", "jwks_uri": "https://id.example.org/keys"}),
        );
        documents.insert(
            "https://id.example.org/keys".to_owned(),
            serde_json::to_value(set).unwrap(),
        );
    }
}

fn token(key: &Key, id: Option<&str>, changes: Value) -> String {
    let mut claims = json!({
        "iss": "https://id.example.org", "aud": "fleetwright", "sub": "ann", "exp": 1_000_600, "groups": ["sre"]
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let header = Header {
        kid: id.map(str::to_owned),
        ..Header::new(Algorithm::ES256)
    };
    jsonwebtoken::encode(&header, &claims, &key.secret).unwrap()
}

fn oidc(issuer: &Arc<Issuer>) -> (Oidc, Arc<SimClock>) {
    let clock = Arc::new(SimClock::starting_at(jiff::Timestamp::from_second(1_000_000).unwrap()));
    let mut options = OidcOptions::new("https://id.example.org", "fleetwright");
    options.roles.insert("sre".to_owned(), Role::Operator);
    (Oidc::new(options, issuer.clone(), clock.clone()), clock)
}

async fn judged(oidc: &Oidc, token: &str) -> String {
    match oidc.identify(token).await {
        Ok(caller) => format!("{} {}", caller.name, caller.role),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_jwt_is_judged_by_signature_and_claims() {
    let issuer = Arc::new(Issuer::default());
    let (ours, theirs) = (key("k1"), key("k1"));
    issuer.publish(&[&ours]);
    let (oidc, clock) = oidc(&issuer);
    let good = token(&ours, Some("k1"), json!({}));
    let (head, rest) = good.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let payload = |claims: &str| base64_url(claims);
    for (text, expected) in [
        (good.clone(), "ann operator"),
        (token(&ours, None, json!({})), "ann operator"),
        (token(&theirs, Some("k1"), json!({})), "the token's signature is wrong"),
        (
            token(&ours, Some("k2"), json!({})),
            "the token is signed with a key that its issuer does not publish",
        ),
        (
            token(&ours, Some("k1"), json!({"exp": 999_940})),
            "the token has expired",
        ),
        (
            token(&ours, Some("k1"), json!({"nbf": 1_000_061})),
            "the token is not valid yet",
        ),
        (
            token(&ours, Some("k1"), json!({"aud": "other"})),
            "the token is for another audience",
        ),
        (
            token(&ours, Some("k1"), json!({"groups": ["dev"]})),
            "the token gives none of the roles reader, operator, admin",
        ),
        (
            format!("{head}.{}.{signature}", payload(r#"{"sub":"eve"}"#)),
            "the token's signature is wrong",
        ),
        (
            format!("{}.{}.", payload(r#"{"alg":"none"}"#), payload(r#"{"sub":"eve"}"#)),
            "the token's header cannot be read or names an algorithm that is not accepted",
        ),
        (
            jsonwebtoken::encode(
                &Header::new(Algorithm::HS256),
                &json!({}),
                &EncodingKey::from_secret(b"x"),
            )
            .unwrap(),
            "the token's algorithm is not accepted",
        ),
        ("opaque".to_owned(), "the token is not known"),
    ] {
        assert_eq!(judged(&oidc, &text).await, expected);
    }
    clock.sleep(Duration::from_secs(660)).await;
    assert_eq!(judged(&oidc, &good).await, "the token has expired");
}

/// Unpadded URL-safe base64, as the parts of a JWT are written.
fn base64_url(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .enumerate()
            .fold(0_u32, |all, (i, byte)| all | (u32::from(*byte) << (16 - 8 * i)));
        (0..=chunk.len()).for_each(|i| out.push(char::from(LETTERS[(bits >> (18 - 6 * i)) as usize & 63])));
    }
    out
}

#[tokio::test(start_paused = true)]
async fn keys_are_kept_and_rotated() {
    let issuer = Arc::new(Issuer::default());
    let (old, new) = (key("old"), key("new"));
    issuer.publish(&[&old]);
    let (oidc, clock) = oidc(&issuer);
    let far = json!({"exp": 9_000_000});
    let (by_old, by_new) = (token(&old, Some("old"), far.clone()), token(&new, Some("new"), far));
    let unknown = "the token is signed with a key that its issuer does not publish";
    assert_eq!(judged(&oidc, &by_old).await, "ann operator");
    assert_eq!(judged(&oidc, &by_old).await, "ann operator");
    assert_eq!(issuer.fetched.load(Ordering::SeqCst), 2, "discovery and keys, once");
    issuer.publish(&[&old, &new]);
    // Strangers' key ids do not make us ask more than once per pause.
    assert_eq!(judged(&oidc, &by_new).await, unknown);
    assert_eq!(issuer.fetched.load(Ordering::SeqCst), 2);
    clock.sleep(Duration::from_secs(30)).await;
    assert_eq!(judged(&oidc, &by_new).await, "ann operator");
    assert_eq!(judged(&oidc, &by_old).await, "ann operator");
    assert_eq!(issuer.fetched.load(Ordering::SeqCst), 4);
    // The issuer withdraws a key: it is refused once the kept ones are old.
    issuer.publish(&[&new]);
    clock.sleep(Duration::from_secs(3600)).await;
    assert_eq!(judged(&oidc, &by_new).await, "ann operator");
    assert_eq!(judged(&oidc, &by_old).await, unknown);
    // The issuer is gone: the keys that are there stay good.
    issuer.documents.lock().unwrap().clear();
    clock.sleep(Duration::from_secs(3600)).await;
    assert_eq!(judged(&oidc, &by_new).await, "ann operator");
}

#[tokio::test(start_paused = true)]
async fn without_any_keys_nobody_can_be_told() {
    let issuer = Arc::new(Issuer::default());
    let (oidc, _) = oidc(&issuer);
    let by_key = token(&key("k1"), Some("k1"), json!({}));
    assert!(matches!(oidc.identify(&by_key).await, Err(AuthError::Unavailable(_))));
    let both = AnyOf(vec![Arc::new(Three), Arc::new(oidc)]);
    assert_eq!(both.identify("a").await.unwrap().role, Role::Admin);
    assert!(matches!(both.identify(&by_key).await, Err(AuthError::Unavailable(_))));
    assert_eq!(both.identify("x").await, Err(AuthError::Unknown));
}
