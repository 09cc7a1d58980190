//! How a claim gets its volume: an existing one that fits, or a new one in the right zone.

use std::sync::Arc;

use json_tree::{Value, json};
use model::quantity::Quantity;

use crate::controllers::support::acts::Acts;
use crate::controllers::support::tree::{annotation, at, deleting, list, name, namespace, remove, set, text, uid};
use crate::kind::Kind;

/// The finalizers that keep a claim while pods use it, and a volume while it is bound.
pub(crate) const CLAIM_FINALIZER: &str = "kubernetes.io/pvc-protection";
const VOLUME_FINALIZER: &str = "kubernetes.io/pv-protection";
/// The node that the scheduler chose for the first pod of a claim.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";
const OLD_PROVISIONER: &str = "volume.beta.kubernetes.io/storage-provisioner";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
const ZONE: &str = "topology.kubernetes.io/zone";
/// The class of claims that name none.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
/// Classes with this provisioner have volumes made by hand only.
const BY_HAND: &str = "kubernetes.io/no-provisioner";

/// Everything the planner looks at.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) claim: &'a Value,
    /// The claim's own volume where it has one; else those that name the claim or nobody, in order.
    pub(crate) volumes: &'a [Arc<Value>],
    /// All storage classes in order.
    pub(crate) classes: &'a [Arc<Value>],
    /// Whether a pod that has not ended uses the claim.
    pub(crate) used: bool,
    /// Whether a pod waits for the claim.
    pub(crate) awaited: bool,
    /// The zone of the selected node, and the zones of all nodes in order.
    pub(crate) selected_zone: Option<String>,
    pub(crate) zones: &'a [String],
}

/// Plans one turn of a claim.
pub(crate) fn claim(input: &Input<'_>) -> Acts {
    let mut acts = Acts::default();
    if deleting(input.claim) {
        if !input.used {
            release(Kind::PERSISTENT_VOLUME_CLAIM, input.claim, CLAIM_FINALIZER, &mut acts);
        }
        return acts;
    }
    protect(Kind::PERSISTENT_VOLUME_CLAIM, input.claim, CLAIM_FINALIZER, &mut acts);
    match text(input.claim, &["spec", "volumeName"]).filter(|volume| !volume.is_empty()) {
        Some(volume) => bound(input, volume, &mut acts),
        None => search(input, &mut acts),
    }
    acts
}

fn finalizers(object: &Value) -> Vec<&str> {
    list(object, &["metadata", "finalizers"])
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

fn protect(kind: Kind, object: &Value, finalizer: &str, acts: &mut Acts) {
    let mut all = finalizers(object);
    if !all.contains(&finalizer) {
        all.push(finalizer);
        acts.patch(kind, object, json!({"metadata": {"finalizers": all}}));
    }
}

fn release(kind: Kind, object: &Value, finalizer: &str, acts: &mut Acts) {
    let all = finalizers(object);
    if all.contains(&finalizer) {
        let left: Vec<&str> = all.into_iter().filter(|name| *name != finalizer).collect();
        let left = if left.is_empty() { Value::Null } else { json!(left) };
        acts.patch(kind, object, json!({"metadata": {"finalizers": left}}));
    }
}

fn size(object: &Value, path: &[&str]) -> Option<Quantity> {
    text(object, path)?.parse().ok()
}

fn wanted_size(claim: &Value) -> Option<Quantity> {
    size(claim, &["spec", "resources", "requests", "storage"])
}

fn class<'a>(input: &Input<'a>) -> Option<&'a Value> {
    let wanted = text(input.claim, &["spec", "storageClassName"]);
    input.classes.iter().map(|class| &**class).find(|class| match wanted {
        Some(wanted) => name(class) == wanted,
        None => annotation(class, DEFAULT_CLASS) == Some("true"),
    })
}

/// A claim with a volume: its status follows, and a wish for more grows the volume.
fn bound(input: &Input<'_>, volume_name: &str, acts: &mut Acts) {
    let claim = input.claim;
    let Some(volume) = input.volumes.iter().find(|volume| name(volume) == volume_name) else {
        // A claim that was bound and has lost its volume has lost its data.
        if text(claim, &["status", "phase"]) == Some("Bound") {
            acts.patch_status(
                crate::kind::Key::of(Kind::PERSISTENT_VOLUME_CLAIM, claim),
                json!({"phase": "Lost"}),
            );
            let message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!".to_owned();
            acts.warn(Kind::PERSISTENT_VOLUME_CLAIM, claim, "ClaimLost", message);
        }
        return;
    };
    match text(volume, &["spec", "claimRef", "uid"]) {
        None | Some("") => {
            acts.patch(
                Kind::PERSISTENT_VOLUME,
                volume,
                json!({"spec": {"claimRef": reference(claim)}}),
            );
        }
        Some(other) if other != uid(claim) => return,
        Some(_) => {}
    }
    let mut capacity = at(volume, &["spec", "capacity"]).cloned().unwrap_or_else(|| json!({}));
    let grows = match (wanted_size(claim), size(volume, &["spec", "capacity", "storage"])) {
        (Some(wanted), Some(has)) => wanted.nanos() > has.nanos() && may_grow(input, volume),
        _ => false,
    };
    if grows && let Some(wanted) = text(claim, &["spec", "resources", "requests", "storage"]) {
        acts.patch(
            Kind::PERSISTENT_VOLUME,
            volume,
            json!({"spec": {"capacity": {"storage": wanted}}}),
        );
        set(&mut capacity, &["storage"], wanted);
        let message = format!("Resize volume {volume_name} succeeded");
        acts.event(Kind::PERSISTENT_VOLUME_CLAIM, claim, "VolumeResizeSuccessful", message);
    }
    let modes = at(volume, &["spec", "accessModes"])
        .cloned()
        .unwrap_or_else(|| json!([]));
    let mut status = at(claim, &["status"]).cloned().unwrap_or_else(|| json!({}));
    set(&mut status, &["phase"], "Bound");
    set(&mut status, &["accessModes"], modes);
    set(&mut status, &["capacity"], capacity);
    remove(&mut status, &["conditions"]);
    acts.status(Kind::PERSISTENT_VOLUME_CLAIM, claim, &status);
    if annotation(claim, BIND_COMPLETED).is_none() {
        let patch = json!({"metadata": {"annotations": {BIND_COMPLETED: "yes"}}});
        acts.patch(Kind::PERSISTENT_VOLUME_CLAIM, claim, patch);
    }
}

fn may_grow(input: &Input<'_>, volume: &Value) -> bool {
    let class = text(volume, &["spec", "storageClassName"]);
    let class = input.classes.iter().find(|found| Some(name(found)) == class);
    class.is_some_and(|class| class.get("allowVolumeExpansion").and_then(Value::as_bool) == Some(true))
}

fn reference(claim: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace(claim), "name": name(claim), "uid": uid(claim)})
}

fn search(input: &Input<'_>, acts: &mut Acts) {
    let claim = input.claim;
    let class = class(input);
    let waits = class.is_some_and(|class| text(class, &["volumeBindingMode"]) == Some("WaitForFirstConsumer"));
    let selected = annotation(claim, SELECTED_NODE).is_some();
    // A volume that names the claim is its own whatever the class says; another one waits for the scheduler's choice.
    if let Some(volume) = find(input, class, waits) {
        bind(claim, volume, acts);
        return;
    }
    if waits && !selected {
        let message = if input.awaited {
            "waiting for pod to be scheduled"
        } else {
            "waiting for first consumer to be created before binding"
        };
        acts.event(
            Kind::PERSISTENT_VOLUME_CLAIM,
            claim,
            "WaitForFirstConsumer",
            message.to_owned(),
        );
        return;
    }
    match class.filter(|class| text(class, &["provisioner"]).is_some_and(|provisioner| provisioner != BY_HAND)) {
        Some(class) => provision(input, class, acts),
        None => match text(claim, &["spec", "storageClassName"]).filter(|wanted| !wanted.is_empty()) {
            Some(wanted) if class.is_none() => {
                let message = format!("storageclass.storage.k8s.io \"{wanted}\" not found");
                acts.warn(Kind::PERSISTENT_VOLUME_CLAIM, claim, "ProvisioningFailed", message);
            }
            _ => {
                let message = "no persistent volumes available for this claim and no storage class is set".to_owned();
                acts.event(Kind::PERSISTENT_VOLUME_CLAIM, claim, "FailedBinding", message);
            }
        },
    }
}

/// The volume for a claim: the one that names it, else the smallest free one that fits.
fn find<'a>(input: &Input<'a>, class: Option<&Value>, waits: bool) -> Option<&'a Value> {
    let claim = input.claim;
    let names = |volume: &Value| {
        let part = |field: &str| text(volume, &["spec", "claimRef", field]);
        let known = part("uid").is_none_or(|found| found.is_empty() || found == uid(claim));
        part("name") == Some(name(claim)) && part("namespace") == Some(namespace(claim)) && known
    };
    let volumes = || input.volumes.iter().map(|volume| &**volume);
    if let Some(own) = volumes().find(|volume| names(volume) && !deleting(volume)) {
        return Some(own);
    }
    if waits {
        return None;
    }
    let wanted_class = text(claim, &["spec", "storageClassName"])
        .or_else(|| class.map(name))
        .unwrap_or_default();
    let modes = list(claim, &["spec", "accessModes"]);
    let wanted = wanted_size(claim);
    let selector = kube_sim::LabelSelector::from_object(at(claim, &["spec", "selector"]));
    let fits = |volume: &&Value| {
        let offered = list(volume, &["spec", "accessModes"]);
        let large = size(volume, &["spec", "capacity", "storage"])
            .zip(wanted.clone())
            .is_some_and(|(has, wanted)| has.nanos() >= wanted.nanos());
        let selected = at(claim, &["spec", "selector"]).is_none()
            || selector.matches_with(|key| text(volume, &["metadata", "labels", key]));
        at(volume, &["spec", "claimRef"]).is_none()
            && !deleting(volume)
            && text(volume, &["spec", "storageClassName"]).unwrap_or_default() == wanted_class
            && modes.iter().all(|mode| offered.contains(mode))
            && large
            && selected
    };
    let nanos = |volume: &&Value| size(volume, &["spec", "capacity", "storage"]).map(|size| size.nanos().clone());
    volumes().filter(fits).min_by_key(|volume| nanos(volume))
}

fn bind(claim: &Value, volume: &Value, acts: &mut Acts) {
    let patch =
        json!({"spec": {"claimRef": reference(claim)}, "metadata": {"annotations": {BOUND_BY_CONTROLLER: "yes"}}});
    acts.patch(Kind::PERSISTENT_VOLUME, volume, patch);
    let patch = json!({"spec": {"volumeName": name(volume)},
        "metadata": {"annotations": {BIND_COMPLETED: "yes", BOUND_BY_CONTROLLER: "yes"}}});
    acts.patch(Kind::PERSISTENT_VOLUME_CLAIM, claim, patch);
}

/// Makes a volume, as the class's provisioner would.
fn provision(input: &Input<'_>, class: &Value, acts: &mut Acts) {
    let claim = input.claim;
    let provisioner = text(class, &["provisioner"]).unwrap_or_default();
    let volume_name = format!("pvc-{}", uid(claim));
    if annotation(claim, PROVISIONER).is_none() {
        let patch = json!({"metadata": {"annotations": {PROVISIONER: provisioner, OLD_PROVISIONER: provisioner}}});
        acts.patch(Kind::PERSISTENT_VOLUME_CLAIM, claim, patch);
    }
    let storage = text(claim, &["spec", "resources", "requests", "storage"]).unwrap_or("1Gi");
    let mut volume = json!({
        "metadata": {"name": volume_name, "annotations": {PROVISIONED_BY: provisioner}, "finalizers": [VOLUME_FINALIZER]},
        "spec": {
            "accessModes": at(claim, &["spec", "accessModes"]), "capacity": {"storage": storage},
            "claimRef": reference(claim), "storageClassName": name(class),
            "persistentVolumeReclaimPolicy": text(class, &["reclaimPolicy"]).unwrap_or("Delete"),
            "volumeMode": text(claim, &["spec", "volumeMode"]).unwrap_or("Filesystem"),
            "csi": {"driver": provisioner, "volumeHandle": format!("vol-{}", uid(claim))}}});
    if let Some(zone) = zone(input, class) {
        set(&mut volume, &["metadata", "labels", ZONE], zone.as_str());
        let term = json!({"matchExpressions": [{"key": ZONE, "operator": "In", "values": [zone]}]});
        set(
            &mut volume,
            &["spec", "nodeAffinity", "required", "nodeSelectorTerms"],
            json!([term]),
        );
    }
    acts.create(Kind::PERSISTENT_VOLUME, volume);
    let message = format!("Successfully provisioned volume {volume_name}");
    acts.event(Kind::PERSISTENT_VOLUME_CLAIM, claim, "ProvisioningSucceeded", message);
}

/// The zone of a new volume: that of the selected node, else one of the allowed ones, drawn from the claim's name.
fn zone(input: &Input<'_>, class: &Value) -> Option<String> {
    if let Some(zone) = &input.selected_zone {
        return Some(zone.clone());
    }
    let topologies = list(class, &["allowedTopologies"]).iter();
    let expressions = topologies.flat_map(|topology| list(topology, &["matchLabelExpressions"]));
    let allowed: Vec<String> = expressions
        .filter(|one| text(one, &["key"]) == Some(ZONE))
        .flat_map(|one| {
            list(one, &["values"])
                .iter()
                .filter_map(|zone| zone.as_str().map(str::to_owned))
        })
        .collect();
    let zones = if allowed.is_empty() { input.zones } else { &allowed };
    let hash = usize::try_from(crate::controllers::support::hash::fnv(&[name(input.claim)])).unwrap_or(0);
    zones.get(hash.checked_rem(zones.len())?).cloned()
}

/// Plans one turn of a volume; `claim` is the one it is bound to, if that is still there.
pub(crate) fn volume(volume: &Value, claim: Option<&Value>) -> Acts {
    let mut acts = Acts::default();
    let bound = text(volume, &["spec", "claimRef", "uid"]).filter(|uid| !uid.is_empty());
    let lives = claim.is_some_and(|claim| Some(uid(claim)) == bound);
    if deleting(volume) {
        if !lives {
            release(Kind::PERSISTENT_VOLUME, volume, VOLUME_FINALIZER, &mut acts);
        }
        return acts;
    }
    protect(Kind::PERSISTENT_VOLUME, volume, VOLUME_FINALIZER, &mut acts);
    let phase = match (bound, lives) {
        (None, _) => "Available",
        (Some(_), true) => "Bound",
        (Some(_), false) => "Released",
    };
    let mut status = at(volume, &["status"]).cloned().unwrap_or_else(|| json!({}));
    set(&mut status, &["phase"], phase);
    acts.status(Kind::PERSISTENT_VOLUME, volume, &status);
    if phase == "Released" && text(volume, &["spec", "persistentVolumeReclaimPolicy"]) == Some("Delete") {
        acts.delete(Kind::PERSISTENT_VOLUME, volume);
    }
    acts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Action;

    fn wish(class: &str, storage: &str) -> Value {
        json!({"metadata": {"name": "data", "namespace": "x", "uid": "c1", "finalizers": [CLAIM_FINALIZER]},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class, "resources": {"requests": {"storage": storage}}}})
    }

    fn classes() -> Vec<Arc<Value>> {
        let class = |name: &str, mode: &str| {
            Arc::new(
                json!({"metadata": {"name": name}, "provisioner": "ebs.csi.aws.com", "reclaimPolicy": "Delete",
                "volumeBindingMode": mode, "allowVolumeExpansion": true}),
            )
        };
        vec![class("fast", "Immediate"), class("late", "WaitForFirstConsumer")]
    }

    fn plan(claim_object: &Value, volumes: &[Value], zone: Option<&str>) -> Acts {
        claim(&Input {
            claim: claim_object,
            volumes: &volumes.iter().cloned().map(Arc::new).collect::<Vec<_>>(),
            classes: &classes(),
            used: false,
            awaited: false,
            selected_zone: zone.map(str::to_owned),
            zones: &["a".to_owned(), "b".to_owned()],
        })
    }

    #[test]
    fn volumes_are_made_when_and_where_they_should() {
        let made = plan(&wish("fast", "5Gi"), &[], None).created();
        assert_eq!(made.len(), 1);
        assert!(["a", "b"].contains(&made[0]["metadata"]["labels"][ZONE].as_str().unwrap()));
        assert!(plan(&wish("late", "5Gi"), &[], None).created().is_empty());
        let mut chosen = wish("late", "5Gi");
        set(&mut chosen, &["metadata", "annotations", SELECTED_NODE], "n1");
        let made = plan(&chosen, &[], Some("b")).created();
        assert_eq!(made[0]["metadata"]["labels"][ZONE], "b");
        assert_eq!(name(&made[0]), "pvc-c1");
    }

    #[test]
    fn the_smallest_volume_that_fits_is_taken() {
        let volume = |name: &str, storage: &str| {
            json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                "capacity": {"storage": storage}}})
        };
        let volumes = [volume("large", "20Gi"), volume("small", "1Gi"), volume("right", "8Gi")];
        let acts = plan(&wish("fast", "5Gi"), &volumes, None).into_actions();
        assert!(
            matches!(acts.first(), Some(Action::Patch { key, .. }) if &*key.name == "right"),
            "{acts:?}"
        );
    }

    #[test]
    fn bound_claims_grow_and_released_volumes_go() {
        let mut bound = wish("fast", "9Gi");
        set(&mut bound, &["spec", "volumeName"], "v");
        let held = json!({"metadata": {"name": "v", "uid": "v1", "finalizers": [VOLUME_FINALIZER]}, "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "capacity": {"storage": "5Gi"},
            "claimRef": {"uid": "c1"}, "persistentVolumeReclaimPolicy": "Delete"}});
        let patch = plan(&bound, std::slice::from_ref(&held), None)
            .patches_of_status()
            .pop()
            .unwrap();
        assert_eq!(
            (&patch["status"]["phase"], &patch["status"]["capacity"]["storage"]),
            (&json!("Bound"), &json!("9Gi"))
        );
        let gone = volume(&held, None).into_actions();
        assert!(
            gone.iter().any(|action| matches!(action, Action::Delete { .. })),
            "{gone:?}"
        );
        let kept = volume(&held, Some(&bound)).into_actions();
        assert!(
            !kept.iter().any(|action| matches!(action, Action::Delete { .. })),
            "{kept:?}"
        );
    }
}
