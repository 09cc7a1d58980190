//! What a schema does to an object: pruning, defaulting, validation, and finding unknown fields.
//!
//! Made for structural schemas of custom resources. [`unknown_fields`] and [`validate`]'s types and required fields work for
//! built-in kinds as well; their other rules live in the API server's code and are not in the table.

mod format;
mod validate;

use json_tree::{Map, Value};

pub use validate::{Cause, FieldError, validate};

use crate::limits::{self, TooDeep};
use crate::schema::{Kind, Schema, TypeRef};

/// Removes fields that the schema does not know. apiVersion, kind and metadata stay at the root and in embedded objects.
///
/// # Errors
/// [`TooDeep`] when the object is nested too deep.
///
/// ```
/// use json_tree::json;
/// let schema = kubemerge::schema::from_crd(&json!({"type": "object", "properties": {"a": {"type": "string"}}})).unwrap();
/// let mut object = json!({"a": "x", "b": 1, "kind": "K"});
/// kubemerge::structural::prune(&mut object, &schema).unwrap();
/// assert_eq!(object, json!({"a": "x", "kind": "K"}));
/// ```
pub fn prune(object: &mut Value, schema: &Schema) -> Result<(), TooDeep> {
    limits::check_depth(object)?;
    prune_at(object, schema.root());
    Ok(())
}

fn prune_at(value: &mut Value, at: TypeRef<'_>) {
    match value {
        Value::Object(map) if at.kind() == Kind::Object => {
            map.retain(|name, _| known(at, name));
            for (name, value) in map {
                if let Some(child) = at.child(name) {
                    prune_at(value, child);
                }
            }
        }
        Value::Array(items) => {
            if let Some(child) = at.element() {
                items.iter_mut().for_each(|item| prune_at(item, child));
            }
        }
        _ => {}
    }
}

/// Whether a member is kept: it has a type, or everything is kept here.
fn known(at: TypeRef<'_>, name: &str) -> bool {
    at.child(name).is_some()
        || at.preserves_unknown()
        || (at.is_embedded_resource() && matches!(name, "apiVersion" | "kind" | "metadata"))
}

/// Sets the defaults of the schema where a field is absent, or null and not nullable. A null that is not allowed and has no
/// default goes, as if the field had not been given.
///
/// Made for custom resources: the `={}` marks of built-in types are not defaults and are not set.
///
/// # Errors
/// [`TooDeep`] when the object is nested too deep.
pub fn default(object: &mut Value, schema: &Schema) -> Result<(), TooDeep> {
    limits::check_depth(object)?;
    default_at(object, schema.root());
    Ok(())
}

fn default_at(value: &mut Value, at: TypeRef<'_>) {
    match value {
        Value::Object(map) => default_members(map, at),
        Value::Array(items) => {
            let Some(child) = at.element().filter(|_| at.kind() != Kind::Any) else {
                return;
            };
            for item in items {
                if item.is_null()
                    && !child.is_nullable()
                    && let Some(default) = child.default()
                {
                    *item = default.clone();
                }
                default_at(item, child);
            }
        }
        _ => {}
    }
}

fn default_members(map: &mut Map, at: TypeRef<'_>) {
    if at.kind() != Kind::Object {
        return;
    }
    for (name, child) in at.fields() {
        let unset = match map.get(name) {
            None => true,
            Some(Value::Null) => !child.is_nullable(),
            Some(_) => false,
        };
        if !unset {
            continue;
        }
        match child.own_default() {
            Some(default) => {
                map.insert(name, default.clone());
            }
            None => continue,
        }
    }
    let forbidden = |name: &str, value: &Value| {
        let child = at.child(name).filter(|_| value.is_null());
        child.is_some_and(|child| !child.is_nullable() && child.own_default().is_none())
    };
    map.retain(|name, value| !forbidden(name, value));
    for (name, value) in map {
        let Some(child) = at.child(name) else { continue };
        if value.is_null()
            && !child.is_nullable()
            && let Some(default) = child.own_default()
        {
            *value = default.clone();
        }
        default_at(value, child);
    }
}

/// Paths of all fields that the schema does not know, sorted, each once, as strict field validation names them:
/// `spec.containers[0].imagee`.
///
/// # Errors
/// [`TooDeep`] when the object is nested too deep.
pub fn unknown_fields(object: &Value, schema: &Schema) -> Result<Vec<String>, TooDeep> {
    limits::check_depth(object)?;
    let mut out = Vec::new();
    unknown_at(object, schema.root(), "", &mut out);
    out.sort();
    out.dedup();
    Ok(out)
}

fn unknown_at(value: &Value, at: TypeRef<'_>, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) if at.kind() == Kind::Object => {
            for (name, value) in map {
                let below = join(path, name);
                match at.child(name) {
                    Some(child) => unknown_at(value, child, &below, out),
                    None if known(at, name) => {}
                    None => out.push(below),
                }
            }
        }
        Value::Array(items) => {
            let Some(child) = at.element() else { return };
            for (index, item) in items.iter().enumerate() {
                unknown_at(item, child, &format!("{path}[{index}]"), out);
            }
        }
        _ => {}
    }
}

/// A path with one more field.
fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
