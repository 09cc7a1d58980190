//! Validation rules in CEL of custom resources.

use json_tree::{Value, json};
use kube_sim::LoopbackWebhooks;

use super::server;
use crate::support::{MERGE, patch, post};

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
