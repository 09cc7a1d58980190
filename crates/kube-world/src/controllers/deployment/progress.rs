//! Whether a rollout gets on: the `Progressing` condition of a Deployment.

use jiff::{SignedDuration, Timestamp};
use json_tree::Value;

use crate::controllers::support::conditions::{self, Habit, Says};
use crate::controllers::support::tree::{int, text, time};

/// How Deployments keep conditions: with a second time, and the changed one last.
pub(crate) const HABIT: Habit = Habit {
    touched: "lastUpdateTime",
    messages: false,
    to_end: true,
};

const PROGRESSING: &str = "Progressing";
/// The reason of a rollout that came to its end.
pub(crate) const COMPLETE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";

/// `progressDeadlineSeconds`, if it means anything: the largest number stands for "none".
pub(crate) fn deadline(spec: &Value) -> Option<i64> {
    int(spec, &["progressDeadlineSeconds"]).filter(|seconds| *seconds < i64::from(i32::MAX))
}

/// Sets `Progressing`; without a deadline the condition does not exist.
pub(crate) fn says(status: &mut Value, word: &str, reason: &str, message: &str, now: Timestamp) {
    conditions::put(status, progressing(word, reason, message), HABIT, now);
}

fn progressing<'a>(status: &'a str, reason: &'a str, message: &'a str) -> Says<'a> {
    Says {
        kind: PROGRESSING,
        status,
        reason,
        message,
    }
}

/// The reason of the current `Progressing` condition.
pub(crate) fn reason(status: &Value) -> Option<&str> {
    text(conditions::find(status, PROGRESSING)?, &["reason"])
}

/// Whether every pod is a new one and available, as this status says.
pub(crate) fn is_complete(desired: i64, status: &Value) -> bool {
    let number = |field: &str| int(status, &[field]).unwrap_or(0);
    number("updatedReplicas") == desired && number("replicas") == desired && number("availableReplicas") == desired
}

fn is_progressing(before: &Value, after: &Value) -> bool {
    let number = |status: &Value, field: &str| int(status, &[field]).unwrap_or(0);
    let old = |status: &Value| number(status, "replicas") - number(status, "updatedReplicas");
    let grew = |field: &str| number(after, field) > number(before, field);
    grew("updatedReplicas") || old(after) < old(before) || grew("readyReplicas") || grew("availableReplicas")
}

/// When the rollout is taken for stuck unless something happens before; `None` when it is not under way.
pub(crate) fn stuck_at(spec: &Value, status: &Value) -> Option<Timestamp> {
    let condition = conditions::find(status, PROGRESSING)?;
    if matches!(text(condition, &["reason"]), Some(COMPLETE | TIMED_OUT)) {
        return None;
    }
    let since = time(condition, &["lastUpdateTime"]).or_else(|| time(condition, &["lastTransitionTime"]))?;
    // The deadline itself is still in time; the second after it is not.
    since
        .checked_add(SignedDuration::from_secs(deadline(spec)?.saturating_add(1)))
        .ok()
}

/// Brings `Progressing` up to date in `after`, the status about to be written; `before` is the one that is there.
///
/// `subject` names what gets on: the new ReplicaSet, or the Deployment before there is one.
pub(crate) fn update(spec: &Value, desired: i64, subject: &str, before: &Value, after: &mut Value, now: Timestamp) {
    if deadline(spec).is_none() {
        conditions::drop(after, PROGRESSING);
        return;
    }
    let settled = int(after, &["replicas"]) == int(after, &["updatedReplicas"]) && reason(after) == Some(COMPLETE);
    if settled {
        return;
    }
    if is_complete(desired, after) {
        says(
            after,
            "True",
            COMPLETE,
            &format!("{subject} has successfully progressed."),
            now,
        );
    } else if is_progressing(before, after) {
        // Progress renews the time even where the reason stays.
        let message = format!("{subject} is progressing.");
        conditions::renew(after, progressing("True", "ReplicaSetUpdated", &message), HABIT, now);
    } else if stuck_at(spec, after).is_some_and(|end| end <= now) {
        says(
            after,
            "False",
            TIMED_OUT,
            &format!("{subject} has timed out progressing."),
            now,
        );
    }
}

#[cfg(test)]
mod tests {
    use json_tree::json;

    use super::*;

    fn status(replicas: i64, updated: i64, available: i64, reason: &str, since: &str) -> Value {
        json!({"replicas": replicas, "updatedReplicas": updated, "readyReplicas": available, "availableReplicas": available,
            "conditions": [{"type": "Progressing", "status": "True", "reason": reason,
                "lastTransitionTime": "2026-01-01T00:00:00Z", "lastUpdateTime": since}]})
    }

    fn check(before: &Value, after: &Value, now: &str, expected: (&str, &str)) {
        let spec = json!({"progressDeadlineSeconds": 600});
        let mut after = after.clone();
        let old = json!({"conditions": before["conditions"]});
        after["conditions"] = old["conditions"].clone();
        update(
            &spec,
            3,
            "ReplicaSet \"web-1\"",
            before,
            &mut after,
            now.parse().unwrap(),
        );
        let condition = conditions::find(&after, "Progressing").unwrap();
        let found = (
            text(condition, &["reason"]).unwrap(),
            text(condition, &["status"]).unwrap(),
        );
        assert_eq!(found, expected, "{after}");
    }

    #[test]
    fn a_rollout_progresses_completes_or_times_out() {
        let start = status(3, 1, 2, "NewReplicaSetCreated", "2026-01-01T00:00:00Z");
        check(
            &start,
            &status(3, 2, 2, "", ""),
            "2026-01-01T00:01:00Z",
            ("ReplicaSetUpdated", "True"),
        );
        check(
            &start,
            &status(3, 3, 3, "", ""),
            "2026-01-01T00:01:00Z",
            (COMPLETE, "True"),
        );
        check(&start, &start, "2026-01-01T00:10:00Z", ("NewReplicaSetCreated", "True"));
        check(&start, &start, "2026-01-01T00:10:01Z", (TIMED_OUT, "False"));
        let done = status(3, 3, 3, COMPLETE, "2026-01-01T00:00:00Z");
        check(
            &done,
            &status(3, 3, 1, "", ""),
            "2026-01-01T01:00:00Z",
            (COMPLETE, "True"),
        );
    }

    #[test]
    fn the_largest_deadline_is_none() {
        assert_eq!(deadline(&json!({"progressDeadlineSeconds": i32::MAX})), None);
        assert_eq!(deadline(&json!({"progressDeadlineSeconds": 5})), Some(5));
    }
}
