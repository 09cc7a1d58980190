//! Jobs and CronJobs.

use json_tree::{Value, json};

use super::{immutable, not_negative, pods, required};
use crate::registry::Resource;
use crate::status::FieldError;
use crate::value::{self, at, at_mut, default, flag, map_at, text};

fn job_spec_defaults(spec: &mut Value) {
    default(spec, &["completionMode"], "NonIndexed");
    default(spec, &["suspend"], false);
    default(spec, &["podReplacementPolicy"], "TerminatingOrFailed");
    if at(spec, &["completions"]).is_none() && at(spec, &["parallelism"]).is_none() {
        default(spec, &["completions"], 1);
    }
    default(spec, &["parallelism"], 1);
    if at(spec, &["backoffLimitPerIndex"]).is_some() {
        default(spec, &["backoffLimit"], i32::MAX);
    }
    default(spec, &["backoffLimit"], 6);
}

pub(super) fn defaults(resource: &Resource, object: &mut Value) {
    if resource.plural() == "cronjobs" {
        default(object, &["spec", "concurrencyPolicy"], "Allow");
        default(object, &["spec", "suspend"], false);
        default(object, &["spec", "successfulJobsHistoryLimit"], 3);
        default(object, &["spec", "failedJobsHistoryLimit"], 1);
        pods::template_defaults(object, &["spec", "jobTemplate", "spec", "template"]);
        if at(object, &["spec", "jobTemplate"]).is_some() {
            default(object, &["spec", "jobTemplate", "metadata"], json!({}));
        }
        return;
    }
    pods::template_defaults(object, &["spec", "template"]);
    if let Some(spec) = at_mut(object, &["spec"]) {
        job_spec_defaults(spec);
    }
    // The selector is the server's to make: it is the job's own uid, so that two jobs never share pods.
    default(object, &["spec", "manualSelector"], false);
    let uid = value::uid(object).to_owned();
    if !uid.is_empty() && !flag(object, &["spec", "manualSelector"]) && at(object, &["spec", "selector"]).is_none() {
        let name = value::name(object).to_owned();
        let labels = map_at(object, &["spec", "template", "metadata", "labels"]);
        for (key, label) in [
            ("batch.kubernetes.io/controller-uid", &uid),
            ("batch.kubernetes.io/job-name", &name),
            ("controller-uid", &uid),
            ("job-name", &name),
        ] {
            labels.insert(key, label.as_str().into());
        }
        if let Some(labels) = at(object, &["spec", "template", "metadata", "labels"]).cloned() {
            default(object, &["metadata", "labels"], labels);
        }
        default(
            object,
            &["spec", "selector"],
            json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}),
        );
    }
}

fn validate_job(object: &Value, path: &[&str]) -> Vec<FieldError> {
    let under = |rest: &[&'static str]| path.iter().copied().chain(rest.iter().copied()).collect::<Vec<_>>();
    let mut errors = Vec::new();
    for field in [
        "parallelism",
        "completions",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "activeDeadlineSeconds",
    ] {
        errors.extend(not_negative(object, &under(&[field])));
    }
    errors.extend(pods::validate(object, &under(&["template", "spec"])));
    let policy = under(&["template", "spec", "restartPolicy"]);
    if text(object, &policy).is_some_and(|found| !["OnFailure", "Never"].contains(&found)) {
        // The template's own default is not one a job may have, so jobs have to choose.
        let detail = "valid values: \"OnFailure\", \"Never\"";
        errors.push(FieldError::required(policy.join("."), detail));
    }
    errors
}

pub(super) fn validate(resource: &Resource, object: &Value) -> Vec<FieldError> {
    if resource.plural() != "cronjobs" {
        return validate_job(object, &["spec"]);
    }
    let mut errors: Vec<FieldError> = required(object, &["spec", "schedule"]).into_iter().collect();
    if let Some(schedule) = text(object, &["spec", "schedule"]).filter(|schedule| !schedule.is_empty()) {
        let fields = schedule
            .split_whitespace()
            .filter(|part| !part.starts_with("TZ=") && !part.starts_with("CRON_TZ="))
            .count();
        if fields != 5 && !schedule.starts_with('@') {
            let detail = format!("expected exactly 5 fields, found {fields}: [{schedule}]");
            errors.push(FieldError::invalid("spec.schedule", schedule, detail));
        }
    }
    if let Some(policy) = text(object, &["spec", "concurrencyPolicy"])
        && !["Allow", "Forbid", "Replace"].contains(&policy)
    {
        errors.push(FieldError::not_supported(
            "spec.concurrencyPolicy",
            policy,
            &["Allow", "Forbid", "Replace"],
        ));
    }
    if value::name(object).len() > 52 {
        errors.push(FieldError::invalid(
            "metadata.name",
            value::name(object),
            "must be no more than 52 characters",
        ));
    }
    errors.extend(validate_job(object, &["spec", "jobTemplate", "spec"]));
    errors
}

pub(super) fn validate_update(resource: &Resource, old: &Value, new: &Value) -> Vec<FieldError> {
    if resource.plural() == "cronjobs" {
        return Vec::new();
    }
    let mut errors: Vec<FieldError> = Vec::new();
    errors.extend(immutable(old, new, &["spec", "selector"]));
    errors.extend(immutable(old, new, &["spec", "completionMode"]));
    // A suspended job that never ran may still be changed.
    let fresh = flag(old, &["spec", "suspend"]) && at(old, &["status", "startTime"]).is_none();
    if !fresh {
        errors.extend(immutable(old, new, &["spec", "template"]));
    }
    if text(new, &["spec", "completionMode"]) != Some("Indexed") {
        errors.extend(immutable(old, new, &["spec", "completions"]));
    }
    errors
}
