//! A group's look at itself: how many instances are missing or too many, and in which zones.

use std::collections::BTreeMap;
use std::time::Duration;

use ports::cloud::{GroupName, InstanceId, InstanceLifecycle, Process};

use super::GroupRecord;
use crate::world::{World, later};

/// For how long evening out leaves a zone alone in which a launch failed.
const ZONE_REST: Duration = Duration::from_secs(900);

impl World {
    /// One look: unhealthy ones are replaced, then the size is brought to the desired one, then the zones evened out.
    pub(crate) fn tick(&mut self, name: &GroupName) {
        let now = self.now;
        let Some(group) = self.state.groups.get_mut(name) else {
            return;
        };
        // A look that was planned and then brought forward leaves its old entry in the queue.
        if group.tick.is_none_or(|planned| planned > now) {
            return;
        }
        group.tick = None;
        if group.deleting {
            self.empty_group(name);
            return;
        }
        self.replace_unhealthy(name);
        let Some(group) = self.state.groups.get(name) else {
            return;
        };
        let (active, desired) = (group.active(), usize::try_from(group.desired).unwrap_or(usize::MAX));
        let suspended = |process| group.suspended.contains(&process);
        let (launch, terminate) = (!suspended(Process::Launch), !suspended(Process::Terminate));
        let rebalance = launch && terminate && !suspended(Process::AzRebalance);
        if active < desired {
            if launch {
                self.launch_missing(name, desired - active);
            }
        } else if active > desired {
            if terminate {
                self.shrink(name, active - desired);
            }
        } else if rebalance {
            self.even_out(name);
        }
    }

    fn empty_group(&mut self, name: &GroupName) {
        let Some(group) = self.state.groups.get(name) else {
            return;
        };
        let staying: Vec<InstanceId> = group
            .members
            .iter()
            .filter(|(_, m)| m.is_active())
            .map(|(id, _)| id.clone())
            .collect();
        if staying.is_empty() && group.members.is_empty() {
            self.poke_owner(name);
            self.state.groups.remove(name);
            self.group_event(name, "deleted");
            return;
        }
        for id in staying {
            self.leave(&id, "the group is being deleted", false);
        }
    }

    fn shrink(&mut self, name: &GroupName, surplus: usize) {
        for _ in 0..surplus {
            let victim = self.state.groups.get(name).and_then(choose_victim);
            let Some(victim) = victim else {
                // All that is left is protected: the group stays larger, as the provider's does.
                return;
            };
            self.leave(
                &victim,
                "an instance was taken out of service in response to a difference between desired and actual capacity",
                true,
            );
        }
    }

    /// With the right number in the wrong zones: starts one where one is missing; the surplus one then goes by itself.
    fn even_out(&mut self, name: &GroupName) {
        let Some(group) = self.state.groups.get(name) else {
            return;
        };
        let settled = group
            .members
            .values()
            .all(|member| member.lifecycle == InstanceLifecycle::InService);
        let counts = zone_counts(group);
        let most = counts.values().max().copied().unwrap_or(0);
        let rested = |zone: &String| {
            let failed = group.zone_failed.get(zone);
            failed.is_none_or(|failed| later(*failed, ZONE_REST) <= self.now)
        };
        let poorest = counts
            .iter()
            .filter(|(zone, _)| rested(zone))
            .min_by_key(|(_, count)| **count);
        let Some((zone, least)) = poorest.map(|(zone, count)| (zone.clone(), *count)) else {
            return;
        };
        if settled && most > least + 1 {
            self.launch_into(name, &zone);
        }
    }
}

/// Active instances per zone of the group.
pub(super) fn zone_counts(group: &GroupRecord) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = group.zones.iter().map(|zone| (zone.clone(), 0)).collect();
    for member in group.members.values().filter(|member| member.is_active()) {
        *counts.entry(member.zone.clone()).or_default() += 1;
    }
    counts
}

/// The provider's default choice: from the fullest zone, an instance of an older template version, then the oldest.
fn choose_victim(group: &GroupRecord) -> Option<InstanceId> {
    let counts = zone_counts(group);
    let candidates = group
        .members
        .iter()
        .filter(|(_, member)| member.is_active() && !member.protected);
    let best = candidates.min_by_key(|(id, member)| {
        let fullest = std::cmp::Reverse(counts.get(&member.zone).copied().unwrap_or(0));
        (fullest, member.template.version, member.launched, (*id).clone())
    });
    best.map(|(id, _)| id.clone())
}
