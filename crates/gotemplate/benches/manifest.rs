//! Parsing and executing a manifest of typical size.

#![allow(clippy::expect_used, reason = "benchmark")]

use divan::{Bencher, black_box};
use gotemplate::{Execution, Function, Functions, Map, ParamType, ReadSet, Template, Value};

fn main() {
    divan::main();
}

const MANIFEST: &str = r#"{{- $replicas := index .Cluster.ConfigItems "replicas" }}
{{ if eq .Cluster.Environment "production" }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Cluster.ConfigItems.name }}
  labels: {application: "{{ .Cluster.ConfigItems.name }}", version: "{{ .Cluster.ConfigItems.version | printf "v%s" }}"}
spec:
  replicas: {{ or $replicas "3" }}
  template:
    spec:
      containers:
{{- range $at, $az := .Values.azs }}
      - name: c{{ $at }}
        image: "registry.example.org/{{ $.Cluster.ConfigItems.name }}:{{ upper $az }}"
        env: [{name: ZONE, value: "{{ $az }}"}]
{{- if and (ne $az "eu-central-1b") (gt (len $.Values.azs) 2) }}
        resources: {limits: {cpu: "{{ $.Cluster.ConfigItems.cpu }}", memory: "{{ $.Cluster.ConfigItems.memory }}"}}
{{- end }}
{{- end }}
{{ end }}
"#;

fn functions() -> Functions {
    Functions::new().with(
        "upper",
        Function::new([ParamType::String], |_, args| {
            Ok(Value::from(
                args.first().and_then(Value::as_str).unwrap_or_default().to_uppercase(),
            ))
        }),
    )
}

fn data() -> Value {
    let items = [
        ("name", "skipper"),
        ("version", "1.2"),
        ("cpu", "100m"),
        ("memory", "1Gi"),
    ];
    let cluster = Map::new([
        ("Environment", Value::from("production")),
        ("ConfigItems", Map::strings(items).into()),
    ]);
    let azs = Value::strings(["eu-central-1a", "eu-central-1b", "eu-central-1c"]);
    Value::from(Map::new([
        ("Cluster", cluster.into()),
        ("Values", Map::new([("azs", azs)]).into()),
    ]))
    .labelled("")
}

#[divan::bench]
fn parse(bencher: Bencher<'_, '_>) {
    let functions = functions();
    bencher.bench(|| Template::parse("deployment.yaml", black_box(MANIFEST), &functions).expect("parses"));
}

#[divan::bench]
fn execute(bencher: Bencher<'_, '_>) {
    let (functions, data) = (functions(), data());
    let template = Template::parse("deployment.yaml", MANIFEST, &functions).expect("parses");
    bencher.bench(|| {
        Execution::new(&template, &functions)
            .run(black_box(&data))
            .expect("renders")
    });
}

#[divan::bench]
fn execute_recording(bencher: Bencher<'_, '_>) {
    let (functions, data) = (functions(), data());
    let template = Template::parse("deployment.yaml", MANIFEST, &functions).expect("parses");
    bencher.bench(|| {
        let mut reads = ReadSet::new();
        Execution::new(&template, &functions)
            .recorder(&mut reads)
            .run(black_box(&data))
            .map(|_| reads)
            .expect("renders")
    });
}
