//! The bridge to `kubemerge`: which schema an object has, and what follows from it.

mod check;
mod empty;

use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use json_tree::Value;
use kubemerge::apply::{self, ApplyError, Writer};
use kubemerge::fields::FieldSet;
use kubemerge::schema::{Schema, TypeRef, builtin, definition};
use kubemerge::structural;

use crate::handlers::Target;
use crate::registry::{Resource, api_version, split_api_version};
use crate::server::Context;
use crate::status::{ApiError, FieldError, FieldErrorKind};
use crate::value::{list, remove, text};

pub(crate) use check::check;
pub(crate) use empty::drop_empty;

/// The schema of a resource in a version; objects of unknown structure are not checked.
fn schema_of(resource: &Resource, version: &str) -> Arc<Schema> {
    if resource.custom {
        return crate::crd::custom(resource, version)
            .map_or_else(|_| Arc::new(Schema::untyped()), |custom| custom.schema.clone());
    }
    let look_up = || {
        let found = builtin(resource.group(), version, &resource.kind);
        Arc::new(found.cloned().unwrap_or_else(Schema::untyped))
    };
    let mut versions = resource.versions.iter();
    match versions.find(|known| known.name == version) {
        Some(known) => known.schema.get_or_init(look_up).clone(),
        None => look_up(),
    }
}

/// The schema of the metadata of all objects.
fn metadata_schema() -> Option<&'static Schema> {
    static METADATA: LazyLock<Option<&'static Schema>> =
        LazyLock::new(|| definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
    *METADATA
}

/// Reads one YAML document as JSON.
pub(crate) fn parse_yaml(text: &str) -> Result<Value, String> {
    yaml::load_value(text, &yaml::Options::manifests())
        .map(|document| document.value.into())
        .map_err(|error| error.to_string())
}

/// Fields that a built-in kind must have, from its type.
pub(crate) fn missing_fields(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if resource.custom {
        return errors;
    }
    let (group, version) = split_api_version(&resource.storage);
    if group == resource.group() {
        missing(
            schema_of(resource, version).root(),
            object,
            &mut String::new(),
            &mut errors,
        );
        return errors;
    }
    let Some(schema) = builtin(group, version, &resource.kind) else {
        return errors;
    };
    missing(schema.root(), object, &mut String::new(), &mut errors);
    errors
}

/// Required by the type but accepted empty by the real server.
const LENIENT: &[&str] = &["endpoints", "metadata", "revision", "currentReplicas", "value", "rules"];

fn missing(kind: TypeRef<'_>, value: &Value, path: &mut String, errors: &mut Vec<FieldError>) {
    let length = path.len();
    match value {
        Value::Object(map) => {
            for name in kind.required() {
                if !map.contains_key(name) && !LENIENT.contains(&name.as_str()) {
                    join_to(path, name);
                    errors.push(FieldError::required(path.as_str(), ""));
                    path.truncate(length);
                }
            }
            for (name, inner) in map {
                // The status is the server's own business, and so is the metadata.
                if path.is_empty() && (name == "status" || name == "metadata") {
                    continue;
                }
                if (inner.is_object() || inner.is_array())
                    && let Some(child) = kind.child(name)
                {
                    join_to(path, name);
                    missing(child, inner, path, errors);
                    path.truncate(length);
                }
            }
        }
        Value::Array(items) => {
            if let Some(element) = kind.element() {
                for (place, item) in items.iter().enumerate() {
                    // Writing to a String does not fail.
                    let _ = write!(path, "[{place}]");
                    missing(element, item, path, errors);
                    path.truncate(length);
                }
            }
        }
        _ => {}
    }
}

/// Adds a name to a path.
fn join_to(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// A server-side apply.
#[derive(Debug, Clone)]
pub(crate) struct Apply {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) subresource: String,
    pub(crate) manager: String,
    pub(crate) force: bool,
    pub(crate) now: String,
}

/// Fields that a request cannot set, so that nobody gets to own them by it.
fn ignored(resource: &Resource, subresource: &str) -> Option<FieldSet> {
    match subresource {
        "" if crate::strategy::has_status(resource) => Some(FieldSet::of_names(&[&["status"]])),
        "status" => Some(FieldSet::of_names(&[&["spec"]])),
        _ => None,
    }
}

/// Applies a configuration; objects are in the version of the request.
pub(crate) fn apply(target: &Target, call: &Apply, live: Option<&Value>, config: &Value) -> Result<Value, ApiError> {
    let resource = &*target.resource;
    let schema = schema_of(resource, &call.version);
    let ignored = ignored(resource, &call.subresource);
    let writer = Writer {
        schema: &schema,
        manager: &call.manager,
        api_version: &api_version(&call.group, &call.version),
        subresource: &call.subresource,
        now: call.now.parse().unwrap_or_default(),
        ignored: ignored.as_ref(),
    };
    match apply::apply(live, config, &writer, call.force) {
        Ok(applied) => Ok(match live {
            Some(live) if owns_nothing(&applied.object, &call.manager) && same_but_owners(live, &applied.object) => {
                live.clone()
            }
            _ => applied.object,
        }),
        Err(ApplyError::Conflicts(conflicts)) => Err(conflict(&conflicts)),
        Err(error @ (ApplyError::Typed(_) | ApplyError::ManagedFields(_))) => {
            Err(ApiError::new(500, "", error.to_string()))
        }
        Err(error) => Err(ApiError::bad_request(error.to_string())),
    }
}

/// Whether a manager owns no field of an object: it applied nothing but a name.
fn owns_nothing(object: &Value, manager: &str) -> bool {
    let entries = list(object, &["metadata", "managedFields"]);
    entries
        .iter()
        .all(|entry| text(entry, &["manager"]) != Some(manager) || text(entry, &["operation"]) != Some("Apply"))
}

/// Whether two objects differ in nothing but their field owners. Such an apply must not write: it would change the
/// object each time a bare Namespace is applied.
fn same_but_owners(live: &Value, applied: &Value) -> bool {
    let strip = |value: &Value| {
        let mut value = value.clone();
        remove(&mut value, &["metadata", "managedFields"]);
        value
    };
    strip(live) == strip(applied)
}

fn conflict(conflicts: &apply::Conflicts) -> ApiError {
    let mut error = ApiError::new(409, "Conflict", conflicts.to_string());
    for one in &conflicts.0 {
        error = error.cause("FieldManagerConflict", one.message(), &one.path.to_string());
    }
    error
}

/// Works out who owns what after a write that is no apply.
pub(crate) fn track(
    target: &Target,
    context: &Context,
    old: Option<&Value>,
    new: &mut Value,
    manager: &str,
    subresource: &str,
) -> Result<(), ApiError> {
    let resource = &*target.resource;
    let schema = schema_of(resource, &context.info.version);
    let ignored = ignored(resource, subresource);
    let writer = Writer {
        schema: &schema,
        manager,
        api_version: &api_version(&context.info.group, &context.info.version),
        subresource,
        now: context.core().now_text().parse().unwrap_or_default(),
        ignored: ignored.as_ref(),
    };
    *new = apply::update(old, new, &writer).map_err(|error| ApiError::bad_request(error.to_string()))?;
    Ok(())
}

/// Takes the time off the entry of who scaled an object: the real server works it out from a Scale, which has none.
/// Entries without a time stand before those with one.
pub(crate) fn forget_time(object: &mut Value, manager: &str) {
    let Some(entries) = crate::value::at_mut(object, &["metadata", "managedFields"]).and_then(Value::as_array_mut)
    else {
        return;
    };
    let is = |entry: &Value, field: &str, wanted: &str| text(entry, &[field]) == Some(wanted);
    let scaled = entries
        .iter()
        .position(|e| is(e, "manager", manager) && is(e, "subresource", "scale") && is(e, "operation", "Update"));
    if let Some(place) = scaled {
        let mut entry = entries.remove(place);
        remove(&mut entry, &["time"]);
        let before = |other: &Value| {
            is(other, "operation", "Apply")
                || (other.get("time").is_none() && text(other, &["manager"]) < Some(manager))
        };
        let first = entries.iter().take_while(|other| before(other)).count();
        entries.insert(first, entry);
    }
}

/// A strategic merge patch.
pub(crate) fn strategic(
    target: &Target,
    version: (&str, &str),
    current: &Value,
    patch: &Value,
) -> Result<Value, ApiError> {
    let schema = builtin(version.0, version.1, &target.resource.kind);
    let untyped = Schema::untyped();
    let schema = schema.unwrap_or(&untyped);
    kubemerge::strategic::apply(current, patch, schema).map_err(|error| ApiError::new(500, "", error.to_string()))
}

/// Fills in the defaults of a custom resource's schema.
pub(crate) fn default_custom(target: &Target, object: &mut Value) {
    if !target.resource.custom {
        return;
    }
    let schema = schema_of(&target.resource, target.resource.storage_version());
    // Too deep an object is refused when it is validated.
    let _ = structural::default(object, &schema);
}

/// Validates a custom resource against its schema.
pub(crate) fn validate_custom(target: &Target, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    if !target.resource.custom {
        return Vec::new();
    }
    let schema = schema_of(&target.resource, target.resource.storage_version());
    let mut errors: Vec<FieldError> = match structural::validate(object, &schema) {
        Ok(found) => found.into_iter().map(field_error).collect(),
        Err(error) => vec![FieldError::invalid("", Value::Null, error.to_string())],
    };
    // A text that is too long is not compared with its pattern.
    let long: Vec<String> = errors
        .iter()
        .filter(|e| e.kind == FieldErrorKind::TooLong)
        .map(|e| e.field.clone())
        .collect();
    errors.retain(|error| error.kind != FieldErrorKind::Invalid || !long.contains(&error.field));
    if let Ok(custom) = crate::crd::custom(&target.resource, target.resource.storage_version()) {
        errors.extend(custom.rules.judge(object, old, &errors));
    }
    errors
}

/// A finding of the schema in the form that status causes are made from.
fn field_error(found: structural::FieldError) -> FieldError {
    let kind = match found.cause {
        structural::Cause::Required => FieldErrorKind::Required,
        structural::Cause::NotSupported => FieldErrorKind::NotSupported,
        structural::Cause::TypeInvalid => FieldErrorKind::TypeInvalid,
        structural::Cause::TooLong => FieldErrorKind::TooLong,
        structural::Cause::TooMany => FieldErrorKind::TooMany,
        structural::Cause::Duplicate => FieldErrorKind::Duplicate,
        _ => FieldErrorKind::Invalid,
    };
    let rest = found.message.strip_prefix(kind.text()).unwrap_or(&found.message);
    FieldError {
        field: found.field,
        kind,
        value: None,
        detail: rest
            .trim_start_matches(": ")
            .replace("must be of type integer or string:", "must be of type integer,string:"),
    }
}
