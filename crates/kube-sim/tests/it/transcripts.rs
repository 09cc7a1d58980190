//! Sessions with a real control plane, replayed: the same requests must get the same answers.

use std::path::Path;

use http::Request;
use http_body_util::BodyExt;
use kube_sim::ApiServer;
use serde_json::Value;
use tower::ServiceExt;

use crate::support::*;

/// In this order: later sessions build on the namespaces of earlier ones.
const SESSIONS: &[&str] =
    &["basics", "patch", "apply", "workloads", "pods", "services", "others", "lists", "custom", "policies", "namespaces"];

/// Steps that we answer otherwise, with the reason. A step that comes to agree must leave the list.
const DIFFERENCES: &[(&str, &str, &str)] = &[];

/// Where an answer differs from the recorded one; what differs between any two runs is marked in the recording.
fn differences(path: &str, expected: &Value, found: &Value, out: &mut Vec<String>) {
    match (expected, found) {
        (Value::String(mark), _) if mark.starts_with('<') && mark.ends_with('>') && is_mark(mark) => {}
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                match b.get(key) {
                    Some(other) => differences(&format!("{path}.{key}"), value, other, out),
                    None => out.push(format!("{path}.{key}: missing, expected {value}")),
                }
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
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

fn is_mark(text: &str) -> bool {
    matches!(text, "<volatile>" | "<uid>" | "<time>" | "<age>" | "<continue>" | "<name>")
}

/// Texts may have marks inside.
fn same_text(expected: &str, found: &str) -> bool {
    let mut rest = found;
    let parts: Vec<&str> = expected.split("<volatile>").flat_map(|part| part.split("<uid>")).collect();
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
    let mut request = Request::builder().method(text("method")).uri(text("path")).header("user-agent", "transcript/1");
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
        .map(|value| Value::from(value.to_str().unwrap().trim_start_matches("299 - ").trim_matches('"').replace("\\\"", "\"")))
        .collect();
    if let Some(wanted) = expected.get("warnings") {
        differences("warnings", wanted, &Value::from(warnings), &mut out);
    }
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let found = serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned()));
    if let Some(wanted) = expected.get("body") {
        differences("", wanted, &found, &mut out);
    }
    out
}

#[tokio::test]
async fn a_real_control_plane_gave_the_same_answers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let server = server();
    let mut wrong = Vec::new();
    let mut count = 0;
    for session in SESSIONS {
        let text = std::fs::read_to_string(folder.join(format!("{session}.json"))).unwrap();
        let steps: Vec<Value> = serde_json::from_str(&text).unwrap();
        for step in steps.iter().filter(|step| step.get("user").is_none_or(|user| user == "admin")) {
            count += 1;
            let name = step["name"].as_str().unwrap();
            let found = replay(&server, step).await;
            let known = DIFFERENCES.iter().any(|(s, n, _)| s == session && *n == name);
            if found.is_empty() == known {
                let verdict = if known { "agrees now".to_owned() } else { found.join("\n    ") };
                wrong.push(format!("{session}: {name} ({} {})\n    {verdict}", step["method"], step["path"]));
            }
        }
    }
    assert!(count > 250, "only {count} steps were replayed");
    assert!(wrong.is_empty(), "{} of {count} steps differ:\n{}", wrong.len(), wrong.join("\n"));
}
