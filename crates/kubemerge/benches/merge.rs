//! What the API server does on every write: apply, strategic merge, update, on a typical Deployment.
#![allow(missing_docs, clippy::unwrap_used, reason = "benchmarks")]

use json_tree::{Value, json};
use kubemerge::apply::{self, Writer};
use kubemerge::{schema, strategic};

fn main() {
    divan::main();
}

fn deployment(image: &str) -> Value {
    let container = |name: &str| {
        json!({"name": name, "image": image, "ports": [{"containerPort": 8080}, {"containerPort": 9090, "name": "metrics"}],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}}})
    };
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": {"application": "web", "component": "api"}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"application": "web"}},
            "template": {"metadata": {"labels": {"application": "web"}},
                "spec": {"containers": [container("app"), container("sidecar")], "volumes": [{"name": "tmp", "emptyDir": {}}]}}}})
}

fn writer(manager: &str) -> Writer<'_> {
    let schema = schema::builtin("apps", "v1", "Deployment").unwrap();
    Writer {
        schema,
        manager,
        api_version: "apps/v1",
        subresource: "",
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        ignored: None,
    }
}

#[divan::bench]
fn apply_unchanged(bencher: divan::Bencher) {
    let config = deployment("registry/web:1");
    let live = apply::apply(None, &config, &writer("me"), false).unwrap().object;
    bencher.bench(|| apply::apply(Some(&live), &config, &writer("me"), false).unwrap());
}

#[divan::bench]
fn apply_changed(bencher: divan::Bencher) {
    let live = apply::apply(None, &deployment("registry/web:1"), &writer("me"), false)
        .unwrap()
        .object;
    let config = deployment("registry/web:2");
    bencher.bench(|| apply::apply(Some(&live), &config, &writer("me"), false).unwrap());
}

#[divan::bench]
fn update(bencher: divan::Bencher) {
    let live = apply::update(None, &deployment("registry/web:1"), &writer("me")).unwrap();
    let new = deployment("registry/web:2");
    bencher.bench(|| apply::update(Some(&live), &new, &writer("other")).unwrap());
}

#[divan::bench]
fn strategic_merge(bencher: divan::Bencher) {
    let live = deployment("registry/web:1");
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "registry/web:2"}]}}}});
    let schema = schema::builtin("apps", "v1", "Deployment").unwrap();
    bencher.bench(|| strategic::apply(&live, &patch, schema).unwrap());
}

/// A list map of 10,000 items, all taken over from another manager.
#[divan::bench(sample_count = 10)]
fn apply_10000_items(bencher: divan::Bencher) {
    let pod = |value: &str| {
        let env: Vec<Value> = (0..10_000)
            .map(|n| json!({"name": format!("N{n}"), "value": value}))
            .collect();
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "env": env}]}})
    };
    let of_pod = |manager| Writer {
        schema: schema::builtin("", "v1", "Pod").unwrap(),
        api_version: "v1",
        ..writer(manager)
    };
    let live = apply::apply(None, &pod("a"), &of_pod("a"), false).unwrap().object;
    let config = pod("b");
    bencher.bench(|| apply::apply(Some(&live), &config, &of_pod("b"), true).unwrap());
}
