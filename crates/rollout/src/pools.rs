//! One pass over a pool: marks, capacity, whose turn it is, repair, the end of a rollout.

use std::collections::{BTreeMap, BTreeSet};

use disruption::{NodeName, NodeState, PoolDecision, PoolLimits, PoolName, decide_pool, explain_pool_wait};
use jiff::{SignedDuration, Timestamp};
use ports::cloud::{GroupName, GroupSize, InstanceId, Process, Shrink};

use crate::engine::Engine;
use crate::error::RolloutError;
use crate::guards::Guard;
use crate::in_order::InOrder;
use crate::lists::List;
use crate::machines::Machine;
use crate::names::AUTOSCALER_TAG;
use crate::pool::{PoolSpec, Provisioner, Strategy};
use crate::records::PoolRecord;
use crate::seen::NodeSeen;

/// The limits that a pool's decision is made under.
pub(crate) fn limits(engine: &Engine, pool: &PoolSpec) -> PoolLimits {
    let desired = engine.fleet.desired(&pool.name);
    let record = engine.records.get(&pool.name);
    let size = engine.size(pool);
    let mut limits = if pool.strategy == Strategy::BlueGreen && !pool.removed {
        PoolLimits::blue_green(pool.name.clone(), size, pool.max_size)
    } else {
        PoolLimits::new(pool.name.clone(), size, pool.max_size, pool.spot || pool.removed)
    };
    if pool.removed {
        (limits.surge, limits.in_flight) = (0, limits.in_flight.max(1));
    }
    // A pool that comes down to nothing has nodes that go all the same.
    limits.in_flight = limits.in_flight.max(u32::from(!engine.coming_down(pool).is_empty()));
    limits.desired = desired;
    let lost = engine.picture.listed(List::Unready).filter(|(node, _)| {
        let machine = node.machine.as_ref().and_then(|id| engine.fleet.machines.get(id));
        let goes = |one: &&Machine| one.pool == pool.name && one.outdated.is_some() && !one.leaving;
        machine.filter(goes).is_some()
    });
    limits.lost = u32::try_from(lost.count()).unwrap_or(u32::MAX);
    let failed = record.map_or(0, |record| record.failed.len());
    limits.failed_replacements = u32::try_from(failed).unwrap_or(u32::MAX);
    limits
}

/// What the groups of a pool launch now, or its NodeClaims are made from, in one text.
fn generation(engine: &Engine, pool: &PoolName) -> String {
    if let Some(made) = engine.picture.provision.generation(pool) {
        return made;
    }
    let groups = engine.fleet.groups_of(pool);
    let parts = groups.filter_map(|group| {
        let template = group.launch_template.as_ref()?;
        Some(format!("{}={}:{}", group.name, template.id, template.version))
    });
    parts.collect::<Vec<_>>().join(",")
}

impl Engine {
    /// Carries out what the contract decides for a pool.
    pub(crate) async fn pool_pass(&mut self, pool: &PoolSpec) -> Result<(), RolloutError> {
        let passed_over = pool.max_size == 0 && !pool.removed && self.coming_down(pool).is_empty();
        if self.fleet.broken.contains_key(&pool.name) || passed_over {
            return Ok(());
        }
        self.take_back_stale(pool).await?;
        if pool.removed {
            self.prepare_removal(pool).await?;
        }
        self.follow_down(pool).await?;
        let now = self.hand.now();
        let decision = decide_pool(&self.picture.view, &pool.policy, &limits(self, pool), now);
        self.wake(decision.changes_at);
        if decision.done && self.too_many(pool) > 0 {
            return self.repair(pool, now).await;
        }
        if decision.done {
            return self.finish(pool).await;
        }
        if pool.strategy.drains() && !pool.removed {
            self.open_record(pool, now).await?;
        }
        if pool.strategy.drains() && self.on(Guard::Zones) {
            self.still(pool).await?;
        }
        if pool.strategy.drains() && !pool.removed {
            self.repair(pool, now).await?;
            self.hold_new_nodes(pool, true).await?;
        }
        self.mark_all(pool, &decision, now).await?;
        if pool.strategy == Strategy::Mark {
            return Ok(());
        }
        self.add(pool, &decision).await?;
        for name in &decision.begin {
            self.begin(name).await?;
        }
        for wait in &decision.waits {
            tracing::debug!(pool = %pool.name, wait = explain_pool_wait(wait, now), "pool waits");
        }
        Ok(())
    }

    async fn begin(&mut self, name: &NodeName) -> Result<(), RolloutError> {
        let Some(mut node) = self.picture.nodes.get(name).cloned() else {
            return Ok(());
        };
        // What was done before in this round may have taken long.
        let now = self.hand.now();
        let done = self.hand.begin(&mut node, now).await;
        let text = "the drain of the node has begun";
        if done.is_ok() {
            self.speaker.node(&self.hand.calm, &node, "Draining", text, now).await;
        }
        self.keep_node(node);
        done
    }

    /// Marks all outdated nodes, and completes marks that others began.
    async fn mark_all(&mut self, pool: &PoolSpec, decision: &PoolDecision, now: Timestamp) -> Result<(), RolloutError> {
        let incomplete = self.picture.listed(List::Incomplete);
        let incomplete = incomplete.filter(|(_, state)| state.pool.as_ref() == Some(&pool.name));
        let mut names: Vec<NodeName> = decision.mark.clone();
        names.extend(incomplete.map(|(node, _)| node.name.clone()));
        names.dedup();
        for name in names {
            let reason = self.picture.view.node(&name).and_then(|state| state.outdated.clone());
            let (Some(reason), Some(mut node)) = (reason, self.picture.nodes.get(&name).cloned()) else {
                continue;
            };
            let done = self.hand.mark(&mut node, pool, &reason, now).await;
            if done.is_ok() {
                let text = format!("selected for replacement: {reason}");
                self.speaker.node(&self.hand.calm, &node, "Selected", &text, now).await;
            }
            self.keep_node(node);
            done?;
        }
        Ok(())
    }

    /// Brings new nodes: the contract says how many and where, the smallest groups that are not empty get them.
    async fn add(&mut self, pool: &PoolSpec, decision: &PoolDecision) -> Result<(), RolloutError> {
        if decision.add.is_empty() {
            return Ok(());
        }
        if pool.provisioner == Provisioner::NodeClaims {
            return self.add_claims(pool, decision).await;
        }
        let mut sizes: BTreeMap<GroupName, u32> = BTreeMap::new();
        for group in self.fleet.groups_of(&pool.name) {
            sizes.insert(group.name.clone(), group.desired);
        }
        for new in &decision.add {
            let fits = |name: &GroupName| {
                let zones = self.fleet.groups.get(name).map(|group| &group.zones);
                new.zone
                    .as_ref()
                    .is_none_or(|zone| zones.is_some_and(|zones| zones.iter().any(|one| one == zone.as_str())))
            };
            let mut groups: Vec<disruption::Group> = sizes
                .iter()
                .filter(|(name, _)| fits(name))
                .map(|(name, desired)| disruption::Group {
                    name: name.as_str().into(),
                    desired: *desired,
                })
                .collect();
            disruption::grow(&mut groups, 1);
            sizes.extend(
                groups
                    .iter()
                    .map(|group| (GroupName::from(&*group.name), group.desired)),
            );
        }
        for (name, desired) in sizes {
            let Some(group) = self.fleet.groups.get(&name).cloned() else {
                continue;
            };
            if desired <= group.desired {
                continue;
            }
            if desired > group.max {
                self.remember_width(pool, &name, group.max).await?;
            }
            let size = GroupSize {
                min: None,
                max: (desired > group.max).then_some(desired),
                desired: Some(desired),
            };
            self.hand.may_disrupt().await?;
            self.cloud_changed();
            self.hand.cloud.resize_group(&name, size).await?;
            if let Some(group) = self.fleet.groups.get_mut(&name) {
                (group.desired, group.max) = (desired, group.max.max(desired));
            }
        }
        Ok(())
    }

    async fn remember_width(&mut self, pool: &PoolSpec, group: &GroupName, max: u32) -> Result<(), RolloutError> {
        let Some(mut record) = self.records.get(&pool.name).cloned() else {
            return Ok(());
        };
        if record.widened.contains_key(group.as_str()) {
            return Ok(());
        }
        record.widened.insert(group.to_string(), max);
        self.put_record(record).await
    }

    async fn put_record(&mut self, record: PoolRecord) -> Result<(), RolloutError> {
        self.hand.may_write().await?;
        self.ledger().put_pool(&record, true).await?;
        self.records.insert(record.pool.clone(), record);
        Ok(())
    }

    /// Remembers the size of the pool before anything is done to it; a new generation begins with a clean record.
    async fn open_record(&mut self, pool: &PoolSpec, now: Timestamp) -> Result<(), RolloutError> {
        let generation = generation(self, &pool.name);
        let old = self.records.get(&pool.name);
        if old.is_some_and(|record| record.generation == generation) {
            return Ok(());
        }
        let record = PoolRecord {
            pool: pool.name.clone(),
            generation,
            size: old.map_or_else(|| self.fleet.desired(&pool.name), |record| record.size),
            started: now,
            failed: BTreeSet::new(),
            widened: old.map(|record| record.widened.clone()).unwrap_or_default(),
            stilled: old.map(|record| record.stilled.clone()).unwrap_or_default(),
        };
        self.put_record(record).await
    }

    /// New machines of a rollout that should be ready nodes by now and never were, and when the next one should be.
    fn late(&self, pool: &PoolSpec, record: &PoolRecord, now: Timestamp) -> (Vec<InstanceId>, Option<Timestamp>) {
        let patience = pool.policy.assumptions.node_at_most.to_std().unwrap_or_default();
        let patience = SignedDuration::try_from(patience).unwrap_or(SignedDuration::MAX);
        // Objects of the cluster carry whole seconds.
        let started = Timestamp::from_second(record.started.as_second()).unwrap_or(record.started);
        let mut late = Vec::new();
        let mut wake = None;
        let mut was_ready = InOrder::new(self.picture.was_ready.iter().map(|id| &**id));
        for machine in self.fleet.machines_of(&pool.name) {
            let Some(launched) = machine.launched.filter(|at| *at >= started) else {
                continue;
            };
            if machine.outdated.is_some() || machine.leaving || was_ready.has(machine.id.as_str()) {
                continue;
            }
            let due = launched.saturating_add(patience).unwrap_or(Timestamp::MAX);
            let node = self.picture.node_of(machine.id.as_str());
            // One that stopped being ready later is not a replacement that failed.
            if node.is_some_and(|node| node.ready_since > due) {
                continue;
            }
            if now < due {
                wake = [wake, Some(due)].into_iter().flatten().min();
            } else if !record.failed.contains(machine.id.as_str()) {
                late.push(machine.id.clone());
            }
        }
        (late, wake)
    }

    /// New machines that never became ready nodes are replaced, until there are so many that the pool stops. The last one is
    /// kept for people to look at.
    async fn repair(&mut self, pool: &PoolSpec, now: Timestamp) -> Result<(), RolloutError> {
        let Some(record) = self.records.get(&pool.name).cloned() else {
            return Ok(());
        };
        let (late, due) = self.late(pool, &record, now);
        self.wake(due);
        if late.is_empty() {
            return Ok(());
        }
        let most = limits(self, pool).max_failed_replacements;
        for id in late {
            if self.was_ready_after_all(&id).await? {
                continue;
            }
            let Some(mut record) = self.records.get(&pool.name).cloned() else {
                continue;
            };
            record.failed.insert(id.to_string());
            let failed = u32::try_from(record.failed.len()).unwrap_or(u32::MAX);
            self.hand.may_disrupt().await?;
            self.put_record(record).await?;
            tracing::warn!(pool = %pool.name, machine = %id, failed, "new machine did not become a ready node");
            if failed < most {
                self.hand.may_disrupt().await?;
                self.cloud_changed();
                self.end_machine(&id, Shrink::No).await?;
                if let Some(machine) = self.fleet.machine_mut(id.as_str()) {
                    machine.leaving = true;
                }
            }
        }
        Ok(())
    }

    /// Keeps the autoscaler from removing the new nodes while the old ones go, and Karpenter from replacing the old ones by
    /// itself; or lets them again.
    async fn hold_new_nodes(&mut self, pool: &PoolSpec, hold: bool) -> Result<(), RolloutError> {
        let claims = pool.provisioner == Provisioner::NodeClaims;
        if !claims && self.fleet.autoscaled(&pool.name).next().is_none() {
            return Ok(());
        }
        let lists: &[List] = match (hold, claims) {
            (false, _) => &[List::Held],
            (true, false) => &[List::New],
            // Karpenter would replace old nodes by itself too, and by its own rules.
            (true, true) => &[List::New, List::Marked],
        };
        let nodes = lists.iter().flat_map(|list| self.picture.listed(*list));
        let nodes = nodes.filter(|(_, state)| state.pool.as_ref() == Some(&pool.name));
        let mut nodes: Vec<NodeSeen> = nodes.map(|(node, _)| node.clone()).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        nodes.dedup_by(|a, b| a.name == b.name);
        for mut node in nodes {
            self.hand.hold_scale_down(&mut node, claims, hold).await?;
            self.keep_node(node);
        }
        Ok(())
    }

    /// Keeps groups from evening out their zones: with old and new machines side by side they would end some that are not
    /// drained. What we suspended is remembered before it is done.
    async fn still(&mut self, pool: &PoolSpec) -> Result<(), RolloutError> {
        let moving = self.fleet.groups_of(&pool.name);
        let moving = moving.filter(|group| group.zones.len() > 1 && !group.suspended.contains(&Process::AzRebalance));
        let names: Vec<GroupName> = moving.map(|group| group.name.clone()).collect();
        for name in names {
            if let Some(mut record) = self.records.get(&pool.name).cloned()
                && record.stilled.insert(name.to_string())
            {
                self.put_record(record).await?;
            }
            self.hand.may_disrupt().await?;
            let processes = BTreeSet::from([Process::AzRebalance]);
            self.hand.cloud.suspend_processes(&name, &processes).await?;
            if let Some(group) = self.fleet.groups.get_mut(&name) {
                group.suspended.extend(processes);
            }
        }
        Ok(())
    }

    /// The last outdated node is gone: groups get their bounds back, the autoscaler its nodes, and the record is closed.
    async fn finish(&mut self, pool: &PoolSpec) -> Result<(), RolloutError> {
        let Some(record) = self.records.get(&pool.name).cloned() else {
            return Ok(());
        };
        self.hold_new_nodes(pool, false).await?;
        for (name, max) in &record.widened {
            let name = GroupName::from(name.as_str());
            let Some(group) = self.fleet.groups.get(&name) else {
                continue;
            };
            let max = (*max).max(group.desired);
            if max < group.max {
                let size = GroupSize {
                    max: Some(max),
                    ..GroupSize::default()
                };
                self.hand.may_write().await?;
                self.hand.cloud.resize_group(&name, size).await?;
            }
        }
        for name in &record.stilled {
            let name = GroupName::from(name.as_str());
            if self
                .fleet
                .groups
                .get(&name)
                .is_some_and(|group| group.suspended.contains(&Process::AzRebalance))
            {
                let processes = BTreeSet::from([Process::AzRebalance]);
                self.hand.may_write().await?;
                self.hand.cloud.resume_processes(&name, &processes).await?;
                if let Some(group) = self.fleet.groups.get_mut(&name) {
                    group.suspended.remove(&Process::AzRebalance);
                }
            }
        }
        self.hand.may_write().await?;
        self.ledger().put_pool(&record, false).await?;
        self.records.remove(&pool.name);
        Ok(())
    }

    /// Keeps autoscaler and groups from bringing nodes back to a pool that is removed (fact 64), and says so on its nodes.
    async fn prepare_removal(&mut self, pool: &PoolSpec) -> Result<(), RolloutError> {
        let groups: Vec<_> = self.fleet.groups_of(&pool.name).cloned().collect();
        for group in &groups {
            if group.tags.contains_key(AUTOSCALER_TAG) {
                self.hand.may_disrupt().await?;
                let keys = BTreeSet::from([AUTOSCALER_TAG.to_owned()]);
                self.hand.cloud.untag_group(&group.name, &keys).await?;
                if let Some(group) = self.fleet.groups.get_mut(&group.name) {
                    group.tags.remove(AUTOSCALER_TAG);
                }
            }
        }
        for group in groups.iter().filter(|group| group.min > 0) {
            let size = GroupSize {
                min: Some(0),
                ..GroupSize::default()
            };
            self.hand.may_disrupt().await?;
            self.hand.cloud.resize_group(&group.name, size).await?;
            if let Some(group) = self.fleet.groups.get_mut(&group.name) {
                group.min = 0;
            }
        }
        let concerned =
            |(node, state): &(&NodeSeen, &NodeState)| node.replace_first && state.pool.as_ref() == Some(&pool.name);
        let nodes = self.picture.both().filter(concerned);
        let nodes: Vec<NodeSeen> = nodes.map(|(node, _)| node.clone()).collect();
        for mut node in nodes {
            self.hand.no_replacement(&mut node).await?;
            self.keep_node(node);
        }
        Ok(())
    }

    /// Nodes that we selected and that are not outdated any more, because the definition went back, stay.
    async fn take_back_stale(&mut self, pool: &PoolSpec) -> Result<(), RolloutError> {
        let stale = |(node, state): &(&NodeSeen, &NodeState)| {
            // Where marks alone count, a half one is somebody else's who has not finished.
            if node.selected.is_none() && self.by_marks() {
                return false;
            }
            let machine = node.machine.as_ref().and_then(|id| self.fleet.machines.get(id));
            // Without the machine nothing is known about its definition; its mark is known.
            let of_pool = state.pool.as_ref() == Some(&pool.name);
            machine.map_or(self.by_marks() && of_pool, |one| one.pool == pool.name && !one.leaving)
        };
        let nodes = self.picture.listed(List::Stale).filter(stale);
        let nodes: Vec<NodeSeen> = nodes.map(|(node, _)| node.clone()).collect();
        for node in nodes {
            self.unmark(node, "the node has its pool's definition again").await?;
        }
        Ok(())
    }

    /// While the cluster is blocked no mark of ours stays: pods may come back to the nodes, and every clock starts anew
    /// afterwards. Machines that end anyway, nodes that were given up, and drains of another controller are left as they are.
    pub(crate) async fn take_back(&mut self, pool: &PoolSpec) -> Result<(), RolloutError> {
        if !self.on(Guard::TakeBack) {
            return Ok(());
        }
        let concerned = |(node, state): &(&NodeSeen, &NodeState)| {
            let ends = state.mark.as_ref().is_some_and(|mark| mark.machine_ends.is_some());
            let machine = node.machine.as_ref().and_then(|id| self.fleet.machines.get(id));
            let theirs = pool.strategy == Strategy::Mark && node.draining.is_some();
            let marked = node.is_marked() || node.tainted;
            let leaving = machine.is_some_and(|one| one.leaving);
            state.pool.as_ref() == Some(&pool.name)
                && marked
                && !(ends || theirs || leaving)
                && node.quarantined.is_none()
        };
        let nodes = self.picture.both().filter(concerned);
        let nodes: Vec<NodeSeen> = nodes.map(|(node, _)| node.clone()).collect();
        for node in nodes {
            self.unmark(node, "the cluster is blocked").await?;
        }
        Ok(())
    }

    async fn unmark(&mut self, mut node: NodeSeen, why: &str) -> Result<(), RolloutError> {
        let done = self.hand.unmark(&mut node).await;
        if done.is_ok() {
            let (now, text) = (self.hand.now(), format!("no longer selected: {why}"));
            self.speaker
                .node(&self.hand.calm, &node, "Unselected", &text, now)
                .await;
        }
        self.keep_node(node);
        done
    }
}
