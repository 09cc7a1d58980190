//! Creating objects.

use std::sync::Arc;

use json_tree::{Value, json};

use super::{Answer, Target, decode};
use crate::admission::{Operation, Review};
use crate::registry::{Resource, api_version};
use crate::server::{Context, Core, json_response, time_text};
use crate::status::{ApiError, FieldError};
use crate::store::{Key, Names, Object, Served, State};
use crate::value::{self, as_map, map_at, remove, set, text};
use crate::{convert, gc, schema, strategy};

/// What a write did.
#[derive(Debug)]
pub(crate) enum Written {
    /// Stored, or found unchanged.
    Stored(Arc<Object>),
    /// What would have been stored, in the storage version.
    DryRun(Value),
}

/// Answers a POST.
pub(super) async fn create(context: &mut Context, target: &Target) -> Answer {
    if target.resource.namespaced && context.info.namespace.is_empty() {
        return Err(ApiError::method_not_allowed());
    }
    let mut object = decode::object(context, target)?;
    object = decoded_defaults(target, &context.info.version, object);
    let manager = context.manager();
    schema::track(target, context, None, &mut object, &manager, "")?;
    let written = create_object(context, target, object).await?;
    answer(context, target, 201, written)
}

/// Creates an object for a caller in this process: decoded like any other, without field owners.
pub(crate) async fn create_local(
    context: &mut Context,
    target: &Target,
    mut object: Value,
) -> Result<Written, ApiError> {
    value::drop_nulls_builtin(&target.resource, &mut object);
    decode::check_kind(context, target, &mut object)?;
    decode::check_fields(context, target, &mut object)?;
    let object = decoded_defaults(target, &context.info.version, object);
    create_object(context, target, object).await
}

/// Defaults belong to decoding: whoever creates an object owns them like the fields it set.
fn decoded_defaults(target: &Target, version: &str, object: Value) -> Value {
    let mut object = convert::to_storage(object, &target.resource);
    strategy::defaults(&target.resource, &mut object);
    strategy::own_labels(&target.resource, &mut object);
    schema::default_custom(target, &mut object);
    convert::convert(object, &target.resource, version)
}

/// Answers with what was written.
pub(super) fn answer(context: &Context, target: &Target, code: u16, written: Written) -> Answer {
    match written {
        Written::Stored(object) => context.reply(target, code, &object),
        Written::DryRun(value) => {
            let view = context.view(target)?;
            let value = view.convert(value);
            Ok(json_response(code, view.value(value)))
        }
    }
}

/// Creates a decoded object, given in the version of the request.
pub(super) async fn create_object(
    context: &mut Context,
    target: &Target,
    mut object: Value,
) -> Result<Written, ApiError> {
    let resource = target.resource.clone();
    schema::drop_empty(&resource, &context.info.version, &mut object, None);
    let core = context.core().clone();
    if text(&object, &["metadata", "resourceVersion"]).is_some_and(|version| !version.is_empty() && version != "0") {
        return Err(ApiError::new(
            500,
            "",
            "resourceVersion should not be set on objects to be created",
        ));
    }
    let mut object = convert::to_storage(object, &resource);
    check_namespace(context, target, &mut object)?;
    prepare(&core, &resource, &mut object);
    strategy::defaults(&resource, &mut object);
    schema::default_custom(target, &mut object);
    if context.server.has_admission(&context.info.group) {
        object = review(context, target, Operation::Create, object, Value::Null).await?;
        strategy::defaults(&resource, &mut object);
        schema::default_custom(target, &mut object);
    }
    let mut errors = strategy::validate(&resource, &object);
    errors.extend(schema::validate_custom(target, &object, None));
    if !errors.is_empty() {
        return Err(ApiError::invalid(
            resource.group(),
            &resource.kind,
            value::name(&object),
            &errors,
        ));
    }
    if context.server.has_admission(&context.info.group) {
        judge(context, target, Operation::Create, &object, &Value::Null).await?;
    }
    let mut state = core.state();
    strategy::admit(&core, &state, &resource, &mut object)?;
    commit(&core, &mut state, &resource, object, context.options.dry_run)
}

fn commit(
    core: &Core,
    state: &mut State,
    resource: &Resource,
    mut object: Value,
    dry_run: bool,
) -> Result<Written, ApiError> {
    let key = Key::new(value::namespace(&object), value::name(&object));
    check_place(state, resource, &key)?;
    if let Some(there) = state.get(&resource.stored_as, &key) {
        let error = ApiError::already_exists(resource.group(), resource.plural(), key.name());
        if there.deleting && text(&object, &["metadata", "generateName"]).is_none() {
            let mut error = error;
            error.message = format!("object is being deleted: {}", error.message);
            return Err(error);
        }
        return Err(error);
    }
    strategy::allocate(core, state, resource, None, &mut object)?;
    if dry_run {
        return Ok(Written::DryRun(object));
    }
    let stored = state.put(resource, &key, object);
    gc::after_put(core, state, resource, &key, true);
    // Settling may have changed the object (a definition gets its conditions), so it is read again if it is still there.
    Ok(Written::Stored(state.get(&resource.stored_as, &key).unwrap_or(stored)))
}

/// A namespace has to exist and must not be on its way out.
pub(crate) fn check_place(state: &State, resource: &Resource, key: &Key) -> Result<(), ApiError> {
    if !resource.namespaced {
        return Ok(());
    }
    let namespaces = Served {
        group: "",
        resource: "namespaces",
    };
    let names = Names {
        namespace: "",
        name: key.namespace(),
    };
    let Some((_, namespace)) = state.find(namespaces, names) else {
        return Err(ApiError::not_found("", "namespaces", key.namespace()));
    };
    if namespace.deleting {
        let why = format!(
            "unable to create new content in namespace {} because it is being terminated",
            key.namespace()
        );
        let cause = format!("namespace {} is being terminated", key.namespace());
        return Err(
            ApiError::forbidden(resource.group(), resource.plural(), key.name(), &why).cause(
                "NamespaceTerminating",
                cause,
                "metadata.namespace",
            ),
        );
    }
    Ok(())
}

/// The object's namespace must be the path's; the name may be generated.
fn check_namespace(context: &Context, target: &Target, object: &mut Value) -> Result<(), ApiError> {
    let metadata = map_at(object, &["metadata"]);
    if target.resource.namespaced {
        let wanted = context.info.namespace.as_str();
        match metadata.get("namespace").and_then(Value::as_str).unwrap_or_default() {
            "" => {
                metadata.insert("namespace", wanted.into());
            }
            found if found == wanted => {}
            _ => {
                return Err(ApiError::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
        }
    } else {
        metadata.remove("namespace");
    }
    let named = |key: &str| text(object, &["metadata", key]).is_some_and(|text| !text.is_empty());
    if !named("name") && !named("generateName") {
        let error = FieldError::required("metadata.name", "name or generateName is required");
        return Err(ApiError::invalid(
            target.resource.group(),
            &target.resource.kind,
            "",
            &[error],
        ));
    }
    Ok(())
}

const SUFFIX_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A name from a prefix and five letters that spell no words.
fn generated_name(core: &Core, prefix: &str) -> String {
    let mut name: String = prefix.chars().take(58).collect();
    let mut random = core.ids.next_u64();
    for _ in 0..5 {
        let at = usize::try_from(random % SUFFIX_LETTERS.len() as u64).unwrap_or(0);
        name.push(SUFFIX_LETTERS.get(at).map_or('x', |&letter| char::from(letter)));
        random /= SUFFIX_LETTERS.len() as u64;
    }
    name
}

/// Gives a new object what the server alone decides: uid, creation time, generation, an empty status.
pub(crate) fn prepare(core: &Core, resource: &Resource, object: &mut Value) {
    if text(object, &["metadata", "name"]).is_none_or(str::is_empty) {
        let prefix = text(object, &["metadata", "generateName"])
            .unwrap_or_default()
            .to_owned();
        set(object, &["metadata", "name"], generated_name(core, &prefix));
    }
    let metadata = map_at(object, &["metadata"]);
    for server_only in [
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "generation",
    ] {
        metadata.remove(server_only);
    }
    metadata.insert("uid", core.ids.uuid().into());
    metadata.insert("creationTimestamp", time_text(core.now()).into());
    if strategy::has_generation(resource) {
        metadata.insert("generation", 1.into());
    }
    strategy::prepare_create(resource, object);
}

/// Makes the admission review of a write, in the version the client speaks.
fn new_review(context: &Context, target: &Target, operation: Operation, object: Value, old: Value) -> Review {
    let convert = |value: Value| {
        if value.is_null() {
            value
        } else {
            convert::convert(value, &target.resource, &context.info.version)
        }
    };
    let kind = match operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete | Operation::Connect => "DeleteOptions",
    };
    let subject = if object.is_null() { &old } else { &object };
    let name = if context.info.name.is_empty() {
        value::name(subject).to_owned()
    } else {
        context.info.name.clone()
    };
    Review {
        operation,
        user: context.user.clone(),
        group: context.info.group.clone(),
        version: context.info.version.clone(),
        resource: target.resource.plural().to_owned(),
        subresource: context.info.subresource.clone(),
        kind: target.resource.kind.clone(),
        namespace: value::namespace(subject).to_owned(),
        name,
        object: convert(object),
        old_object: convert(old),
        dry_run: context.options.dry_run,
        options: json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"}),
        warnings: Vec::new(),
    }
}

/// Lets mutating admission change an object; the result is in the storage version again.
pub(super) async fn review(
    context: &mut Context,
    target: &Target,
    operation: Operation,
    object: Value,
    old: Value,
) -> Result<Value, ApiError> {
    let identity = as_identity(&object);
    let mut review = new_review(context, target, operation, object, old);
    context.server.mutate(&mut review).await?;
    context.warnings.append(&mut review.warnings);
    let mut changed = review.object;
    as_map(&mut changed);
    schema::check(target, &context.info.version, &mut changed, None)?;
    schema::drop_empty(&target.resource, &context.info.version, &mut changed, None);
    set(
        &mut changed,
        &["apiVersion"],
        api_version(&context.info.group, &context.info.version),
    );
    let mut changed = convert::to_storage(changed, &target.resource);
    for (field, kept) in identity {
        match kept {
            Some(kept) => set(&mut changed, &["metadata", field], kept),
            None => {
                remove(&mut changed, &["metadata", field]);
            }
        }
    }
    Ok(changed)
}

/// What admission must not change.
fn as_identity(object: &Value) -> Vec<(&'static str, Option<Value>)> {
    [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
    ]
    .into_iter()
    .map(|field| (field, value::at(object, &["metadata", field]).cloned()))
    .collect()
}

/// Lets validating admission judge an object.
pub(super) async fn judge(
    context: &mut Context,
    target: &Target,
    operation: Operation,
    object: &Value,
    old: &Value,
) -> Result<(), ApiError> {
    let mut review = new_review(context, target, operation, object.clone(), old.clone());
    let verdict = context.server.validate(&mut review).await;
    context.warnings.append(&mut review.warnings);
    verdict
}
