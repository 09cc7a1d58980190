//! The clock of the cloud: held back while a fleet is being made, so that its instances have booted when it begins.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use ports::Clock;

/// Shows a time of its own until it is let go, and then that of the clock behind it.
#[derive(Debug)]
pub(crate) struct WarmClock {
    inner: Arc<dyn Clock>,
    held: Mutex<Option<Timestamp>>,
}

impl WarmClock {
    pub(crate) fn held_at(inner: Arc<dyn Clock>, time: Timestamp) -> Self {
        Self {
            inner,
            held: Mutex::new(Some(time)),
        }
    }

    /// Moves the held time on.
    pub(crate) fn set(&self, time: Timestamp) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
    }

    /// Follows the clock behind from now on.
    pub(crate) fn release(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[async_trait]
impl Clock for WarmClock {
    fn now(&self) -> Timestamp {
        let held = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.unwrap_or_else(|| self.inner.now())
    }

    async fn sleep(&self, time: Duration) {
        self.inner.sleep(time).await;
    }
}
