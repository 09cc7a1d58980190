//! Verbs, defaults, errors, lists.

use json_tree::{Value, json};

use crate::support::*;

#[tokio::test]
async fn errors_speak_as_the_real_server_does() {
    let server = server();
    let (code, body) = get(&server, &format!("{DEPLOYMENTS}/x")).await;
    assert_eq!((code, message(&body)), (404, "deployments.apps \"x\" not found"));
    post(&server, PODS, pod("x")).await;
    let (code, body) = post(&server, PODS, pod("x")).await;
    assert_eq!((code, message(&body)), (409, "pods \"x\" already exists"));
    let (code, body) = post(&server, DEPLOYMENTS, json!({"metadata": {"name": "x"}, "spec": {}})).await;
    assert_eq!((code, &body["reason"]), (422, &json!("Invalid")));
    assert!(
        message(&body).starts_with("Deployment.apps \"x\" is invalid: ["),
        "{body}"
    );
    assert!(message(&body).contains("spec.selector: Required value"), "{body}");
    let (code, body) = post(&server, "/api/v1/namespaces/nope/pods", pod("x")).await;
    assert_eq!((code, message(&body)), (404, "namespaces \"nope\" not found"));
    let (code, _) = get(&server, "/apis/nope/v1/foos").await;
    assert_eq!(code, 404);
    let mut stale = get(&server, &format!("{PODS}/x")).await.1;
    patch(
        &server,
        &format!("{PODS}/x"),
        MERGE,
        json!({"metadata": {"labels": {"b": "c"}}}),
    )
    .await;
    stale["metadata"]["labels"] = json!({"d": "e"});
    let (code, body) = put(&server, &format!("{PODS}/x"), stale).await;
    assert_eq!(code, 409);
    let expected = "Operation cannot be fulfilled on pods \"x\": the object has been modified; please apply your changes to the latest version and try again";
    assert_eq!(message(&body), expected);
}

#[tokio::test]
async fn defaults_and_generations_follow_the_kind() {
    let server = server();
    let (code, made) = post(&server, DEPLOYMENTS, deployment("d")).await;
    assert_eq!(code, 201);
    assert_eq!(made["spec"]["strategy"]["rollingUpdate"]["maxSurge"], "25%");
    assert_eq!(made["metadata"]["generation"], 1);
    let path = format!("{DEPLOYMENTS}/d");
    let (_, scaled) = patch(&server, &path, MERGE, json!({"spec": {"replicas": 3}})).await;
    assert_eq!(scaled["metadata"]["generation"], 2);
    let (_, same) = patch(&server, &path, MERGE, json!({"spec": {"replicas": 3}})).await;
    assert_eq!(
        same["metadata"]["resourceVersion"],
        scaled["metadata"]["resourceVersion"]
    );
    let (_, status) = patch(
        &server,
        &format!("{path}/status"),
        MERGE,
        json!({"status": {"replicas": 3}, "spec": {"replicas": 9}}),
    )
    .await;
    assert_eq!(
        (&status["status"]["replicas"], &status["spec"]["replicas"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(status["metadata"]["generation"], 2);
    let (code, body) = patch(
        &server,
        &path,
        MERGE,
        json!({"spec": {"selector": {"matchLabels": {"app": "b"}}}}),
    )
    .await;
    assert_eq!(code, 422);
    assert!(message(&body).contains("field is immutable"), "{body}");
    let (_, scale) = get(&server, &format!("{path}/scale")).await;
    assert_eq!(
        (&scale["spec"]["replicas"], &scale["status"]["selector"]),
        (&json!(3), &json!("app=a"))
    );
    let (code, _) = patch(
        &server,
        &format!("{path}/scale"),
        MERGE,
        json!({"spec": {"replicas": 1}}),
    )
    .await;
    assert_eq!(code, 200);
    assert_eq!(get(&server, &path).await.1["spec"]["replicas"], 1);
}

#[tokio::test]
async fn unknown_fields_are_judged_as_asked() {
    let server = server();
    let mut bad = pod("p");
    bad["spec"]["foo"] = json!(1);
    let (code, body) = post(&server, &format!("{PODS}?fieldValidation=Strict"), bad.clone()).await;
    assert_eq!(code, 400);
    assert!(
        message(&body).ends_with("strict decoding error: unknown field \"spec.foo\""),
        "{body}"
    );
    let (code, body) = post(&server, &format!("{PODS}?dryRun=All"), bad).await;
    assert_eq!((code, &body["spec"]["foo"]), (201, &Value::Null));
    assert_eq!(get(&server, &format!("{PODS}/p")).await.0, 404);
    let mut wrong = pod("p");
    wrong["spec"]["terminationGracePeriodSeconds"] = json!("x");
    assert_eq!(post(&server, PODS, wrong).await.0, 400);
}

#[tokio::test]
async fn pages_show_one_version() {
    let server = server();
    for n in 0..5 {
        post(&server, MAPS, config_map(&format!("m{n}"), "1")).await;
    }
    let (_, first) = get(&server, &format!("{MAPS}?limit=2")).await;
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    delete(&server, &format!("{MAPS}/m4")).await;
    post(&server, MAPS, config_map("m5", "1")).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, rest) = get(&server, &format!("{MAPS}?continue={token}")).await;
    let names: Vec<_> = rest["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["m2", "m3", "m4"]);
    assert_eq!(
        rest["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    let (_, selected) = get(&server, &format!("{MAPS}?limit=1&labelSelector=!x")).await;
    assert_eq!(selected["metadata"]["remainingItemCount"], Value::Null);
    server.compact();
    assert_eq!(get(&server, &format!("{MAPS}?continue={token}")).await.0, 410);
}

#[tokio::test]
async fn selectors_select() {
    let server = server();
    post(&server, PODS, pod("a")).await;
    let mut other = pod("b");
    other["metadata"]["labels"] = json!({"app": "b"});
    other["spec"]["nodeName"] = json!("n1");
    post(&server, PODS, other).await;
    for (query, expected) in [
        ("labelSelector=app%20in%20(a,b)", 2),
        ("labelSelector=app!%3Da", 1),
        ("fieldSelector=spec.nodeName%3Dn1", 1),
        ("fieldSelector=metadata.name%3Da", 1),
        ("fieldSelector=status.phase%3DPending,spec.nodeName%3D", 1),
    ] {
        let (_, list) = get(&server, &format!("{PODS}?{query}")).await;
        assert_eq!(list["items"].as_array().unwrap().len(), expected, "{query}");
    }
    let (code, body) = get(&server, &format!("{PODS}?fieldSelector=spec.foo%3D1")).await;
    assert_eq!((code, message(&body)), (400, "field label not supported: spec.foo"));
}

#[tokio::test]
async fn patches_of_all_kinds_apply() {
    let server = server();
    post(&server, DEPLOYMENTS, deployment("d")).await;
    let path = format!("{DEPLOYMENTS}/d");
    let container = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i:2"}, {"name": "s", "image": "s:1"}]}}}});
    let (_, made) = patch(&server, &path, STRATEGIC, container).await;
    let containers = &made["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers.as_array().unwrap().len(), 2);
    let operations = json!([{"op": "replace", "path": "/spec/replicas", "value": 4}]);
    let (_, made) = patch(&server, &path, "application/json-patch+json", operations).await;
    assert_eq!(made["spec"]["replicas"], 4);
    let (code, _) = patch(
        &server,
        &path,
        "application/json-patch+json",
        json!([{"op": "remove", "path": "/nope"}]),
    )
    .await;
    assert_eq!(code, 422);
    let apply = |replicas: u32| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": replicas}});
    let (code, body) = patch(&server, &format!("{path}?fieldManager=me"), APPLY, apply(5)).await;
    assert_eq!(code, 409, "{body}");
    assert_eq!(body["details"]["causes"][0]["reason"], "FieldManagerConflict");
    assert_eq!(body["details"]["causes"][0]["field"], ".spec.replicas");
    let (code, body) = patch(&server, &format!("{path}?fieldManager=me&force=true"), APPLY, apply(5)).await;
    assert_eq!((code, &body["spec"]["replicas"]), (200, &json!(5)));
    let (_, again) = patch(&server, &format!("{path}?fieldManager=me"), APPLY, apply(5)).await;
    assert_eq!(
        again["metadata"]["resourceVersion"],
        body["metadata"]["resourceVersion"]
    );
    assert_eq!(patch(&server, &path, APPLY, apply(5)).await.0, 422);
}

#[tokio::test]
async fn services_get_addresses_and_ports() {
    let server = server();
    let service = |name: &str, spec: Value| json!({"metadata": {"name": name}, "spec": spec});
    let path = "/api/v1/namespaces/default/services";
    let (code, made) = post(
        &server,
        path,
        service("a", json!({"type": "NodePort", "ports": [{"port": 80}]})),
    )
    .await;
    assert_eq!(code, 201, "{made}");
    assert!(made["spec"]["clusterIP"].as_str().unwrap().starts_with("10.5."));
    assert!(made["spec"]["ports"][0]["nodePort"].as_i64().unwrap() >= 30_000);
    let fixed = json!({"clusterIP": "10.5.99.99", "ports": [{"port": 80}]});
    assert_eq!(post(&server, path, service("b", fixed.clone())).await.0, 201);
    let (code, body) = post(&server, path, service("c", fixed)).await;
    assert_eq!(code, 422);
    assert!(message(&body).contains("provided IP is already allocated"), "{body}");
    let (_, headless) = post(
        &server,
        path,
        service("d", json!({"clusterIP": "None", "ports": [{"port": 80}]})),
    )
    .await;
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    let (_, kept) = put(
        &server,
        &format!("{path}/a"),
        service("a", json!({"type": "NodePort", "ports": [{"port": 81}]})),
    )
    .await;
    assert_eq!(kept["spec"]["clusterIP"], made["spec"]["clusterIP"]);
}

#[tokio::test]
async fn hostile_input_gets_a_4xx() {
    let server = server();
    for (path, media, body) in [
        (PODS, JSON, json!([])),
        (PODS, JSON, json!("x".repeat(1_000))),
        (PODS, "text/plain", json!({})),
        (PODS, "application/yaml", json!(7)),
        (PODS, JSON, json!({"metadata": []})),
        (
            PODS,
            JSON,
            json!({"metadata": {"name": "../x"}, "spec": {"containers": 3}}),
        ),
        ("/api/v1/namespaces/default/pods?limit=x", JSON, pod("x")),
        ("/api/v1/namespaces/%ff/pods", JSON, pod("x")),
        ("/apis/policy/v1", JSON, json!({})),
    ] {
        let (code, answer) = send(&server, ::http::Method::POST, path, media, body).await;
        assert!((400..500).contains(&code), "{path}: {code} {answer}");
    }
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let (code, _) = post(&server, MAPS, json!({"metadata": {"name": "x"}, "data": deep})).await;
    assert_eq!(code, 400);
    let long = format!("{PODS}?labelSelector={}", "a".repeat(20_000));
    assert_eq!(get(&server, &long).await.0, 414);
    let big = json!({"metadata": {"name": "x"}, "data": {"k": "v".repeat(4 << 20)}});
    assert_eq!(post(&server, MAPS, big).await.0, 413);
}
