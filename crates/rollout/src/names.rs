//! Annotations of this program on nodes, beside those of [`disruption::marking`] that the original manager knows.
//!
//! The original keeps only the start of a drain and the last forced termination. Who looks at a node should also see since
//! when and why it is selected, and a restart must find everything that a decision looks at.

/// When the node was selected, RFC 3339.
pub const SELECTED: &str = "rollout.fleetwright.dev/selected";
/// Why it was selected.
pub const SELECTED_REASON: &str = "rollout.fleetwright.dev/selected-reason";
/// Why it was given up; taking the annotation away lets the drain go on.
pub const QUARANTINED: &str = "rollout.fleetwright.dev/quarantined";
/// When `lifecycle-status=ready` was last taken away from a cordoned node, RFC 3339.
pub const READY_LABEL_REMOVED: &str = "rollout.fleetwright.dev/ready-label-removed";
/// The node was closed to new pods by us, so that we may open it again.
pub const CORDONED: &str = "rollout.fleetwright.dev/cordoned";
/// The autoscaler's annotation below is ours.
pub const SCALE_DOWN_HELD: &str = "rollout.fleetwright.dev/scale-down-held";
/// Keeps the cluster autoscaler from removing a node.
pub const SCALE_DOWN_DISABLED: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled";
/// Tag by which the cluster autoscaler finds the groups that it may size.
pub const AUTOSCALER_TAG: &str = "k8s.io/cluster-autoscaler/enabled";
/// Tag of a group with the name of its node pool (fact 4.1).
pub const POOL_TAG: &str = "NodePool";
/// Label of a node with the name of its pool.
pub const POOL_LABEL: &str = "node.kubernetes.io/node-pool";
/// Label of a node with its zone.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Key of the tag that every cloud object of a cluster carries with the value `owned`.
#[must_use]
pub fn cluster_tag(cluster: &str) -> String {
    format!("kubernetes.io/cluster/{cluster}")
}
