//! `podFailurePolicy`: what the way in which a pod failed means for its Job.

use json_tree::Value;

use super::pods::JobPod;
use crate::controllers::support::tree::{list, text};

/// What a failed pod means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It counts towards the limit.
    Count,
    /// It does not count.
    Ignore,
    /// Its index has failed.
    FailIndex,
    /// The Job has failed, with this message.
    FailJob(String),
}

/// Judges a failed pod by the first rule that fits.
pub(crate) fn judge(policy: Option<&Value>, pod: &JobPod) -> Verdict {
    let empty = Value::Null;
    let rules = list(policy.unwrap_or(&empty), &["rules"]);
    for (place, rule) in rules.iter().enumerate() {
        let Some(what) = matching(rule, pod) else {
            continue;
        };
        return match text(rule, &["action"]) {
            Some("Ignore") => Verdict::Ignore,
            Some("FailIndex") => Verdict::FailIndex,
            Some("FailJob") => Verdict::FailJob(format!("{what} matching FailJob rule at index {place}")),
            _ => Verdict::Count,
        };
    }
    Verdict::Count
}

/// What of the pod a rule matches, in the words of messages.
fn matching(rule: &Value, pod: &JobPod) -> Option<String> {
    let place = format!("{}/{}", pod.pod.namespace, pod.pod.name);
    if let Some(codes) = rule.get("onExitCodes") {
        let container = text(codes, &["containerName"]);
        let values: Vec<i64> = list(codes, &["values"]).iter().filter_map(Value::as_i64).collect();
        let within = text(codes, &["operator"]) == Some("In");
        let mut ended = pod
            .exit_codes
            .iter()
            .filter(|(name, _)| container.is_none_or(|wanted| wanted == name.as_str()));
        let (name, code) = ended.find(|(_, code)| values.contains(code) == within)?;
        return Some(format!("Container {name} for pod {place} failed with exit code {code}"));
    }
    let patterns = list(rule, &["onPodConditions"]);
    let fits = |pattern: &&Value| {
        let wanted = text(pattern, &["status"]).unwrap_or("True");
        text(pattern, &["type"])
            .and_then(|kind| pod.conditions.get(kind))
            .is_some_and(|found| found == wanted)
    };
    let kind = text(patterns.iter().find(fits)?, &["type"])?;
    Some(format!("Pod {place} has condition {kind}"))
}

#[cfg(test)]
mod tests {
    use json_tree::json;

    use super::*;

    #[test]
    fn the_first_rule_that_fits_decides() {
        let pod = |code: i64, condition: &str| {
            let object = json!({"metadata": {"name": "p", "namespace": "x"}, "status": {"phase": "Failed",
                "conditions": [{"type": condition, "status": "True"}],
                "containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": code}}}]}});
            JobPod::read(crate::controllers::support::testing::pod(&object), &object)
        };
        let policy = json!({"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
            {"action": "FailIndex", "onExitCodes": {"containerName": "main", "operator": "NotIn", "values": [1, 2]}}]});
        let check = |pod: JobPod, expected: Verdict| assert_eq!(judge(Some(&policy), &pod), expected);
        check(pod(42, "DisruptionTarget"), Verdict::Ignore);
        let message = "Container main for pod x/p failed with exit code 42 matching FailJob rule at index 1";
        check(pod(42, "Ready"), Verdict::FailJob(message.to_owned()));
        check(pod(7, "Ready"), Verdict::FailIndex);
        check(pod(1, "Ready"), Verdict::Count);
        assert_eq!(judge(None, &pod(42, "Ready")), Verdict::Count);
    }
}
