//! What the planner is told: node groups, their nodes, and the pods on them.

use json_tree::Value;

use crate::scheduler::read::{self, Labels};
use crate::scheduler::taints::Taint;
use crate::scheduler::{Node, PodClass, PodRef};

/// Annotation of pods that says whether they may be moved to remove their node.
const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
/// Annotation of pods that names local volumes which may be lost.
const SAFE_VOLUMES: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
/// Annotation of nodes that must stay.
const DISABLED: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled";
/// Taint of nodes on their way out.
pub const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";
/// Soft taint of nodes that are not needed.
pub const CANDIDATE: &str = "DeletionCandidateOfClusterAutoscaler";
/// Labels that differ between nodes of similar groups.
const PLACES: [&str; 5] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/zone",
    "topology.ebs.csi.aws.com/zone",
    "node.kubernetes.io/node-group",
];

/// A group of like nodes that the cloud adds and removes.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeGroup {
    /// Its name in the cloud.
    pub id: String,
    /// Bounds of its size.
    pub min: usize,
    /// Bounds of its size.
    pub max: usize,
    /// How many nodes it is told to have; not all may have come yet.
    pub target: usize,
    /// A node as the group makes them, with labels, taints and what pods can use.
    pub template: Node,
    /// Pods that every new node gets (of DaemonSets).
    pub daemons: Vec<PodClass>,
    /// Higher is chosen first by [`Expander::Priority`](super::Expander::Priority).
    pub priority: i32,
}

impl NodeGroup {
    /// A node that is not there yet, with what is left beside its daemons.
    pub(super) fn node(&self, name: String) -> Node {
        let mut node = self.template.clone();
        node.labels.insert("kubernetes.io/hostname".to_owned(), name.clone());
        node.name = name;
        for daemon in &self.daemons {
            let tolerates = !crate::scheduler::taints::repelled(&daemon.rules.tolerations, &node.taints);
            if tolerates && daemon.rules.accept(&node.name, &node.labels) {
                node.allocatable.subtract(&daemon.requests.stated);
                node.max_pods -= 1;
            }
        }
        node
    }

    /// Whether nodes of both are alike but for their place.
    pub(super) fn is_similar(&self, other: &Self) -> bool {
        let labels = |group: &Self| -> Labels {
            let kept = group
                .template
                .labels
                .iter()
                .filter(|(key, _)| !PLACES.contains(&key.as_str()));
            kept.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        self.template.allocatable == other.template.allocatable
            && self.template.max_pods == other.template.max_pods
            && self.template.taints == other.template.taints
            && labels(self) == labels(other)
    }
}

/// A node that belongs to a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The node's name.
    pub node: String,
    /// Its group.
    pub group: String,
    /// Whether it is ready.
    pub ready: bool,
    /// It carries the annotation that keeps it.
    pub disabled: bool,
    /// It is on its way out.
    pub leaving: bool,
    /// It carries the soft taint.
    pub marked: bool,
}

impl Member {
    /// Reads a node object of a group.
    #[must_use]
    pub fn from_json(node: &Value, group: &str) -> Self {
        let ready = |condition: &Value| {
            read::text(condition, &["type"]) == Some("Ready") && read::text(condition, &["status"]) == Some("True")
        };
        let taints: Vec<Taint> = read::list(node, &["spec", "taints"])
            .iter()
            .filter_map(Taint::from_json)
            .collect();
        let tainted = |key: &str| taints.iter().any(|taint| taint.key == key);
        Self {
            node: read::text(node, &["metadata", "name"]).unwrap_or_default().to_owned(),
            group: group.to_owned(),
            ready: read::list(node, &["status", "conditions"]).iter().any(ready),
            disabled: read::text(node, &["metadata", "annotations", DISABLED]) == Some("true"),
            leaving: tainted(TO_BE_DELETED),
            marked: tainted(CANDIDATE),
        }
    }
}

/// A pod on a node, as far as removing the node is concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Occupant {
    /// The pod.
    pub pod: PodRef,
    /// Its node.
    pub node: String,
    /// Its labels, for budgets.
    pub labels: Labels,
    /// Its priority.
    pub priority: i32,
    /// It belongs to its node: of a DaemonSet, or a mirror of a static pod.
    pub of_node: bool,
    /// Some controller would make it anew.
    pub replicated: bool,
    /// It keeps data on the node that may not be lost.
    pub local_storage: bool,
    /// What its annotation says about moving it.
    pub safe_to_evict: Option<bool>,
    /// It is on its way out already.
    pub terminating: bool,
}

impl Occupant {
    /// Reads a bound pod; `None` for one without a node, or one that has ended.
    #[must_use]
    pub fn from_json(pod: &Value) -> Option<Self> {
        let text = |path: &[&str]| read::text(pod, path).unwrap_or_default();
        let node = read::text(pod, &["spec", "nodeName"])?.to_owned();
        if matches!(read::text(pod, &["status", "phase"]), Some("Succeeded" | "Failed")) {
            return None;
        }
        let owner = read::list(pod, &["metadata", "ownerReferences"])
            .iter()
            .find(|owner| read::at(owner, &["controller"]).and_then(Value::as_bool) == Some(true));
        let of_daemon = owner.is_some_and(|owner| read::text(owner, &["kind"]) == Some("DaemonSet"));
        let mirror = read::at(pod, &["metadata", "annotations", "kubernetes.io/config.mirror"]).is_some();
        let safe: Vec<&str> = text(&["metadata", "annotations", SAFE_VOLUMES]).split(',').collect();
        let local = |volume: &Value| {
            let kept = !read::text(volume, &["name"]).is_some_and(|name| safe.contains(&name));
            let in_memory = read::text(volume, &["emptyDir", "medium"]) == Some("Memory");
            kept && ((volume.get("emptyDir").is_some() && !in_memory) || volume.get("hostPath").is_some())
        };
        let pod_ref = PodRef {
            uid: text(&["metadata", "uid"]).into(),
            namespace: text(&["metadata", "namespace"]).to_owned(),
            name: text(&["metadata", "name"]).into(),
        };
        Some(Self {
            pod: pod_ref,
            node,
            labels: read::labels(pod, &["metadata", "labels"]),
            priority: read::int32(pod, &["spec", "priority"]).unwrap_or_default(),
            of_node: of_daemon || mirror,
            replicated: owner.is_some(),
            local_storage: read::list(pod, &["spec", "volumes"]).iter().any(local),
            safe_to_evict: match text(&["metadata", "annotations", SAFE_TO_EVICT]) {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
            terminating: read::at(pod, &["metadata", "deletionTimestamp"]).is_some(),
        })
    }
}
