//! What a HorizontalPodAutoscaler does in one turn: measure, propose, hold back, scale, tell.

use std::sync::Arc;

use jiff::Timestamp;
use json_tree::{Value, json};
use serde::Deserialize;

use super::behaviour::{History, Limits, Rules, normalise};
use super::metrics::{Metrics, millis, of_map};
use super::replicas::{Aim, MeasuredPod, Proposal, per_pod, shared, whole};
use crate::cache::PodMeasures;
use crate::controllers::support::acts::Acts;
use crate::controllers::support::conditions::{self, Habit, Says};
use crate::controllers::support::pods::{Pod, PodExt};
use crate::controllers::support::tree::{annotation, at, int, list, set, stamp, text};
use crate::kind::{Key, Kind};

/// Where an autoscaler keeps what it recommended and did: planners remember nothing themselves.
pub(crate) const HISTORY: &str = "sim.fleetwright.dev/autoscaler-history";
const HABIT: Habit = Habit {
    touched: "",
    messages: true,
    to_end: false,
};

/// The target of an autoscaler.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    pub(crate) key: Key,
    /// The size it wants.
    pub(crate) wanted: i64,
    /// The size it has, as its status says.
    pub(crate) actual: i64,
}

/// Everything the planner looks at.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) autoscaler: &'a Value,
    /// The target, or why it cannot be scaled.
    pub(crate) target: Result<Target, String>,
    /// The target's pods.
    pub(crate) pods: &'a [&'a Pod],
    /// The values of the namespace.
    pub(crate) values: Option<&'a Value>,
    pub(crate) now: Timestamp,
}

const KIND: Kind = Kind::HORIZONTAL_POD_AUTOSCALER;

struct Turn<'a> {
    input: &'a Input<'a>,
    status: Value,
    acts: Acts,
}

/// Plans one turn.
pub(crate) fn plan(input: &Input<'_>) -> Acts {
    let status = input.autoscaler.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut turn = Turn {
        input,
        status,
        acts: Acts::default(),
    };
    match &input.target {
        Err(why) => {
            let message = format!("the HPA controller was unable to get the target's current scale: {why}");
            turn.says("AbleToScale", "False", "FailedGetScale", &message);
            turn.acts.warn(KIND, input.autoscaler, "FailedGetScale", why.clone());
            turn.tell();
        }
        Ok(target) => turn.scale(target),
    }
    turn.acts
}

/// Reads the history from its annotation.
fn history(autoscaler: &Value) -> History {
    let kept: Kept = annotation(autoscaler, HISTORY)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let read = |pairs: Vec<(i64, i64)>| -> Vec<(Timestamp, i64)> {
        let pairs = pairs.into_iter();
        pairs
            .filter_map(|(when, number)| Some((Timestamp::from_second(when).ok()?, number)))
            .collect()
    };
    History {
        recommendations: read(kept.recommendations),
        changes: read(kept.changes),
    }
}

/// A history as the annotation has it: moments in seconds, each with its number.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Kept {
    recommendations: Vec<(i64, i64)>,
    changes: Vec<(i64, i64)>,
}

fn print(history: &History) -> String {
    let pairs = |pairs: &[(Timestamp, i64)]| -> Vec<(i64, i64)> {
        pairs.iter().map(|(when, number)| (when.as_second(), *number)).collect()
    };
    json!({"recommendations": pairs(&history.recommendations), "changes": pairs(&history.changes)}).to_string()
}

impl Turn<'_> {
    fn says(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        conditions::put(
            &mut self.status,
            Says {
                kind,
                status,
                reason,
                message,
            },
            HABIT,
            self.input.now,
        );
    }

    fn has_scale(&mut self) {
        let message = "the HPA controller was able to get the target's current scale";
        self.says("AbleToScale", "True", "SucceededGetScale", message);
    }

    fn tell(&mut self) {
        self.acts.status(KIND, self.input.autoscaler, &self.status);
    }

    fn scale(&mut self, target: &Target) {
        let autoscaler = self.input.autoscaler;
        let limits = Limits {
            min: int(autoscaler, &["spec", "minReplicas"]).unwrap_or(1),
            max: int(autoscaler, &["spec", "maxReplicas"]).unwrap_or(1),
        };
        set(&mut self.status, &["currentReplicas"], target.actual);
        // Where it can scale already, what it does will say so in other words, and hardly ever in these.
        if !conditions::is_true(&self.status, "AbleToScale") {
            self.has_scale();
        }
        if target.wanted == 0 && limits.min != 0 {
            self.has_scale();
            let message = "scaling is disabled since the replica count of the target is zero";
            self.says("ScalingActive", "False", "ScalingDisabled", message);
            set(&mut self.status, &["desiredReplicas"], 0);
            self.tell();
            return;
        }
        let (wanted, why) = if target.wanted > limits.max {
            (
                limits.max,
                "Current number of replicas above Spec.MaxReplicas".to_owned(),
            )
        } else if target.wanted < limits.min {
            (
                limits.min,
                "Current number of replicas below Spec.MinReplicas".to_owned(),
            )
        } else {
            match self.by_metrics(target, limits) {
                Some(found) => found,
                None => {
                    self.has_scale();
                    set(&mut self.status, &["desiredReplicas"], target.wanted);
                    self.tell();
                    return;
                }
            }
        };
        set(&mut self.status, &["desiredReplicas"], wanted);
        if wanted != target.wanted {
            self.acts
                .patch_key(target.key.clone(), json!({"spec": {"replicas": wanted}}));
            let message = format!("New size: {wanted}; reason: {why}");
            self.acts.event(KIND, autoscaler, "SuccessfulRescale", message);
            let message = format!("the HPA controller was able to update the target scale to {wanted}");
            self.says("AbleToScale", "True", "SucceededRescale", &message);
            set(&mut self.status, &["lastScaleTime"], stamp(self.input.now));
        }
        self.tell();
    }

    /// What the metrics ask for, held back as the rules say, and why; `None` where nothing could be measured.
    fn by_metrics(&mut self, target: &Target, limits: Limits) -> Option<(i64, String)> {
        let autoscaler = self.input.autoscaler;
        let (mut best, mut shown, mut errors) = (None::<(i64, String)>, Vec::new(), Vec::new());
        let metrics = list(autoscaler, &["spec", "metrics"]);
        for metric in metrics {
            match propose(self.input, metric, target) {
                Ok((proposal, name, current)) => {
                    shown.push(current);
                    if best.as_ref().is_none_or(|(replicas, _)| proposal.replicas > *replicas) {
                        best = Some((proposal.replicas, name));
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        if !shown.is_empty() {
            set(&mut self.status, &["currentMetrics"], shown);
        }
        // While something cannot be measured, shrinking on the strength of the rest would be a guess.
        let guess = !errors.is_empty() && best.as_ref().is_none_or(|(replicas, _)| *replicas < target.wanted);
        if guess && let Some((reason, message)) = errors.first() {
            let told = format!("the HPA was unable to compute the replica count: {message}");
            self.says("ScalingActive", "False", reason, &told);
            self.acts.warn(KIND, autoscaler, reason, message.clone());
            let count = (errors.len(), metrics.len());
            let message = format!(
                "invalid metrics ({} invalid out of {}), first error is: {message}",
                count.0, count.1
            );
            self.acts
                .warn(KIND, autoscaler, "FailedComputeMetricsReplicas", message);
            return None;
        }
        let (proposed, metric) = best?;
        let message = format!("the HPA was able to successfully calculate a replica count from {metric}");
        self.says("ScalingActive", "True", "ValidMetricFound", &message);
        let rules = Rules::read(at(autoscaler, &["spec", "behavior"]));
        let before = history(autoscaler);
        let mut past = before.clone();
        past.note(proposed, self.input.now);
        past.prune(&rules, self.input.now);
        let found = normalise(&rules, limits, &past, target.wanted, proposed, self.input.now);
        let (reason, message) = found.able;
        self.says("AbleToScale", "True", reason, message);
        let (limited, reason, message) = found.limited;
        self.says(
            "ScalingLimited",
            if limited { "True" } else { "False" },
            reason,
            message,
        );
        if found.replicas != target.wanted {
            past.changes.push((self.input.now, found.replicas - target.wanted));
        }
        // What the bounds alone hold back no window will ever let through.
        let held = found.replicas != proposed.clamp(limits.min, limits.max.max(limits.min));
        self.remember(&rules, &before, past, held);
        let why = if proposed > target.wanted {
            format!("{metric} above target")
        } else {
            "All metrics below target".to_owned()
        };
        Some((found.replicas, why))
    }

    /// Keeps the past in the annotation, and comes back while the past or the distance to the wish can still change
    /// something.
    fn remember(&mut self, rules: &Rules, before: &History, past: History, held: bool) {
        let autoscaler = self.input.autoscaler;
        if held && let Some(moment) = rules.next_moment(&past, self.input.now) {
            self.acts.wake(moment);
        }
        // Of equal recommendations in a row the latest one counts for the longest time; the others need not be kept.
        let mut kept = History {
            recommendations: Vec::new(),
            changes: past.changes,
        };
        for (when, number) in past.recommendations {
            match kept.recommendations.last_mut() {
                Some((last, same)) if *same == number => *last = when,
                _ => kept.recommendations.push((when, number)),
            }
        }
        fn numbers(history: &History) -> impl Iterator<Item = i64> {
            history.recommendations.iter().map(|(_, number)| *number)
        }
        if !numbers(before).eq(numbers(&kept)) || before.changes != kept.changes {
            let patch = json!({"metadata": {"annotations": {HISTORY: print(&kept)}}});
            self.acts.patch(KIND, autoscaler, patch);
        }
    }
}

type Found = (Proposal, String, Value);

/// The proposal of one metric, its name in messages, and its current value for the status.
fn propose(input: &Input<'_>, metric: &Value, target: &Target) -> Result<Found, (&'static str, String)> {
    match text(metric, &["type"]) {
        Some("Resource") => resource(input, metric, target),
        Some("Pods") => pods(input, metric, target),
        Some("Object") => {
            let part = |path: &[&str]| {
                text(metric, &[&["object"], path].concat())
                    .unwrap_or_default()
                    .to_owned()
            };
            let (kind, object, name) = (
                part(&["describedObject", "kind"]),
                part(&["describedObject", "name"]),
                part(&["metric", "name"]),
            );
            let key = Metrics::object_key(&kind, &object, &name);
            let shown = json!({"type": "Object", "object": {
                "metric": at(metric, &["object", "metric"]), "describedObject": at(metric, &["object", "describedObject"])}});
            let label = format!("{kind} metric {name}");
            value(
                input,
                metric,
                "object",
                &key,
                "FailedGetObjectMetric",
                target,
                (label, shown),
            )
        }
        Some("External") => {
            let name = text(metric, &["external", "metric", "name"]).unwrap_or_default();
            let selector = at(metric, &["external", "metric", "selector"])
                .map(Value::to_string)
                .unwrap_or("nil".to_owned());
            let shown = json!({"type": "External", "external": {"metric": at(metric, &["external", "metric"])}});
            let label = format!("external metric {name}({selector})");
            value(
                input,
                metric,
                "external",
                &Metrics::external_key(name),
                "FailedGetExternalMetric",
                target,
                (label, shown),
            )
        }
        other => Err((
            "InvalidMetricSourceType",
            format!("unknown metric source type \"{}\"", other.unwrap_or_default()),
        )),
    }
}

fn resource(input: &Input<'_>, metric: &Value, target: &Target) -> Result<Found, (&'static str, String)> {
    let failed = |why: String| ("FailedGetResourceMetric", why);
    let name = text(metric, &["resource", "name"]).unwrap_or_default();
    let measured = measured(input, &Metrics::usage_annotation(name), name).map_err(failed)?;
    let goal = at(metric, &["resource", "target"]).unwrap_or(&Value::Null);
    let (aim, label) = match int(goal, &["averageUtilization"]) {
        Some(percent) => (
            Aim::Utilisation(percent),
            format!("{name} resource utilization (percentage of request)"),
        ),
        None => {
            let mean = text(goal, &["averageValue"]).and_then(millis);
            let mean = mean.ok_or_else(|| failed("invalid resource metric source: neither an average utilization target nor an average value (usage) target was set".to_owned()))?;
            (Aim::Average(mean), format!("{name} resource"))
        }
    };
    let proposal = per_pod(aim, name == "cpu", target.wanted, &measured, input.now)
        .map_err(|why| failed(format!("failed to get {name} utilization: {why}")))?;
    let mut current = json!({"averageValue": format!("{}m", proposal.value)});
    if let Aim::Utilisation(_) = aim {
        set(&mut current, &["averageUtilization"], proposal.utilisation);
    }
    let shown = json!({"type": "Resource", "resource": {"name": name, "current": current}});
    Ok((proposal, label, shown))
}

fn pods(input: &Input<'_>, metric: &Value, target: &Target) -> Result<Found, (&'static str, String)> {
    let failed = |why: String| ("FailedGetPodsMetric", why);
    let name = text(metric, &["pods", "metric", "name"]).unwrap_or_default();
    let measured = measured(input, &Metrics::pod_annotation(name), "").map_err(failed)?;
    let mean = text(metric, &["pods", "target", "averageValue"]).and_then(millis);
    let mean = mean.ok_or_else(|| failed("invalid pods metric source: no average value was set".to_owned()))?;
    let proposal = per_pod(Aim::Average(mean), false, target.wanted, &measured, input.now)
        .map_err(|why| failed(format!("unable to get metric {name}: {why}")))?;
    let shown = json!({"type": "Pods", "pods": {"metric": at(metric, &["pods", "metric"]),
        "current": {"averageValue": format!("{}m", proposal.value)}}});
    Ok((proposal, format!("pods metric {name}"), shown))
}

/// A value that all replicas share, from the namespace's config map.
fn value(
    input: &Input<'_>,
    metric: &Value,
    field: &str,
    key: &str,
    reason: &'static str,
    target: &Target,
    (label, mut shown): (String, Value),
) -> Result<Found, (&'static str, String)> {
    let found = of_map(input.values, key);
    let found = found.ok_or_else(|| (reason, format!("unable to get {label}: no metrics returned")))?;
    let goal = |name: &str| text(metric, &[field, "target", name]).and_then(millis);
    let proposal = match (goal("value"), goal("averageValue")) {
        (Some(goal), _) => {
            let ready = input.pods.iter().filter(|pod| pod.ready).count();
            let ready = i64::try_from(ready).unwrap_or(i64::MAX);
            set(&mut shown, &[field, "current", "value"], format!("{found}m"));
            whole(found, goal, target.wanted, ready)
        }
        (None, Some(goal)) => {
            let proposal = shared(found, goal, target.actual);
            let mean = proposal.as_ref().map_or(0, |proposal| proposal.value);
            set(&mut shown, &[field, "current", "averageValue"], format!("{mean}m"));
            proposal
        }
        (None, None) => return Err((reason, format!("invalid {field} metric source: no target was set"))),
    };
    let proposal = proposal.map_err(|why| (reason, why.to_owned()))?;
    Ok((proposal, label, shown))
}

/// The pods with what was measured; for a resource every container has to ask for some of it.
fn measured(input: &Input<'_>, annotation: &str, resource: &str) -> Result<Vec<MeasuredPod>, String> {
    // Equal pods share what they ask for and use, so it is worked out once for all of them.
    let mut known: Option<(&Arc<PodMeasures>, i64, Option<i64>)> = None;
    let mut out = Vec::with_capacity(input.pods.len());
    for pod in input.pods {
        let (request, usage) = match known {
            Some((measures, request, usage)) if Arc::ptr_eq(measures, &pod.measures) => (request, usage),
            _ => {
                let request = requested(pod, resource)?;
                let usage = pod.measures.annotations.get(annotation).and_then(|used| millis(used));
                known = Some((&pod.measures, request, usage));
                (request, usage)
            }
        };
        out.push(MeasuredPod {
            phase: pod.phase,
            deleting: pod.is_deleting(),
            ready: pod.ready,
            ready_changed: pod.ready_since,
            started: pod.started,
            request,
            usage,
        });
    }
    Ok(out)
}

/// What all containers of a pod ask for of a resource together, in thousandths; no resource asks for nothing.
fn requested(pod: &Pod, resource: &str) -> Result<i64, String> {
    let mut request = 0_i64;
    for container in pod.measures.containers.iter().filter(|_| !resource.is_empty()) {
        let asked = container.requests.get(resource).and_then(|asked| millis(asked));
        let why = || {
            let (container, pod) = (&container.name, &pod.name);
            format!("missing request for {resource} in container {container} of Pod {pod}")
        };
        request = request.saturating_add(asked.ok_or_else(why)?);
    }
    Ok(request)
}
