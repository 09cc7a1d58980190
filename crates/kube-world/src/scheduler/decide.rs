//! One decision: take the next pod, find the nodes that take it, choose the best, or say why there is none.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Scheduler;
use super::decision::{Binding, Decision, Preemption, Refusal};
use super::filter::Question;
use super::preempt::Preemptor;
use super::queue::Why;
use super::reasons::{Rejection, histogram};
use super::score::{Scratch, score};
use super::tally::{ClassId, NodeId, PodId};
use super::volumes::Demand;

/// Below this many nodes all of them are looked at; above, at least this many that take the pod.
const FEWEST_NODES: usize = 100;
/// The share of nodes that are scored in larger clusters, in percent: less the larger the cluster, but never below this.
const LEAST_SHARE: usize = 5;

/// Tables that are used again for each decision, and what was found out for pods just like the next one.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    nodes: Vec<NodeId>,
    feasible: Vec<NodeId>,
    rejections: Vec<(NodeId, Rejection)>,
    totals: Vec<i64>,
    scratch: Scratch,
    /// Where the next look at the nodes begins, so that a sample does not always meet the same ones.
    start: usize,
    /// Refusals by class, good as long as nothing has changed since that generation.
    refusals: BTreeMap<ClassId, (String, Why)>,
    refusals_at: u64,
}

/// What a look at the nodes came to.
enum Outcome {
    Chosen(NodeId),
    None(Why, String),
}

impl Scheduler {
    /// The next decision; `None` when no pod is to be tried now.
    ///
    /// A [`Decision::Bind`] counts at once. If the binding cannot be carried out, say so with [`Scheduler::forget`].
    pub fn decide(&mut self, now: Timestamp) -> Option<Decision> {
        while let Some(id) = self.queue.pop(now) {
            let class = self
                .cluster
                .pods
                .get(id)
                .filter(|pod| pod.node.is_none())
                .map(|pod| pod.class);
            match class.and_then(|class| self.decide_on(id, class, now)) {
                Some(decision) => return Some(decision),
                None => drop(self.queue.remove(id)),
            }
        }
        None
    }

    fn decide_on(&mut self, id: PodId, class: ClassId, now: Timestamp) -> Option<Decision> {
        let plain = self
            .cluster
            .pods
            .get(id)
            .is_some_and(|pod| pod.claims.is_empty() && pod.nominated.is_none());
        if plain && let Some((message, why)) = self.remembered(class) {
            return self.refuse(id, message, why, None, now);
        }
        let total = self.cluster.order().len();
        if total == 0 {
            let why = Why {
                everywhere: true,
                ..Why::default()
            };
            return self.refuse(id, "no nodes available to schedule pods".to_owned(), why, None, now);
        }
        let claims = self.cluster.pods.get(id)?.claims.clone();
        let spec = self.cluster.spec_of(id)?.clone();
        let demand = match self.cluster.storage.demand(&spec.namespace, &claims) {
            Ok(demand) => demand,
            Err(text) => return self.refuse_everywhere(id, total, &text, now),
        };
        let names = spec.rules.names();
        if names.as_ref().is_some_and(BTreeSet::is_empty) {
            return self.refuse_everywhere(id, total, "pod affinity terms conflict", now);
        }
        self.cluster.sync_rules(class);
        match self.find(id, class, &demand, names.as_ref(), total)? {
            Outcome::Chosen(node) => self.bind(id, node, &demand, now),
            Outcome::None(why, message) => self.make_room(id, class, &demand, (why, message), (total, plain), now),
        }
    }

    fn remembered(&self, class: ClassId) -> Option<(String, Why)> {
        let current = self.workspace.refusals_at == self.cluster.generation;
        self.workspace.refusals.get(&class).filter(|_| current).cloned()
    }

    fn remember(&mut self, class: ClassId, message: &str, why: Why) {
        if self.workspace.refusals_at != self.cluster.generation {
            self.workspace.refusals.clear();
            self.workspace.refusals_at = self.cluster.generation;
        }
        self.workspace.refusals.insert(class, (message.to_owned(), why));
    }

    /// The best node, or the nodes' reasons.
    fn find(
        &mut self,
        id: PodId,
        class: ClassId,
        demand: &Demand,
        names: Option<&BTreeSet<String>>,
        total: usize,
    ) -> Option<Outcome> {
        if let Some(node) = self.cluster.pods.get(id)?.nominated {
            let there = self.cluster.nodes.get(node).is_some_and(|slot| slot.info.is_some());
            if there && self.cluster.check(id, class, demand, node).is_none() {
                return Some(Outcome::Chosen(node));
            }
        }
        self.list_nodes(names);
        let disputed = self.disputed(id, class, demand);
        let work = &mut self.workspace;
        let question = Question::new(&self.cluster, class, demand)?;
        let wanted = nodes_to_find(work.nodes.len());
        work.feasible.clear();
        work.rejections.clear();
        let start = work.start % work.nodes.len().max(1);
        let (head, tail) = work.nodes.split_at(start);
        for node in tail.iter().chain(head) {
            match disputed.get(node).copied().or_else(|| question.rejection(*node)) {
                Some(no) => work.rejections.push((*node, no)),
                None => work.feasible.push(*node),
            }
            if work.feasible.len() >= wanted {
                break;
            }
        }
        work.start = (work.start + work.feasible.len() + work.rejections.len()) % total;
        let chosen = match work.feasible.as_slice() {
            [] => None,
            [only] => Some(*only),
            _ => {
                score(&question, &work.feasible, &mut work.scratch, &mut work.totals);
                best(&work.feasible, &work.totals, &*self.ids)
            }
        };
        if let Some(node) = chosen {
            return Some(Outcome::Chosen(node));
        }
        let all: Vec<Rejection> = work.rejections.iter().map(|(_, no)| *no).collect();
        let others = names.map(|_| "node(s) didn't satisfy plugin(s) [NodeAffinity]");
        let nodes = all.iter().copied().reduce(Rejection::union).unwrap_or_default();
        let everywhere = all.is_empty();
        let message = histogram(total, &question.class.spec, &all, others);
        Some(Outcome::None(Why { nodes, everywhere }, message))
    }

    fn list_nodes(&mut self, names: Option<&BTreeSet<String>>) {
        self.workspace.nodes.clear();
        match names {
            None => self.workspace.nodes.extend_from_slice(self.cluster.order()),
            Some(names) => {
                let there = |id: &NodeId| self.cluster.nodes.get(*id).is_some_and(|slot| slot.info.is_some());
                let ids = names.iter().filter_map(|name| self.cluster.node_id(name)).filter(there);
                self.workspace.nodes.extend(ids);
            }
        }
    }

    /// Nodes that would take the pod by themselves, but not beside the pods for which room is being made there.
    fn disputed(&mut self, id: PodId, class: ClassId, demand: &Demand) -> BTreeMap<NodeId, Rejection> {
        if self.cluster.nominations == 0 {
            return BTreeMap::new();
        }
        let nominated = |node: &&NodeId| {
            self.cluster
                .nodes
                .get(**node)
                .is_some_and(|slot| !slot.nominated.is_empty())
        };
        let busy: Vec<NodeId> = self.workspace.nodes.iter().filter(nominated).copied().collect();
        let generation = self.cluster.generation;
        let disputed = busy
            .into_iter()
            .filter_map(|node| Some((node, self.cluster.check(id, class, demand, node)?)))
            .collect();
        self.cluster.generation = generation;
        disputed
    }

    fn bind(&mut self, id: PodId, node: NodeId, demand: &Demand, now: Timestamp) -> Option<Decision> {
        let info = self.cluster.nodes.get(node)?.info.as_ref()?;
        let name = info.name.clone();
        let volumes = self
            .cluster
            .storage
            .plan(demand, &info.name, &info.labels)
            .unwrap_or_default();
        let pod = self.cluster.pod_ref(id)?;
        for (claim, volume) in &volumes.bind {
            // No other claim may be planned onto the volume before the API shows it as taken.
            if let Some(volume) = self.cluster.storage.volumes.get_mut(volume) {
                volume.claim = Some(claim.clone());
            }
        }
        self.cluster.nominate(id, None);
        self.cluster.put(id, node);
        if let Some(slot) = self.cluster.pods.get_mut(id) {
            slot.assumed = true;
        }
        self.queue.remove(id);
        self.placed(id, now);
        Some(Decision::Bind(Binding {
            pod,
            node: name,
            volumes,
        }))
    }

    /// No node takes the pod: look for less important ones that could go.
    fn make_room(
        &mut self,
        id: PodId,
        class: ClassId,
        demand: &Demand,
        (why, message): (Why, String),
        (total, plain): (usize, bool),
        now: Timestamp,
    ) -> Option<Decision> {
        let preemptor = Preemptor { pod: id, class, demand };
        let rejections = std::mem::take(&mut self.workspace.rejections);
        let random = self.ids.next_u64();
        let found = self.cluster.preempt(&preemptor, &rejections, total, random);
        self.workspace.rejections = rejections;
        match found {
            Ok(candidate) => {
                let node = candidate.node;
                let displaced = self.displace(id, node);
                self.cluster.nominate(id, Some(node));
                let victims = candidate
                    .victims
                    .iter()
                    .filter_map(|victim| self.cluster.pod_ref(*victim))
                    .collect();
                let preemption = Preemption {
                    node: self.cluster.nodes.get(node)?.name.to_string(),
                    victims,
                    violations: candidate.violations,
                    displaced,
                };
                self.refuse(id, message, why, Some(preemption), now)
            }
            Err(text) => {
                let message = format!("{message} preemption: {text}");
                if plain {
                    self.remember(class, &message, why);
                }
                self.refuse(id, message, why, None, now)
            }
        }
    }

    /// Less important pods nominated to the node lose their nomination, so that they look elsewhere.
    fn displace(&mut self, id: PodId, node: NodeId) -> Vec<super::PodRef> {
        let keep = self.cluster.guests(id, node);
        let nominated = self
            .cluster
            .nodes
            .get(node)
            .map(|slot| slot.nominated.clone())
            .unwrap_or_default();
        let lost: Vec<PodId> = nominated
            .into_iter()
            .filter(|guest| *guest != id && !keep.contains(guest))
            .collect();
        for guest in &lost {
            self.cluster.nominate(*guest, None);
        }
        lost.into_iter()
            .filter_map(|guest| self.cluster.pod_ref(guest))
            .collect()
    }

    /// Refuses a pod for a reason that is not a node's.
    fn refuse_everywhere(&mut self, id: PodId, total: usize, text: &str, now: Timestamp) -> Option<Decision> {
        let preempts = self.cluster.spec_of(id).is_some_and(|class| class.preempts);
        let preemption = if preempts {
            format!("0/{total} nodes are available: {total} Preemption is not helpful for scheduling.")
        } else {
            "not eligible due to preemptionPolicy=Never.".to_owned()
        };
        let message = format!("0/{total} nodes are available: {text}. preemption: {preemption}");
        let why = Why {
            everywhere: true,
            ..Why::default()
        };
        self.refuse(id, message, why, None, now)
    }

    fn refuse(
        &mut self,
        id: PodId,
        message: String,
        why: Why,
        preemption: Option<Preemption>,
        now: Timestamp,
    ) -> Option<Decision> {
        let pod = self.cluster.pod_ref(id)?;
        let waits = message.ends_with("not eligible due to a terminating pod on the nominated node.");
        let nominated = self.cluster.pods.get(id).is_some_and(|pod| pod.nominated.is_some());
        let clear_nomination = preemption.is_none() && nominated && !waits;
        if clear_nomination {
            self.cluster.nominate(id, None);
        }
        self.queue.park(id, why, now);
        Some(Decision::Refuse(Refusal {
            pod,
            message,
            preemption,
            clear_nomination,
        }))
    }
}

/// How many nodes that take the pod are enough.
fn nodes_to_find(nodes: usize) -> usize {
    if nodes < FEWEST_NODES {
        return nodes.max(1);
    }
    let share = 50_usize.saturating_sub(nodes / 125).max(LEAST_SHARE);
    (nodes * share / 100).max(FEWEST_NODES)
}

/// A node with the highest score; among equals the lot decides.
fn best(nodes: &[NodeId], totals: &[i64], ids: &dyn ports::Ids) -> Option<NodeId> {
    let highest = totals.iter().copied().max()?;
    let tied: Vec<NodeId> = nodes
        .iter()
        .zip(totals)
        .filter(|(_, total)| **total == highest)
        .map(|(node, _)| *node)
        .collect();
    let lot = ids.next_u64() % u64::try_from(tied.len()).ok().filter(|nodes| *nodes > 0)?;
    tied.get(usize::try_from(lot).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::nodes_to_find;

    #[test]
    fn large_clusters_are_sampled() {
        let check = |nodes: usize, expected: usize| assert_eq!(nodes_to_find(nodes), expected, "{nodes} nodes");
        check(5, 5);
        check(99, 99);
        check(100, 100);
        check(1_000, 420);
        check(6_000, 300);
    }
}
