//! Putting the server together, binding and running it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use ports::{Clock, Ids, Ledger, Registry};
use service::{Health, HttpMetrics, ListenError, Listener, ReadyCheck, Shell, Shutdown, Tls};
use tokio::sync::Semaphore;

use crate::metrics::RegistryMetrics;
use crate::state::{AppState, Inner};
use crate::{Access, Limits, error, routes};

/// A registry server that is not listening yet.
pub struct Server {
    registry: Arc<dyn Registry>,
    ledger: Option<Arc<dyn Ledger>>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    shutdown: Shutdown,
    limits: Limits,
    tls: Option<Tls>,
    health: Health,
    metrics: prometheus_client::registry::Registry,
    extra: Router,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Access without tokens was asked for on an address that others can reach.
    #[error("access without tokens is for loopback addresses only, {0} can be reached from elsewhere")]
    OpenElsewhere(SocketAddr),
    /// The address cannot be bound.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl Server {
    /// A server over `registry` that runs until `shutdown` begins.
    #[must_use]
    pub fn new(registry: Arc<dyn Registry>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>, shutdown: Shutdown) -> Self {
        Self {
            registry,
            ledger: None,
            clock,
            ids,
            health: Health::new(shutdown.clone()),
            shutdown,
            limits: Limits::default(),
            tls: None,
            metrics: prometheus_client::registry::Registry::default(),
            extra: Router::new(),
        }
    }

    /// The same with the ledger of blocks and updates, which should be kept in the same store as the registry: a block and
    /// its config item are one transaction. Without one the operations on them answer 503.
    #[must_use]
    pub fn ledger(mut self, ledger: Arc<dyn Ledger>) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// The same with other bounds.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same over TLS.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The same, ready only while `check` finds nothing wrong.
    #[must_use]
    pub fn ready_check(mut self, name: &'static str, check: Arc<dyn ReadyCheck>) -> Self {
        self.health = self.health.with(name, check);
        self
    }

    /// The same with `routes` beside its own: outside access control, under no limit of requests in flight.
    #[must_use]
    pub fn extra_routes(mut self, routes: Router) -> Self {
        self.extra = self.extra.merge(routes);
        self
    }

    /// Where parts of the process that the server does not know (store, tasks, build info) add their metrics.
    pub fn metrics(&mut self) -> &mut prometheus_client::registry::Registry {
        &mut self.metrics
    }

    /// The server's router, to be served by other means or called in process.
    pub fn router(mut self, access: Access) -> Router {
        let http = HttpMetrics::register(&mut self.metrics);
        let guard = axum::middleware::from_fn_with_state(access.clone(), crate::auth::check_host_bare);
        let state = AppState::new(Inner {
            registry: self.registry,
            ledger: self.ledger,
            ids: Arc::clone(&self.ids),
            access,
            clock: Arc::clone(&self.clock),
            limits: self.limits,
            metrics: RegistryMetrics::register(&mut self.metrics),
            shutdown: self.shutdown,
            feed_slots: Arc::new(Semaphore::new(self.limits.feed_readers)),
        });
        let shell = Shell::new(self.clock, self.ids, http).in_flight(self.limits.in_flight);
        // Health and metrics stay outside the shell: an overloaded server must still be able to say so.
        shell
            .wrap_dressed(routes::router(state), error::dress)
            .merge(self.health.router())
            .merge(service::metrics_router(Arc::new(self.metrics)).layer(guard.clone()))
            .merge(self.extra.layer(guard))
    }

    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound, or access is open and the address is not a loopback one.
    pub async fn bind(mut self, address: SocketAddr, access: Access) -> Result<BoundServer, BindError> {
        if matches!(access, Access::Open(_)) && !address.ip().is_loopback() {
            return Err(BindError::OpenElsewhere(address));
        }
        let listener = Listener::bind(address).await?;
        Ok(BoundServer {
            listener,
            tls: self.tls.take(),
            connections: self.limits.connections,
            clock: Arc::clone(&self.clock),
            shutdown: self.shutdown.clone(),
            app: self.router(access),
        })
    }
}

/// A registry server whose port is taken.
pub struct BoundServer {
    listener: Listener,
    tls: Option<Tls>,
    connections: service::Connections,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
    app: Router,
}

impl BoundServer {
    /// The bound address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The address as a URL, for messages and clients.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }

    /// Serves until shutdown has begun and the requests in flight are answered.
    pub async fn run(self) {
        tracing::info!(address = %self.address(), tls = self.tls.is_some(), "serving the registry");
        service::serve(
            self.listener,
            self.tls,
            self.app,
            self.connections,
            self.clock,
            self.shutdown,
        )
        .await;
        tracing::info!("the registry has stopped");
    }
}
