//! The requests of the transcripts, answered by this server and compared with what a real control plane answered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Request;
use http_body_util::BodyExt;
use json_tree::{Map, Value, json};
use kube_sim::{ApiServer, Config, LoopbackWebhooks, TokenTable, UserInfo};
use ports::{Clock, SeededIds, SimClock};
use regex::Regex;
use tower::ServiceExt;

/// The sessions in the order in which they were recorded: later ones name objects of earlier ones.
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
    "empties",
    "misfits",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/kubernetes-differences.md")
}

/// A server like the one that was recorded.
fn server() -> ApiServer {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()));
    let user = |name: &str, group: &str| UserInfo {
        name: name.to_owned(),
        uid: name.to_owned(),
        groups: vec![group.to_owned()],
        ..UserInfo::default()
    };
    let tokens = TokenTable::new()
        .with("admintoken", user("admin", "system:masters"))
        .with("usertoken", user("user", ""));
    let config = Config {
        service_accounts: false,
        ..Config::default()
    };
    ApiServer::builder(clock, Arc::new(SeededIds::new(7)))
        .config(config)
        .rbac(tokens)
        .webhooks(Arc::new(LoopbackWebhooks::new()))
        .build()
}

/// Replaces what differs between any two runs, as the recorded answers have it.
struct Scrub {
    uid: Regex,
    record: Regex,
    generated: Regex,
    age: Regex,
    time: Regex,
    address: Regex,
    /// Addresses that requests name; all others are drawn at random by the server.
    named: BTreeSet<String>,
}

impl Scrub {
    fn new(requests: &str) -> Self {
        let regex = |text: &str| Regex::new(text).unwrap();
        let address = regex(r"\b10\.5\.\d+\.\d+\b");
        Self {
            named: address
                .find_iter(requests)
                .map(|found| found.as_str().to_owned())
                .collect(),
            address,
            time: regex(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
            uid: regex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
            record: regex(r"in record \(\d+\)"),
            generated: regex(r"\bgen-[a-z0-9]{5}\b"),
            age: regex(r"^((\d+[smhd])+|<unknown>|<invalid>)$"),
        }
    }

    fn text(&self, text: &str) -> String {
        let uids = self.uid.replace_all(text, |found: &regex::Captures<'_>| {
            if found[0].starts_with("00000000") {
                found[0].to_owned()
            } else {
                "<uid>".to_owned()
            }
        });
        let records = self.record.replace_all(&uids, "in record (<version>)");
        let names = self.generated.replace_all(&records, "gen-<random>");
        let times = self.time.replace_all(&names, "<time>");
        let drawn = self.address.replace_all(&times, |found: &regex::Captures<'_>| {
            if self.named.contains(&found[0]) {
                found[0].to_owned()
            } else {
                "<address>".to_owned()
            }
        });
        drawn.into_owned()
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => map
                .iter()
                .map(|(key, inner)| (key.clone(), self.member(key, inner)))
                .collect(),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::String(text) => self.text(text).into(),
            other => other.clone(),
        }
    }

    fn member(&self, key: &str, inner: &Value) -> Value {
        const VOLATILE: &[&str] = &[
            "resourceVersion",
            "creationTimestamp",
            "deletionTimestamp",
            "time",
            "selfLink",
            "evictedAt",
            "lastTransitionTime",
        ];
        match (key, inner) {
            (key, Value::String(_)) if VOLATILE.contains(&key) => "<volatile>".into(),
            ("uid", Value::String(text)) if !text.starts_with("00000000") => "<uid>".into(),
            ("continue", Value::String(text)) if text.len() > 3 => "<continue>".into(),
            ("cells", Value::Array(cells)) => cells.iter().map(|cell| self.cell(cell)).collect(),
            ("columnDefinitions", Value::Array(columns)) => columns.iter().map(column).collect(),
            _ => self.value(inner),
        }
    }

    fn cell(&self, cell: &Value) -> Value {
        match cell.as_str() {
            Some(text) if self.age.is_match(text) => "<age>".into(),
            _ => self.value(cell),
        }
    }
}

/// A column of a table without its description.
fn column(column: &Value) -> Value {
    let fields = ["name", "type", "format", "priority"];
    let kept = fields
        .iter()
        .map(|field| ((*field).to_owned(), column.get(field).cloned().unwrap_or_default()));
    Value::Object(kept.collect::<Map>())
}

/// Sends a recorded request and returns code, body and warnings.
async fn send(server: &ApiServer, step: &Value) -> (u64, Value, Vec<String>) {
    let field = |name: &str| step.get(name).and_then(Value::as_str);
    let mut request = Request::builder()
        .method(field("method").unwrap())
        .uri(field("path").unwrap())
        .header(
            "authorization",
            format!("Bearer {}token", field("user").unwrap_or("admin")),
        )
        .header("user-agent", "transcript/1");
    if let Some(media) = field("type") {
        request = request.header("content-type", media);
    }
    if let Some(accept) = field("accept") {
        request = request.header("accept", accept);
    }
    let body = match (field("raw"), step.get("body")) {
        (Some(raw), _) => raw.to_owned(),
        (None, Some(body)) => body.to_string(),
        (None, None) => String::new(),
    };
    let response = server.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let code = u64::from(response.status().as_u16());
    let warnings = response
        .headers()
        .get_all("warning")
        .iter()
        .map(|text| text.to_str().unwrap().to_owned())
        .collect();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = || Value::from(String::from_utf8_lossy(&bytes).into_owned());
    (
        code,
        serde_json::from_slice(&bytes).unwrap_or_else(|_| text()),
        warnings,
    )
}

/// Where two values differ, as lines of `path: expected | found`.
fn differences(path: &str, expected: &Value, found: &Value, out: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&json_tree::Text> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let side = |map: &Map| map.get(key).cloned();
                match (side(left), side(right)) {
                    (Some(left), Some(right)) => differences(&format!("{path}.{key}"), &left, &right, out),
                    (Some(left), None) => out.push(format!("{path}.{key}: {left} | absent")),
                    (None, right) => out.push(format!("{path}.{key}: absent | {}", right.unwrap_or_default())),
                }
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (place, (left, right)) in left.iter().zip(right).enumerate() {
                differences(&format!("{path}[{place}]"), left, right, out);
            }
        }
        _ if expected == found => {}
        _ => out.push(format!("{path}: {expected} | {found}")),
    }
}

/// Runs all sessions; the result has an entry for each step, with what differs.
async fn run() -> BTreeMap<String, Vec<String>> {
    let read = |session: &'static str| {
        let text = std::fs::read_to_string(folder().join(format!("{session}.json"))).unwrap();
        (session, serde_json::from_str::<Vec<Value>>(&text).unwrap())
    };
    let sessions: Vec<(&str, Vec<Value>)> = SESSIONS.iter().copied().map(read).collect();
    let sent = |step: &Value| format!("{}{}", step["path"], step.get("body").unwrap_or(&Value::Null));
    let requests: String = sessions.iter().flat_map(|(_, steps)| steps.iter().map(sent)).collect();
    let (server, scrub) = (server(), Scrub::new(&requests));
    let mut results = BTreeMap::new();
    for (session, steps) in &sessions {
        for step in steps {
            let name = format!("{session}: {}", step["name"].as_str().unwrap());
            let (code, body, warnings) = send(&server, step).await;
            let expected = &step["expect"];
            let mut found = Vec::new();
            differences("code", &expected["code"], &json!(code), &mut found);
            differences("body", &scrub.value(&expected["body"]), &scrub.value(&body), &mut found);
            let recorded = expected.get("warnings").cloned().unwrap_or_else(|| json!([]));
            differences("warnings", &recorded, &json!(warnings), &mut found);
            assert!(
                results.insert(name.clone(), found).is_none(),
                "two steps are called {name:?}"
            );
        }
    }
    results
}

/// The differences that are known, with their reasons.
fn known() -> BTreeMap<String, String> {
    serde_json::from_str(&std::fs::read_to_string(folder().join("differences.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn answers_agree_with_a_real_control_plane() {
    let (results, known) = (run().await, known());
    let mut report = String::new();
    for (step, found) in &results {
        match (found.is_empty(), known.contains_key(step)) {
            (false, false) => {
                let _ = writeln!(report, "{step} differs:\n  {}", found.join("\n  "));
            }
            (true, true) => {
                let _ = writeln!(report, "{step} agrees now; take it off the list");
            }
            _ => {}
        }
    }
    for step in known.keys().filter(|step| !results.contains_key(*step)) {
        let _ = writeln!(report, "{step} is on the list and in no transcript");
    }
    let differing = results.values().filter(|found| !found.is_empty()).count();
    assert!(
        report.is_empty(),
        "{} of {} steps differ\n{report}",
        differing,
        results.len()
    );
}

#[tokio::test]
async fn the_page_of_differences_is_current() {
    let known = known();
    let steps = run().await.len();
    let mut text = format!(
        "# Where kube-sim differs from a real control plane\n\n\
         `crates/kube-sim/tests/transcripts` holds {steps} requests and what a Kubernetes 1.36 API server answered. The\n\
         simulated server gives the same code, body and warnings for {} of them; these {} differ, each for a reason.\n\
         This page is written from `differences.json` there by the test suite (`UPDATE_DIFFERENCES=1`).\n\n\
         | request | reason |\n|---|---|\n",
        steps - known.len(),
        known.len()
    );
    for (step, reason) in &known {
        let _ = writeln!(text, "| {step} | {} |", reason.replace('|', "\\|"));
    }
    text.push_str(BEYOND);
    if std::env::var_os("UPDATE_DIFFERENCES").is_some() {
        std::fs::write(page(), &text).unwrap();
    }
    let found = std::fs::read_to_string(page()).unwrap_or_default();
    assert!(
        found == text,
        "docs/kubernetes-differences.md is not what differences.json says; run with UPDATE_DIFFERENCES=1"
    );
}

/// Differences that no recorded request shows.
const BEYOND: &str = "
## Beyond the recorded requests

- Rules of aggregated ClusterRoles are gathered when a request is judged; the role's own `rules` are not rewritten, as no
  controller runs.
- Impersonation knows the verb `impersonate` only, not the constrained verbs of 1.36.
- There is no type checker for CEL: unknown names, syntax and obvious result types are refused when a rule or policy is
  written; unknown fields and mixed types only show when it is evaluated. The estimated cost of rules is not limited. The
  variable `authorizer` is not offered.
- `kubectl explain` shows the fields of built-in kinds with their types and which are required, and no descriptions: the
  OpenAPI documents carry none, so that a server stays small. Custom resources show the descriptions of their schema.
- The OpenAPI documents name the types and the paths that kubectl needs; parameters and answers of each path are left out.
- Validating webhooks run one after another in the order of their configurations' names, so that runs replay.
- Webhooks are called on loopback only; Services have no network, so a webhook that is a Service needs a handler in process.
- The action `Audit` of policies and audit annotations leave no trace.
";
