//! What each kind adds to plain storage: defaults, rules, what the server alone writes, allocation.

mod batch;
mod metadata;
pub(crate) mod names;
mod others;
mod pods;
mod services;
mod workloads;

use std::sync::Arc;

use json_tree::{Value, json};

use crate::crd;
use crate::registry::{GroupResource, Resource};
use crate::server::Core;
use crate::status::{ApiError, FieldError};
use crate::store::{Key, State};
use crate::value::{self, at, copy, default, int, remove, set, text};

/// Kinds whose objects count the versions of their wish.
pub(crate) fn has_generation(resource: &Resource) -> bool {
    resource.custom
        || matches!(
            resource.is(),
            ("", "pods" | "replicationcontrollers")
                | ("apps", "daemonsets" | "deployments" | "replicasets" | "statefulsets")
                | ("batch", "cronjobs" | "jobs")
                | ("networking.k8s.io", "ingresses" | "networkpolicies" | "ingressclasses")
                | ("policy", "poddisruptionbudgets")
                | (
                    "apiextensions.k8s.io" | "admissionregistration.k8s.io" | "flowcontrol.apiserver.k8s.io",
                    _
                )
                | ("scheduling.k8s.io", "priorityclasses")
        )
}

/// Whether an update may leave the version out.
pub(crate) fn unconditional_update(resource: &Resource) -> bool {
    !resource.custom
        && !matches!(
            resource.is(),
            ("apiextensions.k8s.io", "customresourcedefinitions")
                | ("apiregistration.k8s.io", "apiservices")
                | ("coordination.k8s.io", "leases")
                | ("admissionregistration.k8s.io", _)
        )
}

/// Whether clients write the status through a path of its own.
pub(crate) fn has_status(resource: &Resource) -> bool {
    let version = resource
        .versions
        .iter()
        .find(|version| version.name == resource.storage_version());
    version
        .or_else(|| resource.versions.first())
        .is_some_and(|v| v.subresources.iter().any(|s| s.name == "status"))
}

/// What a new object's status is before any controller has looked at it.
fn first_status(resource: &Resource, object: &Value) -> Option<Value> {
    Some(match resource.is() {
        ("", "pods") => json!({"phase": "Pending", "qosClass": pods::quality(object)}),
        ("", "namespaces") => json!({"phase": "Active"}),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => json!({}),
        ("", "persistentvolumeclaims" | "persistentvolumes") => json!({"phase": "Pending"}),
        ("", "services") | ("networking.k8s.io", "ingresses") => json!({"loadBalancer": {}}),
        ("apps", "replicasets") | ("", "replicationcontrollers") => json!({"replicas": 0}),
        ("apps", "statefulsets") => json!({"availableReplicas": 0, "replicas": 0}),
        ("apps", "daemonsets") => json!({
            "currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0}),
        ("policy", "poddisruptionbudgets") => {
            json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0})
        }
        ("autoscaling", _) => json!({"currentMetrics": null, "desiredReplicas": 0}),
        ("apps", "deployments") | ("batch", _) | ("", "resourcequotas") => json!({}),
        _ => return None,
    })
}

/// Clears what a client cannot decide about a new object.
pub(crate) fn prepare_create(resource: &Resource, object: &mut Value) {
    // Nodes come with the status that their kubelet reports; definitions get theirs when they are accepted.
    if has_status(resource) && resource.is() != ("", "nodes") {
        remove(object, &["status"]);
        if let Some(status) = first_status(resource, object) {
            set(object, &["status"], status);
        }
    }
    own_labels(resource, object);
    others::written_unset(resource, object);
    if resource.is() == ("", "namespaces") {
        default(object, &["spec", "finalizers"], json!(["kubernetes"]));
    }
}

/// Labels that a kind always carries.
pub(crate) fn own_labels(resource: &Resource, object: &mut Value) {
    if resource.is() == ("", "namespaces") && !value::name(object).is_empty() {
        let name = value::name(object).to_owned();
        set(object, &["metadata", "labels", "kubernetes.io/metadata.name"], name);
    }
}

/// Fields that a decoder never takes from a client, whatever it sends.
const SERVER_METADATA: &[&[&str]] = &[
    &["metadata", "uid"],
    &["metadata", "creationTimestamp"],
    &["metadata", "deletionTimestamp"],
    &["metadata", "deletionGracePeriodSeconds"],
    &["metadata", "generation"],
];

/// Undoes a client's changes to what only the server writes, before field owners are worked out.
pub(crate) fn hide_server_fields(old: &Value, new: &mut Value) {
    for path in SERVER_METADATA {
        copy(old, new, path);
    }
    remove(new, &["metadata", "selfLink"]);
    if at(new, &["metadata", "managedFields"]).is_none() {
        copy(old, new, &["metadata", "managedFields"]);
    }
}

/// Keeps what this write may not touch: the status, or everything but it.
pub(crate) fn prepare_update(resource: &Resource, subresource: &str, old: &Value, new: &mut Value) {
    for path in SERVER_METADATA {
        copy(old, new, path);
    }
    match value::namespace(old) {
        "" => {
            remove(new, &["metadata", "namespace"]);
        }
        namespace => set(new, &["metadata", "namespace"], namespace),
    }
    match subresource {
        "status" => keep_all_but_status(resource, old, new),
        "approval" => copy(old, new, &["spec"]),
        "finalize" => copy(old, new, &["status"]),
        _ if has_status(resource) && resource.is() != ("", "pods") => copy(old, new, &["status"]),
        "" | "resize" | "ephemeralcontainers" if has_status(resource) => copy(old, new, &["status"]),
        _ => {}
    }
    others::written_unset(resource, new);
    if resource.is() == ("", "namespaces") && subresource != "finalize" {
        copy(old, new, &["spec"]);
        let name = value::name(old).to_owned();
        set(new, &["metadata", "labels", "kubernetes.io/metadata.name"], name);
    }
}

fn keep_all_but_status(resource: &Resource, old: &Value, new: &mut Value) {
    let status = at(new, &["status"]).cloned();
    let managed = at(new, &["metadata", "managedFields"]).cloned();
    let (labels, annotations) = (
        at(new, &["metadata", "labels"]).cloned(),
        at(new, &["metadata", "annotations"]).cloned(),
    );
    *new = old.clone();
    match status {
        Some(status) => set(new, &["status"], status),
        None => {
            remove(new, &["status"]);
        }
    }
    match managed {
        Some(managed) => set(new, &["metadata", "managedFields"], managed),
        None => {
            remove(new, &["metadata", "managedFields"]);
        }
    }
    if resource.custom {
        return;
    }
    // Built-in kinds take labels and annotations along with a status (nodes rely on it).
    for (field, kept) in [("labels", labels), ("annotations", annotations)] {
        match kept {
            Some(kept) => set(new, &["metadata", field], kept),
            None => {
                remove(new, &["metadata", field]);
            }
        }
    }
}

/// Counts a changed wish.
pub(crate) fn bump_generation(resource: &Resource, subresource: &str, old: &Value, new: &mut Value) {
    if !has_generation(resource) || subresource == "status" || subresource == "approval" {
        return;
    }
    let no_wish: &[&str] = if has_status(resource) {
        &["metadata", "status"]
    } else {
        &["metadata"]
    };
    let generation = int(old, &["metadata", "generation"]).unwrap_or(0);
    let changed = !value::equal_but(old, new, no_wish);
    if changed && resource.is() == ("apps", "daemonsets") {
        workloads::count_template(old, new);
    }
    set(
        new,
        &["metadata", "generation"],
        if changed { generation + 1 } else { generation.max(1) },
    );
}

/// Fills in what an object may leave out.
pub(crate) fn defaults(resource: &Resource, object: &mut Value) {
    match resource.is() {
        ("", "pods") => pods::defaults(object),
        ("", "podtemplates") => pods::template_defaults(object, &["template"]),
        ("", "services") => services::defaults(object),
        ("", "replicationcontrollers") | ("apps", _) => workloads::defaults(resource, object),
        ("batch", _) => batch::defaults(resource, object),
        ("apiextensions.k8s.io", _) => crd::defaults(object),
        _ => others::defaults(resource, object),
    }
}

/// The rules for a new object.
pub(crate) fn validate(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = metadata::validate(resource, object);
    errors.extend(judge(resource, object));
    errors
}

/// The rules of a kind, and the fields that its type demands where the rules say nothing about them.
fn judge(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = validate_kind(resource, object);
    let missing = crate::schema::missing_fields(resource, object);
    let told: Vec<String> = errors.iter().map(|error| error.field.clone()).collect();
    errors.extend(
        missing
            .into_iter()
            .filter(|error| !told.iter().any(|field| field.starts_with(&error.field))),
    );
    errors
}

fn validate_kind(resource: &Resource, object: &Value) -> Vec<FieldError> {
    match resource.is() {
        ("", "pods") => pods::validate(object, &["spec"]),
        ("", "services") => services::validate(object),
        ("", "replicationcontrollers") | ("apps", _) => workloads::validate(resource, object),
        ("batch", _) => batch::validate(resource, object),
        ("apiextensions.k8s.io", _) => crd::validate(object),
        _ => others::validate(resource, object),
    }
}

/// The rules for a changed object: those for a new one, and what must stay.
pub(crate) fn validate_update(resource: &Resource, subresource: &str, old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = metadata::validate_update(resource, old, new);
    // The real server judges metadata twice: its generic half and its kind's; the message tells each finding once.
    errors.extend(errors.clone());
    if subresource != "status" {
        errors.extend(validate_change(resource, subresource, old, new));
    }
    if resource.is() == ("", "nodes") {
        // The taints of a changed node are judged twice as well.
        errors.extend(others::validate_taints(new));
    }
    errors
}

/// The rules for what changed below the metadata.
fn validate_change(resource: &Resource, subresource: &str, old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = judge(resource, new);
    errors.extend(match resource.is() {
        ("", "pods") => pods::validate_update(subresource, old, new),
        ("", "services") => services::validate_update(old, new),
        ("apps", _) => workloads::validate_update(resource, old, new),
        ("batch", _) => batch::validate_update(resource, old, new),
        ("apiextensions.k8s.io", _) => crd::validate_update(old, new),
        _ => others::validate_update(resource, old, new),
    });
    errors.dedup();
    errors
}

/// Built-in admission that every cluster has: ServiceAccounts and priorities of pods.
pub(crate) fn admit(core: &Core, state: &State, resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    if resource.is() == ("", "pods") {
        pods::admit(core, state, object)
    } else {
        Ok(())
    }
}

/// Gives out what must be unique over objects, under the lock of the write.
pub(crate) fn allocate(
    core: &Core,
    state: &State,
    resource: &Resource,
    old: Option<&Value>,
    new: &mut Value,
) -> Result<(), ApiError> {
    match resource.is() {
        ("", "services") => services::allocate(core, state, old, new),
        crd::RESOURCE => {
            crd::accept(core, state, new);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// An object of a cluster-scoped kind, for admission.
fn cluster_object(state: &State, group: &str, plural: &str, name: &str) -> Option<Arc<crate::store::Object>> {
    state.get(&GroupResource::new(group, plural), &Key::new("", name))
}

/// The error for a field that must not change.
fn immutable(old: &Value, new: &Value, path: &[&str]) -> Option<FieldError> {
    (at(old, path) != at(new, path)).then(|| {
        let shown = at(new, path).cloned().unwrap_or(Value::Null);
        FieldError::invalid(path.join("."), shown, "field is immutable")
    })
}

/// The error for a text that must be there.
fn required(object: &Value, path: &[&str]) -> Option<FieldError> {
    text(object, path)
        .is_none_or(str::is_empty)
        .then(|| FieldError::required(path.join("."), ""))
}

/// The error for a number below zero.
fn not_negative(object: &Value, path: &[&str]) -> Option<FieldError> {
    let found = int(object, path)?;
    (found < 0).then(|| FieldError::invalid(path.join("."), found, "must be greater than or equal to 0"))
}
