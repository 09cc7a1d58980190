//! One look at a live cluster: what the contract says of its nodes and pods now, for people who ask.
//!
//! Nothing is written and nothing is remembered. The marks on the nodes say which are to go; what only the engine knows
//! (the cloud's definitions, evictions that were refused a moment ago) is not in the picture.

use disruption::{
    ClusterView, NodeMark, NodeName, NodeState, PodKey, PodState, Policy, decide_node, decide_pod, explain_pod,
};
use jiff::Timestamp;
use kube_access::Access;
use kube_access::watch::WatchEvent;

use crate::error::RolloutError;
use crate::machines::Fleet;
use crate::picture::Picture;
use crate::status::{NodeStatus, PodStatus, node_status, pod_status};
use crate::watches::Watches;

/// A cluster as it is at one instant.
#[derive(Debug)]
pub struct Look {
    picture: Picture,
    at: Timestamp,
    cluster: String,
}

impl Look {
    /// Reads the cluster once: nodes, pods, budgets and what bears on them.
    ///
    /// # Errors
    /// [`RolloutError::Cluster`] when a kind cannot be read: missing data is no answer.
    pub async fn take(access: &Access, cluster: &str) -> Result<Self, RolloutError> {
        let mut watches = Watches::begin(access).await?;
        let mut picture = Picture::by_marks();
        let fleet = Fleet::default();
        while !picture.complete(watches.kinds()) {
            let event = watches.next().await;
            if let WatchEvent::Trouble { error, .. } = event {
                return Err(error.into());
            }
            picture.take(event, &fleet, access.clock().now());
        }
        Ok(Self {
            picture,
            at: access.clock().now(),
            cluster: cluster.to_owned(),
        })
    }

    /// When it was taken.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Everything that was seen.
    #[must_use]
    pub fn view(&self) -> &ClusterView {
        &self.picture.view
    }

    /// Objects that cannot be read, and why; decisions that rest on them cannot be trusted.
    #[must_use]
    pub fn unreadable(&self) -> Vec<String> {
        let all = self.picture.unreadable.iter();
        all.map(|(key, why)| format!("{key} cannot be read: {why}")).collect()
    }

    /// A node with its pods; `None` when there is no such node.
    #[must_use]
    pub fn node(&self, name: &NodeName, policy: &Policy) -> Option<NodeStatus> {
        node_status(self.view(), policy, &self.cluster, name, self.at)
    }

    /// Pods of this name, or of the name `namespace/name`.
    #[must_use]
    pub fn pods_named(&self, name: &str) -> Vec<PodKey> {
        let (namespace, name) = name
            .split_once('/')
            .map_or((None, name), |(space, name)| (Some(space), name));
        let fits =
            |pod: &&PodState| *pod.key.name == *name && namespace.is_none_or(|space| *pod.key.namespace == *space);
        self.view().pods().filter(fits).map(|pod| pod.key.clone()).collect()
    }

    /// What the contract says of a pod on its node; `None` for one that is on no node.
    #[must_use]
    pub fn pod(&self, key: &PodKey, policy: &Policy) -> Option<PodStatus> {
        let node = self.view().pod(key)?.node.clone()?;
        let decision = decide_pod(self.view(), policy, &node, key, self.at).ok()?;
        Some(pod_status(self.view(), &self.cluster, &node, &decision, self.at))
    }

    /// The same as if the drain of the pod's node began now, for a node that nobody selected.
    #[must_use]
    pub fn if_drained(&self, key: &PodKey, policy: &Policy) -> Option<PodStatus> {
        let node = self.view().pod(key)?.node.clone()?;
        let view = self.with_drain(&node)?;
        let decision = decide_pod(&view, policy, &node, key, self.at).ok()?;
        let mut status = pod_status(&view, &self.cluster, &node, &decision, self.at);
        status.sentence = explain_pod(None, &view, &node, &decision, self.at);
        Some(status)
    }

    /// A node as if its drain began now.
    #[must_use]
    pub fn node_if_drained(&self, name: &NodeName, policy: &Policy) -> Option<NodeStatus> {
        let view = self.with_drain(name)?;
        decide_node(&view, policy, name, self.at).ok()?;
        node_status(&view, policy, &self.cluster, name, self.at)
    }

    fn with_drain(&self, name: &NodeName) -> Option<ClusterView> {
        let mut view = self.view().clone();
        let mut node: NodeState = view.node(name)?.clone();
        node.cordoned = true;
        node.outdated.get_or_insert_with(|| "asked for".into());
        let mark = node.mark.get_or_insert_with(|| NodeMark::new(self.at, "asked for"));
        mark.draining.get_or_insert(self.at);
        mark.quarantined = None;
        view.set_node(node);
        Some(view)
    }
}
