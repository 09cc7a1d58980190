//! From a rendered text to its objects.

use std::sync::Arc;

use serde_json::Value;
use yaml::Options;

use crate::desired::{Content, ManifestObject};
use crate::error::RenderErrorKind;

/// Decodes a manifest; each document must be one identified object (facts 44, 45). Of the objects only the identity is kept:
/// decoded they take ten times the room of the text.
pub(crate) fn decode(text: &Arc<str>) -> Result<Content, RenderErrorKind> {
    let documents = yaml::load_documents(text, &Options::manifests()).map_err(RenderErrorKind::Yaml)?;
    let mut warnings = Vec::new();
    let mut objects = Vec::new();
    for document in documents {
        warnings.extend(document.warnings);
        objects.push(identify(&document.value, document.line)?);
    }
    Ok(Content {
        text: Arc::clone(text),
        objects,
        warnings,
    })
}

/// The objects of a text that has been decoded before, in order.
pub(crate) fn values(text: &str) -> Vec<Value> {
    // Reading the same text again cannot fail.
    let documents = yaml::load_documents(text, &Options::manifests()).unwrap_or_default();
    documents.into_iter().map(|document| document.value).collect()
}

fn identify(value: &Value, line: usize) -> Result<ManifestObject, RenderErrorKind> {
    let text = |pointer: &str, field: &'static str| match value.pointer(pointer).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(RenderErrorKind::Unidentified { line, field }),
    };
    let api_version = text("/apiVersion", "apiVersion")?;
    let kind = text("/kind", "kind")?;
    let name = text("/metadata/name", "metadata.name")?;
    let namespace = value.pointer("/metadata/namespace").and_then(Value::as_str);
    Ok(ManifestObject {
        api_version,
        kind,
        namespace: namespace.filter(|n| !n.is_empty()).map(str::to_owned),
        name,
        line,
    })
}
