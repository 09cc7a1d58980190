//! Deleting one object or a selection.

use json_tree::{Value, json};

use super::create::judge;
use super::{Answer, Target, decode, read};
use crate::admission::Operation;
use crate::body::ReplyBody;
use crate::gc::{self, DeleteRequest, Deleted};
use crate::request::{PROPAGATIONS, Propagation};
use crate::server::{Context, json_response};
use crate::status::{ApiError, FieldError};
use crate::store::{Key, Object};
use crate::value::{at, int, list, text};
use crate::view::{Shape, to_bytes};

/// Reads the `DeleteOptions` of a request: its body, else its query.
pub(super) fn options(context: &mut Context) -> Result<DeleteRequest, ApiError> {
    let body = if context.body.is_empty() {
        Value::Null
    } else {
        decode::body(context)?
    };
    from_object(context, &body)
}

/// Reads a `DeleteOptions` object.
pub(super) fn from_object(context: &mut Context, body: &Value) -> Result<DeleteRequest, ApiError> {
    if !body.is_null() && !body.is_object() {
        return Err(ApiError::bad_request(
            "the object provided is unrecognized (must be of type DeleteOptions)",
        ));
    }
    if list(body, &["dryRun"]).iter().any(|value| value == "All") {
        context.options.dry_run = true;
    }
    let mut propagation = context.options.propagation;
    match text(body, &["propagationPolicy"]) {
        None | Some("") => {}
        Some(name) => {
            let known = Propagation::parse(name).ok_or_else(|| {
                let error = FieldError::not_supported("propagationPolicy", name, PROPAGATIONS);
                ApiError::invalid("meta.k8s.io", "DeleteOptions", "", &[error])
            })?;
            propagation = Some(known);
        }
    }
    if let Some(orphan) = at(body, &["orphanDependents"]).and_then(Value::as_bool) {
        if let Some(policy) = text(body, &["propagationPolicy"]).filter(|policy| !policy.is_empty()) {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            let error = FieldError::invalid("propagationPolicy", policy, detail);
            return Err(ApiError::invalid("meta.k8s.io", "DeleteOptions", "", &[error]));
        }
        propagation = Some(if orphan {
            Propagation::Orphan
        } else {
            Propagation::Background
        });
    }
    let precondition = |field: &str| text(body, &["preconditions", field]).map(str::to_owned);
    Ok(DeleteRequest {
        grace: int(body, &["gracePeriodSeconds"]).or(context.options.grace_period_seconds),
        propagation,
        uid: precondition("uid"),
        version: precondition("resourceVersion"),
    })
}

/// Answers a DELETE of one object.
pub(super) async fn delete(context: &mut Context, target: &Target) -> Answer {
    let request = options(context)?;
    let deleted = delete_object(context, target, &context.key(target), &request).await?;
    match deleted {
        Deleted::Going(object) => context.reply(target, 200, &object),
        // Who was marked first (namespaces, owners with dependents) is answered as marked, although it is gone already.
        Deleted::Gone(object) if returns_object(target) || object.deleting => context.reply(target, 200, &object),
        Deleted::Gone(object) => {
            let details = json!({
                "name": context.info.name, "group": target.resource.group(), "kind": target.resource.plural(),
                "uid": &*object.uid});
            Ok(json_response(200, to_bytes(&success(details))))
        }
    }
}

fn success(mut details: Value) -> Value {
    if let Some(map) = details.as_object_mut() {
        map.retain(|_, value| value.as_str() != Some(""));
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// Deletes one object, through admission.
pub(crate) async fn delete_object(
    context: &mut Context,
    target: &Target,
    key: &Key,
    request: &DeleteRequest,
) -> Result<Deleted, ApiError> {
    let resource = target.resource.clone();
    let object = gc::check(&context.core().state(), &resource, key, request)?;
    if context.server.has_admission(&context.info.group) {
        judge(context, target, Operation::Delete, &Value::Null, &object.value()).await?;
    }
    if context.options.dry_run {
        let gone = gc::goes_at_once(&resource, &object, request);
        return Ok(if gone {
            Deleted::Gone(object)
        } else {
            Deleted::Going(object)
        });
    }
    let core = context.core().clone();
    let mut state = core.state();
    gc::delete(&core, &mut state, &resource, key, request)
}

/// The kinds whose deletion answers with the object instead of a status.
fn returns_object(target: &Target) -> bool {
    matches!(
        target.resource.is(),
        (
            "",
            "pods"
                | "podtemplates"
                | "persistentvolumes"
                | "persistentvolumeclaims"
                | "resourcequotas"
                | "serviceaccounts"
                | "services"
        ) | (
            "storage.k8s.io",
            "storageclasses" | "csidrivers" | "csinodes" | "volumeattachments"
        )
    )
}

/// Answers a DELETE of a collection with the list of what was deleted.
pub(super) async fn delete_collection(context: &mut Context, target: &Target) -> Answer {
    if target.resource.namespaced && context.info.namespace.is_empty() {
        return Err(ApiError::method_not_allowed());
    }
    if target.resource.is() == ("", "namespaces") {
        return Err(ApiError::method_not_allowed());
    }
    let request = options(context)?;
    let filter = read::filter(context, target)?;
    let selected: Vec<(Key, std::sync::Arc<Object>)> = {
        let state = context.core().state();
        state
            .collection(&target.resource.stored_as)
            .map_or_else(Vec::new, |collection| {
                read::select(&collection.objects, &filter, None)
                    .map(|(key, object)| (key.clone(), object.clone()))
                    .collect()
            })
    };
    let mut objects = Vec::with_capacity(selected.len());
    for (key, _) in selected {
        match delete_object(context, target, &key, &request).await {
            Ok(Deleted::Gone(object) | Deleted::Going(object)) => objects.push(object),
            // Gone in the meantime, for instance with its owner in the same call.
            Err(error) if error.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    let mut view = context.view(target)?;
    if let Shape::Table(_) = view.shape {
        view.shape = Shape::Object;
    }
    let version = context.core().state().version().to_string();
    Ok(json_response(
        200,
        ReplyBody::list(view, &json!({"resourceVersion": version}), objects),
    ))
}
