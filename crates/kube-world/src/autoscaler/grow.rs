//! Growing: which group, by how many, for whom.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::group::NodeGroup;
use super::options::Expander;
use super::step::{Growth, Step};
use super::{Autoscaler, Situation};
use crate::scheduler::{Node, PodClass, PodRef, Scheduler};

/// A pod that waits for a node.
type Pending = (PodRef, Arc<PodClass>);
/// A pod's uid with the reasons of a group.
type Refused = (Arc<str>, Vec<String>);

/// What one group could do.
#[derive(Debug)]
struct Offer<'a> {
    group: &'a NodeGroup,
    nodes: usize,
    pods: Vec<PodRef>,
    /// Idle share of CPU and memory of the new nodes, in millionths.
    waste: i64,
}

impl Autoscaler {
    pub(super) fn grow(&self, scheduler: &mut Scheduler, situation: Situation<'_>, now: Timestamp) -> Vec<Step> {
        let waiting = self.waiting(scheduler);
        let waiting = without_helped(scheduler, situation, waiting);
        if waiting.is_empty() {
            return Vec::new();
        }
        let total: usize = situation.groups.iter().map(|group| group.target).sum();
        let bound = self.options.max_nodes_total;
        let room = if bound == 0 {
            usize::MAX
        } else {
            bound.saturating_sub(total)
        };
        let mut offers = Vec::new();
        let mut refusals: BTreeMap<Arc<str>, BTreeMap<String, usize>> = BTreeMap::new();
        for group in situation.groups {
            let closed = if self.backs_off(&group.id, now) {
                Some("in backoff after failed scale-up")
            } else if group.target >= group.max {
                Some("max node group size reached")
            } else if room == 0 {
                Some("max total nodes in cluster reached")
            } else {
                None
            };
            let limit = room.min(group.max.saturating_sub(group.target));
            let refused = match closed {
                Some(text) => waiting
                    .iter()
                    .map(|(pod, _)| (Arc::clone(&pod.uid), vec![text.to_owned()]))
                    .collect(),
                None => {
                    let (offer, refused) = estimate(scheduler, group, &waiting, limit);
                    if !offer.pods.is_empty() {
                        offers.push(offer);
                    }
                    refused
                }
            };
            for (uid, texts) in refused {
                for text in texts {
                    *refusals.entry(Arc::clone(&uid)).or_default().entry(text).or_default() += 1;
                }
            }
        }
        match self.choose(offers) {
            Some(offer) => vec![self.accept(scheduler, &offer, situation, now)],
            None => waiting
                .into_iter()
                .map(|(pod, _)| cannot_help(pod, &refusals))
                .collect(),
        }
    }

    /// Pods that no node took at the scheduler's last look, the largest first.
    fn waiting(&self, scheduler: &Scheduler) -> Vec<Pending> {
        let matters = |(_, class): &(PodRef, &Arc<PodClass>)| class.priority >= self.options.expendable_cutoff;
        let mut waiting: Vec<Pending> = scheduler
            .unschedulable()
            .filter(matters)
            .map(|(pod, class)| (pod, Arc::clone(class)))
            .collect();
        waiting.sort_by(|(pod, class), (other_pod, other)| {
            let size = |class: &PodClass| Reverse((class.requests.stated.cpu, class.requests.stated.memory));
            size(class).cmp(&size(other)).then_with(|| pod.cmp(other_pod))
        });
        waiting
    }

    fn choose<'a>(&self, mut offers: Vec<Offer<'a>>) -> Option<Offer<'a>> {
        for expander in &self.options.expanders {
            let rank = |offer: &Offer<'_>| match expander {
                Expander::Priority => -i64::from(offer.group.priority),
                Expander::LeastWaste => offer.waste,
                Expander::LeastNodes => i64::try_from(offer.nodes).unwrap_or(i64::MAX),
                Expander::MostPods => -i64::try_from(offer.pods.len()).unwrap_or(i64::MAX),
            };
            let best = offers.iter().map(rank).min()?;
            offers.retain(|offer| rank(offer) == best);
        }
        offers.into_iter().next()
    }

    /// Turns an offer into a step, evenly over similar groups if that is wanted.
    fn accept(&self, scheduler: &mut Scheduler, offer: &Offer<'_>, situation: Situation<'_>, now: Timestamp) -> Step {
        let mut similar = |group: &&NodeGroup| {
            let balanced =
                self.options.balance_similar && group.is_similar(offer.group) && !self.backs_off(&group.id, now);
            group.id == offer.group.id || (balanced && takes_all(scheduler, group, &offer.pods))
        };
        let mut groups: Vec<Growth> = situation
            .groups
            .iter()
            .filter(&mut similar)
            .map(|group| Growth {
                group: group.id.clone(),
                from: group.target,
                to: group.target,
                max: group.max,
            })
            .collect();
        for _ in 0..offer.nodes {
            let open = groups.iter_mut().filter(|growth| growth.to < growth.max);
            if let Some(smallest) = open.min_by_key(|growth| (growth.to, growth.group != offer.group.id)) {
                smallest.to += 1;
            }
        }
        groups.retain(|growth| growth.to > growth.from);
        Step::Grow {
            groups,
            pods: offer.pods.clone(),
        }
    }
}

/// Whether each of the pods could go to a new node of the group: similar nodes in another place are no help to pods that
/// are bound to theirs.
fn takes_all(scheduler: &mut Scheduler, group: &NodeGroup, pods: &[PodRef]) -> bool {
    let name = format!("similar-{}", group.id);
    let mut what_if = scheduler.what_if();
    what_if.add_node(group.node(name.clone()));
    pods.iter().all(|pod| what_if.reasons(&pod.uid, &name).is_empty())
}

fn cannot_help(pod: PodRef, refusals: &BTreeMap<Arc<str>, BTreeMap<String, usize>>) -> Step {
    let reasons = refusals.get(&pod.uid).into_iter().flatten();
    let reasons = reasons.map(|(text, groups)| (*groups, text.clone())).collect();
    Step::CannotHelp { pod, reasons }
}

/// Leaves out pods that nodes which are there, or on their way, would take.
fn without_helped(scheduler: &mut Scheduler, situation: Situation<'_>, waiting: Vec<Pending>) -> Vec<Pending> {
    let mut what_if = scheduler.what_if();
    for group in situation.groups {
        let have = situation.members_of(&group.id).count();
        for nth in have..group.target {
            what_if.add_node(group.node(format!("upcoming-{}-{nth}", group.id)));
        }
    }
    waiting
        .into_iter()
        .filter(|(pod, _)| what_if.place(&pod.uid, |_| true).is_none())
        .collect()
}

/// How many new nodes of a group the pods would fill, and why the others do not go there.
fn estimate<'a>(
    scheduler: &mut Scheduler,
    group: &'a NodeGroup,
    waiting: &[Pending],
    limit: usize,
) -> (Offer<'a>, Vec<Refused>) {
    let mut what_if = scheduler.what_if();
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut used: BTreeSet<String> = BTreeSet::new();
    let (mut pods, mut refused) = (Vec::new(), Vec::new());
    let (mut cpu, mut memory) = (0, 0);
    let mut hopeless: BTreeSet<&PodClass> = BTreeSet::new();
    for (pod, class) in waiting {
        let fresh = |node: &Node| names.contains(&node.name);
        let mut found = what_if.place(&pod.uid, fresh);
        // A node that nobody took is as good as the next one.
        if found.is_none() && names.len() == used.len() && names.len() < limit && !hopeless.contains(&**class) {
            let name = format!("new-{}-{:05}", group.id, names.len());
            what_if.add_node(group.node(name.clone()));
            names.insert(name.clone());
            found = what_if.place(&pod.uid, |node| node.name == name);
        }
        match found {
            Some(name) => {
                used.insert(name);
                pods.push(pod.clone());
                cpu += class.requests.stated.cpu;
                memory += class.requests.stated.memory;
            }
            None => {
                hopeless.insert(class);
                let texts = names
                    .last()
                    .map(|name| what_if.reasons(&pod.uid, name))
                    .unwrap_or_default();
                refused.push((Arc::clone(&pod.uid), texts));
            }
        }
    }
    let nodes = used.len();
    let waste = share_left(cpu, group.template.allocatable.cpu, nodes)
        + share_left(memory, group.template.allocatable.memory, nodes);
    let offer = Offer {
        group,
        nodes,
        pods,
        waste,
    };
    (offer, refused)
}

/// The share of a resource of all new nodes that stays idle, in millionths.
fn share_left(used: i64, of_node: i64, nodes: usize) -> i64 {
    const WHOLE: i128 = 1_000_000;
    let all = i128::from(of_node) * i128::try_from(nodes).unwrap_or(i128::MAX);
    if all <= 0 {
        return 0;
    }
    i64::try_from((all - i128::from(used)) * WHOLE / all).unwrap_or(i64::MAX)
}
