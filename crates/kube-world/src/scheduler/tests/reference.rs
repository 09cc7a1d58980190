//! The scheduler's rules once more, slowly and obviously: every question walks over all nodes and all pods.

use std::collections::{BTreeMap, BTreeSet};

use super::super::pod::PodClass;
use super::super::taints::{repelled, tolerated};
use super::super::terms::{AffinityTerm, PodSet, Spread};
use super::super::{Labels, Node, Reason};

/// A pod that is there.
#[derive(Debug, Clone)]
pub(super) struct Present {
    pub(super) class: PodClass,
    pub(super) node: Option<String>,
    pub(super) terminating: bool,
}

/// The cluster, plainly.
#[derive(Debug, Default)]
pub(super) struct Reference {
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) pods: BTreeMap<String, Present>,
    pub(super) namespaces: BTreeMap<String, Labels>,
}

impl Reference {
    fn namespace(&self, name: &str) -> Labels {
        self.namespaces.get(name).cloned().unwrap_or_default()
    }

    fn belongs(&self, set: &PodSet, class: &PodClass) -> bool {
        set.contains(&class.namespace, &self.namespace(&class.namespace), &class.labels)
    }

    fn placed(&self) -> impl Iterator<Item = (&Present, &Node)> {
        self.pods
            .values()
            .filter_map(|pod| Some((pod, self.nodes.get(pod.node.as_ref()?)?)))
    }

    /// Pods in use of a node, whether the node is there or not.
    pub(super) fn on(&self, node: &str) -> impl Iterator<Item = &Present> {
        self.pods.values().filter(move |pod| pod.node.as_deref() == Some(node))
    }

    /// Why a node does not take a pod of this class: the first reason in the order of the filters.
    pub(super) fn rejection(&self, class: &PodClass, node: &Node) -> Option<Reason> {
        let tolerations = &class.rules.tolerations;
        if node.unschedulable && !tolerated(tolerations, &Node::cordon()) {
            return Some(Reason::Unschedulable);
        }
        if repelled(tolerations, &node.taints) {
            return Some(Reason::Taint);
        }
        if !class.rules.accept(&node.name, &node.labels) {
            return Some(Reason::NodeAffinity);
        }
        self.room(class, node)
            .or_else(|| {
                class
                    .spread
                    .iter()
                    .filter(|spread| spread.required)
                    .find_map(|spread| self.spread(class, spread, node))
            })
            .or_else(|| self.affinity(class, node))
    }

    fn room(&self, class: &PodClass, node: &Node) -> Option<Reason> {
        let cpu: i64 = self.on(&node.name).map(|pod| pod.class.requests.stated.cpu).sum();
        let pods = i64::try_from(self.on(&node.name).count()).unwrap();
        if pods + 1 > node.max_pods {
            return Some(Reason::TooManyPods);
        }
        (class.requests.stated.cpu > 0 && cpu + class.requests.stated.cpu > node.allocatable.cpu).then_some(Reason::Cpu)
    }

    fn spread(&self, class: &PodClass, spread: &Spread, node: &Node) -> Option<Reason> {
        let Some(value) = node.labels.get(&spread.topology_key) else {
            return Some(Reason::SpreadLabel);
        };
        let keys: BTreeSet<&String> = class
            .spread
            .iter()
            .filter(|other| other.required)
            .map(|other| &other.topology_key)
            .collect();
        let eligible = |node: &Node| {
            keys.iter().all(|key| node.labels.contains_key(*key))
                && (!spread.honor_affinity || class.rules.accept(&node.name, &node.labels))
                && (!spread.honor_taints || !repelled(&class.rules.tolerations, &node.taints))
        };
        let mut domains: BTreeMap<&String, i64> = BTreeMap::new();
        for node in self.nodes.values().filter(|node| eligible(node)) {
            let live = |pod: &&Present| !pod.terminating && pod.class.namespace == class.namespace;
            let counted = self
                .on(&node.name)
                .filter(live)
                .filter(|pod| !spread.selector.is_everything() && spread.selector.matches(&pod.class.labels));
            *domains.entry(node.labels.get(&spread.topology_key)?).or_default() +=
                i64::try_from(counted.count()).unwrap();
        }
        let enough = i64::try_from(domains.len()).unwrap() >= spread.min_domains;
        let least = if enough {
            domains.values().copied().min().unwrap_or(0)
        } else {
            0
        };
        let own = i64::from(spread.selector.matches(&class.labels));
        let here = domains.get(value).copied().unwrap_or(0);
        (here + own - least > spread.max_skew).then_some(Reason::Spread)
    }

    fn affinity(&self, class: &PodClass, node: &Node) -> Option<Reason> {
        let same = |term: &AffinityTerm, other: &Node| {
            let value = node.labels.get(&term.topology_key);
            value.is_some() && value == other.labels.get(&term.topology_key)
        };
        let required = &class.affinity.required;
        let matching: Vec<&Node> = self
            .placed()
            .filter(|(pod, _)| required.iter().all(|term| self.belongs(&term.pods, &pod.class)))
            .map(|(_, node)| node)
            .collect();
        if !required.is_empty() {
            if required
                .iter()
                .any(|term| !node.labels.contains_key(&term.topology_key))
            {
                return Some(Reason::Affinity);
            }
            let near = required
                .iter()
                .all(|term| matching.iter().any(|other| same(term, other)));
            let keyed = |other: &&&Node| {
                required
                    .iter()
                    .any(|term| other.labels.contains_key(&term.topology_key))
            };
            let nobody = !matching.iter().any(|other| keyed(&other));
            let own = required.iter().all(|term| self.belongs(&term.pods, class));
            let first = nobody && own;
            if !near && !first {
                return Some(Reason::Affinity);
            }
        }
        for term in &class.affinity.required_anti {
            if self
                .placed()
                .any(|(pod, other)| self.belongs(&term.pods, &pod.class) && same(term, other))
            {
                return Some(Reason::AntiAffinity);
            }
        }
        let kept_away = self.placed().any(|(pod, other)| {
            pod.class
                .affinity
                .required_anti
                .iter()
                .any(|term| self.belongs(&term.pods, class) && same(term, other))
        });
        kept_away.then_some(Reason::ExistingAntiAffinity)
    }
}
