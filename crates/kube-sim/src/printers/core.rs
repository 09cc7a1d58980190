//! Tables of the core group: the columns of each kind, and the cells of the small ones.

mod nodes;
mod pods;
mod services;
mod storage;

use json_tree::{Value, json};

use super::text::{age, pairs, selector, since};
use super::{Env, Printer};
use crate::value::{self, at, int, list, text};

pub(super) fn printer(plural: &str) -> Option<Printer> {
    Some(match plural {
        "pods" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Ready", "string", 0),
                ("Status", "string", 0),
                ("Restarts", "string", 0),
                ("Age", "string", 0),
                ("IP", "string", 1),
                ("Node", "string", 1),
                ("Nominated Node", "string", 1),
                ("Readiness Gates", "string", 1),
            ],
            cells: pods::pod,
        },
        "services" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Type", "string", 0),
                ("Cluster-IP", "string", 0),
                ("External-IP", "string", 0),
                ("Port(s)", "string", 0),
                ("Age", "string", 0),
                ("Selector", "string", 1),
            ],
            cells: services::service,
        },
        "nodes" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Status", "string", 0),
                ("Roles", "string", 0),
                ("Age", "string", 0),
                ("Version", "string", 0),
                ("Internal-IP", "string", 1),
                ("External-IP", "string", 1),
                ("OS-Image", "string", 1),
                ("Kernel-Version", "string", 1),
                ("Container-Runtime", "string", 1),
            ],
            cells: nodes::node,
        },
        "namespaces" => Printer {
            columns: &[("Name", "string", 0), ("Status", "string", 0), ("Age", "string", 0)],
            cells: |o, env| {
                vec![
                    name(o),
                    text(o, &["status", "phase"]).unwrap_or_default().into(),
                    age(o, env).into(),
                ]
            },
        },
        "configmaps" => Printer {
            columns: &[("Name", "string", 0), ("Data", "string", 0), ("Age", "string", 0)],
            cells: |o, env| {
                vec![
                    name(o),
                    (entries(o, "data") + entries(o, "binaryData")).into(),
                    age(o, env).into(),
                ]
            },
        },
        "secrets" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Type", "string", 0),
                ("Data", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |o, env| {
                vec![
                    name(o),
                    text(o, &["type"]).unwrap_or_default().into(),
                    entries(o, "data").into(),
                    age(o, env).into(),
                ]
            },
        },
        "serviceaccounts" => Printer {
            columns: &[("Name", "string", 0), ("Age", "string", 0)],
            cells: |o, env| vec![name(o), age(o, env).into()],
        },
        "events" => Printer {
            columns: &[
                ("Last Seen", "string", 0),
                ("Type", "string", 0),
                ("Reason", "string", 0),
                ("Object", "string", 0),
                ("Subobject", "string", 1),
                ("Source", "string", 1),
                ("Message", "string", 0),
                ("First Seen", "string", 1),
                ("Count", "string", 1),
                ("Name", "string", 1),
            ],
            cells: event,
        },
        "persistentvolumes" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Capacity", "string", 0),
                ("Access Modes", "string", 0),
                ("Reclaim Policy", "string", 0),
                ("Status", "string", 0),
                ("Claim", "string", 0),
                ("StorageClass", "string", 0),
                ("VolumeAttributesClass", "string", 0),
                ("Reason", "string", 0),
                ("Age", "string", 0),
                ("VolumeMode", "string", 1),
            ],
            cells: storage::volume,
        },
        "persistentvolumeclaims" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Status", "string", 0),
                ("Volume", "string", 0),
                ("Capacity", "string", 0),
                ("Access Modes", "string", 0),
                ("StorageClass", "string", 0),
                ("VolumeAttributesClass", "string", 0),
                ("Age", "string", 0),
                ("VolumeMode", "string", 1),
            ],
            cells: storage::claim,
        },
        "endpoints" => Printer {
            columns: &[("Name", "string", 0), ("Endpoints", "string", 0), ("Age", "string", 0)],
            cells: |o, env| vec![name(o), services::endpoints(o).into(), age(o, env).into()],
        },
        "resourcequotas" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Request", "string", 0),
                ("Limit", "string", 0),
                ("Age", "string", 0),
            ],
            cells: quota,
        },
        "limitranges" => Printer {
            columns: &[("Name", "string", 0), ("Created At", "date", 0)],
            cells: |o, _| {
                vec![
                    name(o),
                    text(o, &["metadata", "creationTimestamp"]).unwrap_or_default().into(),
                ]
            },
        },
        "replicationcontrollers" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Desired", "integer", 0),
                ("Current", "integer", 0),
                ("Ready", "integer", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            cells: |o, env| {
                let (names, images) = containers(o, &["spec", "template", "spec", "containers"]);
                vec![
                    name(o),
                    number(o, &["spec", "replicas"]),
                    number(o, &["status", "replicas"]),
                    number(o, &["status", "readyReplicas"]),
                    age(o, env).into(),
                    names.into(),
                    images.into(),
                    pairs(o, &["spec", "selector"]).into(),
                ]
            },
        },
        _ => return None,
    })
}

pub(super) fn name(object: &Value) -> Value {
    value::name(object).into()
}

pub(super) fn number(object: &Value, path: &[&str]) -> Value {
    int(object, path).unwrap_or(0).into()
}

/// Names and images of containers, joined by commas.
pub(super) fn containers(object: &Value, path: &[&str]) -> (String, String) {
    let join = |field: &str| {
        let found: Vec<&str> = list(object, path)
            .iter()
            .filter_map(|container| text(container, &[field]))
            .collect();
        found.join(",")
    };
    (join("name"), join("image"))
}

fn entries(object: &Value, field: &str) -> usize {
    at(object, &[field])
        .and_then(Value::as_object)
        .map_or(0, json_tree::Map::len)
}

fn event(event: &Value, env: &Env) -> Vec<Value> {
    let time = |fields: &[&[&str]]| {
        let found = fields
            .iter()
            .find_map(|path| text(event, path).filter(|when| !when.is_empty()));
        found.map_or_else(|| "<unknown>".to_owned(), |when| since(when, env.now))
    };
    let first = time(&[&["firstTimestamp"], &["eventTime"]]);
    let last = match text(event, &["series", "lastObservedTime"]) {
        Some(when) => since(when, env.now),
        None => time(&[&["lastTimestamp"], &["eventTime"]]),
    };
    let kind = text(event, &["involvedObject", "kind"])
        .unwrap_or_default()
        .to_ascii_lowercase();
    let object = format!(
        "{kind}/{}",
        text(event, &["involvedObject", "name"]).unwrap_or_default()
    );
    let source = match (text(event, &["source", "component"]), text(event, &["source", "host"])) {
        (Some(component), Some(host)) => format!("{component}, {host}"),
        (Some(component), None) => component.to_owned(),
        _ => text(event, &["reportingComponent"]).unwrap_or_default().to_owned(),
    };
    let count = int(event, &["series", "count"])
        .or_else(|| int(event, &["count"]))
        .unwrap_or(1)
        .max(1);
    vec![
        last.into(),
        text(event, &["type"]).unwrap_or_default().into(),
        text(event, &["reason"]).unwrap_or_default().into(),
        object.into(),
        text(event, &["involvedObject", "fieldPath"]).unwrap_or_default().into(),
        source.into(),
        text(event, &["message"]).unwrap_or_default().trim().into(),
        first.into(),
        count.into(),
        name(event),
    ]
}

fn quota(quota: &Value, env: &Env) -> Vec<Value> {
    let hard = at(quota, &["status", "hard"]).and_then(Value::as_object);
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (resource, bound) in hard.into_iter().flatten() {
        let used = text(quota, &["status", "used", resource]).unwrap_or("0");
        let line = format!("{resource}: {used}/{}", super::text::plain(bound));
        if resource.starts_with("limits.") {
            limits.push(line)
        } else {
            requests.push(line)
        }
    }
    vec![
        name(quota),
        requests.join(", ").into(),
        limits.join(", ").into(),
        age(quota, env).into(),
    ]
}

/// The selector of a workload, for wide tables.
pub(super) fn workload_selector(object: &Value) -> Value {
    json!(selector(object, &["spec", "selector"]))
}
