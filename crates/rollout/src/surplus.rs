//! Machines that are too many and go as outdated ones do, by the contract: those beyond a pool's size that are left when its last
//! outdated one is gone, because one was lost and replaced by its group while new ones were there already; and those beyond a
//! bound that came down. The cloud would end the latter without a drain, so the bound waits for them ([`COMES_DOWN_TAG`]).

use std::collections::BTreeMap;

use disruption::marking::COMES_DOWN_TAG;
use ports::cloud::{GroupName, GroupSize};

use crate::engine::Engine;
use crate::error::RolloutError;
use crate::machines::{Home, Machine};
use crate::pool::PoolSpec;

/// What a machine beyond the size before the rollout differs by.
const WHY: &str = "the pool has more machines than before its rollout";
/// What one beyond a bound differs by.
const BEYOND: &str = "the pool has more machines than its max_size";

/// Whether it would be as wanted if there were fewer.
fn is_too_many(machine: &Machine) -> bool {
    matches!(machine.outdated.as_deref(), Some(WHY | BEYOND))
}

impl Engine {
    /// Chooses the machines that are too many, each time the same as long as nothing changes.
    pub(crate) fn look_for_surplus(&mut self, pool: &PoolSpec) {
        let chosen = self.surplus(pool);
        let other = |machine: &Machine| {
            let is = machine.outdated.as_deref().filter(|why| matches!(*why, WHY | BEYOND));
            let shall = chosen.get(&*machine.id.0).copied();
            let differs = is != shall && (is.is_some() || machine.outdated.is_none());
            differs.then(|| (machine.id.as_str().into(), shall))
        };
        let others: Vec<(Box<str>, _)> = self.fleet.machines_of(&pool.name).filter_map(other).collect();
        if others.is_empty() {
            return;
        }
        for (id, shall) in others {
            if let Some(machine) = self.fleet.machine_mut(&id) {
                machine.outdated = shall.map(Into::into);
            }
            self.fleet.touched.insert(id);
        }
        self.rejoin();
    }

    /// The sizes that groups of a pool are to come down to, by group; empty when none is.
    pub(crate) fn coming_down(&self, pool: &PoolSpec) -> BTreeMap<GroupName, u32> {
        if !pool.strategy.drains() || pool.removed {
            return BTreeMap::new();
        }
        let bound = |group: &ports::cloud::Group| group.tags.get(COMES_DOWN_TAG)?.parse().ok();
        let groups = self.fleet.groups_of(&pool.name);
        groups
            .filter_map(|group| Some((group.name.clone(), bound(group)?)))
            .collect()
    }

    /// How many machines a pool is to have when nothing is replaced any more: what it had before, or what its bounds leave of that.
    pub(crate) fn size(&self, pool: &PoolSpec) -> u32 {
        let desired = self.fleet.desired(&pool.name);
        let size = self.records.get(&pool.name).map_or(desired, |record| record.size);
        let bounds = self.coming_down(pool);
        if bounds.is_empty() {
            return size;
        }
        let groups = self.fleet.groups_of(&pool.name);
        let left = groups.map(|group| {
            bounds
                .get(&group.name)
                .map_or(group.desired, |bound| group.desired.min(*bound))
        });
        size.min(left.fold(0, u32::saturating_add))
    }

    /// Keeps groups that come down from growing again, which their autoscaler would ask for, and lets them shrink with each machine
    /// that is ended. No bound ever comes below what is wanted now.
    pub(crate) async fn follow_down(&mut self, pool: &PoolSpec) -> Result<(), RolloutError> {
        for (name, bound) in self.coming_down(pool) {
            let Some(group) = self.fleet.groups.get(&name) else {
                continue;
            };
            let (min, max) = (group.min.min(bound), group.max.min(group.desired.max(bound)));
            if (min, max) == (group.min, group.max) {
                continue;
            }
            let size = GroupSize {
                min: Some(min),
                max: Some(max),
                desired: None,
            };
            self.hand.may_disrupt().await?;
            self.hand.cloud.resize_group(&name, size).await?;
            if let Some(group) = self.fleet.groups.get_mut(&name) {
                (group.min, group.max) = (min, max);
            }
        }
        Ok(())
    }

    /// How many machines of a group are beyond what it is to come down to.
    fn beyond(&self, group: &GroupName, bound: u32) -> u32 {
        self.fleet
            .groups
            .get(group)
            .map_or(0, |group| group.desired.saturating_sub(bound))
    }

    /// How many machines of a pool are too many, for either reason.
    pub(crate) fn too_many(&self, pool: &PoolSpec) -> u32 {
        let bounds = self.coming_down(pool);
        let beyond = bounds.iter().map(|(group, bound)| self.beyond(group, *bound));
        beyond.sum::<u32>().max(self.beyond_size(pool))
    }

    /// How many machines the groups of a pool want beyond its size. They may be on their way still: a rollout is not over
    /// before they came and went again.
    fn beyond_size(&self, pool: &PoolSpec) -> u32 {
        let record = self.records.get(&pool.name);
        let Some(record) = record.filter(|_| pool.strategy.drains() && !pool.removed) else {
            return 0;
        };
        // NodeClaims have no size: what is too much Karpenter consolidates later.
        if self.fleet.groups_of(&pool.name).next().is_none() {
            return 0;
        }
        // What an autoscaler asked for is no surplus; beyond the bounds that it had nobody but us asked.
        let widened = self.fleet.groups_of(&pool.name).filter_map(|group| {
            let before = record.widened.get(group.name.as_str())?;
            Some(group.desired.saturating_sub(*before))
        });
        let many = widened.sum::<u32>();
        if self.fleet.autoscaled(&pool.name).next().is_some() {
            return many;
        }
        many.max(self.fleet.desired(&pool.name).saturating_sub(record.size))
    }

    fn surplus(&self, pool: &PoolSpec) -> BTreeMap<String, &'static str> {
        let of_pool = |one: &&Machine| (one.outdated.is_none() || is_too_many(one)) && !one.leaving;
        let machines = || self.fleet.machines_of(&pool.name);
        if machines().any(|one| !of_pool(&one) && !one.leaving) {
            return BTreeMap::new();
        }
        let mut with_nodes: Vec<(bool, bool, _, &Machine)> = machines()
            .filter(of_pool)
            .filter_map(|one| {
                let node = self.picture.node_of(one.id.as_str())?;
                Some((
                    node.selected.is_none() && !node.tainted,
                    node.ready,
                    std::cmp::Reverse(one.launched),
                    one,
                ))
            })
            .collect();
        // Those that were chosen before, then those of no use, then the newest.
        with_nodes.sort_by(|a, b| (a.0, a.1, a.2, &a.3.id).cmp(&(b.0, b.1, b.2, &b.3.id)));
        let mut chosen = BTreeMap::new();
        for (group, bound) in self.coming_down(pool) {
            let home = Home::Group(group.clone());
            let own = with_nodes.iter().filter(|(.., one)| one.home == home);
            let many = usize::try_from(self.beyond(&group, bound)).unwrap_or(0);
            chosen.extend(own.take(many).map(|(.., one)| (one.id.to_string(), BEYOND)));
        }
        let many = usize::try_from(self.beyond_size(pool)).unwrap_or(0);
        for (.., one) in with_nodes {
            if chosen.len() >= many {
                break;
            }
            chosen.entry(one.id.to_string()).or_insert(WHY);
        }
        chosen
    }
}
