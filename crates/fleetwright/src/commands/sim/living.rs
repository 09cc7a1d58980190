//! Clusters that live, with the faults in front of their APIs.

mod begin;
mod harm;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cloud_sim::CloudSim;
use jiff::{SignedDuration, Timestamp};
use json_tree::Value;
use kube_sim::{ApiServer, FaultyApi, Identity, SnapshotError};
use kube_world::{NodeSpec, World};
use ports::Clock;
use ports::cloud::{Instance, Market};
use twin::{FleetLog, SharedFleet, TwinError};

pub(super) use begin::{Beginning, CloudBeginning, begin};
pub(super) use harm::{CloudRule, Harm};

use super::control::NodeAction;
use harm::Harms;

/// One cluster.
#[derive(Debug)]
pub(super) struct Living {
    name: String,
    server: ApiServer,
    api: FaultyApi<ApiServer>,
    /// The account that its nodes come from.
    cloud: Option<CloudSim>,
    fleet: SharedFleet,
    /// The clock of the simulation.
    clock: Arc<dyn Clock>,
    log: FleetLog,
    harms: Mutex<Harms>,
}

/// Why nothing was done to a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NodeError {
    /// There is no machine of that name.
    #[error("there is no machine {node:?} in {cluster}")]
    NoMachine { cluster: String, node: String },
    /// It is no spot instance.
    #[error("{0:?} is no spot instance: \"sim up --spot K\" begins with some")]
    NotSpot(String),
}

/// How a cluster does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) nodes: usize,
    pub(super) ready_nodes: usize,
    pub(super) pods: usize,
    pub(super) ready_pods: usize,
}

/// Puts objects into a world; returns how many.
fn load_into(world: &mut World, text: &str) -> Result<usize, SnapshotError> {
    let count = world.server().load(text, Identity::Reassign)?;
    add_missing_machines(world);
    Ok(count)
}

impl Living {
    #[expect(clippy::too_many_arguments, reason = "the parts of a cluster, given once")]
    fn new(
        name: String,
        server: ApiServer,
        api: FaultyApi<ApiServer>,
        cloud: Option<CloudSim>,
        seed: u64,
        fleet: &SharedFleet,
        clock: &Arc<dyn Clock>,
        log: &FleetLog,
    ) -> Self {
        Self {
            name,
            server,
            api,
            cloud,
            fleet: fleet.clone(),
            clock: clock.clone(),
            log: log.clone(),
            harms: Mutex::new(Harms::new(seed)),
        }
    }

    /// Its name, which is also that of its context.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The API that clients see, faults included.
    pub(super) fn api(&self) -> FaultyApi<ApiServer> {
        self.api.clone()
    }

    /// The time on its clock.
    pub(super) fn now(&self) -> Timestamp {
        self.server.now()
    }

    /// The name of a node.
    pub(super) fn first_node(&self) -> Option<String> {
        let nodes = self.server.read_all("", "nodes", "");
        let name = nodes.first()?.pointer("/metadata/name").and_then(Value::as_str);
        name.map(str::to_owned)
    }

    /// Counts nodes and pods.
    pub(super) fn counts(&self) -> Counts {
        let nodes = self.server.read_all("", "nodes", "");
        let pods = self.server.read_all("", "pods", "");
        let ready = |objects: &[Value]| objects.iter().filter(|object| is_ready(object)).count();
        Counts {
            nodes: nodes.len(),
            ready_nodes: ready(&nodes),
            pods: pods.len(),
            ready_pods: ready(&pods),
        }
    }

    /// Does something to a node's machine, or to the instance that it is.
    ///
    /// # Errors
    /// [`NodeError`].
    pub(super) async fn act_on_node(&self, node: &str, action: NodeAction) -> Result<(), NodeError> {
        self.note(format_args!("{} {node}", action.as_str()));
        let there = match (action, self.instance(node)) {
            (NodeAction::Kill, _) => self.with_world(|world| world.kill_node(node)).await,
            (NodeAction::Revive, _) => self.with_world(|world| world.revive_node(node)).await,
            (NodeAction::Remove, None) => self.with_world(|world| world.remove_node(node)).await,
            (NodeAction::Remove, Some((cloud, instance))) => {
                // The node goes with its instance, and the group sees that it is gone.
                let _fleet = self.fleet.hold().await;
                cloud.kill_instance(&instance.id);
                true
            }
            (NodeAction::SpotLoss, Some((cloud, instance))) if instance.market == Market::Spot => {
                let _fleet = self.fleet.hold().await;
                cloud.interrupt_spot(&instance.id);
                true
            }
            (NodeAction::SpotLoss, _) => {
                let known = self.with_world(|world| world.view().machine(node).is_some()).await;
                if known {
                    return Err(NodeError::NotSpot(node.to_owned()));
                }
                false
            }
        };
        if there {
            return Ok(());
        }
        Err(NodeError::NoMachine {
            cluster: self.name.clone(),
            node: node.to_owned(),
        })
    }

    /// The living instance behind a node.
    fn instance(&self, node: &str) -> Option<(&CloudSim, Instance)> {
        let cloud = self.cloud.as_ref()?;
        let mut all = cloud.instances_now().into_iter();
        let found = all.find(|instance| instance.private_dns == node && instance.state.is_alive());
        Some((cloud, found?))
    }

    /// Sets its clock forward, or (negative) back; returns what it shows then.
    pub(super) async fn set_clock(&self, by: SignedDuration) -> Timestamp {
        self.note(format_args!("clock set by {}s", by.as_secs_f64()));
        let mut fleet = self.fleet.hold().await;
        // The cluster is one of the fleet's.
        let _ = fleet.with(&self.name, |cluster| cluster.set_clock(by));
        self.now()
    }

    /// Reaches into the world; it answers nothing only if the cluster is not in the fleet.
    async fn with_world<R: Default>(&self, act: impl FnOnce(&mut World) -> R) -> R {
        let mut fleet = self.fleet.hold().await;
        fleet
            .with(&self.name, |cluster| act(cluster.world_mut()))
            .unwrap_or_default()
    }

    /// All objects as YAML.
    pub(super) fn snapshot(&self) -> String {
        self.server.export()
    }

    /// Puts objects in; returns how many.
    ///
    /// # Errors
    /// When the text is not a stream of objects that are served, or there is no such cluster; nothing is loaded then.
    pub(super) async fn load(&self, text: &str) -> Result<usize, TwinError> {
        let mut fleet = self.fleet.hold().await;
        let loaded = fleet.with(&self.name, |cluster| load_into(cluster.world_mut(), text))?;
        loaded.map_err(|source| TwinError::Objects {
            cluster: self.name.clone(),
            source,
        })
    }
}

fn is_ready(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let is = |condition: &&Value| condition["type"] == "Ready" && condition["status"] == "True";
    conditions.into_iter().flatten().any(|condition| is(&condition))
}

/// Nodes that came with a dump get the machines that they tell of; without one they would be lost within a minute.
fn add_missing_machines(world: &mut World) {
    let nodes = world.server().read_all("", "nodes", "");
    for node in nodes {
        let name = node.pointer("/metadata/name").and_then(Value::as_str);
        if let Some(name) = name.filter(|name| world.view().machine(name).is_none()) {
            let spec = machine_of(name, &node);
            world.add_node(spec);
        }
    }
}

/// The machine that a node tells of.
fn machine_of(name: &str, node: &Value) -> NodeSpec {
    let strings = |path: &str| -> BTreeMap<String, String> {
        let map = node.pointer(path).and_then(Value::as_object);
        map.into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.to_string(), value.as_str()?.to_owned())))
            .collect()
    };
    let mut spec = NodeSpec::new(name);
    spec.labels = strings("/metadata/labels");
    spec.annotations = strings("/metadata/annotations");
    spec.capacity.extend(strings("/status/capacity"));
    spec.allocatable = strings("/status/allocatable");
    let taints = node.pointer("/spec/taints").and_then(Value::as_array);
    spec.taints = taints.map(|taints| taints.to_vec()).unwrap_or_default();
    if let Some(id) = node.pointer("/spec/providerID").and_then(Value::as_str) {
        id.clone_into(&mut spec.provider_id);
    }
    if let Some(version) = node.pointer("/status/nodeInfo/kubeletVersion").and_then(Value::as_str) {
        version.clone_into(&mut spec.kubelet_version);
    }
    spec
}
