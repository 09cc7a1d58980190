//! Tables of kinds that few people list.

use json_tree::Value;

use super::Printer;
use super::core::{containers, name, number};
use super::text::{age, pairs};
use crate::value::{at, list, text};

pub(super) fn printer(group: &str, plural: &str) -> Option<Printer> {
    Some(match (group, plural) {
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Validations", "integer", 0),
                ("ParamKind", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |o, env| {
                let kind = |field: &str| text(o, &["spec", "paramKind", field]).unwrap_or_default();
                let params = match at(o, &["spec", "paramKind"]) {
                    Some(Value::Object(_)) => format!("{}/{}", kind("apiVersion"), kind("kind")),
                    _ => "<unset>".to_owned(),
                };
                vec![
                    name(o),
                    list(o, &["spec", "validations"]).len().into(),
                    params.into(),
                    age(o, env).into(),
                ]
            },
        },
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings") => Printer {
            columns: &[
                ("Name", "string", 0),
                ("PolicyName", "string", 0),
                ("ParamRef", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |o, env| {
                vec![
                    name(o),
                    text(o, &["spec", "policyName"]).unwrap_or_default().into(),
                    param_ref(o).into(),
                    age(o, env).into(),
                ]
            },
        },
        ("flowcontrol.apiserver.k8s.io", "flowschemas") => Printer {
            columns: &[
                ("Name", "string", 0),
                ("PriorityLevel", "string", 0),
                ("MatchingPrecedence", "string", 0),
                ("DistinguisherMethod", "string", 0),
                ("Age", "string", 0),
                ("MissingPL", "string", 0),
            ],
            cells: |o, env| {
                let level = text(o, &["spec", "priorityLevelConfiguration", "name"]).unwrap_or("<none>");
                let method = text(o, &["spec", "distinguisherMethod", "type"]).unwrap_or("<none>");
                let dangling = list(o, &["status", "conditions"])
                    .iter()
                    .find(|c| text(c, &["type"]) == Some("Dangling"));
                let missing = dangling.and_then(|c| text(c, &["status"])).unwrap_or("?");
                let precedence = number(o, &["spec", "matchingPrecedence"]);
                vec![
                    name(o),
                    level.into(),
                    precedence,
                    method.into(),
                    age(o, env).into(),
                    missing.into(),
                ]
            },
        },
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations") => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Type", "string", 0),
                ("NominalConcurrencyShares", "string", 0),
                ("Queues", "string", 0),
                ("HandSize", "string", 0),
                ("QueueLengthLimit", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |o, env| {
                let shown = |path: &[&str]| {
                    at(o, path)
                        .filter(|found| found.is_number())
                        .cloned()
                        .unwrap_or_else(|| "<none>".into())
                };
                let queuing = |field: &str| shown(&["spec", "limited", "limitResponse", "queuing", field]);
                vec![
                    name(o),
                    text(o, &["spec", "type"]).unwrap_or_default().into(),
                    shown(&["spec", "limited", "nominalConcurrencyShares"]),
                    queuing("queues"),
                    queuing("handSize"),
                    queuing("queueLengthLimit"),
                    age(o, env).into(),
                ]
            },
        },
        ("storage.k8s.io", "csistoragecapacities") => Printer {
            columns: &[("Name", "string", 0), ("Created At", "date", 0)],
            cells: |o, _| {
                vec![
                    name(o),
                    text(o, &["metadata", "creationTimestamp"]).unwrap_or_default().into(),
                ]
            },
        },
        ("", "podtemplates") => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Containers", "string", 0),
                ("Images", "string", 0),
                ("Pod Labels", "string", 0),
            ],
            cells: |o, _| {
                let (names, images) = containers(o, &["template", "spec", "containers"]);
                vec![
                    name(o),
                    names.into(),
                    images.into(),
                    pairs(o, &["template", "metadata", "labels"]).into(),
                ]
            },
        },
        _ => return None,
    })
}

/// The parameters a binding names, or how it selects them.
fn param_ref(binding: &Value) -> String {
    let field = |name: &str| text(binding, &["spec", "paramRef", name]).unwrap_or_default();
    match at(binding, &["spec", "paramRef"]) {
        Some(Value::Object(reference)) if reference.contains_key("selector") => {
            crate::handlers::selector_text(reference.get("selector").unwrap_or(&Value::Null))
        }
        Some(Value::Object(_)) if field("namespace").is_empty() => format!("*/{}", field("name")),
        Some(Value::Object(_)) => format!("{}/{}", field("namespace"), field("name")),
        _ => "<unset>".to_owned(),
    }
}
