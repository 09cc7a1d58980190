//! Server-side apply and managed fields.

use json_tree::{Value, json};
use kubemerge::apply::{self, ApplyError, ManagedFields, Writer};
use kubemerge::schema;

fn writer<'a>(manager: &'a str, minute: u8) -> Writer<'a> {
    let schema = schema::builtin("apps", "v1", "Deployment").unwrap();
    let now = format!("2026-01-01T00:{minute:02}:00Z").parse().unwrap();
    Writer {
        schema,
        manager,
        api_version: "apps/v1",
        subresource: "",
        now,
        ignored: None,
    }
}

fn deployment(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})
}

fn apply(live: Option<&Value>, spec: Value, manager: &str) -> Value {
    apply::apply(live, &deployment(spec), &writer(manager, 1), false)
        .unwrap()
        .object
}

#[test]
fn a_field_no_longer_applied_goes_unless_another_owns_it() {
    let first = apply(None, json!({"replicas": 3, "minReadySeconds": 5, "paused": true}), "a");
    let shared = apply(Some(&first), json!({"paused": true}), "b");
    let after = apply(Some(&shared), json!({"replicas": 3}), "a");
    assert_eq!(after["spec"], json!({"replicas": 3, "paused": true}));
}

#[test]
fn conflicts_name_owner_and_field() {
    let live = apply::update(
        None,
        &deployment(json!({"replicas": 1})),
        &writer("kubectl-client-side-apply", 0),
    )
    .unwrap();
    let config = deployment(json!({"replicas": 2}));
    let error = apply::apply(Some(&live), &config, &writer("me", 1), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using apps/v1: .spec.replicas"
    );
    let ApplyError::Conflicts(conflicts) = error else {
        panic!("conflicts expected")
    };
    assert_eq!(
        conflicts.0[0].message(),
        "conflict with \"kubectl-client-side-apply\" using apps/v1"
    );
    let forced = apply::apply(Some(&live), &config, &writer("me", 1), true)
        .unwrap()
        .object;
    assert_eq!(forced["spec"]["replicas"], 2);
    let owners: Vec<String> = ManagedFields::of(&forced)
        .unwrap()
        .iter()
        .map(|(id, _)| id.manager.clone())
        .collect();
    assert_eq!(owners, ["me"]);
}

#[test]
fn adopted_fields_can_be_removed() {
    let live = apply::update(
        None,
        &deployment(json!({"replicas": 1, "paused": true})),
        &writer(apply::CLIENT_SIDE_APPLY, 0),
    )
    .unwrap();
    let adopted = apply::adopt(&live, apply::CLIENT_SIDE_APPLY, "me", "").unwrap();
    let after = apply(Some(&adopted), json!({"replicas": 2}), "me");
    assert_eq!(after["spec"], json!({"replicas": 2}));
}

#[test]
fn list_items_have_owners_and_default_keys() {
    let spec = |ports: Value| json!({"template": {"spec": {"containers": [{"name": "c", "ports": ports}]}}});
    let first = apply(None, spec(json!([{"containerPort": 80}])), "a");
    let both = apply(
        Some(&first),
        spec(json!([{"containerPort": 80, "protocol": "UDP"}])),
        "b",
    );
    let ports = &both["spec"]["template"]["spec"]["containers"][0]["ports"];
    assert_eq!(
        *ports,
        json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}])
    );
    let fields = &both["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"];
    assert_eq!(
        fields["k:{\"name\":\"c\"}"],
        json!({".": {}, "f:name": {}, "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}})
    );
    let error = apply::apply(
        None,
        &deployment(spec(json!([{"containerPort": 1}, {"containerPort": 1}]))),
        &writer("a", 1),
        false,
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "failed to create typed patch object (/web; apps/v1, Kind=Deployment): .spec.template.spec.containers[name=\"c\"].ports: \
         duplicate entries for key [containerPort=1,protocol=\"TCP\"]"
    );
}

#[test]
fn a_created_object_is_owned_as_the_real_server_says() {
    let spec = json!({"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "strategy": {"rollingUpdate": {"maxSurge": 1}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}});
    let live = apply::update(None, &deployment(spec), &writer("kubectl-create", 0)).unwrap();
    let entry = &live["metadata"]["managedFields"][0];
    assert_eq!(entry["time"], "2026-01-01T00:00:00Z");
    assert_eq!(
        entry["fieldsV1"],
        json!({"f:spec": {"f:replicas": {}, "f:selector": {}, "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}}},
            "f:template": {"f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:name": {}}}}}}})
    );
}

#[test]
fn update_entries_are_capped_and_can_be_reset() {
    let mut live = apply::update(None, &deployment(json!({"replicas": 0})), &writer("m0", 0)).unwrap();
    for n in 1..=12_u8 {
        let mut new = live.clone();
        new["metadata"]["labels"][format!("l{n}")] = Value::from("x");
        live = apply::update(Some(&live), &new, &writer(&format!("m{n}"), n)).unwrap();
    }
    let managed = ManagedFields::of(&live).unwrap();
    assert_eq!(managed.iter().count(), 10);
    assert!(managed.iter().any(|(id, _)| id.manager == "ancient-changes"));
    let mut reset = live.clone();
    reset["metadata"]["managedFields"] = json!([{}]);
    let cleared = apply::update(Some(&live), &reset, &writer("x", 30)).unwrap();
    assert_eq!(cleared.pointer("/metadata/managedFields"), None);
}

#[test]
fn unknown_fields_are_refused() {
    let error = apply::apply(None, &deployment(json!({"replica": 1})), &writer("a", 1), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to create typed patch object (/web; apps/v1, Kind=Deployment): .spec.replica: field not declared in schema"
    );
}

/// The rules below were found by comparing with a real 1.36 API server.
#[test]
fn times_are_those_of_changes() {
    let entry = |object: &Value, manager: &str| -> Value {
        let entries = object["metadata"]["managedFields"].as_array().unwrap();
        entries
            .iter()
            .find(|entry| entry["manager"] == manager)
            .unwrap()
            .clone()
    };
    let first = apply(None, json!({"replicas": 1, "paused": true}), "a");
    // To own what is there already is no change.
    let shared = apply(Some(&first), json!({"replicas": 1}), "b");
    assert_eq!(entry(&shared, "b").get("time"), None);
    assert_eq!(entry(&shared, "b")["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    // A changed value is a new time also where the fields stay the same.
    let updated = apply::update(
        Some(&first),
        &deployment(json!({"replicas": 2, "paused": true})),
        &writer("c", 2),
    )
    .unwrap();
    let again = apply::update(
        Some(&updated),
        &deployment(json!({"replicas": 3, "paused": true})),
        &writer("c", 3),
    )
    .unwrap();
    assert_eq!(entry(&again, "c")["time"], "2026-01-01T00:03:00Z");
    // A removal is none.
    let both = apply::update(
        Some(&again),
        &deployment(json!({"replicas": 4, "minReadySeconds": 1})),
        &writer("c", 4),
    )
    .unwrap();
    let less = apply::update(Some(&both), &deployment(json!({"replicas": 4})), &writer("c", 5)).unwrap();
    assert_eq!(entry(&less, "c")["time"], "2026-01-01T00:04:00Z");
}

#[test]
fn kubectl_takes_over_from_client_side_apply() {
    let last =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 1}});
    let annotation = "kubectl.kubernetes.io/last-applied-configuration";
    let mut made = deployment(json!({"replicas": 1, "paused": true}));
    made["metadata"]["annotations"] = json!({annotation: last.to_string()});
    let live = apply::update(None, &made, &writer(apply::CLIENT_SIDE_APPLY, 0)).unwrap();
    let config = deployment(json!({"replicas": 2}));
    // Another name gets a conflict, `kubectl` the field and a new annotation.
    assert!(apply::apply(Some(&live), &config, &writer("me", 1), false).is_err());
    let after = apply::apply(Some(&live), &config, &writer("kubectl", 1), false)
        .unwrap()
        .object;
    assert_eq!(after["spec"], json!({"replicas": 2, "paused": true}));
    assert_eq!(after["metadata"]["annotations"][annotation], format!("{config}\n"));
    // What client-side apply has not set is a conflict still.
    let config = deployment(json!({"replicas": 2, "paused": false}));
    let error = apply::apply(Some(&live), &config, &writer("kubectl", 1), false).unwrap_err();
    assert!(error.to_string().ends_with("using apps/v1: .spec.paused"), "{error}");
}

#[test]
fn conflicts_are_listed_as_the_server_lists_them() {
    let live = apply(
        None,
        json!({"replicas": 1, "strategy": {"type": "Recreate"}, "minReadySeconds": 1}),
        "a",
    );
    let config = deployment(json!({"replicas": 2, "strategy": {"type": "RollingUpdate"}, "minReadySeconds": 2}));
    let error = apply::apply(Some(&live), &config, &writer("b", 1), false).unwrap_err();
    // The members of a level come before what lies deeper.
    assert_eq!(
        error.to_string(),
        "Apply failed with 3 conflicts: conflicts with \"a\":\n- .spec.minReadySeconds\n- .spec.replicas\n- .spec.strategy.type"
    );
}

#[test]
fn text_in_keys_is_safe_inside_html() {
    let mut object = deployment(json!({"replicas": 1}));
    object["metadata"]["finalizers"] = json!(["a<b"]);
    let live = apply::update(None, &object, &writer("m", 0)).unwrap();
    let fields = &live["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:finalizers"];
    assert_eq!(*fields, json!({".": {}, "v:\"a\\u003cb\"": {}}));
    let again = apply::update(Some(&live), &object, &writer("n", 1)).unwrap();
    assert_eq!(again["metadata"]["managedFields"], live["metadata"]["managedFields"]);
}

#[test]
fn wrong_types_are_named_as_the_server_names_them() {
    let check = |spec: Value, expected: &str| {
        let error = apply::apply(None, &deployment(spec), &writer("a", 1), false).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("failed to create typed patch object (/web; apps/v1, Kind=Deployment): {expected}")
        );
    };
    check(
        json!({"replicas": "x"}),
        ".spec.replicas: expected numeric (int or float), got string",
    );
    check(json!({"paused": 5}), ".spec.paused: expected boolean, got &{5}");
    check(json!({"strategy": "str"}), ".spec.strategy: expected map, got &{str}");
    check(json!({"selector": [1]}), ".spec.selector: expected map, got &{[1]}");
}
