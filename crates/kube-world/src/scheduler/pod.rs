//! A pod as the scheduler sees it: a small record of its own, and a class that equal pods share.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use json_tree::Value;

use super::read::{self, Labels};
use super::resources::Requests;
use super::selector::{NodeTerm, Requirement, Selector};
use super::taints::{Taint, Toleration, repelled};
use super::terms::{PodAffinity, Spread};

/// A port of the node that a container binds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// The address; `0.0.0.0` is all of them.
    pub address: String,
    /// The port number.
    pub port: i32,
}

impl HostPort {
    /// Whether both cannot be bound on one node.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        const ALL: &str = "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (self.address == other.address || self.address == ALL || other.address == ALL)
    }
}

/// Which nodes a pod accepts by the nodes' own properties; many classes share the same rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct NodeRules {
    /// The required conditions of `nodeSelector`.
    pub node_selector: Vec<Requirement>,
    /// Required node affinity: one of these terms; `None` when there is no such rule.
    pub required: Option<Vec<NodeTerm>>,
    /// Preferred node affinity with weights.
    pub preferred: Vec<(i64, NodeTerm)>,
    /// Taints that the pod bears.
    pub tolerations: Vec<Toleration>,
}

impl NodeRules {
    /// Reads a pod's `spec`.
    #[must_use]
    pub fn from_json(spec: &Value) -> Self {
        let affinity = ["affinity", "nodeAffinity"];
        let required = [&affinity[..], &["requiredDuringSchedulingIgnoredDuringExecution"]].concat();
        let preferred = [&affinity[..], &["preferredDuringSchedulingIgnoredDuringExecution"]].concat();
        let weighted = |term: &Value| {
            let weight = i64::from(read::int32(term, &["weight"])?);
            (weight != 0).then(|| Some((weight, NodeTerm::from_json(term.get("preference")?))))?
        };
        let selector = read::labels(spec, &["nodeSelector"]);
        Self {
            node_selector: selector
                .iter()
                .map(|(key, value)| Requirement::equals(key, value))
                .collect(),
            required: read::at(spec, &required).filter(|rule| rule.is_object()).map(|rule| {
                read::list(rule, &["nodeSelectorTerms"])
                    .iter()
                    .map(NodeTerm::from_json)
                    .collect()
            }),
            preferred: read::list(spec, &preferred).iter().filter_map(weighted).collect(),
            tolerations: read::list(spec, &["tolerations"])
                .iter()
                .filter_map(Toleration::from_json)
                .collect(),
        }
    }

    /// Whether node selector and required node affinity accept a node.
    #[must_use]
    pub fn accept(&self, name: &str, labels: &Labels) -> bool {
        self.accept_with(name, |key| labels.get(key).map(String::as_str))
    }

    /// The same for a node whose labels this function looks up.
    pub fn accept_with<'l>(&self, name: &str, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        let mut terms = self.required.iter().map(|terms| terms.iter());
        self.node_selector
            .iter()
            .all(|condition| condition.matches_with(&label))
            && terms.all(|mut terms| terms.any(|term| term.matches_with(name, &label)))
    }

    /// Whether a node with these taints repels pods with these rules.
    #[must_use]
    pub fn repelled_by(&self, taints: &[Taint]) -> bool {
        repelled(&self.tolerations, taints)
    }

    /// The nodes that the rules are bound to by name, if they are (as the pods of a DaemonSet).
    #[must_use]
    pub fn names(&self) -> Option<BTreeSet<String>> {
        let terms = self.required.as_ref().filter(|terms| !terms.is_empty())?;
        let mut names = BTreeSet::new();
        for term in terms {
            names.extend(term.names()?);
        }
        Some(names)
    }
}

/// Everything of a pod that decides where it can go; equal pods (replicas) share one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PodClass {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's labels.
    pub labels: Labels,
    /// Its priority.
    pub priority: i32,
    /// Whether it may evict others (`preemptionPolicy` is not `Never`).
    pub preempts: bool,
    /// What it asks of a node.
    pub requests: Requests,
    /// Ports of the node that it binds.
    pub ports: Vec<HostPort>,
    /// Rules about nodes.
    pub rules: NodeRules,
    /// Rules about other pods.
    pub affinity: PodAffinity,
    /// Rules about even spreading; those of the cluster's defaults included.
    pub spread: Vec<Spread>,
    /// Whether `spread` is the cluster's default, which does not need nodes to have all the labels.
    pub default_spread: bool,
}

/// A pod as it enters the scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
    /// What it shares with equal pods.
    pub class: PodClass,
    /// `spec.schedulerName`.
    pub scheduler_name: String,
    /// `spec.nodeName`: the node that it is bound to.
    pub node: Option<String>,
    /// `status.nominatedNodeName`: where room is being made for it.
    pub nominated: Option<String>,
    /// Names of `spec.schedulingGates`, which keep it out of the queue.
    pub gates: Vec<String>,
    /// Claims that it mounts, by name in its namespace; `true` for one that is made for this pod (`ephemeral`).
    pub claims: Vec<(String, bool)>,
    /// When it was made, or started if it has been.
    pub since: Timestamp,
    /// `Succeeded` or `Failed`: it needs nothing any more.
    pub finished: bool,
    /// It has a deletion timestamp.
    pub terminating: bool,
    /// Its termination is this scheduler's doing (condition `DisruptionTarget`, reason `PreemptionByScheduler`).
    pub preempted: bool,
}

impl Pod {
    /// Reads a pod object. `default_selector` is what the cluster's default spreading counts for it
    /// ([`default_selector`](super::default_selector)); it applies to pods without own constraints.
    ///
    /// Missing members take the API's defaults, so any object that the API accepted can be read.
    #[must_use]
    pub fn from_json(pod: &Value, default_selector: Option<&Selector>) -> Self {
        let text = |path: &[&str]| read::text(pod, path).unwrap_or_default().to_owned();
        let name = text(&["metadata", "name"]);
        let phase = read::text(pod, &["status", "phase"]);
        let created = read::instant(pod, &["metadata", "creationTimestamp"]);
        let named = |path: &[&str]| read::text(pod, path).filter(|name| !name.is_empty()).map(str::to_owned);
        Self {
            uid: text(&["metadata", "uid"]).into(),
            class: class_of(pod, default_selector),
            scheduler_name: named(&["spec", "schedulerName"]).unwrap_or_else(|| "default-scheduler".to_owned()),
            node: named(&["spec", "nodeName"]),
            nominated: named(&["status", "nominatedNodeName"]),
            gates: gates_of(pod),
            claims: claims_of(pod, &name),
            since: read::instant(pod, &["status", "startTime"])
                .or(created)
                .unwrap_or(Timestamp::UNIX_EPOCH),
            finished: matches!(phase, Some("Succeeded" | "Failed")),
            terminating: read::at(pod, &["metadata", "deletionTimestamp"]).is_some_and(|when| !when.is_null()),
            preempted: is_preempted(pod),
            name: name.into(),
        }
    }

    /// `namespace/name`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.class.namespace, self.name)
    }
}

fn gates_of(pod: &Value) -> Vec<String> {
    let name = |gate: &Value| read::text(gate, &["name"]).map(str::to_owned);
    read::list(pod, &["spec", "schedulingGates"])
        .iter()
        .filter_map(name)
        .collect()
}

/// Whether a pod's termination is a scheduler's doing.
pub(super) fn is_preempted(pod: &Value) -> bool {
    read::list(pod, &["status", "conditions"]).iter().any(|condition| {
        let says = |field: &str, word: &str| read::text(condition, &[field]) == Some(word);
        says("type", "DisruptionTarget") && says("status", "True") && says("reason", "PreemptionByScheduler")
    })
}

fn claims_of(pod: &Value, pod_name: &str) -> Vec<(String, bool)> {
    let claim = |volume: &Value| {
        if let Some(name) = read::text(volume, &["persistentVolumeClaim", "claimName"]) {
            return Some((name.to_owned(), false));
        }
        volume.get("ephemeral").filter(|source| source.is_object())?;
        Some((format!("{pod_name}-{}", read::text(volume, &["name"])?), true))
    };
    read::list(pod, &["spec", "volumes"]).iter().filter_map(claim).collect()
}

fn class_of(pod: &Value, default_selector: Option<&Selector>) -> PodClass {
    let null = Value::Null;
    let spec = pod.get("spec").unwrap_or(&null);
    let namespace = read::text(pod, &["metadata", "namespace"])
        .unwrap_or_default()
        .to_owned();
    let labels = read::labels(pod, &["metadata", "labels"]);
    let own = read::list(spec, &["topologySpreadConstraints"]);
    let (spread, default_spread) = match default_selector {
        Some(selector) if own.is_empty() => (Spread::cluster_defaults(selector), true),
        _ => (
            own.iter()
                .map(|constraint| Spread::from_json(constraint, &labels))
                .collect(),
            false,
        ),
    };
    PodClass {
        priority: read::int32(spec, &["priority"]).unwrap_or_default(),
        preempts: read::text(spec, &["preemptionPolicy"]) != Some("Never"),
        requests: Requests::of_pod(spec),
        ports: ports_of(spec),
        rules: NodeRules::from_json(spec),
        affinity: PodAffinity::from_json(spec.get("affinity"), &namespace, &labels),
        spread,
        default_spread,
        namespace,
        labels,
    }
}

fn ports_of(spec: &Value) -> Vec<HostPort> {
    let sidecar = |container: &&Value| read::text(container, &["restartPolicy"]) == Some("Always");
    let init = read::list(spec, &["initContainers"]).iter().filter(sidecar);
    let containers = read::list(spec, &["containers"]).iter().chain(init);
    let ports = containers.flat_map(|container| read::list(container, &["ports"]));
    let host_port = |port: &Value| {
        let number = read::int32(port, &["hostPort"]).filter(|number| *number > 0)?;
        let named = |name: &str, default: &str| match read::text(port, &[name]).unwrap_or_default() {
            "" => default.to_owned(),
            text => text.to_owned(),
        };
        Some(HostPort {
            protocol: named("protocol", "TCP"),
            address: named("hostIP", "0.0.0.0"),
            port: number,
        })
    };
    ports.filter_map(host_port).collect()
}
