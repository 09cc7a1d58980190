//! Shrinking: which nodes are hardly used, whether their pods can move, and when they go.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::group::{Member, Occupant};
use super::step::{Blocker, Step};
use super::{Autoscaler, Situation};
use crate::scheduler::Scheduler;

impl Autoscaler {
    pub(super) fn shrink(&mut self, scheduler: &mut Scheduler, situation: Situation<'_>, now: Timestamp) -> Vec<Step> {
        let mut leaving: BTreeSet<&str> = BTreeSet::new();
        let mut unneeded: Vec<(&Member, Vec<&Occupant>)> = Vec::new();
        leaving.extend(
            situation
                .members
                .iter()
                .filter(|member| member.leaving)
                .map(|member| member.node.as_str()),
        );
        for member in situation
            .members
            .iter()
            .filter(|member| !member.leaving && member.ready)
        {
            if let Ok(pods) = self.removable(scheduler, situation, member, &leaving) {
                leaving.insert(&member.node);
                unneeded.push((member, pods));
            }
        }
        let before = std::mem::take(&mut self.unneeded);
        let since = |node: &str| before.get(node).copied().unwrap_or(now);
        self.unneeded = unneeded
            .iter()
            .map(|(member, _)| (member.node.clone(), since(&member.node)))
            .collect();
        let mut steps = Vec::new();
        for member in situation.members.iter().filter(|member| !member.leaving) {
            let wanted = self.unneeded.contains_key(&member.node);
            let node = || member.node.clone();
            match (wanted, member.marked) {
                (true, false) => steps.push(Step::Mark { node: node() }),
                (false, true) => steps.push(Step::Unmark { node: node() }),
                _ => {}
            }
        }
        if !self.cools_down(now) {
            steps.extend(self.removals(situation, &unneeded, now));
        }
        steps
    }

    fn cools_down(&self, now: Timestamp) -> bool {
        let until = self
            .last_growth
            .and_then(|last| last.checked_add(self.options.delay_after_add).ok());
        until.is_some_and(|until| now < until)
    }

    /// The nodes that go now: empty ones together, of the others one at a time.
    fn removals(
        &mut self,
        situation: Situation<'_>,
        unneeded: &[(&Member, Vec<&Occupant>)],
        now: Timestamp,
    ) -> Vec<Step> {
        let mut sizes: BTreeMap<&str, (usize, usize)> = situation
            .groups
            .iter()
            .map(|group| (group.id.as_str(), (group.target, group.min)))
            .collect();
        let draining = situation
            .members
            .iter()
            .any(|member| member.leaving && situation.occupants_of(&member.node).any(|pod| !pod.of_node));
        let (mut empty, mut drained) = (0, usize::from(draining));
        let mut steps = Vec::new();
        for (member, pods) in unneeded {
            let due = self
                .unneeded
                .get(&member.node)
                .and_then(|since| since.checked_add(self.options.unneeded_time).ok());
            let Some((size, min)) = sizes.get_mut(member.group.as_str()) else {
                continue;
            };
            if due.is_none_or(|due| now < due) || *size <= *min {
                continue;
            }
            let turn = if pods.is_empty() {
                empty < self.options.max_empty_bulk
            } else {
                drained == 0
            };
            if !turn {
                continue;
            }
            if pods.is_empty() {
                empty += 1
            } else {
                drained += 1
            }
            *size -= 1;
            self.unneeded.remove(&member.node);
            steps.push(Step::Remove {
                node: member.node.clone(),
                group: member.group.clone(),
                pods: pods.iter().map(|pod| pod.pod.clone()).collect(),
            });
        }
        steps
    }

    /// The pods that would have to move if a node went, or why it has to stay (`None`: it is well used).
    ///
    /// `leaving` are nodes that will not be there either.
    ///
    /// # Errors
    /// What keeps the node.
    pub(super) fn removable<'a>(
        &self,
        scheduler: &mut Scheduler,
        situation: Situation<'a>,
        member: &Member,
        leaving: &BTreeSet<&str>,
    ) -> Result<Vec<&'a Occupant>, Option<Blocker>> {
        if scheduler
            .utilization(&member.node)
            .is_none_or(|used| used >= self.options.utilization_threshold)
        {
            return Err(None);
        }
        if member.disabled {
            return Err(Some(Blocker::Disabled));
        }
        let at_minimum = situation
            .groups
            .iter()
            .any(|group| group.id == member.group && group.target <= group.min);
        if at_minimum {
            return Err(Some(Blocker::GroupMinimum));
        }
        let moving: Vec<&Occupant> = situation
            .occupants
            .iter()
            .filter(|pod| pod.node == member.node && !pod.of_node && !pod.terminating)
            .filter(|pod| pod.priority >= self.options.expendable_cutoff)
            .collect();
        for pod in &moving {
            if let Some(blocker) = self.keeps(scheduler, pod) {
                return Err(Some(blocker));
            }
        }
        let mut what_if = scheduler.what_if();
        for pod in &moving {
            what_if.lift(&pod.pod.uid);
        }
        for pod in &moving {
            let elsewhere = what_if.place(&pod.pod.uid, |node| {
                node.name != member.node && !leaving.contains(node.name.as_str())
            });
            if elsewhere.is_none() {
                return Err(Some(Blocker::NoPlace(pod.pod.clone())));
            }
        }
        Ok(moving)
    }

    /// Why a pod must not be moved.
    fn keeps(&self, scheduler: &Scheduler, occupant: &Occupant) -> Option<Blocker> {
        let pod = || occupant.pod.clone();
        let budgets: Vec<i64> = scheduler
            .budgets_of(&occupant.pod.namespace, &occupant.labels)
            .collect();
        if occupant.safe_to_evict == Some(false) {
            return Some(Blocker::NotSafeToEvict(pod()));
        }
        if occupant.safe_to_evict.is_none() {
            let system = occupant.pod.namespace == "kube-system" && budgets.is_empty();
            if !occupant.replicated {
                return Some(Blocker::NotReplicated(pod()));
            }
            if system && self.options.keep_system_pods {
                return Some(Blocker::SystemPod(pod()));
            }
            if occupant.local_storage && self.options.keep_local_storage {
                return Some(Blocker::LocalStorage(pod()));
            }
        }
        budgets
            .iter()
            .any(|allowed| *allowed < 1)
            .then(|| Blocker::Budget(pod()))
    }
}
