//! Tables of workloads: apps, batch, autoscaling, policy.

use jiff::Timestamp;
use json_tree::Value;

use super::core::{containers, name, number, workload_selector};
use super::text::{age, duration, pairs, plain, since};
use super::{Env, Printer};
use crate::value::{at, int, list, text};

const TEMPLATE: &[&str] = &["spec", "template", "spec", "containers"];

pub(super) fn printer(plural: &str) -> Option<Printer> {
    Some(match plural {
        "deployments" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Ready", "string", 0),
                ("Up-to-date", "string", 0),
                ("Available", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            cells: |o, env| {
                let (names, images) = containers(o, TEMPLATE);
                vec![
                    name(o),
                    ready(o),
                    number(o, &["status", "updatedReplicas"]),
                    number(o, &["status", "availableReplicas"]),
                    age(o, env).into(),
                    names.into(),
                    images.into(),
                    workload_selector(o),
                ]
            },
        },
        "replicasets" => Printer {
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
                let (names, images) = containers(o, TEMPLATE);
                vec![
                    name(o),
                    number(o, &["spec", "replicas"]),
                    number(o, &["status", "replicas"]),
                    number(o, &["status", "readyReplicas"]),
                    age(o, env).into(),
                    names.into(),
                    images.into(),
                    workload_selector(o),
                ]
            },
        },
        "statefulsets" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Ready", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
            ],
            cells: |o, env| {
                let (names, images) = containers(o, TEMPLATE);
                vec![name(o), ready(o), age(o, env).into(), names.into(), images.into()]
            },
        },
        "daemonsets" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Desired", "integer", 0),
                ("Current", "integer", 0),
                ("Ready", "integer", 0),
                ("Up-to-date", "integer", 0),
                ("Available", "integer", 0),
                ("Node Selector", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            cells: |o, env| {
                let (names, images) = containers(o, TEMPLATE);
                vec![
                    name(o),
                    number(o, &["status", "desiredNumberScheduled"]),
                    number(o, &["status", "currentNumberScheduled"]),
                    number(o, &["status", "numberReady"]),
                    number(o, &["status", "updatedNumberScheduled"]),
                    number(o, &["status", "numberAvailable"]),
                    pairs(o, &["spec", "template", "spec", "nodeSelector"]).into(),
                    age(o, env).into(),
                    names.into(),
                    images.into(),
                    workload_selector(o),
                ]
            },
        },
        "controllerrevisions" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Controller", "string", 0),
                ("Revision", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |o, env| {
                vec![
                    name(o),
                    controller(o).into(),
                    number(o, &["revision"]),
                    age(o, env).into(),
                ]
            },
        },
        "jobs" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Status", "string", 0),
                ("Completions", "string", 0),
                ("Duration", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            cells: job,
        },
        "cronjobs" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Schedule", "string", 0),
                ("Timezone", "string", 0),
                ("Suspend", "boolean", 0),
                ("Active", "integer", 0),
                ("Last Schedule", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            cells: cron_job,
        },
        "horizontalpodautoscalers" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Reference", "string", 0),
                ("Targets", "string", 0),
                ("MinPods", "string", 0),
                ("MaxPods", "string", 0),
                ("Replicas", "string", 0),
                ("Age", "string", 0),
            ],
            cells: autoscaler,
        },
        "poddisruptionbudgets" => Printer {
            columns: &[
                ("Name", "string", 0),
                ("Min Available", "string", 0),
                ("Max Unavailable", "string", 0),
                ("Allowed Disruptions", "integer", 0),
                ("Age", "string", 0),
            ],
            cells: |o, env| {
                let bound = |field: &str| at(o, &["spec", field]).map_or_else(|| "N/A".to_owned(), plain).into();
                vec![
                    name(o),
                    bound("minAvailable"),
                    bound("maxUnavailable"),
                    number(o, &["status", "disruptionsAllowed"]),
                    age(o, env).into(),
                ]
            },
        },
        _ => return None,
    })
}

fn ready(object: &Value) -> Value {
    let count = |path: &[&str]| int(object, path).unwrap_or(0);
    format!(
        "{}/{}",
        count(&["status", "readyReplicas"]),
        count(&["spec", "replicas"])
    )
    .into()
}

/// The controller of an object as `kind.group/name`.
fn controller(object: &Value) -> String {
    let owners = list(object, &["metadata", "ownerReferences"]);
    owners
        .iter()
        .find(|owner| crate::value::flag(owner, &["controller"]))
        .map_or_else(
            || "<none>".to_owned(),
            |owner| {
                let (group, _) = crate::registry::split_api_version(text(owner, &["apiVersion"]).unwrap_or_default());
                let kind = text(owner, &["kind"]).unwrap_or_default().to_ascii_lowercase();
                format!(
                    "{}/{}",
                    crate::status::qualified(&kind, group),
                    text(owner, &["name"]).unwrap_or_default()
                )
            },
        )
}

fn job(job: &Value, env: &Env) -> Vec<Value> {
    let conditions = list(job, &["status", "conditions"]);
    let has = |kind: &str| {
        conditions
            .iter()
            .any(|c| text(c, &["type"]) == Some(kind) && text(c, &["status"]) == Some("True"))
    };
    let status = if has("Complete") {
        "Complete"
    } else if has("Failed") {
        "Failed"
    } else if at(job, &["metadata", "deletionTimestamp"]).is_some() {
        "Terminating"
    } else if has("Suspended") {
        "Suspended"
    } else if has("FailureTarget") {
        "FailureTarget"
    } else {
        "Running"
    };
    let succeeded = int(job, &["status", "succeeded"]).unwrap_or(0);
    let completions = match int(job, &["spec", "completions"]) {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None => match int(job, &["spec", "parallelism"]).unwrap_or(0) {
            parallel if parallel > 1 => format!("{succeeded}/1 of {parallel}"),
            _ => format!("{succeeded}/1"),
        },
    };
    let seconds = |when: &str| when.parse::<Timestamp>().map(Timestamp::as_second).ok();
    let took = text(job, &["status", "startTime"]).and_then(seconds).map(|start| {
        let end = text(job, &["status", "completionTime"])
            .and_then(seconds)
            .unwrap_or_else(|| env.now.as_second());
        duration(end - start)
    });
    let (names, images) = containers(job, TEMPLATE);
    vec![
        name(job),
        status.into(),
        completions.into(),
        took.unwrap_or_default().into(),
        age(job, env).into(),
        names.into(),
        images.into(),
        workload_selector(job),
    ]
}

fn cron_job(job: &Value, env: &Env) -> Vec<Value> {
    let template = &["spec", "jobTemplate", "spec", "template", "spec", "containers"];
    let (names, images) = containers(job, template);
    let last = text(job, &["status", "lastScheduleTime"]);
    let suspended = if crate::value::flag(job, &["spec", "suspend"]) {
        "True"
    } else {
        "False"
    };
    let selector = at(job, &["spec", "jobTemplate", "spec", "selector"]).map(crate::handlers::selector_text);
    vec![
        name(job),
        text(job, &["spec", "schedule"]).unwrap_or_default().into(),
        text(job, &["spec", "timeZone"]).unwrap_or("<none>").into(),
        suspended.into(),
        list(job, &["status", "active"]).len().into(),
        last.map_or_else(|| "<none>".to_owned(), |when| since(when, env.now))
            .into(),
        age(job, env).into(),
        names.into(),
        images.into(),
        selector.unwrap_or_else(|| "<none>".to_owned()).into(),
    ]
}

/// One metric's current value and target.
fn metric(spec: &Value, current: Option<&Value>) -> String {
    let kind = text(spec, &["type"]).unwrap_or_default();
    let section = match kind {
        "Resource" => "resource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let read = |source: Option<&Value>, side: &str, field: &str| {
        source.and_then(|source| at(source, &[section, side, field])).map(plain)
    };
    let prefix = match section {
        "resource" | "containerResource" => format!("{}: ", text(spec, &[section, "name"]).unwrap_or_default()),
        _ => String::new(),
    };
    let unknown = || "<unknown>".to_owned();
    if let Some(target) = read(Some(spec), "target", "averageUtilization") {
        let now = read(current, "current", "averageUtilization").map_or_else(unknown, |now| format!("{now}%"));
        return format!("{prefix}{now}/{target}%");
    }
    if let Some(target) = read(Some(spec), "target", "averageValue") {
        let now = read(current, "current", "averageValue").unwrap_or_else(unknown);
        let average = if prefix.is_empty() && section != "pods" {
            " (avg)"
        } else {
            ""
        };
        return format!("{prefix}{now}/{target}{average}");
    }
    let target = read(Some(spec), "target", "value").unwrap_or_default();
    format!("{}/{target}", read(current, "current", "value").unwrap_or_else(unknown))
}

fn autoscaler(object: &Value, env: &Env) -> Vec<Value> {
    let (specs, statuses) = (
        list(object, &["spec", "metrics"]),
        list(object, &["status", "currentMetrics"]),
    );
    let mut shown: Vec<String> = specs
        .iter()
        .enumerate()
        .take(2)
        .map(|(place, spec)| metric(spec, statuses.get(place)))
        .collect();
    if specs.len() > 2 {
        shown = vec![format!("{} + {} more...", shown.join(", "), specs.len() - 2)];
    }
    if let Some(target) = int(object, &["spec", "targetCPUUtilizationPercentage"]) {
        let now = int(object, &["status", "currentCPUUtilizationPercentage"]);
        shown.push(format!(
            "cpu: {}/{target}%",
            now.map_or_else(|| "<unknown>".to_owned(), |now| format!("{now}%"))
        ));
    }
    let kind = text(object, &["spec", "scaleTargetRef", "kind"]).unwrap_or_default();
    let target = text(object, &["spec", "scaleTargetRef", "name"]).unwrap_or_default();
    let least = int(object, &["spec", "minReplicas"]).map_or_else(|| "<unset>".to_owned(), |number| number.to_string());
    vec![
        name(object),
        format!("{kind}/{target}").into(),
        if shown.is_empty() {
            "<none>".to_owned()
        } else {
            shown.join(", ")
        }
        .into(),
        least.into(),
        number(object, &["spec", "maxReplicas"]),
        int(object, &["status", "currentReplicas"]).unwrap_or(0).into(),
        age(object, env).into(),
    ]
}
