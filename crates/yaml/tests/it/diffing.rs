//! Field diff.

use serde_json::{Value, json};
use yaml::{Change, diff};

#[track_caller]
fn check(old: Value, new: Value, expected: &[&str]) {
    let found: Vec<String> = diff(&old, &new)
        .into_iter()
        .map(|c| match c.change {
            Change::Added(v) => format!("+ {}: {v}", c.path),
            Change::Removed(v) => format!("- {}: {v}", c.path),
            Change::Changed { old, new } => format!("~ {}: {old} -> {new}", c.path),
            Change::Reordered => format!("= {}", c.path),
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn fields() {
    check(json!({"a": 1}), json!({"a": 1}), &[]);
    check(
        json!({"a": {"b": 1, "c": 2}, "x.y/z": 1}),
        json!({"a": {"b": 2, "d": null}, "x.y/z": 2}),
        &["~ a.b: 1 -> 2", "- a.c: 2", "+ a.d: null", "~ [\"x.y/z\"]: 1 -> 2"],
    );
    check(json!(1), json!("1"), &["~ : 1 -> \"1\""]);
}

#[test]
fn list_elements_by_name() {
    check(
        json!({"containers": [{"name": "a", "image": "x:1"}, {"name": "b"}]}),
        json!({"containers": [{"name": "c"}, {"name": "a", "image": "x:2"}]}),
        &[
            "~ containers[name=a].image: \"x:1\" -> \"x:2\"",
            "- containers[name=b]: {\"name\":\"b\"}",
            "+ containers[name=c]: {\"name\":\"c\"}",
        ],
    );
    check(
        json!([{"containerPort": 80, "p": 1}]),
        json!([{"containerPort": 80, "p": 2}]),
        &["~ [containerPort=80].p: 1 -> 2"],
    );
    check(
        json!([{"name": "a"}, {"name": "b"}]),
        json!([{"name": "b"}, {"name": "a"}]),
        &["= "],
    );
}

#[test]
fn lists_without_a_key() {
    check(
        json!(["--a", "--b", "--z"]),
        json!(["--a", "--c", "--d", "--z"]),
        &["~ [1]: \"--b\" -> \"--c\"", "+ [2]: \"--d\""],
    );
    check(json!([1, 2, 3]), json!([1, 3]), &["- [1]: 2"]);
    check(
        json!([{"name": "a"}, {"name": "a"}]),
        json!([{"name": "a"}]),
        &["- [1]: {\"name\":\"a\"}"],
    );
}
