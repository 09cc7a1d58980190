//! The half of a kubelet that speaks for its node: it registers, tells that it is Ready, and mirrors static pods.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use json_tree::{Map, Value, json};
use kube_sim::UserInfo;

use super::conditions::{self, Wanted};
use super::heartbeats::micro;
use super::machine::{Machine, Power};
use crate::engine::{Action, Change, Controller, EventType, View, kubelet_user, seconds};
use crate::kind::{Key, Kind};

/// What a healthy kubelet says about its node besides Ready.
const HEALTHY: [Wanted<'static>; 3] = [
    Wanted {
        r#type: "MemoryPressure",
        status: "False",
        reason: "KubeletHasSufficientMemory",
        message: "kubelet has sufficient memory available",
    },
    Wanted {
        r#type: "DiskPressure",
        status: "False",
        reason: "KubeletHasNoDiskPressure",
        message: "kubelet has no disk pressure",
    },
    Wanted {
        r#type: "PIDPressure",
        status: "False",
        reason: "KubeletHasSufficientPID",
        message: "kubelet has sufficient PID available",
    },
];

fn ready(status: &'static str, message: &'static str) -> Wanted<'static> {
    Wanted {
        r#type: "Ready",
        status,
        reason: if status == "True" {
            "KubeletReady"
        } else {
            "KubeletNotReady"
        },
        message,
    }
}

/// Keeps the node objects of living machines.
#[derive(Debug)]
pub(super) struct NodeAgent;

impl Controller for NodeAgent {
    fn name(&self) -> &'static str {
        "kubelet"
    }

    fn user(&self, _view: &View<'_>, key: &Key) -> UserInfo {
        kubelet_user(&key.name)
    }

    fn host(&self, _view: &View<'_>, key: &Key) -> Option<Arc<str>> {
        Some(key.name.clone())
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        match change.key.kind {
            // A kubelet writes its status again where somebody else changed it, but registers only when it begins.
            Kind::NODE if !change.is_removal() && change.actor != self.name() => vec![change.key.clone()],
            Kind::POD => {
                let gone = change
                    .pod_before
                    .as_ref()
                    .filter(|pod| pod.mirror && change.is_removal());
                let node = gone.and_then(|pod| pod.node.as_ref());
                node.filter(|node| view.machine(node).is_some())
                    .map(|node| Key::new(Kind::NODE, "", node))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn machine_changed(&self, node: &str, _view: &View<'_>) -> Vec<Key> {
        vec![Key::new(Kind::NODE, "", node)]
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(machine) = view.machine(&key.name) else {
            return Vec::new();
        };
        match machine.power(view.now) {
            Power::Booting(at) => vec![Action::WakeAt(at)],
            Power::Dead(_) => Vec::new(),
            Power::ShuttingDown(_) => match view.object(key) {
                Some(node) => tell(key, &node, ready("False", "node is shutting down"), view.now),
                None => Vec::new(),
            },
            Power::Alive => match view.object(key) {
                Some(node) => self.keep(view, key, machine, &node),
                None => register(machine, view.now),
            },
        }
    }
}

impl NodeAgent {
    fn keep(&self, view: &View<'_>, key: &Key, machine: &Machine, node: &Value) -> Vec<Action> {
        let mut plan = Vec::new();
        let Some(delay) = machine.spec.ready_delay else {
            return plan;
        };
        let delay = SignedDuration::try_from(delay).unwrap_or_default();
        let at = machine.since.saturating_add(delay).unwrap_or(machine.since);
        if view.now < at {
            return vec![Action::WakeAt(at)];
        }
        if view.stored(Kind::LEASE, LEASES, &key.name).is_none() {
            plan.push(lease(key, node, view.now));
        }
        let was = conditions::status(conditions::list(node), "Ready");
        plan.extend(tell(
            key,
            node,
            ready("True", "kubelet is posting ready status"),
            view.now,
        ));
        if was != "True" {
            plan.push(Action::Event {
                about: key.clone(),
                event_type: EventType::Normal,
                reason: "NodeReady".to_owned(),
                message: format!("Node {} status is now: NodeReady", key.name),
            });
        }
        plan.extend(mirrors(view, machine, node));
        plan
    }
}

const LEASES: &str = "kube-node-lease";

/// Brings the conditions to what the kubelet has to say.
fn tell(key: &Key, node: &Value, ready: Wanted<'_>, now: Timestamp) -> Vec<Action> {
    let mut list = conditions::list(node).to_vec();
    let mut changed = false;
    for wanted in HEALTHY.into_iter().chain([ready]) {
        changed |= conditions::set(&mut list, wanted, true, now);
    }
    if !changed {
        return Vec::new();
    }
    vec![Action::PatchStatus {
        key: key.clone(),
        patch: json!({"status": {"conditions": list}}),
    }]
}

fn register(machine: &Machine, now: Timestamp) -> Vec<Action> {
    let spec = &machine.spec;
    let mut labels: Map = Map::new();
    for (key, value) in [
        ("beta.kubernetes.io/arch", "amd64"),
        ("beta.kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/hostname", spec.name.as_str()),
        ("kubernetes.io/os", "linux"),
    ] {
        labels.insert(key, value.into());
    }
    labels.extend(
        spec.labels
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().into())),
    );
    let mut taints = spec.taints.clone();
    taints.push(json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}));
    let mut allocatable = spec.capacity.clone();
    allocatable.extend(spec.allocatable.clone());
    let mut list = Vec::new();
    let waiting = ready(
        "False",
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady",
    );
    for wanted in HEALTHY.into_iter().chain([waiting]) {
        conditions::set(&mut list, wanted, true, now);
    }
    let network = format!("{}/24", machine.pod_network());
    let mut node = json!({
        "metadata": {"name": spec.name, "labels": labels},
        "spec": {"podCIDR": network, "podCIDRs": [network], "taints": taints},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": machine.address().to_string()},
                {"type": "Hostname", "address": spec.name}],
            "capacity": spec.capacity, "allocatable": allocatable, "conditions": list,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.1.4",
                "kernelVersion": "6.12.0", "kubeProxyVersion": "", "kubeletVersion": spec.kubelet_version,
                "machineID": "", "operatingSystem": "linux", "osImage": "Simulated Linux", "systemUUID": ""}}});
    if !spec.annotations.is_empty() {
        node["metadata"]["annotations"] = json!(spec.annotations);
    }
    if !spec.provider_id.is_empty() {
        node["spec"]["providerID"] = spec.provider_id.as_str().into();
    }
    // The next turn tells that the node is Ready; it comes at once unless that takes time.
    vec![
        Action::Create {
            kind: Kind::NODE,
            object: node,
        },
        Action::WakeAt(now),
    ]
}

fn lease(key: &Key, node: &Value, now: Timestamp) -> Action {
    let object = json!({
        "metadata": {"name": &*key.name, "namespace": LEASES, "ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": &*key.name, "uid": node.pointer("/metadata/uid")}]},
        "spec": {"holderIdentity": &*key.name, "leaseDurationSeconds": 40, "renewTime": micro(now)}});
    Action::Create {
        kind: Kind::LEASE,
        object,
    }
}

/// The mirrors that are missing of the machine's static pods.
fn mirrors(view: &View<'_>, machine: &Machine, node: &Value) -> Vec<Action> {
    let spec = &machine.spec;
    let mut plan = Vec::new();
    for manifest in &spec.static_pods {
        let text = |path: &str| manifest.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let namespace = match text("/metadata/namespace") {
            "" => "default",
            named => named,
        };
        let name = format!("{}-{}", text("/metadata/name"), spec.name);
        if view.pod(namespace, &name).is_some() {
            continue;
        }
        let mut pod = manifest.clone();
        pod["metadata"]["name"] = name.into();
        pod["metadata"]["namespace"] = namespace.into();
        let began = seconds(view.now);
        for (key, value) in [
            ("kubernetes.io/config.mirror", spec.name.as_str()),
            ("kubernetes.io/config.source", "file"),
            ("kubernetes.io/config.seen", began.as_str()),
        ] {
            pod["metadata"]["annotations"][key] = value.into();
        }
        pod["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "v1", "kind": "Node", "name": spec.name, "uid": node.pointer("/metadata/uid"), "controller": true}]);
        pod["spec"]["nodeName"] = spec.name.as_str().into();
        pod["spec"]["tolerations"] = json!([{"operator": "Exists", "effect": "NoExecute"}]);
        plan.push(Action::Create {
            kind: Kind::POD,
            object: pod,
        });
    }
    plan
}
