//! Pods as controllers look at them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::tree::{created, deleting, int, list, name, namespace, text, texts, time, uid};

/// The annotation that says which pods are dear.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Who controls a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Controller {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// What controllers need to know of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) controller: Option<Controller>,
    /// Empty before the pod is bound.
    pub(crate) node: String,
    pub(crate) phase: String,
    pub(crate) deleting: bool,
    pub(crate) ready: bool,
    /// When readiness last changed.
    pub(crate) ready_changed: Option<Timestamp>,
    pub(crate) created: Option<Timestamp>,
    pub(crate) restarts: i64,
    pub(crate) deletion_cost: i64,
}

impl Pod {
    /// Reads a pod object.
    pub(crate) fn read(pod: &Value) -> Self {
        let own = |text: &str| text.to_owned();
        let conditions = list(pod, &["status", "conditions"]);
        let ready = conditions
            .iter()
            .find(|condition| text(condition, &["type"]) == Some("Ready"));
        let owner = super::meta::controller_of(pod);
        let part = |owner: &Value, field: &str| own(text(owner, &[field]).unwrap_or_default());
        let restarts = list(pod, &["status", "containerStatuses"])
            .iter()
            .filter_map(|one| int(one, &["restartCount"]));
        Self {
            namespace: own(namespace(pod)),
            name: own(name(pod)),
            uid: own(uid(pod)),
            labels: texts(pod, &["metadata", "labels"]),
            controller: owner.map(|owner| Controller {
                kind: part(owner, "kind"),
                name: part(owner, "name"),
                uid: part(owner, "uid"),
            }),
            node: own(text(pod, &["spec", "nodeName"]).unwrap_or_default()),
            phase: own(text(pod, &["status", "phase"]).unwrap_or_default()),
            deleting: deleting(pod),
            ready: ready.is_some_and(|ready| text(ready, &["status"]) == Some("True")),
            ready_changed: ready.and_then(|ready| time(ready, &["lastTransitionTime"])),
            created: created(pod),
            restarts: restarts.max().unwrap_or(0),
            deletion_cost: text(pod, &["metadata", "annotations", DELETION_COST])
                .and_then(|cost| cost.parse().ok())
                .unwrap_or(0),
        }
    }

    /// Failed or Succeeded.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.phase.as_str(), "Failed" | "Succeeded")
    }

    /// Neither ended nor on its way out.
    pub(crate) fn is_active(&self) -> bool {
        !self.is_ended() && !self.deleting
    }

    /// Whether the owner with this uid controls the pod.
    pub(crate) fn is_controlled_by(&self, owner: &str) -> bool {
        self.controller.as_ref().is_some_and(|found| found.uid == owner)
    }

    /// When the pod counts as available: once it was ready for so many seconds.
    pub(crate) fn available_at(&self, min_ready: i64) -> Option<Timestamp> {
        if !self.ready {
            return None;
        }
        let since = self.ready_changed.unwrap_or(Timestamp::UNIX_EPOCH);
        since.checked_add(SignedDuration::from_secs(min_ready)).ok()
    }

    /// Whether the pod counts as available now.
    pub(crate) fn is_available(&self, min_ready: i64, now: Timestamp) -> bool {
        self.ready && (min_ready == 0 || self.available_at(min_ready).is_some_and(|when| when <= now))
    }

    /// The value of a label; empty where it is missing.
    pub(crate) fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }
}

/// When the next of some ready pods becomes available.
pub(crate) fn next_available<'a>(
    pods: impl IntoIterator<Item = &'a Pod>,
    min_ready: i64,
    now: Timestamp,
) -> Option<Timestamp> {
    let moments = pods.into_iter().filter_map(|pod| pod.available_at(min_ready));
    moments.filter(|moment| *moment > now).min()
}
