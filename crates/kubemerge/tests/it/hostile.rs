//! Hostile input: nothing panics, nothing runs away.

use json_tree::{Map, Value, json};
use kubemerge::apply::{self, ManagedFields, Writer};
use kubemerge::fields::FieldSet;
use kubemerge::schema::{self, Schema};
use kubemerge::{json_patch, merge_patch, strategic, structural};
use proptest::prelude::*;

fn writer<'a>(schema: &'a Schema, manager: &'a str) -> Writer<'a> {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    Writer {
        schema,
        manager,
        api_version: "v1",
        subresource: "",
        now,
        ignored: None,
    }
}

/// JSON from the words that the formats and directives are made of.
fn words() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "spec",
        "metadata",
        "managedFields",
        "containers",
        "name",
        "ports",
        "containerPort",
        "finalizers",
        "env",
        "$patch",
        "delete",
        "replace",
        "merge",
        "$retainKeys",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/finalizers",
        "f:spec",
        "k:{}",
        "k:[",
        "v:1",
        "i:x",
        ".",
        "fieldsV1",
        "operation",
        "Apply",
        "Update",
        "apiVersion",
        "v1",
        "FieldsV1",
        "fieldsType",
        "manager",
        "time",
        "type",
        "object",
        "array",
        "string",
        "properties",
        "items",
        "additionalProperties",
        "x-kubernetes-list-type",
        "map",
        "set",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-int-or-string",
        "x-kubernetes-preserve-unknown-fields",
        "default",
        "enum",
        "minimum",
        "multipleOf",
        "pattern",
        "(",
        "anyOf",
        "not",
        "format",
        "uuid",
        "duration",
        "required",
        "nullable",
        "op",
        "path",
        "/spec/0",
        "/",
        "",
        "add",
        "move",
        "from",
        "value",
        "annotations",
        "kubectl.kubernetes.io/last-applied-configuration",
        "{}",
        "\u{e9}\u{1F600}",
        "0000.0000.0000",
        "-1",
        "99999999999999999999",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec![
            json!(0),
            json!(-1),
            json!(1.5),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(1e300)
        ]),
        word.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(word.clone(), inner, 0..6).prop_map(|map| Value::Object(
                map.into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<Map>()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn no_entry_point_panics(a in words(), b in words(), c in words()) {
        let pod = schema::builtin("", "v1", "Pod").unwrap();
        let custom = schema::from_crd(&a).unwrap_or_else(|_| Schema::untyped());
        for schema in [pod, &custom] {
            let me = writer(schema, "kubectl");
            let _ = apply::apply(Some(&b), &c, &me, false);
            let _ = apply::apply(Some(&b), &c, &me, true);
            let _ = apply::apply(None, &c, &me, false);
            let _ = apply::update(Some(&a), &b, &me);
            let _ = apply::update(None, &b, &me);
            let _ = structural::validate(&b, schema);
            let _ = structural::unknown_fields(&b, schema);
            let mut object = b.clone();
            let _ = structural::prune(&mut object, schema);
            let _ = structural::default(&mut object, schema);
            let _ = strategic::apply(&b, &c, schema);
        }
        let _ = json_patch::apply(&a, &b);
        let _ = json_patch::apply(&a, &json!([b]));
        let _ = merge_patch::apply(&a, &b);
        let _ = merge_patch::diff(&a, &b);
        let _ = ManagedFields::of(&a);
        let _ = ManagedFields::decode(&b);
        let _ = FieldSet::from_fields_v1(&c);
        let _ = apply::adopt(&a, "x", "y", "");
    }
}

#[test]
fn deep_nesting_is_an_error_everywhere() {
    let nest = |wrap: fn(Value) -> Value| (0..600).fold(Value::Null, |inner, _| wrap(inner));
    let deep = nest(|inner| json!({"f:a": inner}));
    let pod = schema::builtin("", "v1", "Pod").unwrap();
    let me = writer(pod, "me");
    let entry =
        json!({"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": deep});
    let object = json!({"metadata": {"managedFields": [entry]}});
    assert!(FieldSet::from_fields_v1(&deep).is_err());
    assert!(ManagedFields::of(&object).is_err());
    assert!(apply::adopt(&object, "m", "n", "").is_err());
    assert!(apply::apply(None, &deep, &me, false).is_err());
    assert!(apply::apply(Some(&deep), &json!({}), &me, false).is_err());
    assert!(apply::update(None, &deep, &me).is_err());
    assert!(apply::update(Some(&deep), &json!({}), &me).is_err());
    assert!(strategic::apply(&deep, &json!({}), pod).is_err());
    assert!(strategic::apply(&json!({}), &deep, pod).is_err());
    assert!(merge_patch::diff(&deep, &json!({})).is_err());
    assert!(json_patch::apply(&deep, &json!([])).is_err());
    assert!(json_patch::apply(&json!({}), &json!([{"op": "add", "path": "/a", "value": deep}])).is_err());
    assert!(structural::unknown_fields(&deep, pod).is_err());
    assert!(structural::prune(&mut deep.clone(), pod).is_err());
    assert!(structural::default(&mut deep.clone(), pod).is_err());
    assert!(schema::from_crd(&nest(|inner| json!({"type": "object", "properties": {"a": inner}}))).is_err());
    // Dropping such a value recurses, which is the caller's stack; serde_json would not have read it.
    let flat = json!([]);
    assert!(merge_patch::apply(&flat, &flat).is_ok());
    // What client-side apply remembers is text, and so is read anew.
    let text = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let live = json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": text}}, "spec": {"nodeName": "a"}});
    assert!(
        apply::apply(
            Some(&live),
            &json!({"spec": {"nodeName": "b"}}),
            &writer(pod, "kubectl"),
            false
        )
        .is_err()
    );
}

#[test]
fn long_lists_take_no_quadratic_time() {
    // With quadratic work on 10,000 items this would take minutes in a debug build.
    let items = |value: &str, step: usize| -> Vec<Value> {
        (0..10_000)
            .map(|n| json!({"name": format!("N{}", n * step % 10_007), "value": value}))
            .collect()
    };
    let pod = |value: &str, step: usize| json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "env": items(value, step)}]}});
    let schema = schema::builtin("", "v1", "Pod").unwrap();
    let first = apply::apply(None, &pod("a", 1), &writer(schema, "a"), false)
        .unwrap()
        .object;
    let second = apply::apply(Some(&first), &pod("b", 3), &writer(schema, "b"), true)
        .unwrap()
        .object;
    let third = apply::apply(
        Some(&second),
        &json!({"metadata": {"name": "p"}}),
        &writer(schema, "b"),
        true,
    )
    .unwrap()
    .object;
    assert!(third.pointer("/spec/containers/0/env").is_some());
    assert!(apply::apply(Some(&first), &pod("b", 5), &writer(schema, "c"), false).is_err());
    let order: Vec<Value> = (0..10_000)
        .map(|n| json!({"name": format!("N{}", n * 3 % 10_007)}))
        .collect();
    let patch = json!({"spec": {"containers": [{"name": "c", "env": items("z", 3), "$setElementOrder/env": order}]}});
    assert!(strategic::apply(&first, &patch, schema).is_ok());
    let set = schema::from_crd(&json!({"type": "object", "properties": {"s": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "integer"}}}})).unwrap();
    let numbers: Vec<usize> = (0..10_000).map(|n| n * 7 % 5_003).collect();
    assert_eq!(structural::validate(&json!({"s": numbers}), &set).unwrap().len(), 1_000);
}
