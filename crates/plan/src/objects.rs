//! Objects that come, change and go.

use std::collections::{BTreeMap, BTreeSet};

use render::{Content, DesiredCluster, ObjectId};
use serde_json::Value;
use yaml::Change as Edit;

use crate::change::{FieldEdit, ObjectChange, ObjectRef, Verb};
use crate::immutable::immutable_field;

/// Hides secrets in a text.
pub(crate) type Hide<'h> = dyn Fn(&str) -> String + 'h;

/// Where each object is: component and value. A later definition of the same object wins, as it does when applied in order.
type Index<'d> = BTreeMap<ObjectId, (&'d str, Value)>;

/// The objects of files that the other side does not have: equal files cannot differ, which leaves few to look at.
fn changed<'d>(side: &'d DesiredCluster, other: &BTreeSet<*const Content>) -> (Index<'d>, Vec<ObjectId>) {
    let mut index = Index::new();
    let mut order = Vec::new();
    for component in &side.components {
        for manifest in &component.manifests {
            if other.contains(&std::sync::Arc::as_ptr(&manifest.content)) {
                continue;
            }
            for (object, value) in manifest.content.objects.iter().zip(manifest.content.values()) {
                let id = ObjectId::of(object);
                if index.insert(id.clone(), (component.name.as_str(), value)).is_none() {
                    order.push(id);
                }
            }
        }
    }
    (index, order)
}

fn contents(side: &DesiredCluster) -> BTreeSet<*const Content> {
    let manifests = side.components.iter().flat_map(|component| &component.manifests);
    manifests.map(|m| std::sync::Arc::as_ptr(&m.content)).collect()
}

/// Compares the objects of two desired states. Created and changed ones are in the order of application; those that go
/// follow, in the reverse order of application.
pub(crate) fn object_changes(before: &DesiredCluster, after: &DesiredCluster, hide: &Hide<'_>) -> Vec<ObjectChange> {
    let (old_contents, new_contents) = (contents(before), contents(after));
    let (old, old_order) = changed(before, &new_contents);
    let (new, new_order) = changed(after, &old_contents);
    let mut changes = Vec::new();
    for id in &new_order {
        let Some((component, object)) = new.get(id) else {
            continue;
        };
        let Some((_, previous)) = old.get(id) else {
            changes.push(whole(id, component, Verb::Create));
            continue;
        };
        let fields = yaml::diff(previous, object);
        if fields.is_empty() {
            continue;
        }
        changes.push(changed_object(id.clone().into(), component, &fields, hide));
    }
    for id in old_order.iter().rev().filter(|id| !new.contains_key(*id)) {
        if let Some((component, _)) = old.get(id) {
            changes.push(whole(id, component, Verb::Delete));
        }
    }
    changes
}

/// An object of which these fields change: in place, or by making it anew where one of them cannot. `hide` masks secrets in
/// texts; the data of Secrets are masked whatever they are.
#[must_use]
pub fn changed_object(
    object: ObjectRef,
    component: &str,
    fields: &[yaml::FieldChange],
    hide: &dyn Fn(&str) -> String,
) -> ObjectChange {
    let immutable = fields
        .iter()
        .find(|field| immutable_field(&object.group, &object.kind, &field.path));
    let secret = object.kind == "Secret" && object.group.is_empty();
    ObjectChange {
        component: component.to_owned(),
        verb: if immutable.is_some() {
            Verb::Replace
        } else {
            Verb::Update
        },
        immutable: immutable.map(|field| field.path.to_string()),
        fields: fields.iter().map(|field| edit(field, secret, hide)).collect(),
        object,
    }
}

fn whole(id: &ObjectId, component: &str, verb: Verb) -> ObjectChange {
    ObjectChange {
        object: id.clone().into(),
        component: component.to_owned(),
        verb,
        fields: Vec::new(),
        immutable: None,
    }
}

fn edit(change: &yaml::FieldChange, secret: bool, hide: &Hide<'_>) -> FieldEdit {
    let path = change.path.to_string();
    let secret = secret && (path.starts_with("data") || path.starts_with("stringData"));
    let shown = |value: &Value| Some(masked(value, secret, hide));
    let (old, new) = match &change.change {
        Edit::Added(new) => (None, shown(new)),
        Edit::Removed(old) => (shown(old), None),
        Edit::Changed { old, new } => (shown(old), shown(new)),
        Edit::Reordered => (None, None),
    };
    FieldEdit {
        path,
        old,
        new,
        reordered: change.change == Edit::Reordered,
    }
}

/// A value whose texts went through the mask; all texts of a Secret's data are masked whatever they are.
fn masked(value: &Value, secret: bool, hide: &Hide<'_>) -> Value {
    match value {
        Value::String(_) | Value::Number(_) if secret => Value::String(model::secrets::MASK.to_owned()),
        Value::String(text) => Value::String(hide(text)),
        Value::Array(items) => items.iter().map(|item| masked(item, secret, hide)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), masked(value, secret, hide)))
            .collect(),
        other => other.clone(),
    }
}
