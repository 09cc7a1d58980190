//! Stands beside a cluster's API and writes down what happens: to nodes from the writes of the server, to pods from what
//! the engine asks. It changes nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use disruption::{Budget, ClusterObjects, PodState, marking, read_budget, read_pod};
use jiff::Timestamp;
use json_tree::Value;
use kube_sim::{ApiServer, Tap};
use plan::{ClusterForecast, Picture, forecast_cluster};
use ports::Clock;

use crate::expect::Expected;
use crate::report::{HoldReport, NodeLane, OwnerReport};

/// Annotation of a node that was given up.
const GIVEN_UP: &str = rollout::names::QUARANTINED;

/// Reason of the events by which the engine tells owners that a pod has to wait.
const WAITS: &str = "WaitsToMove";

/// What was seen of one cluster.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Every node that ever was, in the order in which it came; names may come again.
    pub(crate) lanes: Vec<NodeLane>,
    pub(crate) owners: BTreeMap<String, OwnerReport>,
    /// Pods that were held back, by uid.
    pub(crate) holds: BTreeMap<String, HoldReport>,
    /// What the contract said when the first node was selected.
    pub(crate) forecast: Option<ClusterForecast>,
    /// Nodes that are there, by name.
    present: BTreeMap<String, usize>,
    begun: bool,
}

/// An observer's notes; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Seen>>);

/// What the API answered to an eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepted,
    Refused,
}

impl Notes {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nodes that come are new ones, and the lives of those that are there begin.
    pub(crate) fn begin(&self, server: &ApiServer, now: Timestamp, stands_for: &BTreeMap<String, String>) {
        let mut seen = self.seen();
        *seen = Seen::default();
        for node in server.read_all("", "nodes", "") {
            seen.node(&node, now, true);
        }
        for lane in &mut seen.lanes {
            lane.stands_for = stands_for.get(&lane.node).cloned();
        }
        seen.begun = true;
    }

    /// An eviction was asked for and answered.
    pub(crate) fn eviction(&self, server: &ApiServer, pod: &Value, answer: Answer, now: Timestamp) {
        let Ok(pod) = read_pod(&pod.into()) else { return };
        let mut seen = self.seen();
        if !seen.begun {
            return;
        }
        match answer {
            Answer::Accepted => seen.evicted(&pod, now),
            Answer::Refused => {
                let why = format!("refused by {}", budgets_over(server, &pod).join(", "));
                seen.held(&pod, why, now).refused += 1;
            }
        }
    }
}

impl Seen {
    fn lane_of(&mut self, pod: &PodState) -> Option<&mut NodeLane> {
        let at = *self.present.get(pod.node.as_ref()?.as_str())?;
        self.lanes.get_mut(at)
    }

    fn evicted(&mut self, pod: &PodState, now: Timestamp) {
        self.owners.entry(pod.responsible().to_owned()).or_default().evicted += 1;
        if let Some(lane) = self.lane_of(pod) {
            lane.evicted += 1;
        }
        self.released(&pod.uid, now);
    }

    /// Something holds a pod back; the first words that were found for it stay.
    fn held(&mut self, pod: &PodState, why: String, now: Timestamp) -> &mut HoldReport {
        let uid = pod.uid.to_string();
        if !self.holds.contains_key(&uid) {
            self.owners.entry(pod.responsible().to_owned()).or_default().held += 1;
            if let Some(lane) = self.lane_of(pod) {
                lane.held += 1;
            }
        }
        self.holds.entry(uid).or_insert_with(|| HoldReport {
            pod: pod.key.to_string(),
            owner: pod.responsible().to_owned(),
            node: pod.node.as_ref().map(ToString::to_string).unwrap_or_default(),
            why,
            refused: 0,
            since: now,
            until: None,
        })
    }

    /// A pod goes, whatever held it.
    fn released(&mut self, uid: &str, now: Timestamp) {
        if let Some(hold) = self.holds.get_mut(uid) {
            hold.until.get_or_insert(now);
        }
    }

    /// The engine tells the owner of a pod that it has to wait.
    fn told(&mut self, server: &ApiServer, event: &Value, now: Timestamp) {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if text("/reason") != WAITS {
            return;
        }
        let (namespace, name) = (text("/involvedObject/namespace"), text("/involvedObject/name"));
        let pod = server.read("", "pods", namespace, name);
        if let Some(pod) = pod.and_then(|pod| read_pod(&pod.into()).ok()) {
            let why = why(text("/message"), &pod.key.to_string());
            self.held(&pod, why, now);
        }
    }

    /// Takes a node as it is now. True when it was selected by this write.
    fn node(&mut self, node: &Value, now: Timestamp, old: bool) -> bool {
        let text = |pointer: &str| node.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let within = |pointer: &str, key: &str| {
            let value = node.pointer(pointer).and_then(|map| map.get(key));
            value.and_then(Value::as_str).unwrap_or_default()
        };
        let label = |key: &str| within("/metadata/labels", key);
        let annotation = |key: &str| within("/metadata/annotations", key);
        let name = text("/metadata/name").to_owned();
        let at = *self.present.entry(name.clone()).or_insert_with(|| {
            self.lanes.push(NodeLane {
                node: name,
                stands_for: None,
                pool: disruption::POOL_LABELS
                    .iter()
                    .map(|key| label(key))
                    .find(|pool| !pool.is_empty())
                    .unwrap_or_default()
                    .to_owned(),
                old,
                joined: now,
                ready: None,
                selected: None,
                draining: None,
                gone: None,
                at_latest: None,
                given_up: None,
                evicted: 0,
                held: 0,
                forced: Vec::new(),
            });
            self.lanes.len() - 1
        });
        let Some(lane) = self.lanes.get_mut(at) else {
            return false;
        };
        let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
        let ready = conditions.into_iter().flatten().any(|one| {
            let member = |key: &str| one.get(key).and_then(Value::as_str);
            member("type") == Some("Ready") && member("status") == Some("True")
        });
        if ready {
            lane.ready.get_or_insert(now);
        }
        let status = label(marking::LIFECYCLE_STATUS);
        let marked = matches!(status, marking::STATUS_PENDING | marking::STATUS_DRAINING);
        let selected = marked && lane.selected.is_none();
        // A block takes marks back; what comes after it is another rollout of the node.
        lane.selected = marked.then(|| lane.selected.unwrap_or(now));
        let draining = marked && !annotation(marking::DRAIN_START).is_empty();
        lane.draining = draining.then(|| lane.draining.unwrap_or(now));
        let given_up = annotation(GIVEN_UP);
        lane.given_up = (!given_up.is_empty()).then(|| given_up.to_owned());
        selected
    }

    fn gone(&mut self, name: &str, now: Timestamp) {
        if let Some(lane) = self.present.remove(name).and_then(|at| self.lanes.get_mut(at)) {
            lane.gone = Some(now);
        }
    }
}

/// What holds a pod, from the sentence that the engine says to its owner: the words between its name and its times.
fn why(message: &str, pod: &str) -> String {
    let after = message
        .split_once(&format!("pod {pod} "))
        .map_or(message, |(_, rest)| rest);
    after.split(" since ").next().unwrap_or(after).to_owned()
}

/// The budgets that guard a pod, by name.
fn budgets_over(server: &ApiServer, pod: &PodState) -> Vec<String> {
    let budgets = server.read_all("policy", "poddisruptionbudgets", &pod.key.namespace);
    let budgets = budgets.iter().filter_map(|budget| read_budget(&budget.into()).ok());
    let guards = |budget: &Budget| budget.selector.matches(&pod.labels);
    budgets.filter(guards).map(|budget| budget.key.to_string()).collect()
}

/// Follows the writes of a cluster's server for ever.
pub(crate) async fn follow(
    mut tap: Tap,
    server: ApiServer,
    clock: Arc<dyn Clock>,
    notes: Notes,
    expected: Arc<Expected>,
) {
    loop {
        tap.filled().await;
        let now = clock.now();
        let mut selected = false;
        for write in tap.take() {
            let after = write.after();
            let mut seen = notes.seen();
            match (write.resource().1, after) {
                ("nodes", Some(stored)) => selected |= seen.node(&stored.value(), now, false),
                ("nodes", None) => seen.gone(write.name(), now),
                ("events", Some(stored)) => seen.told(&server, &stored.value(), now),
                ("pods", Some(stored)) if stored.deleting() => seen.released(stored.uid(), now),
                ("pods", None) => {
                    if let Some(before) = write.before() {
                        seen.released(before.uid(), now);
                    }
                }
                _ => {}
            }
        }
        let first = selected && {
            let seen = notes.seen();
            seen.begun && seen.forecast.is_none()
        };
        if first {
            let forecast = forecast(&server, &expected, now);
            let mut seen = notes.seen();
            set_bounds(&mut seen, &forecast);
            seen.forecast = Some(forecast);
        }
    }
}

fn set_bounds(seen: &mut Seen, forecast: &ClusterForecast) {
    for node in forecast.pools.iter().flat_map(|pool| &pool.nodes) {
        let place = seen.present.get(node.node.as_str()).copied();
        if let Some(lane) = place.and_then(|at| seen.lanes.get_mut(at)) {
            lane.at_latest = node.at_latest;
        }
    }
}

/// The contract's forecast for the cluster as it is.
fn forecast(server: &ApiServer, expected: &Expected, now: Timestamp) -> ClusterForecast {
    let mut objects = ClusterObjects::default();
    let kinds = [
        ("", "nodes", "Node"),
        ("", "pods", "Pod"),
        ("policy", "poddisruptionbudgets", "PodDisruptionBudget"),
        ("", "persistentvolumes", "PersistentVolume"),
        ("", "persistentvolumeclaims", "PersistentVolumeClaim"),
        ("apps", "statefulsets", "StatefulSet"),
        ("batch", "jobs", "Job"),
    ];
    let mut errors = Vec::new();
    for (group, resource, kind) in kinds {
        for mut object in server.read_all(group, resource, "") {
            object["kind"] = kind.into();
            if let Err(error) = objects.take(&object.into()) {
                errors.push(format!("{error}: {}", error.source));
            }
        }
    }
    let picture = Picture {
        view: objects.into_view(),
        at: now,
        source: "twin".to_owned(),
    };
    let mut forecast = forecast_cluster(&expected.plan, &picture, &expected.rules).unwrap_or(ClusterForecast {
        cluster: expected.plan.cluster.clone(),
        alias: expected.plan.alias.clone(),
        at: now,
        source: picture.source.clone(),
        pools: Vec::new(),
        errors: Vec::new(),
    });
    forecast.errors.extend(errors);
    forecast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_a_pod_is_taken_from_the_sentence_to_its_owner() {
        let sentence = "node n1, pod shop/cart-0 blocked by PDB shop/cart (0 of 1 allowed, 1 healthy, 1 needed) since 2h10m \
                        (2026-11-21 12:00 UTC); force not before 2026-11-21 18:00 UTC; owner team-shop";
        assert_eq!(
            why(sentence, "shop/cart-0"),
            "blocked by PDB shop/cart (0 of 1 allowed, 1 healthy, 1 needed)"
        );
        assert_eq!(why("something else", "shop/cart-0"), "something else");
    }
}
