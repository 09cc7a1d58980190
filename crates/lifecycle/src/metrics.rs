//! What a manager counts. A program exports it; this crate knows no exporter.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The running figures of a manager.
#[derive(Debug, Default)]
pub struct Metrics {
    figures: Mutex<Figures>,
}

/// How often something was done and how long it took in all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    /// How often.
    pub count: u64,
    /// All in all.
    pub time: Duration,
}

impl Spent {
    fn add(&mut self, time: Duration) {
        self.count += 1;
        self.time = self.time.saturating_add(time);
    }
}

/// Figures at one moment. Labels are few and fixed: no cluster is a label.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Passes by how they ended: `done`, `waits`, `failed`, `stopped`.
    pub passes: BTreeMap<&'static str, Spent>,
    /// Phases of passes (`stacks`, `pools`, `manifests`, `deletions`, `decommission`) by how they ended (`done`, `waits`,
    /// `failed`, `refused`, or `held` for one that was left out because its own back-off had not ended).
    pub phases: BTreeMap<(String, &'static str), Spent>,
    /// Steps that were not taken, by the rule that stopped them.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Clusters whose objects somebody changed behind our back, each time it was seen.
    pub drifts: u64,
    /// Objects written to clusters.
    pub objects_written: u64,
    /// Config sources that could not be brought up to date, each time.
    pub source_failures: u64,
    /// Alarms that are on, by kind: `stale-block`, `version-debt`, `halt`, `pause`.
    pub alarms: BTreeMap<&'static str, u64>,
    /// Clusters by how they stand now: `as-wanted`, `blocked`, `queued`, `running`, `waiting`, `failing`, `stopped`, `new`.
    pub clusters: BTreeMap<&'static str, u64>,
}

impl Metrics {
    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The figures now.
    #[must_use]
    pub fn read(&self) -> Figures {
        self.figures().clone()
    }

    pub(crate) fn pass(&self, end: &'static str, time: Duration) {
        self.figures().passes.entry(end).or_default().add(time);
    }

    pub(crate) fn phase(&self, phase: &str, end: &'static str, time: Duration) {
        self.figures()
            .phases
            .entry((phase.to_owned(), end))
            .or_default()
            .add(time);
    }

    pub(crate) fn refusal(&self, rule: &'static str) {
        *self.figures().refusals.entry(rule).or_default() += 1;
    }

    pub(crate) fn drift(&self) {
        self.figures().drifts += 1;
    }

    pub(crate) fn written(&self, objects: usize) {
        self.figures().objects_written += u64::try_from(objects).unwrap_or(u64::MAX);
    }

    pub(crate) fn source_failure(&self) {
        self.figures().source_failures += 1;
    }

    pub(crate) fn alarms(&self, on: BTreeMap<&'static str, u64>) {
        self.figures().alarms = on;
    }

    pub(crate) fn clusters(&self, standing: BTreeMap<&'static str, u64>) {
        self.figures().clusters = standing;
    }
}
