//! What a PodDisruptionBudget's controller does in one turn: count and tell.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};

use super::arithmetic::{Numbers, Wish, numbers};
use crate::controllers::support::acts::Acts;
use crate::controllers::support::conditions;
use crate::controllers::support::int_or_percent::IntOrPercent;
use crate::controllers::support::pods::{Pod, PodExt};
use crate::controllers::support::tree::{at, generation, int, list, set, stamp, text, texts};
use crate::engine::EventType;
use crate::kind::Kind;

/// How long a granted eviction may take before its pod counts as there again.
const DELETION_TIMEOUT: SignedDuration = SignedDuration::from_mins(2);

/// Everything the planner looks at.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) budget: &'a Value,
    /// The pods that the budget's selector finds.
    pub(crate) pods: &'a [&'a Pod],
    /// The size that the pods' owners want together, or why it cannot be told.
    pub(crate) scale: Result<i64, String>,
    /// Whether some pods have no owner, so that a share of them means nothing.
    pub(crate) unmanaged: bool,
    pub(crate) now: Timestamp,
}

/// What a budget asks for.
pub(crate) fn wish(budget: &Value) -> Wish {
    let field = |name: &str| IntOrPercent::read(at(budget, &["spec", name]));
    match (field("maxUnavailable"), field("minAvailable")) {
        (Some(most), _) => Wish::MaxUnavailable(most),
        (None, Some(least)) => Wish::MinAvailable(least),
        (None, None) => Wish::Nothing,
    }
}

/// Plans one turn.
pub(crate) fn plan(input: &Input<'_>) -> Acts {
    let mut acts = Acts::default();
    let wish = wish(input.budget);
    let scale = match &input.scale {
        Err(why) if wish.needs_scale() => {
            let message = format!("Failed to calculate the number of expected pods: {why}");
            acts.warn(
                Kind::POD_DISRUPTION_BUDGET,
                input.budget,
                "CalculateExpectedPodCountFailed",
                message,
            );
            fail_safe(input, why, &mut acts);
            return acts;
        }
        scale => scale.as_ref().copied().unwrap_or(0),
    };
    if input.pods.is_empty() && list(input.budget, &["status", "conditions"]).is_empty() {
        acts.event(
            Kind::POD_DISRUPTION_BUDGET,
            input.budget,
            "NoPods",
            "No matching pods found".to_owned(),
        );
    }
    let disrupted = disrupted(input, &mut acts);
    let is_healthy = |pod: &&&Pod| !pod.is_deleting() && pod.ready && !disrupted.contains_key(&*pod.name);
    let healthy = count(input.pods.iter().filter(is_healthy).count());
    let numbers = numbers(wish, count(input.pods.len()), scale, healthy);
    let old = input.budget.get("status").cloned().unwrap_or_else(|| json!({}));
    let status = status(input.budget, &old, numbers, &disrupted, input.now);
    let changed = acts.status(Kind::POD_DISRUPTION_BUDGET, input.budget, &status);
    if changed && wish.needs_scale() && input.unmanaged {
        acts.warn(
            Kind::POD_DISRUPTION_BUDGET,
            input.budget,
            "UnmanagedPods",
            unmanaged(input.budget),
        );
    }
    acts
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unmanaged(budget: &Value) -> String {
    let selector = at(budget, &["spec", "selector"]).cloned().unwrap_or_default();
    format!(
        "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value."
    )
}

/// Granted evictions that have not come about yet: their pods count as gone, but for two minutes at most.
fn disrupted(input: &Input<'_>, acts: &mut Acts) -> BTreeMap<String, String> {
    let noted = texts(input.budget, &["status", "disruptedPods"]);
    let mut out = BTreeMap::new();
    for pod in input.pods.iter().filter(|pod| !pod.is_deleting()) {
        let Some(when) = noted.get(&*pod.name) else {
            continue;
        };
        let end = when
            .parse::<Timestamp>()
            .ok()
            .and_then(|when| when.checked_add(DELETION_TIMEOUT).ok());
        match end {
            Some(end) if end > input.now => {
                acts.wake(end);
                out.insert(pod.name.to_string(), when.clone());
            }
            _ => {
                let place = text(input.budget, &["metadata", "namespace"]).unwrap_or_default();
                let own = text(input.budget, &["metadata", "name"]).unwrap_or_default();
                let message = format!("Pod was expected by PDB {place}/{own} to be deleted but it wasn't");
                acts.tell(pod.key(), EventType::Warning, "NotDeleted", message);
            }
        }
    }
    out
}

fn status(
    budget: &Value,
    old: &Value,
    numbers: Numbers,
    disrupted: &BTreeMap<String, String>,
    now: Timestamp,
) -> Value {
    let mut status = json!({
        "currentHealthy": numbers.healthy, "desiredHealthy": numbers.desired, "expectedPods": numbers.expected,
        "disruptionsAllowed": numbers.allowed, "observedGeneration": generation(budget)});
    if !disrupted.is_empty() {
        set(&mut status, &["disruptedPods"], json!(disrupted));
    }
    let (word, reason) = if numbers.allowed > 0 {
        ("True", "SufficientPods")
    } else {
        ("False", "InsufficientPods")
    };
    let condition = condition(old, word, reason, "", generation(budget), now);
    set(&mut status, &["conditions"], json!([condition]));
    status
}

/// The one condition of budgets; unlike those of workloads it says which generation it is about.
fn condition(old: &Value, word: &str, reason: &str, message: &str, generation: i64, now: Timestamp) -> Value {
    let before = conditions::find(old, "DisruptionAllowed");
    let same = before.filter(|before| text(before, &["status"]) == Some(word));
    let since = same
        .and_then(|same| text(same, &["lastTransitionTime"]))
        .map_or_else(|| stamp(now), str::to_owned);
    json!({
        "type": "DisruptionAllowed", "status": word, "reason": reason, "message": message,
        "observedGeneration": generation, "lastTransitionTime": since})
}

/// When nothing can be told, nothing may be disrupted.
fn fail_safe(input: &Input<'_>, why: &str, acts: &mut Acts) {
    let mut status = input.budget.get("status").cloned().unwrap_or_else(|| json!({}));
    set(&mut status, &["disruptionsAllowed"], 0);
    let observed = int(&status, &["observedGeneration"]).unwrap_or(0);
    let condition = condition(&status, "False", "SyncFailed", why, observed, input.now);
    set(&mut status, &["conditions"], json!([condition]));
    acts.status(Kind::POD_DISRUPTION_BUDGET, input.budget, &status);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, ready: bool, deleting: bool) -> Pod {
        let mut pod = json!({"metadata": {"name": name, "namespace": "x"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}});
        if deleting {
            set(&mut pod, &["metadata", "deletionTimestamp"], "2026-01-01T00:00:00Z");
        }
        crate::controllers::support::testing::pod(&pod)
    }

    fn check(budget: &Value, pods: &[Pod], scale: Result<i64, String>, expected: Value, wake: Option<&str>) {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        let pods: Vec<&Pod> = pods.iter().collect();
        let acts = plan(&Input {
            budget,
            pods: &pods,
            scale,
            unmanaged: false,
            now,
        });
        let found = acts.patches_of_status().pop().unwrap_or_default();
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(found["status"].get(field), Some(value), "{field} in {found}");
        }
        assert_eq!(acts.wake_up().map(|at| at.to_string()).as_deref(), wake);
    }

    fn budget(spec: Value) -> Value {
        json!({"metadata": {"name": "b", "namespace": "x", "generation": 3}, "spec": spec})
    }

    #[test]
    fn nine_of_ten_allow_one() {
        let pods: Vec<Pod> = (0..10).map(|number| pod(&format!("p{number}"), true, false)).collect();
        let nine = budget(json!({"minAvailable": 9}));
        let expected = json!({"currentHealthy": 10, "desiredHealthy": 9, "disruptionsAllowed": 1, "expectedPods": 10,
            "observedGeneration": 3});
        check(&nine, &pods, Err("unused".to_owned()), expected, None);
        let mut fewer = pods.clone();
        fewer[3] = pod("p3", true, true);
        check(
            &nine,
            &fewer,
            Ok(0),
            json!({"currentHealthy": 9, "disruptionsAllowed": 0}),
            None,
        );
    }

    #[test]
    fn granted_evictions_count_for_two_minutes() {
        let pods: Vec<Pod> = (0..3).map(|number| pod(&format!("p{number}"), true, false)).collect();
        let mut granted = budget(json!({"maxUnavailable": 1}));
        granted["status"] =
            json!({"disruptedPods": {"p0": "2026-01-01T00:09:00Z", "p1": "2026-01-01T00:01:00Z", "gone": "x"}});
        let expected = json!({"currentHealthy": 2, "desiredHealthy": 2, "disruptionsAllowed": 0,
            "disruptedPods": {"p1": null, "gone": null}});
        check(&granted, &pods, Ok(3), expected, Some("2026-01-01T00:11:00Z"));
    }

    #[test]
    fn what_cannot_be_told_allows_nothing() {
        let mut blind = budget(json!({"maxUnavailable": "50%"}));
        blind["status"] = json!({"disruptionsAllowed": 2, "observedGeneration": 3});
        let pods = [pod("p", true, false)];
        check(
            &blind,
            &pods,
            Err("found no controllers for pod \"p\"".to_owned()),
            json!({"disruptionsAllowed": 0}),
            None,
        );
    }
}
