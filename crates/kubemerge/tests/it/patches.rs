//! JSON, merge and strategic merge patches.

use json_tree::{Value, json};
use kubemerge::{json_patch, merge_patch, schema, strategic};

#[test]
fn merge_patch_follows_the_rfc() {
    // Cases of RFC 7386, appendix A.
    let cases = [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (
            json!({"a": {"b": "c"}}),
            json!({"a": {"b": "d", "c": null}}),
            json!({"a": {"b": "d"}}),
        ),
        (json!(["a", "b"]), json!(["c"]), json!(["c"])),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ];
    for (doc, patch, expected) in cases {
        assert_eq!(merge_patch::apply(&doc, &patch).unwrap(), expected, "{doc} + {patch}");
    }
}

#[test]
fn json_patch_applies_all_or_nothing() {
    let doc = json!({"a": 1, "l": [1, 2]});
    let ok = json!([{"op": "test", "path": "/a", "value": 1}, {"op": "add", "path": "/l/-", "value": 3}, {"op": "move", "from": "/a", "path": "/b"}]);
    assert_eq!(json_patch::apply(&doc, &ok).unwrap(), json!({"b": 1, "l": [1, 2, 3]}));
    let error = |patch: Value| json_patch::apply(&doc, &patch).unwrap_err().to_string();
    assert_eq!(
        error(json!([{"op": "test", "path": "/a", "value": "secret"}])),
        "testing path /a failed"
    );
    assert_eq!(
        error(json!([{"op": "remove", "path": "/x"}])),
        "remove operation does not apply: doc is missing path: /x"
    );
    assert!(error(json!({"op": "remove"})).starts_with("error decoding patch: "));
    assert!(error(json!([{"op": "remove"}])).contains("has no usable path"));
}

/// As a real 1.36 API server answered each of these.
#[test]
fn json_patch_has_the_api_servers_peculiarities() {
    let doc = json!({"m": {"a": "1", "b": "2"}, "l": ["x", "y"], "t": "v"});
    let check = |operation: Value, expected: Option<Value>| {
        let result = json_patch::apply(&doc, &json!([operation]));
        assert_eq!(result.as_ref().ok(), expected.as_ref(), "{operation}: {result:?}");
    };
    let members = |m: Value| Some(json!({"m": m, "l": ["x", "y"], "t": "v"}));
    let items = |l: Value| Some(json!({"m": {"a": "1", "b": "2"}, "l": l, "t": "v"}));
    let same = || Some(doc.clone());
    check(
        json!({"op": "replace", "path": "/m/z", "value": "3"}),
        members(json!({"a": "1", "b": "2", "z": "3"})),
    );
    check(json!({"op": "replace", "path": "/none/z", "value": "3"}), None);
    check(json!({"op": "remove", "path": "/m/z"}), None);
    check(json!({"op": "remove", "path": "/l/9"}), None);
    check(json!({"op": "remove", "path": "/l/-1"}), items(json!(["x"])));
    check(json!({"op": "add", "path": "/l/9", "value": "z"}), None);
    check(
        json!({"op": "add", "path": "/l/2", "value": "z"}),
        items(json!(["x", "y", "z"])),
    );
    check(
        json!({"op": "add", "path": "/l/-1", "value": "z"}),
        items(json!(["x", "y", "z"])),
    );
    check(
        json!({"op": "add", "path": "/l/-2", "value": "z"}),
        items(json!(["x", "z", "y"])),
    );
    check(
        json!({"op": "add", "path": "/l/01", "value": "z"}),
        items(json!(["x", "z", "y"])),
    );
    check(
        json!({"op": "add", "path": "/l/-", "value": "z"}),
        items(json!(["x", "y", "z"])),
    );
    check(
        json!({"op": "replace", "path": "/l/-1", "value": "z"}),
        items(json!(["x", "z"])),
    );
    check(json!({"op": "replace", "path": "/l/-", "value": "z"}), None);
    check(json!({"op": "replace", "path": "/l/x", "value": "z"}), None);
    check(json!({"op": "test", "path": "/m/z", "value": null}), same());
    check(json!({"op": "test", "path": "/m/z", "value": "1"}), None);
    check(json!({"op": "test", "path": "/m/a"}), None);
    check(json!({"op": "test", "path": "/none/x", "value": null}), None);
    check(
        json!({"op": "copy", "from": "/m/z", "path": "/m/y"}),
        members(json!({"a": "1", "b": "2", "y": null})),
    );
    check(json!({"op": "move", "from": "/m/z", "path": "/m/y"}), None);
    check(
        json!({"op": "move", "from": "/m/a", "path": "/m/y"}),
        members(json!({"b": "2", "y": "1"})),
    );
    check(
        json!({"op": "add", "path": "/m/n"}),
        members(json!({"a": "1", "b": "2", "n": null})),
    );
    check(json!({"op": "add", "path": "/none/x", "value": "1"}), None);
    check(json!({"op": "add", "path": "/t/x", "value": "1"}), None);
    check(json!({"op": "add", "path": "m/x", "value": "1"}), None);
    check(json!({"op": "add", "path": "", "value": {}}), None);
    check(json!({"op": "remove", "path": ""}), None);
    check(json!({"op": "test", "path": "", "value": {}}), None);
    check(
        json!({"op": "replace", "path": "", "value": {"a": 1}}),
        Some(json!({"a": 1})),
    );
    check(json!({"op": "bogus", "path": "/m/n"}), None);
    check(json!({"path": "/m/n"}), None);
    check(json!({"op": "copy", "path": "/m/n"}), None);
    check(
        json!({"op": "remove", "path": "/m/a", "extra": 1}),
        members(json!({"b": "2"})),
    );
    check(
        json!({"op": "add", "path": "/m/c~1d", "value": "1"}),
        members(json!({"a": "1", "b": "2", "c/d": "1"})),
    );
}

#[test]
fn json_patch_is_bounded() {
    let many: Vec<Value> = (0..=json_patch::MAX_OPERATIONS)
        .map(|_| json!({"op": "test", "path": "/a", "value": 1}))
        .collect();
    let error = json_patch::apply(&json!({"a": 1}), &Value::from(many)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "The allowed maximum operations in a JSON patch is 10000, got 10001"
    );
    let doubling: Vec<Value> = (0..60)
        .map(|_| json!({"op": "copy", "from": "/l", "path": "/l/-"}))
        .collect();
    assert!(json_patch::apply(&json!({"l": [1, 2, 3]}), &Value::from(doubling)).is_err());
}

fn pod(spec: Value) -> Value {
    json!({"spec": spec})
}

fn check(doc: Value, patch: Value, expected: Value) {
    let schema = schema::builtin("", "v1", "Pod").unwrap();
    assert_eq!(strategic::apply(&pod(doc), &pod(patch), schema).unwrap(), pod(expected));
}

#[test]
fn strategic_lists_merge_by_key() {
    let two = json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]});
    check(
        two.clone(),
        json!({"containers": [{"name": "b", "image": "2"}, {"name": "c"}]}),
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c"}]}),
    );
    check(
        two.clone(),
        json!({"containers": [{"name": "a", "$patch": "delete"}]}),
        json!({"containers": [{"name": "b", "image": "1"}]}),
    );
    check(
        two.clone(),
        json!({"containers": [{"$patch": "replace"}, {"name": "z"}]}),
        json!({"containers": [{"name": "z"}]}),
    );
    check(
        two.clone(),
        json!({"containers": [{"name": "a", "$patch": "replace", "image": "9"}]}).clone(),
        json!({"containers": []}),
    );
    check(
        two.clone(),
        json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a", "image": "3"}]}),
        json!({"containers": [{"name": "b", "image": "1"}, {"name": "a", "image": "3"}]}),
    );
    // The strategic key of container ports is the number alone, unlike in server-side apply.
    check(
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 1, "protocol": "TCP"}]}]}),
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 1, "protocol": "UDP"}]}]}),
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 1, "protocol": "UDP"}]}]}),
    );
    // Tolerations have no strategy: the list is replaced.
    check(
        json!({"tolerations": [{"key": "a"}]}),
        json!({"tolerations": [{"key": "b"}]}),
        json!({"tolerations": [{"key": "b"}]}),
    );
}

/// Found by comparing with a real 1.36 API server.
#[test]
fn strategic_order_is_the_api_servers() {
    let two = json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]});
    // A new item comes before those that the patch does not name.
    check(
        two.clone(),
        json!({"containers": [{"name": "c"}]}),
        json!({"containers": [{"name": "c"}, {"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}),
    );
    // Items come in the order of the patch.
    check(
        two.clone(),
        json!({"containers": [{"name": "b", "image": "2"}, {"name": "a"}]}),
        json!({"containers": [{"name": "b", "image": "2"}, {"name": "a", "image": "1"}]}),
    );
    // An empty order says nothing; one that does not name the patch's items is refused.
    check(
        two.clone(),
        json!({"$setElementOrder/containers": [], "containers": [{"name": "b", "image": "2"}]}),
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}),
    );
    let schema = schema::builtin("", "v1", "Pod").unwrap();
    let patch = json!({"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "b"}]});
    assert!(strategic::apply(&pod(two.clone()), &pod(patch), schema).is_err());
    // `merge` is no directive, neither in maps nor in lists.
    let patch = json!({"containers": [{"name": "a", "$patch": "merge"}]});
    assert!(strategic::apply(&pod(two.clone()), &pod(patch), schema).is_err());
    let doc = pod(json!({"nodeSelector": {"a": "1"}}));
    assert!(strategic::apply(&doc, &pod(json!({"nodeSelector": {"$patch": "merge"}})), schema).is_err());
    // What is deleted and added again is new.
    check(
        two.clone(),
        json!({"containers": [{"name": "b", "image": "2"}, {"name": "b", "$patch": "delete"}]}),
        json!({"containers": [{"name": "b", "image": "2"}, {"name": "a", "image": "1"}]}),
    );
    // A directive for what is not there takes it away; inside a new list item it says nothing.
    check(
        json!({}),
        json!({"nodeSelector": {"$patch": "delete", "a": "1"}}),
        json!({}),
    );
    check(
        json!({"containers": [{"name": "a"}]}),
        json!({"containers": [{"name": "b", "env": [{"name": "E", "$patch": "delete"}]}]}),
        json!({"containers": [{"name": "b", "env": [{"name": "E"}]}, {"name": "a"}]}),
    );
    // What is new loses its directives and nulls.
    check(
        json!({}),
        json!({"volumes": [{"name": "v", "emptyDir": {}, "hostPath": null}, {"name": "w", "$patch": "delete"}]}),
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
    );
}

#[test]
fn strategic_maps_and_directives() {
    check(
        json!({"nodeSelector": {"a": "1"}}),
        json!({"nodeSelector": {"b": "2", "a": null}}),
        json!({"nodeSelector": {"b": "2"}}),
    );
    check(
        json!({"nodeSelector": {"a": "1"}}),
        json!({"nodeSelector": {"$patch": "replace", "b": "2"}}),
        json!({"nodeSelector": {"b": "2"}}),
    );
    check(
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}),
        json!({"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}),
    );
    let schema = schema::builtin("", "v1", "Pod").unwrap();
    let doc = json!({"metadata": {"finalizers": ["a", "b"]}});
    let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}});
    assert_eq!(
        strategic::apply(&doc, &patch, schema).unwrap(),
        json!({"metadata": {"finalizers": ["c", "b"]}})
    );
    let bad = json!({"spec": {"containers": [{"image": "x"}]}});
    let doc = json!({"spec": {"containers": [{"name": "a"}]}});
    let error = strategic::apply(&doc, &bad, schema).unwrap_err().to_string();
    assert_eq!(
        error,
        "map: does not contain declared merge key: name (in spec.containers)"
    );
}
