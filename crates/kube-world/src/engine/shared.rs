//! Something that lives on a clock behind a lock, while others reach into it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ports::Clock;
use tokio::sync::{Mutex, MutexGuard, Notify};

/// A thing behind a lock whose driver sleeps until somebody reaches into it or something is due. Handles are cheap to clone.
#[derive(Debug)]
pub struct Shared<T> {
    thing: Arc<Mutex<T>>,
    touched: Arc<Notify>,
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            thing: self.thing.clone(),
            touched: self.touched.clone(),
        }
    }
}

/// Holds what is shared; when it is let go, the driver looks at what is due.
#[derive(Debug)]
pub struct Hold<'a, T> {
    thing: MutexGuard<'a, T>,
    touched: &'a Notify,
}

impl<T> Deref for Hold<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.thing
    }
}

impl<T> DerefMut for Hold<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.thing
    }
}

impl<T> Drop for Hold<'_, T> {
    fn drop(&mut self) {
        self.touched.notify_one();
    }
}

impl<T> Shared<T> {
    /// Shares a thing.
    #[must_use]
    pub fn new(thing: T) -> Self {
        Self {
            thing: Arc::new(Mutex::new(thing)),
            touched: Arc::new(Notify::new()),
        }
    }

    /// Holds it, to look at it or to do something to it; it stands still meanwhile.
    pub async fn hold(&self) -> Hold<'_, T> {
        Hold {
            thing: self.drive().await,
            touched: &self.touched,
        }
    }

    /// Holds it as its driver does: letting go wakes nobody.
    pub async fn drive(&self) -> MutexGuard<'_, T> {
        self.thing.lock().await
    }

    /// What wakes the driver from elsewhere, as letting go of a [`Hold`] does.
    pub fn waker(&self) -> impl Fn() + Send + Sync + 'static + use<T> {
        let touched = self.touched.clone();
        move || touched.notify_one()
    }

    /// Rests as a driver does between its turns: until somebody reached in, `stirred` is done, or the time of `due` has come.
    pub async fn rest(&self, clock: &dyn Clock, due: Option<Timestamp>, stirred: impl Future<Output = ()>) {
        let wait = due.map(|due| Duration::try_from(due.duration_since(clock.now())).unwrap_or(Duration::ZERO));
        let time = async {
            match wait {
                Some(wait) => clock.sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.touched.notified() => {}
            () = stirred => {}
            () = time => {}
        }
    }
}
