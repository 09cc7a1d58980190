//! Resources that are questions: reviews of access and of tokens, and the old form of bindings.

use json_tree::{Value, json};

use super::{Answer, Target, decode, subresources};
use crate::auth::{Decision, UserInfo};
use crate::request::RequestInfo;
use crate::schema;
use crate::server::{Context, json_response};
use crate::status::{ApiError, FieldError};
use crate::value::{at, list, set, text};
use crate::view::to_bytes;

/// Answers a POST to a resource that is not stored.
pub(super) async fn create(context: &mut Context, target: &Target) -> Answer {
    if context.info.verb != "create" {
        return Err(ApiError::method_not_allowed());
    }
    let mut review = decode::object(context, target)?;
    let status = match target.resource.is() {
        ("", "bindings") => {
            context.info.name = text(&review, &["metadata", "name"]).unwrap_or_default().to_owned();
            return subresources::bind(context, target, &review);
        }
        ("authentication.k8s.io", "selfsubjectreviews") => json!({"userInfo": context.user.to_value()}),
        ("authentication.k8s.io", _) => token(context, &review).await,
        (_, "selfsubjectrulesreviews") => {
            let namespace = text(&review, &["spec", "namespace"]).unwrap_or_default();
            context
                .server
                .authorizer()
                .rules(&context.server, &context.user, namespace)
                .await
        }
        (_, resource) => access(context, target, resource, &review).await?,
    };
    if target.resource.plural() == "selfsubjectreviews" {
        set(
            &mut review,
            &["metadata", "creationTimestamp"],
            context.core().now_text(),
        );
    } else {
        let manager = context.manager();
        schema::track(target, context, None, &mut review, &manager, "")?;
    }
    set(&mut review, &["status"], status);
    Ok(json_response(201, to_bytes(&review)))
}

async fn token(context: &Context, review: &Value) -> Value {
    let token = text(review, &["spec", "token"]).unwrap_or_default();
    let audiences: Vec<String> = list(review, &["spec", "audiences"])
        .iter()
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect();
    // Who asks for no audience means the server itself.
    let audiences = if audiences.is_empty() {
        vec!["https://kubernetes.default".to_owned()]
    } else {
        audiences
    };
    match context
        .server
        .authenticator()
        .review(&context.server, token, &audiences)
        .await
    {
        Some(user) => json!({"authenticated": true, "user": user.to_value(), "audiences": audiences}),
        None => json!({"user": {}, "error": "invalid bearer token"}),
    }
}

async fn access(context: &Context, target: &Target, resource: &str, review: &Value) -> Result<Value, ApiError> {
    let empty = json!({});
    let spec = at(review, &["spec"]).unwrap_or(&empty);
    let user = if resource == "selfsubjectaccessreviews" {
        context.user.clone()
    } else {
        subject(target, spec)?
    };
    let info = asked(target, spec)?;
    Ok(
        match context
            .server
            .authorizer()
            .authorize(&context.server, &user, &info)
            .await
        {
            Decision::Allow(reason) => with_reason(json!({"allowed": true}), &reason),
            Decision::Deny(reason) => with_reason(json!({"allowed": false, "denied": true}), &reason),
            Decision::NoOpinion(reason) => with_reason(json!({"allowed": false}), &reason),
        },
    )
}

fn with_reason(mut status: Value, reason: &str) -> Value {
    if !reason.is_empty() {
        set(&mut status, &["reason"], reason);
    }
    status
}

fn subject(target: &Target, spec: &Value) -> Result<UserInfo, ApiError> {
    let texts = |value: &Value| {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|t| t.as_str().map(str::to_owned))
            .collect()
    };
    let user = UserInfo {
        name: text(spec, &["user"]).unwrap_or_default().to_owned(),
        uid: text(spec, &["uid"]).unwrap_or_default().to_owned(),
        groups: at(spec, &["groups"]).map(texts).unwrap_or_default(),
        extra: at(spec, &["extra"])
            .and_then(Value::as_object)
            .map(|map| map.iter().map(|(key, value)| (key.to_string(), texts(value))).collect())
            .unwrap_or_default(),
    };
    if user.name.is_empty() && user.groups.is_empty() {
        let error = FieldError::invalid("spec.user", "", "at least one of user or group must be specified");
        return Err(ApiError::invalid(
            target.resource.group(),
            &target.resource.kind,
            "",
            &[error],
        ));
    }
    Ok(user)
}

/// The request that a review asks about.
fn asked(target: &Target, spec: &Value) -> Result<RequestInfo, ApiError> {
    let get = |section: &str, field: &str| text(spec, &[section, field]).unwrap_or_default().to_owned();
    if at(spec, &["resourceAttributes"]).is_some() {
        let section = "resourceAttributes";
        return Ok(RequestInfo {
            verb: get(section, "verb"),
            is_resource: true,
            path: String::new(),
            group: get(section, "group"),
            version: get(section, "version"),
            resource: get(section, "resource"),
            subresource: get(section, "subresource"),
            namespace: get(section, "namespace"),
            name: get(section, "name"),
        });
    }
    if at(spec, &["nonResourceAttributes"]).is_some() {
        let section = "nonResourceAttributes";
        return Ok(RequestInfo {
            verb: get(section, "verb"),
            path: get(section, "path"),
            ..RequestInfo::default()
        });
    }
    let error = FieldError::invalid(
        "spec.resourceAttributes",
        Value::Null,
        "exactly one of nonResourceAttributes or resourceAttributes must be specified",
    );
    Err(ApiError::invalid(
        target.resource.group(),
        &target.resource.kind,
        "",
        &[error],
    ))
}
