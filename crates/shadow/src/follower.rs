//! A shadow that looks again and again, and keeps the history.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use lifecycle::Claims;
use model::ClusterId;
use ports::{Ids, LeaseName, RegistryError, WriteContext};
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
    turn: Option<Claims>,
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
            turn: None,
            known: None,
            latest,
        };
        (follower, reader)
    }

    /// One of several replicas looks at a time: the one that holds a lease.
    #[must_use]
    pub fn in_turn(mut self, claims: Claims) -> Self {
        self.turn = Some(claims);
        self
    }

    /// Whether it is this replica's turn. Another one that looked in between has written what is known, so it is read again.
    async fn is_turn(&mut self) -> bool {
        let Some(claims) = &self.turn else { return true };
        let name = match LeaseName::new("shadow/looks") {
            Ok(name) => name,
            Err(refused) => unreachable!("a name of this module: {refused}"),
        };
        let term = self.interval.saturating_mul(2).max(claims.term);
        match claims.leases.claim(&name, &claims.holder, term).await {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(%error, "another replica looks");
                self.known = None;
                false
            }
        }
    }

    /// Looks until `stop` completes.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop.fuse());
        loop {
            let clock = Arc::clone(&self.shadow.means().clock);
            let turn = self.is_turn().await;
            let wait = tokio::select! {
                biased;
                () = &mut stop => return,
                () = std::future::ready(()), if !turn => self.interval,
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
