//! Counts of pods by topology domain, kept up to date pod by pod and node by node.
//!
//! Spread constraints and affinity terms all ask the same thing: how many pods of some kind are in this node's zone (or on
//! this node, or rack)? A [`Tally`] is the standing answer to one such question, shared by all classes that ask it, so that
//! a decision costs a look-up per node and never a walk over pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::node::Node;
use super::pod::{NodeRules, PodClass};
use super::read::Labels;
use super::slots::Slots;
use super::taints::{Toleration, repelled};
use super::terms::{AffinityTerm, PodSet};

/// The number of a node, a pod, a class or a tally within its table.
pub(crate) type NodeId = usize;
pub(crate) type PodId = usize;
pub(crate) type ClassId = usize;
pub(crate) type TallyId = usize;

/// No domain: the node lacks the label.
const NOWHERE: u32 = u32::MAX;

/// What a tally counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counted {
    /// Pods that belong to all of these sets. Spreading passes over pods that terminate, affinity does not.
    Members { sets: Vec<PodSet>, live_only: bool },
    /// Pods that carry this term in this role; it concerns pods that the term selects.
    Carriers { role: Role, term: AffinityTerm },
    /// Nothing: an empty spread selector counts no pod, its domains matter all the same.
    Nobody,
}

/// The role of a term that pods carry towards pods that come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Required anti-affinity: the newcomer must stay away.
    KeepsAway,
    /// Affinity in any form: the newcomer's score near the carrier changes by this weight.
    Weighs(i64),
}

/// What a required affinity term of a pod that is there weighs for a newcomer that it selects.
pub(crate) const REQUIRED_WEIGHT: i64 = 1;

/// Which nodes a tally counts on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Scope {
    /// Labels that a node must have all.
    pub(crate) keys: Vec<String>,
    /// Node selector and affinity that it must satisfy.
    pub(crate) rules: Option<Arc<NodeRules>>,
    /// Tolerations without which its taints exclude it.
    pub(crate) tolerations: Option<Vec<Toleration>>,
}

impl Scope {
    /// Whether a node's taints decide whether it is among them.
    pub(crate) fn judges_taints(&self) -> bool {
        self.tolerations.is_some()
    }

    fn takes(&self, node: &Node) -> bool {
        self.keys.iter().all(|key| node.labels.contains_key(key))
            && self
                .rules
                .as_ref()
                .is_none_or(|rules| rules.accept(&node.name, &node.labels))
            && self
                .tolerations
                .as_ref()
                .is_none_or(|tolerations| !repelled(tolerations, &node.taints))
    }
}

/// The question that a tally answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TallyKey {
    pub(crate) counted: Counted,
    pub(crate) topology_key: String,
    pub(crate) scope: Scope,
}

impl TallyKey {
    /// Whether pods of a class are counted by their labels, and if so whether only while they do not terminate.
    pub(crate) fn counts(&self, class: &PodClass, namespace_labels: &Labels) -> Option<bool> {
        match &self.counted {
            Counted::Members { sets, live_only } => {
                let belongs = |set: &PodSet| set.contains(&class.namespace, namespace_labels, &class.labels);
                sets.iter().all(belongs).then_some(*live_only)
            }
            // Carriers are told by the links of their class.
            Counted::Carriers { .. } | Counted::Nobody => None,
        }
    }
}

/// The terms that pods of a class hold against, or for, pods that come later.
pub(crate) fn carried(class: &PodClass) -> impl Iterator<Item = (Role, &AffinityTerm)> {
    let anti = class.affinity.required_anti.iter().map(|term| (Role::KeepsAway, term));
    let near = class
        .affinity
        .required
        .iter()
        .map(|term| (Role::Weighs(REQUIRED_WEIGHT), term));
    let wishes = class
        .affinity
        .preferred
        .iter()
        .map(|(weight, term)| (Role::Weighs(*weight), term));
    anti.chain(near).chain(wishes)
}

#[derive(Debug, Clone, Copy)]
struct Seat {
    domain: u32,
    /// Whether the node's pods enter the domain's count.
    counted: bool,
    pods: u32,
}

const EMPTY_SEAT: Seat = Seat {
    domain: NOWHERE,
    counted: false,
    pods: 0,
};

#[derive(Debug, Clone, Copy, Default)]
struct Domain {
    pods: u32,
    nodes: u32,
}

/// Counts by domain for one question.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) key: TallyKey,
    /// How many classes look at it.
    pub(crate) users: u32,
    seats: Vec<Seat>,
    domains: Vec<Domain>,
    live_domains: u32,
    total: u64,
}

impl Tally {
    pub(crate) fn new(key: TallyKey) -> Self {
        Self {
            key,
            users: 0,
            seats: Vec::new(),
            domains: Vec::new(),
            live_domains: 0,
            total: 0,
        }
    }

    fn seat(&self, node: NodeId) -> Seat {
        self.seats.get(node).copied().unwrap_or(EMPTY_SEAT)
    }

    fn seat_mut(&mut self, node: NodeId) -> Option<&mut Seat> {
        if self.seats.len() <= node {
            self.seats.resize(node + 1, EMPTY_SEAT);
        }
        self.seats.get_mut(node)
    }

    fn domain_mut(&mut self, domain: u32) -> Option<&mut Domain> {
        let at = usize::try_from(domain).ok().filter(|_| domain != NOWHERE)?;
        if self.domains.len() <= at {
            self.domains.resize(at + 1, Domain::default());
        }
        self.domains.get_mut(at)
    }

    /// Enters one more counted pod on a node, or takes one away.
    pub(crate) fn count(&mut self, node: NodeId, up: bool) {
        let Some(seat) = self.seat_mut(node) else { return };
        seat.pods = if up {
            seat.pods.saturating_add(1)
        } else {
            seat.pods.saturating_sub(1)
        };
        let seat = *seat;
        if !seat.counted {
            return;
        }
        if let Some(domain) = self.domain_mut(seat.domain) {
            domain.pods = if up {
                domain.pods.saturating_add(1)
            } else {
                domain.pods.saturating_sub(1)
            };
            self.total = if up {
                self.total.saturating_add(1)
            } else {
                self.total.saturating_sub(1)
            };
        }
    }

    /// Takes a node out of its domain; its pods stay noted.
    pub(crate) fn lift(&mut self, node: NodeId) {
        let seat = self.seat(node);
        if seat.counted
            && let Some(domain) = self.domain_mut(seat.domain)
        {
            domain.pods = domain.pods.saturating_sub(seat.pods);
            domain.nodes = domain.nodes.saturating_sub(1);
            let emptied = domain.nodes == 0;
            self.total = self.total.saturating_sub(u64::from(seat.pods));
            self.live_domains = self.live_domains.saturating_sub(u32::from(emptied));
        }
        if let Some(seat) = self.seats.get_mut(node) {
            *seat = Seat {
                pods: seat.pods,
                ..EMPTY_SEAT
            };
        }
    }

    /// Puts a node into its domain, by the domain's number in the topology.
    pub(crate) fn place(&mut self, id: NodeId, node: &Node, domain: Option<u32>) {
        let counted = domain.is_some() && self.key.scope.takes(node);
        let Some(seat) = self.seat_mut(id) else { return };
        seat.domain = domain.unwrap_or(NOWHERE);
        seat.counted = counted;
        let pods = seat.pods;
        if let Some(domain) = domain.filter(|_| counted).and_then(|domain| self.domain_mut(domain)) {
            domain.pods = domain.pods.saturating_add(pods);
            domain.nodes = domain.nodes.saturating_add(1);
            let first = domain.nodes == 1;
            self.total = self.total.saturating_add(u64::from(pods));
            self.live_domains = self.live_domains.saturating_add(u32::from(first));
        }
    }

    /// The number of a node's domain; `None` without the label.
    pub(crate) fn domain_of(&self, node: NodeId) -> Option<u32> {
        Some(self.seat(node).domain).filter(|domain| *domain != NOWHERE)
    }

    /// Counted pods in the node's domain; `None` without the label.
    pub(crate) fn in_domain_of(&self, node: NodeId) -> Option<i64> {
        let domain = usize::try_from(self.domain_of(node)?).ok()?;
        Some(self.domains.get(domain).map_or(0, |domain| i64::from(domain.pods)))
    }

    /// Pods of the kind on the node itself, whether its domain counts or not.
    pub(crate) fn on(&self, node: NodeId) -> i64 {
        i64::from(self.seat(node).pods)
    }

    /// The count of the emptiest domain; 0 when there are fewer domains than wanted.
    pub(crate) fn least(&self, min_domains: i64) -> i64 {
        if i64::from(self.live_domains) < min_domains {
            return 0;
        }
        let live = self.domains.iter().filter(|domain| domain.nodes > 0);
        live.map(|domain| i64::from(domain.pods)).min().unwrap_or(0)
    }

    /// Counted pods in all domains.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// How many numbers domains may have, for tables by domain.
    pub(crate) fn domain_bound(&self) -> usize {
        self.domains.len()
    }
}

/// The values of each topology label that nodes have, numbered; numbers of vanished values are given out again.
#[derive(Debug, Default)]
pub(crate) struct Topologies {
    keys: BTreeMap<String, Values>,
}

#[derive(Debug, Default)]
struct Values {
    by_text: BTreeMap<String, (u32, u32)>,
    numbers: Slots<()>,
    /// The number of each node's value.
    of_node: Vec<u32>,
}

impl Topologies {
    /// Notes a node with all its labels under every key that is looked at.
    pub(crate) fn enter(&mut self, node: NodeId, labels: &Labels) {
        for (key, values) in &mut self.keys {
            if let Some(value) = labels.get(key) {
                values.enter(node, value);
            }
        }
    }

    /// Undoes [`Topologies::enter`].
    pub(crate) fn leave(&mut self, node: NodeId, labels: &Labels) {
        for (key, values) in &mut self.keys {
            if let Some(value) = labels.get(key) {
                values.leave(node, value);
            }
        }
    }

    /// Begins to look at a key, with the labels of the nodes that are there.
    pub(crate) fn watch<'a>(&mut self, key: &str, nodes: impl Iterator<Item = (NodeId, &'a Labels)>) {
        if self.keys.contains_key(key) {
            return;
        }
        let values = self.keys.entry(key.to_owned()).or_default();
        for (node, labels) in nodes {
            if let Some(value) = labels.get(key) {
                values.enter(node, value);
            }
        }
    }

    /// The number of a node's domain under a key.
    pub(crate) fn domain(&self, key: &str, node: NodeId) -> Option<u32> {
        let number = self.keys.get(key)?.of_node.get(node).copied();
        number.filter(|number| *number != NOWHERE)
    }
}

impl Values {
    fn enter(&mut self, node: NodeId, value: &str) {
        let number = match self.by_text.get_mut(value) {
            Some((number, nodes)) => {
                *nodes = nodes.saturating_add(1);
                *number
            }
            None => {
                let number = u32::try_from(self.numbers.insert(())).unwrap_or(NOWHERE);
                self.by_text.insert(value.to_owned(), (number, 1));
                number
            }
        };
        if self.of_node.len() <= node {
            self.of_node.resize(node + 1, NOWHERE);
        }
        if let Some(place) = self.of_node.get_mut(node) {
            *place = number;
        }
    }

    fn leave(&mut self, node: NodeId, value: &str) {
        if let Some(place) = self.of_node.get_mut(node) {
            *place = NOWHERE;
        }
        let Some((number, nodes)) = self.by_text.get_mut(value) else {
            return;
        };
        *nodes = nodes.saturating_sub(1);
        if *nodes == 0 {
            if let Ok(number) = usize::try_from(*number) {
                self.numbers.remove(number);
            }
            self.by_text.remove(value);
        }
    }
}
