//! Tables of services and endpoints.

use json_tree::Value;

use super::name;
use crate::printers::Env;
use crate::printers::text::{age, or_none, pairs};
use crate::value::{int, list, text};

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

pub(super) fn service(service: &Value, env: &Env) -> Vec<Value> {
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

/// The first addresses with their ports.
pub(super) fn endpoints(object: &Value) -> String {
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
