//! Changing objects: the one path that updates, patches and writes to `status` take.

use std::sync::Arc;

use json_tree::Value;

use super::create::{Written, answer, judge, review};
use super::{Answer, Target, decode};
use crate::admission::Operation;
use crate::server::Context;
use crate::status::{ApiError, FieldError, MODIFIED};
use crate::store::Object;
use crate::value::{self, list, remove, set, text};
use crate::{convert, gc, schema, strategy};

/// A changed object in the version of the request.
#[derive(Debug)]
pub(crate) struct Edited {
    pub(crate) value: Value,
    /// Whether the field owners are in it already, as after a server-side apply.
    pub(crate) tracked: bool,
}

/// Makes the new object from the current one, both in the version of the request.
pub(crate) type Edit<'a> = dyn Fn(&Value) -> Result<Edited, ApiError> + Send + Sync + 'a;

/// How often a change that does not name a version is tried on an object that others change as well.
const ATTEMPTS: usize = 8;

/// Answers a PUT.
pub(super) async fn update(context: &mut Context, target: &Target) -> Answer {
    let object = decode::object(context, target)?;
    let (found, wanted) = (value::name(&object), context.info.name.as_str());
    if found.is_empty() && target.resource.plural() != "namespaces" {
        return Err(name_mismatch(found, wanted));
    }
    if found != wanted {
        return Err(name_mismatch(found, wanted));
    }
    let namespace = value::namespace(&object);
    if target.resource.namespaced && !namespace.is_empty() && namespace != context.info.namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if !strategy::unconditional_update(&target.resource)
        && text(&object, &["metadata", "resourceVersion"]).is_none_or(str::is_empty)
    {
        let error = FieldError::invalid("metadata.resourceVersion", 0, "must be specified for an update");
        return Err(ApiError::invalid(
            target.resource.group(),
            target.resource.plural(),
            wanted,
            &[error],
        ));
    }
    let edit = move |_: &Value| {
        Ok(Edited {
            value: object.clone(),
            tracked: false,
        })
    };
    let written = change(context, target, &edit).await?;
    answer(context, target, 200, written)
}

fn name_mismatch(found: &str, wanted: &str) -> ApiError {
    ApiError::bad_request(format!(
        "the name of the object ({found}) does not match the name on the URL ({wanted})"
    ))
}

/// Carries an edit out on the object that the request names.
pub(crate) async fn change(context: &mut Context, target: &Target, edit: &Edit<'_>) -> Result<Written, ApiError> {
    for _ in 0..ATTEMPTS {
        let current = context.find(target)?;
        if let Some(written) = attempt(context, target, &current, edit).await? {
            return Ok(written);
        }
    }
    Err(conflict(context, target, MODIFIED))
}

fn conflict(context: &Context, target: &Target, why: &str) -> ApiError {
    ApiError::conflict(
        target.resource.group(),
        target.resource.plural(),
        &context.info.name,
        why,
    )
}

/// One attempt; none means that somebody else wrote in between and trying again makes sense.
async fn attempt(
    context: &mut Context,
    target: &Target,
    current: &Arc<Object>,
    edit: &Edit<'_>,
) -> Result<Option<Written>, ApiError> {
    let resource = target.resource.clone();
    let subresource = context.info.subresource.clone();
    let tree = context.core().state().tree(current);
    let old: &Value = &tree;
    let old_seen = convert::seen(old, &resource, &context.info.version);
    let Edited {
        value: mut edited,
        tracked,
    } = edit(&old_seen)?;
    decode::check_changed_fields(context, target, &mut edited, &old_seen)?;
    let named_version = check_preconditions(context, target, old, &edited)?;
    let manager = context.manager();
    if !tracked {
        strategy::hide_server_fields(&old_seen, &mut edited);
    }
    let mut new = convert::to_storage(edited, &resource);
    strategy::prepare_update(&resource, &subresource, old, &mut new);
    strategy::defaults(&resource, &mut new);
    schema::default_custom(target, &mut new);
    if !tracked {
        let mut seen = convert::convert(new, &resource, &context.info.version);
        schema::track(target, context, Some(&old_seen), &mut seen, &manager, &subresource)?;
        if subresource == "scale" {
            schema::forget_time(&mut seen, &manager);
        }
        new = convert::to_storage(seen, &resource);
    }
    if context.server.has_admission(&context.info.group) {
        new = review(context, target, Operation::Update, new, old.clone()).await?;
        strategy::defaults(&resource, &mut new);
        schema::default_custom(target, &mut new);
    }
    strategy::bump_generation(&resource, &subresource, old, &mut new);
    let mut errors = strategy::validate_update(&resource, &subresource, old, &new);
    errors.extend(schema::validate_custom(target, &new, Some(old)));
    if !errors.is_empty() {
        return Err(ApiError::invalid(
            resource.group(),
            &resource.kind,
            value::name(&new),
            &errors,
        ));
    }
    if context.server.has_admission(&context.info.group) {
        judge(context, target, Operation::Update, &new, old).await?;
    }
    store(context, target, current, old, new, named_version)
}

/// Compares the version and uid that the writer had in hand; tells whether a version was named.
fn check_preconditions(context: &Context, target: &Target, old: &Value, edited: &Value) -> Result<bool, ApiError> {
    let wanted = text(edited, &["metadata", "resourceVersion"]).unwrap_or_default();
    let named = !wanted.is_empty() && wanted != "0";
    if named && wanted.parse::<u64>().is_err() {
        return Err(ApiError::new(
            500,
            "",
            format!("strconv.ParseUint: parsing \"{wanted}\": invalid syntax"),
        ));
    }
    if named && Some(wanted) != text(old, &["metadata", "resourceVersion"]) {
        return Err(conflict(context, target, MODIFIED));
    }
    let (wanted, found) = (value::uid(edited), value::uid(old));
    if !wanted.is_empty() && wanted != found && context.info.verb == "patch" {
        let error = FieldError::invalid("metadata.uid", wanted, "field is immutable");
        let (group, kind) = (target.resource.group(), &target.resource.kind);
        return Err(ApiError::invalid(
            group,
            kind,
            &context.info.name,
            &[error.clone(), error],
        ));
    }
    if !wanted.is_empty() && wanted != found {
        let (group, plural) = target.resource.is();
        let folder = if group.is_empty() {
            String::new()
        } else {
            format!("{group}/")
        };
        let place = if target.resource.namespaced {
            format!("{}/", context.info.namespace)
        } else {
            String::new()
        };
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{folder}{plural}/{place}{}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}",
            context.info.name
        );
        return Err(conflict(context, target, &why));
    }
    // A patch starts from the current object, so it carries the version without meaning to.
    Ok(named && context.info.verb == "update")
}

fn store(
    context: &Context,
    target: &Target,
    current: &Object,
    old: &Value,
    mut new: Value,
    named_version: bool,
) -> Result<Option<Written>, ApiError> {
    let resource = &target.resource;
    let key = context.key(target);
    let core = context.core().clone();
    let mut state = core.state();
    let Some(newest) = state.get(&resource.stored_as, &key) else {
        return Err(target.not_found(&context.info.name));
    };
    if newest.version != current.version {
        return if named_version {
            Err(conflict(context, target, MODIFIED))
        } else {
            Ok(None)
        };
    }
    strategy::allocate(&core, &state, resource, Some(old), &mut new)?;
    set(&mut new, &["metadata", "resourceVersion"], current.version.to_string());
    if same(old, &new) {
        return Ok(Some(Written::Stored(newest)));
    }
    if context.options.dry_run {
        return Ok(Some(Written::DryRun(new)));
    }
    let done = newest.deleting
        && list(&new, &["metadata", "finalizers"]).is_empty()
        && value::int(&new, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0) == 0
        && list(&new, &["spec", "finalizers"]).is_empty();
    let stored = state.put(resource, &key, new);
    if done {
        // The last finalizer is gone: the deletion that waited for it happens now.
        if let Some(last) = state.remove(resource, &key) {
            gc::after_remove(&core, &mut state, resource, &key, &last);
        }
        return Ok(Some(Written::Stored(stored)));
    }
    gc::after_put(&core, &mut state, resource, &key, stored.owners != current.owners);
    Ok(Some(Written::Stored(
        state.get(&resource.stored_as, &key).unwrap_or(stored),
    )))
}

/// Whether two versions differ in nothing but the times of their field owners.
fn same(old: &Value, new: &Value) -> bool {
    let owners = |value: &Value| -> Vec<Value> {
        let mut owners = list(value, &["metadata", "managedFields"]).to_vec();
        for entry in &mut owners {
            remove(entry, &["time"]);
        }
        owners
    };
    let (before, after) = (&old["metadata"], &new["metadata"]);
    value::equal_but(old, new, &["metadata"])
        && value::equal_but(before, after, &["managedFields"])
        && owners(old) == owners(new)
}
