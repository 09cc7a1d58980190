//! What a fleet shall be: clusters, their pools and what runs in them.

use std::collections::BTreeMap;

use cloud_sim::WorldOptions;
use jiff::{SignedDuration, Timestamp};
use kube_sim::FaultPlan;
use kube_world::NodeSpec;
use kube_world::autoscaler::Options;
use model::quantity::Quantity;

use crate::error::TwinError;
use crate::log::LogSink;
use crate::profiles::Profile;

/// What a machine of a pool is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The instance type, as the node's label says it.
    pub instance_type: String,
    /// Cores, as a quantity.
    pub cpu: String,
    /// Memory, as a quantity.
    pub memory: String,
    /// How many pods the kubelet takes.
    pub pods: u32,
}

impl Default for Shape {
    /// 4 cores, 16 GiB and 110 pods.
    fn default() -> Self {
        Self {
            instance_type: "m6i.xlarge".to_owned(),
            cpu: "4".to_owned(),
            memory: "16Gi".to_owned(),
            pods: 110,
        }
    }
}

impl Shape {
    /// Millicores and mebibytes of one machine.
    pub(crate) fn amounts(&self, pool: &str) -> Result<(i64, i64), TwinError> {
        let amount = |field: &'static str, value: &str, read: fn(&Quantity) -> Option<i64>| {
            let quantity: Option<Quantity> = value.parse().ok();
            quantity.as_ref().and_then(read).ok_or_else(|| TwinError::Shape {
                pool: pool.to_owned(),
                field,
                value: value.to_owned(),
            })
        };
        let memory = amount("memory", &self.memory, Quantity::to_units)?;
        Ok((amount("cpu", &self.cpu, Quantity::to_millis)?, memory / (1 << 20)))
    }
}

/// A pool of like nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSpec {
    /// Its name.
    pub name: String,
    /// How many nodes it begins with.
    pub size: u32,
    /// The bounds within which a cluster autoscaler may change that.
    pub min: u32,
    /// The upper bound.
    pub max: u32,
    /// What its machines are like.
    pub shape: Shape,
    /// The letters of its zones, which nodes take in turn.
    pub zones: String,
    /// Labels of its nodes.
    pub labels: BTreeMap<String, String>,
    /// Taints of its nodes: key, value, effect.
    pub taints: Vec<(String, String, String)>,
    /// Whether its instances are of the spot market.
    pub spot: bool,
}

impl PoolSpec {
    /// A pool of so many usual nodes over three zones, which stays as large as it is.
    #[must_use]
    pub fn new(name: &str, size: u32) -> Self {
        Self {
            name: name.to_owned(),
            size,
            min: size,
            max: size,
            shape: Shape::default(),
            zones: "abc".to_owned(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            spot: false,
        }
    }

    /// Sets the bounds of its size.
    #[must_use]
    pub fn bounds(mut self, min: u32, max: u32) -> Self {
        (self.min, self.max) = (min, max);
        self
    }

    /// Sets what its machines are like.
    #[must_use]
    pub fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Adds a taint.
    #[must_use]
    pub fn taint(mut self, key: &str, value: &str, effect: &str) -> Self {
        self.taints.push((key.to_owned(), value.to_owned(), effect.to_owned()));
        self
    }

    /// Takes instances of the spot market.
    #[must_use]
    pub fn spot(mut self) -> Self {
        self.spot = true;
        self
    }

    /// The labels that its nodes get besides those of their machine.
    pub(crate) fn node_labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([
            ("kubernetes.io/role".to_owned(), "worker".to_owned()),
            ("node.kubernetes.io/node-pool".to_owned(), self.name.clone()),
            ("node.kubernetes.io/role".to_owned(), "worker".to_owned()),
            (
                "node.kubernetes.io/instance-type".to_owned(),
                self.shape.instance_type.clone(),
            ),
            ("lifecycle-status".to_owned(), "ready".to_owned()),
        ]);
        labels.extend(self.labels.clone());
        labels
    }

    /// The node with this number, in one of the pool's zones.
    pub(crate) fn node(&self, cluster: &ClusterSpec, number: u32) -> NodeSpec {
        let zones: Vec<char> = self.zones.chars().collect();
        let at = usize::try_from(number).unwrap_or_default() % zones.len().max(1);
        let zone = format!("{}{}", cluster.region, zones.get(at).copied().unwrap_or('a'));
        let name = format!("{}-{number}", self.name);
        let mut node = NodeSpec::new(&name)
            .label("topology.kubernetes.io/zone", &zone)
            .label("topology.kubernetes.io/region", &cluster.region)
            .capacity("cpu", &self.shape.cpu)
            .capacity("memory", &self.shape.memory)
            .capacity("pods", &self.shape.pods.to_string());
        node.labels.extend(self.node_labels());
        for (key, value, effect) in &self.taints {
            node = node.taint(key, value, effect);
        }
        node.provider_id = format!("aws:///{zone}/i-{}-{name}", cluster.id);
        node
    }
}

/// A cluster of a fleet.
#[derive(Debug, Clone)]
pub struct ClusterSpec {
    /// Its id, unique in the fleet; the first word of its lines in the log.
    pub id: String,
    /// Its alias, unique as well.
    pub alias: String,
    /// The account that it is in.
    pub account: String,
    /// The region that it is in.
    pub region: String,
    /// Its seed; drawn from the fleet's and the id where none is given.
    pub seed: Option<u64>,
    /// Its pools.
    pub pools: Vec<PoolSpec>,
    /// What runs in it at the beginning.
    pub profile: Option<Profile>,
    /// How many pods of the profile there are to a node, about.
    pub pods_per_node: u32,
    /// What goes wrong between its API and the API's users.
    pub faults: FaultPlan,
    /// How far its own clock is ahead of the fleet's at the beginning.
    pub clock_ahead: SignedDuration,
    /// When its clock is set, in order.
    pub clock_jumps: Vec<ClockJump>,
    /// Where its nodes come from.
    pub nodes_from: NodeSource,
    /// A cluster autoscaler with these settings; it works on groups of the cloud.
    pub autoscaler: Option<Options>,
    /// How long its kubelets take for what they do, and what they tell.
    pub kubelets: kube_world::Profile,
    /// Whether admission webhooks on the loopback interface are called; such a cluster does not replay.
    pub webhooks: bool,
}

/// A cluster's clock is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockJump {
    /// When, on the fleet's clock.
    pub at: Timestamp,
    /// By how much forward, or (negative) back.
    pub by: SignedDuration,
}

/// Where the nodes of a cluster come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NodeSource {
    /// They are given: one machine for each node of the pools.
    #[default]
    Given,
    /// Each pool is a node group of the simulated cloud, whose instances become nodes.
    Cloud,
    /// Others make the groups, with stacks: instances that carry the cluster's tag become nodes, with the labels and taints
    /// of the pool that their tag names. The cluster begins empty; [`crate::Fleet::furnish`] gives it workloads.
    Joined,
}

impl ClusterSpec {
    /// An empty cluster; its alias is its id.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            alias: id.to_owned(),
            account: "123456789012".to_owned(),
            region: "eu-central-1".to_owned(),
            seed: None,
            pools: Vec::new(),
            profile: None,
            pods_per_node: 12,
            faults: FaultPlan::new(0),
            clock_ahead: SignedDuration::ZERO,
            clock_jumps: Vec::new(),
            nodes_from: NodeSource::Given,
            autoscaler: None,
            kubelets: kube_world::Profile::default(),
            webhooks: false,
        }
    }

    /// Makes each pool a node group of the simulated cloud.
    #[must_use]
    pub fn on_cloud(mut self) -> Self {
        self.nodes_from = NodeSource::Cloud;
        self
    }

    /// Leaves the making of node groups to others; the pools only say what their nodes are like.
    #[must_use]
    pub fn joined(mut self) -> Self {
        self.nodes_from = NodeSource::Joined;
        self
    }

    /// Runs a cluster autoscaler on the node groups of the cloud.
    #[must_use]
    pub fn autoscaler(mut self, options: Options) -> Self {
        self.autoscaler = Some(options);
        self.on_cloud()
    }

    /// Sets the alias.
    #[must_use]
    pub fn alias(mut self, alias: &str) -> Self {
        alias.clone_into(&mut self.alias);
        self
    }

    /// Sets account and region.
    #[must_use]
    pub fn place(mut self, account: &str, region: &str) -> Self {
        (self.account, self.region) = (account.to_owned(), region.to_owned());
        self
    }

    /// Sets its own seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Adds a pool.
    #[must_use]
    pub fn pool(mut self, pool: PoolSpec) -> Self {
        self.pools.push(pool);
        self
    }

    /// Fills it with the workloads of a profile.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Sets how many pods of the profile there are to a node, about.
    #[must_use]
    pub fn pods_per_node(mut self, pods: u32) -> Self {
        self.pods_per_node = pods;
        self
    }

    /// Sets what goes wrong between its API and the API's users.
    #[must_use]
    pub fn faults(mut self, plan: FaultPlan) -> Self {
        self.faults = plan;
        self
    }

    /// Sets its clock forward, or (negative) back, at a time of the fleet's clock.
    #[must_use]
    pub fn clock_jump(mut self, at: Timestamp, by: SignedDuration) -> Self {
        self.clock_jumps.push(ClockJump { at, by });
        self.clock_jumps.sort_by_key(|jump| jump.at);
        self
    }

    /// Sets how long its kubelets take for what they do, and what they tell.
    #[must_use]
    pub fn kubelets(mut self, profile: kube_world::Profile) -> Self {
        self.kubelets = profile;
        self
    }

    /// Calls admission webhooks on the loopback interface. Their answers are not in the seed: such a cluster does not replay.
    #[must_use]
    pub fn webhooks(mut self) -> Self {
        self.webhooks = true;
        self
    }
}

/// A whole fleet.
#[derive(Default)]
pub struct FleetSpec {
    /// Everything that is random follows from it.
    pub seed: u64,
    /// The clusters, in the order in which they have their turn when they are due at the same time.
    pub clusters: Vec<ClusterSpec>,
    /// What goes wrong in every account of the cloud.
    pub cloud_faults: cloud_sim::FaultPlan,
    /// What accounts are like: their pace, limits and so on. Number, region, seed and start are set by the fleet.
    pub cloud: Option<WorldOptions>,
    /// Takes the lines of the log.
    pub sink: Option<LogSink>,
}

impl std::fmt::Debug for FleetSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FleetSpec")
            .field("seed", &self.seed)
            .field("clusters", &self.clusters)
            .finish_non_exhaustive()
    }
}

impl FleetSpec {
    /// A fleet without clusters.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Adds a cluster.
    #[must_use]
    pub fn cluster(mut self, cluster: ClusterSpec) -> Self {
        self.clusters.push(cluster);
        self
    }

    /// Sets what goes wrong in every account of the cloud.
    #[must_use]
    pub fn cloud_faults(mut self, plan: cloud_sim::FaultPlan) -> Self {
        self.cloud_faults = plan;
        self
    }

    /// Hands each line of the log over.
    #[must_use]
    pub fn sink(mut self, sink: LogSink) -> Self {
        self.sink = Some(sink);
        self
    }
}
