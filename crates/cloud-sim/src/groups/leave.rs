//! Going in service and leaving it: hooks that hold, instances that go down.

use std::time::Duration;

use ports::cloud::{
    ActivityStatus, GroupName, HookDefault, HookResult, HookTransition, InstanceId, InstanceLifecycle, InstanceState,
};

use crate::event::InstanceChange;
use crate::state::Due;
use crate::world::{World, later};

/// A hook can hold an instance for this long at most, or for a hundred of its time-outs if that is less.
const LONGEST_HOLD: Duration = Duration::from_secs(48 * 3600);

impl World {
    /// An instance has booted.
    pub(crate) fn instance_runs(&mut self, id: &InstanceId) {
        let Some(instance) = self.state.instances.get_mut(id) else {
            return;
        };
        if instance.view.state != InstanceState::Pending {
            return;
        }
        instance.view_mut().state = InstanceState::Running;
        let silent = instance.never_ready;
        self.instance_event(id, InstanceChange::Running);
        if self.options.boot_agent && !silent {
            let delay = self.span("ready", id.as_str(), self.options.timings.ready);
            self.after(delay, Due::AgentReady(id.clone()));
        }
        let waiting = self
            .member(id)
            .is_some_and(|(_, member)| member.lifecycle == InstanceLifecycle::Pending);
        if waiting && !self.hold(id, HookTransition::Launching) {
            self.enter_service(id);
        }
    }

    /// Lets the hooks of a transition hold an instance; false when there are none.
    fn hold(&mut self, id: &InstanceId, transition: HookTransition) -> bool {
        let now = self.now;
        let Some((name, _)) = self.member(id) else {
            return false;
        };
        let hooks = self
            .state
            .groups
            .get(&name)
            .map(|group| group.hooks_for(transition))
            .unwrap_or_default();
        if hooks.is_empty() {
            return false;
        }
        // A number of its own for every wait: the time-out of an earlier wait in the same hook must not end this one.
        let round = self.count("hook-wait");
        let Some((_, member)) = self.member(id) else {
            return false;
        };
        member.held_since = now;
        member.held_by = hooks.iter().map(|hook| (hook.name.clone(), round)).collect();
        let activity = member.activity.clone();
        for hook in hooks {
            self.plan_hook_timeout(&name, id, &hook.name, hook.heartbeat_timeout, round);
        }
        self.set_lifecycle(
            id,
            match transition {
                HookTransition::Launching => InstanceLifecycle::PendingWait,
                HookTransition::Terminating => InstanceLifecycle::TerminatingWait,
            },
        );
        self.set_activity(&name, &activity, ActivityStatus::WaitingForHook, None);
        true
    }

    fn plan_hook_timeout(&mut self, name: &GroupName, id: &InstanceId, hook: &str, timeout: Duration, round: u64) {
        let now = self.now;
        let since = self.member(id).map_or(now, |(_, member)| member.held_since);
        let bound = later(since, LONGEST_HOLD.min(timeout * 100));
        let due = Due::HookTimeout {
            group: name.clone(),
            instance: id.clone(),
            hook: hook.to_owned(),
            round,
        };
        self.at(later(self.now, timeout).min(bound), due);
    }

    /// A hook gets more time.
    pub(super) fn extend_hold(&mut self, name: &GroupName, hook: &str, id: &InstanceId) -> bool {
        let timeout = self
            .state
            .groups
            .get(name)
            .and_then(|group| group.hooks.get(hook))
            .map(|h| h.heartbeat_timeout);
        let round = self.count("hook-wait");
        let wait = self.member(id).and_then(|(_, member)| member.held_by.get_mut(hook));
        let (Some(timeout), Some(wait)) = (timeout, wait) else {
            return false;
        };
        *wait = round;
        self.plan_hook_timeout(name, id, hook, timeout, round);
        true
    }

    /// Nobody answered in time.
    pub(crate) fn hook_times_out(&mut self, name: &GroupName, id: &InstanceId, hook: &str, round: u64) {
        let held = self
            .member(id)
            .is_some_and(|(_, member)| member.held_by.get(hook) == Some(&round));
        let group = self.state.groups.get(name);
        let default = group
            .and_then(|group| group.hooks.get(hook))
            .map(|hook| hook.default_result);
        if held {
            self.group_event(name, format!("hook {hook} of {id} timed out"));
            // A hook that was removed in the meantime lets its instances go on.
            self.release(hook, id, default.unwrap_or(HookDefault::Continue));
        }
    }

    /// A hook is answered; false when it does not hold that instance.
    pub(super) fn release(&mut self, hook: &str, id: &InstanceId, result: HookResult) -> bool {
        let Some((_, member)) = self.member(id) else {
            return false;
        };
        if member.held_by.remove(hook).is_none() {
            return false;
        }
        if result == HookDefault::Abandon {
            member.held_by.clear();
        }
        if !member.held_by.is_empty() {
            return true;
        }
        match (member.lifecycle, result) {
            (InstanceLifecycle::PendingWait, HookDefault::Continue) => {
                self.set_lifecycle(id, InstanceLifecycle::PendingProceed);
                self.enter_service(id);
            }
            (InstanceLifecycle::PendingWait, HookDefault::Abandon) => {
                self.leave(id, "a launch hook was abandoned", false);
            }
            (InstanceLifecycle::TerminatingWait, _) => {
                self.set_lifecycle(id, InstanceLifecycle::TerminatingProceed);
                self.shut_down(id, "Client.UserInitiatedShutdown");
            }
            _ => {}
        }
        true
    }

    pub(super) fn enter_service(&mut self, id: &InstanceId) {
        let now = self.now;
        let Some((name, member)) = self.member(id) else {
            return;
        };
        member.in_service = Some(now);
        let activity = member.activity.clone();
        self.set_lifecycle(id, InstanceLifecycle::InService);
        self.set_activity(&name, &activity, ActivityStatus::Successful, None);
        self.poke_owner(&name);
        self.tick_soon(&name);
    }

    /// The boot agent of an instance: answers its launch hooks and signals its stack.
    pub(crate) fn agent_ready(&mut self, id: &InstanceId) {
        let running = self
            .state
            .instances
            .get(id)
            .is_some_and(|i| i.view.state == InstanceState::Running);
        let Some((name, member)) = self.member(id) else {
            return;
        };
        if !running || member.is_leaving() {
            return;
        }
        let hooks: Vec<String> = match member.lifecycle {
            InstanceLifecycle::PendingWait => member.held_by.keys().cloned().collect(),
            _ => Vec::new(),
        };
        for hook in hooks {
            self.release(&hook, id, HookDefault::Continue);
        }
        let owner = self.state.groups.get(&name).and_then(|group| group.owner.clone());
        if let Some((stack, logical_id)) = owner {
            self.signal(&stack, &logical_id, id, true);
        }
    }

    /// An instance leaves its group for good: termination hooks hold it if `hooks`, then it goes down.
    pub(crate) fn leave(&mut self, id: &InstanceId, cause: &str, hooks: bool) {
        let Some((name, member)) = self.member(id) else {
            return;
        };
        if member.is_leaving() {
            return;
        }
        let unfinished = (member.lifecycle != InstanceLifecycle::InService).then(|| member.activity.clone());
        member.held_by.clear();
        if let Some(activity) = unfinished {
            self.set_activity(&name, &activity, ActivityStatus::Cancelled, None);
        }
        let activity = self.begin_activity(&name, format!("Terminating EC2 instance: {id}"), cause);
        if let Some((_, member)) = self.member(id) {
            member.activity = activity;
        }
        self.set_lifecycle(id, InstanceLifecycle::Terminating);
        let alive = self.state.instances.get(id).is_some_and(|i| i.view.state.is_alive());
        if !alive {
            let gone = self
                .state
                .instances
                .get(id)
                .is_none_or(|i| i.view.state == InstanceState::Terminated);
            if gone {
                self.drop_member(id);
            }
        } else if !(hooks && self.hold(id, HookTransition::Terminating)) {
            self.shut_down(id, "Client.UserInitiatedShutdown");
        }
    }

    /// An instance goes down, whoever wanted it.
    pub(crate) fn shut_down(&mut self, id: &InstanceId, reason: &str) {
        let Some(instance) = self.state.instances.get_mut(id) else {
            return;
        };
        if !instance.view.state.is_alive() {
            return;
        }
        instance.view_mut().state = InstanceState::ShuttingDown;
        instance.view_mut().state_reason = Some(reason.to_owned());
        self.instance_event(id, InstanceChange::ShuttingDown);
        let delay = self.span("shutdown", id.as_str(), self.options.timings.shutdown);
        self.after(delay, Due::Terminated(id.clone()));
        if self.member(id).is_some_and(|(_, member)| member.is_active()) {
            self.plan_health_check(id);
        }
    }

    /// An instance is gone.
    pub(crate) fn instance_gone(&mut self, id: &InstanceId) {
        let Some(instance) = self.state.instances.get_mut(id) else {
            return;
        };
        instance.view_mut().state = InstanceState::Terminated;
        let (subnet, address) = (instance.view.subnet.clone(), instance.view.private_ip.clone());
        self.instance_event(id, InstanceChange::Terminated);
        self.free_address(&subnet, &address);
        self.release_attachments(id);
        self.after(self.options.timings.terminated_visible, Due::Forget(id.clone()));
        if self.member(id).is_some_and(|(_, member)| member.is_leaving()) {
            self.drop_member(id);
        }
    }

    /// A terminated instance is no longer shown, unless a group whose health check rests still lists it.
    pub(crate) fn forget_instance(&mut self, id: &InstanceId) {
        if self
            .state
            .instances
            .get(id)
            .is_some_and(|instance| instance.view.group.is_none())
        {
            self.state.instances.remove(id);
        }
    }

    /// Takes a gone instance off its group's list.
    fn drop_member(&mut self, id: &InstanceId) {
        let Some((name, member)) = self.member(id) else {
            return;
        };
        let activity = member.activity.clone();
        if let Some(group) = self.state.groups.get_mut(&name) {
            group.members.remove(id);
        }
        self.set_activity(&name, &activity, ActivityStatus::Successful, None);
        if let Some(instance) = self.state.instances.get_mut(id) {
            instance.view_mut().group = None;
        }
        self.after(self.options.timings.terminated_visible, Due::Forget(id.clone()));
        self.poke_owner(&name);
        self.tick_soon(&name);
    }

    fn free_address(&mut self, subnet: &str, address: &str) {
        let cidr = self
            .state
            .subnets
            .get(subnet)
            .map(|subnet| subnet.ipv4_cidr.clone())
            .unwrap_or_default();
        let number = |text: &str| text.parse::<std::net::Ipv4Addr>().map(u32::from).unwrap_or(0);
        let base = cidr.split_once('/').map_or(0, |(base, _)| number(base));
        if let Some((used, _)) = self.state.addresses.get_mut(subnet) {
            used.remove(&number(address).wrapping_sub(base));
        }
    }

    fn release_attachments(&mut self, id: &InstanceId) {
        for volume in self
            .state
            .volumes
            .values_mut()
            .filter(|v| v.instance.as_ref() == Some(id))
        {
            volume.instance = None;
            volume.state = ports::cloud::VolumeState::Available;
        }
        for interface in self
            .state
            .interfaces
            .values_mut()
            .filter(|i| i.instance.as_ref() == Some(id))
        {
            interface.instance = None;
            interface.available = true;
        }
    }
}
