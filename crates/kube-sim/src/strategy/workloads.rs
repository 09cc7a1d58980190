//! Deployments, ReplicaSets, StatefulSets, DaemonSets, ReplicationControllers.

use json_tree::{Value, json};

use super::{immutable, not_negative, pods};
use crate::registry::Resource;
use crate::selector::LabelSelector;
use crate::status::{FieldError, FieldErrorKind};
use crate::value::{at, default, int, list_mut, text, text_map};

pub(super) fn defaults(resource: &Resource, object: &mut Value) {
    if at(object, &["spec"]).is_none() {
        return;
    }
    pods::template_defaults(object, &["spec", "template"]);
    match resource.plural() {
        "deployments" => {
            default(object, &["spec", "replicas"], 1);
            default(object, &["spec", "revisionHistoryLimit"], 10);
            default(object, &["spec", "progressDeadlineSeconds"], 600);
            default(object, &["spec", "strategy", "type"], "RollingUpdate");
            if text(object, &["spec", "strategy", "type"]) == Some("RollingUpdate") {
                default(object, &["spec", "strategy", "rollingUpdate", "maxSurge"], "25%");
                default(object, &["spec", "strategy", "rollingUpdate", "maxUnavailable"], "25%");
            }
        }
        "replicasets" => default(object, &["spec", "replicas"], 1),
        "replicationcontrollers" => {
            default(object, &["spec", "replicas"], 1);
            if let Some(labels) = at(object, &["spec", "template", "metadata", "labels"]).cloned() {
                default(object, &["spec", "selector"], labels);
            }
        }
        "statefulsets" => stateful_defaults(object),
        "daemonsets" => {
            default(object, &["metadata", "annotations", TEMPLATE_GENERATION], "1");
            default(object, &["spec", "revisionHistoryLimit"], 10);
            default(object, &["spec", "updateStrategy", "type"], "RollingUpdate");
            if text(object, &["spec", "updateStrategy", "type"]) == Some("RollingUpdate") {
                default(object, &["spec", "updateStrategy", "rollingUpdate", "maxSurge"], 0);
                default(
                    object,
                    &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"],
                    1,
                );
            }
        }
        _ => {}
    }
}

/// DaemonSets still count the versions of their template in an annotation.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Counts a changed template of a DaemonSet.
pub(super) fn count_template(old: &Value, new: &mut Value) {
    let path = ["metadata", "annotations", TEMPLATE_GENERATION];
    let count: u64 = text(old, &path).and_then(|count| count.parse().ok()).unwrap_or(1);
    let changed = at(old, &["spec", "template"]) != at(new, &["spec", "template"]);
    crate::value::set(new, &path, (count + u64::from(changed)).to_string());
}

fn stateful_defaults(object: &mut Value) {
    default(object, &["spec", "replicas"], 1);
    default(object, &["spec", "revisionHistoryLimit"], 10);
    default(object, &["spec", "podManagementPolicy"], "OrderedReady");
    default(object, &["spec", "updateStrategy", "type"], "RollingUpdate");
    if text(object, &["spec", "updateStrategy", "type"]) == Some("RollingUpdate") {
        default(object, &["spec", "updateStrategy", "rollingUpdate", "partition"], 0);
    }
    default(
        object,
        &["spec", "persistentVolumeClaimRetentionPolicy"],
        json!({"whenDeleted": "Retain", "whenScaled": "Retain"}),
    );
    for claim in list_mut(object, &["spec", "volumeClaimTemplates"]) {
        default(claim, &["apiVersion"], "v1");
        default(claim, &["kind"], "PersistentVolumeClaim");
        default(claim, &["spec", "volumeMode"], "Filesystem");
        default(claim, &["status", "phase"], "Pending");
        crate::value::remove(claim, &["metadata", "creationTimestamp"]);
    }
}

pub(super) fn validate(resource: &Resource, object: &Value) -> Vec<FieldError> {
    if resource.plural() == "controllerrevisions" {
        return Vec::new();
    }
    let mut errors = Vec::new();
    if at(object, &["spec"]).is_none() {
        return vec![FieldError::required("spec", "")];
    }
    if resource.plural() != "replicationcontrollers" {
        validate_selector(object, &mut errors);
    }
    for path in [
        &["spec", "replicas"][..],
        &["spec", "minReadySeconds"],
        &["spec", "revisionHistoryLimit"],
        &["spec", "progressDeadlineSeconds"],
    ] {
        errors.extend(not_negative(object, path));
    }
    let mut found = pods::validate(object, &["spec", "template", "spec"]);
    if resource.plural() == "statefulsets" {
        // Volumes may come from claim templates, so the real server does not look for them here.
        found.retain(|error| error.kind != FieldErrorKind::NotFound);
    }
    errors.extend(found);
    if let Some(policy) =
        text(object, &["spec", "template", "spec", "restartPolicy"]).filter(|policy| *policy != "Always")
    {
        errors.push(FieldError::not_supported(
            "spec.template.spec.restartPolicy",
            policy,
            &["Always"],
        ));
    }
    let (field, known): (&str, &[&str]) = match resource.plural() {
        "deployments" => ("strategy", &["Recreate", "RollingUpdate"]),
        _ => ("updateStrategy", &["OnDelete", "RollingUpdate"]),
    };
    if let Some(kind) = text(object, &["spec", field, "type"]).filter(|kind| !known.contains(kind)) {
        errors.push(FieldError::not_supported(format!("spec.{field}.type"), kind, known));
    }
    if text(object, &["spec", "strategy", "type"]) == Some("Recreate")
        && at(object, &["spec", "strategy", "rollingUpdate"]).is_some()
    {
        let detail = "may not be specified when strategy `type` is 'Recreate'";
        errors.push(FieldError::forbidden("spec.strategy.rollingUpdate", detail));
    }
    let zero = |field: &str| matches!(at(object, &["spec", "strategy", "rollingUpdate", field]), Some(v) if v == &json!(0) || v == "0%");
    if zero("maxSurge") && zero("maxUnavailable") {
        let shown = at(object, &["spec", "strategy", "rollingUpdate", "maxUnavailable"])
            .cloned()
            .unwrap_or_default();
        errors.push(FieldError::invalid(
            "spec.strategy.rollingUpdate.maxUnavailable",
            shown,
            "may not be 0 when `maxSurge` is 0",
        ));
    }
    errors
}

const MISMATCH: &str = "`selector` does not match template `labels`";

fn validate_selector(object: &Value, errors: &mut Vec<FieldError>) {
    let Some(selector) = at(object, &["spec", "selector"]).filter(|selector| !selector.is_null()) else {
        errors.push(FieldError::required("spec.selector", ""));
        let shown = at(object, &["spec", "template", "metadata", "labels"])
            .cloned()
            .unwrap_or(Value::Null);
        errors.push(FieldError::invalid("spec.template.metadata.labels", shown, MISMATCH));
        return;
    };
    let parsed = LabelSelector::from_object(Some(selector));
    if parsed.is_empty() {
        errors.push(FieldError::invalid(
            "spec.selector",
            selector.clone(),
            "empty selector is invalid for deployment",
        ));
        return;
    }
    let labels = text_map(object, &["spec", "template", "metadata", "labels"]);
    if !parsed.matches(&labels) {
        let shown = at(object, &["spec", "template", "metadata", "labels"])
            .cloned()
            .unwrap_or(Value::Null);
        errors.push(FieldError::invalid("spec.template.metadata.labels", shown, MISMATCH));
    }
}

/// What a StatefulSet may change; everything else in its spec stays.
const STATEFUL_MUTABLE: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

pub(super) fn validate_update(resource: &Resource, old: &Value, new: &Value) -> Vec<FieldError> {
    match resource.plural() {
        "deployments" | "replicasets" | "daemonsets" => {
            immutable(old, new, &["spec", "selector"]).into_iter().collect()
        }
        "statefulsets" => {
            let strip = |object: &Value| {
                let mut spec = at(object, &["spec"]).cloned().unwrap_or_default();
                STATEFUL_MUTABLE.iter().for_each(|field| {
                    crate::value::remove(&mut spec, &[field]);
                });
                spec
            };
            if strip(old) == strip(new) {
                return Vec::new();
            }
            let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
            vec![FieldError::forbidden("spec", detail)]
        }
        "controllerrevisions" => {
            let mut errors: Vec<FieldError> = immutable(old, new, &["data"]).into_iter().collect();
            if int(new, &["revision"]) < int(old, &["revision"]) {
                let detail = "must not be lower than the revision before";
                errors.push(FieldError::invalid(
                    "revision",
                    int(new, &["revision"]).unwrap_or(0),
                    detail,
                ));
            }
            errors
        }
        _ => Vec::new(),
    }
}
