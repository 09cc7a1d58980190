//! Clusters that live: an API each, the world around it, and the faults in front of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use kube_sim::{ApiServer, FaultPlan, FaultRule, FaultyApi, Identity, LoopbackWebhooks, SnapshotError};
use kube_world::scheduler::KubeScheduler;
use kube_world::{EventDetail, NodeSpec, Profile, SharedWorld, World, controllers};
use ports::{Clock, SeededIds};
use serde_json::Value;

use super::pace::PacedClock;

/// How long the clusters have lived when their users first see them.
const HISTORY: SignedDuration = SignedDuration::from_mins(10);
/// The zones that nodes are spread over.
const ZONES: [&str; 3] = ["sim-a", "sim-b", "sim-c"];

/// What a cluster begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning<'a> {
    /// How many nodes.
    pub(super) nodes: u16,
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
    world: SharedWorld,
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

impl Living {
    /// Makes a cluster and lets it live through its first minutes on a clock that stands at its beginning.
    ///
    /// # Errors
    /// When the objects cannot be loaded.
    pub(super) async fn begin(
        name: &str,
        clock: &Arc<PacedClock>,
        beginning: Beginning<'_>,
    ) -> Result<Self, SnapshotError> {
        let seed = beginning.seed;
        let child = |purpose: &str| Arc::new(SeededIds::child(seed, &format!("{name}/{purpose}")));
        let server = ApiServer::builder(clock.clone(), child("api"))
            .webhooks(Arc::new(LoopbackWebhooks::new()))
            .build();
        if let Some(text) = beginning.objects {
            server.load(text, Identity::Reassign)?;
        }
        let profile = Profile {
            events: EventDetail::Everything,
            ..Profile::default()
        };
        let mut world = World::builder(server.clone())
            .seed(seed)
            .profile(profile)
            .controllers(controllers())
            .scheduler(Box::new(KubeScheduler::new(child("scheduler"))))
            .build();
        add_missing_machines(&mut world);
        for (number, zone) in (1..=beginning.nodes).zip(ZONES.iter().cycle()) {
            world.add_node(
                NodeSpec::new(&format!("{name}-node-{number}"))
                    .label("topology.kubernetes.io/zone", zone)
                    .label("node.kubernetes.io/instance-type", "sim.xlarge"),
            );
        }
        let now = clock.now();
        let born = now.saturating_add(HISTORY).unwrap_or(now);
        world.advance_to(clock.steps(), born).await;
        let plan = FaultPlan::new(seed);
        Ok(Self {
            name: name.to_owned(),
            api: FaultyApi::over(server.clone(), plan.clone()),
            server,
            world: SharedWorld::new(world),
            faults: Mutex::new(Faults { plan, made: 0 }),
        })
    }

    /// When a cluster has to begin to be known to its users at a time.
    pub(super) fn beginning(seen: Timestamp) -> Timestamp {
        seen.saturating_sub(HISTORY).unwrap_or(seen)
    }

    /// Its name, which is also that of its context.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The API that clients see, faults included.
    pub(super) fn api(&self) -> FaultyApi<ApiServer> {
        self.api.clone()
    }

    /// Lets it live, for ever.
    pub(super) async fn live(&self, clock: &dyn Clock) {
        self.world.run(clock).await;
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
        self.world.hold().await.kill_node(node)
    }

    /// Brings a machine back; false if there is none of that name.
    pub(super) async fn revive_node(&self, node: &str) -> bool {
        self.world.hold().await.revive_node(node)
    }

    /// Takes a machine away; false if there is none of that name.
    pub(super) async fn remove_node(&self, node: &str) -> bool {
        self.world.hold().await.remove_node(node)
    }

    /// All objects as YAML.
    pub(super) fn snapshot(&self) -> String {
        self.server.export()
    }

    /// Puts objects in; returns how many.
    ///
    /// # Errors
    /// When the text is not a stream of objects that are served; nothing is loaded then.
    pub(super) async fn load(&self, text: &str) -> Result<usize, SnapshotError> {
        let mut world = self.world.hold().await;
        let count = self.server.load(text, Identity::Reassign)?;
        world.settle().await;
        add_missing_machines(&mut world);
        Ok(count)
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
        self.plan.rules.retain(|rule| rule.span.is_none_or(|(_, end)| end > now));
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
