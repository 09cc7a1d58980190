//! Machines and the nodes they become, and the controllers that watch over nodes.

mod agent;
mod api;
mod collector;
pub(crate) mod conditions;
mod ended;
mod eviction;
mod heartbeats;
mod lifecycle;
mod machine;
mod setbacks;

use jiff::SignedDuration;

use crate::engine::Controller;

pub(crate) use heartbeats::Heartbeats;
pub(crate) use machine::Machines;
pub use machine::{Machine, NodeSpec, Power};

/// How patient the control plane is with nodes. The defaults are those of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeTimes {
    /// How long after its last heartbeat a node counts as silent.
    pub monitor_grace: SignedDuration,
    /// How often that is looked at: a silent node is noticed at the next whole multiple.
    pub monitor_period: SignedDuration,
    /// How long a node may take for its first heartbeat.
    pub startup_grace: SignedDuration,
    /// For how long a pod may name a node that does not exist (yet) before it is collected.
    pub orphan_quarantine: SignedDuration,
    /// How many pods that have ended are kept (`--terminated-pod-gc-threshold`); 0 keeps all.
    pub ended_pods: usize,
    /// How often that is looked at.
    pub collector_period: SignedDuration,
}

impl Default for NodeTimes {
    fn default() -> Self {
        Self {
            monitor_grace: SignedDuration::from_secs(40),
            monitor_period: SignedDuration::from_secs(5),
            startup_grace: SignedDuration::from_secs(60),
            orphan_quarantine: SignedDuration::from_secs(40),
            ended_pods: 12_500,
            collector_period: SignedDuration::from_secs(20),
        }
    }
}

/// The controllers that every world has for its nodes.
pub(crate) fn controllers(times: NodeTimes) -> Vec<Box<dyn Controller>> {
    vec![
        Box::new(agent::NodeAgent),
        Box::new(lifecycle::NodeLifecycle { times }),
        Box::new(eviction::TaintEviction),
        Box::new(collector::PodCollector { times }),
        Box::new(collector::CloudNodes),
        Box::new(ended::EndedPods { times }),
        Box::new(ended::OutOfService),
    ]
}
