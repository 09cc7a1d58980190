//! What the pages show of the running fleet: where channels stand, how rollouts go, what runs on the nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use control::Handle;
use jiff::Timestamp;
use kube_sim::ApiServer;
use model::{Cluster, ClusterId};
use ports::{Clock, SystemClock};
use rollout::ClusterStatus;
use web::{ChannelHead, ItemOrigin, Surroundings, Workloads};

/// How long a page waits for engines that are in the middle of something, on the wall's clock: nobody notices it, and what
/// they say later comes with the next live update.
const PATIENCE: Duration = Duration::from_millis(3);

/// The fleet as the pages see it. It is served before the fleet stands, and knows nothing until then.
#[derive(Default)]
pub(super) struct Seen {
    heads: Mutex<BTreeMap<String, ChannelHead>>,
    fleet: OnceLock<Fleet>,
}

/// A fleet that stands.
pub(super) struct Fleet {
    pub(super) handle: Handle,
    pub(super) servers: BTreeMap<ClusterId, ApiServer>,
    pub(super) clock: Arc<dyn Clock>,
    /// Its time runs at another speed than the wall's.
    pub(super) scaled: bool,
}

impl Seen {
    /// The fleet stands. It stands once; a second call changes nothing.
    pub(super) fn stands(&self, fleet: Fleet) {
        let _ = self.fleet.set(fleet);
    }

    /// Channels have moved.
    pub(super) fn moved(&self, heads: BTreeMap<String, ChannelHead>) {
        *self.heads.lock().unwrap_or_else(PoisonError::into_inner) = heads;
    }
}

#[async_trait]
impl Surroundings for Seen {
    async fn channel(&self, channel: &str) -> Option<ChannelHead> {
        self.heads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(channel)
            .cloned()
    }

    async fn rollouts(&self, clusters: &BTreeSet<ClusterId>) -> BTreeMap<ClusterId, Arc<ClusterStatus>> {
        match self.fleet.get() {
            Some(fleet) => fleet.handle.glances(clusters, SystemClock.sleep(PATIENCE)).await,
            None => BTreeMap::new(),
        }
    }

    async fn workloads(&self, cluster: &Cluster) -> Result<Workloads, String> {
        let fleet = self.fleet.get().ok_or("the simulated clusters are still coming up")?;
        let missing = || format!("cluster {} was registered after the fleet was raised", cluster.alias);
        let server = fleet.servers.get(&cluster.id).ok_or_else(missing)?;
        let all = |resource: &str| -> Vec<serde_json::Value> {
            let objects = server.read_all("", resource, "");
            objects.into_iter().map(Into::into).collect()
        };
        Ok(Workloads::of(&all("nodes"), &all("pods"), fleet.clock.now()))
    }

    async fn items(&self, _: &Cluster) -> Option<Vec<ItemOrigin>> {
        None
    }

    fn world_time(&self) -> Option<Timestamp> {
        let fleet = self.fleet.get()?;
        fleet.scaled.then(|| fleet.clock.now())
    }
}
