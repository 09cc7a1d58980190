//! What others see of the rollouts, and how they wake them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use lifecycle::Wake;
use model::ClusterId;
use rollout::ClusterStatus;

/// Where the rollouts of a cluster stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutState {
    /// They are looked after.
    Runs,
    /// They are not, for the reason in this sentence; they are tried again by themselves.
    Waits(String),
}

/// The rollouts of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutView {
    /// The cluster.
    pub cluster: ClusterId,
    /// What people call it.
    pub alias: String,
    /// Whether they are looked after.
    pub state: RolloutState,
    /// Pools, nodes and pods with their sentences, while they are.
    pub status: Option<Arc<ClusterStatus>>,
}

#[derive(Debug, Clone)]
struct Listed {
    alias: String,
    state: RolloutState,
    engine: Option<rollout::Handle>,
}

/// The list that the rollouts keep and handles read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board(Arc<Mutex<BTreeMap<ClusterId, Listed>>>);

impl Board {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ClusterId, Listed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn runs(&self, cluster: &ClusterId, alias: &str, engine: rollout::Handle) {
        let listed = Listed {
            alias: alias.to_owned(),
            state: RolloutState::Runs,
            engine: Some(engine),
        };
        self.lock().insert(cluster.clone(), listed);
    }

    /// They wait. A running engine that goes on under what was known before keeps its status.
    pub(crate) fn waits(&self, cluster: &ClusterId, alias: &str, why: &str, engine: Option<rollout::Handle>) {
        let listed = Listed {
            alias: alias.to_owned(),
            state: RolloutState::Waits(why.to_owned()),
            engine,
        };
        self.lock().insert(cluster.clone(), listed);
    }

    pub(crate) fn gone(&self, cluster: &ClusterId) {
        self.lock().remove(cluster);
    }
}

/// Looks into a [`crate::Control`] from outside, and wakes it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) board: Board,
    pub(crate) wake: Wake,
}

impl Handle {
    /// The configuration may have moved: sources are asked at once.
    pub fn configuration_moved(&self) {
        self.wake.configuration_moved();
    }

    /// Something happened to the machines of a cluster (a notice, a changed group): its rollouts read the cloud at once.
    pub fn machines_changed(&self, cluster: &ClusterId) {
        if let Some(engine) = self.board.lock().get(cluster).and_then(|listed| listed.engine.as_ref()) {
            engine.nudge();
        }
    }

    /// The rollouts of all clusters that have any, in the order of their ids.
    pub async fn rollouts(&self) -> Vec<RolloutView> {
        let listed: Vec<_> = self
            .board
            .lock()
            .iter()
            .map(|(id, one)| (id.clone(), one.clone()))
            .collect();
        let mut views = Vec::new();
        for (id, one) in listed {
            views.push(view(id, one).await);
        }
        views
    }

    /// The status of each of these clusters whose rollouts are looked after: as it is now from those that say so before
    /// `enough` ends, from the others what they told last. For pages, which must not wait for the busiest engine of a fleet.
    pub async fn glances(
        &self,
        clusters: &BTreeSet<ClusterId>,
        enough: impl Future<Output = ()>,
    ) -> BTreeMap<ClusterId, Arc<ClusterStatus>> {
        let engines: Vec<_> = {
            let board = self.board.lock();
            let listed = board.iter().filter(|(id, _)| clusters.contains(*id));
            listed
                .filter_map(|(id, one)| Some((id.clone(), one.engine.clone()?)))
                .collect()
        };
        let asked = join_all(engines.iter().map(|(_, engine)| engine.status()));
        tokio::select! {
            biased;
            _ = asked => {}
            () = enough => {}
        }
        let told = engines.into_iter();
        told.filter_map(|(id, engine)| Some((id, engine.last()?))).collect()
    }

    /// The rollouts of one cluster, if it has any.
    pub async fn rollout(&self, cluster: &ClusterId) -> Option<RolloutView> {
        let listed = self.board.lock().get(cluster).cloned()?;
        Some(view(cluster.clone(), listed).await)
    }

    /// How many clusters' rollouts are looked after, and how many wait.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let board = self.board.lock();
        let running = board
            .values()
            .filter(|listed| listed.state == RolloutState::Runs)
            .count();
        (running, board.len() - running)
    }
}

async fn view(cluster: ClusterId, listed: Listed) -> RolloutView {
    let status = match &listed.engine {
        Some(engine) => engine.status().await,
        None => None,
    };
    RolloutView {
        cluster,
        alias: listed.alias,
        state: listed.state,
        status,
    }
}
