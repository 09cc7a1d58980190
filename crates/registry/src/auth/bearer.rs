//! From the header of a request to its caller.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use registry_api::{ErrorBody, ErrorKind};
use service::Actor;

use super::{Access, AuthError, Caller, Role};
use crate::error::ApiError;
use crate::state::AppState;

/// Longest token that is looked at.
const MAX_TOKEN: usize = 16 * 1024;
/// The actor of writes through open access.
const ANONYMOUS: &str = "anonymous";

/// Finds out who calls, refuses unknown callers, and leaves the known one in the request and, for the log, in the answer.
pub(crate) async fn authenticate(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    match caller(&state.access, request.headers()).await {
        Ok(caller) => {
            let actor = Actor(caller.name.clone());
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            response.extensions_mut().insert(actor);
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn caller(access: &Access, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let authenticator = match access {
        Access::Open(_) => {
            return Ok(Caller {
                name: ANONYMOUS.to_owned(),
                role: Role::Admin,
            });
        }
        Access::Tokens(authenticator) => authenticator,
    };
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        let challenge = "Bearer realm=\"fleetwright\"".to_owned();
        return Err(ApiError::unauthorized("the request carries no bearer token", challenge));
    };
    let token = value.to_str().ok().and_then(bearer_token).ok_or_else(|| {
        refused(
            "invalid_request",
            "the header Authorization must be `Bearer` and a token",
        )
    })?;
    match authenticator.identify(token).await {
        Ok(caller) => Ok(caller),
        Err(AuthError::Unknown) => Err(refused("invalid_token", "the token is not known")),
        Err(AuthError::Refused(reason)) => Err(refused("invalid_token", &reason)),
        Err(AuthError::Unavailable(reason)) => {
            let mut body = ErrorBody::new(ErrorKind::Unavailable, reason);
            body.retry_after = Some(5);
            Err(body.into())
        }
    }
}

/// The token of `Bearer <token>`; the scheme is not case-sensitive.
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_matches(' ');
    let fits = scheme.eq_ignore_ascii_case("bearer") && (1..=MAX_TOKEN).contains(&token.len());
    (fits && !token.contains(' ')).then_some(token)
}

fn refused(code: &str, reason: &str) -> ApiError {
    // Reasons are our own words; quotes would end the parameter early.
    let quoted = reason.replace(['"', '\\'], "'");
    let challenge = format!("Bearer realm=\"fleetwright\", error=\"{code}\", error_description=\"{quoted}\"");
    ApiError::unauthorized(reason, challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_is_one() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Bearer a b", None),
            ("Basic abc", None),
        ] {
            assert_eq!(bearer_token(value), token, "{value:?}");
        }
    }
}
