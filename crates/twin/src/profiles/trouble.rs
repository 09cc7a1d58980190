//! Troublemakers, one of each in every cluster: what drains and rollouts meet in real clusters.

use json_tree::json;

use super::fill::{Filler, budget, job};
use crate::tree::set;

const NAMESPACE: &str = "trouble";

/// Adds them while there is room.
pub(super) fn add(filler: &mut Filler) {
    let all: [fn(&mut Filler); 5] = [allows_nothing, never_ready, day_long, held, bare];
    // They make up at most half of a small cluster.
    let room = filler.nodes().clamp(1, 5);
    for add in all.into_iter().take(usize::try_from(room).unwrap_or(0)) {
        if filler.is_full() {
            return;
        }
        add(filler);
    }
}

/// A single pod with a budget that wants all of one.
fn allows_nothing(filler: &mut Filler) {
    let app = filler.app(NAMESPACE, "only-one", 1);
    let object = filler.deployment(&app);
    filler.add_with_pods(object, 1);
    filler.add(budget(
        &app,
        "only-one",
        &json!({"application": "only-one"}),
        "maxUnavailable",
        0,
    ));
}

/// Pods that never become ready, and a budget that therefore never allows anything.
fn never_ready(filler: &mut Filler) {
    let app = filler.app(NAMESPACE, "never-ready", 1);
    let mut object = filler.deployment(&app);
    set(
        &mut object,
        &["spec", "template", "metadata", "annotations"],
        json!({"sim.fleetwright.dev/never-ready": "true"}),
    );
    filler.add_with_pods(object, 1);
    let labels = json!({"application": "never-ready"});
    filler.add(budget(&app, "never-ready", &labels, "minAvailable", 1));
}

/// A Job that runs for a day and would begin anew if it were moved.
fn day_long(filler: &mut Filler) {
    let app = filler.app(NAMESPACE, "day-long", 1);
    let mut object = job(filler, &app, "24h");
    set(
        &mut object,
        &[
            "spec",
            "template",
            "metadata",
            "annotations",
            "cluster-autoscaler.kubernetes.io/safe-to-evict",
        ],
        "false",
    );
    filler.add_with_pods(object, 1);
}

/// A pod whose finalizer nobody takes off.
fn held(filler: &mut Filler) {
    let app = filler.app(NAMESPACE, "held", 1);
    let mut pod = filler.template(&app, 8080);
    set(&mut pod, &["apiVersion"], "v1");
    set(&mut pod, &["kind"], "Pod");
    set(&mut pod, &["metadata", "name"], "held");
    set(&mut pod, &["metadata", "namespace"], NAMESPACE);
    set(&mut pod, &["metadata", "finalizers"], json!(["example.org/hold"]));
    filler.add_with_pods(pod, 1);
}

/// A pod that nobody would make anew.
fn bare(filler: &mut Filler) {
    let app = filler.app(NAMESPACE, "bare", 1);
    let mut pod = filler.template(&app, 8080);
    set(&mut pod, &["apiVersion"], "v1");
    set(&mut pod, &["kind"], "Pod");
    set(&mut pod, &["metadata", "name"], "bare");
    set(&mut pod, &["metadata", "namespace"], NAMESPACE);
    filler.add_with_pods(pod, 1);
}
