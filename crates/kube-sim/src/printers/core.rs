//! Tables of the core group.

use serde_json::{Value, json};

use super::text::{age, or_none, pairs, selector, since};
use super::{Env, Printer};
use crate::value::{self, at, flag, int, list, text, text_map};

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
            cells: pod,
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
            cells: service,
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
            cells: node,
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
            cells: volume,
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
            cells: claim,
        },
        "endpoints" => Printer {
            columns: &[("Name", "string", 0), ("Endpoints", "string", 0), ("Age", "string", 0)],
            cells: |o, env| vec![name(o), endpoints(o).into(), age(o, env).into()],
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
        .map_or(0, serde_json::Map::len)
}

fn node_lost(pod: &Value) -> bool {
    text(pod, &["status", "reason"]) == Some("NodeLost")
}

/// The word for what a pod is doing, worked out as the real printer does.
fn pod_status(pod: &Value) -> String {
    let mut status = text(pod, &["status", "phase"]).unwrap_or_default().to_owned();
    if let Some(reason) = text(pod, &["status", "reason"]).filter(|reason| !reason.is_empty()) {
        reason.clone_into(&mut status);
    }
    let conditions = list(pod, &["status", "conditions"]);
    let gated = conditions
        .iter()
        .any(|c| text(c, &["type"]) == Some("PodScheduled") && text(c, &["reason"]) == Some("SchedulingGated"));
    if gated {
        status = "SchedulingGated".to_owned();
    }
    let total = list(pod, &["spec", "initContainers"]).len();
    let mut initializing = false;
    for (place, container) in list(pod, &["status", "initContainerStatuses"]).iter().enumerate() {
        if int(container, &["state", "terminated", "exitCode"]) == Some(0) || flag(container, &["started"]) {
            continue;
        }
        initializing = true;
        status = if let Some(code) = int(container, &["state", "terminated", "exitCode"]) {
            match text(container, &["state", "terminated", "reason"]).filter(|reason| !reason.is_empty()) {
                Some(reason) => format!("Init:{reason}"),
                None => format!("Init:ExitCode:{code}"),
            }
        } else {
            match text(container, &["state", "waiting", "reason"]) {
                Some(reason) if !reason.is_empty() && reason != "PodInitializing" => format!("Init:{reason}"),
                _ => format!("Init:{place}/{total}"),
            }
        };
        break;
    }
    if !initializing {
        status = container_status(pod, status);
    }
    if at(pod, &["metadata", "deletionTimestamp"]).is_some() {
        if node_lost(pod) {
            return "Unknown".to_owned();
        }
        if !matches!(text(pod, &["status", "phase"]), Some("Succeeded" | "Failed")) {
            return "Terminating".to_owned();
        }
    }
    status
}

fn container_status(pod: &Value, mut status: String) -> String {
    let mut running = false;
    for container in list(pod, &["status", "containerStatuses"]).iter().rev() {
        let reason = |state: &str| text(container, &["state", state, "reason"]).filter(|reason| !reason.is_empty());
        if let Some(reason) = reason("waiting") {
            reason.clone_into(&mut status);
        } else if let Some(reason) = reason("terminated") {
            reason.clone_into(&mut status);
        } else if let Some(code) = int(container, &["state", "terminated", "exitCode"]) {
            status = format!("ExitCode:{code}");
        } else if flag(container, &["ready"]) && at(container, &["state", "running"]).is_some() {
            running = true;
        }
    }
    if status == "Completed" && running {
        let conditions = list(pod, &["status", "conditions"]);
        let ready = conditions
            .iter()
            .any(|c| text(c, &["type"]) == Some("Ready") && text(c, &["status"]) == Some("True"));
        status = if ready { "Running" } else { "NotReady" }.to_owned();
    }
    status
}

fn pod(pod: &Value, env: &Env) -> Vec<Value> {
    let statuses = list(pod, &["status", "containerStatuses"]);
    let ready = statuses.iter().filter(|container| flag(container, &["ready"])).count();
    let restarts: i64 = statuses
        .iter()
        .filter_map(|container| int(container, &["restartCount"]))
        .sum();
    let last = statuses
        .iter()
        .filter_map(|c| text(c, &["lastState", "terminated", "finishedAt"]))
        .max();
    let restarts = match last {
        Some(when) if restarts > 0 => format!("{restarts} ({} ago)", since(when, env.now)),
        _ => restarts.to_string(),
    };
    let gates = list(pod, &["spec", "readinessGates"]);
    let gates = if gates.is_empty() {
        "<none>".to_owned()
    } else {
        let conditions = list(pod, &["status", "conditions"]);
        let met = gates.iter().filter(|gate| {
            let kind = text(gate, &["conditionType"]);
            conditions
                .iter()
                .any(|c| text(c, &["type"]) == kind && text(c, &["status"]) == Some("True"))
        });
        format!("{}/{}", met.count(), gates.len())
    };
    vec![
        name(pod),
        format!("{ready}/{}", list(pod, &["spec", "containers"]).len()).into(),
        pod_status(pod).into(),
        restarts.into(),
        age(pod, env).into(),
        or_none(text(pod, &["status", "podIP"]).unwrap_or_default()).into(),
        or_none(text(pod, &["spec", "nodeName"]).unwrap_or_default()).into(),
        or_none(text(pod, &["status", "nominatedNodeName"]).unwrap_or_default()).into(),
        gates.into(),
    ]
}

fn external_address(service: &Value) -> String {
    let fixed: Vec<&str> = list(service, &["spec", "externalIPs"])
        .iter()
        .filter_map(Value::as_str)
        .collect();
    match text(service, &["spec", "type"]) {
        Some("ExternalName") => text(service, &["spec", "externalName"]).unwrap_or_default().to_owned(),
        Some("LoadBalancer") => {
            let given = list(service, &["status", "loadBalancer", "ingress"]).iter();
            let mut all: Vec<&str> = given
                .filter_map(|entry| text(entry, &["ip"]).or_else(|| text(entry, &["hostname"])))
                .collect();
            all.extend(fixed);
            if all.is_empty() {
                "<pending>".to_owned()
            } else {
                all.join(",")
            }
        }
        _ => or_none(&fixed.join(",")),
    }
}

fn service(service: &Value, env: &Env) -> Vec<Value> {
    let ports: Vec<String> = list(service, &["spec", "ports"])
        .iter()
        .map(|port| {
            let (number, protocol) = (
                int(port, &["port"]).unwrap_or(0),
                text(port, &["protocol"]).unwrap_or("TCP"),
            );
            match int(port, &["nodePort"]).filter(|node| *node > 0) {
                Some(node) => format!("{number}:{node}/{protocol}"),
                None => format!("{number}/{protocol}"),
            }
        })
        .collect();
    vec![
        name(service),
        text(service, &["spec", "type"]).unwrap_or_default().into(),
        or_none(text(service, &["spec", "clusterIP"]).unwrap_or_default()).into(),
        external_address(service).into(),
        or_none(&ports.join(",")).into(),
        age(service, env).into(),
        pairs(service, &["spec", "selector"]).into(),
    ]
}

fn node(node: &Value, env: &Env) -> Vec<Value> {
    let ready = list(node, &["status", "conditions"])
        .iter()
        .find(|c| text(c, &["type"]) == Some("Ready"));
    let mut status = match ready.and_then(|condition| text(condition, &["status"])) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if flag(node, &["spec", "unschedulable"]) {
        status.push_str(",SchedulingDisabled");
    }
    let labels = text_map(node, &["metadata", "labels"]);
    let mut roles: Vec<&str> = labels
        .keys()
        .filter_map(|key| key.strip_prefix("node-role.kubernetes.io/"))
        .collect();
    roles.extend(labels.get("kubernetes.io/role").filter(|role| !role.is_empty()));
    roles.sort_unstable();
    let address = |kind: &str| {
        let found = list(node, &["status", "addresses"])
            .iter()
            .find(|address| text(address, &["type"]) == Some(kind));
        or_none(
            found
                .and_then(|address| text(address, &["address"]))
                .unwrap_or_default(),
        )
    };
    let info = |field: &str| {
        let found = text(node, &["status", "nodeInfo", field]).unwrap_or_default();
        if found.is_empty() {
            "<unknown>".to_owned()
        } else {
            found.to_owned()
        }
    };
    vec![
        name(node),
        status.into(),
        or_none(&roles.join(",")).into(),
        age(node, env).into(),
        text(node, &["status", "nodeInfo", "kubeletVersion"])
            .unwrap_or_default()
            .into(),
        address("InternalIP").into(),
        address("ExternalIP").into(),
        info("osImage").into(),
        info("kernelVersion").into(),
        info("containerRuntimeVersion").into(),
    ]
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

/// Access modes in their short form.
fn access_modes(object: &Value, path: &[&str]) -> String {
    let short = |mode: &str| match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    list(object, path)
        .iter()
        .filter_map(|mode| mode.as_str().map(short))
        .collect::<Vec<_>>()
        .join(",")
}

fn phase(object: &Value) -> String {
    if at(object, &["metadata", "deletionTimestamp"]).is_some() {
        return "Terminating".to_owned();
    }
    text(object, &["status", "phase"]).unwrap_or_default().to_owned()
}

fn volume(volume: &Value, env: &Env) -> Vec<Value> {
    let claim = match (
        text(volume, &["spec", "claimRef", "namespace"]),
        text(volume, &["spec", "claimRef", "name"]),
    ) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        _ => String::new(),
    };
    let unset = |path: &[&str]| {
        text(volume, path)
            .filter(|text| !text.is_empty())
            .unwrap_or("<unset>")
            .to_owned()
    };
    vec![
        name(volume),
        text(volume, &["spec", "capacity", "storage"])
            .unwrap_or_default()
            .into(),
        access_modes(volume, &["spec", "accessModes"]).into(),
        text(volume, &["spec", "persistentVolumeReclaimPolicy"])
            .unwrap_or_default()
            .into(),
        phase(volume).into(),
        claim.into(),
        text(volume, &["spec", "storageClassName"]).unwrap_or_default().into(),
        unset(&["spec", "volumeAttributesClassName"]).into(),
        text(volume, &["status", "reason"]).unwrap_or_default().into(),
        age(volume, env).into(),
        unset(&["spec", "volumeMode"]).into(),
    ]
}

fn claim(claim: &Value, env: &Env) -> Vec<Value> {
    let bound = text(claim, &["spec", "volumeName"]).unwrap_or_default();
    let (capacity, modes) = if bound.is_empty() {
        (String::new(), String::new())
    } else {
        let capacity = text(claim, &["status", "capacity", "storage"]).unwrap_or_default();
        (capacity.to_owned(), access_modes(claim, &["status", "accessModes"]))
    };
    let unset = |path: &[&str]| {
        text(claim, path)
            .filter(|text| !text.is_empty())
            .unwrap_or("<unset>")
            .to_owned()
    };
    vec![
        name(claim),
        phase(claim).into(),
        bound.into(),
        capacity.into(),
        modes.into(),
        text(claim, &["spec", "storageClassName"]).unwrap_or_default().into(),
        unset(&["spec", "volumeAttributesClassName"]).into(),
        age(claim, env).into(),
        unset(&["spec", "volumeMode"]).into(),
    ]
}

fn endpoints(object: &Value) -> String {
    let mut all = Vec::new();
    for subset in list(object, &["subsets"]) {
        let ports = list(subset, &["ports"]);
        for address in list(subset, &["addresses"])
            .iter()
            .filter_map(|address| text(address, &["ip"]))
        {
            if ports.is_empty() {
                all.push(address.to_owned());
            }
            all.extend(
                ports
                    .iter()
                    .map(|port| format!("{address}:{}", int(port, &["port"]).unwrap_or(0))),
            );
        }
    }
    let more = all.len().saturating_sub(3);
    let shown = all.iter().take(3).cloned().collect::<Vec<_>>().join(",");
    if more > 0 {
        format!("{shown} + {more} more...")
    } else {
        or_none(&shown)
    }
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
