//! A cluster without a cloud that we could ask: its machines are somebody else's.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use ports::cloud::{
    Activity, CloudError, Group, GroupName, GroupSize, HookResult, Image, Instance, InstanceFilter, InstanceId,
    InstanceType, Instances, LaunchTemplate, LifecycleHook, Machines, NodeGroups, Process, Shrink, Tags,
    TemplateVersion,
};

/// No groups and no instances, and no way to change any: for clusters whose machines Karpenter makes, or somebody else.
/// Nodes of other machines are drained and say so by [`crate::names::DRAINED`].
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCloud;

fn none(call: &'static str) -> CloudError {
    CloudError::Invalid {
        call,
        message: "this cluster has no cloud to ask".to_owned(),
    }
}

#[async_trait]
impl NodeGroups for NoCloud {
    async fn groups(&self, _tags: &Tags) -> Result<Vec<Group>, CloudError> {
        Ok(Vec::new())
    }
    async fn group(&self, _name: &GroupName) -> Result<Group, CloudError> {
        Err(none("group"))
    }
    async fn group_activities(&self, _name: &GroupName, _since: Timestamp) -> Result<Vec<Activity>, CloudError> {
        Err(none("group_activities"))
    }
    async fn resize_group(&self, _name: &GroupName, _size: GroupSize) -> Result<(), CloudError> {
        Err(none("resize_group"))
    }
    async fn terminate_in_group(&self, _instance: &InstanceId, _shrink: Shrink) -> Result<(), CloudError> {
        Err(none("terminate_in_group"))
    }
    async fn attach_instances(&self, _name: &GroupName, _instances: &[InstanceId]) -> Result<(), CloudError> {
        Err(none("attach_instances"))
    }
    async fn detach_instances(
        &self,
        _name: &GroupName,
        _instances: &[InstanceId],
        _shrink: Shrink,
    ) -> Result<(), CloudError> {
        Err(none("detach_instances"))
    }
    async fn protect_instances(
        &self,
        _name: &GroupName,
        _instances: &[InstanceId],
        _protect: bool,
    ) -> Result<(), CloudError> {
        Err(none("protect_instances"))
    }
    async fn suspend_processes(&self, _name: &GroupName, _processes: &BTreeSet<Process>) -> Result<(), CloudError> {
        Err(none("suspend_processes"))
    }
    async fn resume_processes(&self, _name: &GroupName, _processes: &BTreeSet<Process>) -> Result<(), CloudError> {
        Err(none("resume_processes"))
    }
    async fn tag_group(&self, _name: &GroupName, _tags: &Tags) -> Result<(), CloudError> {
        Err(none("tag_group"))
    }
    async fn untag_group(&self, _name: &GroupName, _keys: &BTreeSet<String>) -> Result<(), CloudError> {
        Err(none("untag_group"))
    }
    async fn set_group_template_version(&self, _name: &GroupName, _version: TemplateVersion) -> Result<(), CloudError> {
        Err(none("set_group_template_version"))
    }
    async fn lifecycle_hooks(&self, _name: &GroupName) -> Result<Vec<LifecycleHook>, CloudError> {
        Err(none("lifecycle_hooks"))
    }
    async fn complete_hook(
        &self,
        _name: &GroupName,
        _hook: &str,
        _instance: &InstanceId,
        _result: HookResult,
    ) -> Result<(), CloudError> {
        Err(none("complete_hook"))
    }
    async fn extend_hook(&self, _name: &GroupName, _hook: &str, _instance: &InstanceId) -> Result<(), CloudError> {
        Err(none("extend_hook"))
    }
    async fn set_instance_health(
        &self,
        _instance: &InstanceId,
        _healthy: bool,
        _respect_grace: bool,
    ) -> Result<(), CloudError> {
        Err(none("set_instance_health"))
    }
    async fn delete_group(&self, _name: &GroupName, _force: bool) -> Result<(), CloudError> {
        Err(none("delete_group"))
    }
}

#[async_trait]
impl Instances for NoCloud {
    async fn instances(&self, _filter: &InstanceFilter) -> Result<Vec<Arc<Instance>>, CloudError> {
        Ok(Vec::new())
    }
    async fn instance_user_data(&self, _instance: &InstanceId) -> Result<Option<String>, CloudError> {
        Err(none("instance_user_data"))
    }
    async fn terminate_instances(&self, _instances: &[InstanceId]) -> Result<(), CloudError> {
        Err(none("terminate_instances"))
    }
}

#[async_trait]
impl Machines for NoCloud {
    async fn launch_template(&self, _template: &str, _version: TemplateVersion) -> Result<LaunchTemplate, CloudError> {
        Err(none("launch_template"))
    }
    async fn images(&self, _owner: &str, _name: &str) -> Result<Vec<Image>, CloudError> {
        Err(none("images"))
    }
    async fn image(&self, _id: &str) -> Result<Image, CloudError> {
        Err(none("image"))
    }
    async fn instance_types(&self) -> Result<Vec<InstanceType>, CloudError> {
        Err(none("instance_types"))
    }
}
