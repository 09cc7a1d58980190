//! When to try again: exponential with full jitter, so that a fleet that failed together does not come back together.

use std::time::Duration;

use ports::{Classified, Ids, Retry};

/// Shortest and longest wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait is at most this.
    pub first: Duration,
    /// No wait is longer than this.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(10),
            most: Duration::from_secs(900),
        }
    }
}

impl Backoff {
    /// The wait after this many failures in a row, from 1: between half and all of the doubled wait.
    #[must_use]
    pub fn wait(&self, failures: u32, ids: &dyn Ids) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let most = doubled.min(self.most);
        most / 2 + most.mul_f64(ids.fraction() / 2.0)
    }

    /// The wait after a failure that may know better.
    #[must_use]
    pub fn after(&self, failures: u32, error: Option<&dyn Classified>, ids: &dyn Ids) -> Duration {
        let own = self.wait(failures, ids);
        match error.map(Classified::retry) {
            Some(Retry::After(at_least)) => own.max(at_least),
            _ => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use ports::SeededIds;

    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_differ() {
        let (backoff, ids) = (Backoff::default(), SeededIds::new(1));
        for failures in 1..40 {
            let wait = backoff.wait(failures, &ids);
            let doubled = 10_u64.saturating_mul(1 << failures.min(20).saturating_sub(1)).min(900);
            assert!(wait >= Duration::from_secs(doubled) / 2, "{failures}: {wait:?}");
            assert!(wait <= Duration::from_secs(doubled), "{failures}: {wait:?}");
        }
        assert_ne!(backoff.wait(5, &ids), backoff.wait(5, &ids));
    }
}
