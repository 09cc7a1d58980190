//! What a cluster was asked: calls by verb, failures, bytes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::call::Verb;

/// The running counts of one handle.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    calls: [AtomicU64; Verb::ALL.len()],
    failed: AtomicU64,
    retried: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Counters {
    pub(crate) fn call(&self, verb: Verb, bytes: usize) {
        if let Some(count) = self.calls.get(verb.place()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        add(&self.sent, bytes);
    }

    pub(crate) fn received(&self, bytes: usize) {
        add(&self.received, bytes);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let pairs = Verb::ALL
            .iter()
            .zip(&self.calls)
            .map(|(verb, count)| (*verb, read(count)));
        Counts {
            calls: pairs.filter(|(_, count)| *count > 0).collect(),
            failed: read(&self.failed),
            retried: read(&self.retried),
            bytes_sent: read(&self.sent),
            bytes_received: read(&self.received),
        }
    }
}

fn add(count: &AtomicU64, bytes: usize) {
    count.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Counts at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that left, by verb, each attempt counted; verbs without one are left out.
    pub calls: BTreeMap<Verb, u64>,
    /// Requests that failed.
    pub failed: u64,
    /// Requests that were sent again.
    pub retried: u64,
    /// Bytes of request bodies.
    pub bytes_sent: u64,
    /// Bytes of reply bodies.
    pub bytes_received: u64,
}

impl Counts {
    /// All requests.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }

    /// Requests that may have left something in the cluster.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.calls
            .iter()
            .filter(|(verb, _)| verb.writes())
            .map(|(_, count)| count)
            .sum()
    }

    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let calls = self.calls.iter().map(|(verb, count)| {
            let before = earlier.calls.get(verb).copied().unwrap_or_default();
            (*verb, count.saturating_sub(before))
        });
        Self {
            calls: calls.filter(|(_, count)| *count > 0).collect(),
            failed: self.failed.saturating_sub(earlier.failed),
            retried: self.retried.saturating_sub(earlier.retried),
            bytes_sent: self.bytes_sent.saturating_sub(earlier.bytes_sent),
            bytes_received: self.bytes_received.saturating_sub(earlier.bytes_received),
        }
    }
}
