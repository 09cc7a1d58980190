//! A shadow that looks again and again, and keeps the history.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use model::ClusterId;
use ports::{Ids, RegistryError, WriteContext};
use tokio::sync::watch;

use crate::history::{self, Record};
use crate::look::Shadow;
use crate::report::Report;

/// How long after a registry that did not answer it is asked again.
const AGAIN: Duration = Duration::from_secs(30);

/// The newest report; `None` before the first.
pub type Latest = watch::Receiver<Option<Arc<Report>>>;

/// Looks at the whole fleet at intervals.
pub struct Follower {
    shadow: Arc<Shadow>,
    ids: Arc<dyn Ids>,
    interval: Duration,
    known: Option<BTreeMap<ClusterId, Record>>,
    latest: watch::Sender<Option<Arc<Report>>>,
}

impl Follower {
    /// Prepares it; nothing is looked at before it runs.
    #[must_use]
    pub fn new(shadow: Arc<Shadow>, ids: Arc<dyn Ids>, interval: Duration) -> (Self, Latest) {
        let (latest, reader) = watch::channel(None);
        let follower = Self {
            shadow,
            ids,
            interval,
            known: None,
            latest,
        };
        (follower, reader)
    }

    /// Looks until `stop` completes.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop.fuse());
        loop {
            let clock = Arc::clone(&self.shadow.means().clock);
            let wait = tokio::select! {
                biased;
                () = &mut stop => return,
                looked = self.once() => match looked {
                    Ok(report) => {
                        tracing::info!(clusters = report.looks.len(), counts = report.counts().sentence(), "looked");
                        self.interval
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the fleet cannot be looked at");
                        AGAIN.min(self.interval)
                    }
                },
            };
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = clock.sleep(wait) => {}
            }
        }
    }

    /// One look at everything, taken into the history.
    ///
    /// # Errors
    /// When registry or ledger do not answer.
    pub async fn once(&mut self) -> Result<Arc<Report>, RegistryError> {
        let means = self.shadow.means();
        for (source, why) in means.configuration.refresh().await {
            tracing::warn!(source, why, "a config source could not be brought up to date");
        }
        let mut known = match self.known.take() {
            Some(known) => known,
            None => history::read(&*means.ledger).await?,
        };
        let mut report = self.shadow.report(None).await?;
        let context = WriteContext::by("shadow", self.ids.uuid());
        let kept = history::keep(&*means.ledger, &mut known, &mut report, &context).await;
        self.known = Some(known);
        kept?;
        let report = Arc::new(report);
        self.latest.send_replace(Some(Arc::clone(&report)));
        Ok(report)
    }
}
