//! A fleet that lives on its clock while others reach into it.

use futures::future::select_all;
use kube_sim::Tap;
use kube_world::{Hold, Shared};

use crate::fleet::Fleet;

/// A fleet behind a lock, with a driver. Handles are cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedFleet(Shared<Fleet>);

impl SharedFleet {
    /// Shares a fleet.
    #[must_use]
    pub fn new(fleet: Fleet) -> Self {
        Self(Shared::new(fleet))
    }

    /// Holds the fleet, to look at it or to do something to its machines; it stands still meanwhile. When it is let go, the
    /// driver looks at what is due.
    pub async fn hold(&self) -> Hold<'_, Fleet> {
        self.0.hold().await
    }

    /// Lets the fleet live on its clock, for ever: sleeps until somebody writes to an API or to the cloud or reaches into
    /// the fleet, or something is due. Drop the future to stop it.
    pub async fn run(&self) {
        let (clock, mut taps) = {
            let fleet = self.0.drive().await;
            for account in fleet.accounts() {
                account.on_write(self.0.waker());
            }
            let taps: Vec<Tap> = fleet.clusters().iter().map(|cluster| cluster.server().tap()).collect();
            (fleet.clock().clone(), taps)
        };
        loop {
            let due = {
                let mut fleet = self.0.drive().await;
                fleet.look();
                fleet.settle().await;
                // What the clusters wrote themselves wakes nobody. A write that came in between is in the cluster's own tap
                // as well: looking again makes it due.
                for tap in &mut taps {
                    tap.take();
                }
                fleet.look();
                fleet.next_due()
            };
            self.0.rest(&*clock, due, any_filled(&mut taps)).await;
        }
    }
}

async fn any_filled(taps: &mut [Tap]) {
    if taps.is_empty() {
        return std::future::pending().await;
    }
    select_all(taps.iter_mut().map(|tap| Box::pin(tap.filled()))).await;
}
