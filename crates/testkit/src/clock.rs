//! A clock that a test moves by hand.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use ports::Clock;
use tokio::sync::watch;

/// Stands still until [`ManualClock::advance`]; whoever sleeps on it wakes when its time has come.
#[derive(Debug)]
pub struct ManualClock(watch::Sender<i64>);

impl ManualClock {
    /// A clock that shows this many milliseconds since 1970.
    #[must_use]
    pub fn at_millis(millis: i64) -> Self {
        Self(watch::Sender::new(millis))
    }

    /// Moves the clock on.
    pub fn advance(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.0.send_modify(|now| *now = now.saturating_add(millis));
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(*self.0.borrow()).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let mut clock = self.0.subscribe();
        let end = clock.borrow().saturating_add(millis);
        // The sender lives as long as `self`, so this ends with the time and not with an error.
        let _ = clock.wait_for(|now| *now >= end).await;
    }
}
