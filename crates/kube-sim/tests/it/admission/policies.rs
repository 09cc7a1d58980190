//! Admission policies in CEL and their bindings.

use http::{Method, Request};
use json_tree::{Value, json};
use kube_sim::LoopbackWebhooks;
use tower::ServiceExt;

use super::{ADMISSION, MAPS, server};
use crate::support::{config_map, get, post};

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
