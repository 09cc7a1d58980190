//! Node groups.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use ports::cloud::{
    Activity, CloudError, Group, GroupName, GroupSize, HookResult, InstanceId, LifecycleHook, NodeGroups, Process,
    Shrink, Tags, TemplateVersion, tags_match,
};

use crate::groups::GroupRecord;
use crate::sim::CloudSim;
use crate::world::World;

fn group<'w>(world: &'w World, name: &GroupName) -> Result<&'w GroupRecord, CloudError> {
    world.state.groups.get(name).ok_or_else(|| CloudError::NotFound {
        kind: "node group",
        id: name.to_string(),
    })
}

#[async_trait]
impl NodeGroups for CloudSim {
    async fn groups(&self, tags: &Tags) -> Result<Vec<Group>, CloudError> {
        self.read("DescribeAutoScalingGroups", |world| {
            let matching = world
                .state
                .groups
                .values()
                .filter(|group| tags_match(&group.tags, tags));
            Ok(matching.map(GroupRecord::view).collect())
        })
        .await
    }

    async fn group(&self, name: &GroupName) -> Result<Group, CloudError> {
        self.read("DescribeAutoScalingGroups", |world| {
            group(world, name).map(GroupRecord::view)
        })
        .await
    }

    async fn group_activities(&self, name: &GroupName, since: Timestamp) -> Result<Vec<Activity>, CloudError> {
        self.read("DescribeScalingActivities", |world| {
            let activities = &group(world, name)?.activities;
            Ok(activities
                .iter()
                .rev()
                .filter(|activity| activity.start >= since)
                .cloned()
                .collect())
        })
        .await
    }

    async fn resize_group(&self, name: &GroupName, size: GroupSize) -> Result<(), CloudError> {
        self.write("UpdateAutoScalingGroup", name.as_str(), |world| {
            world.resize_group(name, size)
        })
        .await
    }

    async fn terminate_in_group(&self, instance: &InstanceId, shrink: Shrink) -> Result<(), CloudError> {
        self.write("TerminateInstanceInAutoScalingGroup", instance.as_str(), |world| {
            world.terminate_in_group(instance, shrink)
        })
        .await
    }

    async fn attach_instances(&self, name: &GroupName, instances: &[InstanceId]) -> Result<(), CloudError> {
        self.write("AttachInstances", name.as_str(), |world| world.attach(name, instances))
            .await
    }

    async fn detach_instances(
        &self,
        name: &GroupName,
        instances: &[InstanceId],
        shrink: Shrink,
    ) -> Result<(), CloudError> {
        self.write("DetachInstances", name.as_str(), |world| {
            world.detach(name, instances, shrink)
        })
        .await
    }

    async fn protect_instances(
        &self,
        name: &GroupName,
        instances: &[InstanceId],
        protect: bool,
    ) -> Result<(), CloudError> {
        self.write("SetInstanceProtection", name.as_str(), |world| {
            world.protect(name, instances, protect)
        })
        .await
    }

    async fn suspend_processes(&self, name: &GroupName, processes: &BTreeSet<Process>) -> Result<(), CloudError> {
        self.write("SuspendProcesses", name.as_str(), |world| {
            world.suspend(name, processes)
        })
        .await
    }

    async fn resume_processes(&self, name: &GroupName, processes: &BTreeSet<Process>) -> Result<(), CloudError> {
        self.write("ResumeProcesses", name.as_str(), |world| world.resume(name, processes))
            .await
    }

    async fn tag_group(&self, name: &GroupName, tags: &Tags) -> Result<(), CloudError> {
        self.write("CreateOrUpdateTags", name.as_str(), |world| {
            world.change_tags(name, |all| all.extend(tags.clone()))
        })
        .await
    }

    async fn untag_group(&self, name: &GroupName, keys: &BTreeSet<String>) -> Result<(), CloudError> {
        self.write("DeleteTags", name.as_str(), |world| {
            world.change_tags(name, |all| all.retain(|key, _| !keys.contains(key)))
        })
        .await
    }

    async fn set_group_template_version(&self, name: &GroupName, version: TemplateVersion) -> Result<(), CloudError> {
        let call = "UpdateAutoScalingGroup";
        self.write(call, name.as_str(), |world| {
            let template = group(world, name)?.template.id.clone();
            let reference = world.launch_reference(call, &template, version)?;
            if let Some(group) = world.state.groups.get_mut(name) {
                group.template = reference;
            }
            world.group_event(name, format!("launches from version {version}"));
            Ok(())
        })
        .await
    }

    async fn lifecycle_hooks(&self, name: &GroupName) -> Result<Vec<LifecycleHook>, CloudError> {
        self.read("DescribeLifecycleHooks", |world| {
            Ok(group(world, name)?.hooks.values().cloned().collect())
        })
        .await
    }

    async fn complete_hook(
        &self,
        name: &GroupName,
        hook: &str,
        instance: &InstanceId,
        result: HookResult,
    ) -> Result<(), CloudError> {
        self.write("CompleteLifecycleAction", instance.as_str(), |world| {
            world.complete_hook(name, hook, instance, result)
        })
        .await
    }

    async fn extend_hook(&self, name: &GroupName, hook: &str, instance: &InstanceId) -> Result<(), CloudError> {
        self.write("RecordLifecycleActionHeartbeat", instance.as_str(), |world| {
            world.extend_hook(name, hook, instance)
        })
        .await
    }

    async fn set_instance_health(
        &self,
        instance: &InstanceId,
        healthy: bool,
        respect_grace: bool,
    ) -> Result<(), CloudError> {
        self.write("SetInstanceHealth", instance.as_str(), |world| {
            world.set_health(instance, healthy, respect_grace)
        })
        .await
    }

    async fn delete_group(&self, name: &GroupName, force: bool) -> Result<(), CloudError> {
        self.write("DeleteAutoScalingGroup", name.as_str(), |world| {
            world.delete_group(name, force)
        })
        .await
    }
}

impl World {
    fn change_tags(&mut self, name: &GroupName, change: impl FnOnce(&mut Tags)) -> Result<(), CloudError> {
        let mut tags = group(self, name)?.tags.clone();
        change(&mut tags);
        if let Some(group) = self.state.groups.get_mut(name) {
            group.tags = tags;
        }
        self.group_event(name, "tags changed");
        Ok(())
    }
}
