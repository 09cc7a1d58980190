//! What callers ask of groups, with the provider's refusals.

use std::collections::{BTreeSet, VecDeque};

use ports::cloud::{
    CloudError, GroupName, GroupSize, HookResult, InstanceId, InstanceLifecycle, InstanceState, LaunchTemplateRef,
    Process, Shrink, TemplateVersion,
};

use super::spec::{GroupSpec, invalid};
use super::{GroupRecord, Member};
use crate::event::InstanceChange;
use crate::world::{World, later};

impl World {
    fn group_mut(&mut self, name: &GroupName) -> Result<&mut GroupRecord, CloudError> {
        let missing = || CloudError::NotFound {
            kind: "node group",
            id: name.to_string(),
        };
        self.state.groups.get_mut(name).ok_or_else(missing)
    }

    /// Makes a group and lets it begin to work. A template, image, subnet or profile that does not exist is refused.
    pub(crate) fn create_group(&mut self, spec: GroupSpec) -> Result<(), CloudError> {
        let call = "CreateAutoScalingGroup";
        if self.state.groups.contains_key(&spec.name) {
            let (kind, id) = ("node group", spec.name.to_string());
            return Err(CloudError::AlreadyExists { kind, id });
        }
        let desired = spec.desired.unwrap_or(spec.min);
        check_bounds(call, spec.min, spec.max, desired)?;
        let template = self.launch_reference(call, &spec.template, spec.version)?;
        let subnets = if spec.subnets.is_empty() {
            self.one_subnet_per_zone()
        } else {
            spec.subnets
        };
        let zones = self.zones_of(call, &subnets)?;
        let name = spec.name.clone();
        let record = GroupRecord {
            name: spec.name,
            min: spec.min,
            max: spec.max,
            desired,
            subnets,
            zones,
            template,
            mixed: spec.mixed,
            members: Default::default(),
            tags: spec.tags,
            propagated: spec.propagated,
            suspended: BTreeSet::new(),
            hooks: Default::default(),
            protect_new: spec.protect_new,
            health_check: spec.health_check,
            grace: spec.grace,
            load_balancers: spec.load_balancers,
            target_groups: spec.target_groups,
            created: self.now,
            deleting: false,
            activities: VecDeque::new(),
            failures: 0,
            tick: None,
            zone_failed: Default::default(),
            owner: None,
        };
        let (min, max) = (record.min, record.max);
        self.state.groups.insert(name.clone(), record);
        self.group_event(&name, format!("created min={min} desired={desired} max={max}"));
        self.tick_soon(&name);
        Ok(())
    }

    fn one_subnet_per_zone(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let first = self
            .state
            .subnets
            .values()
            .filter(|subnet| seen.insert(subnet.zone.clone()));
        first.map(|subnet| subnet.id.clone()).collect()
    }

    pub(crate) fn zones_of(&self, call: &'static str, subnets: &[String]) -> Result<Vec<String>, CloudError> {
        let mut zones: Vec<String> = Vec::new();
        for id in subnets {
            let subnet = self.state.subnets.get(id);
            let zone = subnet.map(|subnet| subnet.zone.clone());
            let zone = zone.ok_or_else(|| invalid(call, format!("The subnet ID '{id}' does not exist")))?;
            if !zones.contains(&zone) {
                zones.push(zone);
            }
        }
        Ok(zones)
    }

    /// The reference that a group keeps, after checking what it will launch.
    pub(crate) fn launch_reference(
        &self,
        call: &'static str,
        template: &str,
        version: TemplateVersion,
    ) -> Result<LaunchTemplateRef, CloudError> {
        let wrong = |text: String| {
            invalid(
                call,
                format!("You must use a valid fully-formed launch template. {text}"),
            )
        };
        let content = self
            .template_version(template, version)
            .map_err(|error| wrong(error.to_string()))?;
        let image = content.image.clone().unwrap_or_default();
        if !self.knows_image(&image) {
            return Err(wrong(format!("The image id '[{image}]' does not exist")));
        }
        if let Some(profile) = content
            .instance_profile
            .filter(|profile| !self.state.profiles.contains(profile))
        {
            return Err(wrong(format!(
                "Value ({profile}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
            )));
        }
        Ok(LaunchTemplateRef {
            id: content.id,
            name: content.name,
            version,
        })
    }

    pub(crate) fn resize_group(&mut self, name: &GroupName, size: GroupSize) -> Result<(), CloudError> {
        let call = if size.min.is_none() && size.max.is_none() {
            "SetDesiredCapacity"
        } else {
            "UpdateAutoScalingGroup"
        };
        let group = self.group_mut(name)?;
        if group.deleting {
            return Err(busy(call, name));
        }
        let min = size.min.unwrap_or(group.min);
        let max = size.max.unwrap_or(group.max);
        // Bounds alone push the desired size into them; a desired size that was asked for must fit.
        let desired = size.desired.unwrap_or_else(|| group.desired.clamp(min, max.max(min)));
        check_bounds(call, min, max, desired)?;
        (group.min, group.max, group.desired) = (min, max, desired);
        self.group_event(name, format!("resized min={min} desired={desired} max={max}"));
        self.tick_soon(name);
        Ok(())
    }

    /// Terminates an instance of a group. An explicit order goes through even while `Terminate` is suspended: only what
    /// the group does by itself rests.
    pub(crate) fn terminate_in_group(&mut self, id: &InstanceId, shrink: Shrink) -> Result<(), CloudError> {
        let call = "TerminateInstanceInAutoScalingGroup";
        let unknown = || {
            invalid(
                call,
                format!("Instance Id not found - No managed instance found for instance ID: {id}"),
            )
        };
        let (name, member) = self.member(id).ok_or_else(unknown)?;
        if member.is_leaving() {
            return Err(busy(call, &name));
        }
        if shrink == Shrink::Yes {
            let group = self.group_mut(&name)?;
            if group.desired <= group.min {
                return Err(invalid(
                    call,
                    format!(
                        "Currently, desiredSize equals minSize ({}). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
                        group.min
                    ),
                ));
            }
            group.desired -= 1;
        }
        let cause = match shrink {
            Shrink::Yes => "instance was taken out of service in response to a user request, shrinking the capacity",
            Shrink::No => "instance was taken out of service in response to a user request",
        };
        self.leave(id, cause, true);
        self.tick_soon(&name);
        Ok(())
    }

    pub(crate) fn attach(&mut self, name: &GroupName, ids: &[InstanceId]) -> Result<(), CloudError> {
        let call = "AttachInstances";
        let group = self.group_mut(name)?.clone();
        let mut wanted = BTreeSet::new();
        for id in ids {
            let instance = self
                .state
                .instances
                .get(id)
                .filter(|i| i.view.state == InstanceState::Running);
            let instance =
                instance.ok_or_else(|| invalid(call, format!("Invalid Instance Id(s) [{id}]: not running")))?;
            if let Some(other) = &instance.view.group {
                return Err(invalid(
                    call,
                    format!("Instance {id} is already part of AutoScalingGroup:{other}"),
                ));
            }
            if !group.zones.contains(&instance.view.zone) {
                return Err(invalid(
                    call,
                    format!("The availability zone of instance {id} is not part of AutoScalingGroup {name}"),
                ));
            }
            if !wanted.insert(id.clone()) {
                return Err(invalid(call, format!("Instance {id} is given twice")));
            }
        }
        let more = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        let desired = group.desired.saturating_add(more);
        if desired > group.max {
            return Err(invalid(
                call,
                format!(
                    "AutoScalingGroup {name} has max-size={}, current-size={}. Attaching {more} instances would exceed max-size.",
                    group.max, group.desired
                ),
            ));
        }
        self.group_mut(name)?.desired = desired;
        for id in wanted {
            self.attach_one(name, &id);
        }
        self.tick_soon(name);
        Ok(())
    }

    fn attach_one(&mut self, name: &GroupName, id: &InstanceId) {
        let now = self.now;
        let activity = self.begin_activity(
            name,
            format!("Attaching an existing EC2 instance: {id}"),
            "instance was attached in response to a user request",
        );
        let (Some(instance), Some(group)) = (self.state.instances.get_mut(id), self.state.groups.get_mut(name)) else {
            return;
        };
        instance.view_mut().group = Some(name.clone());
        let template = instance
            .view
            .launch_template
            .clone()
            .unwrap_or_else(|| group.template.clone());
        let member = Member {
            lifecycle: InstanceLifecycle::Pending,
            healthy: true,
            protected: group.protect_new,
            template,
            instance_type: instance.view.instance_type.clone(),
            zone: instance.view.zone.clone(),
            market: instance.view.market,
            held_by: Default::default(),
            held_since: now,
            launched: now,
            in_service: None,
            activity,
        };
        group.members.insert(id.clone(), member);
        self.instance_event(id, InstanceChange::Attached);
        self.enter_service(id);
    }

    pub(crate) fn detach(&mut self, name: &GroupName, ids: &[InstanceId], shrink: Shrink) -> Result<(), CloudError> {
        let call = "DetachInstances";
        let group = self.group_mut(name)?;
        for id in ids {
            let member = group
                .members
                .get(id)
                .filter(|m| m.lifecycle == InstanceLifecycle::InService);
            if member.is_none() {
                return Err(invalid(
                    call,
                    format!("The instance {id} is not part of Auto Scaling group {name}."),
                ));
            }
        }
        let wanted: BTreeSet<InstanceId> = ids.iter().cloned().collect();
        if shrink == Shrink::Yes {
            let less = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
            let desired = group.desired.checked_sub(less).filter(|desired| *desired >= group.min);
            let Some(desired) = desired else {
                return Err(invalid(
                    call,
                    format!(
                        "AutoScalingGroup {name} has min-size={}, current-size={}. Detaching {less} instances would violate min-size.",
                        group.min, group.desired
                    ),
                ));
            };
            group.desired = desired;
        }
        for id in wanted {
            self.set_lifecycle(&id, InstanceLifecycle::Detaching);
            self.instance_event(&id, InstanceChange::Detached);
            if let Some(group) = self.state.groups.get_mut(name) {
                group.members.remove(&id);
            }
            if let Some(instance) = self.state.instances.get_mut(&id) {
                instance.view_mut().group = None;
            }
        }
        self.tick_soon(name);
        Ok(())
    }

    pub(crate) fn protect(&mut self, name: &GroupName, ids: &[InstanceId], protect: bool) -> Result<(), CloudError> {
        let group = self.group_mut(name)?;
        if let Some(stranger) = ids.iter().find(|id| !group.members.contains_key(id)) {
            let text = format!("The instance {stranger} is not part of Auto Scaling group {name}.");
            return Err(invalid("SetInstanceProtection", text));
        }
        for (_, member) in group.members.iter_mut().filter(|(id, _)| ids.contains(id)) {
            member.protected = protect;
        }
        self.group_event(name, format!("protection={protect} of {} instances", ids.len()));
        self.tick_soon(name);
        Ok(())
    }

    pub(crate) fn suspend(&mut self, name: &GroupName, processes: &BTreeSet<Process>) -> Result<(), CloudError> {
        self.group_mut(name)?.suspended.extend(processes);
        self.group_event(name, format!("suspended {}", listed(processes)));
        Ok(())
    }

    /// Resumed processes make up for what they missed.
    pub(crate) fn resume(&mut self, name: &GroupName, processes: &BTreeSet<Process>) -> Result<(), CloudError> {
        let group = self.group_mut(name)?;
        group.suspended.retain(|process| !processes.contains(process));
        let members: Vec<InstanceId> = group.members.keys().cloned().collect();
        self.group_event(name, format!("resumed {}", listed(processes)));
        if processes.contains(&Process::HealthCheck) {
            members.iter().for_each(|id| self.plan_health_check(id));
        }
        self.tick_soon(name);
        Ok(())
    }

    pub(crate) fn complete_hook(
        &mut self,
        name: &GroupName,
        hook: &str,
        id: &InstanceId,
        result: HookResult,
    ) -> Result<(), CloudError> {
        let call = "CompleteLifecycleAction";
        self.group_mut(name)?;
        let here = self.member(id).is_some_and(|(group, _)| group == *name);
        if !here || !self.release(hook, id, result) {
            return Err(invalid(
                call,
                format!("No active Lifecycle Action found with instance ID {id}"),
            ));
        }
        Ok(())
    }

    pub(crate) fn extend_hook(&mut self, name: &GroupName, hook: &str, id: &InstanceId) -> Result<(), CloudError> {
        self.group_mut(name)?;
        if !self.extend_hold(name, hook, id) {
            let text = format!("No active Lifecycle Action found with instance ID {id}");
            return Err(invalid("RecordLifecycleActionHeartbeat", text));
        }
        Ok(())
    }

    pub(crate) fn set_health(&mut self, id: &InstanceId, healthy: bool, respect_grace: bool) -> Result<(), CloudError> {
        let now = self.now;
        let unknown = || {
            invalid(
                "SetInstanceHealth",
                format!("Instance Id not found - No managed instance found for instance ID: {id}"),
            )
        };
        let (name, member) = self.member(id).ok_or_else(unknown)?;
        let launched = member.launched;
        let grace = self.group_mut(&name)?.grace;
        if respect_grace && !healthy && later(launched, grace) > now {
            return Ok(());
        }
        if !healthy {
            self.mark_unhealthy(id);
        } else if let Some((_, member)) = self.member(id) {
            member.healthy = true;
        }
        Ok(())
    }

    pub(crate) fn delete_group(&mut self, name: &GroupName, force: bool) -> Result<(), CloudError> {
        let call = "DeleteAutoScalingGroup";
        let group = self.group_mut(name)?;
        if !force && !group.members.is_empty() {
            return Err(CloudError::Conflict {
                call,
                kind: "node group",
                id: name.to_string(),
                message: "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.".to_owned(),
            });
        }
        group.deleting = true;
        (group.min, group.max, group.desired) = (0, 0, 0);
        self.group_event(name, "deleting");
        self.tick_after(name, std::time::Duration::ZERO);
        Ok(())
    }

    /// Terminates instances, all or none.
    pub(crate) fn terminate(&mut self, ids: &[InstanceId]) -> Result<(), CloudError> {
        if let Some(unknown) = ids.iter().find(|id| !self.state.instances.contains_key(id)) {
            let (kind, id) = ("instance", unknown.to_string());
            return Err(CloudError::NotFound { kind, id });
        }
        for id in ids {
            self.shut_down(id, "Client.UserInitiatedShutdown");
        }
        Ok(())
    }
}

fn listed(processes: &BTreeSet<Process>) -> String {
    processes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn busy(call: &'static str, name: &GroupName) -> CloudError {
    CloudError::Conflict {
        call,
        kind: "node group",
        id: name.to_string(),
        message: "ScalingActivityInProgress: a scaling activity is in progress".to_owned(),
    }
}

fn check_bounds(call: &'static str, min: u32, max: u32, desired: u32) -> Result<(), CloudError> {
    if min > max {
        return Err(invalid(
            call,
            format!("Max bound, {max}, must be greater than or equal to min bound, {min}"),
        ));
    }
    if desired > max {
        return Err(invalid(
            call,
            format!("New SetDesiredCapacity value {desired} is above max value {max} for the AutoScalingGroup."),
        ));
    }
    if desired < min {
        return Err(invalid(
            call,
            format!("New SetDesiredCapacity value {desired} is below min value {min} for the AutoScalingGroup."),
        ));
    }
    Ok(())
}
