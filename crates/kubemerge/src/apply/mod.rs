//! Server-side apply, and the bookkeeping of owners after any other write.

mod adopt;
mod check;
mod compare;
mod conflict;
mod last_applied;
mod managed;
mod merge;
mod prune;
mod trail;
mod walk;

use std::sync::LazyLock;

use jiff::Timestamp;
use json_tree::{List, Text, Value};
use thiserror::Error;

pub use adopt::{CLIENT_SIDE_APPLY, adopt};
pub use check::{TypedError, TypedErrors};
pub use compare::Comparison;
pub use conflict::{Conflict, Conflicts};
pub use managed::{
    ANCIENT_CHANGES, BEFORE_FIRST_APPLY, MAX_UPDATE_MANAGERS, ManagedFields, ManagedFieldsError, ManagerId, Operation,
    Owned,
};

pub(crate) use compare::same;

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

impl Writer<'_> {
    /// The entry of this writer for an operation. A writer without a name has a name all the same.
    fn id(&self, operation: Operation) -> ManagerId {
        let manager = if self.manager.is_empty() {
            "unknown"
        } else {
            self.manager
        };
        ManagerId::new(manager, operation, self.api_version, self.subresource)
    }
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
    #[error("{0}")]
    Typed(TypedErrors),
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

/// Fields that nobody owns: they identify the object or belong to the server.
static UNOWNED: LazyLock<FieldSet> = LazyLock::new(|| {
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
});

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
/// use json_tree::json;
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
    let errors = check::check(&config, writer.schema.root());
    if !errors.is_empty() {
        return Err(ApplyError::Typed(TypedErrors::of(&config, errors)));
    }
    let managed = live
        .map_or(Ok(ManagedFields::default()), ManagedFields::of)
        .map_err(ApplyError::ManagedFields)?;
    let base = live.map_or_else(|| empty_object(&config), bare);
    let kubectl = writer.manager == last_applied::KUBECTL;
    let retry = kubectl.then(|| managed.clone());
    let mut object = match (attempt(live.is_some(), &base, &config, managed, writer, force), retry) {
        (Ok(object), _) => object,
        (Err(conflicts), Some(managed)) => {
            let left = last_applied::left(conflicts, &base, writer.api_version, writer.schema);
            if !left.0.is_empty() {
                return Err(left.into());
            }
            attempt(live.is_some(), &base, &config, managed, writer, true)?
        }
        (Err(conflicts), None) => return Err(conflicts.into()),
    };
    if kubectl {
        last_applied::renew(&mut object, &config);
    }
    let changed = live.is_none_or(|live| !same(live, &object));
    Ok(Applied { object, changed })
}

/// One apply with or without force, to an object that exists or not.
fn attempt(
    exists: bool,
    base: &Value,
    config: &Value,
    mut managed: ManagedFields,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Value, Conflicts> {
    let root = writer.schema.root();
    if managed.is_empty() && exists {
        own_everything(&mut managed, base, writer);
    }
    reconcile(&mut managed, writer.schema);
    let id = writer.id(Operation::Apply);
    let former = managed.entries.remove(&id);
    let (last, time) = former.map_or((FieldSet::new(), None), |owned| (owned.fields, owned.time));
    let mut set = walk::field_set(config, root);
    if let Some(ignored) = writer.ignored {
        set.subtract_recursively(ignored);
    }
    let merged = merge::merge(Some(base), Some(config), root).unwrap_or_else(|| base.clone());
    managed.entries.insert(
        id.clone(),
        Owned {
            api_version: writer.api_version.to_owned(),
            time,
            fields: set.clone(),
        },
    );
    let mut object = prune::prune(merged, &managed, &set, last, writer.schema);
    settle(&mut managed, base, &object, Some(&id), writer, force)?;
    if let Some(owned) = managed.entries.get_mut(&id) {
        owned.fields.subtract(&UNOWNED);
        // Owning what is there already is no change, and has no time.
        if !same(base, &object) {
            owned.time = Some(writer.now);
        }
    }
    managed.drop_empty();
    managed.write(&mut object);
    Ok(object)
}

/// Computes managedFields after a write that is no apply: `new` is what the caller will store, after defaults. Returns it with its
/// managedFields. What changed between `old` and `new` goes to the writer's Update entry and is taken from all others.
///
/// `old` is `None` when the object is created. An object that nobody owns a field of stays so until its first apply. A client may
/// reset the owners with `managedFields: [{}]` or, in built-in kinds, `managedFields: []`.
///
/// # Errors
/// [`TooDeep`] when an object is nested too deep; unreadable managedFields count as absent, as on the API server.
pub fn update(old: Option<&Value>, new: &Value, writer: &Writer<'_>) -> Result<Value, TooDeep> {
    limits::check_depth(new)?;
    old.map_or(Ok(()), limits::check_depth)?;
    let mut managed = live_or_given(old, new, writer);
    let mut object = bare(new);
    if old.is_some() && managed.is_empty() {
        return Ok(object);
    }
    reconcile(&mut managed, writer.schema);
    let base = old.map_or_else(|| writer.schema.zero_object(), bare);
    // What has changed is taken from everybody, the writer's own former entry included. With force there are no conflicts.
    let comparison = settle(&mut managed, &base, &object, None, writer, true).unwrap_or_default();
    own(&mut managed, writer.id(Operation::Update), comparison, writer);
    managed.drop_empty();
    managed.cap();
    managed.write(&mut object);
    Ok(object)
}

/// Gives what has changed to an Update entry. Its time is that of the last change that it got something by.
fn own(managed: &mut ManagedFields, id: ManagerId, comparison: Comparison, writer: &Writer<'_>) {
    let mut taken = comparison.added;
    taken.extend(&comparison.modified);
    taken.subtract(&UNOWNED);
    if taken.is_empty() {
        return;
    }
    let entry = managed.entries.entry(id).or_insert_with(|| Owned {
        api_version: writer.api_version.to_owned(),
        time: None,
        fields: FieldSet::new(),
    });
    entry.fields.extend(&taken);
    entry.time = Some(writer.now);
}

/// The identity of a list item; none in atomic lists and for items without a key.
pub(crate) fn item_key(kind: &ListKind, item: &Value) -> Option<PathElement> {
    walk::item_element(kind, item).ok()
}

/// The object without its managedFields, which are often the larger part and so are not copied first.
fn bare(object: &Value) -> Value {
    let Value::Object(map) = object else {
        return object.clone();
    };
    let strip = |(name, value): (&Text, &Value)| match value {
        Value::Object(metadata) if name == "metadata" => {
            let kept = metadata.iter().filter(|(name, _)| *name != "managedFields");
            (
                name.clone(),
                Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect()),
            )
        }
        _ => (name.clone(), value.clone()),
    };
    Value::Object(map.iter().map(strip).collect())
}

/// What an apply that creates an object merges into: its identity only.
fn empty_object(config: &Value) -> Value {
    let mut out = json_tree::Map::new();
    for name in ["apiVersion", "kind"] {
        if let Some(value) = config.get(name) {
            out.insert(name, value.clone());
        }
    }
    Value::Object(out)
}

/// The managed fields that an update starts from: those in the request when it may set them and they are readable, else the
/// live ones. An empty list or a single empty entry resets them.
fn live_or_given(old: Option<&Value>, new: &Value, writer: &Writer<'_>) -> ManagedFields {
    let live = || old.and_then(|old| ManagedFields::of(old).ok()).unwrap_or_default();
    if !writer.subresource.is_empty() {
        return live();
    }
    let given = new.pointer("/metadata/managedFields").and_then(Value::as_array);
    match given.map(List::as_slice) {
        // In custom resources the API server does not see an empty list.
        Some([]) if writer.schema.root().name().is_some() => return ManagedFields::default(),
        Some([Value::Object(entry)]) if entry.is_empty() => return ManagedFields::default(),
        _ => {}
    }
    match ManagedFields::of(new) {
        Ok(managed) if !managed.is_empty() => managed,
        _ => live(),
    }
}

/// Gives everything in an object without owners to one manager, so that the first apply meets it as a conflict.
fn own_everything(managed: &mut ManagedFields, live: &Value, writer: &Writer<'_>) {
    let mut comparison = compare::compare(&writer.schema.zero_object(), live, writer.schema.root());
    ignore(&mut comparison, writer);
    let first = Writer {
        manager: BEFORE_FIRST_APPLY,
        ..*writer
    };
    own(managed, first.id(Operation::Update), comparison, writer);
}

/// Fits all sets to the schema as it is now.
fn reconcile(managed: &mut ManagedFields, schema: &Schema) {
    for owned in managed.entries.values_mut() {
        owned.fields.reconcile(schema.root());
    }
}

/// Takes the fields that this request cannot set out of a comparison.
fn ignore(comparison: &mut Comparison, writer: &Writer<'_>) {
    if let Some(ignored) = writer.ignored {
        comparison.added.subtract_recursively(ignored);
        comparison.modified.subtract_recursively(ignored);
        comparison.removed.subtract_recursively(ignored);
    }
}

/// Takes what changed between two objects from everybody but `id`, or reports it as conflicts.
fn settle(
    managed: &mut ManagedFields,
    old: &Value,
    new: &Value,
    id: Option<&ManagerId>,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Comparison, Conflicts> {
    let mut comparison = compare::compare(old, new, writer.schema.root());
    ignore(&mut comparison, writer);
    let mut changed = comparison.modified.clone();
    changed.extend(&comparison.added);
    if !force {
        let mut conflicts = Vec::new();
        for (other, owned) in managed.entries.iter().filter(|(other, _)| Some(*other) != id) {
            let paths = owned.fields.intersection(&changed).paths();
            conflicts.extend(paths.into_iter().map(|path| Conflict {
                manager: other.clone(),
                path,
            }));
        }
        if !conflicts.is_empty() {
            return Err(Conflicts(conflicts));
        }
    }
    for (_, owned) in managed.entries.iter_mut().filter(|(other, _)| Some(*other) != id) {
        owned.fields.subtract(&changed);
        owned.fields.subtract(&comparison.removed);
    }
    managed.drop_empty();
    Ok(comparison)
}
