//! Machines beyond a pool's size that are left when its last outdated one is gone: one was lost and replaced by its group
//! while new ones were there already. They go as outdated ones do, by the contract.

use std::collections::BTreeSet;

use crate::engine::Engine;
use crate::machines::Machine;
use crate::pool::PoolSpec;

/// What such a machine differs by.
const WHY: &str = "the pool has more machines than before its rollout";

impl Engine {
    /// Chooses the machines that are too many, each time the same as long as nothing changes.
    pub(crate) fn look_for_surplus(&mut self, pool: &PoolSpec) {
        let chosen = self.surplus(pool);
        let mut changed = false;
        for machine in self.fleet.machines.values_mut().filter(|one| one.pool == pool.name) {
            let is = machine.outdated.as_deref() == Some(WHY);
            let shall = chosen.contains(&*machine.id.0);
            if is != shall {
                machine.outdated = shall.then(|| WHY.into());
                changed = true;
            }
        }
        if changed {
            self.rejoin();
        }
    }

    /// How many machines the groups of a pool want beyond its size. They may be on their way still: a rollout is not over
    /// before they came and went again.
    pub(crate) fn too_many(&self, pool: &PoolSpec) -> u32 {
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

    fn surplus(&self, pool: &PoolSpec) -> BTreeSet<String> {
        let many = self.too_many(pool);
        let of_pool = |one: &&Machine| one.outdated.as_deref().is_none_or(|why| why == WHY) && !one.leaving;
        let machines: Vec<&Machine> = self.fleet.machines_of(&pool.name).collect();
        if machines.iter().any(|one| !of_pool(one) && !one.leaving) {
            return BTreeSet::new();
        }
        let node = |one: &Machine| {
            self.picture
                .nodes
                .values()
                .find(|node| node.machine.as_deref() == Some(one.id.as_str()))
        };
        let mut with_nodes: Vec<(bool, bool, _, &Machine)> = machines
            .into_iter()
            .filter(of_pool)
            .filter_map(|one| {
                let node = node(one)?;
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
        let chosen = with_nodes.into_iter().take(usize::try_from(many).unwrap_or(0));
        chosen.map(|(.., one)| one.id.to_string()).collect()
    }
}
