//! CustomResourceDefinitions and their objects.

use json_tree::{Value, json};

use crate::support::*;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const FOOS: &str = "/apis/example.com/v1/namespaces/default/foos";

pub(crate) fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "foos.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "foos", "singular": "foo", "kind": "Foo", "shortNames": ["fo"], "categories": ["all"]},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
                "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.replicas"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "required": ["mode"], "properties": {
                        "replicas": {"type": "integer", "minimum": 0, "default": 2},
                        "mode": {"type": "string", "enum": ["a", "b"]}}},
                    "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}}}}}}]}})
}

fn foo(name: &str, mode: &str) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": name}, "spec": {"mode": mode}})
}

#[tokio::test]
async fn objects_follow_their_definition() {
    let server = server();
    assert_eq!(get(&server, FOOS).await.0, 404);
    let (code, made) = post(&server, DEFINITIONS, definition()).await;
    assert_eq!(code, 201, "{made}");
    let conditions = made["status"]["conditions"].as_array().unwrap();
    assert!(
        conditions
            .iter()
            .any(|c| c["type"] == "Established" && c["status"] == "True")
    );
    let (code, body) = post(&server, FOOS, foo("x", "c")).await;
    assert_eq!(code, 422);
    assert!(
        message(&body).contains("spec.mode: Unsupported value: \"c\": supported values: \"a\", \"b\""),
        "{body}"
    );
    let mut unknown = foo("x", "a");
    unknown["spec"]["extra"] = json!(1);
    let (code, _) = post(&server, &format!("{FOOS}?fieldValidation=Strict"), unknown.clone()).await;
    assert_eq!(code, 400);
    let (code, made) = post(&server, FOOS, unknown).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(
        (&made["spec"]["replicas"], &made["spec"]["extra"]),
        (&json!(2), &Value::Null)
    );
    let (_, scale) = get(&server, &format!("{FOOS}/x/scale")).await;
    assert_eq!(scale["spec"]["replicas"], 2);
    let (code, body) = patch(&server, &format!("{FOOS}/x"), STRATEGIC, json!({})).await;
    assert_eq!(code, 415, "{body}");
    let path = format!("{FOOS}/x/status");
    let (_, made) = patch(
        &server,
        &path,
        MERGE,
        json!({"status": {"replicas": 1}, "spec": {"mode": "b"}}),
    )
    .await;
    assert_eq!(
        (&made["status"]["replicas"], &made["spec"]["mode"]),
        (&json!(1), &json!("a"))
    );
}

#[tokio::test]
async fn a_definition_takes_its_objects_with_it() {
    let server = server();
    post(&server, DEFINITIONS, definition()).await;
    let mut held = foo("x", "a");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    post(&server, FOOS, held).await;
    post(&server, FOOS, foo("y", "a")).await;
    let path = format!("{DEFINITIONS}/foos.example.com");
    assert_eq!(delete(&server, &path).await.0, 200);
    assert_eq!(get(&server, &format!("{FOOS}/y")).await.0, 404);
    assert_eq!(get(&server, &path).await.0, 200);
    patch(
        &server,
        &format!("{FOOS}/x"),
        MERGE,
        json!({"metadata": {"finalizers": null}}),
    )
    .await;
    assert_eq!(get(&server, &path).await.0, 404);
    let (code, body) = get(&server, FOOS).await;
    assert_eq!((code, message(&body)), (404, ""));
}

#[tokio::test]
async fn discovery_tells_of_definitions() {
    let server = server();
    post(&server, DEFINITIONS, definition()).await;
    let (_, list) = get(&server, "/apis/example.com/v1").await;
    assert_eq!(list["resources"][0]["shortNames"], json!(["fo"]));
    let (code, document) = get(&server, "/openapi/v3/apis/example.com/v1").await;
    assert_eq!(code, 200);
    assert!(document["components"]["schemas"]["com.example.v1.Foo"].is_object());
}

#[tokio::test]
async fn snapshots_carry_definitions_and_objects() {
    let server = server();
    post(&server, DEFINITIONS, definition()).await;
    post(&server, FOOS, foo("x", "a")).await;
    let dump = server.export();
    let twin = crate::support::server();
    twin.load(&dump, kube_sim::Identity::Keep).unwrap();
    assert_eq!(
        get(&server, &format!("{FOOS}/x")).await,
        get(&twin, &format!("{FOOS}/x")).await
    );
    assert_eq!(twin.export(), dump);
    let error = twin.load(
        "kind: Nope\napiVersion: v9\nmetadata: {name: x}\n",
        kube_sim::Identity::Keep,
    );
    assert!(error.is_err());
}
