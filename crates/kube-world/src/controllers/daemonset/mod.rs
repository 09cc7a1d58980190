//! DaemonSets: one pod on each node that should have it.

mod placement;
mod plan;
mod update;

#[cfg(test)]
pub(super) use placement::pinned;

use placement::Placement;

use std::borrow::Cow;
use std::sync::Arc;

use json_tree::Value;
use kube_sim::ApiError;

use crate::cache::NodeView;
use crate::controllers::support::acts::Acts;
use crate::controllers::support::interest::{controlled, is_numbered, owner_of, owners_of_pod};
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
            Kind::POD => {
                let mut owners = owners_of_pod(change, Kind::DAEMON_SET);
                owners.retain(|_| is_counted(change));
                owners
            }
            Kind::NODE => disputed(change, view),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(set) = view.object(key) else {
            return Vec::new();
        };
        let all = controlled(view, Kind::CONTROLLER_REVISION, uid(&set));
        let revisions = revisions::of_owner(&set, all.iter().map(|revision| &**revision));
        let daemons: Vec<plan::Daemon<'_>> = view.pods_of(uid(&set)).map(|pod| daemon(view, pod)).collect();
        let nodes: Vec<&NodeView> = view.nodes().map(|node| &**node).collect();
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
fn daemon<'a>(view: &View<'a>, pod: &'a Pod) -> plan::Daemon<'a> {
    let node = match &pod.node {
        Some(node) => Cow::Borrowed(&**node),
        None => {
            let object = view.get(Kind::POD, &pod.namespace, &pod.name);
            let node = object.as_deref().and_then(placement::pinned).unwrap_or_default();
            Cow::Owned(node.to_owned())
        }
    };
    plan::Daemon { pod, node }
}

/// Whether a write of a pod can matter to its DaemonSet. That it gets the node that it is tied to does not.
fn is_counted(change: &Change) -> bool {
    let (Some(before), Some(after)) = (&change.pod_before, &change.pod_after) else {
        return true;
    };
    let is_tied = || change.before().and_then(placement::pinned) == after.node.as_deref();
    is_numbered(change) || (before.node != after.node && !(before.node.is_none() && is_tied()))
}

/// The DaemonSets to which a node is something else after a write of it.
fn disputed(change: &Change, view: &View<'_>) -> Vec<Key> {
    let (Some(before), Some(after)) = (&change.node_before, &change.node_after) else {
        return view.keys(Kind::DAEMON_SET, "");
    };
    // Most writes of a node tell how it is.
    if before.labels == after.labels && before.taints == after.taints && before.unschedulable == after.unschedulable {
        return Vec::new();
    }
    let sets = view.list(Kind::DAEMON_SET, "");
    let is_disputed = |set: &&Arc<Value>| {
        let placement = Placement::of(&placement::spec_of(set));
        placement.judge(before) != placement.judge(after)
    };
    let disputed = sets.iter().filter(is_disputed);
    disputed.map(|set| Key::of(Kind::DAEMON_SET, set)).collect()
}
