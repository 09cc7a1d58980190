//! Canonical printing.

use serde_json::{Value, json};
use yaml::{Options, load_value, to_stream, to_string};

#[track_caller]
fn check(value: Value, expected: &str) {
    assert_eq!(to_string(&value), expected);
    if !value.is_null() {
        assert_eq!(load_value(expected, &Options::manifests()).unwrap().value, value);
    }
}

#[test]
fn a_manifest() {
    check(
        json!({
            "kind": "Pod",
            "apiVersion": "v1",
            "spec": {"containers": [{"name": "a", "args": ["-x", "--y=1"], "env": [], "resources": {}}], "on": true},
        }),
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - args:\n    - -x\n    - --y=1\n    env: []\n    name: a\n    resources: {}\n  \"on\": true\n",
    );
}

#[test]
fn ambiguous_texts_are_quoted() {
    check(
        json!([
            "yes",
            "0644",
            "1e3",
            "~",
            "",
            "null",
            "2020-01-01",
            "plain text",
            "a: b",
            "a #b",
            "- x",
            "it's",
            "#c",
            "x\ty",
            "@a",
            "a:"
        ]),
        "- \"yes\"\n- \"0644\"\n- \"1e3\"\n- \"~\"\n- \"\"\n- \"null\"\n- \"2020-01-01\"\n- plain text\n- 'a: b'\n- 'a #b'\n- '- x'\n- it's\n- '#c'\n- \"x\\ty\"\n- '@a'\n- 'a:'\n",
    );
}

#[test]
fn blocks() {
    check(json!({"a": "one\ntwo\n"}), "a: |\n  one\n  two\n");
    check(json!({"a": "one\n\ntwo"}), "a: |-\n  one\n\n  two\n");
    check(json!({"a": "one\n\n", "b": 1}), "a: |+\n  one\n\nb: 1\n");
    check(json!({"a": " one\ntwo"}), "a: \" one\\ntwo\"\n");
    check(
        json!([["a", "b"], [{"k": "x\ny\n"}]]),
        "- - a\n  - b\n- - k: |\n      x\n      y\n",
    );
}

#[test]
fn numbers_and_roots() {
    check(
        json!({"a": 1.5, "b": -3, "c": u64::MAX}),
        "a: 1.5\nb: -3\nc: 18446744073709551615\n",
    );
    assert_eq!(to_string(&json!({"a": 2.0})), "a: 2\n");
    check(json!("a\nb"), "\"a\\nb\"\n");
    check(json!({}), "{}\n");
    assert_eq!(to_string(&Value::Null), "null\n");
    assert_eq!(to_stream(&[json!({"a": 1}), json!([2])]), "a: 1\n---\n- 2\n");
}

#[test]
fn long_keys_are_explicit() {
    let key = "k".repeat(2000);
    let value = json!({ key.as_str(): {"a": [1]}, "b": 1 });
    assert_eq!(
        load_value(&to_string(&value), &Options::manifests()).unwrap().value,
        value
    );
}
