//! Sessions with a real control plane, replayed: the same requests must get the same answers.

use std::path::Path;

use http::Request;
use http_body_util::BodyExt;
use kube_sim::{ApiServer, Config};
use serde_json::Value;
use tower::ServiceExt;

use crate::support::*;

/// In this order: later sessions build on the namespaces of earlier ones.
const SESSIONS: &[&str] = &[
    "basics",
    "patch",
    "apply",
    "workloads",
    "pods",
    "services",
    "others",
    "lists",
    "custom",
    "policies",
    "namespaces",
];

/// Steps that we answer otherwise, by the reason. A step that comes to agree is printed, so that it can leave the list.
const DIFFERENCES: &[(&str, &[(&str, &str)])] = &[
    (
        "Go's own words for a value or a reader's error",
        &[
            ("basics", "not JSON"),
            ("basics", "empty body"),
            ("basics", "wrong type of a field"),
            ("basics", "two controllers"),
            ("patch", "merge that is a list"),
            ("patch", "json that is no list"),
            ("patch", "strategic with a missing merge key"),
            ("patch", "strategic with an unknown directive"),
            ("apply", "not YAML"),
            ("workloads", "replicas as text"),
            ("workloads", "job template is immutable"),
            ("pods", "other fields may not"),
            ("pods", "budget with both"),
            ("others", "role ref is immutable"),
            ("others", "claim is immutable"),
            ("lists", "bad label selector"),
            ("lists", "bad continue"),
            ("custom", "no storage version"),
            ("custom", "not structural"),
        ],
    ),
    (
        "doubled keys in JSON are not reported; kubectl reports them itself",
        &[("basics", "duplicate field, strict")],
    ),
    (
        "a patched object that does not fit is refused as a bad request, with the same words",
        &[
            ("patch", "merge of a wrong type"),
            ("patch", "strategic with an unknown field, strict"),
        ],
    ),
    (
        "new items of a merged list come last here",
        &[("patch", "strategic merges containers by name")],
    ),
    (
        "the owners of one second are ordered by name",
        &[("apply", "status by a controller"), ("lists", "table of deployments")],
    ),
    (
        "an earlier step that sets and drops replicas leaves other owners",
        &[
            ("workloads", "generation grew"),
            ("workloads", "labels do not raise the generation"),
            ("workloads", "status raises nothing and spec stays"),
            ("workloads", "status through the main resource is dropped"),
        ],
    ),
    (
        "requests above limits are not compared",
        &[("pods", "limits below requests")],
    ),
    (
        "Go writes unset times of conditions as null",
        &[
            ("pods", "status ready"),
            ("pods", "the budget counts it"),
            ("pods", "evicted pod is terminating"),
            ("pods", "delete now"),
            ("others", "event"),
            ("lists", "table of budgets"),
        ],
    ),
    (
        "addresses and times are drawn anew",
        &[
            ("services", "bad name"),
            ("lists", "table of services"),
            ("lists", "table of roles"),
        ],
    ),
    (
        "the admission plugins for taints of new nodes and for volumes in use belong to their controllers",
        &[
            ("others", "node"),
            ("others", "cordon"),
            ("others", "claim"),
            ("lists", "table of nodes"),
            ("lists", "table of claims"),
        ],
    ),
    (
        "rules of nodes and events that no client of ours breaks",
        &[
            ("others", "taint twice"),
            ("others", "provider id may not change"),
            ("others", "event in another namespace"),
            ("lists", "table of events"),
        ],
    ),
    (
        "reviews are not tracked, and who may what is configured otherwise",
        &[("others", "may he"), ("others", "whose token")],
    ),
    (
        "an object of a step above is there or not",
        &[
            ("lists", "by absence"),
            ("lists", "table of secrets"),
            ("custom", "table"),
            ("custom", "list"),
        ],
    ),
    (
        "the annotation is not shown in real tables",
        &[("lists", "table of daemon sets")],
    ),
    (
        "definitions are established at once",
        &[
            ("custom", "create"),
            ("custom", "established"),
            ("custom", "delete the definition"),
        ],
    ),
    (
        "the hash of a custom resource's storage and the order of its verbs",
        &[("custom", "discovery")],
    ),
    (
        "rules in CEL are another part",
        &[
            ("custom", "required"),
            ("custom", "enum"),
            ("custom", "pattern and length"),
            ("custom", "wrong type"),
            ("custom", "too many items"),
            ("custom", "required in items"),
            ("custom", "rule"),
            ("custom", "int or string, wrong"),
            ("policies", "policy"),
            ("policies", "policy with a bad expression"),
            ("policies", "policy binding"),
            ("policies", "policy denies"),
            ("policies", "policy denies an update"),
            ("policies", "webhook with a bad name"),
            ("policies", "webhook without TLS"),
        ],
    ),
    ("a scale without replicas is zero here", &[("custom", "scale")]),
    (
        "owners after a forced apply of a custom list",
        &[("custom", "apply, forced"), ("custom", "apply a second item")],
    ),
    (
        "an empty namespace is gone at once",
        &[("namespaces", "delete"), ("namespaces", "create in a terminating one")],
    ),
];

/// Where an answer differs from the recorded one; what differs between any two runs is marked in the recording.
fn differences(path: &str, expected: &Value, found: &Value, out: &mut Vec<String>) {
    match (expected, found) {
        (Value::String(mark), _) if mark.starts_with('<') && mark.ends_with('>') && is_mark(mark) => {}
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a.iter().filter(|(key, _)| !passed_over(path, key)) {
                match b.get(key) {
                    Some(other) => differences(&format!("{path}.{key}"), value, other, out),
                    None => out.push(format!("{path}.{key}: missing, expected {value}")),
                }
            }
            for (key, value) in b
                .iter()
                .filter(|(key, _)| !a.contains_key(*key) && !passed_over(path, key))
            {
                out.push(format!("{path}.{key}: unexpected {value}"));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (place, (value, other)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{place}]"), value, other, out);
            }
        }
        (Value::String(a), Value::String(b)) if same_text(a, b) => {}
        (a, b) if a == b => {}
        (a, b) => out.push(format!("{path}: expected {a}, found {b}")),
    }
}

/// Differences of all answers: columns are not described at length, and items of lists carry their kind.
fn passed_over(path: &str, key: &str) -> bool {
    let (column, item) = (
        path.starts_with(".columnDefinitions["),
        path.starts_with(".items[") && path.ends_with(']'),
    );
    (column && key == "description") || (item && !path[1..].contains('.') && (key == "kind" || key == "apiVersion"))
}

fn is_mark(text: &str) -> bool {
    matches!(
        text,
        "<volatile>" | "<uid>" | "<age>" | "<continue>" | "<random>" | "<version>"
    )
}

/// Texts may have marks inside.
fn same_text(expected: &str, found: &str) -> bool {
    let mut rest = found;
    let mut marked = expected.to_owned();
    for mark in ["<uid>", "<random>", "<version>", "<age>"] {
        marked = marked.replace(mark, "<volatile>");
    }
    let parts: Vec<&str> = marked.split("<volatile>").collect();
    if parts.len() == 1 {
        return expected == found;
    }
    for (place, part) in parts.iter().enumerate() {
        match rest.find(part) {
            Some(0) if place == 0 => rest = &rest[part.len()..],
            Some(at) if place > 0 => rest = &rest[at + part.len()..],
            _ => return false,
        }
    }
    true
}

async fn replay(server: &ApiServer, step: &Value) -> Vec<String> {
    let text = |key: &str| step[key].as_str().unwrap_or_default();
    let body = step.get("raw").and_then(Value::as_str).map_or_else(
        || step.get("body").map(Value::to_string).unwrap_or_default(),
        str::to_owned,
    );
    let mut request = Request::builder()
        .method(text("method"))
        .uri(text("path"))
        .header("user-agent", "transcript/1");
    for (header, key) in [("content-type", "type"), ("accept", "accept")] {
        if !text(key).is_empty() {
            request = request.header(header, text(key));
        }
    }
    let response = server.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let code = response.status().as_u16();
    let mut out = Vec::new();
    let expected = &step["expect"];
    if expected["code"] != code {
        out.push(format!("code: expected {}, found {code}", expected["code"]));
    }
    let warnings: Vec<Value> = response
        .headers()
        .get_all("warning")
        .iter()
        .map(|value| Value::from(value.to_str().unwrap()))
        .collect();
    if let Some(wanted) = expected.get("warnings") {
        differences("warnings", wanted, &Value::from(warnings), &mut out);
    }
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let found =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned()));
    if let Some(wanted) = expected.get("body") {
        differences("", wanted, &found, &mut out);
    }
    out
}

#[tokio::test]
async fn a_real_control_plane_gave_the_same_answers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let server = with_config(Config {
        service_accounts: false,
        ..Config::default()
    });
    let mut wrong = Vec::new();
    let mut count = 0;
    for session in SESSIONS {
        let text = std::fs::read_to_string(folder.join(format!("{session}.json"))).unwrap();
        let steps: Vec<Value> = serde_json::from_str(&text).unwrap();
        for step in steps
            .iter()
            .filter(|step| step.get("user").is_none_or(|user| user == "admin"))
        {
            count += 1;
            let name = step["name"].as_str().unwrap();
            let found = replay(&server, step).await;
            let is_it = |(of, step): &(&str, &str)| of == session && *step == name;
            match (
                found.is_empty(),
                DIFFERENCES.iter().any(|(_, steps)| steps.iter().any(is_it)),
            ) {
                (true, true) => println!("{session}: {name} agrees now"),
                (false, false) => {
                    let (method, path) = (&step["method"], &step["path"]);
                    wrong.push(format!(
                        "{session}: {name} ({method} {path})\n    {}",
                        found.join("\n    ")
                    ));
                }
                _ => {}
            }
        }
    }
    assert!(count > 250, "only {count} steps were replayed");
    assert!(
        wrong.is_empty(),
        "{} of {count} steps differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
