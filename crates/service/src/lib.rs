//! What every server of Fleetwright shares: listening, TLS, request ids, limits, logs, health, metrics, tasks, shutdown.
//!
//! A server is an [`axum::Router`] of its own operations. [`Shell::wrap`] puts around it what all servers owe their
//! operators (request id, access log, metrics, in-flight limit, panics turned into answers, gzip), [`serve`] carries it
//! over HTTP/1.1 and HTTP/2, with or without TLS, until [`Shutdown`] begins and the requests in flight are answered.
//!
//! What this crate deliberately does not do: it knows no registry, no cluster and no error format. When it has to refuse a
//! request itself it answers with a bare status and leaves a [`Failure`] in the response's extensions, so that the server
//! around it can dress it in its own error body. It reads time and ids only through `ports`.
//!
//! Main types: [`Listener`], [`Tls`], [`Shell`], [`Shutdown`], [`Health`], [`HttpMetrics`], [`Tasks`], [`LogFormat`],
//! [`TraceExporter`].
//!
//! ```
//! use std::sync::Arc;
//! use axum::{Router, routing::get};
//! use ports::{SystemClock, SystemIds};
//! use service::{Connections, HttpMetrics, Listener, Shell, Shutdown, serve};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let mut metrics = prometheus_client::registry::Registry::default();
//! let shell = Shell::new(Arc::new(SystemClock), Arc::new(SystemIds), HttpMetrics::register(&mut metrics));
//! let app = shell.wrap(Router::new().route("/hello", get(async || "hello")));
//! let listener = Listener::bind("127.0.0.1:0".parse()?).await?;
//! let shutdown = Shutdown::new();
//! shutdown.begin(); // Nothing is in flight, so `serve` returns at once.
//! serve(listener, None, app, Connections::default(), Arc::new(SystemClock), shutdown).await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod health;
mod listen;
mod logging;
mod metrics;
mod request_id;
mod serve;
mod shell;
mod shutdown;
mod tasks;
mod tls;
mod traces;

pub use health::{Health, ReadyCheck};
pub use listen::{ListenError, Listener};
pub use logging::{LogFormat, LoggingError, init_tracing, init_tracing_with};
pub use metrics::{Exchange, HttpMetrics, build_info, metrics_router, seconds_buckets};
pub use request_id::RequestId;
pub use serve::{Connections, Peer, serve};
pub use shell::{Actor, Failure, Shell};
pub use shutdown::{Shutdown, ignores_hangup};
pub use tasks::{Task, TaskStatus, Tasks};
pub use tls::{Tls, TlsError};
pub use traces::{TraceExporter, TraceLayer, traces};
