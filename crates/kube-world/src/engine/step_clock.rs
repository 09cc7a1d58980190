//! A clock that jumps: simulated time for worlds that are driven without a runtime's paused time.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use ports::Clock;
use tokio::sync::watch;

/// Shows the time it was last set to. Whoever sleeps on it wakes when its time has come.
#[derive(Debug)]
pub struct StepClock(watch::Sender<Timestamp>);

impl StepClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self(watch::Sender::new(start))
    }

    /// Moves the clock on to a time; it never goes back.
    pub fn set(&self, time: Timestamp) {
        self.0.send_if_modified(|now| {
            let later = time > *now;
            *now = time.max(*now);
            later
        });
    }
}

#[async_trait]
impl Clock for StepClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    async fn sleep(&self, time: Duration) {
        let mut clock = self.0.subscribe();
        let wait = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        let end = clock.borrow().saturating_add(wait).unwrap_or(Timestamp::MAX);
        // The sender lives as long as `self`, so this ends with the time and not with an error.
        let _ = clock.wait_for(|now| *now >= end).await;
    }
}
