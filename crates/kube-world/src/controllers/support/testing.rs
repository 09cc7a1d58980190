//! Pods for tests of planners.

use std::collections::BTreeMap;
use std::sync::Arc;

use json_tree::{Value, json};

use super::meta::controller_of;
use super::pods::Pod;
use super::tree::{at, int, list, name, namespace, text, time, uid};
use crate::cache::{Amounts, NamedPort, Owner, Phase, PodNetwork, PodView};

/// Reads a pod object; what it leaves out is as empty as can be.
pub(crate) fn pod(pod: &Value) -> Pod {
    let conditions = list(pod, &["status", "conditions"]);
    let ready = conditions.iter().find(|one| text(one, &["type"]) == Some("Ready"));
    let labels = at(pod, &["metadata", "labels"])
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let labels: BTreeMap<Box<str>, Box<str>> = labels
        .map(|(key, value)| (key.as_str().into(), value.as_str().unwrap().into()))
        .collect();
    let owner = |owner: &Value| {
        let part = |field: &str| Arc::from(text(owner, &[field]).unwrap_or_default());
        Arc::new(Owner {
            api_version: part("apiVersion"),
            kind: part("kind"),
            name: part("name"),
            uid: part("uid"),
        })
    };
    Arc::new(PodView {
        namespace: namespace(pod).into(),
        name: name(pod).into(),
        uid: uid(pod).into(),
        version: 0,
        labels: Arc::new(labels),
        node: text(pod, &["spec", "nodeName"]).map(Arc::from),
        phase: match text(pod, &["status", "phase"]) {
            Some("Running") => Phase::Running,
            Some("Succeeded") => Phase::Succeeded,
            Some("Failed") => Phase::Failed,
            Some("Unknown") => Phase::Unknown,
            _ => Phase::Pending,
        },
        ready: ready.is_some_and(|one| text(one, &["status"]) == Some("True")),
        ready_since: ready.and_then(|one| time(one, &["lastTransitionTime"])),
        controller: controller_of(pod).map(owner),
        created: time(pod, &["metadata", "creationTimestamp"]).unwrap_or_default(),
        deleting_by: time(pod, &["metadata", "deletionTimestamp"]),
        deletion_grace: int(pod, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0),
        requests: Arc::new(Amounts::default()),
        network: Arc::new(network(pod)),
        measures: Arc::default(),
        claims: Box::default(),
        priority: 0,
        started: time(pod, &["status", "startTime"]),
        ip: text(pod, &["status", "podIP"]).and_then(|address| address.parse().ok()),
        mirror: false,
        restarts: 0,
    })
}

fn network(pod: &Value) -> PodNetwork {
    let field = |name: &str| text(pod, &["spec", name]).unwrap_or_default().into();
    let containers = list(pod, &["spec", "containers"]).iter();
    let ports = containers.flat_map(|container| list(container, &["ports"]));
    let named = |port: &Value| {
        Some(NamedPort {
            name: text(port, &["name"])?.into(),
            protocol: text(port, &["protocol"]).unwrap_or("TCP").into(),
            number: int(port, &["containerPort"])?,
        })
    };
    PodNetwork {
        hostname: field("hostname"),
        subdomain: field("subdomain"),
        ports: ports.filter_map(named).collect(),
    }
}

/// A pod that runs and is ready or not.
pub(crate) fn running(name: &str, ready: bool) -> Value {
    let word = if ready { "True" } else { "False" };
    json!({"metadata": {"name": name, "namespace": "x", "uid": format!("uid-{name}")}, "spec": {"nodeName": "n1"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": word,
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})
}
