//! Admission webhooks: order, refusals, failure, matching, the call itself.

use std::sync::Arc;

use http::Request;
use json_tree::{Value, json};
use kube_sim::{AllowAllWebhooks, ApiServer, LoopbackWebhooks};
use tower::ServiceExt;

use super::{ADMISSION, MAPS, URL, server};
use crate::support::{MERGE, config_map, delete, patch, post};

/// A configuration with one webhook; `more` overrides its fields.
fn hook(kind: &str, name: &str, more: Value) -> Value {
    let mut webhook = json!({
        "name": format!("{name}.example.org"), "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "clientConfig": {"url": URL},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}]});
    webhook
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "webhooks": [webhook]})
}

async fn configure(server: &ApiServer, kind: &str, name: &str, more: Value) {
    let path = format!("{ADMISSION}/{}s", kind.to_lowercase());
    let (code, answer) = post(server, &path, hook(kind, name, more)).await;
    assert_eq!(code, 201, "{answer}");
}

const VALIDATING: &str = "ValidatingWebhookConfiguration";
const MUTATING: &str = "MutatingWebhookConfiguration";

/// A handler that adds to `data.order`.
fn adds(letter: &'static str) -> impl Fn(&Value) -> Value + Send + Sync {
    move |request: &Value| {
        let before = request["object"]["data"]["order"].as_str().unwrap_or_default();
        let patch = json!([{"op": "add", "path": "/data/order", "value": format!("{before}{letter}")}]).to_string();
        // Some languages write bytes as numbers, some as base64.
        let patch = if letter == "a" {
            json!(patch.as_bytes())
        } else {
            use base64::Engine;
            json!(base64::prelude::BASE64_STANDARD.encode(patch))
        };
        json!({"allowed": true, "patchType": "JSONPatch", "patch": patch})
    }
}

#[tokio::test]
async fn mutating_webhooks_run_by_name_and_once_more_if_needed() {
    let caller = LoopbackWebhooks::new()
        .url(URL, adds("a"))
        .service("default", "b", adds("b"));
    let server = server(caller);
    let service = json!({"clientConfig": {"service": {"namespace": "default", "name": "b", "path": "/x"}}});
    configure(&server, MUTATING, "second", service).await;
    configure(&server, MUTATING, "first", json!({"reinvocationPolicy": "IfNeeded"})).await;
    let (code, answer) = post(&server, MAPS, config_map("one", "v")).await;
    assert_eq!(
        (code, &answer["data"]),
        (201, &json!({"k": "v", "order": "aba"})),
        "{answer}"
    );
}

#[tokio::test]
async fn validating_webhooks_refuse() {
    let deny = |request: &Value| match request["operation"].as_str() {
        Some("CREATE") => json!({"allowed": true, "warnings": ["look out"]}),
        Some("UPDATE") => json!({"allowed": false, "status": {"message": "no", "code": 409, "reason": "Conflict"}}),
        _ => json!({"allowed": false}),
    };
    let server = server(LoopbackWebhooks::new().url(URL, deny));
    configure(&server, VALIDATING, "deny", json!({})).await;
    let request = Request::post(MAPS)
        .header("content-type", "application/json")
        .body(config_map("one", "v").to_string());
    let response = server.clone().oneshot(request.unwrap()).await.unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["warning"].to_str().unwrap()
        ),
        (201, "299 - \"look out\"")
    );
    let (code, answer) = patch(&server, &format!("{MAPS}/one"), MERGE, json!({"data": {"k": "w"}})).await;
    let text = "admission webhook \"deny.example.org\" denied the request: no";
    assert_eq!(
        (code, &answer["message"], &answer["reason"]),
        (409, &json!(text), &json!("Conflict"))
    );
    let (code, answer) = delete(&server, &format!("{MAPS}/one")).await;
    let text = "admission webhook \"deny.example.org\" denied the request without explanation";
    assert_eq!((code, &answer["message"]), (400, &json!(text)));
    // A configuration itself is never under review: otherwise nobody could take a broken one away.
    let (code, _) = delete(&server, &format!("{ADMISSION}/validatingwebhookconfigurations/deny")).await;
    assert_eq!(code, 200);
    assert_eq!(delete(&server, &format!("{MAPS}/one")).await.0, 200);
}

#[tokio::test]
async fn failing_calls_follow_the_policy() {
    let server = server(LoopbackWebhooks::new());
    configure(&server, VALIDATING, "down", json!({})).await;
    let (code, answer) = post(&server, MAPS, config_map("one", "v")).await;
    let text = "failed calling webhook \"down.example.org\": failed to call webhook: Post \"https://127.0.0.1:1/hook?timeout=10s\": dial tcp 127.0.0.1:1: connect: connection refused";
    assert_eq!(
        (code, &answer["message"]),
        (500, &json!(format!("Internal error occurred: {text}")))
    );
    assert_eq!(answer["details"]["causes"], json!([{"message": text}]));
    let path = format!("{ADMISSION}/validatingwebhookconfigurations/down");
    let ignore = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]);
    assert_eq!(
        patch(&server, &path, "application/json-patch+json", ignore).await.0,
        200
    );
    assert_eq!(post(&server, MAPS, config_map("one", "v")).await.0, 201);
}

#[tokio::test]
async fn the_stand_in_allows_all() {
    let server = server(AllowAllWebhooks);
    configure(&server, VALIDATING, "v", json!({})).await;
    configure(&server, MUTATING, "m", json!({})).await;
    assert_eq!(post(&server, MAPS, config_map("one", "v")).await.0, 201);
}

#[tokio::test]
async fn webhooks_see_only_what_they_ask_for() {
    let check = async |more: Value, expected: u16| {
        let server = server(LoopbackWebhooks::new().url(URL, |_: &Value| json!({"allowed": false})));
        configure(&server, VALIDATING, "w", more.clone()).await;
        let (code, answer) = post(&server, MAPS, config_map("one", "v")).await;
        assert_eq!(code, expected, "{more} {answer}");
    };
    let rule = |field: &str, value: Value| {
        let mut rule =
            json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]});
        rule[field] = value;
        json!({"rules": [rule]})
    };
    check(json!({}), 400).await;
    check(rule("operations", json!(["UPDATE"])), 201).await;
    check(rule("resources", json!(["*"])), 400).await;
    check(rule("resources", json!(["*/*"])), 400).await;
    check(rule("resources", json!(["configmaps/status"])), 201).await;
    check(rule("scope", json!("Cluster")), 201).await;
    check(rule("scope", json!("Namespaced")), 400).await;
    check(rule("apiGroups", json!(["apps"])), 201).await;
    check(json!({"namespaceSelector": {"matchLabels": {"a": "b"}}}), 201).await;
    check(
        json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}),
        400,
    )
    .await;
    check(json!({"objectSelector": {"matchLabels": {"a": "b"}}}), 201).await;
    check(
        json!({"matchConditions": [{"name": "c", "expression": "object.metadata.name == 'two'"}]}),
        201,
    )
    .await;
    check(
        json!({"matchConditions": [{"name": "c", "expression": "request.userInfo.username == 'system:admin'"}]}),
        400,
    )
    .await;
    check(
        json!({"matchConditions": [{"name": "c", "expression": "object.data.zz == 'two'"}]}),
        403,
    )
    .await;
}

#[tokio::test]
async fn another_version_is_the_same_resource() {
    let sees = |request: &Value| json!({"allowed": false, "status": {"message": request["object"]["apiVersion"]}});
    let scaler = |version: &str| {
        json!({"apiVersion": format!("autoscaling/{version}"), "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}}})
    };
    let rules = json!([{"apiGroups": ["autoscaling"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["*"]}]);
    let path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    for (policy, code, text) in [
        (
            "Equivalent",
            400,
            "admission webhook \"w.example.org\" denied the request: autoscaling/v1",
        ),
        ("Exact", 201, ""),
    ] {
        let server = server(LoopbackWebhooks::new().url(URL, sees));
        configure(&server, VALIDATING, "w", json!({"rules": rules, "matchPolicy": policy})).await;
        let (found, answer) = post(&server, path, scaler("v2")).await;
        assert_eq!(
            (found, answer["message"].as_str().unwrap_or_default()),
            (code, text),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn webhooks_are_called_over_https() {
    let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // A webhook of few words: it reads one request and refuses it.
    let answering = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = tokio_rustls::TlsAcceptor::from(Arc::new(config))
            .accept(stream)
            .await
            .unwrap();
        let mut text = String::new();
        let uid = loop {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).await.unwrap();
            text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            let body = text
                .split_once("\r\n\r\n")
                .and_then(|(_, body)| serde_json::from_str::<Value>(body).ok());
            if let Some(body) = body {
                break body["request"]["uid"].clone();
            }
        };
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "response": {"uid": uid, "allowed": false, "status": {"message": "over TLS"}}})
        .to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        text.lines().next().unwrap_or_default().to_owned()
    });
    let server = server(LoopbackWebhooks::new());
    let bundle = {
        use base64::Engine;
        base64::prelude::BASE64_STANDARD.encode(signed.cert.pem())
    };
    let config = json!({"clientConfig": {"url": format!("https://127.0.0.1:{port}/hook"), "caBundle": bundle}});
    configure(&server, VALIDATING, "w", config).await;
    let (code, answer) = post(&server, MAPS, config_map("one", "v")).await;
    let text = "admission webhook \"w.example.org\" denied the request: over TLS";
    assert_eq!(
        (code, answer["message"].as_str().unwrap_or_default()),
        (400, text),
        "{answer}"
    );
    assert_eq!(answering.await.unwrap(), "POST /hook?timeout=10s HTTP/1.1");
}
