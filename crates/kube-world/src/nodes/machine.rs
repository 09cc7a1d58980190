//! Machines: what is really there, whatever the API says about it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

/// What a node is like. Whoever makes machines (a simulated cloud, a test) describes them with this.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSpec {
    /// The node's name.
    pub name: String,
    /// Its labels; `kubernetes.io/hostname`, `os` and `arch` are added.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The taints it registers with, as objects of the API (`key`, `value`, `effect`).
    pub taints: Vec<Value>,
    /// What the machine has, as a resource list: `cpu`, `memory`, `pods`, ...
    pub capacity: BTreeMap<String, String>,
    /// What pods can have; resources that are not named have all of their capacity.
    pub allocatable: BTreeMap<String, String>,
    /// The cloud's name for the machine, such as `aws:///eu-central-1a/i-0123`.
    pub provider_id: String,
    /// Its address; one is made from the number of the machine where none is given.
    pub internal_ip: Option<Ipv4Addr>,
    /// From power-on to the first registration of the kubelet.
    pub boot_delay: Duration,
    /// From registration to Ready; none: it boots but never becomes Ready.
    pub ready_delay: Option<Duration>,
    /// The version of the kubelet.
    pub kubelet_version: String,
}

impl NodeSpec {
    /// A machine with 4 cores, 16 GiB and room for 110 pods, which is there and Ready at once.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let list = |pairs: &[(&str, &str)]| {
            let owned = pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            owned.collect::<BTreeMap<_, _>>()
        };
        Self {
            name: name.to_owned(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            taints: Vec::new(),
            capacity: list(&[
                ("cpu", "4"),
                ("memory", "16Gi"),
                ("ephemeral-storage", "100Gi"),
                ("pods", "110"),
            ]),
            allocatable: BTreeMap::new(),
            provider_id: String::new(),
            internal_ip: None,
            boot_delay: Duration::ZERO,
            ready_delay: Some(Duration::ZERO),
            kubelet_version: "v1.36.2".to_owned(),
        }
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
        self.taints.push(json!({"key": key, "value": value, "effect": effect}));
        self
    }

    /// Sets how much of a resource the machine has.
    #[must_use]
    pub fn capacity(mut self, resource: &str, amount: &str) -> Self {
        self.capacity.insert(resource.to_owned(), amount.to_owned());
        self
    }
}

/// What a machine's kubelet is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// The machine boots; its kubelet registers at this time.
    Booting(Timestamp),
    /// The kubelet works and tells so.
    Alive,
    /// It shuts down: pods are stopped until this time, then it is off.
    ShuttingDown(Timestamp),
    /// Nobody answers since this time; what ran there may still run.
    Dead(Timestamp),
}

/// A machine with the kubelet on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// What it is like.
    pub spec: Arc<NodeSpec>,
    /// What its kubelet is doing.
    pub power: Power,
    /// Since when the kubelet works without a break; heartbeats are counted from here.
    pub since: Timestamp,
    /// Counts the machines of a world; addresses and pod networks follow from it.
    pub number: u32,
}

impl Machine {
    /// Whether its kubelet works.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(self.power, Power::Alive | Power::ShuttingDown(_))
    }

    /// The address of the node.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        const NODES: u32 = u32::from_be_bytes([172, 16, 0, 0]);
        self.spec
            .internal_ip
            .unwrap_or_else(|| Ipv4Addr::from(NODES + (self.number.wrapping_add(10) & 0xf_ffff)))
    }
}

/// All machines of a cluster, in order of their nodes' names.
#[derive(Debug, Default)]
pub(crate) struct Machines {
    all: BTreeMap<Arc<str>, Machine>,
    made: u32,
}

impl Machines {
    pub(crate) fn get(&self, node: &str) -> Option<&Machine> {
        self.all.get(node)
    }

    pub(crate) fn get_mut(&mut self, node: &str) -> Option<&mut Machine> {
        self.all.get_mut(node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Machine> {
        self.all.values()
    }

    pub(crate) fn add(&mut self, spec: NodeSpec, now: Timestamp) {
        self.made += 1;
        let boot = jiff::SignedDuration::try_from(spec.boot_delay).unwrap_or_default();
        let machine = Machine {
            power: Power::Booting(now.saturating_add(boot).unwrap_or(now)),
            since: now,
            number: self.made,
            spec: Arc::new(spec),
        };
        self.all.insert(machine.spec.name.as_str().into(), machine);
    }

    pub(crate) fn remove(&mut self, node: &str) -> Option<Machine> {
        self.all.remove(node)
    }
}
