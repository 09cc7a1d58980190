//! Writing an entry of the ledger, with the config items that change along with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{Invalid, Validate};
use ports::ledger::{Entry, EntryDraft, ItemChange, MAX_ENTRY};
use ports::registry::{FieldChange, ObjectKind};
use ports::{RegistryError, WriteContext};
use serde_json::{Map, Value};

use super::write::{action, check_revision, next_revision, not_found, write_cluster};
use super::{Needs, Record, Stamp, State};

/// Longest value of a member that an audit record repeats, in characters.
const LONGEST: usize = 300;

/// What writing the draft looks at.
pub(super) fn entry_needs(draft: &EntryDraft, needs: &mut Needs) {
    needs.entries.insert((draft.kind.clone(), draft.id.clone()));
    needs
        .clusters
        .extend(draft.items.iter().map(|item| item.cluster.clone()));
}

/// Carries the write out on `state`, or changes nothing at all.
pub(super) fn put_entry(
    draft: &EntryDraft,
    context: &WriteContext,
    now: Stamp,
    state: &mut State,
    records: &mut Vec<Record>,
) -> Result<Entry, RegistryError> {
    let body = body(draft)?;
    let present = state.entry(&draft.kind, &draft.id).cloned();
    check_revision(
        context,
        present.as_ref().map_or(ports::registry::Revision(0), |p| p.revision),
    )?;
    // Every cluster is checked before any is written.
    let mut clusters = Vec::new();
    for item in &draft.items {
        clusters.extend(with_item(item, state)?);
    }
    for cluster in clusters {
        write_cluster(cluster, state, records);
    }
    if let Some(present) = &present
        && (present.cluster == draft.cluster && present.open == draft.open && present.body == draft.body)
    {
        return Ok((**present).clone());
    }
    let entry = Entry {
        kind: draft.kind.clone(),
        id: draft.id.clone(),
        cluster: draft.cluster.clone(),
        open: draft.open,
        revision: next_revision(present.as_ref().map(|p| p.revision)),
        created_at: present.as_ref().map_or_else(|| now.timestamp(), |p| p.created_at),
        updated_at: now.timestamp(),
        body: draft.body.clone(),
    };
    records.push(Record {
        kind: ObjectKind::Entry,
        id: format!("{}/{}", entry.kind, entry.id),
        action: action(present.is_some()),
        revision: entry.revision,
        fields: changed_members(present.as_deref(), body, draft.open),
    });
    state.set_entry(Arc::new(entry.clone()));
    Ok(entry)
}

fn body(draft: &EntryDraft) -> Result<&Map<String, Value>, RegistryError> {
    let Some(body) = draft.body.as_object() else {
        return Err(Invalid::new("body", "must be a JSON object", &draft.body).into());
    };
    let text = draft.body.to_string();
    if text.len() > MAX_ENTRY {
        let rule = "must be at most 1048576 bytes of JSON";
        return Err(Invalid::new("body", rule, format!("{} bytes", text.len())).into());
    }
    if text.contains("\\u0000") {
        return Err(Invalid::new("body", "must not contain the character U+0000", "").into());
    }
    Ok(body)
}

/// The cluster as it is with this item changed; `None` when it is so already.
fn with_item(item: &ItemChange, state: &State) -> Result<Option<model::Cluster>, RegistryError> {
    let stored = state.clusters().get(&item.cluster);
    let stored = stored.ok_or_else(|| not_found("cluster", item.cluster.as_str()))?;
    if stored.object.config_items.get(&item.key) == item.value.as_ref() {
        return Ok(None);
    }
    let mut cluster = (*stored.object).clone();
    match &item.value {
        Some(value) => {
            cluster.config_items.insert(item.key.clone(), value.clone());
            cluster.validate()?;
        }
        None => {
            cluster.config_items.remove(&item.key);
        }
    }
    Ok(Some(cluster))
}

/// Members that differ. Short values are repeated; of lists, objects and long texts only that they changed.
fn changed_members(before: Option<&Entry>, after: &Map<String, Value>, open: bool) -> Vec<FieldChange> {
    let none = Map::new();
    let old = before.and_then(|entry| entry.body.as_object()).unwrap_or(&none);
    let short = |value: &Value| match value {
        Value::Array(_) | Value::Object(_) => None,
        Value::String(text) if text.chars().count() > LONGEST => None,
        value => Some(value.clone()),
    };
    let mut fields = Vec::new();
    if before.is_none_or(|entry| entry.open != open) {
        fields.push(FieldChange {
            field: "open".to_owned(),
            before: before.map(|entry| Value::Bool(entry.open)),
            after: Some(Value::Bool(open)),
        });
    }
    let names: BTreeSet<&String> = old.keys().chain(after.keys()).collect();
    for name in names.into_iter().filter(|name| old.get(*name) != after.get(*name)) {
        fields.push(FieldChange {
            field: name.clone(),
            before: old.get(name).and_then(short),
            after: after.get(name).and_then(short),
        });
    }
    fields
}
