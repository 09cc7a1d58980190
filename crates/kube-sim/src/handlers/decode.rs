//! Reading the object in a body: format, kind, types and unknown fields.

use json_tree::Value;

use super::Target;
use super::json;
use crate::registry::{api_version, split_api_version};
use crate::request::FieldValidation;
use crate::schema;
use crate::server::Context;
use crate::status::ApiError;
use crate::value::{as_map, set, text};
use crate::wire;

const ACCEPTED: &[&str] = &["application/json", "application/yaml", wire::MEDIA];

/// The media type of a header, without parameters.
pub(super) fn media_type(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

/// The body as a tree. Nesting is bounded by the readers.
pub(super) fn body(context: &Context) -> Result<Value, ApiError> {
    body_and_doubled(context, None).map(|(value, _)| value)
}

/// The body as a tree, and the fields that stand in it twice. `kind` is what the body must be.
fn body_and_doubled(context: &Context, kind: Option<&str>) -> Result<(Value, Vec<String>), ApiError> {
    let must = kind
        .map(|kind| format!(" (must be of type {kind})"))
        .unwrap_or_default();
    let value = match media_type(&context.content_type) {
        "" | "application/json" => {
            return json::read(&context.body).map_err(|why| {
                ApiError::bad_request(format!(
                    "the object provided is unrecognized{must}: couldn't get version/kind; json parse error: {why} ({})",
                    shown(&context.body)
                ))
            });
        }
        "application/yaml" | "application/apply-patch+yaml" => yaml_or_json(&context.body),
        wire::MEDIA => wire::decode(&context.body).ok_or_else(|| {
            ApiError::bad_request("the object provided is unrecognized: the protobuf body cannot be decoded")
        }),
        _ => Err(ApiError::unsupported_media_type(ACCEPTED)),
    };
    value.map(|value| (value, Vec::new()))
}

/// How much of a body an error shows.
const SHOWN: usize = 30;

/// The beginning of a body that cannot be read, for its writer to see.
fn shown(body: &[u8]) -> String {
    if body.is_empty() {
        return "<empty>".to_owned();
    }
    match body.get(..SHOWN) {
        Some(head) if body.len() > SHOWN => format!("{} ...", String::from_utf8_lossy(head)),
        _ => String::from_utf8_lossy(body).into_owned(),
    }
}

/// Reads a patch in JSON.
pub(super) fn json(bytes: &[u8]) -> Result<Value, ApiError> {
    json::read(bytes)
        .map(|(value, _)| value)
        .map_err(|why| ApiError::bad_request(format!("error decoding patch: {why}")))
}

/// Reads YAML; JSON is tried first because it is what most clients send and costs less.
pub(super) fn yaml_or_json(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes).or_else(|_| {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| ApiError::bad_request("error decoding YAML: the body is not UTF-8"))?;
        crate::schema::parse_yaml(text).map_err(|why| ApiError::bad_request(format!("error decoding YAML: {why}")))
    })
}

/// The object in the body of a create or update, in the version of the request.
pub(super) fn object(context: &mut Context, target: &Target) -> Result<Value, ApiError> {
    let (mut value, doubled) = body_and_doubled(context, Some(&target.resource.kind))?;
    check_kind(context, target, &mut value)?;
    let findings = doubled
        .iter()
        .map(|field| format!("duplicate field \"{field}\""))
        .collect();
    check_fields_after(context, target, &mut value, None, findings)?;
    Ok(value)
}

/// Holds the object's kind to the path's; a missing one is filled in, as the real decoder does.
pub(super) fn check_kind(context: &Context, target: &Target, value: &mut Value) -> Result<(), ApiError> {
    if !value.is_object() {
        return Err(ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind",
            target.resource.kind
        )));
    }
    let expected = api_version(&context.info.group, &context.info.version);
    match text(value, &["apiVersion"]).unwrap_or_default() {
        "" => set(value, &["apiVersion"], expected.as_str()),
        found if found == expected => {}
        found => {
            let (group, version) = split_api_version(found);
            let kind = text(value, &["kind"]).unwrap_or_default();
            if builtin_kind(group, version, kind) {
                return Err(ApiError::bad_request(format!(
                    "the API version in the data ({}) does not match the expected API version ({expected})",
                    api_version(group, version)
                )));
            }
            return Err(unregistered(context, target, kind, found));
        }
    }
    match text(value, &["kind"]).unwrap_or_default() {
        "" => set(value, &["kind"], target.resource.kind.as_str()),
        found if found == target.resource.kind => {}
        found => {
            let (group, version) = (&context.info.group, &context.info.version);
            if !builtin_kind(group, version, found) {
                return Err(unregistered(context, target, found, &expected));
            }
            let kind = &target.resource.kind;
            let family = if group.is_empty() {
                "core"
            } else {
                group.split('.').next().unwrap_or_default()
            };
            return Err(ApiError::bad_request(format!(
                "{found} in version \"{version}\" cannot be handled as a {kind}: converting ({version}.{found}) to ({family}.{kind}): unknown conversion"
            )));
        }
    }
    Ok(())
}

fn builtin_kind(group: &str, version: &str, kind: &str) -> bool {
    kubemerge::schema::builtin(group, version, kind).is_some()
}

/// The error for a kind that the server's scheme does not have.
fn unregistered(context: &Context, target: &Target, kind: &str, version: &str) -> ApiError {
    ApiError::bad_request(format!(
        "{kind} in version \"{}\" cannot be handled as a {}: no kind \"{kind}\" is registered for version \"{version}\" in scheme \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"",
        context.info.version, target.resource.kind
    ))
}

/// Checks types, drops unknown fields and reports them as the request's `fieldValidation` says.
pub(super) fn check_fields(context: &mut Context, target: &Target, value: &mut Value) -> Result<(), ApiError> {
    check_fields_after(context, target, value, None, Vec::new())
}

/// The same for a changed object: what stands in it as it stood in the stored one was checked when it was stored.
pub(super) fn check_changed_fields(
    context: &mut Context,
    target: &Target,
    value: &mut Value,
    old: &Value,
) -> Result<(), ApiError> {
    check_fields_after(context, target, value, Some(old), Vec::new())
}

/// The same, after what the reader has found already.
fn check_fields_after(
    context: &mut Context,
    target: &Target,
    value: &mut Value,
    old: Option<&Value>,
    mut findings: Vec<String>,
) -> Result<(), ApiError> {
    as_map(value);
    let unknown = schema::check(target, &context.info.version, value, old)?;
    schema::drop_empty(&target.resource, &context.info.version, value, old);
    findings.extend(unknown.iter().map(|field| format!("unknown field \"{field}\"")));
    report(context, target, findings)
}

fn report(context: &mut Context, target: &Target, texts: Vec<String>) -> Result<(), ApiError> {
    if texts.is_empty() {
        return Ok(());
    }
    match context.options.field_validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => {
            for text in texts {
                if !context.warnings.contains(&text) {
                    context.warnings.push(text);
                }
            }
        }
        FieldValidation::Strict => {
            let (kind, version) = (&target.resource.kind, &context.info.version);
            return Err(ApiError::bad_request(format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error: {}",
                texts.join(", ")
            )));
        }
    }
    Ok(())
}
