//! A fleet: clusters on one clock and in one queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cloud_sim::{CloudSim, SimClouds, WorldOptions};
use jiff::{SignedDuration, Timestamp};
use kube_world::invariants::Violation;
use kube_world::{NodeSpec, StepClock};
use ports::Clock;

use crate::bridge::{Account, NodeChange, WarmClock, make_group};
use crate::cluster::{Cluster, Furnishing};
use crate::error::TwinError;
use crate::log::{FleetLog, LogSink};
use crate::spec::{ClusterSpec, FleetSpec, NodeSource};

/// How long the cloud lives before the fleet begins: time enough for stragglers to boot.
const LEAD: SignedDuration = SignedDuration::from_mins(15);

/// Many clusters that live on one clock. What is due first has its turn first; of what is due at the same time, the cluster
/// that was given first.
#[derive(Debug)]
pub struct Fleet {
    clusters: Vec<Cluster>,
    accounts: Vec<Account>,
    /// The account of each cluster.
    homes: Vec<usize>,
    clouds: SimClouds,
    names: BTreeMap<String, usize>,
    clock: Arc<dyn Clock>,
    log: FleetLog,
    queue: Queue,
}

/// Who is due when.
#[derive(Debug, Default)]
struct Queue {
    due: BTreeSet<(Timestamp, usize)>,
    known: BTreeMap<usize, Timestamp>,
}

impl Queue {
    fn set(&mut self, place: usize, due: Option<Timestamp>) {
        if self.known.get(&place).copied() == due {
            return;
        }
        if let Some(old) = self.known.remove(&place) {
            self.due.remove(&(old, place));
        }
        if let Some(due) = due {
            self.known.insert(place, due);
            self.due.insert((due, place));
        }
    }

    fn first(&self) -> Option<(Timestamp, usize)> {
        self.due.first().copied()
    }
}

impl Fleet {
    /// Makes a fleet: all nodes are there and ready, the workloads of the profiles run.
    ///
    /// # Errors
    /// [`TwinError`] for what is asked for and cannot be: two clusters of one name, shapes that cannot be read, groups that
    /// the cloud refuses.
    pub async fn build(spec: FleetSpec, clock: Arc<dyn Clock>) -> Result<Self, TwinError> {
        let begin = clock.now().saturating_sub(LEAD).unwrap_or(clock.now());
        let warm = Arc::new(WarmClock::held_at(clock.clone(), begin));
        let mut options = spec.cloud.unwrap_or_else(|| WorldOptions::new("", "", spec.seed));
        (options.seed, options.start) = (spec.seed, begin);
        (options.boot_agent, options.any_image) = (false, true);
        let mut fleet = Self {
            clusters: Vec::new(),
            accounts: Vec::new(),
            homes: Vec::new(),
            names: BTreeMap::new(),
            log: FleetLog::new(spec.sink),
            clouds: SimClouds::new(options, warm.clone()),
            clock,
            queue: Queue::default(),
        };
        let mut places = BTreeMap::new();
        for cluster in spec.clusters {
            let home = fleet.account(&mut places, &cluster, &spec.cloud_faults);
            let cluster = Cluster::bare(cluster, spec.seed, &fleet.clock, &fleet.log, |_| Ok(()))?;
            fleet.add(cluster, home)?;
        }
        let mut booted = fleet.warm_up(&warm);
        for (place, cluster) in fleet.clusters.iter_mut().enumerate() {
            cluster.fill(booted.remove(&place).unwrap_or_default()).await?;
        }
        fleet.look();
        Ok(fleet)
    }

    /// The place of a cluster's account, opened with its faults when it is the first one there.
    pub(crate) fn account(
        &mut self,
        places: &mut BTreeMap<(String, String), usize>,
        cluster: &ClusterSpec,
        faults: &cloud_sim::FaultPlan,
    ) -> usize {
        let key = (cluster.account.clone(), cluster.region.clone());
        if let Some(place) = places.get(&key) {
            return *place;
        }
        let sim = self.clouds.sim(&key.0, &key.1);
        sim.set_faults(faults.clone());
        self.accounts.push(Account::new(sim, &key.0, &key.1));
        places.insert(key, self.accounts.len() - 1);
        self.accounts.len() - 1
    }

    /// An empty fleet on a clock, for clusters that are loaded.
    pub(crate) fn empty(seed: u64, clock: Arc<dyn Clock>, sink: Option<LogSink>) -> Self {
        let mut options = WorldOptions::new("", "", seed);
        (options.start, options.boot_agent, options.any_image) = (clock.now(), false, true);
        Self {
            clusters: Vec::new(),
            accounts: Vec::new(),
            homes: Vec::new(),
            names: BTreeMap::new(),
            log: FleetLog::new(sink),
            clouds: SimClouds::new(options, clock.clone()),
            clock,
            queue: Queue::default(),
        }
    }

    pub(crate) fn add(&mut self, mut cluster: Cluster, home: usize) -> Result<(), TwinError> {
        let place = self.clusters.len();
        let spec = cluster.spec();
        for name in BTreeSet::from([&spec.id, &spec.alias]) {
            if self.names.insert(name.clone(), place).is_some() {
                return Err(TwinError::DuplicateCluster { name: name.clone() });
            }
        }
        if let Some(account) = self.accounts.get_mut(home) {
            account.add_owner(cluster.id(), place);
            cluster.set_cloud(&account.sim);
            if cluster.spec().nodes_from == NodeSource::Cloud {
                for pool in &cluster.spec().pools {
                    make_group(&account.sim, cluster.spec(), pool).map_err(|source| TwinError::Cloud {
                        pool: pool.name.clone(),
                        source,
                    })?;
                }
            }
        }
        self.homes.push(home);
        self.clusters.push(cluster);
        Ok(())
    }

    /// Lets the cloud live up to now, so that the instances of the groups run; the nodes that they are, by cluster.
    fn warm_up(&mut self, warm: &WarmClock) -> BTreeMap<usize, Vec<NodeSpec>> {
        let now = self.clock.now();
        let mut nodes: BTreeMap<usize, BTreeMap<String, NodeSpec>> = BTreeMap::new();
        for account in &mut self.accounts {
            while let Some(due) = account.next_due().filter(|due| *due <= now) {
                if due > Timestamp::MIN {
                    warm.set(due);
                }
                for (cluster, change) in account.turn(due.max(account.sim.now()), &self.log) {
                    let nodes = nodes.entry(cluster).or_default();
                    match change {
                        NodeChange::Boots(mut node, instance) => {
                            account.sim.agent_ready(&instance);
                            node.boot_delay = Duration::ZERO;
                            node.ready_delay = node.ready_delay.map(|_| Duration::ZERO);
                            nodes.insert(node.name.clone(), *node);
                        }
                        NodeChange::Stops(node) | NodeChange::Gone(node) => {
                            nodes.remove(&node);
                        }
                        NodeChange::Leaves { .. } => {}
                    }
                }
            }
            // The next account lives through the same time.
            warm.set(now.saturating_sub(LEAD).unwrap_or(now));
        }
        warm.release();
        nodes
            .into_iter()
            .map(|(cluster, nodes)| (cluster, nodes.into_values().collect()))
            .collect()
    }

    /// The accounts of the clusters.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &CloudSim> {
        self.accounts.iter().map(|account| &account.sim)
    }

    /// The simulated cloud of the fleet, for stacks and groups.
    #[must_use]
    pub fn clouds(&self) -> &SimClouds {
        &self.clouds
    }

    /// The clusters, in the order they were given.
    #[must_use]
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// The cluster with this id or alias.
    ///
    /// # Errors
    /// [`TwinError::NoCluster`].
    pub fn cluster(&self, name: &str) -> Result<&Cluster, TwinError> {
        let place = self.names.get(name).and_then(|place| self.clusters.get(*place));
        place.ok_or_else(|| TwinError::NoCluster { name: name.to_owned() })
    }

    /// Reaches into a cluster; what is due there is looked at anew afterwards.
    ///
    /// # Errors
    /// [`TwinError::NoCluster`].
    pub fn with<R>(&mut self, name: &str, act: impl FnOnce(&mut Cluster) -> R) -> Result<R, TwinError> {
        let missing = || TwinError::NoCluster { name: name.to_owned() };
        let place = *self.names.get(name).ok_or_else(missing)?;
        let result = self.clusters.get_mut(place).map(act).ok_or_else(missing)?;
        self.requeue(place);
        Ok(result)
    }

    /// Gives a cluster workloads, which run already; the controllers have looked at them afterwards.
    ///
    /// # Errors
    /// [`TwinError::NoCluster`], and [`TwinError::Shape`] for a pool whose amounts cannot be read.
    pub async fn furnish(&mut self, name: &str, with: Furnishing) -> Result<(), TwinError> {
        self.with(name, |cluster| cluster.furnish(with))??;
        self.settle().await;
        Ok(())
    }

    /// The clock that everything lives on.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The log of everything that happens.
    #[must_use]
    pub fn log(&self) -> &FleetLog {
        &self.log
    }

    /// When something is due next; the past if something is due already. Writes from outside since the last turn are seen by
    /// [`Fleet::look`].
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue.first().map(|(due, _)| due)
    }

    /// Looks at every cluster and account for writes from outside.
    pub fn look(&mut self) {
        for place in 0..self.clusters.len() + self.accounts.len() {
            self.requeue(place);
        }
    }

    /// Does all that is due at the time of the clock and returns how many plans it took.
    pub async fn settle(&mut self) -> u64 {
        let mut steps = 0;
        while let Some((due, place)) = self.queue.first() {
            if due > self.clock.now() {
                break;
            }
            steps += self.turn(place).await;
        }
        steps
    }

    /// Lets time pass up to an instant, on the clock that the fleet was built on, doing everything when it is due.
    pub async fn advance_to(&mut self, clock: &StepClock, until: Timestamp) -> u64 {
        self.look();
        let mut steps = 0;
        while let Some((due, place)) = self.queue.first().filter(|(due, _)| *due <= until) {
            clock.set(due);
            steps += self.turn(place).await;
        }
        clock.set(until);
        steps
    }

    /// Laws that do not hold, with the cluster's id. The fleet has to be settled.
    pub fn violations(&mut self) -> Vec<(String, Violation)> {
        let of = |cluster: &mut Cluster| {
            let id = cluster.id().to_owned();
            cluster.violations().into_iter().map(move |found| (id.clone(), found))
        };
        self.clusters.iter_mut().flat_map(of).collect()
    }

    /// The turn of a cluster, or of an account: their places come after those of the clusters.
    async fn turn(&mut self, place: usize) -> u64 {
        let count = self.clusters.len();
        if let Some(cluster) = self.clusters.get_mut(place) {
            let steps = cluster.turn().await;
            self.requeue(place);
            if let Some(home) = self.homes.get(place) {
                self.requeue(count + home);
            }
            return steps;
        }
        let now = self.clock.now();
        let account = self.accounts.get_mut(place.saturating_sub(count));
        let changes = account.map(|account| account.turn(now, &self.log)).unwrap_or_default();
        for (at, change) in changes {
            if let Some(cluster) = self.clusters.get_mut(at) {
                cluster.node_changed(change);
            }
            self.requeue(at);
        }
        self.requeue(place);
        0
    }

    fn requeue(&mut self, place: usize) {
        let due = match self.clusters.get(place) {
            Some(cluster) => cluster.next_due(),
            None => self
                .accounts
                .get(place.saturating_sub(self.clusters.len()))
                .and_then(Account::next_due),
        };
        self.queue.set(place, due);
    }
}
