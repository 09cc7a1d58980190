//! Empties nodes that are about to go, as a termination handler and an autoscaler do: no new pods, and evictions that
//! budgets may refuse and that are asked for again.

use std::collections::BTreeMap;

use cloud_sim::CloudSim;
use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};
use kube_sim::{Place, UserInfo};
use kube_world::World;
use ports::cloud::{HookDefault, HookTransition, InstanceId, NodeGroups, Shrink};

use crate::log::FleetLog;
use crate::tree::{list, text};

/// How often refused evictions are asked for again.
const PERIOD: SignedDuration = SignedDuration::from_secs(5);
/// How long an autoscaler tries before it leaves a node alone.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);

/// What follows when a node is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing: the machine goes when its time has come.
    None,
    /// The termination hooks that hold the instance may go on.
    Release(InstanceId),
    /// The instance is taken out of its group, which gets smaller. Given up after a while.
    Terminate(InstanceId),
}

/// A node that is being emptied.
#[derive(Debug, Clone)]
pub(crate) struct Drain {
    pub(crate) ending: Ending,
    pub(crate) since: Timestamp,
    pub(crate) next: Timestamp,
}

/// All nodes of a cluster that are being emptied.
#[derive(Debug, Default)]
pub(crate) struct Drains(BTreeMap<String, Drain>);

const NODES: Place<'static> = Place {
    group: "",
    version: "v1",
    resource: "nodes",
    namespace: "",
};

/// The user who drains.
fn drainer() -> UserInfo {
    UserInfo::admin()
}

impl Drains {
    /// Begins with a node, or goes on with another ending.
    pub(crate) fn begin(&mut self, node: &str, ending: Ending, now: Timestamp) {
        let drain = self.0.entry(node.to_owned()).or_insert(Drain {
            ending: Ending::None,
            since: now,
            next: now,
        });
        if ending != Ending::None {
            drain.ending = ending;
        }
        drain.next = now;
    }

    /// A node that is gone needs no emptying.
    pub(crate) fn forget(&mut self, node: &str) {
        self.0.remove(node);
    }

    pub(crate) fn contains(&self, node: &str) -> bool {
        self.0.contains_key(node)
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.0.values().map(|drain| drain.next).min()
    }

    /// Asks for what is due and ends what is done. True if anything was asked for.
    pub(crate) async fn turn(
        &mut self,
        world: &mut World,
        cloud: Option<&CloudSim>,
        now: Timestamp,
        place: &str,
        log: &FleetLog,
    ) -> bool {
        let due: Vec<(String, Drain)> = self
            .0
            .iter()
            .filter(|(_, drain)| drain.next <= now)
            .map(|(node, drain)| (node.clone(), drain.clone()))
            .collect();
        for (node, drain) in &due {
            let left = step(world, node).await;
            let waits = matches!(drain.ending, Ending::Terminate(_));
            if left > 0 && waits && now.duration_since(drain.since) >= PATIENCE {
                log.write(
                    place,
                    format_args!("{now} drain given-up nodes/{node} {left} pods left"),
                );
                give_up(world, node).await;
                self.0.remove(node);
            } else if left > 0 || !end(cloud, &drain.ending).await {
                if let Some(drain) = self.0.get_mut(node) {
                    drain.next = now.saturating_add(PERIOD).unwrap_or(now);
                }
            } else {
                log.write(place, format_args!("{now} drain done nodes/{node}"));
                self.0.remove(node);
            }
        }
        !due.is_empty()
    }
}

/// Cordons a node and asks for the eviction of its pods; how many are still there.
async fn step(world: &mut World, node: &str) -> usize {
    let local = world.server().local(drainer());
    if world.view().node(node).is_some_and(|node| !node.unschedulable) {
        // A node that goes in this moment needs no cordon.
        let _ = local
            .patch(NODES, node, "", &json!({"spec": {"unschedulable": true}}))
            .await;
    }
    let mut left = 0;
    let pods: Vec<(String, String, bool)> = world
        .view()
        .pods_on(node)
        .filter(|pod| !pod.phase.is_terminal())
        .filter(|pod| {
            pod.controller
                .as_ref()
                .is_none_or(|owner| &*owner.kind != "DaemonSet" && &*owner.kind != "Node")
        })
        .map(|pod| (pod.namespace.to_string(), pod.name.to_string(), pod.is_active()))
        .collect();
    for (namespace, name, active) in pods {
        left += 1;
        if active {
            // A refusal of a budget is asked again at the next look.
            let _ = local.evict(&namespace, &name).await;
        }
    }
    left
}

/// Does what follows; false if it has to be tried again.
async fn end(cloud: Option<&CloudSim>, ending: &Ending) -> bool {
    let Some(cloud) = cloud else { return true };
    match ending {
        Ending::None => true,
        Ending::Terminate(id) => {
            let gone = cloud.instance(id).is_none_or(|instance| !instance.state.is_alive());
            gone || cloud.terminate_in_group(id, Shrink::Yes).await.is_ok()
        }
        Ending::Release(id) => {
            let Some(group) = cloud.instance(id).and_then(|instance| instance.group) else {
                return true;
            };
            let Ok(hooks) = cloud.lifecycle_hooks(&group).await else {
                return false;
            };
            for hook in hooks
                .iter()
                .filter(|hook| hook.transition == HookTransition::Terminating)
            {
                // A hook that holds the instance no longer refuses, and that is as good.
                let _ = cloud.complete_hook(&group, &hook.name, id, HookDefault::Continue).await;
            }
            true
        }
    }
}

/// Lets pods come again: no cordon, no taint of an autoscaler.
async fn give_up(world: &mut World, node: &str) {
    let Some(object) = world.server().read("", "nodes", "", node) else {
        return;
    };
    let kept: Vec<&Value> = list(&object, "/spec/taints")
        .iter()
        .filter(|taint| text(taint, "/key") != kube_world::autoscaler::group::TO_BE_DELETED)
        .collect();
    let patch = json!({"spec": {"unschedulable": null, "taints": kept}});
    let local = world.server().local(drainer());
    // A node that went meanwhile needs nothing.
    let _ = local.patch(NODES, node, "", &patch).await;
}
