//! A scheduler that decides as kube-scheduler 1.36 does with its default plugins.
//!
//! It is a pure component: it is told what the cluster looks like (nodes, pods, namespaces, storage, budgets), is asked for
//! the next decision, and answers with a [`Decision`] and its texts. It reads no clock, talks to no API and starts nothing;
//! the little randomness that the original has (equal nodes, where a search for victims begins) comes from the given
//! [`Ids`], so the same story has the same outcome.
//!
//! Where to find what: [`pod`], [`node`] and [`volumes`] read API objects; [`terms`], [`selector`] and [`taints`] are the
//! rules in them; `cluster` keeps the picture, `tally`, `class` and `neighbours` the standing counts that make affinity and
//! spreading cheap, `rules` the nodes' standing answers; `filter` and `score` are the plugins; `preempt` chooses victims; `queue`
//! says who is next; `reasons` and [`decision`] have the texts.
//!
//! Left out on purpose: image locality (simulated nodes have no image lists), dynamic resource allocation, pod groups,
//! in-place resizing, extenders and scheduler profiles.
//!
//! ```
//! use std::sync::Arc;
//! use kube_world::scheduler::{Decision, Node, Pod, Scheduler};
//! use json_tree::json;
//!
//! let mut scheduler = Scheduler::new(Arc::new(ports::SeededIds::new(1)));
//! let now = jiff::Timestamp::UNIX_EPOCH;
//! scheduler.set_node(Node::from_json(&json!({
//!     "metadata": { "name": "node-1" },
//!     "status": { "allocatable": { "cpu": "2", "memory": "4Gi", "pods": "110" } },
//! }), None), now);
//! let pod = json!({
//!     "metadata": { "namespace": "default", "name": "web", "uid": "1" },
//!     "spec": { "containers": [{ "resources": { "requests": { "cpu": "3" } } }] },
//! });
//! scheduler.set_pod(Pod::from_json(&pod, None), now);
//! let Some(Decision::Refuse(refusal)) = scheduler.decide(now) else { panic!("3 cores do not fit") };
//! assert_eq!(
//!     refusal.message,
//!     "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
//! );
//! ```

pub mod budget;
mod class;
mod cluster;
mod decide;
pub mod decision;
mod driver;
mod filter;
mod neighbours;
pub mod node;
pub mod pod;
mod preempt;
mod queue;
pub(crate) mod read;
pub mod reasons;
pub mod resources;
mod rules;
mod score;
pub mod selector;
mod slots;
pub mod taints;
mod tally;
pub mod terms;
#[cfg(test)]
pub(crate) mod tests;
mod update;
pub mod volumes;
pub mod what_if;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ports::Ids;

pub use budget::Budget;
pub use decision::{Binding, Decision, PodRef, Preemption, Refusal};
pub use driver::KubeScheduler;
pub use node::Node;
pub use pod::{Pod, PodClass};
pub use read::Labels;
pub use reasons::{Reason, Rejection};
pub use selector::{Selector, default_selector};
pub use volumes::{Claim, ClaimKey, StorageClass, Volume, VolumePlan};

use cluster::Cluster;
use decide::Workspace;
use queue::Queue;

/// The name under which pods ask for this scheduler when they name none.
pub const DEFAULT_NAME: &str = "default-scheduler";

/// A scheduler with its picture of one cluster.
///
/// Tell it of every change (`set_…`, `remove_…`), then take decisions until there are none: each change that may help a
/// waiting pod brings it back by itself. [`Scheduler::next_wake`] says when to ask again without a change.
#[derive(Debug)]
pub struct Scheduler {
    name: String,
    cluster: Cluster,
    queue: Queue,
    ids: Arc<dyn Ids>,
    workspace: Workspace,
}

impl Scheduler {
    /// A scheduler of an empty cluster. `ids` is its own source of randomness.
    #[must_use]
    pub fn new(ids: Arc<dyn Ids>) -> Self {
        Self::named(DEFAULT_NAME, ids)
    }

    /// A scheduler that takes pods with this `schedulerName`; others count where they are, and are never placed.
    #[must_use]
    pub fn named(name: &str, ids: Arc<dyn Ids>) -> Self {
        Self {
            name: name.to_owned(),
            cluster: Cluster::default(),
            queue: Queue::default(),
            ids,
            workspace: Workspace::default(),
        }
    }

    /// The name that pods ask for, which is also the source of its events.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When to call [`Scheduler::decide`] again if nothing changes: [`Timestamp::MIN`] is at once, `None` is never.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.queue.next_wake()
    }

    /// Tells it that the clock was set by so much: pods wait as long as before, and keep their order.
    pub fn clock_set(&mut self, by: SignedDuration) {
        self.queue.clock_set(by);
    }

    /// How many pods are to be tried now, and how many wait for a change.
    #[must_use]
    pub fn pending(&self) -> (usize, usize) {
        self.queue.lengths()
    }

    /// The pods that no node took at the last look, with what they ask for.
    pub fn unschedulable(&self) -> impl Iterator<Item = (PodRef, &Arc<PodClass>)> {
        self.queue
            .parked()
            .filter_map(|id| Some((self.cluster.pod_ref(id)?, self.cluster.spec_of(id)?)))
    }

    /// The share of a node in use: of CPU or memory, whichever is more; `None` for a node that is not there.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "amounts of a node are far below 2^53")]
    pub fn utilization(&self, node: &str) -> Option<f64> {
        let id = self.cluster.node_id(node)?;
        self.cluster.nodes.get(id)?.info.as_ref()?;
        let room = self.cluster.rooms.get(id)?;
        let share = |used: i64, have: i64| if have > 0 { used as f64 / have as f64 } else { 0.0 };
        Some(share(room.used_cpu, room.cpu).max(share(room.used_memory, room.memory)))
    }

    /// How many disruptions each budget over a pod with these labels allows.
    pub fn budgets_of<'a>(&'a self, namespace: &'a str, labels: &'a Labels) -> impl Iterator<Item = i64> + 'a {
        let budgets = self.cluster.budgets.iter();
        let concerned = budgets.filter(move |((of, _), budget)| of == namespace && budget.selector.matches(labels));
        concerned.map(|(_, budget)| budget.allowed)
    }

    /// Where a pod is placed, by its uid.
    #[must_use]
    pub fn node_of(&self, uid: &str) -> Option<&str> {
        let node = self.cluster.pods.get(*self.cluster.pod_ids.get(uid)?)?.node?;
        Some(&self.cluster.nodes.get(node)?.name)
    }
}
