//! The service that stands before a server and follows a plan.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use jiff::Timestamp;
use ports::Clock;
use tower::Service;

use super::body::{FaultyBody, sleep};
use super::judge::{FaultEvent, Judge, Sentence};
use super::plan::{Fault, FaultPlan};
use crate::request::{Options, RequestInfo};
use crate::server::{ApiServer, AsOf};
use crate::status::ApiError;
use crate::view::{event_line, to_bytes};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where the newest version of the server's data is read.
type Versions = Arc<dyn Fn() -> u64 + Send + Sync>;

/// A server with faults. Handles are cheap to clone and follow one plan together.
///
/// It takes the same requests as the server behind it. A refused or lost connection is an error of the service (an
/// [`io::Error`]); served over HTTP, the connection ends without an answer then.
#[derive(Clone)]
pub struct FaultyApi<S> {
    inner: S,
    judge: Arc<Judge>,
    versions: Option<Versions>,
}

impl<S: std::fmt::Debug> std::fmt::Debug for FaultyApi<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyApi")
            .field("inner", &self.inner)
            .field("judge", &self.judge)
            .finish_non_exhaustive()
    }
}

impl FaultyApi<ApiServer> {
    /// Puts a plan before a server, on the server's clock.
    #[must_use]
    pub fn over(server: ApiServer, plan: FaultPlan) -> Self {
        let clock = server.core.clock.clone();
        let core = server.core.clone();
        Self {
            inner: server,
            judge: Arc::new(Judge::new(clock, plan)),
            versions: Some(Arc::new(move || core.state().version())),
        }
    }
}

impl<S> FaultyApi<S> {
    /// Puts a plan before any service that answers the API. Its answers cannot be stale, since nobody knows its versions.
    #[must_use]
    pub fn new(inner: S, clock: Arc<dyn Clock>, plan: FaultPlan) -> Self {
        Self {
            inner,
            judge: Arc::new(Judge::new(clock, plan)),
            versions: None,
        }
    }

    /// Follows another plan from now on. Rules that are in both plans keep their counts and their chance; a new
    /// [`Fault::Dead`] that is on now cuts the watches that are open.
    pub fn set_plan(&self, plan: FaultPlan) {
        self.judge.set_plan(plan);
    }

    /// Hands each fault over in the moment it is done, to a log of everything that happens; [`FaultyApi::take_events`] gives
    /// nothing from then on.
    pub fn on_event(&self, listener: impl Fn(&FaultEvent) + Send + Sync + 'static) {
        self.judge.listen(Box::new(listener));
    }

    /// The faults done since the last call, in order.
    #[must_use]
    pub fn take_events(&self) -> Vec<FaultEvent> {
        self.judge.take_events()
    }
}

/// The request as rules see it; what the server would refuse as malformed is seen by its path alone.
fn info_of<B>(request: &Request<B>) -> RequestInfo {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let parsed = Options::parse(query, request.method()).and_then(|options| {
        let by_name = options.field_selector.contains("metadata.name");
        RequestInfo::parse(request.method(), path, options.watch, by_name)
    });
    parsed.unwrap_or_else(|_| RequestInfo {
        path: path.to_owned(),
        verb: request.method().as_str().to_ascii_lowercase(),
        ..RequestInfo::default()
    })
}

impl<S, B, R> Service<Request<B>> for FaultyApi<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Send + 'static,
    R: http_body::Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<FaultyBody<R>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone that was polled ready answers; the other one is polled before the next call.
        let fresh = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, fresh);
        // Judged now and not when the future first runs: the order of calls is the order of judgement.
        let info = info_of(&request);
        let agent = request
            .headers()
            .get(header::USER_AGENT)
            .and_then(|agent| agent.to_str().ok());
        let sentence = self.judge.judge(&info, agent.unwrap_or_default());
        let (judge, versions) = (self.judge.clone(), self.versions.clone());
        Box::pin(async move { carry_out(inner, request, &info, judge, versions, sentence).await })
    }
}

async fn carry_out<S, B, R>(
    mut inner: S,
    mut request: Request<B>,
    info: &RequestInfo,
    judge: Arc<Judge>,
    versions: Option<Versions>,
    sentence: Sentence,
) -> Result<Response<FaultyBody<R>>, BoxError>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    let Sentence { subject, faults, dies } = sentence;
    for (rule, fault) in &faults {
        match fault {
            Fault::Delay(time) => {
                judge.note(&subject, rule, fault);
                sleep(judge.clock(), *time).await;
            }
            Fault::Stale(writes) => {
                let version = versions
                    .as_ref()
                    .map(|versions| versions().saturating_sub(*writes).max(1));
                if let Some(version) = version
                    && look_back(&mut request, info, version)
                {
                    judge.note(&subject, rule, fault);
                }
            }
            Fault::Refuse | Fault::Dead => {
                judge.note(&subject, rule, fault);
                return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused").into());
            }
            _ => {
                if let Some(answer) = answer(info, fault) {
                    judge.note(&subject, rule, fault);
                    return Ok(answer);
                }
            }
        }
    }
    let response = inner.call(request).await.map_err(Into::into)?;
    if let Some((rule, fault)) = faults.iter().find(|(_, fault)| *fault == Fault::LoseReply) {
        judge.note(&subject, rule, fault);
        return Err(io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer").into());
    }
    let mut response = response.map(|body| FaultyBody::of(body, judge.clone(), subject.clone()));
    let body = response.body_mut();
    for (rule, fault) in &faults {
        if matches!(fault, Fault::Slow(_) | Fault::WatchGap(_)) {
            judge.note(&subject, rule, fault);
        }
        body.suffer(rule, fault);
    }
    if info.verb == "watch" {
        let left = |when: Timestamp| Duration::try_from(when.duration_since(judge.clock().now())).unwrap_or_default();
        body.dies_in(dies.map(|(when, rule)| (left(when), rule)));
    }
    Ok(response)
}

/// Lets a request read the past; false for requests that name a version themselves.
fn look_back<B>(request: &mut Request<B>, info: &RequestInfo, version: u64) -> bool {
    if info.verb == "get" {
        let named = names_version(request.uri().query().unwrap_or_default());
        if !named {
            request.extensions_mut().insert(AsOf(version));
        }
        return !named;
    }
    let older = at_version(request.uri(), version);
    let found = older.is_some();
    if let Some(older) = older {
        *request.uri_mut() = older;
    }
    found
}

/// Whether a query asks for a version of its own; 0 is any.
fn names_version(query: &str) -> bool {
    const FIELD: &str = "resourceVersion=";
    query.split('&').any(|part| {
        part.strip_prefix(FIELD)
            .is_some_and(|version| !matches!(version, "" | "0"))
    })
}

/// The same list at an exact version. Requests that name a version or go on with a page are left alone.
fn at_version(uri: &Uri, version: u64) -> Option<Uri> {
    let query = uri.query().unwrap_or_default();
    if names_version(query) || query.split('&').any(|part| part.starts_with("continue=")) {
        return None;
    }
    let kept: Vec<&str> = query
        .split('&')
        .filter(|part| !part.is_empty() && !part.starts_with("resourceVersion"))
        .collect();
    let mut text = format!("{}?resourceVersion={version}&resourceVersionMatch=Exact", uri.path());
    for part in kept {
        text.push('&');
        text.push_str(part);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = text.parse().ok();
    Uri::from_parts(parts).ok()
}

/// The answer that a fault gives in the server's place.
fn answer<R>(info: &RequestInfo, fault: &Fault) -> Option<Response<FaultyBody<R>>> {
    let error = match fault {
        Fault::Conflict => ApiError::modified(&info.group, &info.resource, &info.name),
        Fault::Gone if info.verb == "watch" => {
            // A watch begins well and says so in its first event.
            let error = ApiError::expired("The resourceVersion for the provided watch is too old.");
            let line = event_line("ERROR", &to_bytes(&error.to_value()));
            return Some(json(StatusCode::OK, line));
        }
        Fault::Gone => {
            ApiError::expired("The provided continue parameter is too old to display a consistent list result.")
        }
        Fault::TooManyRequests(seconds) => {
            let text = "Too many requests, please try again later.";
            ApiError::new(429, "TooManyRequests", text).retry_after(*seconds)
        }
        Fault::InternalError => ApiError::internal("etcdserver: request timed out"),
        Fault::Unavailable => {
            let text = "the server is currently unable to handle the request";
            ApiError::new(503, "ServiceUnavailable", text)
        }
        Fault::Unauthorized => ApiError::unauthorized(),
        _ => return None,
    };
    let code = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(code, to_bytes(&error.to_value()));
    if let Fault::TooManyRequests(seconds) = fault {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
    }
    Some(response)
}

fn json<R>(code: StatusCode, bytes: impl Into<Bytes>) -> Response<FaultyBody<R>> {
    let mut response = Response::new(FaultyBody::own(bytes.into()));
    *response.status_mut() = code;
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
