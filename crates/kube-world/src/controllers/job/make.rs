//! New pods of a Job.

use std::collections::BTreeSet;

use jiff::Timestamp;
use json_tree::{Value, json};

use super::pods::{FAILURES, INDEX, TRACKING};
use crate::controllers::support::meta::{controller_ref, generate_name, pod_from_template, set_generated_name};
use crate::controllers::support::tree::{at, list, name, set, uid};
use crate::kind::Kind;

/// The longest host name that DNS takes.
const LONGEST_HOSTNAME: usize = 63;

/// Which pod is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Which {
    /// The index of an Indexed Job.
    pub(crate) index: Option<i64>,
    /// How often the index failed so far; only told where a limit per index asks.
    pub(crate) failures: Option<i64>,
}

/// Makes a pod; its name joins those that are taken.
pub(crate) fn pod(job: &Value, which: Which, now: Timestamp, number: usize, taken: &mut BTreeSet<String>) -> Value {
    let template = at(job, &["spec", "template"]).cloned().unwrap_or_default();
    let reference = controller_ref(Kind::JOB, job);
    let mut pod = pod_from_template(job, reference, &template);
    let finalizers: Vec<Value> = list(&pod, &["metadata", "finalizers"])
        .iter()
        .cloned()
        .chain([json!(TRACKING)])
        .collect();
    set(&mut pod, &["metadata", "finalizers"], finalizers);
    let base = match which.index {
        Some(index) => format!("{}-{index}-", name(job)),
        None => format!("{}-", name(job)),
    };
    let parts = [uid(job), &now.to_string(), &number.to_string()];
    let generated = generate_name(&base, &parts, |name| taken.contains(name));
    taken.insert(generated.clone());
    set_generated_name(&mut pod, &base, generated);
    if let Some(index) = which.index {
        set(&mut pod, &["metadata", "annotations", INDEX], index.to_string());
        set(&mut pod, &["metadata", "labels", INDEX], index.to_string());
        let host: String = format!("{}-{index}", name(job))
            .chars()
            .take(LONGEST_HOSTNAME)
            .collect();
        set(&mut pod, &["spec", "hostname"], host);
        for field in ["initContainers", "containers"] {
            tell_index(&mut pod, field);
        }
    }
    if let Some(failures) = which.failures {
        set(&mut pod, &["metadata", "annotations", FAILURES], failures.to_string());
    }
    pod
}

/// Every container learns its index from the environment.
fn tell_index(pod: &mut Value, field: &str) {
    let containers = pod
        .get_mut("spec")
        .and_then(|spec| spec.get_mut(field))
        .and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        let mut variables = list(container, &["env"]).to_vec();
        if variables
            .iter()
            .any(|variable| name_of(variable) == Some("JOB_COMPLETION_INDEX"))
        {
            continue;
        }
        variables.push(json!({"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {
            "apiVersion": "v1", "fieldPath": format!("metadata.labels['{INDEX}']")}}}));
        set(container, &["env"], variables);
    }
}

fn name_of(variable: &Value) -> Option<&str> {
    variable.get("name").and_then(Value::as_str)
}
