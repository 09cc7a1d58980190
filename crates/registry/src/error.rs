//! Refusals and failures as answers.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use model::Invalid;
use ports::RegistryError;
use registry_api::{ErrorBody, ErrorKind, PROBLEM_JSON};
use service::{Exchange, Failure};

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub(crate) struct ApiError {
    body: Box<ErrorBody>,
    challenge: Option<String>,
}

/// A body that still lacks the request's path and id; [`dress`] adds them.
#[derive(Debug, Clone)]
struct Pending(Box<ErrorBody>);

impl ApiError {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self::from(ErrorBody::new(kind, detail))
    }

    /// An unknown caller, with the challenge that tells it how to authenticate.
    pub(crate) fn unauthorized(detail: impl Into<String>, challenge: String) -> Self {
        let mut error = Self::new(ErrorKind::Unauthorized, detail);
        error.challenge = Some(challenge);
        error
    }

    pub(crate) fn invalid(problem: Invalid) -> Self {
        Self::from(vec![problem])
    }

    pub(crate) fn body(&self) -> &ErrorBody {
        &self.body
    }
}

impl From<ErrorBody> for ApiError {
    fn from(body: ErrorBody) -> Self {
        Self {
            body: Box::new(body),
            challenge: None,
        }
    }
}

impl From<Vec<Invalid>> for ApiError {
    fn from(problems: Vec<Invalid>) -> Self {
        Self::from(ErrorBody::invalid(&problems))
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        // The cause of our own failures goes to the log and not into the answer: it may name hosts or hold texts of users.
        match &error {
            RegistryError::Internal(source) => tracing::error!(error = chain(source.as_ref()), "the registry failed"),
            RegistryError::Unavailable(source) => {
                tracing::error!(error = chain(source.as_ref()), "the store cannot be reached");
            }
            _ => {}
        }
        Self::from(ErrorBody::from(&error))
    }
}

/// An error with its causes, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.body.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if let Some(challenge) = self.challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(Pending(self.body));
        response
    }
}

/// Turns every refusal, whoever made it, into a problem document with the path and id of its request.
pub(crate) fn dress(exchange: &Exchange, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bare = parts.status.as_u16() >= 400 && !parts.headers.contains_key(header::CONTENT_TYPE);
    let pending = parts.extensions.remove::<Pending>().map(|pending| pending.0);
    let failure = parts
        .extensions
        .get::<Failure>()
        .map(|failure| Box::new(body_of_failure(*failure)));
    let Some(mut error) = pending
        .or(failure)
        .or_else(|| bare.then(|| Box::new(body_of_status(parts.status))))
    else {
        common_headers(&mut parts.headers);
        return Response::from_parts(parts, body);
    };
    error.instance = exchange.path.clone();
    error.request_id = exchange
        .id
        .as_ref()
        .map(|id| id.as_str().to_owned())
        .unwrap_or_default();
    if let Some(seconds) = error.retry_after {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    common_headers(&mut parts.headers);
    // A body of strings and numbers always serialises; an empty answer with the right status is the next best thing.
    let text = serde_json::to_vec(&error).unwrap_or_default();
    Response::from_parts(parts, Body::from(text))
}

/// What every answer says to caches and browsers: nothing here may be shown without asking again, or taken for a page.
fn common_headers(headers: &mut HeaderMap) {
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

fn body_of_failure(failure: Failure) -> ErrorBody {
    match failure {
        Failure::Overloaded => {
            let mut body = ErrorBody::new(ErrorKind::Busy, "as many requests as allowed are in flight");
            body.retry_after = Some(1);
            body
        }
        Failure::Panicked => ErrorBody::new(ErrorKind::Internal, "the server failed while it worked on the request"),
    }
}

/// For answers that the framework makes itself.
fn body_of_status(status: StatusCode) -> ErrorBody {
    let kind = match status {
        StatusCode::NOT_FOUND => ErrorKind::NoSuchPath,
        StatusCode::METHOD_NOT_ALLOWED => ErrorKind::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorKind::UnsupportedMediaType,
        status if status.is_client_error() => ErrorKind::Malformed,
        _ => ErrorKind::Internal,
    };
    ErrorBody::new(kind, kind.title())
}
