//! Machines: what is really there, whatever the API says about it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};

use super::heartbeats::{Beat, Heartbeats};
use super::setbacks::Setbacks;

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
    /// Pods that the kubelet runs by itself, as their manifests; each is mirrored to the API as `NAME-NODE`.
    pub static_pods: Vec<Value>,
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
            static_pods: Vec::new(),
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
    /// The machine boots; its kubelet begins at this time.
    Booting(Timestamp),
    /// The kubelet works and tells so.
    Alive,
    /// It shuts down: pods are stopped until this time, then it is off.
    ShuttingDown(Timestamp),
    /// Nobody answers since this time; what ran there may still run.
    Dead(Timestamp),
}

/// A machine with the kubelet on it. Its life is data: what it is doing at a time follows from it, nobody has to tick.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// What it is like.
    pub spec: Arc<NodeSpec>,
    /// Counts the machines of a world; addresses and pod networks follow from it.
    pub number: u32,
    /// Since when the kubelet works without a break, or will once it has booted.
    pub since: Timestamp,
    /// Since when nobody answers.
    pub dead_since: Option<Timestamp>,
    /// From when until when it shuts down.
    pub shutdown: Option<(Timestamp, Timestamp)>,
}

impl Machine {
    /// What its kubelet is doing at a time.
    #[must_use]
    pub fn power(&self, now: Timestamp) -> Power {
        match (self.dead_since, self.shutdown) {
            (Some(dead), _) if now >= dead => Power::Dead(dead),
            (_, Some((_, end))) if now >= end => Power::Dead(end),
            (_, Some((start, end))) if now >= start => Power::ShuttingDown(end),
            _ if now < self.since => Power::Booting(self.since),
            _ => Power::Alive,
        }
    }

    /// Whether its kubelet works at a time.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        matches!(self.power(now), Power::Alive | Power::ShuttingDown(_))
    }

    /// The address of the node.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        const NODES: u32 = u32::from_be_bytes([172, 16, 0, 0]);
        let own = || Ipv4Addr::from(NODES.wrapping_add(self.number.wrapping_add(9) & 0xf_ffff));
        self.spec.internal_ip.unwrap_or_else(own)
    }

    /// The network that its pods get their addresses from: the first address of a /24.
    #[must_use]
    pub fn pod_network(&self) -> Ipv4Addr {
        const PODS: u32 = u32::from_be_bytes([10, 64, 0, 0]);
        Ipv4Addr::from(PODS.wrapping_add((self.number & 0x7fff) << 8))
    }

    /// When and until when it works, for the heartbeats.
    fn beat(&self) -> Beat {
        let end = self.shutdown.map(|(_, end)| end);
        Beat {
            since: self.since,
            until: [self.dead_since, end].into_iter().flatten().min(),
        }
    }
}

/// All machines of a cluster, in order of their nodes' names.
#[derive(Debug)]
pub(crate) struct Machines {
    all: BTreeMap<Arc<str>, Machine>,
    made: u32,
    heartbeats: Arc<Heartbeats>,
    setbacks: Setbacks,
}

impl Machines {
    pub(crate) fn new(heartbeats: Arc<Heartbeats>) -> Self {
        Self {
            all: BTreeMap::new(),
            made: 0,
            heartbeats,
            setbacks: Setbacks::default(),
        }
    }

    pub(crate) fn get(&self, node: &str) -> Option<&Machine> {
        self.all.get(node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Machine> {
        self.all.values()
    }

    pub(crate) fn heartbeats(&self) -> &Heartbeats {
        &self.heartbeats
    }

    /// Adds a machine that is switched on now; it takes the place of one with the same name.
    pub(crate) fn add(&mut self, spec: NodeSpec, now: Timestamp) {
        self.made += 1;
        let boot = SignedDuration::try_from(spec.boot_delay).unwrap_or_default();
        let machine = Machine {
            number: self.made,
            since: now.saturating_add(boot).unwrap_or(now),
            dead_since: None,
            shutdown: None,
            spec: Arc::new(spec),
        };
        let name: Arc<str> = machine.spec.name.as_str().into();
        self.heartbeats.set(&name, machine.beat());
        self.all.insert(name, machine);
    }

    /// Changes a machine; false if there is none.
    pub(crate) fn change(&mut self, node: &str, act: impl FnOnce(&mut Machine)) -> bool {
        let Some(machine) = self.all.get_mut(node) else {
            return false;
        };
        act(machine);
        self.heartbeats.set(node, machine.beat());
        true
    }

    /// Takes a machine away; its last sign of life is remembered until the node's object goes.
    pub(crate) fn remove(&mut self, node: &str, now: Timestamp) -> Option<Machine> {
        let machine = self.all.remove(node)?;
        let mut beat = machine.beat();
        beat.until = Some(beat.until.map_or(now, |until| until.min(now)));
        self.heartbeats.set(node, beat);
        Some(machine)
    }

    /// By how much the clock was set back so far.
    pub(crate) fn setbacks(&self) -> &Setbacks {
        &self.setbacks
    }

    /// The clock of the cluster was set: what machines do takes as long as before, so their times move with it.
    pub(crate) fn clock_set(&mut self, by: SignedDuration) {
        self.setbacks.note(by);
        let moved = |time: Timestamp| time.saturating_add(by).unwrap_or(time);
        for (name, machine) in &mut self.all {
            machine.since = moved(machine.since);
            machine.dead_since = machine.dead_since.map(moved);
            machine.shutdown = machine.shutdown.map(|(start, end)| (moved(start), moved(end)));
            self.heartbeats.set(name, machine.beat());
        }
        self.heartbeats.move_lost(by, |node| self.all.contains_key(node));
    }

    /// Forgets the signs of life of a node whose object is gone, unless its machine is still there.
    pub(crate) fn node_removed(&self, node: &str) {
        if !self.all.contains_key(node) {
            self.heartbeats.forget(node);
        }
    }
}
