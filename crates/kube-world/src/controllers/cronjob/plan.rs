//! What a CronJob does in one turn: start what is due, keep its list of running Jobs, clear the history.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};

use super::schedule::{Schedule, ScheduleError, Schedules};
use crate::controllers::job::plan::finished;
use crate::controllers::support::acts::Acts;
use crate::controllers::support::meta::controller_ref;
use crate::controllers::support::tree::{
    at, created, deleting, flag, int, list, name, namespace, remove, set, stamp, text, time, uid,
};
use crate::kind::Kind;

/// Everything the planner looks at.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) cron: &'a Value,
    /// The Jobs that it controls.
    pub(crate) jobs: &'a [Arc<Value>],
    /// Schedules that were read before.
    pub(crate) schedules: &'a Schedules,
    pub(crate) now: Timestamp,
}

/// Plans one turn.
pub(crate) fn plan(input: &Input<'_>) -> Acts {
    let mut acts = Acts::default();
    let mut status = input.cron.get("status").cloned().unwrap_or_else(|| json!({}));
    let gone = clear_history(input, &mut acts);
    let mut active = follow(input, &gone, &mut status, &mut acts);
    if !deleting(input.cron) && !flag(input.cron, &["spec", "suspend"]) {
        match schedule(input) {
            Ok(schedule) => start(input, &schedule, &mut active, &mut status, &mut acts),
            Err(error @ ScheduleError::UnknownZone { .. }) => {
                let zone = text(input.cron, &["spec", "timeZone"]).unwrap_or_default();
                let message = format!("invalid timeZone: \"{zone}\": {error}");
                acts.warn(Kind::CRON_JOB, input.cron, "UnknownTimeZone", message);
            }
            Err(error) => {
                let schedule = text(input.cron, &["spec", "schedule"]).unwrap_or_default();
                let message = format!("unparseable schedule: \"{schedule}\" : {error}");
                acts.warn(Kind::CRON_JOB, input.cron, "UnparseableSchedule", message);
            }
        }
    }
    if active.is_empty() {
        remove(&mut status, &["active"]);
    } else {
        set(&mut status, &["active"], active);
    }
    acts.status(Kind::CRON_JOB, input.cron, &status);
    acts
}

fn schedule(input: &Input<'_>) -> Result<Arc<Schedule>, ScheduleError> {
    let schedule = text(input.cron, &["spec", "schedule"]).unwrap_or_default();
    input.schedules.read(schedule, text(input.cron, &["spec", "timeZone"]))
}

/// Deletes finished Jobs beyond the limits, oldest first; returns their names.
fn clear_history<'a>(input: &Input<'a>, acts: &mut Acts) -> Vec<&'a str> {
    let mut gone = Vec::new();
    for (kind, field) in [
        ("Complete", "successfulJobsHistoryLimit"),
        ("Failed", "failedJobsHistoryLimit"),
    ] {
        let Some(limit) = int(input.cron, &["spec", field]) else {
            continue;
        };
        let mut jobs: Vec<&Arc<Value>> = input.jobs.iter().filter(|job| finished(job) == Some(kind)).collect();
        jobs.sort_by_key(|job| (time(job, &["status", "startTime"]), name(job)));
        let count = jobs.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        for job in jobs.into_iter().take(count).filter(|job| !deleting(job)) {
            delete_job(input, job, acts);
            gone.push(name(job));
        }
    }
    gone
}

fn delete_job(input: &Input<'_>, job: &Value, acts: &mut Acts) {
    acts.delete(Kind::JOB, job);
    acts.event(
        Kind::CRON_JOB,
        input.cron,
        "SuccessfulDelete",
        format!("Deleted job {}", name(job)),
    );
}

fn reference(job: &Value) -> Value {
    json!({"apiVersion": Kind::JOB.api_version(), "kind": Kind::JOB.kind, "namespace": namespace(job), "name": name(job), "uid": uid(job)})
}

/// Brings the list of running Jobs up to date and tells what ended since.
fn follow(input: &Input<'_>, gone: &[&str], status: &mut Value, acts: &mut Acts) -> Vec<Value> {
    let known = list(status, &["active"]).to_vec();
    let is_known = |job: &Value| known.iter().any(|one| text(one, &["uid"]) == Some(uid(job)));
    for one in &known {
        if !input.jobs.iter().any(|job| Some(uid(job)) == text(one, &["uid"])) {
            let missing = text(one, &["name"]).unwrap_or_default();
            acts.event(
                Kind::CRON_JOB,
                input.cron,
                "MissingJob",
                format!("Active job went missing: {missing}"),
            );
        }
    }
    let mut active = Vec::new();
    for job in input.jobs {
        match finished(job) {
            Some(condition) => {
                if is_known(job) {
                    let message = format!("Saw completed job: {}, condition: {condition}", name(job));
                    acts.event(Kind::CRON_JOB, input.cron, "SawCompletedJob", message);
                }
                let done = time(job, &["status", "completionTime"]).filter(|_| condition == "Complete");
                let last = time(status, &["lastSuccessfulTime"]);
                if let Some(done) = done.filter(|done| last.is_none_or(|last| *done > last)) {
                    set(status, &["lastSuccessfulTime"], stamp(done));
                }
            }
            None if !gone.contains(&name(job)) => active.push(reference(job)),
            None => {}
        }
    }
    active
}

fn start(input: &Input<'_>, schedule: &Schedule, active: &mut Vec<Value>, status: &mut Value, acts: &mut Acts) {
    if let Some(next) = schedule.next_after(input.now) {
        acts.wake(next);
    }
    let cron = input.cron;
    let last = time(status, &["lastScheduleTime"]);
    let deadline = int(cron, &["spec", "startingDeadlineSeconds"]);
    let mut earliest = last.or_else(|| created(cron)).unwrap_or(input.now);
    let oldest = deadline.and_then(|seconds| input.now.checked_sub(SignedDuration::from_secs(seconds)).ok());
    if let Some(oldest) = oldest {
        earliest = earliest.max(oldest);
    }
    let Some((due, missed)) = schedule.last_missed(earliest, input.now) else {
        return;
    };
    if missed > 100 {
        let message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
        acts.warn(Kind::CRON_JOB, cron, "TooManyMissedTimes", message.to_owned());
    }
    let job_name = format!("{}-{}", name(cron), due.as_second() / 60);
    let listed = active.iter().any(|job| text(job, &["name"]) == Some(job_name.as_str()));
    if listed || last == Some(due) || input.jobs.iter().any(|job| name(job) == job_name) {
        return;
    }
    match text(cron, &["spec", "concurrencyPolicy"]) {
        Some("Forbid") if !active.is_empty() => {
            let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
            acts.event(Kind::CRON_JOB, cron, "JobAlreadyActive", message.to_owned());
            return;
        }
        Some("Replace") => {
            let running = |job: &&Arc<Value>| active.iter().any(|one| text(one, &["uid"]) == Some(uid(job)));
            for job in input.jobs.iter().filter(running) {
                delete_job(input, job, acts);
            }
            active.clear();
        }
        _ => {}
    }
    acts.create(Kind::JOB, job(cron, &job_name, due));
    acts.event(
        Kind::CRON_JOB,
        cron,
        "SuccessfulCreate",
        format!("Created job {job_name}"),
    );
    set(status, &["lastScheduleTime"], stamp(due));
}

fn job(cron: &Value, job_name: &str, due: Timestamp) -> Value {
    let mut metadata = at(cron, &["spec", "jobTemplate", "metadata"])
        .cloned()
        .unwrap_or_else(|| json!({}));
    set(&mut metadata, &["name"], job_name);
    set(&mut metadata, &["namespace"], namespace(cron));
    let reference = controller_ref(Kind::CRON_JOB, cron);
    set(&mut metadata, &["ownerReferences"], json!([reference]));
    set(
        &mut metadata,
        &["annotations", "batch.kubernetes.io/cronjob-scheduled-timestamp"],
        stamp(due),
    );
    let spec = at(cron, &["spec", "jobTemplate", "spec"])
        .cloned()
        .unwrap_or_else(|| json!({}));
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
}
