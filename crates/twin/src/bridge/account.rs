//! Follows the events of one account and says what they mean for the nodes of clusters.

use std::collections::BTreeMap;

use cloud_sim::{CloudSim, InstanceChange, What};
use jiff::Timestamp;
use kube_world::NodeSpec;
use ports::cloud::{InstanceId, InstanceLifecycle, InstanceState};

use super::machine;
use crate::log::FleetLog;

/// What happens to a node because of its instance.
#[derive(Debug)]
pub(crate) enum NodeChange {
    /// A machine is switched on.
    Boots(Box<NodeSpec>, InstanceId),
    /// It is about to go: its pods should leave. Held by a hook: that goes on when they have.
    Leaves {
        /// The node.
        node: String,
        /// The instance.
        instance: InstanceId,
        /// Whether a termination hook waits for the drain.
        held: bool,
    },
    /// Its kubelet stops.
    Stops(String),
    /// It is gone.
    Gone(String),
}

/// An account in a region.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) sim: CloudSim,
    region: String,
    label: String,
    seen: u64,
    /// The clusters here, by the tag of what is theirs.
    owners: BTreeMap<String, usize>,
    /// The nodes of living instances, with their clusters.
    nodes: BTreeMap<InstanceId, (usize, String)>,
}

impl Account {
    pub(crate) fn new(sim: CloudSim, account: &str, region: &str) -> Self {
        Self {
            label: format!("cloud:{account}/{region}"),
            region: region.to_owned(),
            sim,
            seen: 0,
            owners: BTreeMap::new(),
            nodes: BTreeMap::new(),
        }
    }

    /// A cluster whose instances are here.
    pub(crate) fn add_owner(&mut self, cluster: &str, place: usize) {
        self.owners.insert(machine::owner_tag(cluster), place);
    }

    /// When something is due here; the past when events wait.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        if self.sim.last_event() > self.seen {
            return Some(Timestamp::MIN);
        }
        self.sim.next_due()
    }

    /// Lets everything happen that is due, and tells what it means, in order, with the clusters.
    pub(crate) fn turn(&mut self, now: Timestamp, log: &FleetLog) -> Vec<(usize, NodeChange)> {
        self.sim.advance(now);
        let mut changes = Vec::new();
        for event in self.sim.changes_since(self.seen) {
            log.write(&self.label, &event);
            self.seen = event.sequence;
            if let What::Instance { id, change, .. } = event.what {
                changes.extend(self.change(&id, &change));
            }
        }
        self.sim.forget_events(self.seen);
        changes
    }

    fn change(&mut self, id: &InstanceId, change: &InstanceChange) -> Option<(usize, NodeChange)> {
        match change {
            InstanceChange::Running => {
                let instance = self.sim.instance(id)?;
                // It may have ended within the same moment.
                if instance.state != InstanceState::Running {
                    return None;
                }
                let cluster = *instance.tags.keys().find_map(|key| self.owners.get(key))?;
                let node = machine::node(&self.sim, &self.region, &instance);
                self.nodes.insert(id.clone(), (cluster, node.name.clone()));
                Some((cluster, NodeChange::Boots(Box::new(node), id.clone())))
            }
            InstanceChange::SpotNotice(_) | InstanceChange::RebalanceRecommended => self.leaves(id, false),
            InstanceChange::Lifecycle(InstanceLifecycle::TerminatingWait) => self.leaves(id, true),
            InstanceChange::ShuttingDown => {
                let (cluster, node) = self.nodes.get(id)?;
                Some((*cluster, NodeChange::Stops(node.clone())))
            }
            InstanceChange::Terminated => {
                let (cluster, node) = self.nodes.remove(id)?;
                Some((cluster, NodeChange::Gone(node)))
            }
            _ => None,
        }
    }

    fn leaves(&self, id: &InstanceId, held: bool) -> Option<(usize, NodeChange)> {
        let (cluster, node) = self.nodes.get(id)?;
        let change = NodeChange::Leaves {
            node: node.clone(),
            instance: id.clone(),
            held,
        };
        Some((*cluster, change))
    }
}
