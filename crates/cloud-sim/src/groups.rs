//! Node groups: keeping a number of instances alive over several zones.

mod api;
mod health;
mod launch;
mod leave;
mod members;
mod size;
mod spec;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use ports::cloud::{
    Activity, ActivityStatus, Group, GroupName, HealthCheckKind, HookTransition, InstanceId, InstanceLifecycle,
    LaunchTemplateRef, LifecycleHook, Market, MixedInstances, Process, Tags,
};

use crate::event::{InstanceChange, What};
use crate::state::Due;
use crate::world::World;

pub(crate) use members::Members;
pub use spec::{GroupSpec, LaunchTemplateSpec};

/// Activities that a group remembers.
const ACTIVITIES: usize = 500;

/// An instance in its group.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) lifecycle: InstanceLifecycle,
    pub(crate) healthy: bool,
    pub(crate) protected: bool,
    pub(crate) template: LaunchTemplateRef,
    pub(crate) instance_type: String,
    pub(crate) zone: String,
    pub(crate) market: Market,
    /// Hooks that hold it, with the number of the current wait.
    pub(crate) held_by: BTreeMap<String, u64>,
    pub(crate) held_since: Timestamp,
    pub(crate) launched: Timestamp,
    pub(crate) in_service: Option<Timestamp>,
    /// Activity that is under way for it.
    pub(crate) activity: String,
}

impl Member {
    /// Counts towards the desired size.
    pub(crate) fn is_active(&self) -> bool {
        use InstanceLifecycle::{InService, Pending, PendingProceed, PendingWait};
        matches!(self.lifecycle, Pending | PendingWait | PendingProceed | InService)
    }

    pub(crate) fn is_leaving(&self) -> bool {
        !self.is_active()
    }
}

/// A group.
#[derive(Debug, Clone)]
pub(crate) struct GroupRecord {
    pub(crate) name: GroupName,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) desired: u32,
    pub(crate) subnets: Vec<String>,
    /// Zones, in the order of their subnets.
    pub(crate) zones: Vec<String>,
    pub(crate) template: LaunchTemplateRef,
    pub(crate) mixed: Option<MixedInstances>,
    pub(crate) members: Members,
    pub(crate) tags: Tags,
    /// Keys of the tags that new instances get.
    pub(crate) propagated: BTreeSet<String>,
    pub(crate) suspended: BTreeSet<Process>,
    pub(crate) hooks: BTreeMap<String, LifecycleHook>,
    pub(crate) protect_new: bool,
    pub(crate) health_check: HealthCheckKind,
    pub(crate) grace: Duration,
    pub(crate) load_balancers: Vec<String>,
    pub(crate) target_groups: Vec<String>,
    pub(crate) created: Timestamp,
    pub(crate) deleting: bool,
    pub(crate) activities: VecDeque<Activity>,
    /// Launches that failed in a row.
    pub(crate) failures: u32,
    /// When it looks at itself next.
    pub(crate) tick: Option<Timestamp>,
    /// When a launch last failed in a zone; evening out leaves such a zone alone for a while.
    pub(crate) zone_failed: BTreeMap<String, Timestamp>,
    /// Stack and resource that it belongs to.
    pub(crate) owner: Option<(String, String)>,
}

impl GroupRecord {
    pub(crate) fn active(&self) -> usize {
        self.members.values().filter(|member| member.is_active()).count()
    }

    pub(crate) fn in_service(&self) -> usize {
        let serves = |member: &&Member| member.lifecycle == InstanceLifecycle::InService && member.healthy;
        self.members.values().filter(serves).count()
    }

    pub(crate) fn hooks_for(&self, transition: HookTransition) -> Vec<LifecycleHook> {
        self.hooks
            .values()
            .filter(|hook| hook.transition == transition)
            .cloned()
            .collect()
    }

    pub(crate) fn view(&self) -> Group {
        Group {
            name: self.name.clone(),
            min: self.min,
            max: self.max,
            desired: self.desired,
            zones: self.zones.clone(),
            subnets: self.subnets.clone(),
            launch_template: Some(self.template.clone()),
            mixed_instances: self.mixed.clone(),
            instances: self.members.shown(),
            tags: self.tags.clone(),
            suspended: self.suspended.clone(),
            protect_new_instances: self.protect_new,
            health_check: self.health_check,
            health_check_grace: self.grace,
            load_balancers: self.load_balancers.clone(),
            target_groups: self.target_groups.clone(),
            created: self.created,
            deleting: self.deleting,
        }
    }
}

impl World {
    /// The member record of an instance with the name of its group.
    pub(crate) fn member(&mut self, id: &InstanceId) -> Option<(GroupName, &mut Member)> {
        let name = self.state.instances.get(id)?.view.group.clone()?;
        let member = self.state.groups.get_mut(&name)?.members.get_mut(id)?;
        Some((name, member))
    }

    /// Lets a group look at itself after a time, unless it will do so before.
    pub(crate) fn tick_after(&mut self, name: &GroupName, time: Duration) {
        let at = crate::world::later(self.now, time);
        let Some(group) = self.state.groups.get_mut(name) else {
            return;
        };
        if group.tick.is_some_and(|planned| planned <= at) {
            return;
        }
        group.tick = Some(at);
        self.at(at, Due::Tick(name.clone()));
    }

    /// Lets a group react to a change.
    pub(crate) fn tick_soon(&mut self, name: &GroupName) {
        let number = self.count("reaction");
        let delay = self.span("reaction", &format!("{name}/{number}"), self.options.timings.reaction);
        self.tick_after(name, delay);
    }

    pub(crate) fn group_event(&mut self, name: &GroupName, change: impl Into<String>) {
        let change = change.into();
        let name = name.clone();
        self.log(What::Group { name, change });
    }

    pub(crate) fn instance_event(&mut self, id: &InstanceId, change: InstanceChange) {
        let group = self
            .state
            .instances
            .get(id)
            .and_then(|instance| instance.view.group.clone());
        let id = id.clone();
        self.log(What::Instance { id, group, change });
    }

    pub(crate) fn set_lifecycle(&mut self, id: &InstanceId, lifecycle: InstanceLifecycle) {
        if let Some((_, member)) = self.member(id) {
            member.lifecycle = lifecycle;
            self.instance_event(id, InstanceChange::Lifecycle(lifecycle));
        }
    }

    /// Begins an activity; returns its id.
    pub(crate) fn begin_activity(&mut self, name: &GroupName, description: String, cause: &str) -> String {
        let id = self.new_uuid("activity");
        let activity = Activity {
            id: id.clone(),
            description,
            cause: format!("At {} {cause}", self.now),
            status: ActivityStatus::InProgress,
            message: None,
            start: self.now,
            end: None,
        };
        if let Some(group) = self.state.groups.get_mut(name) {
            group.activities.push_back(activity);
            if group.activities.len() > ACTIVITIES {
                group.activities.pop_front();
            }
        }
        id
    }

    /// Changes the state of an activity and logs its end.
    pub(crate) fn set_activity(&mut self, name: &GroupName, id: &str, status: ActivityStatus, message: Option<String>) {
        let now = self.now;
        let group = self.state.groups.get_mut(name);
        let found = group.and_then(|group| group.activities.iter_mut().rev().find(|activity| activity.id == id));
        let Some(activity) = found else {
            return;
        };
        activity.status = status;
        if !matches!(status, ActivityStatus::InProgress | ActivityStatus::WaitingForHook) {
            activity.end = Some(now);
        }
        let mut text = activity.description.clone();
        if let Some(message) = message {
            text.push_str(": ");
            text.push_str(&message);
            activity.message = Some(message);
        }
        let group = name.clone();
        self.log(What::Activity { group, status, text });
    }

    /// Tells the stack that a group belongs to that something moved in it.
    pub(crate) fn poke_owner(&mut self, name: &GroupName) {
        let owner = self.state.groups.get(name).and_then(|group| group.owner.clone());
        if let Some((stack, logical_id)) = owner {
            self.poke_task(&stack, &logical_id);
        }
    }
}
