//! Tables of the remaining groups.

use json_tree::Value;

use super::core::{name, number};
use super::text::{age, or_none, selector};
use super::{Env, Printer};
use crate::value::{at, flag, int, list, text, text_map};

pub(super) fn printer(group: &str, plural: &str) -> Option<Printer> {
    Some(match (group, plural) {
        ("networking.k8s.io", "ingresses") => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Class", "string", 0),
                ("Hosts", "string", 0),
                ("Address", "string", 0),
                ("Ports", "string", 0),
                ("Age", "string", 0),
            ],
            cells: ingress,
        },
        ("networking.k8s.io", "ingressclasses") => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Controller", "string", 0),
                ("Parameters", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |o, env| {
                let parameters = match (
                    text(o, &["spec", "parameters", "kind"]),
                    text(o, &["spec", "parameters", "name"]),
                ) {
                    (Some(kind), Some(name)) => {
                        let group = text(o, &["spec", "parameters", "apiGroup"]).unwrap_or_default();
                        format!("{}/{name}", crate::status::qualified(kind, group))
                    }
                    _ => "<none>".to_owned(),
                };
                vec![
                    name(o),
                    text(o, &["spec", "controller"]).unwrap_or_default().into(),
                    parameters.into(),
                    age(o, env).into(),
                ]
            },
        },
        ("networking.k8s.io", "networkpolicies") => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Pod-Selector", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |o, env| {
                vec![
                    name(o),
                    selector(o, &["spec", "podSelector"]).into(),
                    age(o, env).into(),
                ]
            },
        },
        ("storage.k8s.io", "storageclasses") => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Provisioner", "string", 0),
                ("ReclaimPolicy", "string", 0),
                ("VolumeBindingMode", "string", 0),
                ("AllowVolumeExpansion", "string", 0),
                ("Age", "string", 0),
            ],
            cells: storage_class,
        },
        ("storage.k8s.io", "csidrivers") => Printer {
            columns: &[
                ("Name", "string", 0),
                ("AttachRequired", "boolean", 0),
                ("PodInfoOnMount", "boolean", 0),
                ("StorageCapacity", "boolean", 0),
                ("TokenRequests", "string", 0),
                ("RequiresRepublish", "boolean", 0),
                ("Modes", "string", 0),
                ("Age", "string", 0),
            ],
            cells: csi_driver,
        },
        ("storage.k8s.io", "csinodes") => Printer {
            columns: &[("Name", "string", 0), ("Drivers", "integer", 0), ("Age", "string", 0)],
            cells: |o, env| vec![name(o), list(o, &["spec", "drivers"]).len().into(), age(o, env).into()],
        },
        ("storage.k8s.io", "volumeattachments") => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Attacher", "string", 0),
                ("PV", "string", 0),
                ("Node", "string", 0),
                ("Attached", "boolean", 0),
                ("Age", "string", 0),
            ],
            cells: |o, env| {
                let get = |path: &[&str]| text(o, path).unwrap_or_default().into();
                vec![
                    name(o),
                    get(&["spec", "attacher"]),
                    get(&["spec", "source", "persistentVolumeName"]),
                    get(&["spec", "nodeName"]),
                    flag(o, &["status", "attached"]).into(),
                    age(o, env).into(),
                ]
            },
        },
        ("apiextensions.k8s.io", _) => Printer {
            columns: &[("Name", "string", 0), ("Created At", "date", 0)],
            cells: |o, _| vec![name(o), created(o)],
        },
        ("rbac.authorization.k8s.io", "roles" | "clusterroles") => Printer {
            columns: &[("Name", "string", 0), ("Created At", "date", 0)],
            cells: |o, _| vec![name(o), created(o)],
        },
        ("rbac.authorization.k8s.io", _) => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Role", "string", 0),
                ("Age", "string", 0),
                ("Users", "string", 1),
                ("Groups", "string", 1),
                ("ServiceAccounts", "string", 1),
            ],
            cells: binding,
        },
        ("coordination.k8s.io", _) => Printer {
            columns: &[("Name", "string", 0), ("Holder", "string", 0), ("Age", "string", 0)],
            cells: |o, env| {
                vec![
                    name(o),
                    text(o, &["spec", "holderIdentity"]).unwrap_or_default().into(),
                    age(o, env).into(),
                ]
            },
        },
        ("discovery.k8s.io", _) => Printer {
            columns: &[
                ("Name", "string", 0),
                ("AddressType", "string", 0),
                ("Ports", "string", 0),
                ("Endpoints", "string", 0),
                ("Age", "string", 0),
            ],
            cells: endpoint_slice,
        },
        ("scheduling.k8s.io", _) => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Value", "integer", 0),
                ("Global-Default", "boolean", 0),
                ("Age", "string", 0),
                ("PreemptionPolicy", "string", 0),
            ],
            cells: |o, env| {
                vec![
                    name(o),
                    number(o, &["value"]),
                    flag(o, &["globalDefault"]).into(),
                    age(o, env).into(),
                    text(o, &["preemptionPolicy"]).unwrap_or_default().into(),
                ]
            },
        },
        ("apiregistration.k8s.io", _) => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Service", "string", 0),
                ("Available", "string", 0),
                ("Age", "string", 0),
            ],
            cells: api_service,
        },
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations" | "mutatingwebhookconfigurations") => {
            Printer {
                columns: &[("Name", "string", 0), ("Webhooks", "integer", 0), ("Age", "string", 0)],
                cells: |o, env| vec![name(o), list(o, &["webhooks"]).len().into(), age(o, env).into()],
            }
        }
        ("node.k8s.io", _) => Printer {
            columns: &[("Name", "string", 0), ("Handler", "string", 0), ("Age", "string", 0)],
            cells: |o, env| {
                vec![
                    name(o),
                    text(o, &["handler"]).unwrap_or_default().into(),
                    age(o, env).into(),
                ]
            },
        },
        ("certificates.k8s.io", _) => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Age", "string", 0),
                ("SignerName", "string", 0),
                ("Requestor", "string", 0),
                ("RequestedDuration", "string", 0),
                ("Condition", "string", 0),
            ],
            cells: certificate_request,
        },
        _ => return None,
    })
}

fn created(object: &Value) -> Value {
    text(object, &["metadata", "creationTimestamp"])
        .unwrap_or_default()
        .into()
}

fn ingress(ingress: &Value, env: &Env) -> Vec<Value> {
    let rules = list(ingress, &["spec", "rules"]);
    let hosts: Vec<&str> = rules
        .iter()
        .filter_map(|rule| text(rule, &["host"]).filter(|host| !host.is_empty()))
        .collect();
    let more = hosts.len().saturating_sub(3);
    let mut shown = hosts.iter().take(3).copied().collect::<Vec<_>>().join(",");
    if more > 0 {
        shown = format!("{shown} + {more} more...");
    }
    let addresses: Vec<&str> = list(ingress, &["status", "loadBalancer", "ingress"])
        .iter()
        .filter_map(|entry| {
            text(entry, &["ip"])
                .filter(|ip| !ip.is_empty())
                .or_else(|| text(entry, &["hostname"]))
        })
        .collect();
    let ports = if list(ingress, &["spec", "tls"]).is_empty() {
        "80"
    } else {
        "80, 443"
    };
    vec![
        name(ingress),
        text(ingress, &["spec", "ingressClassName"]).unwrap_or("<none>").into(),
        if shown.is_empty() { "*".to_owned() } else { shown }.into(),
        addresses.join(",").into(),
        ports.into(),
        age(ingress, env).into(),
    ]
}

fn storage_class(class: &Value, env: &Env) -> Vec<Value> {
    let annotations = text_map(class, &["metadata", "annotations"]);
    let is_default = annotations.get("storageclass.kubernetes.io/is-default-class") == Some(&"true");
    let shown = crate::value::name(class);
    vec![
        if is_default {
            format!("{shown} (default)")
        } else {
            shown.to_owned()
        }
        .into(),
        text(class, &["provisioner"]).unwrap_or_default().into(),
        text(class, &["reclaimPolicy"]).unwrap_or("Delete").into(),
        text(class, &["volumeBindingMode"]).unwrap_or("Immediate").into(),
        flag(class, &["allowVolumeExpansion"]).into(),
        age(class, env).into(),
    ]
}

fn csi_driver(driver: &Value, env: &Env) -> Vec<Value> {
    let texts = |path: &[&str]| {
        list(driver, path)
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(",")
    };
    let tokens: Vec<&str> = list(driver, &["spec", "tokenRequests"])
        .iter()
        .filter_map(|request| text(request, &["audience"]))
        .collect();
    let modes = texts(&["spec", "volumeLifecycleModes"]);
    vec![
        name(driver),
        flag(driver, &["spec", "attachRequired"]).into(),
        flag(driver, &["spec", "podInfoOnMount"]).into(),
        flag(driver, &["spec", "storageCapacity"]).into(),
        if tokens.is_empty() {
            "<unset>".to_owned()
        } else {
            tokens.join(",")
        }
        .into(),
        flag(driver, &["spec", "requiresRepublish"]).into(),
        or_none(&modes).into(),
        age(driver, env).into(),
    ]
}

fn binding(binding: &Value, env: &Env) -> Vec<Value> {
    let of = |kind: &str| {
        let subjects = list(binding, &["subjects"])
            .iter()
            .filter(|subject| text(subject, &["kind"]) == Some(kind));
        let names = subjects.map(
            |subject| match text(subject, &["namespace"]).filter(|_| kind == "ServiceAccount") {
                Some(namespace) => format!("{namespace}/{}", text(subject, &["name"]).unwrap_or_default()),
                None => text(subject, &["name"]).unwrap_or_default().to_owned(),
            },
        );
        names.collect::<Vec<_>>().join(", ")
    };
    let kind = text(binding, &["roleRef", "kind"]).unwrap_or_default();
    let role = format!("{kind}/{}", text(binding, &["roleRef", "name"]).unwrap_or_default());
    vec![
        name(binding),
        role.into(),
        age(binding, env).into(),
        of("User").into(),
        of("Group").into(),
        of("ServiceAccount").into(),
    ]
}

fn endpoint_slice(slice: &Value, env: &Env) -> Vec<Value> {
    let ports: Vec<String> = list(slice, &["ports"])
        .iter()
        .filter_map(|port| int(port, &["port"]))
        .map(|p| p.to_string())
        .collect();
    let addresses: Vec<&str> = list(slice, &["endpoints"])
        .iter()
        .flat_map(|endpoint| list(endpoint, &["addresses"]).iter().filter_map(Value::as_str))
        .collect();
    let shorten = |all: Vec<String>, unset: &str| {
        let more = all.len().saturating_sub(3);
        let shown = all.iter().take(3).cloned().collect::<Vec<_>>().join(",");
        match (all.is_empty(), more) {
            (true, _) => unset.to_owned(),
            (false, 0) => shown,
            (false, more) => format!("{shown} + {more} more..."),
        }
    };
    vec![
        name(slice),
        text(slice, &["addressType"]).unwrap_or_default().into(),
        shorten(ports, "<unset>").into(),
        shorten(addresses.into_iter().map(str::to_owned).collect(), "<unset>").into(),
        age(slice, env).into(),
    ]
}

fn api_service(service: &Value, env: &Env) -> Vec<Value> {
    let shown = match (
        text(service, &["spec", "service", "namespace"]),
        text(service, &["spec", "service", "name"]),
    ) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        _ => "Local".to_owned(),
    };
    let condition = list(service, &["status", "conditions"])
        .iter()
        .find(|c| text(c, &["type"]) == Some("Available"));
    let available = match condition {
        Some(c) if text(c, &["status"]) == Some("True") => "True".to_owned(),
        Some(c) => format!(
            "{} ({})",
            text(c, &["status"]).unwrap_or_default(),
            text(c, &["reason"]).unwrap_or_default()
        ),
        None => "Unknown".to_owned(),
    };
    vec![name(service), shown.into(), available.into(), age(service, env).into()]
}

fn certificate_request(request: &Value, env: &Env) -> Vec<Value> {
    let conditions = list(request, &["status", "conditions"]);
    let has = |kind: &str| conditions.iter().any(|c| text(c, &["type"]) == Some(kind));
    let mut status = if has("Denied") {
        "Denied"
    } else if has("Approved") {
        "Approved"
    } else {
        "Pending"
    }
    .to_owned();
    if has("Failed") {
        status.push_str(",Failed");
    }
    if at(request, &["status", "certificate"]).is_some() {
        status.push_str(",Issued");
    }
    let seconds =
        int(request, &["spec", "expirationSeconds"]).map_or_else(|| "<none>".to_owned(), super::text::duration);
    vec![
        name(request),
        age(request, env).into(),
        text(request, &["spec", "signerName"]).unwrap_or("<none>").into(),
        text(request, &["spec", "username"]).unwrap_or_default().into(),
        seconds.into(),
        status.into(),
    ]
}
