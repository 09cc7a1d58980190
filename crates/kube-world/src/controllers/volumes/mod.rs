//! PersistentVolumes and their claims: binding, provisioning in a zone, growth, reclaiming, protection while in use.

mod plan;

use std::collections::BTreeSet;
use std::sync::Arc;

use json_tree::Value;

use crate::controllers::support::pods::Pod;
use crate::controllers::support::tree::{annotation, text};
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

/// The label of a node's zone.
const ZONE: &str = "topology.kubernetes.io/zone";
/// The node that the scheduler chose for the first pod of a claim.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// The controller of claims and volumes, as provisioner and expander as well. Its keys are claims and volumes.
#[derive(Debug)]
pub(crate) struct Volumes;

impl Controller for Volumes {
    fn name(&self) -> &'static str {
        "persistentvolume-controller"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        match change.key.kind {
            Kind::PERSISTENT_VOLUME_CLAIM => {
                let volume = change.newest().and_then(|claim| text(claim, &["spec", "volumeName"]));
                let volume = volume.map(|volume| Key::new(Kind::PERSISTENT_VOLUME, "", volume));
                volume.into_iter().chain([change.key.clone()]).collect()
            }
            Kind::PERSISTENT_VOLUME => {
                let mut keys = vec![change.key.clone()];
                match change.newest().and_then(claim_of) {
                    Some(claim) => keys.push(claim),
                    // A free volume may be what somebody waits for.
                    None => keys.extend(pending(view)),
                }
                keys
            }
            Kind::STORAGE_CLASS => pending(view),
            // A claim that is to go goes with the last pod that uses it.
            Kind::POD if has_left(change) => {
                let pod = change.pod_after.as_ref().or(change.pod_before.as_ref());
                let claims = pod.into_iter().flat_map(|pod| &pod.claims);
                claims
                    .map(|claim| Key::new(Kind::PERSISTENT_VOLUME_CLAIM, &change.key.namespace, claim))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(object) = view.object(key) else {
            return Vec::new();
        };
        if key.kind == Kind::PERSISTENT_VOLUME {
            let claim = claim_of(&object).and_then(|key| view.object(&key));
            return plan::volume(&object, claim.as_deref()).into_actions();
        }
        let bound = text(&object, &["spec", "volumeName"]).filter(|volume| !volume.is_empty());
        let going = text(&object, &["metadata", "deletionTimestamp"]).is_some();
        let users: Vec<&Pod> = if bound.is_none() || going {
            view.claim_users(&key.namespace, &key.name)
        } else {
            Vec::new()
        };
        let volume = |name: &str| view.get(Kind::PERSISTENT_VOLUME, "", name);
        let (volumes, zones): (Vec<Arc<Value>>, Vec<String>) = match bound {
            Some(bound) => (volume(bound).into_iter().collect(), Vec::new()),
            None => {
                let names = view.caches.objects.volumes_for(&key.namespace, &key.name);
                (names.into_iter().filter_map(|name| volume(name)).collect(), zones(view))
            }
        };
        let selected = annotation(&object, SELECTED_NODE).and_then(|node| view.node(node));
        let input = plan::Input {
            claim: &object,
            volumes: &volumes,
            classes: &view.list(Kind::STORAGE_CLASS, ""),
            used: users.iter().any(|pod| !pod.phase.is_terminal() && pod.node.is_some()),
            awaited: users.iter().any(|pod| pod.node.is_none()),
            selected_zone: selected.and_then(|node| node.label(ZONE)).map(str::to_owned),
            zones: &zones,
        };
        plan::claim(&input).into_actions()
    }
}

/// Whether a write of a pod took it away or brought it to its end.
fn has_left(change: &Change) -> bool {
    match (&change.pod_before, &change.pod_after) {
        (Some(_), None) => true,
        (Some(before), Some(after)) => !before.phase.is_terminal() && after.phase.is_terminal(),
        _ => false,
    }
}

fn claim_of(volume: &Value) -> Option<Key> {
    let part = |field: &str| text(volume, &["spec", "claimRef", field]);
    Some(Key::new(
        Kind::PERSISTENT_VOLUME_CLAIM,
        part("namespace")?,
        part("name")?,
    ))
}

/// Claims that wait for a volume.
fn pending(view: &View<'_>) -> Vec<Key> {
    let all = view.caches.objects.pending_claims();
    all.map(|(namespace, name)| Key::new(Kind::PERSISTENT_VOLUME_CLAIM, namespace, name))
        .collect()
}

/// The zones of all nodes, in order.
fn zones(view: &View<'_>) -> Vec<String> {
    let zones: BTreeSet<&str> = view.nodes().filter_map(|node| node.label(ZONE)).collect();
    zones.into_iter().map(str::to_owned).collect()
}
