//! Stacks.

use std::collections::BTreeSet;

use async_trait::async_trait;
use ports::cloud::{
    CloudError, InstanceId, ResourceChange, Stack, StackEvent, StackRequest, StackResource, StackUpdate, Stacks,
};

use crate::sim::CloudSim;

#[async_trait]
impl Stacks for CloudSim {
    async fn stacks(&self) -> Result<Vec<Stack>, CloudError> {
        self.read("DescribeStacks", |world| {
            let ids = world.state.stack_names.values();
            Ok(ids
                .filter_map(|id| world.state.stacks.get(id))
                .map(|stack| stack.view())
                .collect())
        })
        .await
    }

    async fn stack(&self, stack: &str) -> Result<Stack, CloudError> {
        self.read("DescribeStacks", |world| world.stack(stack).map(|stack| stack.view()))
            .await
    }

    async fn stack_events(&self, stack: &str, after: u64) -> Result<Vec<StackEvent>, CloudError> {
        self.read("DescribeStackEvents", |world| {
            let events = &world.stack(stack)?.events;
            Ok(events.iter().filter(|event| event.sequence > after).cloned().collect())
        })
        .await
    }

    async fn stack_resources(&self, stack: &str) -> Result<Vec<StackResource>, CloudError> {
        self.read("DescribeStackResources", |world| {
            Ok(world.stack(stack)?.resource_views())
        })
        .await
    }

    async fn stack_template(&self, stack: &str) -> Result<String, CloudError> {
        self.read("GetTemplate", |world| Ok(world.stack(stack)?.target.source.to_string()))
            .await
    }

    async fn create_stack(&self, request: &StackRequest) -> Result<String, CloudError> {
        self.write("CreateStack", &request.name, |world| world.create_stack(request))
            .await
    }

    async fn update_stack(&self, request: &StackRequest) -> Result<StackUpdate, CloudError> {
        self.write("UpdateStack", &request.name, |world| world.update_stack(request))
            .await
    }

    async fn preview_stack_update(&self, request: &StackRequest) -> Result<Vec<ResourceChange>, CloudError> {
        self.read("CreateChangeSet", |world| world.preview_update(request))
            .await
    }

    async fn delete_stack(&self, stack: &str, retain: &BTreeSet<String>) -> Result<(), CloudError> {
        self.write("DeleteStack", stack, |world| world.delete_stack(stack, retain))
            .await
    }

    async fn cancel_stack_update(&self, stack: &str) -> Result<(), CloudError> {
        self.write("CancelUpdateStack", stack, |world| world.cancel_update(stack))
            .await
    }

    async fn continue_stack_rollback(&self, stack: &str, skip: &BTreeSet<String>) -> Result<(), CloudError> {
        self.write("ContinueUpdateRollback", stack, |world| {
            world.continue_rollback(stack, skip)
        })
        .await
    }

    async fn set_stack_protection(&self, stack: &str, protected: bool) -> Result<(), CloudError> {
        self.write("UpdateTerminationProtection", stack, |world| {
            world.set_protection(stack, protected)
        })
        .await
    }

    async fn signal_stack_resource(
        &self,
        stack: &str,
        logical_id: &str,
        instance: &InstanceId,
        success: bool,
    ) -> Result<(), CloudError> {
        self.write("SignalResource", stack, |world| {
            world.signal_resource(stack, logical_id, instance, success)
        })
        .await
    }
}
