//! The end of machines: drained ones, and new ones that failed; and new NodeClaims, which are made where they are ended.

use disruption::{NodeDecision, PoolDecision, decide_pool};
use kube_access::GroupKind;
use ports::cloud::{CloudError, InstanceId, Shrink};

use crate::engine::Engine;
use crate::error::RolloutError;
use crate::machines::{Home, Machine};
use crate::pool::{PoolSpec, Strategy};
use crate::pools::limits;

impl Engine {
    /// The contract keeps drained machines of a blue-green pool until the whole old set is drained.
    pub(crate) fn kept(&self, pool: &PoolSpec) -> bool {
        pool.strategy == Strategy::BlueGreen
            && decide_pool(&self.picture.view, &pool.policy, &limits(self, pool), self.hand.now()).keep_drained
    }

    /// Ends the machine of a drained node. The pool shrinks with the last ones, as many as were brought beyond its size.
    pub(crate) async fn terminate(&mut self, pool: &PoolSpec, decision: &NodeDecision) -> Result<(), RolloutError> {
        let Some(mut node) = self.picture.nodes.get(&decision.node).cloned() else {
            return Ok(());
        };
        let machine = node
            .machine
            .as_ref()
            .and_then(|id| self.fleet.machines.get(id))
            .cloned();
        let now = self.hand.now();
        let Some(machine) = machine else {
            // Nobody told us of its machine: whoever owns it learns from the node that it may end.
            if self.by_marks() && !node.drained {
                let done = self.hand.say_drained(&mut node, now).await;
                if done.is_ok() {
                    let text = "drained; its machine may be ended";
                    self.speaker.node(&self.hand.calm, &node, "Drained", text, now).await;
                }
                self.keep_node(node);
                return done;
            }
            return Ok(());
        };
        if machine.leaving {
            return Ok(());
        }
        if self.ends(&decision.node) && self.picture.view.block().is_some_and(|block| block.holds(now)) {
            // The cloud ends it.
            return Ok(());
        }
        self.hand.may_disrupt().await?;
        if !self.is_empty(&decision.node).await? {
            return Ok(());
        }
        let shrink = self.shrink(pool, &machine);
        self.hand.may_disrupt().await?;
        self.cloud_changed();
        self.end_machine(&machine.id, shrink).await?;
        self.counts.terminated += 1;
        if let Some(known) = self.fleet.machine_mut(machine.id.as_str()) {
            known.leaving = true;
        }
        if let (Shrink::Yes, Home::Group(name)) = (shrink, &machine.home)
            && let Some(group) = self.fleet.groups.get_mut(name)
        {
            group.desired = group.desired.saturating_sub(1);
        }
        let text = format!("drained; machine {} is terminated", machine.id);
        self.speaker
            .node(&self.hand.calm, &node, "Terminated", &text, now)
            .await;
        Ok(())
    }

    /// Whether the machine's group shrinks with it. NodeClaims have no size: what is too much Karpenter consolidates later.
    fn shrink(&self, pool: &PoolSpec, machine: &Machine) -> Shrink {
        let Home::Group(name) = &machine.home else {
            return Shrink::No;
        };
        let group = self.fleet.groups.get(name).map(|group| (group.desired, group.min));
        let (desired, min) = group.unwrap_or_default();
        let surplus = self.fleet.desired(&pool.name).saturating_sub(self.size(pool));
        let surplus = usize::try_from(surplus).unwrap_or(usize::MAX);
        let few = self.outdated_machines(pool).take(surplus.saturating_add(1)).count() <= surplus;
        if desired > min && (pool.removed || few) {
            Shrink::Yes
        } else {
            Shrink::No
        }
    }

    /// Machines of the pool that are to go and do not go yet: by their definition, or by the mark on their node.
    fn outdated_machines<'a>(&'a self, pool: &'a PoolSpec) -> impl Iterator<Item = &'a Machine> {
        let machines = self.fleet.machines_of(&pool.name).filter(|one| !one.leaving);
        machines.filter(|one| one.outdated.is_some() || self.picture.has_outdated_node(one.id.as_str()))
    }

    /// Ends a machine by what made it; one that is gone already is fine.
    pub(crate) async fn end_machine(&mut self, id: &InstanceId, shrink: Shrink) -> Result<(), RolloutError> {
        let home = self.fleet.machines.get(id.as_str()).map(|machine| machine.home.clone());
        let Some(Home::Claim(name)) = home else {
            return match self.hand.cloud.terminate_in_group(id, shrink).await {
                Ok(()) | Err(CloudError::NotFound { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            };
        };
        let Some(claim) = self.picture.provision.claims.get(&name) else {
            return Ok(());
        };
        let uid = claim.uid.clone();
        let kind = self.hand.kind(&claim_kind()).await?;
        self.hand
            .access
            .delete_object(&kind, &kind.key("", &name), &uid)
            .await?;
        Ok(())
    }

    /// Brings new NodeClaims for a pool, one for each node that the contract asks for.
    pub(crate) async fn add_claims(&mut self, pool: &PoolSpec, decision: &PoolDecision) -> Result<(), RolloutError> {
        let kind = self.hand.kind(&claim_kind()).await?;
        for new in &decision.add {
            let zone = new.zone.as_ref().map(disruption::Zone::as_str);
            let made = self.picture.provision.new_claim(&pool.name, zone, &kind.api_version());
            let Some((name, claim)) = made else { return Ok(()) };
            self.hand.may_disrupt().await?;
            // The name follows from what is there, and an apply can be sent again: a lost answer makes no second claim.
            let manager = self.hand.access.field_manager().to_owned();
            let made = self.hand.access.apply_object(&kind, &claim, &manager, true).await?;
            let seen = crate::claims::read_claim(&made).map_err(|why| RolloutError::Record {
                entry: format!("NodeClaim {name}"),
                why,
            })?;
            self.picture.provision.put_claim(name, seen);
        }
        Ok(())
    }
}

fn claim_kind() -> GroupKind {
    GroupKind::new("karpenter.sh", "NodeClaim")
}
