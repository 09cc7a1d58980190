//! Lint: each mistake is found once, with the clusters that have it.

use std::sync::Arc;

use render::{Config, Facts, Input, Renderer, lint};

use crate::support::{r1, tree};

#[test]
fn every_rule_finds_its_mistake() {
    let object = |api: &str, kind: &str| format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: x}}\n---\n");
    let files = [
        (
            "cluster/cluster.yaml",
            "{{ .Cluster.ConfigItems.replicas }}{{ .Cluster.ConfigItems.mode }}".to_owned(),
        ),
        (
            "cluster/config-defaults.yaml",
            "replicas: 1\nmode: a\nunused_item: x\n".to_owned(),
        ),
        (
            "cluster/config-schema.yaml",
            "items:\n  mode: {allowed: [a, b]}\n  api_password: {secret: true}\n".to_owned(),
        ),
        (
            "cluster/manifests/a/a.yaml",
            object("v1", "ConfigMap")
                + &object("policy/v1beta1", "PodDisruptionBudget")
                + &object("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ),
        (
            "cluster/manifests/a/b.yaml",
            "{{ .Cluster.ConfigItems.nope }}".to_owned(),
        ),
    ];
    let mut cluster = r1();
    for (key, value) in [
        ("replicas", "many"),
        ("mode", "c"),
        ("replica", "1"),
        ("api_password", "s3cret"),
    ] {
        cluster.config_items.insert(key.parse().unwrap(), value.to_owned());
    }
    for key in ["aa", "bb", "list"] {
        cluster.config_items.remove(key);
    }
    let input = Input::new(
        Arc::new(cluster),
        Config::single(tree("A", files)),
        Arc::new(Facts::default()),
    );
    let outcome = Renderer::new().render(&input);
    let findings = lint(
        &[(&input, &outcome), (&input, &outcome)],
        Some("v1.25.3".parse().unwrap()),
    );
    let found: Vec<String> = findings
        .iter()
        .map(|f| format!("{} {}: {}", f.rule.name(), f.subject, f.message))
        .collect();
    let expected = [
        "render main/cluster/manifests/a/b.yaml: template: main/cluster/manifests/a/b.yaml:1:11: executing \"main/cluster/manifests/a/b.yaml\" at <.Cluster.ConfigItems.nope>: map has no entry for key \"nope\"",
        "unknown-item replica: no default, template or schema knows this item; did you mean replicas?",
        "unused-item unused_item: has a default that no template reads",
        "wrong-value mode: must be one of a, b",
        "wrong-value replicas: must be of type integer",
        "secret-in-clear api_password: is a secret and not encrypted",
        "missing-namespace main/cluster/manifests/a/a.yaml: ConfigMap x has no namespace and would go to default",
        "missing-namespace main/cluster/manifests/a/a.yaml: PodDisruptionBudget x has no namespace and would go to default",
        "removed-api main/cluster/manifests/a/a.yaml: PodDisruptionBudget x uses policy/v1beta1, which Kubernetes 1.25 removed; use policy/v1",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\ninstead of\n{expected}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert!(!format!("{findings:?}").contains("s3cret"));
    let deprecated = lint(&[(&input, &outcome)], Some("1.22".parse().unwrap()));
    assert!(deprecated.iter().any(|f| f.rule.name() == "deprecated-api"));
}
