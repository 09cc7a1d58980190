//! Which cluster is worked on next: pure, ordered, fair.
//!
//! A cluster is in the queue at most once, with the moment from which it may run. Among those that may, urgent causes come
//! first, but a cluster that keeps failing loses its urgency: it waits for its own back-off and takes no one else's turn
//! (fault F2). Decommissions and everything else have shares of their own, so neither starves the other.

use std::collections::BTreeMap;

use jiff::Timestamp;
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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fleet: 10,
            account: 5,
            decommissions: 2,
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
    /// The order among clusters that are equal otherwise, before that of their ids.
    pub place: u64,
}

/// The queue, with what is running.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: BTreeMap<ClusterId, Waiting>,
    running: BTreeMap<ClusterId, (String, Cause)>,
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
                known.place = new.place;
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
        if self.running.len() >= limits.fleet {
            return None;
        }
        let in_account = |account: &str| self.running.values().filter(|(a, _)| a == account).count();
        let down = self
            .running
            .values()
            .filter(|(_, cause)| *cause == Cause::Decommission)
            .count();
        // The last place is kept for what is not a decommission, so that one never has to wait for the other.
        let may = |id: &ClusterId, waiting: &Waiting| {
            waiting.due <= now
                && !self.running.contains_key(id)
                && in_account(&waiting.account) < limits.account
                && (waiting.cause != Cause::Decommission || down < limits.decommissions)
        };
        let ready = self.waiting.iter().filter(|(id, waiting)| may(id, waiting));
        let next = ready.min_by_key(|(id, waiting)| {
            // A failing cluster comes after all that are not, whatever its cause.
            let failing = waiting.failures > 0;
            (
                failing,
                std::cmp::Reverse(waiting.cause),
                waiting.last_run,
                waiting.place,
                (*id).clone(),
            )
        });
        let id = next?.0.clone();
        let waiting = self.waiting.remove(&id)?;
        self.running
            .insert(id.clone(), (waiting.account.clone(), waiting.cause));
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

#[cfg(test)]
mod tests;
