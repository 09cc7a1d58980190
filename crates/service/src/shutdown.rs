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

    /// Begins it at the first SIGTERM, SIGINT or SIGHUP, which is how Kubernetes, terminals, and terminals that go away ask for
    /// it. A process that was told to live on without its terminal (`nohup`) goes on ignoring SIGHUP.
    ///
    /// # Errors
    /// When the process cannot listen to signals.
    pub fn on_signals(&self) -> std::io::Result<()> {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut hup = match ignores_hangup() {
            true => None,
            false => Some(signal(SignalKind::hangup())?),
        };
        let this = self.clone();
        tokio::spawn(async move {
            let hung_up = async {
                match &mut hup {
                    Some(hup) => hup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = term.recv() => tracing::info!("SIGTERM: shutting down"),
                _ = int.recv() => tracing::info!("SIGINT: shutting down"),
                _ = hung_up => tracing::info!("SIGHUP: shutting down"),
                () = this.begun() => {}
            }
            this.begin();
        });
        Ok(())
    }
}

/// Whether this process was started with SIGHUP ignored, as `nohup` does it. Only Linux says so; elsewhere it is not.
#[must_use]
pub fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_in(&status)
}

/// Reads the mask of ignored signals; the lowest bit is SIGHUP, the first signal.
fn ignored_in(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        for (status, expected) in [
            ("Name:\tx\nSigIgn:\t0000000000001001\n", true),
            ("SigIgn:\t0000000000001000\n", false),
            ("SigBlk:\t0000000000000001\n", false),
            ("", false),
        ] {
            assert_eq!(ignored_in(status), expected, "{status:?}");
        }
    }
}
