//! One cluster of a fleet: its API, the world around it, and what goes wrong in front of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloud_sim::CloudSim;
use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};
use kube_sim::{ApiServer, FaultyApi, LoopbackWebhooks};
use kube_world::invariants::{Memory, Violation};
use kube_world::scheduler::KubeScheduler;
use kube_world::{Kind, NodeSpec, World, controllers};
use ports::cloud::InstanceId;
use ports::{Clock, Ids, SeededIds};

use crate::bridge::{CloudAutoscaler, Drains, Ending, NodeChange, SharedScheduler};
use crate::clock::ClusterClock;
use crate::error::TwinError;
use crate::log::FleetLog;
use crate::profiles::{self, Profile};
use crate::settle;
use crate::spec::{ClusterSpec, NodeSource, PoolSpec};
use crate::tree::text;

/// What a cluster that has its nodes is given to run.
#[derive(Debug, Clone, PartialEq)]
pub enum Furnishing {
    /// The workloads of a profile, sized by the cluster's pools. What is there already stays as it is.
    Profile(Profile),
    /// These objects as they are: owners before what they own, pods bound to nodes that are there.
    Objects(Vec<Value>),
}

/// A cluster that lives.
#[derive(Debug)]
pub struct Cluster {
    spec: ClusterSpec,
    seed: u64,
    world: World,
    api: FaultyApi<ApiServer>,
    clock: Arc<ClusterClock>,
    /// How many of the clock's planned jumps have happened.
    jumped: usize,
    log: FleetLog,
    memory: Memory,
    scheduler: SharedScheduler,
    /// The account that its instances are in.
    cloud: Option<CloudSim>,
    autoscaler: Option<CloudAutoscaler>,
    drains: Drains,
    /// Nodes whose instances wait to hear that they are ready.
    booting: BTreeMap<String, InstanceId>,
}

/// The seed of a cluster: its own, or one that follows from the fleet's and its id.
pub(crate) fn seed_of(fleet: u64, spec: &ClusterSpec) -> u64 {
    spec.seed
        .unwrap_or_else(|| SeededIds::child(fleet, &spec.id).next_u64())
}

impl Cluster {
    /// Gives a new cluster its nodes, which are ready at once, and settles its workloads.
    pub(crate) async fn fill(&mut self, from_cloud: Vec<NodeSpec>) -> Result<(), TwinError> {
        for node in from_cloud {
            self.world.add_node(node);
        }
        if self.spec.nodes_from == NodeSource::Given {
            for pool in &self.spec.pools {
                for number in 0..pool.size {
                    self.world.add_node(pool.node(&self.spec, number));
                }
            }
        }
        self.world.settle().await;
        if let Some(profile) = self.spec.profile
            && self.spec.nodes_from != NodeSource::Joined
        {
            let manifests = profiles::manifests(profile, &self.spec, self.seed)?;
            settle::settle(&mut self.world, manifests, self.seed);
        }
        self.turn().await;
        Ok(())
    }

    /// Fills a living cluster with the workloads of a profile, as if they had run for long already. Their number and size follow
    /// from `pools`, which need not be pools of the cluster: nodes may have come from stacks. What is there already stays.
    ///
    /// # Errors
    /// [`TwinError::Shape`] for a pool whose amounts cannot be read.
    pub fn settle_profile(&mut self, profile: Profile, pools: Vec<PoolSpec>) -> Result<(), TwinError> {
        let spec = ClusterSpec {
            pools,
            ..self.spec.clone()
        };
        let mut manifests = profiles::manifests(profile, &spec, self.seed)?;
        let server = self.world.server();
        // What somebody has applied already is not made a second time.
        manifests.retain(|manifest| {
            let kind = Kind::all().find(|kind| kind.kind == text(manifest, "/kind"));
            kind.is_none_or(|kind| {
                let (namespace, name) = (text(manifest, "/metadata/namespace"), text(manifest, "/metadata/name"));
                server.read(kind.group, kind.resource, namespace, name).is_none()
            })
        });
        settle::settle(&mut self.world, manifests, self.seed);
        Ok(())
    }

    /// Puts workloads on the nodes that are there; they run already.
    pub(crate) fn furnish(&mut self, with: Furnishing) -> Result<(), TwinError> {
        match with {
            Furnishing::Profile(profile) => self.settle_profile(profile, self.spec.pools.clone())?,
            Furnishing::Objects(objects) => {
                self.world.start_settled(objects);
            }
        }
        Ok(())
    }

    /// Tells the cluster which account its instances are in.
    pub(crate) fn set_cloud(&mut self, sim: &CloudSim) {
        // The fleet stands still while its parts have their turn: none of them may wait for a late answer.
        let sim = sim.impatient();
        self.cloud = Some(sim.clone());
        self.autoscaler = self.spec.autoscaler.clone().map(|options| {
            let (id, region) = (&self.spec.id, &self.spec.region);
            CloudAutoscaler::new(options, self.scheduler.clone(), sim, id, region)
        });
    }

    /// A cluster without nodes, around a server that `prepare` may fill.
    pub(crate) fn bare(
        spec: ClusterSpec,
        fleet_seed: u64,
        clock: &Arc<dyn Clock>,
        log: &FleetLog,
        prepare: impl FnOnce(&ApiServer) -> Result<(), TwinError>,
    ) -> Result<Self, TwinError> {
        let seed = seed_of(fleet_seed, &spec);
        let clock = Arc::new(ClusterClock::new(clock.clone(), spec.clock_ahead));
        let mut builder = ApiServer::builder(clock.clone(), Arc::new(SeededIds::child(seed, "api")));
        if spec.webhooks {
            builder = builder.webhooks(Arc::new(LoopbackWebhooks::new()));
        }
        let server = builder.build();
        prepare(&server)?;
        let (place, lines) = (spec.id.clone(), log.clone());
        let scheduler = KubeScheduler::new(Arc::new(SeededIds::child(seed, "scheduler")));
        let scheduler = SharedScheduler::new(scheduler);
        let world = World::builder(server.clone())
            .seed(seed)
            .profile(spec.kubelets.clone())
            .controllers(controllers())
            .scheduler(Box::new(scheduler.clone()))
            .log_sink(Box::new(move |line| lines.write(&place, line)))
            .build();
        let api = FaultyApi::over(server, spec.faults.clone());
        let (place, lines) = (format!("fault:{}", spec.id), log.clone());
        api.on_event(move |event| lines.write(&place, event));
        Ok(Self {
            api,
            clock,
            jumped: 0,
            spec,
            seed,
            world,
            log: log.clone(),
            memory: Memory::default(),
            scheduler,
            cloud: None,
            autoscaler: None,
            drains: Drains::default(),
            booting: BTreeMap::new(),
        })
    }

    /// What the cluster was asked to be.
    #[must_use]
    pub fn spec(&self) -> &ClusterSpec {
        &self.spec
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.spec.id
    }

    /// The seed that all of it follows from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The API as its users reach it: with the faults of the plan.
    #[must_use]
    pub fn api(&self) -> FaultyApi<ApiServer> {
        self.api.clone()
    }

    /// The API without faults.
    #[must_use]
    pub fn server(&self) -> &ApiServer {
        self.world.server()
    }

    /// The world around the API: its nodes, pods and machines.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world, to add, kill and revive machines. Through [`crate::Fleet::with`] or [`crate::SharedFleet::hold`] the fleet
    /// sees what follows from it.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// How far its clock is ahead of the fleet's; behind it where negative.
    #[must_use]
    pub fn clock_ahead(&self) -> SignedDuration {
        self.clock.ahead()
    }

    /// Sets its clock forward, or (negative) back: nodes and pods live on, schedules see the new time. Autoscaler, drains and
    /// the cloud stay on the fleet's clock. Through [`crate::Fleet::with`] or [`crate::SharedFleet::hold`] the fleet sees what
    /// follows from it.
    pub fn set_clock(&mut self, by: SignedDuration) {
        self.clock.set_by(by);
        self.world.clock_set(by);
    }

    /// Laws that do not hold at this moment, those about what was seen at the last look included.
    pub fn violations(&mut self) -> Vec<Violation> {
        self.memory.check(&self.world.view())
    }

    /// When something is due here, on the fleet's clock.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let autoscaler = self.autoscaler.as_ref().and_then(CloudAutoscaler::next_due);
        let world = self.world.next_due().map(|due| self.clock.fleet_time(due));
        let jump = self.spec.clock_jumps.get(self.jumped).map(|jump| jump.at);
        [world, self.drains.next_due(), autoscaler, jump]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does all that is due and returns how many plans it took.
    pub(crate) async fn turn(&mut self) -> u64 {
        let now = self.clock.fleet().now();
        while let Some(jump) = self
            .spec
            .clock_jumps
            .get(self.jumped)
            .copied()
            .filter(|jump| jump.at <= now)
        {
            self.jumped += 1;
            self.set_clock(jump.by);
        }
        let mut steps = self.world.settle().await;
        let (place, log) = (&self.spec.id, &self.log);
        if let Some(autoscaler) = &mut self.autoscaler {
            if steps > 0 {
                autoscaler.wake(now);
            }
            autoscaler
                .turn(&mut self.world, &mut self.drains, now, place, log)
                .await;
        }
        let cloud = self.cloud.as_ref();
        if self.drains.turn(&mut self.world, cloud, now, place, log).await {
            steps += self.world.settle().await;
        }
        self.report_ready();
        steps
    }

    /// Does to a node what happened to its instance.
    pub(crate) fn node_changed(&mut self, change: NodeChange) {
        let now = self.clock.fleet().now();
        match change {
            NodeChange::Boots(mut node, instance) => {
                if self.spec.nodes_from == NodeSource::Joined {
                    self.dress(&mut node);
                }
                self.booting.insert(node.name.clone(), instance);
                self.world.add_node(*node);
            }
            NodeChange::Leaves { node, instance, held } => {
                let ending = if held { Ending::Release(instance) } else { Ending::None };
                self.drains.begin(&node, ending, now);
            }
            NodeChange::Stops(node) => {
                self.booting.remove(&node);
                self.drains.forget(&node);
                self.world.kill_node(&node);
            }
            NodeChange::Gone(node) => {
                self.booting.remove(&node);
                self.drains.forget(&node);
                self.world.remove_node(&node);
            }
        }
    }

    /// Gives a node the labels and taints of its pool: what the boot script of its machine would have told the kubelet.
    fn dress(&self, node: &mut NodeSpec) {
        let named = node.labels.get("node.kubernetes.io/node-pool");
        let Some(pool) = self.spec.pools.iter().find(|pool| Some(&pool.name) == named) else {
            return;
        };
        let of_machine = node.labels.clone();
        node.labels.extend(pool.node_labels());
        node.labels.extend(of_machine);
        for (key, value, effect) in &pool.taints {
            let same = |taint: &Value| text(taint, "/key") == key && text(taint, "/effect") == effect;
            if !node.taints.iter().any(same) {
                node.taints.push(json!({"key": key, "value": value, "effect": effect}));
            }
        }
    }

    /// Tells the cloud which instances have become ready nodes.
    fn report_ready(&mut self) {
        let Some(cloud) = &self.cloud else { return };
        let view = self.world.view();
        self.booting.retain(|node, instance| {
            let ready = view.node(node).is_some_and(|node| node.is_ready());
            if ready {
                cloud.agent_ready(instance);
            }
            !ready
        });
    }
}
