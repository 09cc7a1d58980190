//! Time of the simulated fleet: as fast as the machine can while the fleet is raised, then at the chosen speed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use ports::{Clock, SimClock};
use twin::ScaledClock;

/// How much simulated time there is to raise a fleet in. It ends at the moment that the program starts at, so that nothing
/// in the fleet ever happened later than the registry's own time says.
pub(super) const LEAD: SignedDuration = SignedDuration::from_hours(6);

/// A clock that follows a runtime's paused time first and a scaled one later.
#[derive(Debug)]
pub(super) struct WorldClock {
    raising: Mutex<Option<SimClock>>,
    living: Arc<ScaledClock>,
}

impl WorldClock {
    /// Shows the time of `living` until a fleet is raised.
    pub(super) fn new(living: Arc<ScaledClock>) -> Self {
        Self {
            raising: Mutex::new(None),
            living,
        }
    }

    /// Follows the paused time of the runtime that this is called in.
    pub(super) fn raise(&self) {
        let begin = self.living.now().saturating_sub(LEAD).unwrap_or(Timestamp::UNIX_EPOCH);
        *self.raising.lock().unwrap_or_else(PoisonError::into_inner) = Some(SimClock::starting_at(begin));
    }

    /// Follows the living clock from now on.
    pub(super) fn live(&self) {
        *self.raising.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn raising(&self) -> Option<SimClock> {
        *self.raising.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        self.raising().map_or_else(|| self.living.now(), |clock| clock.now())
    }

    async fn sleep(&self, time: Duration) {
        match self.raising() {
            Some(clock) => clock.sleep(time).await,
            None => self.living.sleep(time).await,
        }
    }
}
