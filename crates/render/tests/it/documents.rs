//! Facts 39 and 44 to 47: manifestHash, documents, files, deletions.

use std::sync::Arc;

use render::{Config, Facts, Input, Renderer, parse_deletions, parse_files};
use serde_json::json;

use crate::support::{r1, tree};

fn manifests(files: &[(&str, &str)]) -> render::Outcome {
    let mut all = vec![("cluster/cluster.yaml".to_owned(), "x".to_owned())];
    all.extend(
        files
            .iter()
            .map(|(path, text)| (format!("cluster/manifests/{path}"), (*text).to_owned())),
    );
    let input = Input::new(
        Arc::new(r1()),
        Config::single(tree("A", all)),
        Arc::new(Facts::default()),
    );
    Renderer::new().render(&input)
}

fn config_map(hash: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata: {{hash: '{hash}'}}\n")
}

#[test]
fn fact_39_manifest_hash() {
    let caller = config_map("{{ manifestHash \"x.yaml\" }}");
    let outcome = manifests(&[("a/x.yaml", "foo {{ .Cluster.LocalID }}"), ("a/y.yaml", &caller)]);
    let content = &outcome.desired.components[0].manifests[0].content;
    assert_eq!(
        content.values()[0]["data"]["hash"],
        "3347fc4918386bdbfd12e8c76003f0325000f557f28a59ec36404f323b607d30"
    );
    assert_eq!(
        outcome.errors.len(),
        1,
        "x.yaml itself is no object: {:?}",
        outcome.errors
    );
    let nested = manifests(&[
        ("a/x.yaml", &caller),
        ("a/y.yaml", &config_map("{{ manifestHash \"x.yaml\" }}")),
    ]);
    assert!(
        nested.errors.iter().any(|e| e.to_string().contains("not reentrant")),
        "{:?}",
        nested.errors
    );
    let other = manifests(&[
        ("b/z.yaml", ""),
        ("a/y.yaml", &config_map("{{ manifestHash \"../b/z.yaml\" }}")),
    ]);
    assert!(
        other.errors[0].to_string().contains("template file not found"),
        "{:?}",
        other.errors
    );
}

#[test]
fn facts_44_and_45_objects() {
    let good = "apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\n---\napiVersion: v1\nkind: B\nmetadata: {name: b, namespace: ns}\n";
    let outcome = manifests(&[("a/a.yaml", good), ("a/b.yaml", "# {{ if false }}\n# {{ end }}\n")]);
    assert_eq!(outcome.errors, []);
    let kinds: Vec<(&str, Option<&str>, usize)> = outcome
        .desired
        .objects()
        .map(|o| (o.kind.as_str(), o.namespace.as_deref(), o.line))
        .collect();
    assert_eq!(kinds, [("A", None, 1), ("B", Some("ns"), 6)]);
    for (text, field) in [
        ("kind: A\nmetadata: {name: a}", "apiVersion"),
        ("apiVersion: v1\nmetadata: {name: a}", "kind"),
        ("apiVersion: v1\nkind: List\nitems: []", "metadata.name"),
    ] {
        let outcome = manifests(&[("a/a.yaml", text)]);
        let error = outcome.errors[0].to_string();
        assert_eq!(
            error,
            format!("main/cluster/manifests/a/a.yaml: rendered text: line 1: object has no {field}")
        );
    }
    let twice = manifests(&[("a/a.yaml", "apiVersion: v1\nkind: A\nmetadata: {name: a}\nkind: C\n")]);
    assert_eq!(twice.desired.objects().next().unwrap().kind, "C");
    assert!(twice.desired.warnings[0].text.contains("is there twice"));
}

#[test]
fn fact_46_files() {
    let files = parse_files("files:\n- path: /abc\n  data: eA==\n  permissions: 0400\n  encrypted: true\n").unwrap();
    assert_eq!(
        (files[0].permissions, files[0].archive_name()),
        (256, "/abc.enc".to_owned())
    );
    assert!(parse_files("files:\n- path: /abc\n  mode: 1\n").is_err());
    assert!(parse_files("files:\n- path: /abc\n  path: /b\n").is_err());
}

#[test]
fn fact_47_deletions() {
    let one = |entry: serde_json::Value| parse_deletions(&json!({"post_apply": [entry]}));
    let ok = one(json!({"kind": "Pod", "labels": {"a": "b"}, "has_owner": false})).unwrap();
    assert_eq!(
        (ok.post_apply[0].has_owner, ok.post_apply[0].namespace.as_deref()),
        (Some(false), None)
    );
    assert!(one(json!({"kind": "apps.v1.deployments", "namespace": "n", "name": "a", "grace_period_seconds": 5, "propagation_policy": "Orphan"})).is_ok());
    for (entry, part) in [
        (json!({"kind": "Pod", "name": "a", "labels": {"a": "b"}}), "only one of"),
        (json!({"kind": "Pod"}), "one of name"),
        (
            json!({"kind": "Pod", "name": "a", "has_owner": true}),
            "has_owner needs",
        ),
        (json!({"name": "a"}), "kind is required"),
        (
            json!({"kind": "Pod", "name": "a", "propagation_policy": "x"}),
            "propagation_policy must",
        ),
        (json!("x"), "must be a mapping"),
    ] {
        let error = one(entry).unwrap_err().to_string();
        assert!(error.starts_with("post_apply[0]: ") && error.contains(part), "{error}");
    }
}
