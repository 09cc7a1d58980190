//! Each concern of a cluster has a back-off of its own: a node pool that cannot be made for hours is not asked for every time
//! that another concern needs a look, and does not delay it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use ports::{Clock, Ids};
use tracing::Instrument as _;

use crate::backoff::Backoff;
use crate::concern::{Failure, Finding};
use crate::metrics::Metrics;

/// The concerns of one cluster that failed and when each may be tried again.
#[derive(Clone)]
pub(crate) struct Turns {
    state: Arc<Mutex<State>>,
    backoff: Backoff,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    /// What was to be brought about when they failed; something else starts with a clean slate.
    target: String,
    failed: BTreeMap<String, Failed>,
}

#[derive(Debug)]
struct Failed {
    times: u32,
    until: Timestamp,
    failure: Failure,
}

impl std::fmt::Debug for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turns")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Turns {
    pub(crate) fn new(backoff: Backoff, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>, metrics: Arc<Metrics>) -> Self {
        Self {
            state: Arc::default(),
            backoff,
            clock,
            ids,
            metrics,
        }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pass begins that is to bring this about.
    pub(crate) fn begin(&self, target: &str) {
        let mut state = self.state();
        if state.target != target {
            target.clone_into(&mut state.target);
            state.failed.clear();
        }
    }

    /// Somebody changed what stood in the way: everything may be tried at once.
    pub(crate) fn forgive(&self) {
        for failed in self.state().failed.values_mut() {
            failed.until = Timestamp::MIN;
        }
    }

    /// When the next concern that failed may be tried again.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.state().failed.values().map(|failed| failed.until).min()
    }

    /// Works on a concern unless its back-off has not ended; then what it failed of last counts still.
    pub(crate) async fn take(&self, concern: &str, work: impl Future<Output = Finding>) -> Finding {
        let phase = concern.split('/').next().unwrap_or(concern);
        let began = self.clock.now();
        let held = self
            .state()
            .failed
            .get(concern)
            .filter(|failed| failed.until > began)
            .map(|failed| failed.failure.clone());
        if let Some(failure) = held {
            self.metrics.phase(phase, "held", std::time::Duration::ZERO);
            return Finding::Failed(failure);
        }
        let span = tracing::info_span!("concern", concern);
        let finding = work.instrument(span).await;
        let now = self.clock.now();
        let spent = now.duration_since(began).unsigned_abs();
        self.metrics.phase(phase, finding.word(), spent);
        self.note(concern, &finding, now);
        finding
    }

    fn note(&self, concern: &str, finding: &Finding, now: Timestamp) {
        let mut state = self.state();
        match finding {
            Finding::Failed(failure) => {
                let times = state.failed.get(concern).map_or(0, |failed| failed.times) + 1;
                let wait = self.backoff.wait(times, &*self.ids);
                let wait = wait.max(failure.at_least.unwrap_or_default());
                let failed = Failed {
                    times,
                    until: now.saturating_add(wait).unwrap_or(Timestamp::MAX),
                    failure: failure.clone(),
                };
                state.failed.insert(concern.to_owned(), failed);
            }
            // A refusal says nothing about the concern.
            Finding::Refused(_) => {}
            Finding::Done | Finding::Wait { .. } => {
                state.failed.remove(concern);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ports::{Fault, SeededIds, SimClock};

    use super::*;

    async fn fails(turns: &Turns, concern: &str) -> bool {
        let mut asked = false;
        let failure = Failure::told(concern, "no", Fault::Cloud);
        let finding = turns
            .take(concern, async {
                asked = true;
                Finding::Failed(failure)
            })
            .await;
        assert!(matches!(finding, Finding::Failed(_)));
        asked
    }

    #[tokio::test(start_paused = true)]
    async fn a_concern_that_fails_waits_for_itself_and_for_nobody_else() {
        let clock = Arc::new(SimClock::starting_at(Timestamp::UNIX_EPOCH));
        let metrics = Arc::new(Metrics::default());
        let ids = Arc::new(SeededIds::new(1));
        let turns = Turns::new(Backoff::default(), clock.clone(), ids, metrics.clone());
        turns.begin("one");
        for _ in 0..8 {
            assert!(fails(&turns, "pools/a").await);
            assert!(!fails(&turns, "pools/a").await, "its back-off has just begun");
            let until = turns.next().unwrap();
            clock.sleep(until.duration_since(clock.now()).unsigned_abs()).await;
        }
        assert!(fails(&turns, "pools/a").await);
        assert!(turns.next().unwrap().duration_since(clock.now()).as_secs() > 400);
        // Another one begins with the shortest wait, and comes first.
        assert!(fails(&turns, "manifests").await);
        assert!(turns.next().unwrap().duration_since(clock.now()).as_secs() <= 10);
        clock.sleep(Duration::from_secs(10)).await;
        assert!(fails(&turns, "manifests").await);
        assert!(!fails(&turns, "pools/a").await);
        turns.forgive();
        assert!(fails(&turns, "pools/a").await, "forgiven");
        turns.begin("two");
        assert_eq!(turns.next(), None);
        let held = metrics.read().phases[&("pools".to_owned(), "held")];
        assert_eq!(held.count, 9);
    }
}
