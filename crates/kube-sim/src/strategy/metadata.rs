//! Rules for the metadata of all objects.

use json_tree::Value;

use super::{immutable, names};
use crate::registry::Resource;
use crate::status::{FieldError, FieldErrorKind};
use crate::value::{self, at, flag, list, text, text_map};

/// The most that all annotations of an object may hold.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// The name rule of a resource.
fn name_rule(resource: &Resource) -> fn(&str) -> Vec<String> {
    match resource.is() {
        ("", "namespaces") => names::dns_label,
        ("", "services") => names::dns_label,
        ("rbac.authorization.k8s.io", _) => names::path_segment,
        _ => names::dns_subdomain,
    }
}

pub(super) fn validate(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = value::name(object);
    errors.extend(
        name_rule(resource)(name)
            .into_iter()
            .map(|why| FieldError::invalid("metadata.name", name, why)),
    );
    validate_maps(object, &mut errors);
    for (place, finalizer) in list(object, &["metadata", "finalizers"]).iter().enumerate() {
        let finalizer = finalizer.as_str().unwrap_or_default();
        let field = format!("metadata.finalizers[{place}]");
        let why = names::qualified_name(finalizer);
        if why.is_empty()
            && !finalizer.contains('/')
            && !["orphan", "foregroundDeletion", "kubernetes"].contains(&finalizer)
        {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(field.as_str(), finalizer, detail));
        }
        errors.extend(
            why.into_iter()
                .map(|why| FieldError::invalid(field.as_str(), finalizer, why)),
        );
    }
    let mut controllers = Vec::new();
    for owner in list(object, &["metadata", "ownerReferences"]) {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if text(owner, &[field]).is_none_or(str::is_empty) {
                let detail = "must not be empty";
                errors.push(FieldError::invalid(
                    format!("metadata.ownerReferences.{field}"),
                    "",
                    detail,
                ));
            }
        }
        if flag(owner, &["controller"]) {
            let part = |field: &str| text(owner, &[field]).unwrap_or_default();
            controllers.push(format!("{}/{}", part("kind"), part("name")));
        }
    }
    if let [first, second, ..] = controllers.as_slice() {
        let shown = at(object, &["metadata", "ownerReferences"])
            .cloned()
            .unwrap_or(Value::Null);
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
        );
        errors.push(FieldError::invalid("metadata.ownerReferences", shown, detail));
    }
    errors
}

fn validate_maps(object: &Value, errors: &mut Vec<FieldError>) {
    for (key, text) in text_map(object, &["metadata", "labels"]) {
        errors.extend(
            names::qualified_name(key)
                .into_iter()
                .map(|why| FieldError::invalid("metadata.labels", key, why)),
        );
        errors.extend(
            names::label_value(text)
                .into_iter()
                .map(|why| FieldError::invalid("metadata.labels", text, why)),
        );
    }
    let annotations = text_map(object, &["metadata", "annotations"]);
    for key in annotations.keys() {
        let why = names::qualified_name(&key.to_ascii_lowercase());
        errors.extend(
            why.into_iter()
                .map(|why| FieldError::invalid("metadata.annotations", *key, why)),
        );
    }
    if annotations
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum::<usize>()
        > MAX_ANNOTATIONS
    {
        errors.push(FieldError {
            field: "metadata.annotations".to_owned(),
            kind: FieldErrorKind::TooLong,
            value: None,
            detail: format!("may not be more than {MAX_ANNOTATIONS} bytes"),
        });
    }
}

pub(super) fn validate_update(resource: &Resource, old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = immutable(old, new, &["metadata", "name"]).into_iter().collect();
    let mut found = validate(resource, new);
    // An old name that a newer rule would refuse stays usable.
    found.retain(|error| error.field != "metadata.name");
    errors.extend(found);
    let deleting = at(old, &["metadata", "deletionTimestamp"]).is_some_and(|when| !when.is_null());
    let (before, after) = (
        list(old, &["metadata", "finalizers"]),
        list(new, &["metadata", "finalizers"]),
    );
    let added: Vec<&Value> = after.iter().filter(|name| !before.contains(name)).collect();
    if deleting && !added.is_empty() {
        let shown: Vec<String> = added.iter().map(|name| name.to_string()).collect();
        let detail = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            shown.join(", ")
        );
        errors.push(FieldError::forbidden("metadata.finalizers", detail));
    }
    errors
}
