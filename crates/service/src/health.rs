//! Whether the process lives, and whether it should get traffic.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Serialize;

use crate::Shutdown;

/// Something that must work for the process to get traffic.
#[async_trait]
pub trait ReadyCheck: Send + Sync {
    /// Nothing when it works, otherwise one sentence without secrets that says what does not.
    async fn failure(&self) -> Option<String>;
}

/// The checks of a process.
#[derive(Clone, Default)]
pub struct Health {
    checks: Vec<(&'static str, Arc<dyn ReadyCheck>)>,
    shutdown: Shutdown,
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    checks: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

impl Health {
    /// A process that is ready until `shutdown` begins.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            checks: Vec::new(),
            shutdown,
        }
    }

    /// The same, ready only while `check` finds nothing wrong.
    #[must_use]
    pub fn with(mut self, name: &'static str, check: Arc<dyn ReadyCheck>) -> Self {
        self.checks.push((name, check));
        self
    }

    /// `GET /healthz` (the process lives: always 200) and `GET /readyz` (it should get traffic: 200 or 503, with the
    /// state of each check).
    pub fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .with_state(self)
    }
}

async fn ready(State(health): State<Health>) -> Response {
    let mut checks = Vec::new();
    for (name, check) in &health.checks {
        let failure = check.failure().await;
        checks.push(Line {
            name,
            ok: failure.is_none(),
            detail: failure.unwrap_or_default(),
        });
    }
    let stopping = health.shutdown.has_begun();
    let detail = if stopping {
        "shutting down".to_owned()
    } else {
        String::new()
    };
    checks.push(Line {
        name: "running",
        ok: !stopping,
        detail,
    });
    let ready = checks.iter().all(|line| line.ok);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Report { ready, checks })).into_response()
}
