//! Tables of nodes.

use json_tree::Value;

use super::name;
use crate::printers::Env;
use crate::printers::text::{age, or_none};
use crate::value::{flag, list, text, text_map};

pub(super) fn node(node: &Value, env: &Env) -> Vec<Value> {
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
