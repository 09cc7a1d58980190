//! `deletions.yaml`: what to delete before and after the components are applied.

use std::collections::BTreeMap;

use model::{Deletion, DeletionTarget};
use serde_json::{Map, Value};

/// Deletions of one or more files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deletions {
    /// Before the components are applied.
    pub pre_apply: Vec<Deletion>,
    /// After the components are applied.
    pub post_apply: Vec<Deletion>,
}

/// An entry that breaks the grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry}: {rule}")]
pub struct DeletionError {
    /// Which entry, such as `post_apply[3]`.
    pub entry: String,
    /// The rule that it breaks.
    pub rule: String,
}

/// Reads the decoded content of a rendered `deletions.yaml` (fact 47).
///
/// # Errors
/// The first entry that breaks the grammar, with the rule.
pub fn parse_deletions(value: &Value) -> Result<Deletions, DeletionError> {
    Ok(Deletions {
        pre_apply: entries(value, "pre_apply", deletion)?,
        post_apply: entries(value, "post_apply", deletion)?,
    })
}

/// Stack names of a rendered `cf-deletions.yaml`, before and after.
pub(crate) fn parse_stack_deletions(value: &Value) -> Result<(Vec<String>, Vec<String>), DeletionError> {
    let name = |entry: &Map<String, Value>| match entry.get("stackName") {
        Some(Value::String(name)) if !name.is_empty() => Ok(name.clone()),
        _ => Err("stackName is required".to_owned()),
    };
    Ok((entries(value, "pre_apply", name)?, entries(value, "post_apply", name)?))
}

fn entries<T>(
    value: &Value,
    list: &str,
    read: impl Fn(&Map<String, Value>) -> Result<T, String>,
) -> Result<Vec<T>, DeletionError> {
    let wrong = |entry: &str, rule: &str| DeletionError {
        entry: entry.to_owned(),
        rule: rule.to_owned(),
    };
    let items = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Object(map) => map.get(list).unwrap_or(&Value::Null),
        _ => return Err(wrong("file", "must be a mapping with pre_apply and post_apply")),
    };
    let items = match items {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items,
        _ => return Err(wrong(list, "must be a list")),
    };
    items
        .iter()
        .enumerate()
        .map(|(i, item)| {
            let entry = format!("{list}[{i}]");
            let map = item.as_object().ok_or_else(|| wrong(&entry, "must be a mapping"))?;
            read(map).map_err(|rule| DeletionError { entry, rule })
        })
        .collect()
}

fn deletion(map: &Map<String, Value>) -> Result<Deletion, String> {
    let text = |key: &str| match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{key} must be a string")),
    };
    let kind = text("kind")?.ok_or("kind is required")?;
    let has_owner = match map.get("has_owner") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(value)) => Some(*value),
        Some(_) => return Err("has_owner must be a boolean".to_owned()),
    };
    let target = match (text("name")?, text("selector")?, labels(map)?) {
        (Some(name), None, None) => DeletionTarget::Name(name),
        (None, Some(selector), None) => DeletionTarget::Selector(selector),
        (None, None, Some(labels)) => DeletionTarget::Labels(labels),
        (None, None, None) => return Err("one of name, selector and labels is required".to_owned()),
        _ => return Err("only one of name, selector and labels is allowed".to_owned()),
    };
    if has_owner.is_some() && matches!(target, DeletionTarget::Name(_)) {
        return Err("has_owner needs labels or selector".to_owned());
    }
    let grace_period_seconds = match map.get("grace_period_seconds") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_i64().ok_or("grace_period_seconds must be an integer")?),
    };
    let propagation_policy = match text("propagation_policy")? {
        None => None,
        Some(policy) => Some(
            policy
                .parse()
                .map_err(|_| "propagation_policy must be Orphan, Background or Foreground")?,
        ),
    };
    Ok(Deletion {
        kind,
        namespace: text("namespace")?,
        target,
        has_owner,
        grace_period_seconds,
        propagation_policy,
    })
}

fn labels(map: &Map<String, Value>) -> Result<Option<BTreeMap<String, String>>, String> {
    let entries = match map.get("labels") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(entries)) if entries.is_empty() => return Ok(None),
        Some(Value::Object(entries)) => entries,
        Some(_) => return Err("labels must be a mapping".to_owned()),
    };
    let mut out = BTreeMap::new();
    for (key, value) in entries {
        let value = value.as_str().ok_or("labels must be strings")?;
        out.insert(key.clone(), value.to_owned());
    }
    Ok(Some(out))
}
