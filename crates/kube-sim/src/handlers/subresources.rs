//! Subresources: status, scale, binding, token and the smaller ones.

use json_tree::{Map, Value, json};

use super::change::{Edited, change, update};
use super::create::Written;
use super::{Answer, Target, decode, eviction, patch, read};
use crate::auth::TokenRequest;
use crate::registry::builtin;
use crate::server::{Context, Core, json_response, text_response, time_text};
use crate::status::{ApiError, FieldError};
use crate::store::{Key, Object};
use crate::value::{self, at, int, list, list_mut, map_at, set, text};
use crate::view::to_bytes;

/// Answers a request for a subresource.
pub(crate) async fn dispatch(context: &mut Context, target: &Target) -> Answer {
    let subresource = context.info.subresource.clone();
    match (subresource.as_str(), context.info.verb.as_str()) {
        ("status" | "approval" | "resize" | "ephemeralcontainers", "get") => read::get(context, target),
        ("status" | "approval" | "resize" | "ephemeralcontainers" | "finalize", "update") => {
            update(context, target).await
        }
        ("status" | "approval" | "resize" | "ephemeralcontainers", "patch") => patch::patch(context, target).await,
        ("scale", "get") => {
            let object = context.find(target)?;
            Ok(json_response(
                200,
                to_bytes(&scale_of(context, target, &object.value())?),
            ))
        }
        ("scale", "update" | "patch") => scale(context, target).await,
        ("eviction", "create") => eviction::evict(context, target).await,
        ("binding", "create") => {
            let body = decode::body(context)?;
            bind(context, target, &body)
        }
        ("token", "create") => token(context, target).await,
        // Nothing runs here, so nothing is printed: the log of every container is empty.
        ("log", "get") => context.find(target).map(|_| text_response(200, "")),
        _ => Err(ApiError::method_not_allowed()),
    }
}

/// Where the scale of a kind is kept.
struct ScalePaths {
    spec: Vec<String>,
    status: Vec<String>,
    /// Where a selector in text form is kept (custom resources), or none for a `LabelSelector` in the spec.
    selector: Option<Vec<String>>,
}

fn words(path: &str) -> Vec<String> {
    path.split('.')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

fn paths(context: &Context, target: &Target) -> Result<ScalePaths, ApiError> {
    if !target.resource.custom {
        return Ok(ScalePaths {
            spec: words("spec.replicas"),
            status: words("status.replicas"),
            selector: None,
        });
    }
    let version = target.resource.version(&context.info.version);
    let scale = version
        .and_then(|version| version.custom.as_ref())
        .and_then(|custom| custom.scale.as_ref());
    let scale = scale.ok_or_else(ApiError::unknown_resource)?;
    Ok(ScalePaths {
        spec: words(&scale.spec_replicas),
        status: words(&scale.status_replicas),
        selector: Some(words(&scale.selector)),
    })
}

fn refs(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

/// A `LabelSelector` in text form.
pub(crate) fn selector_text(selector: &Value) -> String {
    let mut parts: Vec<String> = value::text_map(selector, &["matchLabels"])
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    for expression in list(selector, &["matchExpressions"]) {
        let key = text(expression, &["key"]).unwrap_or_default();
        let values: Vec<&str> = list(expression, &["values"]).iter().filter_map(Value::as_str).collect();
        parts.push(match text(expression, &["operator"]).unwrap_or_default() {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        });
    }
    parts.join(",")
}

fn scale_of(context: &Context, target: &Target, object: &Value) -> Result<Value, ApiError> {
    let paths = paths(context, target)?;
    if target.resource.custom && at(object, &refs(&paths.spec)).is_none() {
        let why = format!("the spec replicas field \".{}\" does not exist", paths.spec.join("."));
        return Err(ApiError::internal(&why));
    }
    let selector = match &paths.selector {
        Some(path) if path.is_empty() => String::new(),
        Some(path) => text(object, &refs(path)).unwrap_or_default().to_owned(),
        None if target.resource.plural() == "replicationcontrollers" => {
            let labels = value::text_map(object, &["spec", "selector"]);
            labels
                .into_iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect::<Vec<_>>()
                .join(",")
        }
        None => at(object, &["spec", "selector"]).map(selector_text).unwrap_or_default(),
    };
    let mut metadata = json!({
        "name": value::name(object), "namespace": value::namespace(object), "uid": value::uid(object),
        "resourceVersion": text(object, &["metadata", "resourceVersion"]),
        "creationTimestamp": text(object, &["metadata", "creationTimestamp"])});
    if value::namespace(object).is_empty() {
        value::remove(&mut metadata, &["namespace"]);
    }
    let mut status = json!({"replicas": int(object, &refs(&paths.status)).unwrap_or(0)});
    if !selector.is_empty() {
        set(&mut status, &["selector"], selector);
    }
    // A wish for none is not written.
    let wish = int(object, &refs(&paths.spec)).filter(|replicas| *replicas != 0);
    let spec = wish.map_or_else(|| json!({}), |replicas| json!({"replicas": replicas}));
    Ok(json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}))
}

async fn scale(context: &mut Context, target: &Target) -> Answer {
    let patching = context.info.verb == "patch";
    let kind = if patching {
        patch::kind(context, false)?
    } else {
        patch::PatchKind::Merge
    };
    let body = match kind {
        _ if !patching => decode::body(context)?,
        patch::PatchKind::Json => decode::json(&context.body)?,
        _ => decode::yaml_or_json(&context.body)?,
    };
    let current = context.find(target)?;
    // The scale is worked out on each attempt, so that a change of the object in between is not undone.
    let paths = paths(context, target)?;
    let compute = scale_edit(context, target, kind, patching, body);
    let check_target = target.clone();
    // The scale of a custom resource leaves no owner behind.
    let tracked = target.resource.custom;
    let name = context.info.name.clone();
    let edit = move |object: &Value| {
        let scale = compute(object)?;
        let replicas = int(&scale, &["spec", "replicas"]).unwrap_or(0);
        if replicas < 0 {
            let error = FieldError::invalid("spec.replicas", replicas, "must be greater than or equal to 0");
            return Err(ApiError::invalid("autoscaling", "Scale", &name, &[error]));
        }
        if let Some(version) = text(&scale, &["metadata", "resourceVersion"])
            && !version.is_empty()
            && text(object, &["metadata", "resourceVersion"]) != Some(version)
        {
            return Err(ApiError::modified(
                check_target.resource.group(),
                check_target.resource.plural(),
                &name,
            ));
        }
        let mut value = object.clone();
        set(&mut value, &refs(&paths.spec), replicas);
        Ok(Edited { value, tracked })
    };
    drop(current);
    let written = change(context, target, &edit).await?;
    let value = match written {
        Written::Stored(object) => object.value(),
        Written::DryRun(value) => value,
    };
    Ok(json_response(200, to_bytes(&scale_of(context, target, &value)?)))
}

type ScaleEdit = Box<dyn Fn(&Value) -> Result<Value, ApiError> + Send + Sync>;

fn scale_edit(context: &Context, target: &Target, kind: patch::PatchKind, patching: bool, body: Value) -> ScaleEdit {
    if !patching {
        return Box::new(move |_| Ok(body.clone()));
    }
    let paths_spec = paths(context, target).map(|paths| paths.spec).unwrap_or_default();
    let target = target.clone();
    Box::new(move |object| {
        let current = json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": value::name(object)},
            "spec": {"replicas": int(object, &refs(&paths_spec)).unwrap_or(0)}});
        // A Scale has neither lists nor maps with owners: all patches but JSON patch merge it alike.
        let kind = if kind == patch::PatchKind::Json {
            kind
        } else {
            patch::PatchKind::Merge
        };
        patch::apply_patch(&target, ("autoscaling", "v1"), kind, &current, &body)
    })
}

/// What a binding asks for.
#[derive(Debug, Default)]
pub(crate) struct Binding<'a> {
    /// The uid that the pod has to have; empty where it is not named.
    pub(crate) uid: &'a str,
    pub(crate) node: &'a str,
    /// What comes to the annotations of the pod.
    pub(crate) annotations: Map,
}

/// Answers a POST to `pods/NAME/binding`.
pub(super) fn bind(context: &Context, target: &Target, body: &Value) -> Answer {
    let name = context.info.name.as_str();
    let kind = text(body, &["target", "kind"]).unwrap_or_default();
    let binding = Binding {
        uid: value::uid(body),
        node: text(body, &["target", "name"]).unwrap_or_default(),
        annotations: at(body, &["metadata", "annotations"])
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
    };
    if !binding.node.is_empty() && !kind.is_empty() && kind != "Node" {
        let error = FieldError::not_supported("target.kind", kind, &["Node", "<empty>"]);
        return Err(ApiError::invalid("", "Binding", name, &[error]));
    }
    assign(context.core(), &context.key(target), &binding, context.options.dry_run)?;
    let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(json_response(201, to_bytes(&done)))
}

/// Puts a pod on a node: the scheduler's write.
pub(crate) fn assign(core: &Core, key: &Key, binding: &Binding<'_>, dry_run: bool) -> Result<(), ApiError> {
    if binding.node.is_empty() {
        let error = FieldError::required("target.name", "");
        return Err(ApiError::invalid("", "Binding", key.name(), &[error]));
    }
    let resource = builtin("", "pods").ok_or_else(ApiError::unknown_resource)?;
    let mut state = core.state();
    let object = state
        .get(&resource.stored_as, key)
        .ok_or_else(|| ApiError::not_found("", "pods", key.name()))?;
    let mut pod = object.value();
    check_binding(&object, &pod, binding, key.name())?;
    if dry_run {
        return Ok(());
    }
    set(&mut pod, &["spec", "nodeName"], binding.node);
    if !binding.annotations.is_empty() {
        map_at(&mut pod, &["metadata", "annotations"]).extend(binding.annotations.clone());
    }
    let scheduled =
        json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": core.now_text()});
    set_condition(&mut pod, scheduled);
    state.put(resource, key, pod);
    Ok(())
}

fn check_binding(object: &Object, pod: &Value, binding: &Binding<'_>, name: &str) -> Result<(), ApiError> {
    let conflict = |why: String| Err(ApiError::conflict("", "pods/binding", name, &why));
    if !binding.uid.is_empty() && binding.uid != &*object.uid {
        return conflict(format!(
            "Precondition failed: UID in precondition: {}, UID in object meta: {}",
            binding.uid, object.uid
        ));
    }
    if object.deleting {
        return conflict(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    if let Some(node) = text(pod, &["spec", "nodeName"]).filter(|node| !node.is_empty()) {
        return conflict(format!("pod {name} is already assigned to node \"{node}\""));
    }
    if !list(pod, &["spec", "schedulingGates"]).is_empty() {
        return conflict(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    Ok(())
}

/// Sets a condition by its type.
pub(super) fn set_condition(object: &mut Value, condition: Value) {
    let kind = text(&condition, &["type"]).unwrap_or_default().to_owned();
    let found = list_mut(object, &["status", "conditions"])
        .iter_mut()
        .find(|c| text(c, &["type"]) == Some(&kind));
    match found {
        Some(place) => *place = condition,
        None => {
            let conditions = map_at(object, &["status"])
                .entry("conditions")
                .or_insert_with(|| json!([]));
            if let Some(conditions) = conditions.as_array_mut() {
                conditions.push(condition);
            }
        }
    }
}

async fn token(context: &mut Context, target: &Target) -> Answer {
    let mut body = decode::body(context)?;
    let account = context.find(target)?;
    let audiences: Vec<String> = list(&body, &["spec", "audiences"])
        .iter()
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect();
    let audiences = if audiences.is_empty() {
        vec!["https://kubernetes.default".to_owned()]
    } else {
        audiences
    };
    let seconds = int(&body, &["spec", "expirationSeconds"]).unwrap_or(3_600);
    if seconds < 600 {
        let error = FieldError::invalid(
            "spec.expirationSeconds",
            seconds,
            "may not specify a duration less than 10 minutes",
        );
        return Err(ApiError::invalid(
            "authentication.k8s.io",
            "TokenRequest",
            &context.info.name,
            &[error],
        ));
    }
    let now = context.core().now();
    let expires = now
        .saturating_add(jiff::SignedDuration::from_secs(seconds))
        .unwrap_or(now);
    let request = TokenRequest {
        namespace: context.info.namespace.clone(),
        name: context.info.name.clone(),
        uid: account.uid.to_string(),
        audiences: audiences.clone(),
        expires: expires.as_second(),
    };
    let token = context.server.authenticator().issue(&context.server, &request).await?;
    value::as_map(&mut body);
    set(&mut body, &["kind"], "TokenRequest");
    set(&mut body, &["apiVersion"], "authentication.k8s.io/v1");
    set(
        &mut body,
        &["metadata"],
        json!({
        "name": context.info.name, "namespace": context.info.namespace, "creationTimestamp": context.core().now_text()}),
    );
    set(&mut body, &["spec", "audiences"], audiences);
    set(&mut body, &["spec", "expirationSeconds"], seconds);
    set(
        &mut body,
        &["status"],
        json!({"token": token, "expirationTimestamp": time_text(expires)}),
    );
    Ok(json_response(201, to_bytes(&body)))
}
