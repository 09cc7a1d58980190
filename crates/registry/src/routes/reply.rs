//! Forms of answers.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ports::registry::{Revision, Versioned};
use registry_api::ErrorKind;
use serde::Serialize;

use crate::error::ApiError;
use crate::extract::{etag, not_modified};

pub(super) type Reply = Result<Response, ApiError>;

/// `value` as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    // Types of the API always serialise; if one ever does not, that is our failure.
    let text = serde_json::to_vec(value)
        .map_err(|_| ApiError::new(ErrorKind::Internal, "the answer cannot be written as JSON"))?;
    let kind = HeaderValue::from_static("application/json");
    Ok((status, [(header::CONTENT_TYPE, kind)], Body::from(text)).into_response())
}

/// `value` as JSON with the tag of its revision.
pub(super) fn tagged(status: StatusCode, revision: Revision, value: &impl Serialize) -> Reply {
    let mut response = json(status, value)?;
    response.headers_mut().insert(header::ETAG, etag(revision));
    Ok(response)
}

/// An object that was written.
pub(super) fn written<T: Serialize>(object: &Versioned<T>) -> Reply {
    tagged(StatusCode::OK, object.revision, &object.object)
}

/// An object that was made, with its path.
pub(super) fn created<T: Serialize>(object: &Versioned<T>, path: &str) -> Reply {
    let mut response = tagged(StatusCode::CREATED, object.revision, &object.object)?;
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    Ok(response)
}

/// An object that was read: 304 without a body when the caller has this revision already.
pub(super) fn read(headers: &HeaderMap, revision: Revision, value: &impl Serialize) -> Reply {
    if not_modified(headers, revision) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag(revision))]).into_response());
    }
    tagged(StatusCode::OK, revision, value)
}

/// Done, with nothing to say.
pub(super) fn done() -> Reply {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A part of a cluster is gone. Removing what is there is always one change, so after a removal that expected a revision
/// the cluster is at the next one. After an unconditional one no revision is told: a revision read afterwards could be
/// somebody else's, and a write bound to it would pass over what that one did.
pub(super) fn removed(expected: Option<Revision>) -> Reply {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(next) = expected.and_then(|revision| revision.0.checked_add(1)) {
        response.headers_mut().insert(header::ETAG, etag(Revision(next)));
    }
    Ok(response)
}

/// Revisions of a list's entries, in their order.
pub(super) fn revisions<T>(items: &[Versioned<T>]) -> Vec<i64> {
    items.iter().map(|item| item.revision.0).collect()
}
