//! Whether a Job is over, why, and how that is written down.
//!
//! What is decided is written at once (`SuccessCriteriaMet`, `FailureTarget`); the final condition follows when the last
//! pod has stopped.

use jiff::{SignedDuration, Timestamp};
use json_tree::Value;

use super::count::{Rules, Tally};
use super::indexes;
use super::plan::Input;
use crate::controllers::support::acts::Acts;
use crate::controllers::support::conditions::{self, Habit, Says};
use crate::controllers::support::tree::{at, int, list, set, stamp, text};
use crate::kind::Kind;

/// The state of a Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Under way, with the moment at which its deadline ends.
    Under(Option<Timestamp>),
    /// Decided.
    Over {
        success: bool,
        reason: String,
        message: String,
    },
}

fn over(success: bool, reason: &str, message: impl Into<String>) -> Outcome {
    Outcome::Over {
        success,
        reason: reason.to_owned(),
        message: message.into(),
    }
}

/// Judges a Job by its counts; what was decided before stays decided.
pub(crate) fn judge(
    input: &Input<'_>,
    rules: &Rules<'_>,
    tally: &Tally,
    status: &Value,
    started: Option<Timestamp>,
) -> Outcome {
    for (kind, success) in [("FailureTarget", false), ("SuccessCriteriaMet", true)] {
        if let Some(condition) = conditions::find(status, kind).filter(|_| conditions::is_true(status, kind)) {
            let part = |field: &str| text(condition, &[field]).unwrap_or_default().to_owned();
            return over(success, &part("reason"), part("message"));
        }
    }
    let job = input.job;
    if let Some(message) = &tally.fatal {
        return over(false, "PodFailurePolicy", message.as_str());
    }
    let limit = int(job, &["spec", "backoffLimit"]).unwrap_or(6);
    if tally.failed > limit || restarts_exceed(input, limit) {
        return over(
            false,
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        );
    }
    let deadline = int(job, &["spec", "activeDeadlineSeconds"])
        .zip(started)
        .and_then(|(seconds, started)| started.checked_add(SignedDuration::from_secs(seconds)).ok());
    if deadline.is_some_and(|deadline| deadline <= input.now) {
        return over(
            false,
            "DeadlineExceeded",
            "Job was active longer than specified deadline",
        );
    }
    let failed = i64::try_from(tally.failed_indexes.len()).unwrap_or(i64::MAX);
    if let (Some(_), Some(completions)) = (rules.limit_per_index, rules.completions) {
        if int(job, &["spec", "maxFailedIndexes"]).is_some_and(|most| failed > most) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return over(false, "MaxFailedIndexesExceeded", message);
        }
        if failed > 0 && tally.succeeded + failed >= completions {
            return over(false, "FailedIndexes", "Job has failed indexes");
        }
    }
    if let Some(place) = success_rule(job, rules, tally) {
        return over(true, "SuccessPolicy", format!("Matched rules at index {place}"));
    }
    let active = input.pods.iter().any(|pod| pod.pod.is_active());
    let complete = match rules.completions {
        Some(completions) => tally.succeeded >= completions,
        None => tally.succeeded > 0 && !active,
    };
    if complete {
        return over(true, "CompletionsReached", "Reached expected number of succeeded pods");
    }
    Outcome::Under(deadline)
}

/// Whether restarts within pods count against the limit and exceed it.
fn restarts_exceed(input: &Input<'_>, limit: i64) -> bool {
    if text(input.job, &["spec", "template", "spec", "restartPolicy"]) != Some("OnFailure") {
        return false;
    }
    let running = input.pods.iter().filter(|pod| !pod.pod.phase.is_terminal());
    let restarts: i64 = running.map(|pod| i64::from(pod.pod.restarts)).sum();
    if limit == 0 { restarts > 0 } else { restarts >= limit }
}

/// The first rule of `successPolicy` that the completed indexes fulfil.
fn success_rule(job: &Value, rules: &Rules<'_>, tally: &Tally) -> Option<usize> {
    if !rules.indexed {
        return None;
    }
    let fulfilled = |rule: &Value| {
        let wanted = text(rule, &["succeededIndexes"])
            .map(|wanted| indexes::parse(wanted, rules.completions.unwrap_or(i64::MAX)));
        let matching = match &wanted {
            Some(wanted) => tally.completed.intersection(wanted).count(),
            None => tally.completed.len(),
        };
        match (int(rule, &["succeededCount"]), &wanted) {
            (Some(count), _) => i64::try_from(matching).unwrap_or(i64::MAX) >= count,
            (None, Some(wanted)) => matching == wanted.len(),
            (None, None) => false,
        }
    };
    list(job, &["spec", "successPolicy", "rules"])
        .iter()
        .position(fulfilled)
}

/// Writes a decision, and the final condition when nothing runs any more.
pub(crate) fn write(
    outcome: &Outcome,
    job: &Value,
    stopped: bool,
    status: &mut Value,
    habit: Habit,
    now: Timestamp,
    acts: &mut Acts,
) {
    let Outcome::Over {
        success,
        reason,
        message,
    } = outcome
    else {
        return;
    };
    let (target, last) = if *success {
        ("SuccessCriteriaMet", "Complete")
    } else {
        ("FailureTarget", "Failed")
    };
    conditions::put(
        status,
        Says {
            kind: target,
            status: "True",
            reason,
            message,
        },
        habit,
        now,
    );
    if !stopped {
        return;
    }
    conditions::put(
        status,
        Says {
            kind: last,
            status: "True",
            reason,
            message,
        },
        habit,
        now,
    );
    if *success {
        if at(status, &["completionTime"]).is_none() {
            set(status, &["completionTime"], stamp(now));
        }
        acts.event(Kind::JOB, job, "Completed", "Job completed".to_owned());
    } else {
        acts.warn(Kind::JOB, job, failure(reason), message.clone());
    }
}

/// Reasons of events are a fixed set.
fn failure(reason: &str) -> &'static str {
    match reason {
        "BackoffLimitExceeded" => "BackoffLimitExceeded",
        "DeadlineExceeded" => "DeadlineExceeded",
        "MaxFailedIndexesExceeded" => "MaxFailedIndexesExceeded",
        "FailedIndexes" => "FailedIndexes",
        _ => "PodFailurePolicy",
    }
}
