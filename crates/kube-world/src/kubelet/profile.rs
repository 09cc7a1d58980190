//! How long kubelets take for what they do, drawn from a seed.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Which Kubernetes Events kubelets record. Each is an object that is written, and deleted an hour later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventDetail {
    /// None.
    Nothing,
    /// Trouble: back-offs, failures, rejected pods.
    #[default]
    Trouble,
    /// Every container that starts or is stopped as well, as real kubelets do.
    Everything,
}

/// The ranges that delays are drawn from, evenly. Annotations of pods override them (see [`crate::annotations`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// From the binding to running containers: sandbox, volumes, images.
    pub start: RangeInclusive<Duration>,
    /// How long an init container runs.
    pub init: RangeInclusive<Duration>,
    /// From running to ready, for pods with a readiness probe.
    pub ready: RangeInclusive<Duration>,
    /// From the order to stop until the containers have ended.
    pub stop: RangeInclusive<Duration>,
    /// How long containers of pods run that are to end (`restartPolicy` other than `Always`).
    pub work: RangeInclusive<Duration>,
    /// Which events are recorded.
    pub events: EventDetail,
}

impl Default for Profile {
    fn default() -> Self {
        let range = |from, to| Duration::from_millis(from)..=Duration::from_millis(to);
        Self {
            start: range(1_000, 4_000),
            init: range(500, 2_000),
            ready: range(1_000, 5_000),
            stop: range(500, 3_000),
            work: range(5_000, 30_000),
            events: EventDetail::default(),
        }
    }
}

/// Draws the delays of one pod. The same seed, pod and purpose give the same delay whenever it is asked for, so nothing has
/// to be remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draws<'a> {
    pub(super) seed: u64,
    pub(super) uid: &'a str,
}

impl Draws<'_> {
    pub(super) fn delay(self, purpose: &str, range: &RangeInclusive<Duration>) -> Duration {
        let width = range.end().saturating_sub(*range.start());
        if width.is_zero() {
            return *range.start();
        }
        // FNV-1a: small and the same everywhere, which `Hash` does not promise.
        let seed = [self.uid, "/", purpose].into_iter().flat_map(|text| text.bytes());
        let seed = seed.fold(self.seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let millis = u64::try_from(width.as_millis()).unwrap_or(u64::MAX);
        let drawn = SmallRng::seed_from_u64(seed).random_range(0..=millis);
        range.start().saturating_add(Duration::from_millis(drawn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_from_seed_pod_and_purpose() {
        let range = Duration::from_secs(1)..=Duration::from_secs(60);
        let draw = |seed, uid, purpose| Draws { seed, uid }.delay(purpose, &range);
        assert_eq!(draw(1, "a", "start"), draw(1, "a", "start"));
        for other in [draw(2, "a", "start"), draw(1, "b", "start"), draw(1, "a", "stop")] {
            assert_ne!(draw(1, "a", "start"), other);
            assert!(range.contains(&other));
        }
    }
}
