//! On which nodes a daemon belongs: node selector, node affinity, taints and the tolerations that daemons have anyway.

use serde_json::{Value, json};

use crate::cache::NodeView;
use crate::controllers::support::tree::{at, flag, list, set, text};

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

/// Adds the tolerations of daemons to a pod's spec.
pub(crate) fn tolerate(spec: &mut Value) {
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

/// Judges a node for pods with this spec, which has the tolerations of daemons already.
pub(crate) fn judge(spec: &Value, node: &NodeView) -> Verdict {
    let named = text(spec, &["nodeName"]).is_none_or(|name| name.is_empty() || name == &*node.name);
    if !named || !fits(spec, node) {
        return Verdict {
            run: false,
            stay: false,
        };
    }
    let repels = |effects: &[&str]| {
        node.taints
            .iter()
            .any(|taint| effects.contains(&&*taint.effect) && !tolerated(spec, &taint.key, &taint.value, &taint.effect))
    };
    let cordoned = node.unschedulable && !tolerated(spec, "node.kubernetes.io/unschedulable", "", "NoSchedule");
    let run = !repels(&["NoSchedule", "NoExecute"]) && !cordoned;
    Verdict {
        run,
        stay: run || !repels(&["NoExecute"]),
    }
}

fn tolerated(spec: &Value, key: &str, value: &str, effect: &str) -> bool {
    list(spec, &["tolerations"]).iter().any(|toleration| {
        let field = |name: &str| text(toleration, &[name]).unwrap_or_default();
        let exists = field("operator") == "Exists";
        let keyed = field("key") == key || (field("key").is_empty() && exists);
        keyed && (exists || field("value") == value) && (field("effect").is_empty() || field("effect") == effect)
    })
}

/// Node selector and required node affinity.
fn fits(spec: &Value, node: &NodeView) -> bool {
    let wanted = at(spec, &["nodeSelector"])
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    if !wanted.into_iter().all(|(key, value)| node.label(key) == value.as_str()) {
        return false;
    }
    let path = [
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
    ];
    let Some(required) = at(spec, &path) else {
        return true;
    };
    // Terms are alternatives; within one all must hold, and an empty one never does.
    list(required, &["nodeSelectorTerms"]).iter().any(|term| {
        let expressions = list(term, &["matchExpressions"]);
        let fields = list(term, &["matchFields"]);
        let name = |key: &str| (key == "metadata.name").then_some(&*node.name);
        !(expressions.is_empty() && fields.is_empty())
            && expressions.iter().all(|one| holds(one, |key| node.label(key)))
            && fields.iter().all(|one| holds(one, name))
    })
}

fn holds<'a>(expression: &Value, value_of: impl Fn(&str) -> Option<&'a str>) -> bool {
    let found = value_of(text(expression, &["key"]).unwrap_or_default());
    let values = list(expression, &["values"]);
    let listed = found.is_some_and(|found| values.iter().any(|value| value.as_str() == Some(found)));
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let bound = number(values.first().and_then(Value::as_str));
    let ordered = |order: fn(i64, i64) -> bool| {
        number(found)
            .zip(bound)
            .is_some_and(|(found, bound)| order(found, bound))
    };
    match text(expression, &["operator"]) {
        Some("In") => listed,
        Some("NotIn") => !listed,
        Some("Exists") => found.is_some(),
        Some("DoesNotExist") => found.is_none(),
        Some("Gt") => ordered(|found, bound| found > bound),
        Some("Lt") => ordered(|found, bound| found < bound),
        _ => false,
    }
}
