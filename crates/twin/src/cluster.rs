//! One cluster of a fleet: its API, the world around it, and what goes wrong in front of it.

use std::sync::Arc;

use jiff::Timestamp;
use kube_sim::{ApiServer, FaultyApi};
use kube_world::invariants::{Memory, Violation};
use kube_world::scheduler::KubeScheduler;
use kube_world::{World, controllers};
use ports::{Clock, Ids, SeededIds};

use crate::error::TwinError;
use crate::log::FleetLog;
use crate::profiles;
use crate::settle;
use crate::spec::ClusterSpec;

/// A cluster that lives.
#[derive(Debug)]
pub struct Cluster {
    spec: ClusterSpec,
    seed: u64,
    world: World,
    api: FaultyApi<ApiServer>,
    log: FleetLog,
    memory: Memory,
}

/// The seed of a cluster: its own, or one that follows from the fleet's and its id.
pub(crate) fn seed_of(fleet: u64, spec: &ClusterSpec) -> u64 {
    spec.seed
        .unwrap_or_else(|| SeededIds::child(fleet, &spec.id).next_u64())
}

impl Cluster {
    /// Makes a cluster with its direct nodes, and settles its workloads.
    pub(crate) async fn start(
        spec: ClusterSpec,
        fleet_seed: u64,
        clock: &Arc<dyn Clock>,
        log: &FleetLog,
    ) -> Result<Self, TwinError> {
        let mut cluster = Self::bare(spec, fleet_seed, clock, log, |_| Ok(()))?;
        for pool in &cluster.spec.pools {
            for number in 0..pool.size {
                cluster.world.add_node(pool.node(&cluster.spec, number));
            }
        }
        cluster.world.settle().await;
        if let Some(profile) = cluster.spec.profile {
            let manifests = profiles::manifests(profile, &cluster.spec, cluster.seed)?;
            settle::settle(&mut cluster.world, manifests, cluster.seed);
        }
        cluster.turn().await;
        Ok(cluster)
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
        let server = ApiServer::new(clock.clone(), Arc::new(SeededIds::child(seed, "api")));
        prepare(&server)?;
        let (place, lines) = (spec.id.clone(), log.clone());
        let scheduler = KubeScheduler::new(Arc::new(SeededIds::child(seed, "scheduler")));
        let world = World::builder(server.clone())
            .seed(seed)
            .controllers(controllers())
            .scheduler(Box::new(scheduler))
            .log_sink(Box::new(move |line| lines.write(&place, line)))
            .build();
        Ok(Self {
            api: FaultyApi::over(server, spec.faults.clone()),
            spec,
            seed,
            world,
            log: log.clone(),
            memory: Memory::default(),
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

    /// Laws that do not hold at this moment, those about what was seen at the last look included.
    pub fn violations(&mut self) -> Vec<Violation> {
        self.memory.check(&self.world.view())
    }

    /// When something is due here.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.world.next_due()
    }

    /// Does all that is due.
    pub(crate) async fn turn(&mut self) -> u64 {
        self.note_faults();
        self.world.settle().await
    }

    fn note_faults(&self) {
        for event in self.api.take_events() {
            self.log.write(&format!("fault:{}", self.spec.id), event);
        }
    }
}
