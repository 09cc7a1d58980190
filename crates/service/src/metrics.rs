//! Metrics of HTTP servers, and the page that Prometheus reads.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::RequestId;

/// What is known of a request after it has been handed on.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Its id.
    pub id: Option<RequestId>,
    /// Its path.
    pub path: String,
}

impl Exchange {
    /// What is known of `request` before it is handed on.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        Self {
            id: request.extensions().get::<RequestId>().cloned(),
            path: request.uri().path().to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    operation: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: String,
}

/// Bounds of latency histograms, from half a millisecond to ten seconds.
pub fn seconds_buckets() -> impl Iterator<Item = f64> {
    [
        0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ]
    .into_iter()
}

/// Requests, their duration and how many are in flight.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: Family<Answered, Counter>,
    duration: Family<Operation, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
}

impl HttpMetrics {
    /// Adds them to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let this = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(seconds_buckets())),
            in_flight: Gauge::default(),
        };
        let http = registry.sub_registry_with_prefix("http");
        http.register(
            "requests",
            "Requests answered, by operation and status",
            this.requests.clone(),
        );
        http.register_with_unit(
            "request_duration",
            "Time from request to the head of the answer",
            Unit::Seconds,
            this.duration.clone(),
        );
        http.register("requests_in_flight", "Requests being worked on", this.in_flight.clone());
        this
    }

    /// Counts a request as in flight until the guard is dropped, which also happens when the client goes away.
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    pub(crate) fn done(&self, operation: &str, status: u16, seconds: f64) {
        let operation = operation.to_owned();
        self.duration
            .get_or_create(&Operation {
                operation: operation.clone(),
            })
            .observe(seconds);
        self.requests.get_or_create(&Answered { operation, status }).inc();
    }
}

pub(crate) struct InFlight(Gauge<i64, std::sync::atomic::AtomicI64>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Adds program version and commit to `registry`, so that dashboards can tell releases apart.
pub fn build_info(registry: &mut Registry, version: &str, commit: &str) {
    let labels = vec![
        ("version".to_owned(), version.to_owned()),
        ("commit".to_owned(), commit.to_owned()),
    ];
    registry.register("build", "Version of the program", Info::new(labels));
}

/// `GET /metrics` in the OpenMetrics text format.
pub fn metrics_router(registry: Arc<Registry>) -> Router {
    Router::new().route("/metrics", get(page)).with_state(registry)
}

async fn page(State(registry): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "cannot encode metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A counter that gauges of seconds use.
pub(crate) type SecondsGauge = Gauge<f64, AtomicU64>;
