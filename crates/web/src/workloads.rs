//! Nodes and pods of a cluster as the page draws them: colours and bars as in Kubernetes Operational View (facts OV-1 to OV-5).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use model::quantity::Quantity;
use serde::Serialize;
use serde_json::Value;

/// How long a finished pod stays in the picture (fact OV-4).
const FINISHED_SHOWN: SignedDuration = SignedDuration::from_hours(1);
/// Labels that name the pool of a node: the original manager's, and its older one.
const POOL_LABELS: [&str; 2] = ["node.kubernetes.io/node-pool", "node-pool"];

/// What a pod looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PodState {
    /// Runs and is ready.
    Ready,
    /// Runs and is not ready.
    Unready,
    /// Waits for a node or its images.
    Pending,
    /// Crashes, cannot be started, failed, or is unknown.
    Broken,
    /// Has done its work.
    Succeeded,
    /// Is being deleted.
    Leaving,
}

impl PodState {
    /// The word, also in style classes.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unready => "unready",
            Self::Pending => "pending",
            Self::Broken => "broken",
            Self::Succeeded => "succeeded",
            Self::Leaving => "leaving",
        }
    }
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PodView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it looks like.
    pub state: PodState,
    /// Its phase, or the reason that a container waits for.
    pub status: String,
    /// Restarts of all containers.
    pub restarts: i64,
    /// Kind and name of what owns it; empty for a bare pod.
    pub owner: String,
    /// Requested millicores.
    pub cpu: i64,
    /// Requested bytes of memory.
    pub memory: i64,
}

/// A node with its pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its pool; empty when no label says it.
    pub pool: String,
    /// Its zone.
    pub zone: String,
    /// Its instance type.
    pub instance_type: String,
    /// Version of its kubelet.
    pub version: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it takes no new pods.
    pub cordoned: bool,
    /// Since when it is there.
    pub created: Option<Timestamp>,
    /// Millicores that it has, and that pods may use.
    pub cpu: (i64, i64),
    /// Bytes of memory that it has, and that pods may use.
    pub memory: (i64, i64),
    /// Its pods, by namespace and name.
    pub pods: Vec<PodView>,
}

impl NodeView {
    /// Millicores that its pods request.
    #[must_use]
    pub fn cpu_requested(&self) -> i64 {
        self.pods.iter().map(|pod| pod.cpu).sum()
    }

    /// Bytes of memory that its pods request.
    #[must_use]
    pub fn memory_requested(&self) -> i64 {
        self.pods.iter().map(|pod| pod.memory).sum()
    }
}

/// What runs in a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Workloads {
    /// Its nodes by pool and name.
    pub nodes: Vec<NodeView>,
    /// Pods without a node (fact OV-3).
    pub unassigned: Vec<PodView>,
}

impl Workloads {
    /// Reads Node and Pod objects of the API's version `v1`. What an object lacks is shown as empty; nothing is refused.
    #[must_use]
    pub fn of(nodes: &[Value], pods: &[Value], now: Timestamp) -> Self {
        let mut by_node: BTreeMap<&str, Vec<PodView>> = BTreeMap::new();
        for pod in pods.iter().filter(|pod| is_shown(pod, now)) {
            by_node
                .entry(text(pod, "/spec/nodeName"))
                .or_default()
                .push(pod_view(pod));
        }
        for list in by_node.values_mut() {
            list.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        }
        let mut seen: Vec<NodeView> = nodes
            .iter()
            .map(|node| node_view(node, by_node.remove(text(node, "/metadata/name")).unwrap_or_default()))
            .collect();
        seen.sort_by(|a, b| (&a.pool, &a.name).cmp(&(&b.pool, &b.name)));
        Self {
            nodes: seen,
            unassigned: by_node.remove("").unwrap_or_default(),
        }
    }

    /// All pods, those without a node last.
    pub fn pods(&self) -> impl Iterator<Item = &PodView> {
        self.nodes.iter().flat_map(|node| &node.pods).chain(&self.unassigned)
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer).parse().ok()
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Not shown: pods that ended more than an hour ago, and evicted ones (facts OV-4 and OV-5).
fn is_shown(pod: &Value, now: Timestamp) -> bool {
    if text(pod, "/status/reason") == "Evicted" {
        return false;
    }
    if !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") {
        return true;
    }
    let ends = list(pod, "/status/containerStatuses")
        .iter()
        .filter_map(|container| time(container, "/state/terminated/finishedAt"));
    ends.max().is_none_or(|end| now.duration_since(end) <= FINISHED_SHOWN)
}

fn is_true(object: &Value, kind: &str) -> bool {
    list(object, "/status/conditions")
        .iter()
        .any(|condition| text(condition, "/type") == kind && text(condition, "/status") == "True")
}

fn pod_view(pod: &Value) -> PodView {
    let containers = list(pod, "/status/containerStatuses");
    let waits = containers
        .iter()
        .map(|container| text(container, "/state/waiting/reason"))
        .find(|reason| !matches!(*reason, "" | "ContainerCreating" | "PodInitializing"));
    let phase = text(pod, "/status/phase");
    let state = match phase {
        _ if pod.pointer("/metadata/deletionTimestamp").is_some() => PodState::Leaving,
        _ if waits.is_some() => PodState::Broken,
        "Running" if is_true(pod, "Ready") => PodState::Ready,
        "Running" => PodState::Unready,
        "Pending" => PodState::Pending,
        "Succeeded" => PodState::Succeeded,
        _ => PodState::Broken,
    };
    let owner = list(pod, "/metadata/ownerReferences")
        .iter()
        .find(|owner| owner["controller"] == Value::Bool(true));
    let requests = |resource: &str, read: fn(&Quantity) -> Option<i64>| {
        let all = list(pod, "/spec/containers").iter();
        all.filter_map(|container| quantity(container, &format!("/resources/requests/{resource}"), read))
            .sum()
    };
    PodView {
        namespace: text(pod, "/metadata/namespace").to_owned(),
        name: text(pod, "/metadata/name").to_owned(),
        state,
        status: waits.unwrap_or(phase).to_owned(),
        restarts: containers
            .iter()
            .filter_map(|container| container["restartCount"].as_i64())
            .sum(),
        owner: owner.map_or_else(String::new, |owner| {
            format!("{} {}", text(owner, "/kind"), text(owner, "/name"))
        }),
        cpu: requests("cpu", Quantity::to_millis),
        memory: requests("memory", Quantity::to_units),
    }
}

fn quantity(object: &Value, pointer: &str, read: fn(&Quantity) -> Option<i64>) -> Option<i64> {
    let quantity: Quantity = text(object, pointer).parse().ok()?;
    read(&quantity)
}

fn node_view(node: &Value, pods: Vec<PodView>) -> NodeView {
    let label = |key: &str| node["metadata"]["labels"][key].as_str().unwrap_or_default();
    let amount = |list: &str, resource: &str, read: fn(&Quantity) -> Option<i64>| {
        quantity(node, &format!("/status/{list}/{resource}"), read).unwrap_or_default()
    };
    NodeView {
        name: text(node, "/metadata/name").to_owned(),
        pool: POOL_LABELS
            .iter()
            .map(|key| label(key))
            .find(|pool| !pool.is_empty())
            .unwrap_or_default()
            .to_owned(),
        zone: label("topology.kubernetes.io/zone").to_owned(),
        instance_type: label("node.kubernetes.io/instance-type").to_owned(),
        version: text(node, "/status/nodeInfo/kubeletVersion").to_owned(),
        ready: is_true(node, "Ready"),
        cordoned: node["spec"]["unschedulable"] == Value::Bool(true),
        created: time(node, "/metadata/creationTimestamp"),
        cpu: (
            amount("capacity", "cpu", Quantity::to_millis),
            amount("allocatable", "cpu", Quantity::to_millis),
        ),
        memory: (
            amount("capacity", "memory", Quantity::to_units),
            amount("allocatable", "memory", Quantity::to_units),
        ),
        pods,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, node: &str, status: Value) -> Value {
        let container = json!({"resources": {"requests": {"cpu": "250m", "memory": "64Mi"}}});
        json!({"metadata": {"namespace": "shop", "name": name}, "spec": {"nodeName": node, "containers": [container]}, "status": status})
    }

    #[test]
    fn pods_are_coloured_as_people_know_them() {
        let ready = json!([{"type": "Ready", "status": "True"}]);
        let crash = json!([{"restartCount": 7, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
        let mut leaving = pod("f", "n", json!({"phase": "Running", "conditions": ready}));
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-21T10:00:00Z");
        for (pod, state, status, restarts) in [
            (
                pod("a", "n", json!({"phase": "Running", "conditions": ready})),
                PodState::Ready,
                "Running",
                0,
            ),
            (
                pod("b", "n", json!({"phase": "Running"})),
                PodState::Unready,
                "Running",
                0,
            ),
            (
                pod("c", "", json!({"phase": "Pending"})),
                PodState::Pending,
                "Pending",
                0,
            ),
            (
                pod("d", "n", json!({"phase": "Running", "containerStatuses": crash})),
                PodState::Broken,
                "CrashLoopBackOff",
                7,
            ),
            (
                pod("e", "n", json!({"phase": "Succeeded"})),
                PodState::Succeeded,
                "Succeeded",
                0,
            ),
            (leaving, PodState::Leaving, "Running", 0),
            (pod("g", "n", json!({"phase": "Failed"})), PodState::Broken, "Failed", 0),
        ] {
            let view = pod_view(&pod);
            assert_eq!(
                (view.state, view.status.as_str(), view.restarts, view.cpu),
                (state, status, restarts, 250)
            );
        }
    }

    #[test]
    fn what_ended_long_ago_or_was_evicted_is_not_shown() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let ended = |at: &str| {
            let state = json!([{"state": {"terminated": {"finishedAt": at}}}]);
            pod("job", "n", json!({"phase": "Succeeded", "containerStatuses": state}))
        };
        for (pod, shown) in [
            (ended("2026-11-21T11:01:00Z"), true),
            (ended("2026-11-21T10:59:00Z"), false),
            (pod("x", "n", json!({"phase": "Failed"})), true),
            (pod("x", "n", json!({"phase": "Failed", "reason": "Evicted"})), false),
        ] {
            assert_eq!(is_shown(&pod, now), shown, "{pod}");
        }
    }

    #[test]
    fn nodes_have_their_pods_and_what_is_reserved() {
        let node = json!({
            "metadata": {"name": "n", "labels": {"node.kubernetes.io/node-pool": "workers"}},
            "spec": {"unschedulable": true},
            "status": {"capacity": {"cpu": "4"}, "allocatable": {"cpu": "3800m"}, "conditions": [{"type": "Ready", "status": "True"}]},
        });
        let pods = [
            pod("b", "n", json!({"phase": "Running"})),
            pod("a", "n", json!({"phase": "Running"})),
            pod("c", "", json!({})),
        ];
        let seen = Workloads::of(&[node], &pods, Timestamp::UNIX_EPOCH);
        let [node] = seen.nodes.as_slice() else {
            panic!("one node")
        };
        assert_eq!(
            (
                node.pool.as_str(),
                node.ready,
                node.cordoned,
                node.cpu,
                node.cpu_requested()
            ),
            ("workers", true, true, (4000, 3800), 500)
        );
        let names: Vec<_> = seen.pods().map(|pod| pod.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}
