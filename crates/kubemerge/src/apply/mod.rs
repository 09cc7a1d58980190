//! Server-side apply, and the bookkeeping of owners after any other write.

mod adopt;
mod conflict;
mod managed;
mod merge;
mod walk;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

pub use adopt::{CLIENT_SIDE_APPLY, adopt};
pub use conflict::{Conflict, Conflicts};
pub use managed::{
    ANCIENT_CHANGES, BEFORE_FIRST_APPLY, MAX_UPDATE_MANAGERS, ManagedFields, ManagedFieldsError, ManagerId, Operation,
    Owned,
};
pub use walk::{Comparison, TypedError};

pub(crate) use walk::same;

use crate::fields::{FieldSet, PathElement};
use crate::limits::{self, TooDeep};
use crate::schema::{ListKind, Schema};

/// Who writes, what, and when.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// Structure of the object's kind.
    pub schema: &'a Schema,
    /// Field manager.
    pub manager: &'a str,
    /// `apps/v1`: the version of the request.
    pub api_version: &'a str,
    /// Subresource of the request, empty for the object itself.
    pub subresource: &'a str,
    /// Time of the request.
    pub now: Timestamp,
    /// Fields that this request cannot set, such as `status` in a write to the object itself: nobody gets them by it.
    pub ignored: Option<&'a FieldSet>,
}

/// Result of an apply.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The new object, managedFields included.
    pub object: Value,
    /// Whether anything differs from the live object, owners included.
    pub changed: bool,
}

/// Why a configuration was not applied.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Others own fields that the configuration sets to other values.
    #[error(transparent)]
    Conflicts(#[from] Conflicts),
    /// The configuration does not fit the kind's schema.
    #[error("failed to create typed patch object: {}", list(.0))]
    Typed(Vec<TypedError>),
    /// The configuration carries managedFields.
    #[error("metadata.managedFields must be nil")]
    ManagedFieldsGiven,
    /// The live object's managedFields cannot be read.
    #[error("the live object's managedFields cannot be decoded")]
    ManagedFields(#[source] ManagedFieldsError),
    /// Nested too deep.
    #[error(transparent)]
    TooDeep(#[from] TooDeep),
}

fn list(errors: &[TypedError]) -> String {
    match errors {
        [one] => one.to_string(),
        many => many
            .iter()
            .fold("errors:".to_owned(), |text, error| format!("{text}\n  {error}")),
    }
}

/// Fields that nobody owns: they identify the object or belong to the server.
fn unowned() -> FieldSet {
    FieldSet::of_names(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
}

/// Applies `config` to `live` (`None`: the object does not exist) for an applier.
///
/// The result has all that the configuration sets; what the applier had applied before, applies no more and nobody else owns, is
/// gone. Lists come in the configuration's order. Applying the same again changes nothing, times included.
/// The caller may set defaults in the result: they have no owner.
///
/// # Errors
/// [`ApplyError::Conflicts`] unless `force`; [`ApplyError::Typed`] when the configuration does not fit the schema.
///
/// ```
/// use kubemerge::apply::{self, Writer};
/// use serde_json::json;
/// let writer = Writer {
///     schema: kubemerge::schema::builtin("", "v1", "ConfigMap").unwrap(),
///     manager: "me", api_version: "v1", subresource: "", now: "2026-01-01T00:00:00Z".parse().unwrap(), ignored: None,
/// };
/// let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
/// let first = apply::apply(None, &config, &writer, false).unwrap();
/// assert!(first.changed);
/// assert!(!apply::apply(Some(&first.object), &config, &writer, false).unwrap().changed);
/// ```
pub fn apply(live: Option<&Value>, config: &Value, writer: &Writer<'_>, force: bool) -> Result<Applied, ApplyError> {
    limits::check_depth(config)?;
    live.map_or(Ok(()), limits::check_depth)?;
    if config
        .pointer("/metadata/managedFields")
        .is_some_and(|given| given.as_array().is_none_or(|list| !list.is_empty()) && !given.is_null())
    {
        return Err(ApplyError::ManagedFieldsGiven);
    }
    let config = bare(config);
    let root = writer.schema.root();
    let errors = walk::check(&config, root, false);
    if !errors.is_empty() {
        return Err(ApplyError::Typed(errors));
    }
    let mut managed = live
        .map_or(Ok(ManagedFields::default()), ManagedFields::of)
        .map_err(ApplyError::ManagedFields)?;
    let before = managed.clone();
    let base = match live {
        Some(live) => bare(live),
        None => empty_object(&config),
    };
    if managed.is_empty() && live.is_some() {
        own_everything(&mut managed, &base, writer);
    }
    reconcile(&mut managed, writer.schema);
    let id = ManagerId::new(writer.manager, Operation::Apply, writer.api_version, writer.subresource);
    let last = managed.entries.get(&id).map(|owned| owned.fields.clone());
    let time = managed.entries.get(&id).and_then(|owned| owned.time);
    let mut set = walk::field_set(&config, root).difference(&unowned());
    if let Some(ignored) = writer.ignored {
        set = set.recursive_difference(ignored);
    }
    managed.entries.insert(
        id.clone(),
        Owned {
            api_version: writer.api_version.to_owned(),
            time,
            fields: set,
        },
    );
    let merged = merge::merge(Some(&base), Some(&config), root).unwrap_or_else(|| base.clone());
    let mut object = match last {
        Some(last) if !last.is_empty() => prune(&merged, &managed, &last, writer.schema),
        _ => merged,
    };
    let comparison = settle(&mut managed, &base, &object, &id, writer, force)?;
    let same = comparison.is_same() && live.is_some();
    if !(same && managed == before)
        && let Some(owned) = managed.entries.get_mut(&id)
    {
        owned.time = Some(writer.now);
    }
    managed.write(&mut object);
    let changed = live.is_none_or(|live| !walk::same(live, &object));
    Ok(Applied { object, changed })
}

/// Computes managedFields after a write that is no apply: `new` is what the caller will store, after defaults. Returns it with its
/// managedFields. What changed between `old` and `new` goes to the writer's Update entry and is taken from all others.
///
/// `old` is `None` when the object is created. An object that nobody owns a field of stays so until its first apply. A client may
/// reset the owners with `managedFields: [{}]`.
///
/// # Errors
/// [`TooDeep`] when an object is nested too deep; unreadable managedFields count as absent, as on the API server.
pub fn update(old: Option<&Value>, new: &Value, writer: &Writer<'_>) -> Result<Value, TooDeep> {
    limits::check_depth(new)?;
    old.map_or(Ok(()), limits::check_depth)?;
    let mut managed = live_or_given(old, new, writer.subresource);
    let mut object = bare(new);
    if old.is_some() && managed.is_empty() {
        return Ok(object);
    }
    reconcile(&mut managed, writer.schema);
    let base = old.map_or_else(|| writer.schema.zero_object(), bare);
    let id = ManagerId::new(
        writer.manager,
        Operation::Update,
        writer.api_version,
        writer.subresource,
    );
    let former = managed.entries.get(&id).map(|owned| owned.fields.clone());
    // With force there are no conflicts to return.
    let comparison = settle(&mut managed, &base, &object, &id, writer, true).unwrap_or_default();
    let taken = comparison.added.union(&comparison.modified).difference(&unowned());
    let own = managed.entries.entry(id.clone()).or_insert_with(|| Owned {
        api_version: writer.api_version.to_owned(),
        time: None,
        fields: FieldSet::new(),
    });
    own.fields = own.fields.difference(&comparison.removed).union(&taken);
    if former.as_ref() != Some(&own.fields) {
        own.time = Some(writer.now);
    }
    managed.drop_empty();
    managed.cap();
    managed.write(&mut object);
    Ok(object)
}

/// The identity of a list item; none in atomic lists and for items without a key.
pub(crate) fn item_key(kind: &ListKind, item: &Value) -> Option<PathElement> {
    walk::item_element(kind, item).ok()
}

/// The object without its managedFields.
fn bare(object: &Value) -> Value {
    let mut out = object.clone();
    ManagedFields::default().write(&mut out);
    out
}

/// What an apply that creates an object merges into: its identity only.
fn empty_object(config: &Value) -> Value {
    let mut out = serde_json::Map::new();
    for name in ["apiVersion", "kind"] {
        if let Some(value) = config.get(name) {
            out.insert(name.to_owned(), value.clone());
        }
    }
    Value::Object(out)
}

/// The managed fields that an update starts from: those in the request when it may set them and they are readable, else the
/// live ones. A single empty entry resets them.
fn live_or_given(old: Option<&Value>, new: &Value, subresource: &str) -> ManagedFields {
    let live = || old.and_then(|old| ManagedFields::of(old).ok()).unwrap_or_default();
    if !subresource.is_empty() {
        return live();
    }
    let given = new.pointer("/metadata/managedFields").and_then(Value::as_array);
    if let Some([Value::Object(entry)]) = given.map(Vec::as_slice)
        && entry.is_empty()
    {
        return ManagedFields::default();
    }
    match ManagedFields::of(new) {
        Ok(managed) if !managed.is_empty() => managed,
        _ => live(),
    }
}

/// Gives everything in an object without owners to one manager, so that the first apply meets it as a conflict.
fn own_everything(managed: &mut ManagedFields, live: &Value, writer: &Writer<'_>) {
    let comparison = walk::compare(&writer.schema.zero_object(), live, writer.schema.root());
    let mut fields = comparison.added.union(&comparison.modified).difference(&unowned());
    if let Some(ignored) = writer.ignored {
        fields = fields.recursive_difference(ignored);
    }
    if !fields.is_empty() {
        let id = ManagerId::new(BEFORE_FIRST_APPLY, Operation::Update, writer.api_version, "");
        managed.entries.insert(
            id,
            Owned {
                api_version: writer.api_version.to_owned(),
                time: Some(writer.now),
                fields,
            },
        );
    }
}

/// Fits all sets to the schema as it is now.
fn reconcile(managed: &mut ManagedFields, schema: &Schema) {
    for owned in managed.entries.values_mut() {
        owned.fields = owned.fields.reconcile(Some(schema.root()));
    }
}

/// Takes what changed between two objects from everybody but `writer`, or reports it as conflicts.
fn settle(
    managed: &mut ManagedFields,
    old: &Value,
    new: &Value,
    id: &ManagerId,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Comparison, Conflicts> {
    let mut comparison = walk::compare(old, new, writer.schema.root());
    if let Some(ignored) = writer.ignored {
        comparison.added = comparison.added.recursive_difference(ignored);
        comparison.modified = comparison.modified.recursive_difference(ignored);
        comparison.removed = comparison.removed.recursive_difference(ignored);
    }
    let changed = comparison.modified.union(&comparison.added);
    let mut lost: BTreeMap<ManagerId, FieldSet> = BTreeMap::new();
    for (other, owned) in managed.entries.iter().filter(|(other, _)| *other != id) {
        let conflict = owned.fields.intersection(&changed);
        if !conflict.is_empty() {
            lost.insert(other.clone(), conflict);
        }
    }
    if !force && !lost.is_empty() {
        let conflicts = lost.iter().flat_map(|(manager, set)| {
            set.paths().into_iter().map(|path| Conflict {
                manager: manager.clone(),
                path,
            })
        });
        return Err(Conflicts(conflicts.collect()));
    }
    for (other, owned) in managed.entries.iter_mut().filter(|(other, _)| *other != id) {
        if let Some(conflict) = lost.get(other) {
            owned.fields = owned.fields.difference(conflict);
        }
        owned.fields = owned.fields.difference(&comparison.removed);
    }
    managed.drop_empty();
    Ok(comparison)
}

/// Removes what the applier owned by its last apply, sets no more, and nobody else owns.
fn prune(merged: &Value, managed: &ManagedFields, last: &FieldSet, schema: &Schema) -> Value {
    let root = schema.root();
    let full = |set: &FieldSet| set.with_struct_fields(Some(root));
    let without = |value: &Value, gone: &FieldSet| walk::remove(value, gone, root).unwrap_or(Value::Null);
    let last = full(last);
    let pruned = without(merged, &last);
    let merged_set = full(&walk::field_set(merged, root));
    // What somebody owns comes back.
    let owned = managed
        .entries
        .values()
        .fold(FieldSet::new(), |all, owned| all.union(&owned.fields));
    let kept = full(&walk::field_set(&pruned, root)).union(&full(&owned));
    let pruned = without(merged, &merged_set.difference(&kept));
    // What went only because something above it went, and was never applied, comes back.
    let pruned_set = full(&walk::field_set(&pruned, root));
    without(merged, &merged_set.difference(&pruned_set).intersection(&last))
}
