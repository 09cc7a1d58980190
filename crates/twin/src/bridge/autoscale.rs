//! The cluster autoscaler at work: looks at the cluster when something may have changed, and carries out the steps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloud_sim::CloudSim;
use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};
use kube_sim::{ApiError, Place, UserInfo};
use kube_world::autoscaler::group::{CANDIDATE, TO_BE_DELETED};
use kube_world::autoscaler::{Autoscaler, Member, NodeGroup, Occupant, Options, Situation, Step};
use kube_world::scheduler::{KubeScheduler, Node};
use kube_world::{Action, Change, Kind, Scheduler, View, World};
use ports::cloud::{GroupName, GroupSize, InstanceId, NodeGroups};

use super::drain::{Drains, Ending};
use super::machine::{ENABLED, node_template, owner_tag};
use crate::log::FleetLog;
use crate::tree::{list, text};

/// How far apart looks are at least (`--scan-interval`).
const SCAN: SignedDuration = SignedDuration::from_secs(10);
/// A node that is not ready so soon after its launch is still coming, as the original counts it.
const COMING: SignedDuration = SignedDuration::from_mins(15);

/// The scheduler of a cluster, which its autoscaler asks as well.
#[derive(Debug, Clone)]
pub(crate) struct SharedScheduler(Arc<Mutex<KubeScheduler>>);

impl SharedScheduler {
    pub(crate) fn new(scheduler: KubeScheduler) -> Self {
        Self(Arc::new(Mutex::new(scheduler)))
    }

    fn lock(&self) -> MutexGuard<'_, KubeScheduler> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scheduler for SharedScheduler {
    fn observe(&mut self, change: &Change, view: &View<'_>) {
        Scheduler::observe(&mut *self.lock(), change, view);
    }

    fn schedule_next(&mut self, view: &View<'_>) -> Vec<Action> {
        Scheduler::schedule_next(&mut *self.lock(), view)
    }

    fn failed(&mut self, view: &View<'_>, action: &Action, error: &ApiError) {
        Scheduler::failed(&mut *self.lock(), view, action, error);
    }

    fn clock_set(&mut self, by: SignedDuration) {
        Scheduler::clock_set(&mut *self.lock(), by);
    }

    fn due(&self) -> Option<Timestamp> {
        Scheduler::due(&*self.lock())
    }
}

/// The autoscaler of one cluster.
#[derive(Debug)]
pub(crate) struct CloudAutoscaler {
    planner: Autoscaler,
    scheduler: SharedScheduler,
    sim: CloudSim,
    region: String,
    owner: String,
    next: Option<Timestamp>,
    last: Timestamp,
}

impl CloudAutoscaler {
    pub(crate) fn new(
        options: Options,
        scheduler: SharedScheduler,
        sim: CloudSim,
        cluster: &str,
        region: &str,
    ) -> Self {
        Self {
            planner: Autoscaler::new(options),
            scheduler,
            sim,
            region: region.to_owned(),
            owner: owner_tag(cluster),
            next: None,
            last: Timestamp::MIN,
        }
    }

    /// When it looks next, without anybody's doing.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.next
    }

    /// Something changed: it looks, but not more often than it scans.
    pub(crate) fn wake(&mut self, now: Timestamp) {
        let at = self.last.saturating_add(SCAN).unwrap_or(now).max(now);
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Looks, if it is time, and carries out what it plans.
    pub(crate) async fn turn(
        &mut self,
        world: &mut World,
        drains: &mut Drains,
        now: Timestamp,
        place: &str,
        log: &FleetLog,
    ) {
        if self.next.is_none_or(|next| next > now) {
            return;
        }
        self.last = now;
        let groups = self.groups();
        let (members, instances) = self.members(world, now);
        let occupants = occupants(world, &members);
        let situation = Situation {
            groups: &groups,
            members: &members,
            occupants: &occupants,
        };
        let steps = self.planner.plan(self.scheduler.lock().scheduler_mut(), situation, now);
        for step in &steps {
            self.carry_out(step, world, drains, &instances, now, place, log).await;
        }
        let soon = now.saturating_add(SCAN).unwrap_or(now);
        // A step changes what the next look sees; what it waits for comes when it comes.
        let acted = steps.iter().any(|step| !matches!(step, Step::CannotHelp { .. }));
        let due = self.planner.due().map(|due| due.max(soon));
        self.next = if acted { Some(soon) } else { due };
    }

    fn groups(&self) -> Vec<NodeGroup> {
        let mine = |group: &&ports::cloud::Group| {
            group.tags.contains_key(&self.owner) && group.tags.contains_key(ENABLED) && !group.deleting
        };
        let groups = self.sim.groups_now();
        let group = |group: &ports::cloud::Group| {
            let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
            let instance_type = self.instance_type(group);
            NodeGroup {
                id: group.name.to_string(),
                min: size(group.min),
                max: size(group.max),
                target: size(group.desired),
                template: Node::from_json(&node_template(&self.sim, &self.region, group, &instance_type), None),
                daemons: Vec::new(),
                priority: 0,
            }
        };
        groups.iter().filter(mine).map(group).collect()
    }

    /// The type of a group's nodes, as its template's label says; that of a member where there is none.
    fn instance_type(&self, group: &ports::cloud::Group) -> String {
        let label = group
            .tags
            .get("k8s.io/cluster-autoscaler/node-template/label/node.kubernetes.io/instance-type");
        let member = || group.instances.first().map(|member| member.instance_type.clone());
        label.cloned().or_else(member).unwrap_or_default()
    }

    /// The nodes of groups, and the instances behind them.
    fn members(&self, world: &World, now: Timestamp) -> (Vec<Member>, BTreeMap<String, InstanceId>) {
        let (mut members, mut instances) = (Vec::new(), BTreeMap::new());
        for instance in self.sim.instances_now() {
            let Some(group) = instance
                .group
                .as_ref()
                .filter(|_| instance.tags.contains_key(&self.owner))
            else {
                continue;
            };
            if let Some(node) = world.server().read("", "nodes", "", &instance.private_dns) {
                let member = Member::from_json(&node, group.as_str());
                let age = now.duration_since(instance.launched);
                if !member.ready && age < COMING {
                    continue;
                }
                members.push(member);
                instances.insert(instance.private_dns.clone(), instance.id.clone());
            }
        }
        (members, instances)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a step touches the cluster, the cloud and the log"
    )]
    async fn carry_out(
        &self,
        step: &Step,
        world: &mut World,
        drains: &mut Drains,
        instances: &BTreeMap<String, InstanceId>,
        now: Timestamp,
        place: &str,
        log: &FleetLog,
    ) {
        if let Some((reason, message)) = step.event() {
            log.write(place, format_args!("{now} cluster-autoscaler {reason} {message}"));
        }
        match step {
            Step::Grow { groups, .. } => {
                for growth in groups {
                    self.resize(&growth.group, growth.to, now, place, log).await;
                }
            }
            Step::GiveUp { group, target, .. } => self.resize(group, *target, now, place, log).await,
            Step::CannotHelp { .. } => {}
            Step::Mark { node } => taint(world, node, CANDIDATE, Some("PreferNoSchedule")).await,
            Step::Unmark { node } => taint(world, node, CANDIDATE, None).await,
            Step::Remove { node, .. } => {
                let Some(id) = instances.get(node).filter(|_| !drains.contains(node)) else {
                    return;
                };
                taint(world, node, TO_BE_DELETED, Some("NoSchedule")).await;
                drains.begin(node, Ending::Terminate(id.clone()), now);
            }
        }
    }

    async fn resize(&self, group: &str, target: usize, now: Timestamp, place: &str, log: &FleetLog) {
        let size = GroupSize {
            min: None,
            max: None,
            desired: u32::try_from(target).ok(),
        };
        let name = GroupName::from(group);
        if let Err(error) = self.sim.resize_group(&name, size).await {
            log.write(place, format_args!("{now} cluster-autoscaler failed {group} {error}"));
        }
    }
}

/// Pods on the nodes of groups.
fn occupants(world: &World, members: &[Member]) -> Vec<Occupant> {
    let view = world.view();
    let mut all = Vec::new();
    for member in members {
        for pod in view.pods_on(&member.node) {
            let object = view.get(Kind::POD, &pod.namespace, &pod.name);
            all.extend(object.as_deref().and_then(Occupant::from_json));
        }
    }
    all
}

/// Puts a taint of the autoscaler on a node, or takes it off.
async fn taint(world: &mut World, node: &str, key: &str, effect: Option<&str>) {
    let Some(object) = world.server().read("", "nodes", "", node) else {
        return;
    };
    let mut taints: Vec<Value> = list(&object, "/spec/taints")
        .iter()
        .filter(|taint| text(taint, "/key") != key)
        .cloned()
        .collect();
    if let Some(effect) = effect {
        let value = world.server().now().as_second().to_string();
        taints.push(json!({"key": key, "value": value, "effect": effect}));
    }
    let place = Place {
        group: "",
        version: "v1",
        resource: "nodes",
        namespace: "",
    };
    let local = world.server().local(UserInfo::admin());
    // A node that goes in this moment needs no taint.
    let _ = local.patch(place, node, "", &json!({"spec": {"taints": taints}})).await;
}
