//! The one signal that everything long-running listens to.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Says once, to everybody who holds a clone, that the process is to end.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A shutdown that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins it; later calls change nothing.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// True once it has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns once it has begun.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }

    /// Begins it at the first SIGTERM or SIGINT, which is how Kubernetes and terminals ask for it.
    ///
    /// # Errors
    /// When the process cannot listen to signals.
    pub fn on_signals(&self) -> std::io::Result<()> {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let this = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => tracing::info!("SIGTERM: shutting down"),
                _ = int.recv() => tracing::info!("SIGINT: shutting down"),
                () = this.begun() => {}
            }
            this.begin();
        });
        Ok(())
    }
}
