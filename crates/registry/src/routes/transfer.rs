//! The whole registry as one document, out and in.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use model::FileRegistry;
use registry_api::{ErrorKind, ImportReport, paths};
use serde_json::Value;

use super::reply::{self, Reply};
use crate::error::ApiError;
use crate::extract::{
    AsAdmin, AsReader, ImportQuery, NoQuery, Query, check_nul, content_type, import_document, read_text, whole_numbers,
};
use crate::openapi::{ExportAnswers, ImportRefusals};
use crate::state::AppState;

/// Names of YAML in use; the first is the registered one.
const YAML: [&str; 4] = ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];
const JSON: &str = "application/json";

/// Export the registry
///
/// One consistent document of all accounts and clusters, in the form of the original's file registry: YAML, or JSON when
/// the header Accept prefers it.
#[utoipa::path(
    get, path = paths::EXPORT, operation_id = "exportRegistry", tag = "Transfer",
    responses(ExportAnswers)
)]
pub(super) async fn export(
    State(state): State<AppState>,
    _: AsReader,
    Query(NoQuery): Query<NoQuery>,
    headers: HeaderMap,
) -> Reply {
    let kind = wanted(&headers).ok_or_else(|| {
        ApiError::new(
            ErrorKind::NotAcceptable,
            "the document is offered as application/yaml and application/json",
        )
    })?;
    let document = state.call("export", state.registry.export()).await?;
    if kind == JSON {
        return reply::json(StatusCode::OK, &document);
    }
    let value = serde_json::to_value(&document)
        .map_err(|_| ApiError::new(ErrorKind::Internal, "the registry cannot be written as a document"))?;
    let head = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    Ok((StatusCode::OK, head, Body::from(yaml::to_string(&value))).into_response())
}

/// The offered type that the caller likes best; YAML among equals, since the file registry is one.
fn wanted(headers: &HeaderMap) -> Option<&'static str> {
    let mut accepted = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .peekable();
    if accepted.peek().is_none() {
        return Some(YAML[0]);
    }
    let mut best: Option<(&'static str, f32)> = None;
    for range in accepted.flat_map(|list| list.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts
            .find_map(|p| p.strip_prefix("q="))
            .and_then(|q| q.parse().ok())
            .unwrap_or(1.0_f32);
        let offered = match name.as_str() {
            "*/*" | "application/*" => Some(YAML[0]),
            "text/*" => Some(YAML[2]),
            JSON => Some(JSON),
            other => YAML.into_iter().find(|yaml| *yaml == other),
        };
        if let Some(offered) = offered.filter(|_| quality > 0.0 && best.is_none_or(|(_, q)| quality > q)) {
            best = Some((offered, quality));
        }
    }
    best.map(|(offered, _)| offered)
}

/// Import a document
///
/// All objects of a file registry in one transaction, or none.
#[utoipa::path(
    post, path = paths::IMPORT, operation_id = "importRegistry", tag = "Transfer",
    params(ImportQuery),
    request_body(content(
        (FileRegistry = "application/yaml"), (FileRegistry = "application/json"),
    )),
    responses((status = 200, description = "What was done, by object", body = ImportReport), ImportRefusals)
)]
pub(super) async fn import(
    State(state): State<AppState>,
    AsAdmin(writer): AsAdmin,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Reply {
    let kind = content_type(request.headers()).unwrap_or_default();
    let is_yaml = YAML.contains(&kind.as_str());
    if !is_yaml && kind != JSON {
        let detail = "the body must be application/yaml or application/json";
        return Err(ApiError::new(ErrorKind::UnsupportedMediaType, detail));
    }
    let text = read_text(request.into_body(), &state).await?;
    let mut value = if is_yaml { from_yaml(&text)? } else { from_json(&text)? };
    whole_numbers(&mut value);
    let mut problems = Vec::new();
    check_nul(&value, "", &mut problems);
    let document = match import_document(&value) {
        Ok(document) if problems.is_empty() => document,
        Ok(_) => return Err(problems.into()),
        Err(found) => {
            problems.extend(found);
            return Err(problems.into());
        }
    };
    let call = state.registry.import(document, query.mode, &writer.context);
    let report = state.call("import", call).await?;
    reply::json(StatusCode::OK, &ImportReport::from(report))
}

fn from_yaml(text: &str) -> Result<Value, ApiError> {
    yaml::load_value(text, &yaml::Options::strict())
        .map(|document| document.value)
        .map_err(|error| ApiError::new(ErrorKind::Malformed, format!("the body is not usable YAML: {error}")))
}

fn from_json(text: &str) -> Result<Value, ApiError> {
    serde_json::from_str(text).map_err(|error| {
        let detail = format!("the body is not JSON: line {}, column {}", error.line(), error.column());
        ApiError::new(ErrorKind::Malformed, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_decides_the_form() {
        for (accept, expected) in [
            (None, Some("application/yaml")),
            (Some("*/*"), Some("application/yaml")),
            (Some("application/json"), Some(JSON)),
            (
                Some("application/json;q=0.9, application/yaml"),
                Some("application/yaml"),
            ),
            (Some("text/yaml"), Some("text/yaml")),
            (Some("application/json, */*;q=0.1"), Some(JSON)),
            (Some("text/html, application/json;q=0.5"), Some(JSON)),
            (Some("image/png"), None),
            (Some("application/json;q=0"), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(wanted(&headers), expected, "{accept:?}");
        }
    }
}
