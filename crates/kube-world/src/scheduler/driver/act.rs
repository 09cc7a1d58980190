//! Decisions as actions on the API.

use jiff::Timestamp;
use json_tree::{Value, json};
use kube_sim::DeleteOptions;

use super::super::{Binding, PodRef, Preemption, Refusal, read};
use super::Objects;
use crate::engine::{Action, EventType};
use crate::kind::{Key, Kind};

fn key_of(pod: &PodRef) -> Key {
    Key::new(Kind::POD, &pod.namespace, &pod.name)
}

fn event(about: Key, event_type: EventType, reason: &str, message: String) -> Action {
    Action::Event {
        about,
        event_type,
        reason: reason.to_owned(),
        message,
    }
}

/// Binds a pod and says so.
pub(super) fn bind(binding: &Binding) -> Vec<Action> {
    let key = key_of(&binding.pod);
    let told = event(key.clone(), EventType::Normal, "Scheduled", binding.event());
    let node = binding.node.clone();
    vec![Action::Bind { key, node }, told]
}

/// Asks for the volumes of a pod's claims on the chosen node.
pub(super) fn volumes(binding: &Binding, objects: &dyn Objects) -> Vec<Action> {
    let provision = binding.volumes.provision.iter().map(|(namespace, name)| Action::Patch {
        key: Key::new(Kind::PERSISTENT_VOLUME_CLAIM, namespace, name),
        patch: json!({ "metadata": { "annotations": { "volume.kubernetes.io/selected-node": binding.node } } }),
    });
    let reserve = binding.volumes.bind.iter().map(|((namespace, name), volume)| {
        let claim = objects.object(&Key::new(Kind::PERSISTENT_VOLUME_CLAIM, namespace, name));
        let uid = claim.as_deref().and_then(|claim| read::text(claim, &["metadata", "uid"])).unwrap_or_default();
        Action::Patch {
            key: Key::new(Kind::PERSISTENT_VOLUME, "", volume),
            patch: json!({
                "metadata": { "annotations": { "pv.kubernetes.io/bound-by-controller": "yes" } },
                "spec": { "claimRef": {
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name, "uid": uid,
                }},
            }),
        }
    });
    provision.chain(reserve).collect()
}

/// Says that no node takes a pod, and makes room if that was decided.
pub(super) fn refuse(refusal: &Refusal, scheduler: &str, now: Timestamp, objects: &dyn Objects) -> Vec<Action> {
    let key = key_of(&refusal.pod);
    let mut actions = Vec::new();
    if let Some(preemption) = &refusal.preemption {
        for victim in &preemption.victims {
            actions.extend(evict(victim, preemption, &refusal.pod, scheduler, now, objects));
        }
        for pod in &preemption.displaced {
            let patch = json!({ "status": { "nominatedNodeName": null } });
            actions.push(Action::PatchStatus {
                key: key_of(pod),
                patch,
            });
        }
    }
    actions.push(event(
        key.clone(),
        EventType::Warning,
        "FailedScheduling",
        refusal.event(),
    ));
    let mut status = json_tree::Map::new();
    let says = [
        ("status", "False"),
        ("reason", "Unschedulable"),
        ("message", &refusal.message),
    ];
    if let Some(conditions) = with_condition(objects.object(&key).as_deref(), "PodScheduled", &says, now) {
        status.insert("conditions", conditions);
    }
    match &refusal.preemption {
        Some(preemption) => drop(status.insert("nominatedNodeName", preemption.node.clone().into())),
        None if refusal.clear_nomination => drop(status.insert("nominatedNodeName", Value::Null)),
        None => {}
    }
    if !status.is_empty() {
        let patch = json!({ "status": status });
        actions.push(Action::PatchStatus { key, patch });
    }
    actions
}

/// Marks a victim with the reason, deletes it and says so; one that goes already is left alone.
fn evict(
    victim: &PodRef,
    preemption: &Preemption,
    preemptor: &PodRef,
    scheduler: &str,
    now: Timestamp,
    objects: &dyn Objects,
) -> Vec<Action> {
    let key = key_of(victim);
    let object = objects.object(&key);
    let mut actions = Vec::new();
    let message = Preemption::condition(scheduler);
    let says = [
        ("status", "True"),
        ("reason", Preemption::CONDITION_REASON),
        ("message", &message),
    ];
    if let Some(conditions) = with_condition(object.as_deref(), "DisruptionTarget", &says, now) {
        let patch = json!({ "status": { "conditions": conditions } });
        actions.push(Action::PatchStatus {
            key: key.clone(),
            patch,
        });
    }
    let going = object.is_some_and(|pod| read::text(&pod, &["metadata", "deletionTimestamp"]).is_some());
    if !going {
        let options = DeleteOptions {
            uid: Some(victim.uid.to_string()),
            ..DeleteOptions::default()
        };
        actions.push(Action::Delete {
            key: key.clone(),
            options,
        });
    }
    actions.push(event(key, EventType::Normal, "Preempted", preemption.event(preemptor)));
    actions
}

/// The pod's conditions with one of them set; `None` when it says so already.
fn with_condition(pod: Option<&Value>, kind: &str, says: &[(&str, &str)], now: Timestamp) -> Option<Value> {
    let pod = pod?;
    let mut conditions = read::list(pod, &["status", "conditions"]).to_vec();
    let place = conditions
        .iter()
        .position(|condition| read::text(condition, &["type"]) == Some(kind));
    let old = place.and_then(|at| conditions.get(at).cloned());
    let same = |name: &str, value: &str| old.as_ref().is_some_and(|old| read::text(old, &[name]) == Some(value));
    if says.iter().all(|(name, value)| same(name, value)) {
        return None;
    }
    let kept = says.iter().any(|(name, value)| *name == "status" && same(name, value));
    let since = old
        .as_ref()
        .filter(|_| kept)
        .and_then(|old| old.get("lastTransitionTime").cloned());
    let mut condition = json!({ "type": kind, "lastProbeTime": null });
    if let Some(members) = condition.as_object_mut() {
        let stamp = || Value::from(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        members.insert("lastTransitionTime", since.unwrap_or_else(stamp));
        members.extend(
            says.iter()
                .map(|(name, value)| ((*name).to_owned(), Value::from(*value))),
        );
    }
    match place.and_then(|at| conditions.get_mut(at)) {
        Some(slot) => *slot = condition,
        None => conditions.push(condition),
    }
    Some(Value::from(conditions))
}
