//! What a ReplicaSet does in one turn: adopt and release pods, make or give up pods, tell its status.
//!
//! ReplicationControllers are ReplicaSets with an older kind of selector; the same planner serves both.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use json_tree::{Value, json};
use kube_sim::LabelSelector;

use super::rank::{Candidate, victims};
use crate::cache::{PodView, by_labels};
use crate::controllers::support::acts::Acts;
use crate::controllers::support::conditions::{self, Habit, Says};
use crate::controllers::support::meta::{controller_ref, generate_name, pod_from_template, set_generated_name};
use crate::controllers::support::pods::{Pod, PodExt, labels_selector, next_available};
use crate::controllers::support::tree::{at, deleting, generation, int, list, name, remove, set, texts, uid};
use crate::kind::Kind;

/// The most pods that are made or given up in one turn.
const BURST: usize = 500;
/// The size of the first batch of new pods; each next one is twice as large.
const FIRST_BATCH: usize = 1;

/// Everything the planner looks at.
pub(crate) struct Input<'a> {
    pub(crate) kind: Kind,
    pub(crate) set: &'a Value,
    /// All pods of the set's namespace that it controls or could adopt.
    pub(crate) pods: &'a [&'a Pod],
    /// All pods of the sets that share this set's own controller, itself included.
    pub(crate) related: &'a [Pod],
    /// How dear a pod is; only asked when some have to go.
    pub(crate) deletion_cost: &'a dyn Fn(&PodView) -> i64,
    pub(crate) now: Timestamp,
}

/// The selector of a ReplicaSet or ReplicationController.
pub(crate) fn selector(kind: Kind, set: &Value) -> LabelSelector {
    let found = at(set, &["spec", "selector"]);
    if kind == Kind::REPLICA_SET {
        LabelSelector::from_object(found)
    } else {
        labels_selector(found)
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
    let mut selected = by_labels(|pod| pod.is_selected_by(&selector));
    let mut mine = Vec::new();
    for &pod in input.pods {
        let fits = selected(pod);
        match &pod.controller {
            Some(controller) if &*controller.uid == owner => {
                if fits {
                    mine.push(pod);
                } else if !going && pod.is_active() {
                    let patch = json!({"metadata": {"ownerReferences": null}});
                    acts.patch_key(pod.key(), patch);
                }
            }
            None if fits && !going && pod.is_active() => {
                let reference = controller_ref(input.kind, input.set);
                let patch = json!({"metadata": {"ownerReferences": [reference]}});
                acts.patch_key(pod.key(), patch);
                mine.push(pod);
            }
            _ => {}
        }
    }
    mine
}

/// The size that a set is told to have.
pub(crate) fn wanted(set: &Value) -> usize {
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
    let empty = json!({});
    let refused = conditions::is_true(input.set.get("status").unwrap_or(&empty), FAILURE);
    let count = if refused {
        missing.min(FIRST_BATCH)
    } else {
        missing.min(BURST)
    };
    let mut made: BTreeSet<String> = BTreeSet::new();
    let template = at(input.set, &["spec", "template"]).cloned().unwrap_or_default();
    let base = format!("{}-", name(input.set));
    let moment = input.now.to_string();
    for number in 0..count {
        let reference = controller_ref(input.kind, input.set);
        let mut pod = pod_from_template(input.set, reference, &template);
        let is_taken = |name: &str| made.contains(name) || input.pods.iter().any(|pod| *pod.name == *name);
        let generated = generate_name(&base, &[uid(input.set), &moment, &number.to_string()], is_taken);
        made.insert(generated.clone());
        set_generated_name(&mut pod, &base, generated.clone());
        acts.create(Kind::POD, pod);
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
        *crowd.entry(pod.node.as_deref().unwrap_or_default()).or_default() += 1;
    }
    let neighbours = |pod: &Pod| crowd.get(pod.node.as_deref().unwrap_or_default()).copied().unwrap_or(0);
    let candidates = active
        .iter()
        .map(|pod| Candidate::of(pod, neighbours(pod), (input.deletion_cost)(pod)))
        .collect();
    for victim in victims(candidates, count, input.now) {
        if let Some(pod) = active.iter().find(|pod| &*pod.name == victim) {
            acts.delete_key(pod.key(), &pod.uid);
            acts.event(
                input.kind,
                input.set,
                "SuccessfulDelete",
                format!("Deleted pod: {victim}"),
            );
        }
    }
}

/// The condition that tells of refused pods.
const FAILURE: &str = "ReplicaFailure";
const HABIT: Habit = Habit {
    touched: "",
    messages: false,
    to_end: true,
};

fn tell_status(input: &Input<'_>, pods: &[&Pod], active: &[&Pod], acts: &mut Acts) {
    let mut status = counted(input, pods, active);
    // Whatever was refused before, this turn's plan is carried out: a new refusal is told when it happens.
    conditions::drop(&mut status, FAILURE);
    if list(&status, &["conditions"]).is_empty() {
        remove(&mut status, &["conditions"]);
    }
    acts.status(input.kind, input.set, &status);
    if let Some(moment) = next_available(active.iter().copied(), min_ready(input.set), input.now) {
        acts.wake(moment);
    }
}

fn min_ready(set: &Value) -> i64 {
    int(set, &["spec", "minReadySeconds"]).unwrap_or(0)
}

/// The status that the pods make, with the conditions that there are.
fn counted(input: &Input<'_>, pods: &[&Pod], active: &[&Pod]) -> Value {
    let min_ready = min_ready(input.set);
    let labels = texts(input.set, &["spec", "template", "metadata", "labels"]);
    let mut has_all = by_labels(|pod| labels.iter().all(|(key, value)| pod.label(key) == Some(value)));
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let numbers = [
        ("replicas", active.len(), true),
        (
            "fullyLabeledReplicas",
            active.iter().filter(|pod| has_all(pod)).count(),
            false,
        ),
        ("readyReplicas", active.iter().filter(|pod| pod.ready).count(), false),
        (
            "availableReplicas",
            active.iter().filter(|pod| pod.available(min_ready, input.now)).count(),
            false,
        ),
        (
            "terminatingReplicas",
            pods.iter()
                .filter(|pod| pod.is_deleting() && !pod.phase.is_terminal())
                .count(),
            input.kind == Kind::REPLICA_SET,
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
    status
}

/// What is told when a pod could not be made: an event, how many pods there are all the same, and a condition that stays until
/// pods can be made again.
pub(crate) fn refused(input: &Input<'_>, why: &str) -> Acts {
    let mut acts = Acts::default();
    acts.warn(input.kind, input.set, "FailedCreate", format!("Error creating: {why}"));
    let pods = claim(input, true, &mut Acts::default());
    let active: Vec<&Pod> = pods.iter().copied().filter(|pod| pod.is_active()).collect();
    let mut status = counted(input, &pods, &active);
    let says = Says {
        kind: FAILURE,
        status: "True",
        reason: "FailedCreate",
        message: why,
    };
    conditions::put(&mut status, says, HABIT, input.now);
    acts.status(input.kind, input.set, &status);
    acts
}
