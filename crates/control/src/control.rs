//! Manager and rollouts side by side.

use std::sync::Arc;

use futures::FutureExt;
use lifecycle::{Claims, Manager, Pace, Reach};
use rollout::{Notices, Refresh};

use crate::guard::Replica;
use crate::rollouts::Rollouts;
use crate::spec::Strategies;
use crate::view::{Board, Handle};

/// How a fleet is run. The defaults suit production with one replica.
#[derive(Clone, Default)]
pub struct Options {
    /// How the lifecycle manager goes about it.
    pub pace: Pace,
    /// How often rollouts read the cloud.
    pub refresh: Refresh,
    /// How nodes are replaced where no config item says it.
    pub strategies: Strategies,
    /// Who shares the work; nobody when absent.
    pub replica: Option<Replica>,
    /// Who tells owners before their pods are terminated by force, and after; events and records say it without.
    pub notices: Option<Arc<dyn Notices>>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("pace", &self.pace)
            .field("refresh", &self.refresh)
            .field("strategies", &self.strategies)
            .field("replica", &self.replica)
            .field("notices", &self.notices.is_some())
            .finish()
    }
}

/// A fleet under control: its lifecycle manager and its rollouts.
pub struct Control {
    manager: Manager,
    rollouts: Rollouts,
}

impl Control {
    /// Prepares it; nothing is looked at before it runs.
    #[must_use]
    pub fn new(reach: Arc<Reach>, options: Options) -> (Self, Handle) {
        let mut pace = options.pace.clone();
        if let Some(replica) = &options.replica {
            // The manager's claims are on leases of their own: an update and a rollout of one cluster go side by side.
            pace.claims.get_or_insert_with(|| Claims {
                leases: Arc::clone(&replica.leases),
                holder: replica.holder.clone(),
                term: replica.ttl,
            });
        }
        let manager = Manager::new(Arc::clone(&reach), pace);
        let board = Board::default();
        let handle = Handle {
            board: board.clone(),
            wake: manager.wake(),
        };
        let rollouts = Rollouts::new(reach, &options, board);
        (Self { manager, rollouts }, handle)
    }

    /// Works until `stop` completes. Whatever is under way then is let go at its next step and gone on with by the next start.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let stop = stop.shared();
        futures::join!(self.manager.run(stop.clone()), self.rollouts.run(stop));
    }

    /// Its parts, for those who run each on a task of its own.
    #[must_use]
    pub fn into_parts(self) -> (Manager, Rollouts) {
        (self.manager, self.rollouts)
    }
}
