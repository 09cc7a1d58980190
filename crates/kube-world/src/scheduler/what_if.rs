//! Asking the scheduler's filters about a cluster that is not: with more nodes, or without some pods.

use super::Scheduler;
use super::filter::Question;
use super::node::Node;
use super::reasons::Rejection;
use super::tally::{NodeId, PodId};

/// What a node answers to a pod: nothing when it takes it.
type Answer = (NodeId, Option<Rejection>);

/// A change of the picture for as long as this value lives; dropping it undoes everything.
#[derive(Debug)]
pub struct WhatIf<'a> {
    scheduler: &'a mut Scheduler,
    added: Vec<String>,
    placed: Vec<PodId>,
    lifted: Vec<(PodId, NodeId)>,
}

impl Scheduler {
    /// Begins to ask.
    pub fn what_if(&mut self) -> WhatIf<'_> {
        WhatIf {
            scheduler: self,
            added: Vec::new(),
            placed: Vec::new(),
            lifted: Vec::new(),
        }
    }
}

impl WhatIf<'_> {
    /// Adds a node that is not there; one of a name that is there already is left as it is.
    pub fn add_node(&mut self, node: Node) {
        let cluster = &mut self.scheduler.cluster;
        let there = cluster
            .node_id(&node.name)
            .and_then(|id| cluster.nodes.get(id))
            .is_some_and(|slot| slot.info.is_some());
        if !there {
            self.added.push(node.name.clone());
            cluster.set_node(node);
        }
    }

    /// Takes a pod, by its uid, off its node.
    pub fn lift(&mut self, uid: &str) {
        let cluster = &mut self.scheduler.cluster;
        if let Some(id) = cluster.pod_ids.get(uid).copied()
            && let Some(node) = cluster.lift_pod(id)
        {
            self.lifted.push((id, node));
        }
    }

    /// Puts a pod on the first of the wanted nodes that takes it, in the order of their names; answers which.
    pub fn place(&mut self, uid: &str, wanted: impl Fn(&Node) -> bool) -> Option<String> {
        let (id, rejections) = self.ask(uid, wanted)?;
        let (node, _) = rejections.into_iter().find(|(_, no)| no.is_none())?;
        let cluster = &mut self.scheduler.cluster;
        cluster.put(id, node);
        self.placed.push(id);
        Some(cluster.nodes.get(node)?.name.to_string())
    }

    /// Why a node does not take a pod, in the scheduler's words; empty when it does.
    pub fn reasons(&mut self, uid: &str, node: &str) -> Vec<String> {
        let Some((id, rejections)) = self.ask(uid, |info| info.name == node) else {
            return Vec::new();
        };
        let spec = self.scheduler.cluster.spec_of(id).cloned();
        let first = rejections.into_iter().find_map(|(_, no)| no);
        first.zip(spec).map(|(no, spec)| no.texts(&spec)).unwrap_or_default()
    }

    /// The answers of all wanted nodes for a pod that is not placed.
    fn ask(&mut self, uid: &str, wanted: impl Fn(&Node) -> bool) -> Option<(PodId, Vec<Answer>)> {
        let cluster = &mut self.scheduler.cluster;
        let id = cluster.pod_ids.get(uid).copied()?;
        let pod = cluster.pods.get(id).filter(|pod| pod.node.is_none())?;
        let (class, claims) = (pod.class, pod.claims.clone());
        let demand = cluster.storage.demand(&cluster.spec_of(id)?.namespace, &claims).ok()?;
        cluster.sync_rules(class);
        let question = Question::new(cluster, class, &demand)?;
        let mut nodes: Vec<(&str, NodeId)> = cluster
            .nodes
            .iter()
            .filter(|(_, slot)| slot.info.as_ref().is_some_and(&wanted))
            .map(|(node, slot)| (&*slot.name, node))
            .collect();
        nodes.sort_unstable();
        let answers = nodes
            .into_iter()
            .map(|(_, node)| (node, question.rejection(node)))
            .collect();
        Some((id, answers))
    }

    /// The nodes as they are now, the added ones included, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.scheduler
            .cluster
            .nodes
            .iter()
            .filter_map(|(_, slot)| slot.info.as_ref())
    }
}

impl Drop for WhatIf<'_> {
    fn drop(&mut self) {
        let cluster = &mut self.scheduler.cluster;
        for id in self.placed.drain(..) {
            cluster.lift_pod(id);
        }
        for (id, node) in self.lifted.drain(..) {
            cluster.put(id, node);
        }
        for name in self.added.drain(..) {
            cluster.remove_node(&name);
        }
    }
}
