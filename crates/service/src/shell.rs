//! What stands around the operations of every server.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use ports::{Clock, Ids};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tracing::Instrument as _;

use crate::metrics::Exchange;
use crate::{HttpMetrics, Peer, RequestId, request_id};

/// Why the shell itself refused a request; in the extensions of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// As many requests as allowed are in flight: 503.
    Overloaded,
    /// The operation panicked: 500.
    Panicked,
}

/// Who made the request; an operation leaves it in the extensions of its answer, for the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(pub String);

/// Request ids, access log, metrics, a limit of requests in flight, answers to panics, gzip.
#[derive(Debug, Clone)]
pub struct Shell {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    metrics: HttpMetrics,
    in_flight: usize,
}

#[derive(Clone)]
struct Inner {
    shell: Shell,
    slots: Arc<Semaphore>,
}

impl Shell {
    /// Most requests in flight unless told otherwise.
    pub const IN_FLIGHT: usize = 512;

    /// A shell with the default limit.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, ids: Arc<dyn Ids>, metrics: HttpMetrics) -> Self {
        Self {
            clock,
            ids,
            metrics,
            in_flight: Self::IN_FLIGHT,
        }
    }

    /// The same with another limit of requests in flight.
    ///
    /// A request is in flight until the head of its answer is there; the bodies of event streams do not count.
    #[must_use]
    pub fn in_flight(mut self, most: usize) -> Self {
        self.in_flight = most;
        self
    }

    /// The operations with the shell around them, from the outside in: gzip, request id with log and metrics, `dress`
    /// (which may rewrite any answer, those of the shell too), panics, limit.
    pub fn wrap_dressed<D>(&self, operations: Router, dress: D) -> Router
    where
        D: Fn(&Exchange, Response) -> Response + Clone + Send + Sync + 'static,
    {
        let inner = Inner {
            shell: self.clone(),
            slots: Arc::new(Semaphore::new(self.in_flight)),
        };
        let dressing = move |request: Request, next: Next| {
            let dress = dress.clone();
            async move {
                let exchange = Exchange::of(&request);
                let response = next.run(request).await;
                dress(&exchange, response)
            }
        };
        operations
            .layer(from_fn_with_state(inner.clone(), limit))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(axum::middleware::from_fn(dressing))
            .layer(from_fn_with_state(inner, observe))
            .layer(CompressionLayer::new().gzip(true))
    }

    /// As [`Shell::wrap_dressed`], leaving answers as they are.
    pub fn wrap(&self, operations: Router) -> Router {
        self.wrap_dressed(operations, |_, response| response)
    }
}

/// Gives the request its id, and writes what became of it to log and metrics.
async fn observe(State(inner): State<Inner>, mut request: Request, next: Next) -> Response {
    let shell = &inner.shell;
    let id = RequestId::take(request.headers(), shell.ids.as_ref());
    request.extensions_mut().insert(id.clone());
    let operation = operation(&request);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let peer = request
        .extensions()
        .get::<Peer>()
        .map(|peer| peer.0.to_string())
        .unwrap_or_default();
    let span = tracing::info_span!("request", request_id = id.as_str());
    let begun = shell.clock.now();
    let in_flight = shell.metrics.begin();
    let mut response = next.run(request).instrument(span).await;
    drop(in_flight);
    let took = shell.clock.now().duration_since(begun).as_secs_f64();
    let status = response.status().as_u16();
    shell.metrics.done(&operation, status, took);
    let actor = response
        .extensions()
        .get::<Actor>()
        .map(|actor| actor.0.clone())
        .unwrap_or_default();
    // The query is left out on purpose: people paste secrets there. Header values never appear either.
    tracing::info!(
        request_id = id.as_str(), %method, ?path, operation, status, actor, peer, milliseconds = took * 1000.0, "answered"
    );
    if let Some(value) = id.header() {
        response.headers_mut().insert(request_id::HEADER, value);
    }
    response
}

/// Method and route template: few values, whatever callers ask for.
fn operation(request: &Request) -> String {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unknown", MatchedPath::as_str);
    format!("{} {route}", method_name(request.method()))
}

fn method_name(method: &http::Method) -> &'static str {
    use http::Method;
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known
        .iter()
        .zip(names)
        .find(|(known, _)| *known == method)
        .map_or("OTHER", |(_, name)| name)
}

async fn limit(State(inner): State<Inner>, request: Request, next: Next) -> Response {
    match inner.slots.try_acquire() {
        Ok(_slot) => next.run(request).await,
        Err(_) => {
            let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, Failure::Overloaded);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
    }
}

fn panicked(panic: Box<dyn Any + Send>) -> http::Response<Body> {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    tracing::error!(panic = text, "an operation panicked");
    refusal(StatusCode::INTERNAL_SERVER_ERROR, Failure::Panicked)
}

fn refusal(status: StatusCode, failure: Failure) -> Response {
    let mut response = status.into_response();
    response.extensions_mut().insert(failure);
    response
}
