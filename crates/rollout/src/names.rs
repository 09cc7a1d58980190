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

/// When a node that no machine of ours belongs to was drained, RFC 3339: whoever owns its machine may end it.
pub const DRAINED: &str = "rollout.fleetwright.dev/drained";
/// The ready label is back for a moment, so that operators of databases see it go again; the node stays marked meanwhile.
pub const REARMING: &str = "rollout.fleetwright.dev/rearming";
/// When the node's machine ends whatever anybody does, RFC 3339; whoever gets the notice writes it.
pub const MACHINE_ENDS: &str = "rollout.fleetwright.dev/machine-ends";
/// Why it ends.
pub const MACHINE_ENDS_REASON: &str = "rollout.fleetwright.dev/machine-ends-reason";
/// Keeps Karpenter from ending a node by its own choice; ours where [`SCALE_DOWN_HELD`] is beside it.
pub const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";
/// Label of a NodeClaim and its node with the name of its NodePool.
pub const CLAIM_POOL_LABEL: &str = "karpenter.sh/nodepool";
/// Annotation with the hash of a NodePool's template.
pub const POOL_HASH: &str = "karpenter.sh/nodepool-hash";
/// Annotation with the version of the way in which that hash is made.
pub const POOL_HASH_VERSION: &str = "karpenter.sh/nodepool-hash-version";
/// Annotation with the hash of a node class.
pub const CLASS_HASH: &str = "karpenter.k8s.aws/ec2nodeclass-hash";
/// Annotation with the version of the way in which that hash is made.
pub const CLASS_HASH_VERSION: &str = "karpenter.k8s.aws/ec2nodeclass-hash-version";
/// Annotation of a NodeClaim on its way out: when its machine ends whatever runs on it, RFC 3339.
pub const TERMINATION_TIME: &str = "karpenter.sh/nodeclaim-termination-timestamp";

/// Key of the tag that every cloud object of a cluster carries with the value `owned`.
#[must_use]
pub fn cluster_tag(cluster: &str) -> String {
    format!("kubernetes.io/cluster/{cluster}")
}
