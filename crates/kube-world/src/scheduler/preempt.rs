//! Preemption: whom to evict so that a more important pod fits, with the least harm.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::cluster::Cluster;
use super::reasons::{Reason, Rejection, histogram};
use super::tally::{ClassId, NodeId, PodId};
use super::volumes::Demand;
use super::{filter::Question, pod::PodClass};

/// At least this many nodes are tried, or a tenth of those in question.
const FEWEST_CANDIDATES: usize = 100;
const CANDIDATE_SHARE: usize = 10;
/// The word for nodes where evicting cannot help.
const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";

/// A node with the pods that would have to go.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) node: NodeId,
    /// Most important first; never empty.
    pub(crate) victims: Vec<PodId>,
    pub(crate) violations: usize,
}

/// The pod that looks for room.
pub(crate) struct Preemptor<'a> {
    pub(crate) pod: PodId,
    pub(crate) class: ClassId,
    pub(crate) demand: &'a Demand,
}

impl Cluster {
    /// Whom to evict, or why nobody: the text after `preemption: `.
    ///
    /// `rejections` are the nodes' answers without preemption, `nodes` the number of all nodes. `random` chooses where the
    /// search begins, so that not the same nodes suffer each time.
    pub(crate) fn preempt(
        &mut self,
        preemptor: &Preemptor<'_>,
        rejections: &[(NodeId, Rejection)],
        nodes: usize,
        random: u64,
    ) -> Result<Candidate, String> {
        let Some(spec) = self.spec_of(preemptor.pod).cloned() else {
            return Err(NOT_HELPFUL.to_owned());
        };
        self.eligible(preemptor.pod, &spec, rejections)?;
        let open: Vec<NodeId> = rejections
            .iter()
            .filter(|(_, no)| !no.is_lasting())
            .map(|(node, _)| *node)
            .collect();
        let anybody = self
            .priorities
            .keys()
            .next()
            .is_some_and(|lowest| *lowest < spec.priority);
        if !anybody {
            let none = vec![Rejection::lasting(Reason::NoVictims); open.len()];
            return Err(histogram(nodes, &spec, &none, Some(NOT_HELPFUL)));
        }
        let generation = self.generation;
        let (candidates, refusals) = self.candidates(preemptor, &spec, &open, random);
        // The dry run leaves everything as it was.
        self.generation = generation;
        let best = candidates.into_iter().min_by_key(|candidate| self.harm(candidate));
        best.ok_or_else(|| histogram(nodes, &spec, &refusals, Some(NOT_HELPFUL)))
    }

    /// Whether the pod may preempt: its policy, and no victims of an earlier preemption still on their way out.
    fn eligible(&self, pod: PodId, spec: &PodClass, rejections: &[(NodeId, Rejection)]) -> Result<(), String> {
        if !spec.preempts {
            return Err("not eligible due to preemptionPolicy=Never.".to_owned());
        }
        let Some(nominated) = self.pods.get(pod).and_then(|pod| pod.nominated) else {
            return Ok(());
        };
        let lost = |(node, no): &(NodeId, Rejection)| *node == nominated && no.is_lasting();
        if rejections.iter().any(lost) {
            return Ok(());
        }
        let leaving = |victim: &PodId| {
            let less = self
                .spec_of(*victim)
                .is_some_and(|class| class.priority < spec.priority);
            less && self
                .pods
                .get(*victim)
                .is_some_and(|victim| victim.terminating && victim.preempted)
        };
        let waits = self
            .nodes
            .get(nominated)
            .is_some_and(|slot| slot.pods.iter().any(leaving));
        if waits {
            Err("not eligible due to a terminating pod on the nominated node.".to_owned())
        } else {
            Ok(())
        }
    }

    fn candidates(
        &mut self,
        preemptor: &Preemptor<'_>,
        spec: &PodClass,
        open: &[NodeId],
        random: u64,
    ) -> (Vec<Candidate>, Vec<Rejection>) {
        let wanted = (open.len() / CANDIDATE_SHARE).max(FEWEST_CANDIDATES).min(open.len());
        let offset = u64::try_from(open.len())
            .ok()
            .filter(|nodes| *nodes > 0)
            .map_or(0, |nodes| random % nodes);
        let offset = usize::try_from(offset).unwrap_or(0);
        let (mut found, mut refusals) = (Vec::new(), Vec::new());
        let mut harmless = false;
        for node in open.iter().cycle().skip(offset).take(open.len()) {
            match self.victims(preemptor, spec, *node) {
                Ok(candidate) => {
                    harmless |= candidate.violations == 0;
                    found.push(candidate);
                }
                Err(no) => refusals.push(no),
            }
            if harmless && found.len() >= wanted {
                break;
            }
        }
        (found, refusals)
    }

    /// The fewest and least important pods of a node that would have to go.
    fn victims(&mut self, preemptor: &Preemptor<'_>, spec: &PodClass, node: NodeId) -> Result<Candidate, Rejection> {
        let lower = |pod: &PodId| self.spec_of(*pod).is_some_and(|class| class.priority < spec.priority);
        let mut lifted: Vec<PodId> = self
            .nodes
            .get(node)
            .map(|slot| slot.pods.iter().copied().filter(lower).collect())
            .unwrap_or_default();
        if lifted.is_empty() {
            return Err(Rejection::lasting(Reason::NoVictims));
        }
        for pod in &lifted {
            self.lift_pod(*pod);
        }
        if let Some(no) = self.check(preemptor.pod, preemptor.class, preemptor.demand, node) {
            for pod in lifted {
                self.put(pod, node);
            }
            return Err(no);
        }
        lifted.sort_by_key(|pod| self.importance(*pod));
        let (kept_by_budget, free) = self.split_by_budgets(&lifted);
        let mut victims = Vec::new();
        let mut violations = 0;
        for (pod, violates) in kept_by_budget
            .iter()
            .map(|pod| (*pod, true))
            .chain(free.iter().map(|pod| (*pod, false)))
        {
            self.put(pod, node);
            if self
                .check(preemptor.pod, preemptor.class, preemptor.demand, node)
                .is_some()
            {
                self.lift_pod(pod);
                victims.push(pod);
                violations += usize::from(violates);
            }
        }
        victims.sort_by_key(|pod| self.importance(*pod));
        for pod in &victims {
            self.put(*pod, node);
        }
        if victims.is_empty() {
            return Err(Rejection::lasting(Reason::NoVictims));
        }
        Ok(Candidate {
            node,
            victims,
            violations,
        })
    }

    /// Sorts the most important first: higher priority, then longer running.
    fn importance(&self, pod: PodId) -> (Reverse<i32>, Timestamp, PodId) {
        let since = self.pods.get(pod).map(|pod| pod.since).unwrap_or_default();
        (Reverse(self.priority_of(pod)), since, pod)
    }

    fn priority_of(&self, pod: PodId) -> i32 {
        self.spec_of(pod).map_or(0, |class| class.priority)
    }

    /// Parts pods into those whose eviction breaks a budget, counting down from the most important, and the others.
    fn split_by_budgets(&self, pods: &[PodId]) -> (Vec<PodId>, Vec<PodId>) {
        let mut left: BTreeMap<&(String, String), i64> = BTreeMap::new();
        pods.iter().copied().partition(|pod| {
            let (Some(slot), Some(class)) = (self.pods.get(*pod), self.spec_of(*pod)) else {
                return false;
            };
            let mut broken = false;
            for (key, budget) in &self.budgets {
                let concerned = key.0 == class.namespace
                    && !class.labels.is_empty()
                    && !budget.selector.is_everything()
                    && budget.selector.matches(&class.labels)
                    && !budget.disrupted.contains(&*slot.name);
                if concerned {
                    let left = left.entry(key).or_insert(budget.allowed);
                    *left -= 1;
                    broken |= *left < 0;
                }
            }
            broken
        })
    }

    /// How much harm a candidate does; the least is chosen, the first among equals.
    fn harm(&self, candidate: &Candidate) -> (usize, i32, i64, usize, Reverse<Timestamp>) {
        let priorities = || candidate.victims.iter().map(|pod| self.priority_of(*pod));
        let highest = priorities().max().unwrap_or(i32::MIN);
        // Priorities are shifted above zero, so that fewer victims of a negative priority beat more of them.
        let sum = priorities()
            .map(|priority| i64::from(priority) - i64::from(i32::MIN))
            .sum();
        let most_important = candidate
            .victims
            .iter()
            .filter(|pod| self.priority_of(**pod) == highest);
        let earliest = most_important.filter_map(|pod| Some(self.pods.get(*pod)?.since)).min();
        (
            candidate.violations,
            highest,
            sum,
            candidate.victims.len(),
            Reverse(earliest.unwrap_or_default()),
        )
    }

    /// Whether a node takes a pod, also when the pods for which room is being made there have come.
    pub(crate) fn check(&mut self, pod: PodId, class: ClassId, demand: &Demand, node: NodeId) -> Option<Rejection> {
        let guests = self.guests(pod, node);
        if !guests.is_empty() {
            let coming: Vec<PodId> = guests
                .into_iter()
                .filter(|guest| self.pods.get(*guest).is_some_and(|slot| slot.node.is_none()))
                .collect();
            for guest in &coming {
                self.put(*guest, node);
            }
            let no = self.ask(class, demand, node);
            for guest in &coming {
                self.lift_pod(*guest);
            }
            if no.is_some() {
                return no;
            }
        }
        self.ask(class, demand, node)
    }

    fn ask(&self, class: ClassId, demand: &Demand, node: NodeId) -> Option<Rejection> {
        Question::new(self, class, demand)?.rejection(node)
    }

    /// Other pods nominated to a node that are at least as important as this one.
    pub(crate) fn guests(&self, pod: PodId, node: NodeId) -> Vec<PodId> {
        let priority = self.priority_of(pod);
        let Some(slot) = self.nodes.get(node) else {
            return Vec::new();
        };
        let matters = |guest: &&PodId| **guest != pod && self.priority_of(**guest) >= priority;
        slot.nominated.iter().filter(matters).copied().collect()
    }
}
