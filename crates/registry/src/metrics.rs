//! Metrics of the registry beyond those of every server.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    method: &'static str,
    result: &'static str,
}

/// Latency of the store and readers of the feed.
#[derive(Debug, Clone)]
pub(crate) struct RegistryMetrics {
    store: Family<Call, Histogram, fn() -> Histogram>,
    readers: Gauge,
}

impl RegistryMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let this = Self {
            store: Family::new_with_constructor(|| Histogram::new(service::seconds_buckets())),
            readers: Gauge::default(),
        };
        let own = registry.sub_registry_with_prefix("registry");
        own.register_with_unit(
            "store_duration",
            "Time that the store took, by method and result",
            Unit::Seconds,
            this.store.clone(),
        );
        own.register("feed_readers", "Open streams of the change feed", this.readers.clone());
        this
    }

    pub(crate) fn stored(&self, method: &'static str, ok: bool, seconds: f64) {
        let result = if ok { "ok" } else { "refused" };
        self.store.get_or_create(&Call { method, result }).observe(seconds);
    }

    /// Counts a reader until the guard is dropped.
    pub(crate) fn reader(&self) -> ReaderGuard {
        self.readers.inc();
        ReaderGuard(self.readers.clone())
    }
}

#[derive(Debug)]
pub(crate) struct ReaderGuard(Gauge);

impl Drop for ReaderGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
