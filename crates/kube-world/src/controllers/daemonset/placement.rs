//! On which nodes a daemon belongs: node selector, node affinity, taints and the tolerations that daemons have anyway.

use json_tree::{Value, json};

use crate::cache::NodeView;
use crate::controllers::support::tree::{at, flag, list, set, text};
use crate::scheduler::Node;
use crate::scheduler::pod::NodeRules;
use crate::scheduler::taints::{Effect, Taint};

/// Taints that daemons tolerate whatever their template says: they serve nodes that are in trouble as well.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
/// One more for daemons that bring the network about.
const NETWORK: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// What a node and a daemon are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// A pod should be made where there is none.
    pub(crate) run: bool,
    /// A pod that is there may stay.
    pub(crate) stay: bool,
}

/// The spec of a DaemonSet's pods, with the tolerations that daemons have anyway.
pub(crate) fn spec_of(daemons: &Value) -> Value {
    let spec = at(daemons, &["spec", "template", "spec"]).cloned();
    let mut spec = spec.unwrap_or_else(|| json!({}));
    tolerate(&mut spec);
    spec
}

/// Adds the tolerations of daemons to a pod's spec.
fn tolerate(spec: &mut Value) {
    let mut tolerations = list(spec, &["tolerations"]).to_vec();
    let network = flag(spec, &["hostNetwork"]).then_some(NETWORK);
    for (key, effect) in TOLERATED.into_iter().chain(network) {
        let wanted = json!({"key": key, "operator": "Exists", "effect": effect});
        if !tolerations.contains(&wanted) {
            tolerations.push(wanted);
        }
    }
    set(spec, &["tolerations"], tolerations);
}

/// Ties a pod to a node by its affinity, so that the scheduler places it there and nowhere else.
pub(crate) fn pin(spec: &mut Value, node: &str) {
    let field = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
    // What the template's terms ask for was judged before the pod was made: the name alone decides from here.
    let path = [
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
    ];
    set(spec, &path, json!({"nodeSelectorTerms": [field]}));
}

/// The node that a pod is tied to before it is bound.
pub(crate) fn pinned(pod: &Value) -> Option<&str> {
    let path = [
        "spec",
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
    ];
    let fields = list(pod, &path).iter().flat_map(|term| list(term, &["matchFields"]));
    fields
        .filter(|field| text(field, &["key"]) == Some("metadata.name"))
        .find_map(|field| list(field, &["values"]).first()?.as_str())
}

/// Where pods with a spec belong, as the scheduler reads it.
#[derive(Debug)]
pub(crate) struct Placement {
    /// The node that the spec names by itself; often empty.
    node: String,
    rules: NodeRules,
}

impl Placement {
    /// Reads a spec, which has the tolerations of daemons already.
    pub(crate) fn of(spec: &Value) -> Self {
        Self {
            node: text(spec, &["nodeName"]).unwrap_or_default().to_owned(),
            rules: NodeRules::from_json(spec),
        }
    }

    /// Judges a node.
    pub(crate) fn judge(&self, node: &NodeView) -> Verdict {
        let named = self.node.is_empty() || self.node == *node.name;
        if !named || !self.rules.accept_with(&node.name, |key| node.label(key)) {
            return Verdict {
                run: false,
                stay: false,
            };
        }
        let mut taints: Vec<Taint> = node.taints.iter().filter_map(Taint::of_view).collect();
        if node.unschedulable {
            taints.push(Node::cordon());
        }
        let run = !self.rules.repelled_by(&taints);
        taints.retain(|taint| taint.effect == Effect::NoExecute);
        let stay = run || !self.rules.repelled_by(&taints);
        Verdict { run, stay }
    }
}
