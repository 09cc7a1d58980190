//! Node shutdown: notices that a machine ends become a mark and a time on its node, in time for the pods on it.
//!
//! Whoever gets the cloud's notices leaves a taint on the node. Each source is a row of [`SOURCES`]: with a notice period the
//! node gets `rollout.fleetwright.dev/machine-ends`, and pods are evicted while time remains and terminated before the end;
//! without one the node is marked for replacement and goes under the ordinary contract. A notice that is taken back takes
//! away what it brought.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use disruption::marking::{LIFECYCLE_STATUS, STATUS_DRAINING, STATUS_PENDING, STATUS_READY, clock_text};
use jiff::{SignedDuration, Timestamp};
use kube_access::watch::{WatchEvent, WatchOptions, WatchSet};
use kube_access::{Access, AccessError, Depth, GroupKind};
use rollout::names::{MACHINE_ENDS, MACHINE_ENDS_REASON, SELECTED_REASON};
use serde_json::Value;

use crate::leader::Leadership;
use crate::queue::{self, Queue};

/// Who tells that a machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The key of the taint.
    pub taint: &'static str,
    /// How long before the end it comes; none where the end is not near or not known.
    pub notice: Option<SignedDuration>,
    /// What to call it.
    pub reason: &'static str,
}

/// The taints of the AWS node termination handler and of the cluster autoscaler's like. Recommendations end nothing and are not
/// among them.
pub const SOURCES: [Source; 3] = [
    Source {
        taint: "aws-node-termination-handler/spot-itn",
        notice: Some(SignedDuration::from_secs(120)),
        reason: "spot interruption",
    },
    Source {
        taint: "aws-node-termination-handler/asg-lifecycle-termination",
        notice: Some(SignedDuration::from_secs(600)),
        reason: "its group ends the machine",
    },
    Source {
        taint: "aws-node-termination-handler/scheduled-maintenance",
        notice: None,
        reason: "scheduled maintenance",
    },
];

/// Annotation: which taint a mark of this controller came from, so that it goes with the taint.
pub const NOTICED: &str = "shutdown.fleetwright.dev/noticed";

/// What a node says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NodeSeen {
    name: String,
    status: String,
    noticed: Option<String>,
    found: Option<(Source, Option<Timestamp>)>,
}

fn read(node: &Value) -> NodeSeen {
    let text = |path: &str| {
        node.pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let taints = node.pointer("/spec/taints").and_then(Value::as_array);
    let taints: Vec<&Value> = taints.into_iter().flatten().collect();
    // The most urgent source counts: they are listed in that order.
    let found = SOURCES.iter().find_map(|source| {
        let taint = taints
            .iter()
            .find(|taint| taint.get("key").and_then(Value::as_str) == Some(source.taint))?;
        let added = taint.get("timeAdded").and_then(Value::as_str);
        Some((*source, added.and_then(|at| at.parse().ok())))
    });
    let notes = node.pointer("/metadata/annotations");
    let noticed = notes.and_then(|notes| notes.get(NOTICED)).and_then(Value::as_str);
    NodeSeen {
        name: text("/metadata/name"),
        status: node
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get(LIFECYCLE_STATUS))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        noticed: noticed.map(str::to_owned),
        found,
    }
}

type Changes = BTreeMap<String, Option<String>>;

/// Labels and annotations to change; none when all is as it should be.
fn plan(node: &NodeSeen, now: Timestamp) -> Option<(Changes, Changes)> {
    let (mut labels, mut notes) = (Changes::new(), Changes::new());
    let set = |text: &str| Some(text.to_owned());
    let marked = matches!(node.status.as_str(), STATUS_PENDING | STATUS_DRAINING);
    match (&node.found, &node.noticed) {
        (Some((source, _)), Some(noticed)) if noticed == source.taint => return None,
        (Some((source, added)), _) => {
            notes.insert(NOTICED.to_owned(), set(source.taint));
            notes.insert(SELECTED_REASON.to_owned(), set(source.reason));
            if let Some(notice) = source.notice {
                let ends = added.unwrap_or(now).saturating_add(notice).unwrap_or(Timestamp::MAX);
                notes.insert(MACHINE_ENDS.to_owned(), Some(clock_text(ends)));
                notes.insert(MACHINE_ENDS_REASON.to_owned(), set(source.reason));
            }
            if !marked {
                labels.insert(LIFECYCLE_STATUS.to_owned(), set(STATUS_PENDING));
            }
        }
        (None, Some(_)) => {
            for key in [NOTICED, MACHINE_ENDS, MACHINE_ENDS_REASON] {
                notes.insert(key.to_owned(), None);
            }
            labels.insert(LIFECYCLE_STATUS.to_owned(), set(STATUS_READY));
        }
        (None, None) => return None,
    }
    Some((labels, notes))
}

/// Watches nodes and acts on notices as long as the lead holds.
///
/// # Errors
/// [`AccessError`] when the nodes cannot be watched at all.
pub async fn run(access: &Access, leadership: &Arc<Leadership>) -> Result<(), AccessError> {
    let id = GroupKind::new("", "Node");
    let kinds = access.kinds().await?;
    let kind = kinds.preferred(&id).cloned().ok_or_else(|| AccessError::NotFound {
        subject: format!("kind {id}"),
    })?;
    let options = WatchOptions {
        depth: Depth::Full,
        ..WatchOptions::default()
    };
    let mut events = WatchSet::new(access, [(kind, options)], Arc::new(read));
    let (clock, mut queue) = (access.clock(), Queue::default());
    let mut nodes: BTreeMap<String, NodeSeen> = BTreeMap::new();
    while leadership.holds() {
        let rest = queue.rest(clock.now());
        tokio::select! {
            biased;
            event = events.next() => match event {
                WatchEvent::Applied { key, value } => {
                    queue.add(&key.name, clock.now());
                    nodes.insert(key.name, value);
                }
                WatchEvent::Deleted { key } => {
                    nodes.remove(&key.name);
                }
                WatchEvent::Trouble { error, .. } => tracing::warn!(%error, "nodes cannot be read"),
                WatchEvent::Synced { .. } => {}
            },
            () = clock.sleep(rest) => {}
        }
        while let Some(node) = queue.pop(clock.now()).and_then(|name| nodes.get(&name)) {
            if leadership.holds() && !act(access, node).await {
                queue.add(&node.name, queue::after(clock.now(), AGAIN));
            }
        }
    }
    Ok(())
}

/// Pause before a write that failed is tried again: a spot machine has two minutes.
const AGAIN: Duration = Duration::from_secs(5);

/// Brings a node to what its notices say; false when that has to be tried again.
async fn act(access: &Access, node: &NodeSeen) -> bool {
    let Some((labels, notes)) = plan(node, access.clock().now()) else {
        return true;
    };
    let reason = node.found.as_ref().map(|(source, _)| source.reason);
    tracing::info!(node = %node.name, reason, "notice");
    match access.mark_node(&node.name, &labels, &notes).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(node = %node.name, %error, "the notice was not written to the node");
            error.is_absent()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(taint: Option<&str>, status: &str, noticed: Option<&str>) -> NodeSeen {
        let taints =
            taint.map(|key| json!([{"key": key, "effect": "NoSchedule", "timeAdded": "2026-03-02T08:00:00Z"}]));
        read(
            &json!({"metadata": {"name": "n", "labels": {"lifecycle-status": status},
            "annotations": noticed.map(|key| json!({NOTICED: key}))}, "spec": {"taints": taints}}),
        )
    }

    #[test]
    fn a_notice_marks_the_node_once_and_goes_with_its_taint() {
        let now: Timestamp = "2026-03-02T08:00:30Z".parse().unwrap();
        let spot = SOURCES[0].taint;
        let (labels, notes) = plan(&node(Some(spot), "ready", None), now).unwrap();
        assert_eq!(labels[LIFECYCLE_STATUS].as_deref(), Some("decommission-pending"));
        assert_eq!(
            notes[MACHINE_ENDS].as_deref(),
            Some("2026-03-02T08:02:00Z"),
            "two minutes from the taint"
        );
        assert_eq!(plan(&node(Some(spot), "draining", Some(spot)), now), None);
        let (labels, notes) = plan(&node(None, "draining", Some(spot)), now).unwrap();
        assert_eq!(labels[LIFECYCLE_STATUS].as_deref(), Some("ready"));
        assert_eq!(notes[MACHINE_ENDS], None);
        assert_eq!(plan(&node(None, "draining", None), now), None, "somebody else's mark");
    }

    #[test]
    fn maintenance_has_no_end_that_is_near_and_recommendations_say_nothing() {
        let now = Timestamp::UNIX_EPOCH;
        let (labels, notes) = plan(&node(Some(SOURCES[2].taint), "ready", None), now).unwrap();
        assert!(labels.contains_key(LIFECYCLE_STATUS) && !notes.contains_key(MACHINE_ENDS));
        let advice = "aws-node-termination-handler/rebalance-recommendation";
        assert_eq!(plan(&node(Some(advice), "ready", None), now), None);
    }
}
