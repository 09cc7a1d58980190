//! A fleet: clusters on one clock and in one queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube_world::StepClock;
use kube_world::invariants::Violation;
use ports::Clock;

use crate::cluster::Cluster;
use crate::error::TwinError;
use crate::log::FleetLog;
use crate::spec::FleetSpec;

/// Many clusters that live on one clock. What is due first has its turn first; of what is due at the same time, the cluster
/// that was given first.
#[derive(Debug)]
pub struct Fleet {
    clusters: Vec<Cluster>,
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
    /// [`TwinError`] for what is asked for and cannot be: two clusters of one name, shapes that cannot be read.
    pub async fn build(spec: FleetSpec, clock: Arc<dyn Clock>) -> Result<Self, TwinError> {
        let mut fleet = Self {
            clusters: Vec::new(),
            names: BTreeMap::new(),
            log: FleetLog::new(spec.sink),
            clock,
            queue: Queue::default(),
        };
        for cluster in spec.clusters {
            let cluster = Cluster::start(cluster, spec.seed, &fleet.clock, &fleet.log).await?;
            fleet.add(cluster)?;
        }
        Ok(fleet)
    }

    fn add(&mut self, cluster: Cluster) -> Result<(), TwinError> {
        let place = self.clusters.len();
        let spec = cluster.spec();
        for name in BTreeSet::from([&spec.id, &spec.alias]) {
            if self.names.insert(name.clone(), place).is_some() {
                return Err(TwinError::DuplicateCluster { name: name.clone() });
            }
        }
        self.clusters.push(cluster);
        self.requeue(place);
        Ok(())
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

    /// Looks at every cluster for writes from outside.
    pub fn look(&mut self) {
        for place in 0..self.clusters.len() {
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

    async fn turn(&mut self, place: usize) -> u64 {
        let steps = match self.clusters.get_mut(place) {
            Some(cluster) => cluster.turn().await,
            None => 0,
        };
        self.requeue(place);
        steps
    }

    fn requeue(&mut self, place: usize) {
        let due = self.clusters.get(place).and_then(Cluster::next_due);
        self.queue.set(place, due);
    }
}
