//! A fleet that lives on its clock while others reach into it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::select_all;
use jiff::Timestamp;
use kube_sim::Tap;
use ports::Clock;
use tokio::sync::{Mutex, MutexGuard, Notify};

use crate::fleet::Fleet;

/// A fleet behind a lock, with a driver. Handles are cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedFleet {
    fleet: Arc<Mutex<Fleet>>,
    touched: Arc<Notify>,
}

/// Holds a shared fleet; when it is let go, the driver looks at what is due.
#[derive(Debug)]
pub struct Hold<'a> {
    fleet: MutexGuard<'a, Fleet>,
    touched: &'a Notify,
}

impl std::ops::Deref for Hold<'_> {
    type Target = Fleet;

    fn deref(&self) -> &Fleet {
        &self.fleet
    }
}

impl std::ops::DerefMut for Hold<'_> {
    fn deref_mut(&mut self) -> &mut Fleet {
        &mut self.fleet
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.touched.notify_one();
    }
}

impl SharedFleet {
    /// Shares a fleet.
    #[must_use]
    pub fn new(fleet: Fleet) -> Self {
        Self {
            fleet: Arc::new(Mutex::new(fleet)),
            touched: Arc::new(Notify::new()),
        }
    }

    /// Holds the fleet, to look at it or to do something to its machines; it stands still meanwhile.
    pub async fn hold(&self) -> Hold<'_> {
        Hold {
            fleet: self.fleet.lock().await,
            touched: &self.touched,
        }
    }

    /// Lets the fleet live on its clock, for ever: sleeps until somebody writes to an API or to the cloud or reaches into
    /// the fleet, or something is due. Drop the future to stop it.
    pub async fn run(&self) {
        let (clock, mut taps) = {
            let fleet = self.fleet.lock().await;
            for account in fleet.accounts() {
                let touched = self.touched.clone();
                account.on_write(move || touched.notify_one());
            }
            let taps: Vec<Tap> = fleet.clusters().iter().map(|cluster| cluster.server().tap()).collect();
            (fleet.clock().clone(), taps)
        };
        loop {
            let wait = {
                let mut fleet = self.fleet.lock().await;
                fleet.look();
                fleet.settle().await;
                // What the clusters wrote themselves wakes nobody. A write that came in between is in the cluster's own tap
                // as well: looking again makes it due.
                for tap in &mut taps {
                    tap.take();
                }
                fleet.look();
                fleet.next_due().map(|due| until(clock.now(), due))
            };
            tokio::select! {
                biased;
                () = self.touched.notified() => {}
                () = any_filled(&mut taps) => {}
                () = sleep(&*clock, wait) => {}
            }
        }
    }
}

async fn any_filled(taps: &mut [Tap]) {
    if taps.is_empty() {
        return std::future::pending().await;
    }
    select_all(taps.iter_mut().map(|tap| Box::pin(tap.filled()))).await;
}

fn until(now: Timestamp, due: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO)
}

async fn sleep(clock: &dyn Clock, wait: Option<Duration>) {
    match wait {
        Some(wait) => clock.sleep(wait).await,
        None => std::future::pending().await,
    }
}
