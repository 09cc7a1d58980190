//! What each verb does on resources and their subresources.

pub(crate) mod change;
pub(crate) mod create;
mod decode;
mod delete;
mod eviction;
mod json;
mod patch;
mod read;
mod reviews;
mod subresources;

pub(crate) use subresources::selector_text;

use std::sync::Arc;

use http::Response;

use crate::body::ReplyBody;
use crate::registry::Resource;
use crate::server::{Context, json_response, text_response};
use crate::status::ApiError;
use crate::store::Object;
use crate::view::View;

pub(crate) use create::{Written, create_local, prepare as prepare_create};
pub(crate) use delete::delete_object;
pub(crate) use subresources::dispatch as subresource;
pub(crate) use subresources::{Binding, assign};

/// The answer to a request, or the error that is one.
pub(crate) type Answer = Result<Response<ReplyBody>, ApiError>;

/// A resource in the version a request named.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
}

/// Answers a request for a resource.
pub(crate) async fn dispatch(context: &mut Context) -> Answer {
    let registry = context.core().state().registry.clone();
    let info = &context.info;
    let served = |resource: &Arc<Resource>| resource.group() == info.group;
    if !registry.all().any(served) {
        return Ok(text_response(404, "404 page not found\n"));
    }
    let resource = registry
        .find(&info.group, &info.resource)
        .ok_or_else(ApiError::unknown_resource)?;
    let version = resource.version(&info.version).ok_or_else(ApiError::unknown_resource)?;
    let known = info.subresource.is_empty() || version.subresources.iter().any(|known| known.name == info.subresource);
    if !known || (!resource.namespaced && !info.namespace.is_empty() && info.resource != "namespaces") {
        return Err(ApiError::unknown_resource());
    }
    let target = Target {
        resource: resource.clone(),
    };
    if resource.virtual_only {
        return reviews::create(context, &target).await;
    }
    if !context.info.subresource.is_empty() {
        return subresources::dispatch(context, &target).await;
    }
    match context.info.verb.as_str() {
        "get" => read::get(context, &target),
        "list" => read::list(context, &target),
        "watch" => read::watch(context, &target),
        "create" if context.info.name.is_empty() => create::create(context, &target).await,
        "update" if !context.info.name.is_empty() => change::update(context, &target).await,
        "patch" if !context.info.name.is_empty() => patch::patch(context, &target).await,
        "delete" => delete::delete(context, &target).await,
        "deletecollection" => delete::delete_collection(context, &target).await,
        _ => Err(ApiError::method_not_allowed()),
    }
}

impl Context {
    /// How this request wants to see objects of its resource.
    pub(crate) fn view(&self, target: &Target) -> Result<View, ApiError> {
        Ok(View {
            resource: target.resource.clone(),
            version: self.info.version.clone(),
            shape: self.shape.clone()?,
            now: self.core().now(),
            projection: self
                .core()
                .projection
                .get()
                .filter(|p| p.concerns(target.resource.group(), target.resource.plural()))
                .cloned(),
        })
    }

    /// The key of the object this request names.
    pub(crate) fn key(&self, target: &Target) -> crate::store::Key {
        let namespace = if target.resource.namespaced {
            self.info.namespace.as_str()
        } else {
            ""
        };
        crate::store::Key::new(namespace, &self.info.name)
    }

    /// The object this request names.
    pub(crate) fn find(&self, target: &Target) -> Result<Arc<Object>, ApiError> {
        let key = self.key(target);
        let found = self.core().state().get(&target.resource.stored_as, &key);
        found.ok_or_else(|| target.not_found(&self.info.name))
    }

    /// Answers with an object.
    pub(crate) fn reply(&self, target: &Target, code: u16, object: &Object) -> Answer {
        Ok(json_response(code, self.view(target)?.object(object)))
    }
}

impl Target {
    pub(crate) fn not_found(&self, name: &str) -> ApiError {
        ApiError::not_found(self.resource.group(), self.resource.plural(), name)
    }
}
