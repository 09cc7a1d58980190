//! The clock of the clusters: it jumps while they are made, and then runs at its own speed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use kube_world::StepClock;
use ports::Clock;
use tokio::time::Instant;

/// Simulated time. Until [`PacedClock::run`] it stands, and only [`PacedClock::steps`] moves it.
#[derive(Debug)]
pub(super) struct PacedClock {
    steps: Arc<StepClock>,
    speed: f64,
    started: OnceLock<(Timestamp, Instant)>,
}

impl PacedClock {
    /// A standing clock; `speed` is above zero.
    pub(super) fn at(start: Timestamp, speed: f64) -> Self {
        Self {
            steps: Arc::new(StepClock::at(start)),
            speed,
            started: OnceLock::new(),
        }
    }

    /// The clock to set while this one stands.
    pub(super) fn steps(&self) -> &StepClock {
        &self.steps
    }

    /// Lets time run from where it stands. Only the first call counts.
    pub(super) fn run(&self) {
        self.started.get_or_init(|| (self.steps.now(), Instant::now()));
    }
}

#[async_trait]
impl Clock for PacedClock {
    fn now(&self) -> Timestamp {
        let Some((start, since)) = self.started.get() else {
            return self.steps.now();
        };
        let passed = SignedDuration::try_from_secs_f64(since.elapsed().as_secs_f64() * self.speed);
        let passed = passed.unwrap_or(SignedDuration::MAX);
        start.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, time: Duration) {
        if self.started.get().is_none() {
            return self.steps.sleep(time).await;
        }
        // A wait that no timer can hold is as good as for ever.
        let real = Duration::try_from_secs_f64(time.as_secs_f64() / self.speed).unwrap_or(Duration::MAX);
        tokio::time::sleep(real).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_passes_in_a_minute() {
        let clock = PacedClock::at(Timestamp::UNIX_EPOCH, 60.0);
        clock.steps().set(Timestamp::from_second(100).unwrap());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now().as_second(), 100, "it stands");
        clock.run();
        let before = Instant::now();
        clock.sleep(Duration::from_secs(3_600)).await;
        assert_eq!(clock.now().as_second(), 3_700);
        assert_eq!(before.elapsed(), Duration::from_secs(60));
    }
}
