//! What a ReplicaSet does in one turn: adopt and release pods, make or give up pods, tell its status.
//!
//! ReplicationControllers are ReplicaSets with an older kind of selector; the same planner serves both.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rank::{Candidate, victims};
use crate::controllers::support::acts::{Acts, Dependents};
use crate::controllers::support::conditions::{self, Habit, Says};
use crate::controllers::support::kinds::{Kind, POD, REPLICA_SET};
use crate::controllers::support::meta::{controller_ref, generate_name, pod_from_template, set_generated_name};
use crate::controllers::support::pods::{Pod, next_available};
use crate::controllers::support::selector::Selector;
use crate::controllers::support::tree::{at, deleting, generation, int, list, name, remove, set, texts, uid};

/// The most pods that are made or given up in one turn.
const BURST: usize = 500;
/// The size of the first batch of new pods; each next one is twice as large.
const FIRST_BATCH: usize = 1;

/// Everything the planner looks at.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) kind: Kind,
    pub(crate) set: &'a Value,
    /// All pods of the set's namespace that it controls or could adopt.
    pub(crate) pods: &'a [Pod],
    /// All pods of the sets that share this set's own controller, itself included.
    pub(crate) related: &'a [Pod],
    /// The error with which the last attempt to make a pod was refused.
    pub(crate) refused: Option<&'a str>,
    pub(crate) now: Timestamp,
}

/// The selector of a ReplicaSet or ReplicationController.
pub(crate) fn selector(kind: Kind, set: &Value) -> Selector {
    let found = at(set, &["spec", "selector"]);
    if kind == REPLICA_SET {
        Selector::read(found)
    } else {
        Selector::from_map(found)
    }
}

/// Plans one turn.
pub(crate) fn plan(input: &Input<'_>) -> Acts {
    let mut acts = Acts::default();
    let going = deleting(input.set);
    let pods = claim(input, going, &mut acts);
    let active: Vec<&Pod> = pods.iter().copied().filter(|pod| pod.is_active()).collect();
    if !going {
        scale(input, &active, &mut acts);
    }
    tell_status(input, &pods, &active, &mut acts);
    acts
}

/// Takes in orphans that the selector finds and lets go of pods that it does not find any more.
fn claim<'a>(input: &Input<'a>, going: bool, acts: &mut Acts) -> Vec<&'a Pod> {
    let selector = selector(input.kind, input.set);
    let owner = uid(input.set);
    let mut mine = Vec::new();
    for pod in input.pods {
        let fits = selector.matches(&pod.labels);
        match &pod.controller {
            Some(controller) if controller.uid == owner => {
                if fits {
                    mine.push(pod);
                } else if !going && pod.is_active() {
                    let patch = json!({"metadata": {"ownerReferences": null}});
                    acts.patch_named(POD, &pod.namespace, &pod.name, patch, false);
                }
            }
            None if fits && !going && pod.is_active() => {
                let reference = controller_ref(&input.kind.api_version(), input.kind.kind, input.set);
                let patch = json!({"metadata": {"ownerReferences": [reference]}});
                acts.patch_named(POD, &pod.namespace, &pod.name, patch, false);
                mine.push(pod);
            }
            _ => {}
        }
    }
    mine
}

fn wanted(set: &Value) -> usize {
    usize::try_from(int(set, &["spec", "replicas"]).unwrap_or(1)).unwrap_or(0)
}

fn scale(input: &Input<'_>, active: &[&Pod], acts: &mut Acts) {
    let wanted = wanted(input.set);
    if active.len() < wanted {
        make(input, wanted - active.len(), acts);
    } else if active.len() > wanted {
        give_up(input, active, (active.len() - wanted).min(BURST), acts);
    }
}

fn make(input: &Input<'_>, missing: usize, acts: &mut Acts) {
    // After a refusal only the first small batch is tried: the rest would most likely be refused as well.
    let count = if input.refused.is_some() {
        missing.min(FIRST_BATCH)
    } else {
        missing.min(BURST)
    };
    let mut taken: BTreeSet<String> = input.pods.iter().map(|pod| pod.name.clone()).collect();
    let template = at(input.set, &["spec", "template"]).cloned().unwrap_or_default();
    let base = format!("{}-", name(input.set));
    let moment = input.now.to_string();
    for number in 0..count {
        let reference = controller_ref(&input.kind.api_version(), input.kind.kind, input.set);
        let mut pod = pod_from_template(input.set, reference, &template);
        let generated = generate_name(&base, &[uid(input.set), &moment, &number.to_string()], &mut taken);
        set_generated_name(&mut pod, &base, generated.clone());
        acts.create(POD, pod);
        acts.event(
            input.kind,
            input.set,
            "SuccessfulCreate",
            format!("Created pod: {generated}"),
        );
    }
}

fn give_up(input: &Input<'_>, active: &[&Pod], count: usize, acts: &mut Acts) {
    let mut crowd: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in input.related.iter().filter(|pod| pod.is_active()) {
        *crowd.entry(pod.node.as_str()).or_default() += 1;
    }
    let neighbours = |pod: &Pod| crowd.get(pod.node.as_str()).copied().unwrap_or(0);
    let candidates = active.iter().map(|pod| Candidate::of(pod, neighbours(pod))).collect();
    for victim in victims(candidates, count, input.now) {
        if let Some(pod) = active.iter().find(|pod| pod.name == victim) {
            acts.delete_named(POD, &pod.namespace, &pod.name, &pod.uid, Dependents::Background);
            acts.event(
                input.kind,
                input.set,
                "SuccessfulDelete",
                format!("Deleted pod: {victim}"),
            );
        }
    }
}

const HABIT: Habit = Habit {
    touched: "",
    messages: false,
    to_end: true,
};

fn tell_status(input: &Input<'_>, pods: &[&Pod], active: &[&Pod], acts: &mut Acts) {
    let min_ready = int(input.set, &["spec", "minReadySeconds"]).unwrap_or(0);
    let labels = texts(input.set, &["spec", "template", "metadata", "labels"]);
    let has_all = |pod: &&&Pod| labels.iter().all(|(key, value)| pod.labels.get(key) == Some(value));
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let numbers = [
        ("replicas", active.len(), true),
        ("fullyLabeledReplicas", active.iter().filter(has_all).count(), false),
        ("readyReplicas", active.iter().filter(|pod| pod.ready).count(), false),
        (
            "availableReplicas",
            active
                .iter()
                .filter(|pod| pod.is_available(min_ready, input.now))
                .count(),
            false,
        ),
        (
            "terminatingReplicas",
            pods.iter().filter(|pod| pod.deleting && !pod.is_ended()).count(),
            input.kind == REPLICA_SET,
        ),
    ];
    let mut status = json!({});
    for (field, number, always) in numbers {
        if number > 0 || always {
            set(&mut status, &[field], count(number));
        }
    }
    set(&mut status, &["observedGeneration"], generation(input.set));
    if let Some(conditions) = at(input.set, &["status", "conditions"]) {
        set(&mut status, &["conditions"], conditions.clone());
    }
    match input.refused {
        Some(message) => {
            let says = Says {
                kind: "ReplicaFailure",
                status: "True",
                reason: "FailedCreate",
                message,
            };
            conditions::put(&mut status, says, HABIT, input.now);
        }
        None => conditions::drop(&mut status, "ReplicaFailure"),
    }
    if list(&status, &["conditions"]).is_empty() {
        remove(&mut status, &["conditions"]);
    }
    acts.status(input.kind, input.set, &status);
    if let Some(moment) = next_available(active.iter().copied(), min_ready, input.now) {
        acts.wake(moment);
    }
}
