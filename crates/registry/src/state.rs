//! What every operation can reach.

use std::sync::Arc;

use ports::{Clock, Ids, Ledger, Registry, RegistryError};
use service::Shutdown;
use tokio::sync::Semaphore;

use crate::error::ApiError;
use crate::metrics::RegistryMetrics;
use crate::{Access, Limits};

/// Shared by all operations of one server.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) ledger: Option<Arc<dyn Ledger>>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) access: Access,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) metrics: RegistryMetrics,
    pub(crate) shutdown: Shutdown,
    pub(crate) feed_slots: Arc<Semaphore>,
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl AppState {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The ledger of blocks and updates.
    pub(crate) fn ledger(&self) -> Result<&dyn Ledger, RegistryError> {
        let ledger = self.ledger.as_deref();
        ledger.ok_or_else(|| RegistryError::Unavailable("this server was started without a ledger".into()))
    }

    /// Awaits a call of the registry and measures it.
    pub(crate) async fn call<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, ApiError> {
        let begun = self.clock.now();
        let result = call.await;
        let seconds = self.clock.now().duration_since(begun).as_secs_f64();
        self.metrics.stored(method, result.is_ok(), seconds);
        result.map_err(ApiError::from)
    }
}
