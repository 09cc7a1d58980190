//! DaemonSets: one pod on each node that should have it.

mod placement;
mod plan;
mod update;

#[cfg(test)]
pub(super) use placement::pinned;

use std::sync::Arc;

use kube_sim::ApiError;

use crate::cache::NodeView;
use crate::controllers::support::acts::Acts;
use crate::controllers::support::interest::{controlled, is_counted, owner_of, owners_of_pod};
use crate::controllers::support::pods::Pod;
use crate::controllers::support::revisions;
use crate::controllers::support::tree::uid;
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

/// The controller of DaemonSets.
#[derive(Debug)]
pub(crate) struct DaemonSets;

impl Controller for DaemonSets {
    fn name(&self) -> &'static str {
        "daemonset-controller"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        match change.key.kind {
            Kind::DAEMON_SET => vec![change.key.clone()],
            Kind::CONTROLLER_REVISION => owner_of(change, Kind::DAEMON_SET),
            Kind::POD if is_counted(change) => owners_of_pod(change, Kind::DAEMON_SET),
            Kind::NODE if is_moved(change) => view.keys(Kind::DAEMON_SET, ""),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(set) = view.object(key) else {
            return Vec::new();
        };
        let all = controlled(view, Kind::CONTROLLER_REVISION, uid(&set));
        let revisions = revisions::of_owner(&set, all.iter().map(|revision| &**revision));
        let daemons: Vec<plan::Daemon> = view.pods_of(uid(&set)).map(|pod| daemon(view, pod)).collect();
        let nodes: Vec<Arc<NodeView>> = view.nodes().cloned().collect();
        let input = plan::Input {
            set: &set,
            revisions: &revisions,
            daemons: &daemons,
            nodes: &nodes,
            now: view.now,
        };
        plan::plan(&input).into_actions()
    }

    fn failed(&self, view: &View<'_>, key: &Key, action: &Action, error: &ApiError) -> Vec<Action> {
        let mut acts = Acts::default();
        if let (Action::Create { kind: Kind::POD, .. }, Some(set)) = (action, view.object(key)) {
            acts.warn(
                Kind::DAEMON_SET,
                &set,
                "FailedCreate",
                format!("Error creating: {}", error.message),
            );
        }
        acts.into_actions()
    }
}

/// A pod with its node: the one it is on, or the one it is tied to until the scheduler has seen it.
fn daemon(view: &View<'_>, pod: &Pod) -> plan::Daemon {
    let node = match &pod.node {
        Some(node) => node.clone(),
        None => {
            let object = view.get(Kind::POD, &pod.namespace, &pod.name);
            object.as_deref().and_then(placement::pinned).unwrap_or_default().into()
        }
    };
    plan::Daemon { pod: pod.clone(), node }
}

/// Whether a write of a node can change where daemons belong.
fn is_moved(change: &Change) -> bool {
    let (Some(before), Some(after)) = (&change.node_before, &change.node_after) else {
        return true;
    };
    before.labels != after.labels || before.taints != after.taints || before.unschedulable != after.unschedulable
}
