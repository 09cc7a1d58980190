//! Which node an instance is: labels and taints from its group's tags, capacity from its type.

use std::collections::BTreeMap;
use std::time::Duration;

use cloud_sim::{CloudSim, GroupSpec, LaunchTemplateSpec};
use json_tree::{Value, json};
use kube_world::NodeSpec;
use ports::cloud::{CloudError, Group, Instance, Market};
use ports::{Ids, SeededIds};

use crate::spec::{ClusterSpec, PoolSpec};

/// What tags say of a group's nodes begins with this (the original autoscaler's convention).
const TEMPLATE: &str = "k8s.io/cluster-autoscaler/node-template/";
/// The tag of groups that an autoscaler may change.
pub(super) const ENABLED: &str = "k8s.io/cluster-autoscaler/enabled";
/// The tag with the name of a pool.
const POOL: &str = "NodePool";

/// The tag that says whose an instance or group is.
pub(super) fn owner_tag(cluster: &str) -> String {
    format!("kubernetes.io/cluster/{cluster}")
}

/// Makes the launch template and group of a pool.
pub(crate) fn make_group(sim: &CloudSim, cluster: &ClusterSpec, pool: &PoolSpec) -> Result<(), CloudError> {
    let name = format!("{}-{}", cluster.id, pool.name);
    let mut template = LaunchTemplateSpec::new("ami-simulated", &pool.shape.instance_type);
    template.market = if pool.spot { Market::Spot } else { Market::OnDemand };
    sim.create_launch_template(&name, template)?;
    let mut group = GroupSpec::new(
        &name,
        &name,
        pool.min.min(pool.size),
        pool.size,
        pool.max.max(pool.size),
    );
    let owner = owner_tag(&cluster.id);
    group.propagated.extend([owner.clone(), POOL.to_owned()]);
    group.tags.insert(owner, "owned".to_owned());
    group.tags.insert(POOL.to_owned(), pool.name.clone());
    group.tags.insert(ENABLED.to_owned(), String::new());
    for (key, value) in pool.node_labels() {
        group.tags.insert(format!("{TEMPLATE}label/{key}"), value);
    }
    for (key, value, effect) in &pool.taints {
        group
            .tags
            .insert(format!("{TEMPLATE}taint/{key}"), format!("{value}:{effect}"));
    }
    sim.create_group(group)
}

/// The labels and taints that a group's tags give its nodes.
fn template(group: &Group) -> (BTreeMap<String, String>, Vec<Value>) {
    let (mut labels, mut taints) = (BTreeMap::new(), Vec::new());
    for (key, value) in &group.tags {
        if let Some(label) = key.strip_prefix(TEMPLATE).and_then(|key| key.strip_prefix("label/")) {
            labels.insert(label.to_owned(), value.clone());
        }
        if let Some(taint) = key.strip_prefix(TEMPLATE).and_then(|key| key.strip_prefix("taint/")) {
            let (value, effect) = value.rsplit_once(':').unwrap_or(("", value));
            taints.push(json!({"key": taint, "value": value, "effect": effect}));
        }
    }
    if let Some(pool) = group.tags.get(POOL) {
        labels.insert("node.kubernetes.io/node-pool".to_owned(), pool.clone());
    }
    (labels, taints)
}

/// Labels of the place and the type of a machine.
fn place(labels: &mut BTreeMap<String, String>, zone: &str, region: &str, instance_type: &str) {
    for (key, value) in [
        ("topology.kubernetes.io/zone", zone),
        ("topology.kubernetes.io/region", region),
        ("node.kubernetes.io/instance-type", instance_type),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
}

fn capacity(sim: &CloudSim, instance_type: &str) -> Vec<(&'static str, String)> {
    let known = sim.machine_type(instance_type);
    known.map_or_else(Vec::new, |known| {
        vec![
            ("cpu", known.vcpu.to_string()),
            ("memory", known.memory.to_string()),
            ("pods", known.max_pods.to_string()),
        ]
    })
}

/// The node that an instance becomes. Its kubelet takes half a minute to a minute, drawn from the instance's id, where the
/// cloud has its usual pace.
pub(super) fn node(sim: &CloudSim, region: &str, instance: &Instance) -> NodeSpec {
    let mut node = NodeSpec::new(&instance.private_dns);
    let group = instance.group.as_ref().and_then(|name| sim.group_now(name));
    if let Some(group) = &group {
        (node.labels, node.taints) = template(group);
    }
    place(&mut node.labels, &instance.zone, region, &instance.instance_type);
    for (resource, amount) in capacity(sim, &instance.instance_type) {
        node = node.capacity(resource, &amount);
    }
    let draw = SeededIds::child(0, &instance.id.to_string()).next_u64();
    node.provider_id = instance.provider_id();
    node.internal_ip = instance.private_ip.parse().ok();
    let percent = sim.timings().node_percent;
    let paced = |seconds: u64| Duration::from_secs(seconds) * percent / 100;
    node.boot_delay = paced(20 + draw % 30);
    node.ready_delay = (!sim.is_never_ready(&instance.id)).then(|| paced(5 + draw % 10));
    node
}

/// A node as the next instance of a group would be, as an object of the API.
pub(super) fn node_template(sim: &CloudSim, region: &str, group: &Group, instance_type: &str) -> Value {
    let (mut labels, taints) = template(group);
    let zone = group.zones.first().map(String::as_str).unwrap_or_default();
    place(&mut labels, zone, region, instance_type);
    let amounts: BTreeMap<&str, String> = capacity(sim, instance_type).into_iter().collect();
    json!({"metadata": {"name": format!("template-{}", group.name), "labels": labels}, "spec": {"taints": taints},
        "status": {"allocatable": amounts}})
}
