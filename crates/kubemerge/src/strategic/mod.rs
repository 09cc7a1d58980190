//! Strategic merge patch, `application/strategic-merge-patch+json`: a merge patch that knows lists.
//!
//! Lists of built-in types merge by their patch merge key; directives in the patch say more: `$patch` (`delete`, `replace`,
//! `merge`), `$setElementOrder/field`, `$deleteFromPrimitiveList/field`, `$retainKeys`. Custom resources have no strategic
//! merge; the API server refuses it with 415 for them.

mod list;

use json_tree::{Map, Text, Value};
use thiserror::Error;

use crate::limits::{self, TooDeep};
use crate::schema::{Schema, Strategic, TypeRef};

const PATCH: &str = "$patch";
const REPLACE: &str = "replace";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE_VALUES: &str = "$deleteFromPrimitiveList/";

/// Why a strategic merge patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StrategicError {
    /// A directive has an unusable value.
    #[error("{field}: the directive {directive} has an unusable value")]
    Directive {
        /// Path of the field.
        field: String,
        /// Name of the directive.
        directive: String,
    },
    /// An item of a keyed list has no merge key.
    #[error("map: does not contain declared merge key: {key} (in {field})")]
    NoMergeKey {
        /// Path of the list.
        field: String,
        /// The key.
        key: String,
    },
    /// The order does not list every item of the patch, in its order.
    #[error("{field}: the order in patch list doesn't match $setElementOrder list")]
    Order {
        /// Path of the list.
        field: String,
    },
    /// A patch or a list item has the wrong kind.
    #[error("{field}: the patch must be a {expected}")]
    Kind {
        /// Path of the field.
        field: String,
        /// What it must be.
        expected: &'static str,
    },
    /// Nested too deep.
    #[error(transparent)]
    TooDeep(#[from] TooDeep),
}

/// Applies the strategic merge patch `patch` to `doc` and returns the result.
///
/// # Errors
/// [`StrategicError`] when a directive or list item in the patch cannot be understood.
///
/// ```
/// use json_tree::json;
/// let schema = kubemerge::schema::builtin("", "v1", "Pod").unwrap();
/// let doc = json!({"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b"}]}});
/// let patch = json!({"spec": {"containers": [{"name": "a", "image": "x:2"}, {"name": "b", "$patch": "delete"}]}});
/// let out = kubemerge::strategic::apply(&doc, &patch, schema).unwrap();
/// assert_eq!(out, json!({"spec": {"containers": [{"name": "a", "image": "x:2"}]}}));
/// ```
pub fn apply(doc: &Value, patch: &Value, schema: &Schema) -> Result<Value, StrategicError> {
    limits::check_depth(doc)?;
    limits::check_depth(patch)?;
    let Value::Object(patch) = patch else {
        return Err(StrategicError::Kind {
            field: String::new(),
            expected: "map",
        });
    };
    let empty = Map::new();
    let original = doc.as_object().unwrap_or(&empty);
    Ok(Value::Object(merge_map(original, patch, schema.root(), "")?))
}

/// Merges a patch into a map.
fn merge_map(original: &Map, patch: &Map, at: TypeRef<'_>, path: &str) -> Result<Map, StrategicError> {
    let directive = |name: &str| StrategicError::Directive {
        field: path.to_owned(),
        directive: name.to_owned(),
    };
    match patch.get(PATCH).map(Value::as_str) {
        None => {}
        Some(Some(REPLACE)) => {
            let mut out = patch.clone();
            out.remove(PATCH);
            return Ok(out);
        }
        Some(Some("delete")) => return Ok(Map::new()),
        Some(_) => return Err(directive(PATCH)),
    }
    let mut out = original.clone();
    if let Some(retained) = patch.get(RETAIN_KEYS) {
        retain(&mut out, patch, retained).ok_or_else(|| directive(RETAIN_KEYS))?;
    }
    for (name, value) in patch {
        if name == PATCH || name == RETAIN_KEYS || name.starts_with(ORDER) || name.starts_with(DELETE_VALUES) {
            continue;
        }
        if value.is_null() {
            out.remove(name);
            continue;
        }
        let below = if path.is_empty() {
            name.to_string()
        } else {
            format!("{path}.{name}")
        };
        let merges = out.get(name).is_some_and(Value::is_object);
        if !merges && value.get(PATCH).is_some() {
            // There is nothing that the directive could be about.
            out.remove(name);
            continue;
        }
        let merged = merge_value(out.get(name), value, at, name, patch, &below)?;
        out.insert(name.clone(), merged);
    }
    // Directives for lists that the patch itself does not touch.
    for (directive, value) in patch {
        let name = directive
            .strip_prefix(ORDER)
            .or_else(|| directive.strip_prefix(DELETE_VALUES));
        let Some(name) = name.filter(|name| !patch.contains_key(name)) else {
            continue;
        };
        if !value.is_array() {
            return Err(StrategicError::Directive {
                field: path.to_owned(),
                directive: directive.to_string(),
            });
        }
        if let Some(Value::Array(items)) = out.get(name).cloned() {
            let merged = list::merge(&items, &[], at, name, patch, name)?;
            out.insert(name, Value::from(merged));
        }
    }
    Ok(out)
}

/// The new value of one field.
fn merge_value(
    original: Option<&Value>,
    value: &Value,
    at: TypeRef<'_>,
    name: &str,
    patch: &Map,
    path: &str,
) -> Result<Value, StrategicError> {
    static NONE: Strategic = Strategic {
        merge: false,
        key: None,
        replace: false,
        retain_keys: false,
    };
    let strategic = at.strategic(name).unwrap_or(&NONE);
    let order = format!("{ORDER}{name}");
    match (original, value) {
        (Some(Value::Object(before)), Value::Object(change)) if !strategic.replace => {
            let child = at.child(name).unwrap_or(Schema::untyped_root());
            Ok(Value::Object(merge_map(before, change, child, path)?))
        }
        (Some(Value::Array(before)), Value::Array(change)) if strategic.merge => {
            Ok(Value::from(list::merge(before, change, at, name, patch, path)?))
        }
        (_, Value::Array(_)) if strategic.merge && patch.contains_key(&order) => {
            // A new list has an order too; its items are taken as they are.
            let Value::Array(change) = without_marks(value) else {
                return Ok(value.clone());
            };
            Ok(Value::from(list::merge(&[], &change, at, name, patch, path)?))
        }
        // There is nothing to merge with. Directives for deeper places then have nothing to say.
        _ => Ok(without_marks(value)),
    }
}

/// A new list item, without nulls and directives. Unlike in a new field, what a directive inside is about stays.
fn without_keys(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map
                .iter()
                .filter(|(name, value)| !name.starts_with('$') && !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_keys(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_keys).collect()),
        other => other.clone(),
    }
}

/// A value that is new, without nulls and without what carries a directive.
fn without_marks(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let plain = |(name, value): &(&Text, &Value)| {
                !name.starts_with('$') && !value.is_null() && value.get(PATCH).is_none()
            };
            let kept = map
                .iter()
                .filter(plain)
                .map(|(name, value)| (name.clone(), without_marks(value)));
            Value::Object(kept.collect())
        }
        Value::Array(items) => {
            let kept = items.iter().filter(|item| item.get(PATCH).is_none());
            Value::Array(kept.map(without_marks).collect())
        }
        other => other.clone(),
    }
}

/// Keeps only the listed members. Every member of the patch must be listed.
fn retain(out: &mut Map, patch: &Map, retained: &Value) -> Option<()> {
    let names: Vec<&str> = retained.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    let listed = |name: &str| names.contains(&name);
    if patch
        .iter()
        .any(|(name, value)| !name.starts_with('$') && !value.is_null() && !listed(name))
    {
        return None;
    }
    out.retain(|name, _| listed(name));
    Some(())
}
