//! Exponential back-off with jitter from a seeded source.

use std::time::Duration;

use ports::Ids;

/// How waits between attempts grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait, before jitter.
    pub first: Duration,
    /// The longest wait, before jitter.
    pub longest: Duration,
    /// How many attempts a call gets altogether, the first one included.
    pub attempts: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(20),
            attempts: 6,
        }
    }
}

impl Backoff {
    /// The wait after failed attempt number `attempt`, counted from 0: doubled each time, then between half and all of it,
    /// so that clients that failed together do not come back together.
    #[must_use]
    pub fn wait(&self, attempt: u32, ids: &dyn Ids) -> Duration {
        let grown = self
            .first
            .saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX));
        grown.min(self.longest).mul_f64(0.5 + ids.fraction() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use ports::SeededIds;

    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_follow_from_the_seed() {
        let backoff = Backoff::default();
        for attempt in 0..40 {
            let wait = backoff.wait(attempt, &SeededIds::new(3));
            let full = backoff
                .first
                .saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX))
                .min(backoff.longest);
            assert!(wait >= full / 2 && wait <= full, "{attempt}: {wait:?}");
            assert_eq!(wait, backoff.wait(attempt, &SeededIds::new(3)));
        }
    }
}
