//! Conversion between versions of one resource.
//!
//! Custom resources convert by strategy `None`: only the `apiVersion` changes. Two built-in kinds have versions of
//! different shape: events (the core shape is kept) and horizontal pod autoscalers (`v2` is kept).

use std::borrow::Cow;

use json_tree::{Value, json};

use crate::registry::{Resource, api_version};
use crate::value::{as_map, at, int, list, map_at, remove, set, text};

/// Brings an object into the version that is kept.
pub(crate) fn to_storage(value: Value, resource: &Resource) -> Value {
    convert_to(value, resource, &resource.storage)
}

/// Brings an object into the version that a client named.
pub(crate) fn convert(value: Value, resource: &Resource, version: &str) -> Value {
    convert_to(value, resource, &api_version(resource.group(), version))
}

/// A stored object in the version that a client named; borrowed where that is the one that is kept.
pub(crate) fn seen<'v>(value: &'v Value, resource: &Resource, version: &str) -> Cow<'v, Value> {
    if text(value, &["apiVersion"]) == Some(&*api_version(resource.group(), version)) {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(convert(value.clone(), resource, version))
    }
}

fn convert_to(mut value: Value, resource: &Resource, wanted: &str) -> Value {
    let found = text(&value, &["apiVersion"]).unwrap_or_default().to_owned();
    if found == wanted {
        return value;
    }
    match (resource.kind.as_str(), found.as_str(), wanted) {
        ("Event", "v1", "events.k8s.io/v1") => rename(&mut value, EVENT),
        ("Event", "events.k8s.io/v1", "v1") => {
            let swapped: Vec<_> = EVENT.iter().map(|(core, new)| (*new, *core)).collect();
            rename(&mut value, &swapped);
        }
        ("HorizontalPodAutoscaler", "autoscaling/v2", "autoscaling/v1") => to_v1_autoscaler(&mut value),
        ("HorizontalPodAutoscaler", "autoscaling/v1", "autoscaling/v2") => to_v2_autoscaler(&mut value),
        _ => {}
    }
    set(&mut value, &["apiVersion"], wanted);
    value
}

/// Fields of events: the core name and the newer one.
const EVENT: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

fn rename(value: &mut Value, names: &[(&str, &str)]) {
    let map = as_map(value);
    for (from, to) in names {
        if let Some(found) = map.remove(from) {
            map.insert(*to, found);
        }
    }
    if let Some(series) = map.get_mut("series").and_then(Value::as_object_mut) {
        // The time of a series has the same name in both versions; nothing to rename below it.
        series.retain(|_, value| !value.is_null());
    }
}

/// The metrics that `v1` cannot say travel in an annotation, as in the real server.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

fn is_cpu_utilization(metric: &Value) -> bool {
    text(metric, &["type"]) == Some("Resource")
        && text(metric, &["resource", "name"]) == Some("cpu")
        && int(metric, &["resource", "target", "averageUtilization"]).is_some()
}

fn to_v1_autoscaler(value: &mut Value) {
    let metrics = list(value, &["spec", "metrics"]).to_vec();
    let (cpu, others): (Vec<Value>, Vec<Value>) = metrics.into_iter().partition(is_cpu_utilization);
    remove(value, &["spec", "metrics"]);
    if let Some(target) = cpu
        .first()
        .and_then(|metric| int(metric, &["resource", "target", "averageUtilization"]))
    {
        set(value, &["spec", "targetCPUUtilizationPercentage"], target);
    }
    let mut notes = Vec::new();
    if !others.is_empty() {
        notes.push((METRICS, Value::from(others)));
    }
    if let Some(behavior) = remove(value, &["spec", "behavior"]) {
        notes.push((BEHAVIOR, behavior));
    }
    if let Some(conditions) = remove(value, &["status", "conditions"]) {
        notes.push((CONDITIONS, conditions));
    }
    for (key, note) in notes {
        map_at(value, &["metadata", "annotations"]).insert(key, note.to_string().into());
    }
    let current = list(value, &["status", "currentMetrics"]).iter().find_map(|metric| {
        (text(metric, &["resource", "name"]) == Some("cpu"))
            .then(|| int(metric, &["resource", "current", "averageUtilization"]))
            .flatten()
    });
    remove(value, &["status", "currentMetrics"]);
    if at(value, &["status"]).is_some() {
        crate::value::default(value, &["status", "currentReplicas"], 0);
    }
    if let Some(current) = current {
        set(value, &["status", "currentCPUUtilizationPercentage"], current);
    }
}

fn to_v2_autoscaler(value: &mut Value) {
    let mut metrics = Vec::new();
    if let Some(target) = remove(value, &["spec", "targetCPUUtilizationPercentage"]).filter(|v| !v.is_null()) {
        metrics.push(json!({"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}}));
    }
    let note = |value: &mut Value, key: &str| {
        let found = remove(value, &["metadata", "annotations", key])?;
        serde_json::from_str::<Value>(found.as_str()?).ok()
    };
    if let Some(Value::Array(more)) = note(value, METRICS) {
        metrics.extend(more);
    }
    if let Some(behavior) = note(value, BEHAVIOR) {
        set(value, &["spec", "behavior"], behavior);
    }
    if let Some(conditions) = note(value, CONDITIONS) {
        set(value, &["status", "conditions"], conditions);
    }
    if at(value, &["metadata", "annotations"])
        .and_then(Value::as_object)
        .is_some_and(json_tree::Map::is_empty)
    {
        remove(value, &["metadata", "annotations"]);
    }
    if !metrics.is_empty() {
        set(value, &["spec", "metrics"], metrics);
    }
    if let Some(current) = remove(value, &["status", "currentCPUUtilizationPercentage"]) {
        set(
            value,
            &["status", "currentMetrics"],
            json!([{"type": "Resource", "resource": {
            "name": "cpu", "current": {"averageUtilization": current}}}]),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::builtin;

    #[test]
    fn autoscalers_survive_the_way_there_and_back() {
        let Some(resource) = builtin("autoscaling", "horizontalpodautoscalers") else {
            panic!("no autoscalers")
        };
        let v2 = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"},
            "spec": {"maxReplicas": 3, "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
                {"type": "External", "external": {"metric": {"name": "q"}}}]}});
        let v1 = convert(v2.clone(), resource, "v1");
        assert_eq!(int(&v1, &["spec", "targetCPUUtilizationPercentage"]), Some(50));
        assert_eq!(to_storage(v1, resource), v2);
    }
}
