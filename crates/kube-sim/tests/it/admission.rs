//! Webhooks, policies in CEL, and the rules of custom resources.

use std::sync::Arc;

use http::{Method, Request};
use kube_sim::{AllowAllWebhooks, ApiServer, LoopbackWebhooks, WebhookCaller};
use ports::{Clock, SeededIds, SimClock};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{MERGE, config_map, delete, get, patch, post};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
const URL: &str = "https://127.0.0.1:1/hook";

fn server(caller: impl WebhookCaller + 'static) -> ApiServer {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()));
    ApiServer::builder(clock, Arc::new(SeededIds::new(7)))
        .webhooks(Arc::new(caller))
        .build()
}

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

fn policy(spec: Value) -> Value {
    let mut whole = json!({
        "matchConstraints": {"resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}]},
        "validations": [{"expression": "true"}]});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "p"}, "spec": whole})
}

/// Applies a policy with a binding to a write and returns code, message and warning.
async fn judged(spec: Value, binding: Value) -> (u16, String, String) {
    let server = server(LoopbackWebhooks::new());
    let (code, answer) = post(
        &server,
        &format!("{ADMISSION}/validatingadmissionpolicies"),
        policy(spec),
    )
    .await;
    if code != 201 {
        return (code, answer["message"].as_str().unwrap().to_owned(), String::new());
    }
    let mut whole = json!({"policyName": "p", "validationActions": ["Deny"]});
    whole
        .as_object_mut()
        .unwrap()
        .extend(binding.as_object().unwrap().clone());
    let bound = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "b"}, "spec": whole});
    let (code, answer) = post(
        &server,
        &format!("{ADMISSION}/validatingadmissionpolicybindings"),
        bound,
    )
    .await;
    assert_eq!(code, 201, "{answer}");
    let request = Request::builder()
        .method(Method::POST)
        .uri(MAPS)
        .header("content-type", "application/json");
    let response = server
        .clone()
        .oneshot(request.body(config_map("one", "v").to_string()).unwrap())
        .await
        .unwrap();
    let code = response.status().as_u16();
    let warning = response
        .headers()
        .get("warning")
        .map(|text| text.to_str().unwrap().to_owned())
        .unwrap_or_default();
    use http_body_util::BodyExt;
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    (code, body["message"].as_str().unwrap_or_default().to_owned(), warning)
}

#[tokio::test]
async fn policies_judge_as_on_a_real_server() {
    let title = "ValidatingAdmissionPolicy 'p' with binding 'b'";
    let check = async |spec: Value, binding: Value, code: u16, text: &str| {
        let expected = if text.is_empty() {
            String::new()
        } else {
            format!("configmaps \"one\" is forbidden: {title} denied request: {text}")
        };
        let (found, message, _) = judged(spec.clone(), binding).await;
        assert_eq!((found, message), (code, expected), "{spec}");
    };
    let one = |validation: Value| json!({"validations": [validation]});
    check(one(json!({"expression": "object.data.k == 'v'"})), json!({}), 201, "").await;
    check(
        one(json!({"expression": "object.data.k == 'w'"})),
        json!({}),
        422,
        "failed expression: object.data.k == 'w'",
    )
    .await;
    check(
        one(json!({"expression": "object.data.zz == 'w'"})),
        json!({}),
        422,
        "expression 'object.data.zz == 'w'' resulted in error: no such key: zz",
    )
    .await;
    check(
        one(json!({"expression": "false", "message": "m", "reason": "Forbidden"})),
        json!({}),
        403,
        "m",
    )
    .await;
    check(
        one(json!({"expression": "false", "message": "m", "reason": "RequestEntityTooLarge"})),
        json!({}),
        413,
        "m",
    )
    .await;
    check(
        one(json!({"expression": "false", "message": "m", "messageExpression": "'name ' + object.metadata.name"})),
        json!({}),
        422,
        "name one",
    )
    .await;
    check(
        one(json!({"expression": "false", "message": "m", "messageExpression": "''"})),
        json!({}),
        422,
        "m",
    )
    .await;
    check(
        json!({"variables": [{"name": "x", "expression": "size(object.data)"}, {"name": "y", "expression": "variables.x + 2"}],
            "validations": [{"expression": "variables.x == 2 && variables.y == 3", "messageExpression": "string(variables.y)"}]}),
        json!({}),
        422,
        "3",
    )
    .await;
    check(
        json!({"variables": [{"name": "x", "expression": "object.data.zz"}], "validations": [{"expression": "variables.x == 2"}]}),
        json!({}),
        422,
        "expression 'variables.x == 2' resulted in error: composited variable \"x\" fails to evaluate: no such key: zz",
    )
    .await;
    check(
        json!({"failurePolicy": "Ignore", "validations": [{"expression": "object.data.zz == 'w'"}]}),
        json!({}),
        201,
        "",
    )
    .await;
    check(
        json!({"matchConditions": [{"name": "c", "expression": "object.data.k == 'w'"}], "validations": [{"expression": "false"}]}),
        json!({}),
        201,
        "",
    )
    .await;
    check(
        one(json!({"expression": "false", "messageExpression":
            "request.operation + ' ' + request.userInfo.username + ' ' + request.namespace + ' ' + (oldObject == null ? 'new' : 'old') + ' ' + namespaceObject.metadata.name"})),
        json!({}),
        422,
        "CREATE system:admin default new default",
    )
    .await;
    let params = json!({"paramKind": {"apiVersion": "v1", "kind": "Namespace"},
        "validations": [{"expression": "params.metadata.name == 'other'", "messageExpression": "'not ' + params.metadata.name"}]});
    let reference = |name: &str| json!({"paramRef": {"name": name, "parameterNotFoundAction": "Deny"}});
    check(params.clone(), reference("kube-system"), 422, "not kube-system").await;
    check(
        params,
        reference("nope"),
        422,
        "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
    )
    .await;
}

#[tokio::test]
async fn policies_can_only_warn() {
    let spec = json!({"validations": [{"expression": "false", "message": "m"}]});
    let (code, _, warning) = judged(spec, json!({"validationActions": ["Warn", "Audit"]})).await;
    let text = "299 - \"Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': m\"";
    assert_eq!((code, warning.as_str()), (201, text));
}

#[tokio::test]
async fn bad_policies_are_refused() {
    let check = async |spec: Value, text: &str| {
        let (code, message, _) = judged(spec, json!({})).await;
        let whole = format!("ValidatingAdmissionPolicy.admissionregistration.k8s.io \"p\" is invalid: {text}");
        assert_eq!((code, message), (422, whole));
    };
    let one = |validation: Value| json!({"validations": [validation]});
    let field = "spec.validations[0]";
    check(
        one(json!({"expression": ""})),
        &format!("{field}.expression: Required value: expression is not specified"),
    )
    .await;
    check(
        one(json!({"expression": "1 + 1"})),
        &format!("{field}.expression: Invalid value: \"1 + 1\": must evaluate to bool but got int"),
    )
    .await;
    check(
        one(json!({"expression": "true", "messageExpression": "object.data.x"})),
        &format!("{field}.messageExpression: Invalid value: \"object.data.x\": must evaluate to string but got dyn"),
    )
    .await;
    check(
        one(json!({"expression": "true", "reason": "Bogus"})),
        &format!("{field}.reason: Unsupported value: \"Bogus\": supported values: \"Forbidden\", \"Invalid\", \"RequestEntityTooLarge\""),
    )
    .await;
    check(
        json!({"matchConditions": [{"name": "c", "expression": "object."}]}),
        "spec.matchConditions[0].expression: Invalid value: \"object.\": compilation failed: ERROR: <input>:1:8: Syntax error: no viable alternative at input '.'\n | object.\n | .......^",
    )
    .await;
}

/// Defines a kind with this schema of `spec`, writes objects with these specs one over the other, and returns the last
/// answer.
async fn written(schema: Value, specs: &[Value]) -> (u16, String) {
    let server = server(LoopbackWebhooks::new());
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "pxs.px.org"},
        "spec": {"group": "px.org", "scope": "Namespaced", "names": {"plural": "pxs", "kind": "Px"}, "versions": [
            {"name": "v1", "served": true, "storage": true,
             "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": schema}}}}]}});
    let text = |answer: &Value| answer["message"].as_str().unwrap_or_default().to_owned();
    let (code, answer) = post(
        &server,
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        definition,
    )
    .await;
    let mut last = (code, text(&answer));
    let path = "/apis/px.org/v1/namespaces/default/pxs";
    for (place, spec) in specs.iter().enumerate() {
        let (code, answer) = if place == 0 {
            let object = json!({"apiVersion": "px.org/v1", "kind": "Px", "metadata": {"name": "o"}, "spec": spec});
            post(&server, path, object).await
        } else {
            patch(&server, &format!("{path}/o"), MERGE, json!({"spec": spec})).await
        };
        last = (code, text(&answer));
    }
    last
}

fn object(properties: Value, rule: Value) -> Value {
    json!({"type": "object", "properties": properties, "x-kubernetes-validations": [rule]})
}

#[tokio::test]
async fn rules_of_custom_resources_judge_as_on_a_real_server() {
    let check = async |schema: Value, specs: &[Value], code: u16, text: &str| {
        let whole = if text.is_empty() {
            String::new()
        } else {
            format!("Px.px.org \"o\" is invalid: {text}")
        };
        assert_eq!(written(schema.clone(), specs).await, (code, whole), "{schema}");
    };
    let int = || json!({"a": {"type": "integer"}});
    let ruled = |kind: &str, rule: Value| json!({"type": kind, "x-kubernetes-validations": [rule]});
    check(
        object(int(), json!({"rule": "self.a > 5"})),
        &[json!({"a": 9})],
        201,
        "",
    )
    .await;
    check(
        object(int(), json!({"rule": "self.a > 5"})),
        &[json!({"a": 1})],
        422,
        "spec: Invalid value: failed rule: self.a > 5",
    )
    .await;
    check(
        object(int(), json!({"rule": "self.a > 5"})),
        &[json!({})],
        422,
        "spec: Invalid value: \"object\": no such key: a evaluating rule: self.a > 5",
    )
    .await;
    check(
        object(
            int(),
            json!({"rule": "self.a > 5", "message": "m", "fieldPath": ".a", "reason": "FieldValueForbidden"}),
        ),
        &[json!({"a": 1})],
        422,
        "spec.a: Forbidden: m",
    )
    .await;
    let scalar =
        json!({"type": "object", "properties": {"a": ruled("integer", json!({"rule": "self > 5", "message": "m"}))}});
    check(scalar, &[json!({"a": 1})], 422, "spec.a: Invalid value: 1: m").await;
    let grows = json!({"type": "object", "properties": {"a": ruled("integer", json!({"rule": "self >= oldSelf", "message": "no shrink"}))}});
    check(grows.clone(), &[json!({"a": 5}), json!({"a": 7})], 200, "").await;
    check(
        grows,
        &[json!({"a": 5}), json!({"a": 4})],
        422,
        "spec.a: Invalid value: 4: no shrink",
    )
    .await;
    let first = json!({"type": "object", "properties": {"a": ruled(
        "integer", json!({"rule": "oldSelf.hasValue() || self == 1", "optionalOldSelf": true, "message": "start at 1"}))}});
    check(
        first.clone(),
        &[json!({"a": 5})],
        422,
        "spec.a: Invalid value: 5: start at 1",
    )
    .await;
    check(first, &[json!({"a": 1}), json!({"a": 5})], 200, "").await;
    let keyed = json!({"type": "object", "properties": {"l": {
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v", "message": "no shrink"}]}}}});
    check(
        keyed,
        &[
            json!({"l": [{"k": "a", "v": 1}, {"k": "b", "v": 5}]}),
            json!({"l": [{"k": "b", "v": 4}, {"k": "a", "v": 3}]}),
        ],
        422,
        "spec.l[0]: Invalid value: no shrink",
    )
    .await;
    let map = json!({"type": "object", "properties": {"m": {
        "type": "object", "additionalProperties": ruled("integer", json!({"rule": "self > 5"}))}}});
    check(
        map,
        &[json!({"m": {"k": 1, "k.2": 2}})],
        422,
        "[spec.m[k]: Invalid value: 1: failed rule: self > 5, spec.m[k.2]: Invalid value: 2: failed rule: self > 5]",
    )
    .await;
    let lasting = object(
        json!({"a": {"type": "string", "format": "duration"}}),
        json!({"rule": "self.a > duration('1m')"}),
    );
    check(lasting.clone(), &[json!({"a": "2m"})], 201, "").await;
    check(
        lasting,
        &[json!({"a": "5s"})],
        422,
        "spec: Invalid value: failed rule: self.a > duration('1m')",
    )
    .await;
    let either = object(
        json!({"a": {"x-kubernetes-int-or-string": true}}),
        json!({"rule": "type(self.a) == int ? self.a > 5 : self.a.endsWith('%')", "message": "m"}),
    );
    check(either.clone(), &[json!({"a": "5"})], 422, "spec: Invalid value: m").await;
    check(either, &[json!({"a": "4%"})], 201, "").await;
    let amount = object(
        json!({"a": {"type": "string"}}),
        json!({"rule": "quantity(self.a).isGreaterThan(quantity('1Gi'))", "message": "q"}),
    );
    check(amount, &[json!({"a": "1Mi"})], 422, "spec: Invalid value: q").await;
}

#[tokio::test]
async fn bad_rules_are_refused() {
    let check = async |rule: Value, text: &str| {
        let (code, message) = written(object(json!({"a": {"type": "integer"}}), rule), &[]).await;
        let field = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0]";
        let whole = format!("CustomResourceDefinition.apiextensions.k8s.io \"pxs.px.org\" is invalid: {field}{text}");
        assert_eq!((code, message), (422, whole));
    };
    check(json!({"rule": ""}), ".rule: Required value: rule is not specified").await;
    check(
        json!({"rule": "self.a > 5\n && true"}),
        ".message: Required value: message must be specified if rule contains line breaks",
    )
    .await;
    check(
        json!({"rule": "foo > 1"}),
        ".rule: Invalid value: {\"Rule\":\"foo \\u003e 1\",\"Message\":\"\",\"MessageExpression\":\"\",\"Reason\":null,\"FieldPath\":\"\",\"OptionalOldSelf\":null}: compilation failed: ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo > 1\n | ^",
    )
    .await;
    check(
        json!({"rule": "true", "fieldPath": ".zz"}),
        ".fieldPath: Invalid value: \".zz\": must be a valid path",
    )
    .await;
}

#[tokio::test]
async fn policies_and_bindings_are_listed_as_tables() {
    let server = server(LoopbackWebhooks::new());
    let path = format!("{ADMISSION}/validatingadmissionpolicies");
    assert_eq!(post(&server, &path, policy(json!({}))).await.0, 201);
    let request = Request::get(&path)
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(String::new());
    let response = server.clone().oneshot(request.unwrap()).await.unwrap();
    use http_body_util::BodyExt;
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let table: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(table["rows"][0]["cells"], json!(["p", 1, "<unset>", "0s"]));
    assert_eq!(get(&server, &format!("{path}/p")).await.0, 200);
}
