//! Where pods of a settled cluster are: a placement that is as even as a scheduler's and cheap enough for many thousand pods.
//!
//! It looks at requests, taints and node selectors, spreads an owner's pods over zones and nodes, and otherwise takes the
//! node with the fewest pods. What fits nowhere is left to the scheduler.

use std::collections::{BTreeMap, BTreeSet};

use json_tree::Value;
use kube_world::View;
use kube_world::scheduler::Labels;
use kube_world::scheduler::pod::NodeRules;
use kube_world::scheduler::taints::Taint;
use model::quantity::Quantity;

use crate::tree::{list, text};

#[derive(Debug)]
struct Room {
    name: String,
    zone: usize,
    labels: Labels,
    taints: Vec<Taint>,
    cpu: i64,
    memory: i64,
    pods: i64,
    used: i64,
}

/// The nodes with the room that is left on them.
#[derive(Debug)]
pub(crate) struct Places {
    nodes: Vec<Room>,
    names: BTreeMap<String, usize>,
    /// By zone: the nodes in order of the pods that they have.
    order: Vec<BTreeSet<(i64, usize)>>,
    zones: Vec<String>,
}

/// What the pods of one owner ask of a node.
#[derive(Debug)]
pub(crate) struct Wish {
    rules: NodeRules,
    cpu: i64,
    memory: i64,
}

/// Where the pods of one owner are so far.
#[derive(Debug, Default)]
pub(crate) struct Siblings {
    by_zone: BTreeMap<usize, u32>,
    nodes: BTreeMap<usize, u32>,
}

/// How many nodes of a zone are looked at before an owner's pods share a node.
const LOOKS: usize = 40;

impl Places {
    /// The ready nodes of a world, with the pods that are on them already.
    pub(crate) fn of(view: &View<'_>) -> Self {
        let mut places = Self {
            nodes: Vec::new(),
            names: BTreeMap::new(),
            order: Vec::new(),
            zones: Vec::new(),
        };
        for node in view.nodes().filter(|node| node.is_ready() && !node.unschedulable) {
            let (mut cpu, mut memory, mut used) = (node.allocatable.cpu_millis, node.allocatable.memory, 0);
            for pod in view.pods_on(&node.name) {
                cpu -= pod.requests.cpu_millis;
                memory -= pod.requests.memory;
                used += 1;
            }
            let zone = node.label("topology.kubernetes.io/zone").unwrap_or_default();
            let zone = places.zone(zone);
            let at = places.nodes.len();
            if let Some(order) = places.order.get_mut(zone) {
                order.insert((used, at));
            }
            let labels = node
                .labels
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()));
            places.names.insert(node.name.to_string(), at);
            places.nodes.push(Room {
                name: node.name.to_string(),
                zone,
                labels: labels.collect(),
                taints: node.taints.iter().filter_map(Taint::of_view).collect(),
                cpu,
                memory,
                pods: node.max_pods,
                used,
            });
        }
        places
    }

    fn zone(&mut self, name: &str) -> usize {
        self.zones.iter().position(|known| known == name).unwrap_or_else(|| {
            self.zones.push(name.to_owned());
            self.order.push(BTreeSet::new());
            self.zones.len() - 1
        })
    }

    /// The names of all nodes that take pods with such a wish.
    pub(crate) fn accepting(&self, wish: &Wish) -> Vec<String> {
        let fits = self.nodes.iter().filter(|node| node.accepts(wish));
        fits.map(|node| node.name.clone()).collect()
    }

    /// The zone of a node.
    pub(crate) fn zone_of(&self, node: &str) -> Option<&str> {
        let node = self.nodes.get(*self.names.get(node)?)?;
        self.zones.get(node.zone).map(String::as_str)
    }

    /// Takes room on a node that is given.
    pub(crate) fn occupy(&mut self, node: &str, wish: &Wish) {
        if let Some(at) = self.names.get(node).copied() {
            self.take(at, wish);
        }
    }

    /// A node for one more pod of an owner.
    pub(crate) fn choose(&mut self, wish: &Wish, siblings: &mut Siblings) -> Option<String> {
        let mut zones: Vec<usize> = (0..self.order.len()).collect();
        // Of zones with as many siblings, the one with the emptiest node.
        zones.sort_by_key(|zone| {
            let emptiest = self
                .order
                .get(*zone)
                .and_then(|order| order.first().map(|(used, _)| *used));
            (siblings.by_zone.get(zone).copied().unwrap_or(0), emptiest, *zone)
        });
        let at = zones.iter().find_map(|zone| {
            let order = self.order.get(*zone)?;
            let fitting = |at: &usize| {
                self.nodes
                    .get(*at)
                    .is_some_and(|node| node.fits(wish) && node.accepts(wish))
            };
            let candidates = order.iter().map(|(_, at)| *at).filter(fitting);
            // The fewest siblings, then the fewest pods.
            candidates
                .take(LOOKS)
                .min_by_key(|at| siblings.nodes.get(at).copied().unwrap_or(0))
        })?;
        self.take(at, wish);
        let node = self.nodes.get(at)?;
        *siblings.by_zone.entry(node.zone).or_default() += 1;
        *siblings.nodes.entry(at).or_default() += 1;
        Some(node.name.clone())
    }

    fn take(&mut self, at: usize, wish: &Wish) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        if let Some(order) = self.order.get_mut(node.zone) {
            order.remove(&(node.used, at));
            order.insert((node.used + 1, at));
        }
        node.used += 1;
        node.cpu -= wish.cpu;
        node.memory -= wish.memory;
    }
}

impl Room {
    fn fits(&self, wish: &Wish) -> bool {
        self.used < self.pods && self.cpu >= wish.cpu && self.memory >= wish.memory
    }

    fn accepts(&self, wish: &Wish) -> bool {
        wish.rules.accept(&self.name, &self.labels) && !wish.rules.repelled_by(&self.taints)
    }
}

impl Wish {
    /// Reads a pod's `spec`.
    pub(crate) fn of(spec: Option<&Value>) -> Self {
        let spec = spec.unwrap_or(&Value::Null);
        let (cpu, memory) = requests(spec);
        Self {
            rules: NodeRules::from_json(spec),
            cpu,
            memory,
        }
    }
}

/// Millicores and bytes that the containers of a pod ask for.
fn requests(spec: &Value) -> (i64, i64) {
    let amount = |container: &Value, resource: &str| -> Option<Quantity> {
        text(container, &format!("/resources/requests/{resource}")).parse().ok()
    };
    let of = |container: &Value| {
        let cpu = amount(container, "cpu").and_then(|amount| amount.to_millis());
        let memory = amount(container, "memory").and_then(|amount| amount.to_units());
        (cpu.unwrap_or(0), memory.unwrap_or(0))
    };
    let each = list(spec, "/containers").iter().map(of);
    each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}
