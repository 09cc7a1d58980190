//! Which cluster is worked on next: pure, ordered, fair.
//!
//! A cluster is in the queue at most once, with the moment from which it may run. Among those that may, urgent causes come
//! first, but a cluster that keeps failing loses its urgency: it waits for its own back-off and takes no one else's turn
//! (fault F2). Whoever has waited for [`PATIENCE`] comes before urgent causes, so that none starves another: many clusters that
//! look after their unfinished updates hold up neither a decommission nor a new version. Clusters of fast lanes have places of
//! their own beside all others; of the failing ones, one at a time is patient like everybody.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use model::ClusterId;

use crate::need::Cause;

/// How many clusters are worked on at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub fleet: usize,
    /// In one infrastructure account.
    pub account: usize,
    /// Being taken down; part of `fleet`.
    pub decommissions: usize,
    /// Of fast lanes, beside `fleet`.
    pub urgent: usize,
}

/// How long a cluster waits for a place before its cause counts no more.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

impl Default for Limits {
    fn default() -> Self {
        Self {
            fleet: 10,
            account: 5,
            decommissions: 2,
            urgent: 2,
        }
    }
}

/// A cluster that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The account that it is in.
    pub account: String,
    /// Why it is to be worked on.
    pub cause: Cause,
    /// Not before this.
    pub due: Timestamp,
    /// Failures in a row.
    pub failures: u32,
    /// When it was last worked on; the one that waited longest comes first.
    pub last_run: Option<Timestamp>,
    /// Whether a fast lane let it begin.
    pub urgent: bool,
}

/// A cluster that is being worked on.
#[derive(Debug)]
struct Running {
    account: String,
    cause: Cause,
    failing: bool,
    urgent: bool,
}

/// What decides who comes next; the least first.
type Rank = (bool, bool, Timestamp, std::cmp::Reverse<Cause>, Option<Timestamp>);

/// The queue, with what is running.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: BTreeMap<ClusterId, Waiting>,
    running: BTreeMap<ClusterId, Running>,
}

impl Queue {
    /// Puts a cluster in, or moves it: the earlier moment and the more urgent cause count.
    pub fn put(&mut self, cluster: &ClusterId, new: Waiting) {
        match self.waiting.get_mut(cluster) {
            Some(known) => {
                known.due = known.due.min(new.due);
                known.cause = known.cause.max(new.cause);
                known.failures = new.failures;
                known.last_run = new.last_run;
                known.urgent |= new.urgent;
            }
            None => {
                self.waiting.insert(cluster.clone(), new);
            }
        }
    }

    /// Takes a cluster out: nothing is to be done any more.
    pub fn drop(&mut self, cluster: &ClusterId) {
        self.waiting.remove(cluster);
    }

    /// The next cluster that may run now under the limits; it counts as running until [`Queue::done`].
    pub fn take(&mut self, now: Timestamp, limits: &Limits) -> Option<(ClusterId, Waiting)> {
        let count = |wanted: &dyn Fn(&Running) -> bool| self.running.values().filter(|one| wanted(one)).count();
        let plain = count(&|one| !one.urgent);
        let urgent = count(&|one| one.urgent);
        let down = count(&|one| one.cause == Cause::Decommission);
        let failing = count(&|one| one.failing);
        // Decommissions never take all places, so that nothing has to wait for them alone.
        let may = |id: &ClusterId, waiting: &Waiting| {
            let place = plain < limits.fleet || (waiting.urgent && urgent < limits.urgent);
            place
                && waiting.due <= now
                && !self.running.contains_key(id)
                && count(&|one| one.account == waiting.account) < limits.account
                && (waiting.cause != Cause::Decommission || down < limits.decommissions)
        };
        let ready = self.waiting.iter().filter(|(id, waiting)| may(id, waiting));
        let next = ready.min_by_key(|(id, waiting)| (rank(waiting, failing, now), (*id).clone()));
        let id = next?.0.clone();
        let waiting = self.waiting.remove(&id)?;
        let running = Running {
            account: waiting.account.clone(),
            cause: waiting.cause,
            failing: waiting.failures > 0,
            // Its own places come first, so that it takes none of the others'.
            urgent: waiting.urgent && urgent < limits.urgent,
        };
        self.running.insert(id.clone(), running);
        Some((id, waiting))
    }

    /// A cluster's run has ended.
    pub fn done(&mut self, cluster: &ClusterId) {
        self.running.remove(cluster);
    }

    /// Whether a cluster is being worked on.
    #[must_use]
    pub fn is_running(&self, cluster: &ClusterId) -> bool {
        self.running.contains_key(cluster)
    }

    /// How many are being worked on.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The next moment after `now` at which a waiting cluster becomes due.
    #[must_use]
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let later = self.waiting.values().map(|waiting| waiting.due);
        later.filter(|due| *due > now).min()
    }
}

/// Where a cluster stands among those that may run. A failing one comes after all that are not, whatever its cause, unless no
/// other failing one runs and it has waited as long as anybody would.
fn rank(waiting: &Waiting, failing: usize, now: Timestamp) -> Rank {
    let tired = waiting.due.saturating_add(PATIENCE).is_ok_and(|tired| tired <= now);
    let last = waiting.failures > 0 && !(tired && failing == 0);
    // Those that are tired come by their moments, before all others.
    let since = if tired { waiting.due } else { Timestamp::MAX };
    (
        !waiting.urgent,
        last,
        since,
        std::cmp::Reverse(waiting.cause),
        waiting.last_run,
    )
}

#[cfg(test)]
mod tests;
