//! Time as an input.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// The one source of time: nothing else reads the wall clock or sleeps.
#[async_trait]
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The current instant.
    fn now(&self) -> Timestamp;

    /// Returns once this much time has passed on this clock.
    async fn sleep(&self, time: Duration);

    /// The current instant in milliseconds since 1970, the form that stores keep.
    fn now_millis(&self) -> i64 {
        self.now().as_millisecond()
    }
}

#[async_trait]
impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    async fn sleep(&self, time: Duration) {
        (**self).sleep(time).await;
    }
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// A clock on tokio's time: with the runtime's clock paused, hours pass as soon as nothing else can run.
///
/// It must be made inside the runtime whose time it follows.
#[derive(Debug, Clone, Copy)]
pub struct SimClock {
    start: Timestamp,
    origin: tokio::time::Instant,
}

impl SimClock {
    /// A clock that shows `start` now.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self {
            start,
            origin: tokio::time::Instant::now(),
        }
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let passed = jiff::SignedDuration::try_from(self.origin.elapsed()).unwrap_or(jiff::SignedDuration::MAX);
        self.start.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_simulated_day_passes_at_once_and_shows_on_the_clock() {
        let clock = SimClock::starting_at(Timestamp::UNIX_EPOCH);
        clock.sleep(Duration::from_secs(86_400)).await;
        assert_eq!(clock.now_millis(), 86_400_000);
    }
}
