//! Speed of loading and printing a typical manifest.

use divan::Bencher;
use yaml::{Options, load_documents, to_stream};

fn main() {
    divan::main();
}

fn text(copies: usize) -> String {
    let one = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: default\n  labels:\n    application: web\nspec:\n  replicas: 3\n  template:\n    spec:\n      containers:\n      - name: web\n        image: registry.example.org/web:v1\n        args:\n        - --port=8080\n        env:\n        - name: A\n          value: \"1\"\n        resources:\n          requests:\n            cpu: 10m\n            memory: 50Mi\n";
    vec![one; copies].join("---\n")
}

#[divan::bench(args = [1, 100])]
fn load(bencher: Bencher<'_, '_>, copies: usize) {
    let text = text(copies);
    bencher
        .counter(divan::counter::BytesCount::of_str(&text))
        .bench(|| load_documents(divan::black_box(&text), &Options::manifests()));
}

#[divan::bench(args = [1, 100])]
fn print(bencher: Bencher<'_, '_>, copies: usize) {
    let Ok(documents) = load_documents(&text(copies), &Options::manifests()) else {
        return;
    };
    bencher.bench(|| to_stream(documents.iter().map(|d| &d.value)));
}
