//! Replays requests that were recorded at a real API server and prints where this crate comes to something else.
//!
//! `cargo run -p kubemerge --example replay -- RECORDS [SCHEMA]`. RECORDS has a JSON object on each line:
//! `op` (create, apply, update, merge, json, strategic), `manager`, `force`, `subresource`, `before` (the object as it was, or
//! null), `patch` (the body), `status`, `date` (an HTTP date) and `after` (the object, or the Status). SCHEMA is the
//! `openAPIV3Schema` of the custom resources in the records.
//!
//! Compared are owners, conflicts and refusals to the letter; objects up to what only the server fills in: defaults of
//! built-in kinds and its own metadata.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a tool for developers"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use json_tree::Value;
use kubemerge::apply::{self, ApplyError, Writer};
use kubemerge::fields::FieldSet;
use kubemerge::schema::{self, Schema};
use kubemerge::{json_patch, merge_patch, strategic, structural};

/// Fields of built-in kinds that the server fills in, or keeps for itself.
const FILLED: &str = "terminationMessagePath terminationMessagePolicy imagePullPolicy protocol restartPolicy dnsPolicy \
    schedulerName securityContext terminationGracePeriodSeconds replicas strategy revisionHistoryLimit \
    progressDeadlineSeconds uid creationTimestamp generation resourceVersion defaultMode apiVersion clusterIP clusterIPs \
    ipFamilies ipFamilyPolicy internalTrafficPolicy sessionAffinity sessionAffinityConfig type targetPort nodePort status \
    resources rollingUpdate maxSurge maxUnavailable scheme timeoutSeconds periodSeconds successThreshold failureThreshold \
    enableServiceLinks preemptionPolicy priority tolerations name namespace medium externalTrafficPolicy template metadata \
    emptyDir";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let records = std::fs::File::open(arguments.next().unwrap()).unwrap();
    let custom = arguments.next().map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        schema::from_crd(&serde_json::from_str(&text).unwrap()).unwrap()
    });
    let (mut compared, mut counts) = (0, BTreeMap::<String, usize>::new());
    for (number, line) in BufReader::new(records).lines().enumerate() {
        let record: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let Some(findings) = replay(&record, custom.as_ref()) else {
            continue;
        };
        compared += 1;
        for (kind, text) in findings {
            let count = counts.entry(kind.to_owned()).or_default();
            *count += 1;
            if *count <= 4 {
                println!(
                    "line {} {} {} by {}: {kind}: {text}\n",
                    number + 1,
                    record["resource"],
                    record["op"],
                    record["manager"]
                );
            }
        }
    }
    println!("compared {compared} requests; differences: {counts:?}");
}

/// What differs, by kind; `None` when the record says nothing about this crate, such as a refusal by validation.
fn replay(record: &Value, custom: Option<&Schema>) -> Option<Vec<(&'static str, String)>> {
    let (before, after, patch) = (&record["before"], &record["after"], &record["patch"]);
    let version = [before, patch, after]
        .iter()
        .find_map(|object| object["apiVersion"].as_str())?;
    let kind = [before, patch].iter().find_map(|object| object["kind"].as_str())?;
    let (group, short) = version.split_once('/').unwrap_or(("", version));
    let built_in = schema::builtin(group, short, kind);
    let schema = built_in.or(custom)?;
    let status = record["status"].as_u64()?;
    let subresource = record["subresource"].as_str().unwrap_or_default();
    let ignored = match (subresource, kind) {
        ("status", _) => Some(FieldSet::of_names(&[&["spec"], &["metadata"]])),
        (_, "ConfigMap") => None,
        _ => Some(FieldSet::of_names(&[&["status"]])),
    };
    let writer = Writer {
        schema,
        manager: record["manager"].as_str()?,
        api_version: version,
        subresource,
        now: jiff::fmt::rfc2822::parse(record["date"].as_str()?).unwrap().timestamp(),
        ignored: ignored.as_ref(),
    };
    let live = (!before.is_null()).then_some(before);
    let done = status == 200 || status == 201;
    let mut out = Vec::new();
    match record["op"].as_str()? {
        "apply" => {
            let result = apply::apply(live, patch, &writer, record["force"] == true);
            match (&result, status) {
                (Ok(applied), 200 | 201) => {
                    if subresource.is_empty() {
                        objects(&applied.object, after, built_in.is_none(), schema, &mut out);
                    }
                    owners(&applied.object, after, &mut out);
                }
                (Err(ApplyError::Conflicts(conflicts)), 409) => {
                    let theirs = after["message"].as_str()?;
                    if conflicts.to_string() != theirs {
                        out.push(("conflict text", format!("\n  ours:   {conflicts}\n  theirs: {theirs}")));
                    }
                }
                (Err(error), 500) => {
                    let theirs = after["message"].as_str()?;
                    if error.to_string() != theirs {
                        out.push(("typed text", format!("\n  ours:   {error}\n  theirs: {theirs}")));
                    }
                }
                (Ok(_), 400 | 422) => return None,
                (ours, _) => out.push((
                    "outcome",
                    format!("{ours:?}\n theirs: {status} {after}\n patch: {patch}\n before: {before}"),
                )),
            }
        }
        op => {
            let patched = match op {
                "merge" => merge_patch::apply(before, patch).map_err(|error| error.to_string()),
                "json" => json_patch::apply(before, patch).map_err(|error| error.to_string()),
                "strategic" => strategic::apply(before, patch, schema).map_err(|error| error.to_string()),
                _ => Ok(patch.clone()),
            };
            match patched {
                Ok(patched) if done => {
                    if op != "update" && op != "create" {
                        objects(&patched, after, built_in.is_none(), schema, &mut out);
                    }
                    let mut new = after.clone();
                    if op == "create" && kind == "Pod" {
                        // Admission sets these after the owners have been worked out.
                        let spec = new["spec"].as_object_mut()?;
                        for name in ["priority", "preemptionPolicy", "tolerations"] {
                            spec.remove(name);
                        }
                        if let Some(given) = patch.pointer("/spec/tolerations") {
                            spec.insert("tolerations", given.clone());
                        }
                    }
                    let metadata = new["metadata"].as_object_mut()?;
                    metadata.remove("managedFields");
                    if let Some(given) = patched.pointer("/metadata/managedFields") {
                        metadata.insert("managedFields", given.clone());
                    }
                    owners(&apply::update(live, &new, &writer).unwrap(), after, &mut out);
                }
                Ok(_) if op == "json" && after["message"].as_str()?.contains("request is invalid") => {
                    out.push((
                        "json patch outcome",
                        format!("theirs: {}\n patch: {patch}", after["message"]),
                    ));
                }
                Ok(_) => return None,
                Err(error) if done => out.push((
                    "patch outcome",
                    format!("ours: {error}, theirs: {after}\n patch: {patch}\n before: {before}"),
                )),
                Err(error) => {
                    let theirs = after["details"]["causes"][0]["message"]
                        .as_str()
                        .or(after["message"].as_str())?;
                    // Of a JSON patch that does not fit the API server tells nothing.
                    if theirs != error && !theirs.starts_with("the server rejected our request") {
                        out.push((
                            "patch text",
                            format!("{status}\n  ours:   {error}\n  theirs: {theirs}\n  patch: {patch}"),
                        ));
                    }
                }
            }
        }
    }
    Some(out)
}

fn objects(ours: &Value, theirs: &Value, exact: bool, schema: &Schema, out: &mut Vec<(&'static str, String)>) {
    let mut ours = ours.clone();
    if exact {
        structural::prune(&mut ours, schema).unwrap();
        structural::default(&mut ours, schema).unwrap();
    }
    // Kind and version cannot be changed; the status has a path of its own.
    for name in ["kind", "apiVersion", "status"] {
        match theirs.get(name) {
            Some(value) => ours[name] = value.clone(),
            None => drop(ours.as_object_mut().and_then(|map| map.remove(name))),
        }
    }
    let mut found = Vec::new();
    differ(&ours, theirs, "", exact, &mut found);
    if !found.is_empty() {
        out.push(("object", found.join("\n  ")));
    }
}

/// What Go leaves out of a built-in object.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_zero),
        Value::Bool(true) => false,
    }
}

fn differ(ours: &Value, theirs: &Value, path: &str, exact: bool, out: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let own = |name: &str| {
                path == ".metadata"
                    && matches!(
                        name,
                        "managedFields" | "resourceVersion" | "generation" | "uid" | "creationTimestamp"
                    )
            };
            for (name, value) in a.iter().filter(|(name, _)| !own(name)) {
                let below = format!("{path}.{name}");
                match b.get(name) {
                    Some(other) => differ(value, other, &below, exact, out),
                    None if is_zero(value) && (!exact || path.starts_with(".metadata")) => {}
                    None => out.push(format!("{below}: ours {value}, theirs absent")),
                }
            }
            for (name, value) in b.iter().filter(|(name, _)| !own(name) && !a.contains_key(name)) {
                let filled = !exact && (FILLED.split_whitespace().any(|filled| filled == name) || is_zero(value));
                if !filled {
                    out.push(format!("{path}.{name}: ours absent, theirs {value}"));
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differ(a, b, &format!("{path}[{index}]"), exact, out);
            }
        }
        _ if ours == theirs => {}
        _ if !exact && is_zero(ours) => {}
        _ => out.push(format!("{path}: ours {ours}, theirs {theirs}")),
    }
}

/// Compares managedFields; of their times only whether they are there.
fn owners(ours: &Value, theirs: &Value, out: &mut Vec<(&'static str, String)>) {
    let entries = |object: &Value| -> Vec<Value> {
        let list = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        let timed = |entry: &Value| {
            let mut entry = entry.clone();
            entry["time"] = Value::from(entry.get("time").is_some());
            entry
        };
        list.into_iter().flatten().map(timed).collect()
    };
    let (a, b) = (entries(ours), entries(theirs));
    if a == b {
        return;
    }
    let mut sorted = (a.clone(), b.clone());
    sorted.0.sort_by_key(Value::to_string);
    sorted.1.sort_by_key(Value::to_string);
    if sorted.0 == sorted.1 {
        return out.push((
            "order of owners",
            format!("{:?}", ours.pointer("/metadata/managedFields")),
        ));
    }
    let show = |side: &[Value], other: &[Value]| {
        let only: Vec<String> = side
            .iter()
            .filter(|entry| !other.contains(entry))
            .map(Value::to_string)
            .collect();
        only.join("\n    ")
    };
    out.push((
        "owners",
        format!("\n  ours:   {}\n  theirs: {}", show(&a, &b), show(&b, &a)),
    ));
}
