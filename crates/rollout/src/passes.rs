//! Which passes over a pool have to be made: those whose inputs changed since the last one, and those that are due.
//!
//! Events come in crowds by the thousand while pods move, and most of them change nothing that a pool's decision looks at.
//! A pass is a function of what is counted here and of the time that it said itself, so one that changed nothing, with the same
//! inputs, would change nothing again.

use std::collections::BTreeMap;

use disruption::PoolName;
use jiff::Timestamp;

use crate::engine::Engine;
use crate::error::RolloutError;
use crate::pool::{PoolSpec, Strategy};

/// What a pass rests on, each by its number of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Inputs {
    nodes: u64,
    was_ready: u64,
    view: u64,
    pods: u64,
    groups: u64,
    machines: u64,
    broken: u64,
    records: u64,
    provision: u64,
}

/// A pass that was carried out to its end and left everything as it was.
#[derive(Debug)]
struct Passed {
    inputs: Inputs,
    /// When it has to be made again, whatever happens.
    due: Option<Timestamp>,
}

/// The last such pass of each pool.
#[derive(Debug, Default)]
pub(crate) struct Passes(BTreeMap<PoolName, Passed>);

impl Passes {
    /// Has every pass made again: the specification changed, the clock jumped, or the cluster is blocked.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

impl Engine {
    fn inputs(&self, pool: &PoolSpec) -> Inputs {
        let (picture, fleet) = (&self.picture, &self.fleet);
        Inputs {
            nodes: picture.nodes.changes(),
            was_ready: picture.was_ready.changes(),
            view: picture.view.pool_changes(),
            // Only who waits for all of them asks whether the pods of a node are gone.
            pods: if pool.strategy == Strategy::BlueGreen {
                picture.view.place_changes()
            } else {
                0
            },
            groups: fleet.groups.changes(),
            machines: fleet.machines.changes(),
            broken: fleet.broken.changes(),
            records: self.records.changes(),
            provision: picture.provision.changes(),
        }
    }

    /// Makes a pass over a pool if there can be anything to do.
    pub(crate) async fn pass_if_due(&mut self, pool: &PoolSpec) -> Result<(), RolloutError> {
        let before = self.inputs(pool);
        if let Some(last) = self.passes.0.get(&pool.name) {
            let due = last.due;
            if last.inputs == before && due.is_none_or(|due| self.hand.now() < due) {
                self.wake(due);
                return Ok(());
            }
        }
        self.passes.0.remove(&pool.name);
        let others = self.wake.take();
        self.look_for_surplus(pool);
        let done = self.pool_pass(pool).await;
        let due = std::mem::replace(&mut self.wake, others);
        self.wake(due);
        done?;
        // What the pass changed itself is looked at in the next round.
        if self.inputs(pool) == before {
            self.passes.0.insert(pool.name.clone(), Passed { inputs: before, due });
        }
        Ok(())
    }
}
