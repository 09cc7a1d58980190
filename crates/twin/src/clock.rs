//! Clocks on other clocks: one that runs faster or slower, and one that somebody sets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use ports::Clock;

/// Simulated time on another clock: a second of the inner clock is `speed` seconds of this one.
#[derive(Debug, Clone)]
pub struct ScaledClock {
    inner: Arc<dyn Clock>,
    /// What the inner clock showed when this one began.
    origin: Timestamp,
    start: Timestamp,
    speed: f64,
}

impl ScaledClock {
    /// The slowest that a clock can be told to run.
    const SLOWEST: f64 = 0.001;
    /// The fastest.
    const FASTEST: f64 = 1_000_000.0;

    /// A clock that shows `start` now and runs `speed` times as fast as `inner`, bounded to a thousandth and a million.
    #[must_use]
    pub fn new(inner: Arc<dyn Clock>, start: Timestamp, speed: f64) -> Self {
        let speed = if speed.is_finite() { speed } else { 1.0 };
        Self {
            origin: inner.now(),
            start,
            speed: speed.clamp(Self::SLOWEST, Self::FASTEST),
            inner,
        }
    }

    /// How fast it runs.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.speed
    }
}

#[async_trait]
impl Clock for ScaledClock {
    fn now(&self) -> Timestamp {
        let passed = self.inner.now().duration_since(self.origin).as_secs_f64().max(0.0) * self.speed;
        let passed = SignedDuration::try_from_secs_f64(passed).unwrap_or(SignedDuration::MAX);
        self.start.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, time: Duration) {
        let wait = Duration::try_from_secs_f64(time.as_secs_f64() / self.speed).unwrap_or(Duration::MAX);
        // Timers have a grain; a wait that rounds to nothing would make the sleeper spin until its time has come.
        let grain = if time.is_zero() {
            Duration::ZERO
        } else {
            Duration::from_millis(1)
        };
        self.inner.sleep(wait.max(grain)).await;
    }
}

/// A clock of a cluster's own: so far ahead of the fleet's, or behind it.
#[derive(Debug)]
pub(crate) struct ClusterClock {
    fleet: Arc<dyn Clock>,
    ahead: Mutex<SignedDuration>,
}

impl ClusterClock {
    /// A clock that is so far ahead.
    pub(crate) fn new(fleet: Arc<dyn Clock>, ahead: SignedDuration) -> Self {
        Self {
            fleet,
            ahead: Mutex::new(ahead),
        }
    }

    /// The clock of the fleet.
    pub(crate) fn fleet(&self) -> &Arc<dyn Clock> {
        &self.fleet
    }

    /// How far it is ahead.
    pub(crate) fn ahead(&self) -> SignedDuration {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets it forward, or back.
    pub(crate) fn set_by(&self, by: SignedDuration) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        *ahead = ahead.saturating_add(by);
    }

    /// The time of the fleet at which this clock shows a time. What is due at once stays so.
    pub(crate) fn fleet_time(&self, own: Timestamp) -> Timestamp {
        if own == Timestamp::MIN {
            return own;
        }
        own.saturating_sub(self.ahead()).unwrap_or(own)
    }
}

#[async_trait]
impl Clock for ClusterClock {
    fn now(&self) -> Timestamp {
        let now = self.fleet.now();
        now.saturating_add(self.ahead()).unwrap_or(now)
    }

    async fn sleep(&self, time: Duration) {
        self.fleet.sleep(time).await;
    }
}

#[cfg(test)]
mod tests {
    use kube_world::StepClock;

    use super::*;

    #[tokio::test]
    async fn a_minute_passes_in_a_second_at_sixty_times_the_speed() {
        let inner = Arc::new(StepClock::at(Timestamp::UNIX_EPOCH));
        let start: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let clock = ScaledClock::new(inner.clone(), start, 60.0);
        assert_eq!(clock.now(), start);
        let sleeper = clock.sleep(Duration::from_secs(60));
        inner.set(Timestamp::from_second(1).unwrap());
        // The sleeper began when it was first polled, which is after the step: it needs one second more.
        let passed = std::pin::pin!(sleeper);
        let waiting = futures::poll!(passed);
        assert!(waiting.is_pending());
        assert_eq!(clock.now(), start + SignedDuration::from_secs(60));
        for wrong in [f64::NAN, f64::INFINITY] {
            assert!((ScaledClock::new(inner.clone(), start, wrong).speed() - 1.0).abs() < f64::EPSILON);
        }
    }
}
