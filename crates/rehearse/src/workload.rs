//! What runs in the twin: how many nodes its pools have, and how the objects of a real cluster come to stand on them.

use std::collections::{BTreeMap, BTreeSet};

use json_tree::{Value, json};
use kube_sim::ApiServer;
use model::NodePool;
use ports::{Ids, SeededIds};
use twin::{ClusterSpec, PoolSpec, Shape};

use crate::scenario::{ClusterInput, Workload};

/// Kinds that are taken over from a real cluster, in the order in which they are put into the twin: owners first.
const KINDS: [(&str, &str, &str, &str); 18] = [
    ("Namespace", "v1", "", "namespaces"),
    ("StorageClass", "storage.k8s.io/v1", "storage.k8s.io", "storageclasses"),
    (
        "PriorityClass",
        "scheduling.k8s.io/v1",
        "scheduling.k8s.io",
        "priorityclasses",
    ),
    ("ServiceAccount", "v1", "", "serviceaccounts"),
    ("Service", "v1", "", "services"),
    ("PersistentVolume", "v1", "", "persistentvolumes"),
    ("PersistentVolumeClaim", "v1", "", "persistentvolumeclaims"),
    ("PodDisruptionBudget", "policy/v1", "policy", "poddisruptionbudgets"),
    ("Deployment", "apps/v1", "apps", "deployments"),
    ("StatefulSet", "apps/v1", "apps", "statefulsets"),
    ("DaemonSet", "apps/v1", "apps", "daemonsets"),
    ("CronJob", "batch/v1", "batch", "cronjobs"),
    ("Job", "batch/v1", "batch", "jobs"),
    (
        "HorizontalPodAutoscaler",
        "autoscaling/v2",
        "autoscaling",
        "horizontalpodautoscalers",
    ),
    ("ReplicaSet", "apps/v1", "apps", "replicasets"),
    ("ReplicationController", "v1", "", "replicationcontrollers"),
    ("ControllerRevision", "apps/v1", "apps", "controllerrevisions"),
    ("Pod", "v1", "", "pods"),
];
/// Owners without which a pod does not come back.
const MAKERS: [&str; 4] = ["ReplicaSet", "StatefulSet", "DaemonSet", "Job"];
/// How old workloads of a profile are at most, in hours.
const OLDEST: u64 = 240;

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn kind(object: &Value) -> &str {
    text(object, "/kind")
}

/// The pool that a node belongs to.
fn pool_of(node: &Value) -> String {
    let labels = node.pointer("/metadata/labels");
    let find = |key: &&str| labels.and_then(|labels| labels.get(*key)).and_then(Value::as_str);
    let label = disruption::POOL_LABELS.iter().find_map(find);
    label.unwrap_or_default().to_owned()
}

fn zone_of(node: &Value) -> &str {
    let zone = node
        .pointer("/metadata/labels")
        .and_then(|labels| labels.get(disruption::ZONE_LABEL));
    zone.and_then(Value::as_str).unwrap_or_default()
}

/// How many nodes each pool begins with: as many as were seen, else a third of the way between its bounds.
pub(crate) fn sizes(of: &ClusterInput) -> BTreeMap<String, u32> {
    let size = |pool: &NodePool| -> u32 {
        let count = |size: i64| u32::try_from(size.max(0)).unwrap_or(u32::MAX);
        let (min, max) = (count(pool.min_size), count(pool.max_size));
        match &of.workload {
            Workload::Profile(_) => min + max.saturating_sub(min) / 3,
            Workload::Objects { objects, .. } => {
                let nodes = objects.iter().filter(|object| kind(object) == "Node");
                let seen = nodes.filter(|node| pool_of(node) == pool.name.as_str()).count();
                u32::try_from(seen).unwrap_or(u32::MAX).clamp(min, max.max(min))
            }
        }
    };
    let pools = of.cluster.node_pools.iter();
    pools.map(|pool| (pool.name.to_string(), size(pool))).collect()
}

/// A pool with what its nodes are like.
pub(crate) fn pool_spec(pool: &NodePool, size: u32, shape: Shape) -> PoolSpec {
    let count = |size: i64| u32::try_from(size.max(0)).unwrap_or(u32::MAX);
    let mut spec = PoolSpec::new(pool.name.as_str(), size)
        .bounds(count(pool.min_size), count(pool.max_size))
        .shape(shape);
    spec.spot = pool.is_spot();
    for (key, value) in pairs(pool.config_items.get("labels").map_or("", String::as_str), '=') {
        spec = spec.label(key, value);
    }
    for (key, rest) in pairs(pool.config_items.get("taints").map_or("", String::as_str), '=') {
        let (value, effect) = rest.split_once(':').unwrap_or((rest, "NoSchedule"));
        spec = spec.taint(key, value, effect);
    }
    if pool.profile.contains("master") {
        spec = spec.taint("node-role.kubernetes.io/control-plane", "", "NoSchedule");
    }
    spec
}

/// `a=b,c=d` taken apart.
fn pairs(text: &str, between: char) -> impl Iterator<Item = (&str, &str)> {
    text.split(',')
        .filter_map(move |pair| pair.trim().split_once(between))
        .filter(|(key, _)| !key.is_empty())
}

/// Adds the pools to a cluster of the twin.
pub(crate) fn with_pools(mut spec: ClusterSpec, of: &ClusterInput, shape: impl Fn(&str) -> Shape) -> ClusterSpec {
    let sizes = sizes(of);
    for pool in &of.cluster.node_pools {
        let machine = pool.instance_types.first().map_or("", String::as_str);
        let size = sizes.get(pool.name.as_str()).copied().unwrap_or(0);
        spec = spec.pool(pool_spec(pool, size, shape(machine)));
    }
    spec
}

/// What is wrong with the objects of a real cluster, before anything is built from them.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn check(objects: &[Value]) -> Result<(), String> {
    let known: BTreeSet<(&str, &str, &str)> = objects
        .iter()
        .map(|object| {
            (
                kind(object),
                text(object, "/metadata/namespace"),
                text(object, "/metadata/name"),
            )
        })
        .collect();
    for pod in objects.iter().filter(|object| kind(object) == "Pod") {
        let Some(owner) = controller(pod).filter(|owner| MAKERS.contains(&kind(owner))) else {
            continue;
        };
        let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
        let key = (kind(owner), namespace, text(owner, "/name"));
        if !known.contains(&key) && !finished(pod) {
            return Err(format!(
                "pod {namespace}/{name} belongs to {} {}, which is not among the objects: the twin could not bring it back; \
                 dump deployments, replicasets, statefulsets, daemonsets and jobs as well",
                key.0, key.2
            ));
        }
    }
    Ok(())
}

fn controller(object: &Value) -> Option<&Value> {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array)?;
    owners
        .iter()
        .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))
}

fn finished(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// The objects of a real cluster, as they stand on the nodes of the twin.
#[derive(Debug, Default)]
pub(crate) struct Adopted {
    /// What is put into the twin, owners first.
    pub(crate) objects: Vec<Value>,
    /// Nodes of the twin with the real nodes that they stand for.
    pub(crate) stands_for: BTreeMap<String, String>,
}

/// Finds a node of the twin for each real one, of the same pool and zone where it can be, and moves the pods there. What the
/// configuration has made in the twin already is not taken a second time, and neither is what it owns.
pub(crate) fn adopt(objects: &[Value], server: &ApiServer) -> Adopted {
    let mut adopted = Adopted::default();
    let places = match_nodes(objects, server, &mut adopted);
    let mut passed_over: BTreeSet<&str> = BTreeSet::new();
    for (wanted, api_version, group, resource) in KINDS {
        for object in objects.iter().filter(|object| kind(object) == wanted) {
            let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
            let owner = controller(object).map(|owner| text(owner, "/uid"));
            let here = wanted != "Pod" && server.read(group, resource, namespace, name).is_some();
            if here || owner.is_some_and(|uid| passed_over.contains(uid)) {
                passed_over.insert(text(object, "/metadata/uid"));
                continue;
            }
            if let Some(object) = fitted(object, api_version, &places) {
                adopted.objects.push(object);
            }
        }
    }
    adopted
}

/// Real nodes by name, with the nodes of the twin that they become.
fn match_nodes(objects: &[Value], server: &ApiServer, adopted: &mut Adopted) -> BTreeMap<String, String> {
    let mut free: Vec<Value> = server.read_all("", "nodes", "");
    let mut real: Vec<&Value> = objects.iter().filter(|object| kind(object) == "Node").collect();
    real.sort_by_key(|node| text(node, "/metadata/name"));
    let mut places = BTreeMap::new();
    // Those that find a node in their zone come first, so that volumes stay reachable.
    for same_zone in [true, false] {
        real.retain(|node| {
            let fits = |own: &Value| pool_of(own) == pool_of(node) && (!same_zone || zone_of(own) == zone_of(node));
            let Some(at) = free.iter().position(fits) else {
                return true;
            };
            let mut own = free.remove(at);
            let (name, place) = (
                text(node, "/metadata/name").to_owned(),
                text(&own, "/metadata/name").to_owned(),
            );
            adopted.stands_for.insert(place.clone(), name.clone());
            places.insert(name, place);
            take_over(&mut own, node);
            adopted.objects.push(own);
            false
        });
    }
    places
}

/// Age and own labels of the real node.
fn take_over(own: &mut Value, real: &Value) {
    if let Some(created) = real.pointer("/metadata/creationTimestamp") {
        own["metadata"]["creationTimestamp"] = created.clone();
    }
    let labels = real.pointer("/metadata/labels").and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        let known = own
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get(key))
            .is_some();
        // A mark of a rollout that was under way is not carried into the twin.
        if !known && key != disruption::marking::LIFECYCLE_STATUS {
            own["metadata"]["labels"][key] = value.clone();
        }
    }
}

/// An object as the twin can hold it; nothing for pods that do not live.
fn fitted(object: &Value, api_version: &str, places: &BTreeMap<String, String>) -> Option<Value> {
    let mut object = object.clone();
    object["apiVersion"] = api_version.into();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        metadata.remove("resourceVersion");
    }
    if kind(&object) != "Pod" {
        return Some(object);
    }
    let of_node = controller(&object).is_some_and(|owner| kind(owner) == "Node");
    if finished(&object) || of_node || object.pointer("/metadata/deletionTimestamp").is_some() {
        return None;
    }
    match places.get(text(&object, "/spec/nodeName")) {
        Some(place) => object["spec"]["nodeName"] = place.as_str().into(),
        None => {
            if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                spec.remove("nodeName");
            }
            object["status"] = json!({"phase": "Pending"});
        }
    }
    Some(object)
}

/// Pods of a profile with the ages that their owners have: between an hour and ten days, drawn from the seed. Without them
/// every pod would be younger than the minimum lifetime of the contract.
pub(crate) fn aged(server: &ApiServer, seed: u64) -> Vec<Value> {
    let now = server.now();
    let mut pods = server.read_all("", "pods", "");
    for pod in &mut pods {
        let owner = controller(pod).map_or_else(|| text(pod, "/metadata/name"), |owner| text(owner, "/name"));
        let name = format!("{}/{owner}", text(pod, "/metadata/namespace"));
        let hours = 1 + SeededIds::child(seed, &name).next_u64() % OLDEST;
        let age = jiff::SignedDuration::from_hours(i64::try_from(hours).unwrap_or(1));
        let created = now.saturating_sub(age).unwrap_or(now);
        pod["metadata"]["creationTimestamp"] = created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
        pod["kind"] = "Pod".into();
        pod["apiVersion"] = "v1".into();
    }
    pods
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_whose_maker_is_missing_is_refused_by_name() {
        let owners = json!([{"kind": "ReplicaSet", "name": "cart-1", "controller": true}]);
        let pod =
            json!({"kind": "Pod", "metadata": {"namespace": "shop", "name": "cart-1-x", "ownerReferences": owners}});
        let set = json!({"kind": "ReplicaSet", "metadata": {"namespace": "shop", "name": "cart-1"}});
        assert_eq!(check(&[pod.clone(), set]), Ok(()));
        let error = check(std::slice::from_ref(&pod)).unwrap_err();
        assert!(
            error.starts_with("pod shop/cart-1-x belongs to ReplicaSet cart-1, which is not among"),
            "{error}"
        );
        let mut over = pod;
        over["status"] = json!({"phase": "Succeeded"});
        assert_eq!(check(&[over]), Ok(()));
    }

    #[test]
    fn items_of_a_pool_become_labels_and_taints() {
        let pool: NodePool = json_tree::from_value(
            &json!({"name": "gpu", "profile": "worker-combined", "instance_types": ["g5.xlarge"],
            "discount_strategy": "spot_max_price", "min_size": 1, "max_size": 4,
            "config_items": {"labels": "dedicated=gpu, a=b", "taints": "dedicated=gpu:NoExecute"}}),
        )
        .unwrap();
        let spec = pool_spec(&pool, 2, Shape::default());
        assert_eq!(spec.labels.get("dedicated").map(String::as_str), Some("gpu"));
        assert_eq!(spec.labels.get("a").map(String::as_str), Some("b"));
        assert_eq!(
            spec.taints,
            [("dedicated".to_owned(), "gpu".to_owned(), "NoExecute".to_owned())]
        );
        assert!(spec.spot && (spec.size, spec.min, spec.max) == (2, 1, 4));
    }
}
