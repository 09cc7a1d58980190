//! Custom resource schemas: pruning, defaulting, validation, unknown fields.

use json_tree::{Value, json};
use kubemerge::{schema, structural};

fn crd() -> schema::Schema {
    schema::from_crd(&json!({"type": "object", "required": ["spec"], "properties": {"spec": {"type": "object", "required": ["host"],
        "properties": {
            "host": {"type": "string", "maxLength": 5, "pattern": "^[a-z]+$"},
            "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "replicas": {"type": "integer", "minimum": 1},
            "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "rules": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "weight": {"type": "integer", "default": 1}}}},
            "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}))
    .unwrap()
}

#[test]
fn prune_and_default() {
    let mut object = json!({"kind": "X", "spec": {"host": "h", "foo": 1, "any": {"x": {"y": 1}}, "rules": [{"name": "r", "z": 1}]}, "bar": 1});
    assert_eq!(
        structural::unknown_fields(&object, &crd()).unwrap(),
        ["bar", "spec.foo", "spec.rules[0].z"]
    );
    structural::prune(&mut object, &crd()).unwrap();
    structural::default(&mut object, &crd()).unwrap();
    assert_eq!(
        object,
        json!({"kind": "X", "spec": {"host": "h", "mode": "a", "any": {"x": {"y": 1}}, "rules": [{"name": "r", "weight": 1}]}})
    );
}

#[test]
fn faults_have_the_servers_words() {
    let check = |spec: Value, expected: &[&str]| {
        let errors = structural::validate(&json!({"spec": spec}), &crd()).unwrap();
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    };
    check(json!({"host": "h", "port": 80}), &[]);
    check(json!({}), &["spec.host: Required value"]);
    check(
        json!({"host": "h", "mode": "x"}),
        &["spec.mode: Unsupported value: \"x\": supported values: \"a\", \"b\""],
    );
    check(
        json!({"host": "h", "replicas": "x"}),
        &["spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\""],
    );
    check(
        json!({"host": "h", "replicas": 0}),
        &["spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1"],
    );
    check(
        json!({"host": "hhhhhh"}),
        &["spec.host: Too long: may not be more than 5 bytes"],
    );
    check(
        json!({"host": "H"}),
        &["spec.host: Invalid value: \"H\": spec.host in body should match '^[a-z]+$'"],
    );
    check(
        json!({"host": "h", "rules": [{"name": "a"}, {"name": "a"}]}),
        &["spec.rules[1]: Duplicate value: {\"name\":\"a\"}"],
    );
}

#[test]
fn built_in_kinds_are_checked_for_fields_and_types() {
    let schema = schema::builtin("", "v1", "Pod").unwrap();
    let pod = json!({"spec": {"containers": [{"name": "a", "imagee": "x", "resources": {"requests": {"cpu": 1}}}]}});
    assert_eq!(
        structural::unknown_fields(&pod, schema).unwrap(),
        ["spec.containers[0].imagee"]
    );
    assert_eq!(structural::validate(&pod, schema).unwrap(), []);
    let bad = structural::validate(&json!({"spec": {"hostNetwork": "yes"}}), schema).unwrap();
    assert_eq!(bad.len(), 2, "{bad:?}");
}

#[test]
fn deep_nesting_is_an_error() {
    let mut deep = Value::Null;
    for _ in 0..1000 {
        deep = json!([deep]);
    }
    assert!(structural::validate(&deep, &crd()).is_err());
    assert!(schema::from_crd(&deep).is_err());
    assert!(kubemerge::merge_patch::apply(&deep, &json!({})).is_err());
}
