//! Pods as controllers look at them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};
use kube_sim::LabelSelector;

use crate::cache::PodView;
use crate::kind::{Key, Kind};

/// A pod of the typed cache.
pub(crate) type Pod = Arc<PodView>;

/// What controllers ask of a pod beyond what its view answers.
pub(crate) trait PodExt {
    /// The pod as a key.
    fn key(&self) -> Key;
    /// Whether its deletion has begun.
    fn is_deleting(&self) -> bool;
    /// Whether the owner with this uid controls the pod.
    fn is_controlled_by(&self, owner: &str) -> bool;
    /// When the pod counts as available: once it was ready for so many seconds.
    fn available_at(&self, min_ready: i64) -> Option<Timestamp>;
    /// Whether the pod counts as available now.
    fn available(&self, min_ready: i64, now: Timestamp) -> bool;
    /// Whether the selector finds it.
    fn is_selected_by(&self, selector: &LabelSelector) -> bool;
}

impl PodExt for PodView {
    fn key(&self) -> Key {
        Key {
            kind: Kind::POD,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    fn is_deleting(&self) -> bool {
        self.deleting_by.is_some()
    }

    fn is_controlled_by(&self, owner: &str) -> bool {
        self.controller.as_ref().is_some_and(|found| &*found.uid == owner)
    }

    fn available_at(&self, min_ready: i64) -> Option<Timestamp> {
        if !self.ready {
            return None;
        }
        let since = self.ready_since.unwrap_or(Timestamp::UNIX_EPOCH);
        since.checked_add(SignedDuration::from_secs(min_ready)).ok()
    }

    fn available(&self, min_ready: i64, now: Timestamp) -> bool {
        self.is_available(SignedDuration::from_secs(min_ready), now)
    }

    fn is_selected_by(&self, selector: &LabelSelector) -> bool {
        selector.matches_with(|key| self.label(key))
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

/// The selector that a plain map of labels is, as Services and ReplicationControllers have it; an empty one finds nothing.
pub(crate) fn labels_selector(labels: Option<&Value>) -> LabelSelector {
    let labels = labels.filter(|labels| labels.as_object().is_some_and(|map| !map.is_empty()));
    let selector = labels.map(|labels| json!({"matchLabels": labels}));
    LabelSelector::from_object(selector.as_ref())
}
