//! Roles as extractors: an operation that names one cannot be reached without it.

use axum::extract::FromRequestParts;
use http::request::Parts;
use ports::WriteContext;
use registry_api::ErrorKind;
use service::RequestId;

use super::conditional::if_match;
use crate::auth::{Caller, Role};
use crate::error::ApiError;
use crate::state::AppState;

/// Somebody who may read.
pub(crate) struct AsReader;

/// Somebody who may write status, config items and blocks.
pub(crate) struct AsOperator(pub(crate) Writer);

/// Somebody who may write everything.
pub(crate) struct AsAdmin(pub(crate) Writer);

/// A caller with what its write is recorded and conditioned by.
pub(crate) struct Writer {
    pub(crate) role: Role,
    pub(crate) context: WriteContext,
}

fn require(parts: &Parts, role: Role) -> Result<&Caller, ApiError> {
    // Absent only if a route were added outside the access layer; then nobody is let in.
    let caller = parts
        .extensions
        .get::<Caller>()
        .ok_or_else(|| ApiError::new(ErrorKind::Forbidden, "the caller is not known"))?;
    if caller.role >= role {
        return Ok(caller);
    }
    let detail = format!(
        "the operation needs role {role}, {:?} has role {}",
        caller.name, caller.role
    );
    Err(ApiError::new(ErrorKind::Forbidden, detail))
}

fn writer(parts: &Parts, role: Role) -> Result<Writer, ApiError> {
    let caller = require(parts, role)?;
    let request_id = parts
        .extensions
        .get::<RequestId>()
        .map(|id| id.as_str().to_owned())
        .unwrap_or_default();
    let mut context = WriteContext::by(caller.name.clone(), request_id);
    context.expected = if_match(&parts.headers)?;
    Ok(Writer {
        role: caller.role,
        context,
    })
}

impl FromRequestParts<AppState> for AsReader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        require(parts, Role::Reader).map(|_| Self)
    }
}

impl FromRequestParts<AppState> for AsOperator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        writer(parts, Role::Operator).map(Self)
    }
}

impl FromRequestParts<AppState> for AsAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        writer(parts, Role::Admin).map(Self)
    }
}
