//! What the contract needs to know of a node, and the mark that says it shall go.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{NodeName, PoolName, Zone};

/// Why and since when a node shall go. Everything in it is kept on the node object, so that it survives restarts (fact 60).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeMark {
    /// When the node was selected for replacement; from here on owners can see the clock.
    pub selected: Timestamp,
    /// Why it was selected.
    pub reason: Box<str>,
    /// When its drain began (annotation `…/drain-start`); the grace period counts from here.
    pub draining: Option<Timestamp>,
    /// When a pod on it was last force-terminated (annotation `…/last-forced-drain`).
    pub last_forced: Option<Timestamp>,
    /// Set when it was given up, with the reason; nothing happens to its pods then.
    pub quarantined: Option<Box<str>>,
    /// When the machine goes away whatever we do: spot notice, scheduled retirement, shutdown.
    pub machine_ends: Option<Timestamp>,
    /// When `lifecycle-status=ready` was last taken away; absent while the node still has it. Operators of databases move
    /// their primaries only off a node that is cordoned and has lost the label.
    pub ready_label_removed: Option<Timestamp>,
}

impl NodeMark {
    /// A fresh mark: selected, nothing else done yet.
    pub fn new(selected: Timestamp, reason: impl Into<Box<str>>) -> Self {
        Self {
            selected,
            reason: reason.into(),
            draining: None,
            last_forced: None,
            quarantined: None,
            machine_ends: None,
            ready_label_removed: None,
        }
    }
}

/// A node, as far as the contract looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// Its name.
    pub name: NodeName,
    /// The pool that it belongs to.
    pub pool: Option<PoolName>,
    /// Its zone.
    pub zone: Option<Zone>,
    /// When it registered.
    pub created: Timestamp,
    /// Kubernetes' condition `Ready` holds and the cloud calls it healthy.
    pub ready: bool,
    /// `spec.unschedulable`.
    pub cordoned: bool,
    /// Its machine is of the spot market.
    pub spot: bool,
    /// Set when it does not have the pool's current definition: what differs.
    pub outdated: Option<Box<str>>,
    /// Label `cluster-lifecycle-controller.zalan.do/decommission-priority`; 0 when absent.
    pub priority: i64,
    /// False for `cluster-lifecycle-controller.zalan.do/replacement-strategy=none`: no new node is brought first.
    pub replace_first: bool,
    /// Set when it shall go.
    pub mark: Option<NodeMark>,
}

impl NodeState {
    /// A ready, schedulable, current node.
    #[must_use]
    pub fn new(name: NodeName, created: Timestamp) -> Self {
        Self {
            name,
            pool: None,
            zone: None,
            created,
            ready: true,
            cordoned: false,
            spot: false,
            outdated: None,
            priority: 0,
            replace_first: true,
            mark: None,
        }
    }

    /// Its pods are being moved away: marked, begun, not given up.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.mark
            .as_ref()
            .is_some_and(|mark| mark.draining.is_some() && mark.quarantined.is_none())
    }
}

/// A refusal to update the cluster: no new disruptive step while it holds (V4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Why.
    pub reason: Box<str>,
    /// Who can lift it.
    pub owner: Option<Box<str>>,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

impl Block {
    /// Whether it holds at `now`; at its end it holds no more.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}
