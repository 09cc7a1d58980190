//! Pods of Jobs: how they ended, which index they work on, whether they were counted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use json_tree::Value;

use crate::cache::Phase;
use crate::controllers::support::meta::deletion_cost;
use crate::controllers::support::pods::{Pod, PodExt};
use crate::controllers::support::tree::{annotation, int, list, text, time};

/// The finalizer that keeps a pod until its Job has counted it.
pub(crate) const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// The annotation and label with the index that a pod works on.
pub(crate) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// How often the index failed before this pod.
pub(crate) const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";

/// A pod of a Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobPod {
    pub(crate) pod: Pod,
    pub(crate) index: Option<i64>,
    /// How often this pod's index had failed when the pod was made.
    pub(crate) index_failures: i64,
    /// Whether the Job still holds the pod to count it.
    pub(crate) tracked: bool,
    pub(crate) finalizers: Vec<String>,
    /// When the last of its containers ended.
    pub(crate) finished: Option<Timestamp>,
    /// Containers that ended with another code than zero.
    pub(crate) exit_codes: BTreeMap<String, i64>,
    /// Types and states of the pod's conditions.
    pub(crate) conditions: BTreeMap<String, String>,
    /// How dear the pod is when one has to go.
    pub(crate) deletion_cost: i64,
}

impl JobPod {
    /// Adds to a pod of the cache what only its object tells.
    pub(crate) fn read(view: Pod, pod: &Value) -> Self {
        let statuses = ["initContainerStatuses", "containerStatuses"];
        let containers: Vec<&Value> = statuses
            .iter()
            .flat_map(|field| list(pod, &["status", field]))
            .collect();
        let ended = |container: &&Value| {
            let code = int(container, &["state", "terminated", "exitCode"])?;
            Some((text(container, &["name"])?.to_owned(), code))
        };
        let finalizers = list(pod, &["metadata", "finalizers"]);
        let finalizers: Vec<String> = finalizers
            .iter()
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect();
        let conditions = list(pod, &["status", "conditions"]).iter();
        let finished = containers
            .iter()
            .filter_map(|one| time(one, &["state", "terminated", "finishedAt"]))
            .max();
        Self {
            pod: view,
            index: annotation(pod, INDEX).and_then(|index| index.parse().ok()),
            index_failures: annotation(pod, FAILURES)
                .and_then(|count| count.parse().ok())
                .unwrap_or(0),
            tracked: finalizers.iter().any(|name| name == TRACKING),
            finalizers,
            finished: finished.or_else(|| time(pod, &["metadata", "deletionTimestamp"])),
            exit_codes: containers
                .iter()
                .filter_map(ended)
                .filter(|(_, code)| *code != 0)
                .collect(),
            conditions: conditions
                .filter_map(|one| Some((text(one, &["type"])?.to_owned(), text(one, &["status"])?.to_owned())))
                .collect(),
            deletion_cost: deletion_cost(pod),
        }
    }

    /// Whether the pod is on its way out and not yet at its end.
    pub(crate) fn is_going(&self) -> bool {
        self.pod.is_deleting() && !self.pod.phase.is_terminal()
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.pod.phase == Phase::Succeeded
    }

    /// Whether the pod counts as failed. A pod that is being deleted does at once, unless only failed pods are replaced.
    pub(crate) fn failed(&self, only_failed: bool) -> bool {
        self.pod.phase == Phase::Failed || (!only_failed && self.pod.is_deleting() && !self.succeeded())
    }
}
