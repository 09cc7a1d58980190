//! Dropping what is empty, as typed servers write none.

use std::convert::Infallible;

use json_tree::{List, Map, Revision, Value};
use kubemerge::schema::{Kind, TypeRef};

use super::{metadata_schema, schema_of};
use crate::registry::Resource;

/// Drops empty maps and lists, as typed servers write none: `data: {}` reads back as no data. Who applied one owns it all
/// the same. Of custom resources only the metadata is typed. What is shared with the stored object `old` is passed over.
pub(crate) fn drop_empty(resource: &Resource, version: &str, object: &mut Value, old: Option<&Value>) {
    if let Some(metadata) = object.get("metadata")
        && let Some(schema) = metadata_schema()
    {
        let old = old.and_then(|old| old.get("metadata"));
        if let Some(new) = below(schema.root(), metadata, old) {
            object["metadata"] = new;
        }
    }
    if resource.custom {
        return;
    }
    let written: &[&str] = match resource.is() {
        ("rbac.authorization.k8s.io", _) => &["rules"],
        ("discovery.k8s.io", _) => &["endpoints", "ports"],
        _ => &[],
    };
    if let Value::Object(map) = object
        && let Some(new) = in_map(schema_of(resource, version).root(), map, old, written)
    {
        *map = new;
    }
}

/// A value without what is empty below it; none where nothing is.
fn below(kind: TypeRef<'_>, value: &Value, old: Option<&Value>) -> Option<Value> {
    match value {
        _ if old.is_some_and(|old| old.shares(value)) => None,
        Value::Array(items) => in_list(kind, items, old.and_then(Value::as_array)).map(Value::Array),
        Value::Object(map) => in_map(kind, map, old, &[]).map(Value::Object),
        _ => None,
    }
}

fn in_list(kind: TypeRef<'_>, items: &List, old: Option<&List>) -> Option<List> {
    let element = kind.element()?;
    let mut new = items.clone();
    let Ok(()) = new.revise::<Infallible>(|place, item| {
        let passed = old.is_some_and(|old| super::check::is_old(old, place, item));
        Ok(if passed { None } else { below(element, item, None) })
    });
    (!new.shares(items)).then_some(new)
}

/// The same for a map; fields that are always written stay.
fn in_map(kind: TypeRef<'_>, map: &Map, old: Option<&Value>, written: &[&str]) -> Option<Map> {
    let required = kind.required();
    let mut new = map.clone();
    let Ok(()) = new.revise::<Infallible>(|name, inner| {
        let Some(child) = kind.child(name) else {
            return Ok(Revision::Keep);
        };
        let revised = below(child, inner, old.and_then(|old| old.get(name)));
        let bare = match (child.kind(), revised.as_ref().unwrap_or(inner)) {
            (Kind::List { .. }, Value::Array(items)) => items.is_empty(),
            // Structs have names; maps have none.
            (Kind::Object, Value::Object(map)) => {
                map.is_empty() && child.name().is_none() && !child.preserves_unknown()
            }
            _ => false,
        };
        let stays = !bare || required.iter().any(|required| name == required) || written.contains(&name.as_str());
        Ok(match revised {
            _ if !stays => Revision::Drop,
            Some(revised) => Revision::Replace(revised),
            None => Revision::Keep,
        })
    });
    (!new.shares(map)).then_some(new)
}
