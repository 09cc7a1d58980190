//! Snapshots: a cluster or a fleet as it is, as text, and back.
//!
//! The objects of a cluster are a stream of YAML documents, as `kubectl get -o yaml` would give them. Machines are read from
//! the nodes: every node of a loaded cluster has a living machine behind it, given directly. What is not kept is what nobody
//! outside sees: draws of kubelets that run already, back-offs, and the cloud.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use json_tree::{Text, Value};
use kube_sim::Identity;
use kube_world::NodeSpec;
use ports::Clock;
use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;
use crate::error::TwinError;
use crate::fleet::Fleet;
use crate::log::LogSink;
use crate::spec::ClusterSpec;
use crate::tree::{list, text};

/// A cluster as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSnapshot {
    /// Its id.
    pub id: String,
    /// Its alias.
    pub alias: String,
    /// Its account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// The seed that what follows is drawn from.
    pub seed: u64,
    /// How far its clock was ahead of the fleet's.
    #[serde(default, skip_serializing_if = "SignedDuration::is_zero")]
    pub clock_ahead: SignedDuration,
    /// All objects, as a stream of YAML documents.
    pub objects: String,
}

/// A fleet as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetSnapshot {
    /// When it was taken, on the fleet's clock.
    pub taken: Timestamp,
    /// Its clusters.
    pub clusters: Vec<ClusterSnapshot>,
}

impl FleetSnapshot {
    /// The snapshot as JSON.
    ///
    /// # Errors
    /// [`TwinError::Snapshot`], which does not happen for snapshots that a fleet made.
    pub fn to_text(&self) -> Result<String, TwinError> {
        serde_json::to_string(self).map_err(TwinError::Snapshot)
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// [`TwinError::Snapshot`] for a text of another form.
    pub fn from_text(text: &str) -> Result<Self, TwinError> {
        serde_json::from_str(text).map_err(TwinError::Snapshot)
    }
}

impl Cluster {
    /// The cluster as it is.
    #[must_use]
    pub fn snapshot(&self) -> ClusterSnapshot {
        let spec = self.spec();
        ClusterSnapshot {
            id: spec.id.clone(),
            alias: spec.alias.clone(),
            account: spec.account.clone(),
            region: spec.region.clone(),
            seed: self.seed(),
            clock_ahead: self.clock_ahead(),
            objects: self.server().export(),
        }
    }
}

impl Fleet {
    /// The fleet as it is.
    #[must_use]
    pub fn snapshot(&self) -> FleetSnapshot {
        FleetSnapshot {
            taken: self.clock().now(),
            clusters: self.clusters().iter().map(Cluster::snapshot).collect(),
        }
    }

    /// Goes on with a fleet where a snapshot was taken. Uids and versions are kept.
    ///
    /// # Errors
    /// [`TwinError`] when the clock is behind the snapshot, or objects cannot be loaded.
    pub async fn load(
        snapshot: &FleetSnapshot,
        clock: Arc<dyn Clock>,
        sink: Option<LogSink>,
    ) -> Result<Self, TwinError> {
        let (taken, now) = (snapshot.taken, clock.now());
        if now < taken {
            return Err(TwinError::ClockBehind { taken, now });
        }
        let mut fleet = Self::empty(0, clock, sink);
        let mut places = BTreeMap::new();
        for saved in &snapshot.clusters {
            let mut spec = ClusterSpec::new(&saved.id)
                .alias(&saved.alias)
                .place(&saved.account, &saved.region)
                .seed(saved.seed);
            spec.clock_ahead = saved.clock_ahead;
            let home = fleet.account(&mut places, &spec, &cloud_sim::FaultPlan::default());
            let mut nodes = Vec::new();
            let (clock, log) = (fleet.clock().clone(), fleet.log().clone());
            let cluster = Cluster::bare(spec, 0, &clock, &log, |server| {
                let loaded = server.load(&saved.objects, Identity::Keep);
                loaded.map_err(|source| TwinError::Objects {
                    cluster: saved.id.clone(),
                    source,
                })?;
                nodes = server.read_all("", "nodes", "").iter().map(machine).collect();
                Ok(())
            });
            let mut cluster = cluster?;
            cluster.fill(nodes).await?;
            fleet.add(cluster, home)?;
        }
        fleet.look();
        Ok(fleet)
    }
}

/// The machine that a node object tells of.
fn machine(node: &Value) -> NodeSpec {
    let texts = |pointer: &str| -> BTreeMap<String, String> {
        let map = node.pointer(pointer).and_then(Value::as_object);
        let text = |(key, value): (&Text, &Value)| Some((key.to_string(), value.as_str()?.to_owned()));
        map.into_iter().flatten().filter_map(text).collect()
    };
    let mut spec = NodeSpec::new(text(node, "/metadata/name"));
    spec.labels = texts("/metadata/labels");
    spec.annotations = texts("/metadata/annotations");
    spec.capacity = texts("/status/capacity");
    spec.allocatable = texts("/status/allocatable");
    text(node, "/spec/providerID").clone_into(&mut spec.provider_id);
    let address = list(node, "/status/addresses")
        .iter()
        .find(|address| text(address, "/type") == "InternalIP");
    spec.internal_ip = address.and_then(|address| text(address, "/address").parse().ok());
    spec
}
