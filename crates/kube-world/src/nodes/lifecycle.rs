//! The node lifecycle controller: notices silent nodes, and turns what nodes say into taints.

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};

use super::NodeTimes;
use super::conditions::{self, Wanted};
use crate::engine::{Action, Change, Controller, EventType, View, seconds};
use crate::kind::{Key, Kind};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Conditions besides Ready that taint a node when they are true.
const PRESSURES: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
];

/// Notices silent nodes and keeps the taints that follow from conditions.
///
/// Zones that are mostly down are treated like any other: real clusters slow evictions there.
#[derive(Debug)]
pub(super) struct NodeLifecycle {
    pub(super) times: NodeTimes,
}

impl Controller for NodeLifecycle {
    fn name(&self) -> &'static str {
        "node-controller"
    }

    fn interested(&self, change: &Change, _view: &View<'_>) -> Vec<Key> {
        match change.key.kind {
            Kind::NODE if !change.is_removal() => vec![change.key.clone()],
            _ => Vec::new(),
        }
    }

    fn machine_changed(&self, node: &str, _view: &View<'_>) -> Vec<Key> {
        vec![Key::new(Kind::NODE, "", node)]
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(node) = view.object(key) else {
            return Vec::new();
        };
        let mut plan = Vec::new();
        let mut list = conditions::list(&node).to_vec();
        let before = conditions::status(&list, "Ready").to_owned();
        let mut told = false;
        if let Some(since) = self.silent_since(view, key, &node) {
            if view.now < since {
                plan.push(Action::WakeAt(since));
            } else {
                told = declare_unknown(&mut list, view.now);
            }
        }
        let after = conditions::status(&list, "Ready").to_owned();
        plan.extend(taint(key, &node, &list, view.now));
        if told {
            plan.push(Action::PatchStatus {
                key: key.clone(),
                patch: json!({"status": {"conditions": list}}),
            });
        }
        let pods = view.pods_on(&key.name).filter(|pod| pod.ready);
        if after != "True" && !after.is_empty() {
            let ready: Vec<Key> = pods.map(|pod| Key::new(Kind::POD, &pod.namespace, &pod.name)).collect();
            if before == "True" || !ready.is_empty() {
                plan.extend(not_ready(key));
            }
            plan.extend(ready.iter().filter_map(|pod| mark_not_ready(view, pod)));
        }
        plan
    }
}

impl NodeLifecycle {
    /// From when on a node counts as silent; none while its kubelet works.
    fn silent_since(&self, view: &View<'_>, key: &Key, node: &Value) -> Option<Timestamp> {
        let (last, grace) = match view.machines.heartbeats().get(&key.name) {
            Some(beat) => {
                beat.until?;
                let last = view.machines.heartbeats().last_renewal(&key.name, view.now);
                (last.unwrap_or(beat.since), self.times.monitor_grace)
            }
            // A node that somebody made by hand: nobody ever speaks for it.
            None => {
                let made = node.pointer("/metadata/creationTimestamp").and_then(Value::as_str)?;
                (view.past(made.parse().ok()?), self.times.startup_grace)
            }
        };
        let due = last.saturating_add(grace).ok()?;
        Some(next_look(due, self.times.monitor_period))
    }
}

/// The next whole multiple of the period, from a time on.
pub(super) fn next_look(time: Timestamp, period: SignedDuration) -> Timestamp {
    let period = period.as_millis();
    if period <= 0 {
        return time;
    }
    let rest = i128::from(time.as_millisecond()).rem_euclid(period);
    let wait = if rest == 0 { 0 } else { period - rest };
    let wait = SignedDuration::from_millis(i64::try_from(wait).unwrap_or(0));
    time.saturating_add(wait).unwrap_or(time)
}

fn declare_unknown(list: &mut Vec<Value>, now: Timestamp) -> bool {
    let mut changed = false;
    for r#type in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
        let never = conditions::find(list, r#type).is_none();
        let wanted = Wanted {
            r#type,
            status: "Unknown",
            reason: if never {
                "NodeStatusNeverUpdated"
            } else {
                "NodeStatusUnknown"
            },
            message: if never {
                "Kubelet never posted node status."
            } else {
                "Kubelet stopped posting node status."
            },
        };
        if conditions::status(list, r#type) != "Unknown" {
            changed |= conditions::set(list, wanted, never, now);
        }
    }
    changed
}

/// The taints that follow from conditions and cordon: key and effect.
fn wanted_taints(node: &Value, list: &[Value]) -> Vec<(&'static str, &'static str)> {
    let mut wanted = Vec::new();
    match conditions::status(list, "Ready") {
        "False" => wanted.extend([(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]),
        "Unknown" => wanted.extend([(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]),
        _ => {}
    }
    if node.pointer("/spec/unschedulable").and_then(Value::as_bool) == Some(true) {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    for (r#type, taint) in PRESSURES {
        if conditions::status(list, r#type) == "True" {
            wanted.push((taint, "NoSchedule"));
        }
    }
    wanted
}

fn taint(key: &Key, node: &Value, list: &[Value], now: Timestamp) -> Option<Action> {
    let text = |taint: &Value, field: &str| taint.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let wanted = wanted_taints(node, list);
    let ours = |name: &str| {
        [NOT_READY, UNREACHABLE, UNSCHEDULABLE].contains(&name) || PRESSURES.iter().any(|(_, taint)| *taint == name)
    };
    let old = node
        .pointer("/spec/taints")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let mut new: Vec<Value> = old
        .iter()
        .filter(|taint| {
            let name = text(taint, "key");
            !ours(&name)
                || wanted
                    .iter()
                    .any(|(key, effect)| *key == name && *effect == text(taint, "effect"))
        })
        .cloned()
        .collect();
    for (name, effect) in wanted {
        if new
            .iter()
            .any(|taint| text(taint, "key") == name && text(taint, "effect") == effect)
        {
            continue;
        }
        let mut taint = json!({"key": name, "effect": effect});
        taint["timeAdded"] = seconds(now).into();
        new.push(taint);
    }
    if new.as_slice() == old.as_slice() {
        return None;
    }
    let version = node.pointer("/metadata/resourceVersion").cloned();
    Some(Action::Patch {
        key: key.clone(),
        patch: json!({"metadata": {"resourceVersion": version}, "spec": {"taints": if new.is_empty() { Value::Null } else { new.into() }}}),
    })
}

fn not_ready(key: &Key) -> Vec<Action> {
    vec![Action::Event {
        about: key.clone(),
        event_type: EventType::Normal,
        reason: "NodeNotReady".to_owned(),
        message: format!("Node {} status is now: NodeNotReady", key.name),
    }]
}

/// Pods on a node that is not Ready are not either, as services have to know.
fn mark_not_ready(view: &View<'_>, key: &Key) -> Option<Action> {
    let pod = view.object(key)?;
    let mut list = conditions::list(&pod).to_vec();
    let mut wanted = Wanted {
        r#type: "Ready",
        status: "False",
        reason: "",
        message: "",
    };
    // What the kubelet said last stays beside the new status.
    let old = conditions::find(&list, "Ready")?.clone();
    let text = |field: &str| old.get(field).and_then(Value::as_str).unwrap_or_default();
    (wanted.reason, wanted.message) = (text("reason"), text("message"));
    conditions::set(&mut list, wanted, false, view.now).then(|| Action::PatchStatus {
        key: key.clone(),
        patch: json!({"status": {"conditions": list}}),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_noticed_at_the_next_look() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let period = SignedDuration::from_secs(5);
        for (time, expected) in [(100, 100), (101, 105), (104, 105)] {
            assert_eq!(next_look(at(time), period), at(expected), "{time}");
        }
        assert_eq!(next_look(at(101), SignedDuration::ZERO), at(101));
    }

    #[test]
    fn taints_follow_conditions_and_leave_others_alone() {
        let taints = |ready: &str, old: Value| {
            let node = json!({"spec": {"taints": old}});
            let list = [
                json!({"type": "Ready", "status": ready}),
                json!({"type": "DiskPressure", "status": "False"}),
            ];
            let key = Key::new(Kind::NODE, "", "a");
            let Some(Action::Patch { patch, .. }) = taint(&key, &node, &list, Timestamp::UNIX_EPOCH) else {
                return None;
            };
            Some(patch["spec"]["taints"].to_string())
        };
        let own = json!([{"key": "dedicated", "effect": "NoSchedule"}]);
        assert_eq!(taints("True", own.clone()), None);
        assert!(taints("Unknown", own).is_some_and(|text| text.contains("dedicated") && text.contains("unreachable")));
        let silent = json!([{"key": UNREACHABLE, "effect": "NoExecute"}]);
        assert_eq!(taints("True", silent).as_deref(), Some("null"));
    }
}
