//! What pages are made from, and their addresses.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use ports::{Clock, Ids, Ledger, Registry, WriteContext};
use registry::Access;
use service::Shutdown;
use tokio::sync::Semaphore;

use crate::known::LastKnown;
use crate::surroundings::{Alone, Surroundings};
use crate::{actions, assets, live, pages, session};

/// Pages that may listen at the same time.
const LISTENERS: usize = 512;
/// Longest form, in bytes.
const MAX_FORM: usize = 16 * 1024;

/// The pages over a registry and its ledger.
#[derive(Clone)]
pub struct Pages {
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) access: Access,
    pub(crate) surroundings: Arc<dyn Surroundings>,
    pub(crate) shutdown: Shutdown,
    pub(crate) tls: bool,
    pub(crate) listeners: Arc<Semaphore>,
    pub(crate) known: Arc<LastKnown>,
}

impl Pages {
    /// Pages that know registry and ledger. Open access means that everybody who reaches the server may set blocks, as with
    /// its API.
    #[must_use]
    pub fn new(
        registry: Arc<dyn Registry>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        access: Access,
    ) -> Self {
        Self {
            registry,
            ledger,
            clock,
            ids,
            access,
            surroundings: Arc::new(Alone),
            shutdown: Shutdown::new(),
            tls: false,
            listeners: Arc::new(Semaphore::new(LISTENERS)),
            known: Arc::default(),
        }
    }

    /// The same with what a running system knows.
    #[must_use]
    pub fn surroundings(mut self, surroundings: Arc<dyn Surroundings>) -> Self {
        self.surroundings = surroundings;
        self
    }

    /// The same; open streams end when this begins.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// The same behind TLS: cookies are then never sent in the clear.
    #[must_use]
    pub fn behind_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Their routes, to be served beside those of the registry. They check who asks by themselves.
    pub fn router(self) -> Router {
        Router::new()
            .route("/", get(pages::fleet))
            .route("/clusters/{name}", get(pages::cluster))
            .route("/clusters/{name}/block", post(actions::block))
            .route("/clusters/{name}/unblock", post(actions::unblock))
            .route("/updates", get(pages::updates))
            .route("/updates/{id}", get(pages::update))
            .route("/rollouts", get(pages::rollouts))
            .route("/blocks", get(pages::blocks))
            .route("/live", get(live::stream))
            .route("/login", post(session::login))
            .route("/logout", post(session::logout))
            .route(assets::style_path(), get(assets::style))
            .route(assets::script_path(), get(assets::script))
            .layer(DefaultBodyLimit::max(MAX_FORM))
            .with_state(self)
    }

    pub(crate) fn context(&self, actor: &str) -> WriteContext {
        WriteContext::by(actor, self.ids.uuid())
    }
}
