//! Clusters that live, with the faults in front of their APIs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cli_args::SimProfile;
use jiff::Timestamp;
use kube_sim::{ApiServer, FaultPlan, FaultRule, FaultyApi, Identity, SnapshotError};
use kube_world::{EventDetail, NodeSpec, World};
use ports::Clock;
use serde_json::Value;
use twin::{ClusterSpec, Fleet, FleetSpec, PoolSpec, SharedFleet, TwinError};

/// The pool of the nodes, which their names begin with.
const POOL: &str = "worker";

/// What clusters begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning<'a> {
    /// How many clusters.
    pub(super) clusters: u16,
    /// How many nodes each.
    pub(super) nodes: u16,
    /// What runs in them.
    pub(super) profile: SimProfile,
    /// Everything random follows from it.
    pub(super) seed: u64,
    /// Objects that are there from the start, as YAML.
    pub(super) objects: Option<&'a str>,
}

/// One cluster.
#[derive(Debug)]
pub(super) struct Living {
    name: String,
    server: ApiServer,
    api: FaultyApi<ApiServer>,
    fleet: SharedFleet,
    faults: Mutex<Faults>,
}

/// The faults of an API, with what their names are made from.
#[derive(Debug)]
struct Faults {
    plan: FaultPlan,
    made: u32,
}

/// How a cluster does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) nodes: usize,
    pub(super) ready_nodes: usize,
    pub(super) pods: usize,
    pub(super) ready_pods: usize,
}

/// Makes clusters `sim-1`, `sim-2`, ... whose nodes are ready and whose workloads run, and what drives them.
///
/// # Errors
/// When the objects to begin with cannot be loaded.
pub(super) async fn begin(
    beginning: Beginning<'_>,
    clock: Arc<dyn Clock>,
) -> Result<(SharedFleet, Vec<Living>), TwinError> {
    let mut spec = FleetSpec::new(beginning.seed);
    for number in 1..=beginning.clusters {
        let kubelets = kube_world::Profile {
            events: EventDetail::Everything,
            ..kube_world::Profile::default()
        };
        let mut cluster = ClusterSpec::new(&format!("sim-{number}")).kubelets(kubelets).webhooks();
        if beginning.nodes > 0 {
            cluster = cluster.pool(PoolSpec::new(POOL, beginning.nodes.into()));
        }
        cluster.profile = twin_profile(beginning.profile);
        spec = spec.cluster(cluster);
    }
    let mut fleet = Fleet::build(spec, clock).await?;
    if let Some(text) = beginning.objects {
        for number in 1..=beginning.clusters {
            let name = format!("sim-{number}");
            let loaded = fleet.with(&name, |cluster| load_into(cluster.world_mut(), text))?;
            loaded.map_err(|source| TwinError::Objects { cluster: name, source })?;
        }
        fleet.settle().await;
    }
    let parts: Vec<_> = fleet
        .clusters()
        .iter()
        .map(|cluster| {
            (
                cluster.id().to_owned(),
                cluster.server().clone(),
                cluster.api(),
                cluster.seed(),
            )
        })
        .collect();
    let fleet = SharedFleet::new(fleet);
    let living = parts.into_iter().map(|(name, server, api, seed)| Living {
        name,
        server,
        api,
        fleet: fleet.clone(),
        faults: Mutex::new(Faults {
            plan: FaultPlan::new(seed),
            made: 0,
        }),
    });
    let living = living.collect();
    Ok((fleet, living))
}

fn twin_profile(profile: SimProfile) -> Option<twin::Profile> {
    match profile {
        SimProfile::Empty => None,
        SimProfile::Shop => Some(twin::Profile::Shop),
        SimProfile::Stateful => Some(twin::Profile::Stateful),
        SimProfile::Batch => Some(twin::Profile::Batch),
        SimProfile::Zalando => Some(twin::Profile::Zalando),
    }
}

/// Puts objects into a world; returns how many.
fn load_into(world: &mut World, text: &str) -> Result<usize, SnapshotError> {
    let count = world.server().load(text, Identity::Reassign)?;
    add_missing_machines(world);
    Ok(count)
}

impl Living {
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

    /// Cuts a machine off; false if there is none of that name.
    pub(super) async fn kill_node(&self, node: &str) -> bool {
        self.with_world(|world| world.kill_node(node)).await
    }

    /// Brings a machine back; false if there is none of that name.
    pub(super) async fn revive_node(&self, node: &str) -> bool {
        self.with_world(|world| world.revive_node(node)).await
    }

    /// Takes a machine away; false if there is none of that name.
    pub(super) async fn remove_node(&self, node: &str) -> bool {
        self.with_world(|world| world.remove_node(node)).await
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

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The faults of the API that are not over.
    pub(super) fn api_faults(&self) -> Vec<FaultRule> {
        let mut faults = self.faults();
        faults.drop_past(self.now());
        faults.plan.rules.clone()
    }

    /// Adds a fault of the API; it gets a name if it has none. False if there is one of that name.
    pub(super) fn add_api_fault(&self, mut rule: FaultRule) -> Option<FaultRule> {
        let mut faults = self.faults();
        faults.drop_past(self.now());
        let taken = |faults: &Faults, name: &str| faults.plan.rules.iter().any(|rule| rule.name == name);
        while rule.name.is_empty() {
            faults.made += 1;
            let name = format!("fault-{}", faults.made);
            if !taken(&faults, &name) {
                rule.name = name;
            }
        }
        if taken(&faults, &rule.name) {
            return None;
        }
        faults.plan.rules.push(rule.clone());
        self.api.set_plan(faults.plan.clone());
        Some(rule)
    }

    /// Ends one fault of the API, or all; returns the names of those that ended.
    pub(super) fn clear_api_faults(&self, name: Option<&str>) -> Vec<String> {
        let mut faults = self.faults();
        faults.drop_past(self.now());
        let (gone, kept) = std::mem::take(&mut faults.plan.rules)
            .into_iter()
            .partition::<Vec<_>, _>(|rule| name.is_none_or(|name| name == rule.name));
        faults.plan.rules = kept;
        self.api.set_plan(faults.plan.clone());
        gone.into_iter().map(|rule| rule.name).collect()
    }
}

impl Faults {
    fn drop_past(&mut self, now: Timestamp) {
        self.plan
            .rules
            .retain(|rule| rule.span.is_none_or(|(_, end)| end > now));
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
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    };
    let mut spec = NodeSpec::new(name);
    spec.labels = strings("/metadata/labels");
    spec.annotations = strings("/metadata/annotations");
    spec.capacity.extend(strings("/status/capacity"));
    spec.allocatable = strings("/status/allocatable");
    let taints = node.pointer("/spec/taints").and_then(Value::as_array);
    spec.taints = taints.cloned().unwrap_or_default();
    if let Some(id) = node.pointer("/spec/providerID").and_then(Value::as_str) {
        id.clone_into(&mut spec.provider_id);
    }
    if let Some(version) = node.pointer("/status/nodeInfo/kubeletVersion").and_then(Value::as_str) {
        version.clone_into(&mut spec.kubelet_version);
    }
    spec
}
