//! Registry servers on free loopback ports of this process.

use std::net::SocketAddr;
use std::sync::Arc;

use model::FileRegistry;
use ports::registry::ImportMode;
use ports::{Clock, Ledger, Registry, SystemClock, SystemIds, WriteContext};
use registry::{Access, Loopback, Server};
use service::{Shutdown, Tls};
use store::MemoryRegistry;
use testkit::clock::ManualClock;

/// 2026-01-02T03:04:05Z.
const NOW: i64 = 1_767_323_045_000;

/// A running server; it ends with the value.
pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) ledger: Arc<dyn Ledger>,
    shutdown: Shutdown,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.begin();
    }
}

/// A server with the fleet of `fixtures/fleet.yaml`, at a time that stands still.
pub(crate) async fn with_fleet() -> Running {
    let running = empty().await;
    let document: FileRegistry = yaml::from_str(include_str!("fixtures/fleet.yaml")).unwrap();
    let context = WriteContext::by("fixture", "request-0");
    running
        .registry
        .import(document, ImportMode::Create, &context)
        .await
        .unwrap();
    running
}

/// A server with nothing in it, at a time that stands still.
pub(crate) async fn empty() -> Running {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at_millis(NOW));
    let registry = Arc::new(MemoryRegistry::new(clock));
    serve(registry, None, None).await
}

/// A server over `registry`, whose own timers run on the machine's clock.
pub(crate) async fn serve<R: Registry + Ledger + 'static>(
    registry: Arc<R>,
    access: Option<Access>,
    tls: Option<Tls>,
) -> Running {
    serve_at(registry, access, tls, Arc::new(SystemClock)).await
}

/// A server over `registry` at the time of this clock.
pub(crate) async fn serve_at<R: Registry + Ledger + 'static>(
    registry: Arc<R>,
    access: Option<Access>,
    tls: Option<Tls>,
    clock: Arc<dyn Clock>,
) -> Running {
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let shutdown = Shutdown::new();
    let access = access.unwrap_or_else(|| Access::Open(Loopback::new(address).unwrap()));
    let mut server = Server::new(Arc::clone(&registry) as _, clock, Arc::new(SystemIds), shutdown.clone())
        .ledger(Arc::clone(&registry) as _);
    if let Some(tls) = tls {
        server = server.tls(tls);
    }
    let bound = server.bind(address, access).await.unwrap();
    let url = bound.url();
    tokio::spawn(bound.run());
    Running {
        url,
        ledger: Arc::clone(&registry) as _,
        registry,
        shutdown,
    }
}
