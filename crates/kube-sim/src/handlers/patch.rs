//! Patches: JSON, merge, strategic merge and server-side apply.

use json_tree::Value;

use super::change::{Edited, change};
use super::create::{answer, create_object};
use super::{Answer, Target, decode};
use crate::request::FieldValidation;
use crate::schema;
use crate::server::Context;
use crate::status::{ApiError, FieldError};
use crate::value::{self, map_at, text};

/// What objects without a Go type can be patched with.
const CUSTOM_PATCHES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
];

/// The kinds of patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatchKind {
    Json,
    Merge,
    Strategic,
    Apply,
}

/// Which patch a request carries.
pub(super) fn kind(context: &Context, custom: bool) -> Result<PatchKind, ApiError> {
    match decode::media_type(&context.content_type) {
        "application/json-patch+json" => Ok(PatchKind::Json),
        "application/merge-patch+json" => Ok(PatchKind::Merge),
        "application/strategic-merge-patch+json" if !custom => Ok(PatchKind::Strategic),
        "application/apply-patch+yaml" => Ok(PatchKind::Apply),
        _ => {
            if custom {
                return Err(ApiError::unsupported_media_type(CUSTOM_PATCHES));
            }
            let mut error = ApiError::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
            error.details = Some(Box::default());
            Err(error)
        }
    }
}

/// Answers a PATCH of an object or of its `status`.
pub(super) async fn patch(context: &mut Context, target: &Target) -> Answer {
    match kind(context, target.resource.custom)? {
        PatchKind::Apply => apply(context, target).await,
        other => {
            if context.options.force {
                let error = FieldError::forbidden("force", "may not be specified for non-apply patch");
                return Err(ApiError::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
            }
            let patch = decode::json(&context.body)?;
            let (group, version) = (context.info.group.clone(), context.info.version.clone());
            let (edit_target, name) = (target.clone(), context.info.name.clone());
            let strict = context.options.field_validation == FieldValidation::Strict;
            let edit = move |current: &Value| {
                let mut value = apply_patch(&edit_target, (&group, &version), other, current, &patch)?;
                let renamed = value::name(&value);
                if renamed != name {
                    return Err(rename(renamed, &name));
                }
                value::drop_nulls_builtin(&edit_target.resource, &mut value);
                fits(&edit_target, &version, strict, &value, (other, &patch))?;
                Ok(Edited { value, tracked: false })
            };
            let written = change(context, target, &edit).await?;
            answer(context, target, 200, written)
        }
    }
}

fn rename(found: &str, wanted: &str) -> ApiError {
    ApiError::bad_request(format!(
        "the name of the object ({found}) does not match the name on the URL ({wanted})"
    ))
}

/// Holds a patched object to its type: the real server tells misfits of a patch otherwise than those of a whole object.
fn fits(
    target: &Target,
    version: &str,
    strict: bool,
    value: &Value,
    (kind, patch): (PatchKind, &Value),
) -> Result<(), ApiError> {
    // A strategic merge patch is shown itself, the others by what they make.
    let strategic = kind == PatchKind::Strategic;
    let why = match schema::check(target, version, &mut value.clone(), None) {
        Ok(unknown) if strict && !unknown.is_empty() => {
            let texts: Vec<String> = unknown
                .iter()
                .map(|field| format!("unknown field \"{field}\""))
                .collect();
            format!("strict decoding error: {}", texts.join(", "))
        }
        Ok(_) => return Ok(()),
        Err(error) => {
            let why = error.message.split_once(": ").map_or("", |(_, why)| why);
            match why.rsplit_once(" of type ") {
                // Its result is no text that is decoded, but a tree that is converted.
                Some((_, wanted @ ("int32" | "int64" | "bool"))) if strategic => format!("unrecognized type: {wanted}"),
                _ => why.to_owned(),
            }
        }
    };
    let shown = if strategic {
        value::go_text(patch)
    } else {
        value.to_string()
    };
    let error = FieldError::invalid("patch", shown, why);
    Err(ApiError::invalid("", "", "", &[error]))
}

/// What the real server says when a patch does not fit.
fn unprocessable() -> ApiError {
    let mut error = ApiError::new(
        422,
        "Invalid",
        "the server rejected our request due to an error in our request",
    );
    error.details = Some(Box::default());
    error
}

/// Carries out one of the three patches without field owners.
pub(super) fn apply_patch(
    target: &Target,
    version: (&str, &str),
    kind: PatchKind,
    current: &Value,
    patch: &Value,
) -> Result<Value, ApiError> {
    let patched = match kind {
        PatchKind::Json => kubemerge::json_patch::apply(current, patch).map_err(|error| match error {
            kubemerge::json_patch::PatchError::Malformed { .. } if patch.is_array() => unprocessable(),
            kubemerge::json_patch::PatchError::Malformed { .. } => ApiError::bad_request(error.to_string()),
            kubemerge::json_patch::PatchError::TooManyOperations { .. }
            | kubemerge::json_patch::PatchError::TooLarge => ApiError::new(
                413,
                "RequestEntityTooLarge",
                format!("Request entity is too large: {error}"),
            ),
            _ => unprocessable(),
        })?,
        PatchKind::Merge | PatchKind::Apply => {
            if !patch.is_object() {
                let found = match patch {
                    Value::Array(_) => "array",
                    Value::String(_) => "string",
                    Value::Bool(_) => "bool",
                    _ => "number",
                };
                return Err(ApiError::bad_request(format!(
                    "error decoding patch: json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
                )));
            }
            kubemerge::merge_patch::apply(current, patch).map_err(|error| ApiError::bad_request(error.to_string()))?
        }
        PatchKind::Strategic => schema::strategic(target, version, current, patch)?,
    };
    if patched.is_object() {
        Ok(patched)
    } else {
        Err(unprocessable())
    }
}

/// Server-side apply: the applied fields become the manager's, conflicts are told, absent objects are created.
async fn apply(context: &mut Context, target: &Target) -> Answer {
    if context.options.field_manager.is_empty() {
        let error = FieldError::required("fieldManager", "is required for apply patch");
        return Err(ApiError::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
    }
    let mut applied = decode::body(context)?;
    check_applied(context, target, &mut applied)?;
    let unknown = schema::check(target, &context.info.version, &mut applied, None)?;
    refuse_unknown(context, target, &applied, &unknown)?;
    let call = schema::Apply {
        group: context.info.group.clone(),
        version: context.info.version.clone(),
        subresource: context.info.subresource.clone(),
        manager: context.options.field_manager.clone(),
        force: context.options.force,
        now: context.core().now_text(),
    };
    let exists = context
        .core()
        .state()
        .get(&target.resource.stored_as, &context.key(target))
        .is_some();
    if !exists {
        if !context.info.subresource.is_empty() {
            return Err(target.not_found(&context.info.name));
        }
        if let Some(version) = text(&applied, &["metadata", "resourceVersion"])
            && !version.is_empty()
        {
            return Err(ApiError::modified(
                target.resource.group(),
                target.resource.plural(),
                &context.info.name,
            ));
        }
        if target.resource.namespaced {
            map_at(&mut applied, &["metadata"]).insert("namespace", context.info.namespace.as_str().into());
        }
        let object = schema::apply(target, &call, None, &applied)?;
        let written = create_object(context, target, object).await?;
        return answer(context, target, 201, written);
    }
    let edit_target = target.clone();
    let edit = move |current: &Value| {
        let value = schema::apply(&edit_target, &call, Some(current), &applied)?;
        Ok(Edited { value, tracked: true })
    };
    let written = change(context, target, &edit).await?;
    answer(context, target, 200, written)
}

/// An apply must fit the kind's schema whatever the field validation says: an unknown field could have no owner.
fn refuse_unknown(context: &Context, target: &Target, applied: &Value, unknown: &[String]) -> Result<(), ApiError> {
    let lines: Vec<String> = unknown
        .iter()
        .map(|path| format!(".{path}: field not declared in schema"))
        .collect();
    let list = match lines.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    };
    let (place, version) = (
        value::namespace(applied),
        crate::registry::api_version(&context.info.group, &context.info.version),
    );
    let version = if version.contains('/') {
        version
    } else {
        format!("/{version}")
    };
    let text = format!(
        "failed to create typed patch object ({place}/{}; {version}, Kind={}): {list}",
        value::name(applied),
        target.resource.kind
    );
    Err(ApiError::new(500, "", text))
}

fn check_applied(context: &Context, target: &Target, applied: &mut Value) -> Result<(), ApiError> {
    if applied.is_object() && (text(applied, &["kind"]).is_none() || text(applied, &["apiVersion"]).is_none()) {
        let version = text(applied, &["apiVersion"]).unwrap_or("/");
        return Err(ApiError::bad_request(format!(
            "invalid object type: {version}, Kind={}",
            text(applied, &["kind"]).unwrap_or_default()
        )));
    }
    decode::check_kind(context, target, applied)?;
    if value::at(applied, &["metadata", "managedFields"]).is_some_and(|fields| !fields.is_null()) {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    let name = value::name(applied);
    if name.is_empty() {
        map_at(applied, &["metadata"]).insert("name", context.info.name.as_str().into());
    } else if name != context.info.name {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            context.info.name
        )));
    }
    let namespace = value::namespace(applied);
    if target.resource.namespaced && !namespace.is_empty() && namespace != context.info.namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}
