//! Whom a write concerns: owners of pods, owners of objects, objects whose selector finds a pod.

use std::collections::BTreeSet;
use std::sync::Arc;

use json_tree::Value;
use kube_sim::Stored;

use super::meta::controller_of;
use super::pods::{Pod, PodExt};
use super::tree::{text, uid};
use crate::engine::{Change, View};
use crate::kind::{Key, Kind};

/// The objects of a kind that controlled the pod before or control it after a write.
pub(crate) fn owners_of_pod(change: &Change, kind: Kind) -> Vec<Key> {
    let mut keys = Vec::new();
    for pod in [&change.pod_before, &change.pod_after].into_iter().flatten() {
        if let Some(owner) = pod
            .controller
            .as_ref()
            .filter(|owner| is_of(kind, &owner.api_version, &owner.kind))
        {
            let key = Key {
                kind,
                namespace: pod.namespace.clone(),
                name: owner.name.clone(),
            };
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}

/// The object of a kind that controls the written object.
pub(crate) fn owner_of(change: &Change, kind: Kind) -> Vec<Key> {
    let owned = |side: Option<&Stored>| side.is_some_and(|stored| stored.owners().next().is_some());
    if !owned(change.stored_before()) && !owned(change.stored_after()) {
        return Vec::new();
    }
    // Hardly any write gives an object other owners: then one look is enough.
    let same = match (change.stored_before(), change.stored_after()) {
        (Some(before), Some(after)) => before.owners().eq(after.owners()),
        _ => false,
    };
    let before = if same { None } else { change.before() };
    let mut keys = Vec::new();
    for object in [before, change.after()].into_iter().flatten() {
        keys.extend(owner_key(object, kind, &change.key.namespace));
    }
    keys.dedup();
    keys
}

/// The key of an object's controller, if it is of this kind.
pub(crate) fn owner_key(object: &Value, kind: Kind, namespace: &str) -> Option<Key> {
    let owner = controller_of(object)?;
    let part = |field: &str| text(owner, &[field]).unwrap_or_default();
    is_of(kind, part("apiVersion"), part("kind")).then(|| Key::new(kind, namespace, part("name")))
}

fn is_of(kind: Kind, api_version: &str, name: &str) -> bool {
    Kind::named(api_version, name) == Some(kind)
}

/// Whether a write of a pod can matter to those who look at where pods are and what they do: it came, went, got or lost its
/// node, its readiness, its labels or its owner, began to go, started or ended.
pub(crate) fn is_counted(change: &Change) -> bool {
    let (Some(before), Some(after)) = (&change.pod_before, &change.pod_after) else {
        return true;
    };
    let seen = |pod: &Pod| (pod.phase, pod.ready_since);
    seen(before) != seen(after) || before.node != after.node || is_numbered(change)
}

/// Whether a write of a pod can matter to those who only tell how many there are, how many of them are ready and how many go:
/// which node a pod gets, and that it starts, changes no number.
pub(crate) fn is_numbered(change: &Change) -> bool {
    let (Some(before), Some(after)) = (&change.pod_before, &change.pod_after) else {
        return true;
    };
    let seen = |pod: &Pod| (pod.ready, pod.ready_since, pod.phase.is_terminal(), pod.is_deleting());
    seen(before) != seen(after)
        || before.uid != after.uid
        || before.labels != after.labels
        || before.controller != after.controller
}

/// The objects of a kind in a pod's namespace whose selector finds the pod as it was or is, in order of their names.
pub(crate) fn selecting(change: &Change, view: &View<'_>, kind: Kind) -> Vec<Key> {
    let namespace = &change.key.namespace;
    let objects = &view.caches.objects;
    keys_for(change, kind, |pod| objects.selecting(kind, namespace, &pod.labels))
}

/// The objects of a kind in a pod's namespace that are found by the labels that the pod has or had, in order of their names.
pub(crate) fn keys_for<'a>(change: &Change, kind: Kind, found: impl Fn(&Pod) -> BTreeSet<&'a Arc<str>>) -> Vec<Key> {
    let names = match (&change.pod_before, &change.pod_after) {
        // Most writes of a pod leave its labels alone.
        (Some(before), Some(after)) if before.labels != after.labels => &found(before) | &found(after),
        (Some(pod), _) | (_, Some(pod)) => found(pod),
        (None, None) => return Vec::new(),
    };
    let key = |name: &Arc<str>| Key {
        kind,
        namespace: change.key.namespace.clone(),
        name: name.clone(),
    };
    names.into_iter().map(key).collect()
}

/// The objects that could adopt a pod nobody controls (any more).
pub(crate) fn adopters(change: &Change, view: &View<'_>, kind: Kind) -> Vec<Key> {
    match &change.pod_after {
        Some(pod) if pod.controller.is_none() && pod.is_active() && !pod.labels.is_empty() => {
            selecting(change, view, kind)
        }
        _ => Vec::new(),
    }
}

/// The pods that an owner controls and those of its namespace that nobody does.
pub(crate) fn claimable<'a>(view: &View<'a>, owner: &Value, namespace: &str) -> Vec<&'a Pod> {
    view.pods_of(uid(owner)).chain(view.orphans(namespace)).collect()
}

/// The objects of a kind that an owner controls, in order of their names.
pub(crate) fn controlled(view: &View<'_>, kind: Kind, owner: &str) -> Vec<Arc<Value>> {
    let all = view
        .dependents(kind, owner)
        .into_iter()
        .filter_map(|key| view.object(&key));
    all.filter(|object| super::meta::is_controlled_by(object, owner))
        .collect()
}
