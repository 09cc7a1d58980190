//! The request budget of one cluster: a token bucket, and the pause that the server asked for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// How many requests a cluster gets: `burst` at once, `per_second` on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Requests per second in the long run; zero means no limit.
    pub per_second: u32,
    /// Requests at once after a quiet time.
    pub burst: u32,
}

impl Default for Rate {
    /// client-go's tools use 50 and 300; a manager of many clusters leaves more room for others.
    fn default() -> Self {
        Self {
            per_second: 100,
            burst: 200,
        }
    }
}

/// The bucket. It is kept as the time at which it would be full again, in nanoseconds since 1970, so that nothing is
/// rounded and the order of callers is the order of their turns.
#[derive(Debug)]
pub(crate) struct Budget {
    rate: Rate,
    state: Mutex<Turns>,
}

#[derive(Debug, Default)]
struct Turns {
    full_at: i128,
    not_before: i128,
}

impl Budget {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            state: Mutex::new(Turns::default()),
        }
    }

    /// Takes a turn and tells how long to wait for it.
    pub(crate) fn take(&self, now: Timestamp) -> Duration {
        let now = now.as_nanosecond();
        let mut turns = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = now.max(turns.not_before);
        if self.rate.per_second > 0 {
            let each = 1_000_000_000 / i128::from(self.rate.per_second);
            let room = each * i128::from(self.rate.burst.saturating_sub(1));
            turns.full_at = turns.full_at.max(now) + each;
            at = at.max(turns.full_at - each - room);
        }
        drop(turns);
        u64::try_from(at - now).map_or(Duration::ZERO, Duration::from_nanos)
    }

    /// Holds back everybody until `after` has passed: the server asked for it.
    pub(crate) fn pause(&self, now: Timestamp, after: Duration) {
        let until = now.as_nanosecond() + i128::try_from(after.as_nanos()).unwrap_or(i128::MAX / 2);
        let mut turns = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        turns.not_before = turns.not_before.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let budget = Budget::new(Rate {
            per_second: 10,
            burst: 3,
        });
        let waits: Vec<u128> = (0..6).map(|_| budget.take(at(1_000)).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200, 300]);
        // After a quiet minute the whole burst is there again, and no more than that.
        let waits: Vec<u128> = (0..4).map(|_| budget.take(at(61_000)).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100]);
    }

    #[test]
    fn a_pause_holds_everybody_back_and_ends() {
        let budget = Budget::new(Rate {
            per_second: 0,
            burst: 0,
        });
        assert_eq!(budget.take(at(0)), Duration::ZERO);
        budget.pause(at(0), Duration::from_secs(5));
        assert_eq!(budget.take(at(1_000)), Duration::from_secs(4));
        assert_eq!(budget.take(at(5_000)), Duration::ZERO);
    }
}
