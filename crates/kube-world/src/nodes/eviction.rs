//! Eviction by taint: deletes pods that do not tolerate a `NoExecute` taint of their node, or no longer.

use jiff::{SignedDuration, Timestamp};
use json_tree::{List, Value, json};
use kube_sim::DeleteOptions;

use super::conditions::{self, Wanted};
use crate::cache::{NodeTaint, NodeView};
use crate::engine::{Action, Change, Controller, EventType, View};
use crate::kind::{Key, Kind};
use crate::path::Path as _;
use crate::scheduler::taints::{Taint, Toleration};

/// Deletes pods from nodes whose taints they do not tolerate.
#[derive(Debug)]
pub(super) struct TaintEviction;

fn executing(node: &NodeView) -> impl Iterator<Item = &NodeTaint> {
    node.taints.iter().filter(|taint| &*taint.effect == "NoExecute")
}

impl Controller for TaintEviction {
    fn name(&self) -> &'static str {
        "taint-eviction-controller"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        match (&change.node_before, &change.node_after) {
            (before, Some(node)) => {
                let old = before.iter().flat_map(|node| executing(node));
                if executing(node).eq(old) {
                    return Vec::new();
                }
                let pods = view.pods_on(&node.name);
                return pods.map(|pod| Key::new(Kind::POD, &pod.namespace, &pod.name)).collect();
            }
            (_, None) if change.key.kind != Kind::POD => return Vec::new(),
            (_, None) => {}
        }
        let node = change.pod_after.as_ref().and_then(|pod| pod.node.as_ref());
        let moved = change.pod_before.as_ref().and_then(|pod| pod.node.as_ref()) != node;
        let tainted = node
            .and_then(|node| view.node(node))
            .is_some_and(|node| executing(node).next().is_some());
        if moved && tainted {
            vec![change.key.clone()]
        } else {
            Vec::new()
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(pod) = view.pod(&key.namespace, &key.name).filter(|pod| pod.is_active()) else {
            return Vec::new();
        };
        let node = pod.node.as_ref().and_then(|node| view.node(node));
        let on_the_clock = |taint: &NodeTaint| NodeTaint {
            added: taint.added.map(|added| view.past(added)),
            ..taint.clone()
        };
        let taints: Vec<NodeTaint> = node.iter().flat_map(|node| executing(node)).map(on_the_clock).collect();
        if taints.is_empty() {
            return Vec::new();
        }
        let Some(tree) = view.object(key) else {
            return Vec::new();
        };
        match deadline(&tree, &taints, view.now) {
            None => Vec::new(),
            Some(at) if view.now < at => vec![Action::WakeAt(at)],
            Some(_) => evict(key, &tree, view.now),
        }
    }
}

/// Until when the taints are tolerated; none for ever.
fn deadline(pod: &Value, taints: &[NodeTaint], now: Timestamp) -> Option<Timestamp> {
    let tolerations = pod.path("/spec/tolerations").and_then(Value::as_array);
    let tolerations = tolerations.map_or(&[][..], List::as_slice);
    let mut first: Option<Timestamp> = None;
    for taint in taints {
        let fitting: Vec<&Value> = tolerations
            .iter()
            .filter(|toleration| tolerates(toleration, taint))
            .collect();
        if fitting.is_empty() {
            return Some(now);
        }
        let seconds = fitting
            .iter()
            .filter_map(|toleration| toleration.get("tolerationSeconds").and_then(Value::as_i64))
            .min();
        if let Some(seconds) = seconds {
            let wait = SignedDuration::from_secs(seconds.max(0));
            let until = taint.added.unwrap_or(now).saturating_add(wait).unwrap_or(now);
            first = Some(first.map_or(until, |first| first.min(until)));
        }
    }
    first
}

fn tolerates(toleration: &Value, taint: &NodeTaint) -> bool {
    let taint = Taint::of_view(taint);
    Toleration::from_json(toleration)
        .zip(taint)
        .is_some_and(|(toleration, taint)| toleration.tolerates(&taint))
}

fn evict(key: &Key, pod: &Value, now: Timestamp) -> Vec<Action> {
    let mut list = conditions::list(pod).to_vec();
    let wanted = Wanted {
        r#type: "DisruptionTarget",
        status: "True",
        reason: "DeletionByTaintManager",
        message: "Taint manager: deleting due to NoExecute taint",
    };
    conditions::set(&mut list, wanted, false, now);
    vec![
        Action::Event {
            about: key.clone(),
            event_type: EventType::Normal,
            reason: "TaintManagerEviction".to_owned(),
            message: format!("Marking for deletion Pod {}/{}", key.namespace, key.name),
        },
        Action::PatchStatus {
            key: key.clone(),
            patch: json!({"status": {"conditions": list}}),
        },
        Action::Delete {
            key: key.clone(),
            options: DeleteOptions::default(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_stay_as_long_as_they_tolerate() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let taint = NodeTaint {
            key: "node.kubernetes.io/unreachable".into(),
            value: "".into(),
            effect: "NoExecute".into(),
            added: Some(at(100)),
        };
        let check = |tolerations: Value, expected: Option<i64>| {
            let pod = json!({"spec": {"tolerations": tolerations}});
            assert_eq!(
                deadline(&pod, std::slice::from_ref(&taint), at(150)),
                expected.map(at),
                "{pod}"
            );
        };
        check(json!([]), Some(150));
        check(json!([{"operator": "Exists"}]), None);
        check(
            json!([{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 300}]),
            Some(400),
        );
        check(json!([{"key": "other", "operator": "Exists"}]), Some(150));
        check(
            json!([{"key": "node.kubernetes.io/unreachable", "operator": "Equal", "effect": "NoSchedule"}]),
            Some(150),
        );
    }
}
