//! Running a registry server in this process: store, access, signals, orderly end.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use ports::{Clock, Registry, SystemIds};
use registry::{Access, BindError, BoundServer, Server};
use service::{ReadyCheck, Shutdown, Tls};
use store::{DatabaseUrl, Store};
use web::{Pages, Surroundings};

use crate::failure::{Failure, chain};
use crate::fleet_metrics::FleetMetrics;

/// Exit code after a second interrupt, as shells give it.
const INTERRUPTED: i32 = 130;

/// A server whose port is taken and whose store is open.
pub(crate) struct Serving {
    pub(crate) store: Arc<Store>,
    server: BoundServer,
    metrics: FleetMetrics,
    shutdown: Shutdown,
}

/// Ready while the database answers.
struct DatabaseAnswers(Arc<Store>);

#[async_trait]
impl ReadyCheck for DatabaseAnswers {
    async fn failure(&self) -> Option<String> {
        self.0.ping().await.err().map(|error| chain(&error))
    }
}

/// Makes the registry that a server shows from its store, where that is not the store itself.
pub(crate) type Shown<'s> = &'s (dyn Fn(&Arc<Store>) -> Arc<dyn Registry> + Sync);

impl Serving {
    /// Opens the database and binds the address. Nothing is served before [`Serving::run`].
    pub(crate) async fn start(
        database: &DatabaseUrl,
        address: SocketAddr,
        access: Access,
        tls: Option<Tls>,
        clock: Arc<dyn Clock>,
        surroundings: Arc<dyn Surroundings>,
        shown: Option<Shown<'_>>,
    ) -> Result<Self, Failure> {
        let shutdown = Shutdown::new();
        shutdown
            .on_signals()
            .map_err(|error| Failure::of(&error).while_doing("listening to signals"))?;
        let store = Arc::new(
            Store::open(database, Arc::clone(&clock))
                .await
                .map_err(|error| Failure::of(&error))?,
        );
        let ids = Arc::new(SystemIds);
        let shows: Arc<dyn Registry> = match shown {
            Some(shown) => shown(&store),
            None => Arc::clone(&store) as _,
        };
        let pages = Pages::new(
            Arc::clone(&shows),
            Arc::clone(&store) as _,
            Arc::clone(&clock),
            Arc::clone(&ids) as _,
            access.clone(),
        );
        let pages = pages.surroundings(surroundings).shutdown(shutdown.clone());
        let pages = if tls.is_some() { pages.behind_tls() } else { pages };
        let mut server = Server::new(shows, clock, ids, shutdown.clone())
            .extra_routes(pages.router())
            .ledger(Arc::clone(&store) as _)
            .ready_check("database", Arc::new(DatabaseAnswers(Arc::clone(&store))));
        if let Some(tls) = tls {
            server = server.tls(tls);
        }
        let commit = option_env!("FLEETWRIGHT_COMMIT").unwrap_or("unknown");
        service::build_info(server.metrics(), env!("CARGO_PKG_VERSION"), commit);
        let metrics = FleetMetrics::register(server.metrics());
        match server.bind(address, access).await {
            Ok(server) => Ok(Self {
                store,
                server,
                metrics,
                shutdown,
            }),
            Err(error) => {
                store.close().await;
                Err(cannot_bind(address, &error))
            }
        }
    }

    /// URL under which it serves.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// The metrics of a fleet, for who looks after one.
    pub(crate) fn metrics(&self) -> FleetMetrics {
        self.metrics.clone()
    }

    /// Begins with the first signal, and when somebody asks for it.
    pub(crate) fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Serves until a signal comes, then finishes what is in flight. A second interrupt does not wait for that.
    pub(crate) async fn run(self) {
        self.run_beside(async {}).await;
    }

    /// The same beside other work on the store, which ends by itself with the shutdown. The store stays open until it has: what
    /// it hands over is written there.
    pub(crate) async fn run_beside(self, work: impl Future<Output = ()>) {
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            shutdown.begun().await;
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(INTERRUPTED);
            }
        });
        tokio::join!(self.server.run(), work);
        self.store.close().await;
    }
}

fn cannot_bind(address: SocketAddr, error: &BindError) -> Failure {
    match error {
        BindError::Listen(listen) if listen.source.kind() == std::io::ErrorKind::AddrInUse => {
            Failure::new(format!("port {} of {} is in use", address.port(), address.ip()))
        }
        other => Failure::of(other),
    }
}
