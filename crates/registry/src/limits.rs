//! Bounds of what the server takes.

use std::time::Duration;

/// Bounds of requests and streams.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub body_bytes: usize,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// Most requests in flight; further ones are answered 503.
    pub in_flight: usize,
    /// Most readers of the change feed; further ones are answered 503.
    pub feed_readers: usize,
    /// Time between heartbeats of the change feed.
    pub heartbeat: Duration,
    /// Bounds of connections.
    pub connections: service::Connections,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: registry_api::MAX_BODY_BYTES,
            body_timeout: Duration::from_secs(30),
            in_flight: service::Shell::IN_FLIGHT,
            feed_readers: 1000,
            heartbeat: Duration::from_secs(15),
            connections: service::Connections::default(),
        }
    }
}
