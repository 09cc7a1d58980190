//! Stacks: operations that take their time, go wrong in the middle and roll back.

mod finish;
mod listeners;
mod make;
mod node_group;
mod removal;
mod request;
mod run;
mod scope;
mod signal;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use ports::cloud::{
    CloudError, ResourceStatus, Stack, StackEvent, StackOutcome, StackPhase, StackResource, StackStatus, Tags,
};
use serde_json::Value;

use crate::event::What;
use crate::template::Template;
use crate::world::World;
use run::Operation;

pub(crate) const STACK_TYPE: &str = "AWS::CloudFormation::Stack";

/// What a stack was last asked to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Desired {
    pub(crate) template: Arc<Template>,
    pub(crate) source: Arc<str>,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) tags: Tags,
    /// Resources whose condition holds.
    pub(crate) active: BTreeSet<String>,
}

/// A resource that exists, is being made or has failed to be.
#[derive(Debug, Clone)]
pub(crate) struct ResourceRecord {
    pub(crate) kind: String,
    pub(crate) physical: Option<String>,
    pub(crate) status: ResourceStatus,
    pub(crate) reason: Option<String>,
    /// Properties as they were last evaluated, with the stack's tags.
    pub(crate) properties: Value,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Resources that it was made after.
    pub(crate) after: BTreeSet<String>,
    pub(crate) retained: bool,
    /// Changed by an operation that did not finish: a roll-back must touch it even if nothing differs.
    pub(crate) dirty: bool,
}

/// A stack.
#[derive(Debug, Clone)]
pub(crate) struct StackRecord {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) status: StackStatus,
    pub(crate) reason: Option<String>,
    /// What the running or last operation works towards.
    pub(crate) target: Desired,
    /// The last state that was reached completely.
    pub(crate) settled: Option<Desired>,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) exports: BTreeMap<String, String>,
    /// Names that its resources import.
    pub(crate) imports: BTreeSet<String>,
    pub(crate) protected: bool,
    pub(crate) created: Timestamp,
    pub(crate) updated: Option<Timestamp>,
    pub(crate) deleted: Option<Timestamp>,
    pub(crate) events: Vec<StackEvent>,
    pub(crate) resources: BTreeMap<String, ResourceRecord>,
    /// Replaced and removed resources that still exist, by a key of their own.
    pub(crate) garbage: BTreeMap<String, (String, ResourceRecord)>,
    pub(crate) operation: Option<Operation>,
    pub(crate) operations: u64,
    /// Tokens of operations that were begun.
    pub(crate) tokens: BTreeSet<String>,
}

impl StackRecord {
    pub(crate) fn view(&self) -> Stack {
        let hidden = |name: &str| {
            let spec = self.target.template.parameters.get(name);
            spec.and_then(|spec| spec.get("NoEcho"))
                .is_some_and(|v| crate::template::text(v) == "true")
        };
        let parameters = self.target.parameters.iter().map(|(name, value)| {
            let value = if hidden(name) { "****".to_owned() } else { value.clone() };
            (name.clone(), value)
        });
        Stack {
            id: self.id.clone(),
            name: self.name.clone(),
            status: self.status,
            status_reason: self.reason.clone(),
            tags: self.target.tags.clone(),
            parameters: parameters.collect(),
            outputs: self.outputs.clone(),
            exports: self.exports.clone(),
            termination_protection: self.protected,
            created: self.created,
            updated: self.updated,
            deleted: self.deleted,
        }
    }

    pub(crate) fn resource_views(&self) -> Vec<StackResource> {
        let view = |(logical_id, resource): (&String, &ResourceRecord)| StackResource {
            logical_id: logical_id.clone(),
            physical_id: resource.physical.clone(),
            resource_type: resource.kind.clone(),
            status: resource.status,
            reason: resource.reason.clone(),
        };
        self.resources.iter().map(view).collect()
    }
}

impl World {
    /// A stack by name, or by id also when it is deleted.
    pub(crate) fn stack(&self, stack: &str) -> Result<&StackRecord, CloudError> {
        let id = self.state.stack_names.get(stack).map_or(stack, String::as_str);
        self.state.stacks.get(id).ok_or_else(|| CloudError::NotFound {
            kind: "stack",
            id: stack.to_owned(),
        })
    }

    /// Sets a stack's state, with its event.
    pub(crate) fn set_stack_status(
        &mut self,
        id: &str,
        phase: StackPhase,
        outcome: StackOutcome,
        reason: Option<String>,
    ) {
        let status = StackStatus::new(phase, outcome);
        let Some(stack) = self.state.stacks.get_mut(id) else {
            return;
        };
        stack.status = status;
        stack.reason.clone_from(&reason);
        let (name, physical) = (stack.name.clone(), Some(stack.id.clone()));
        self.stack_event(id, &name, STACK_TYPE, physical, status, reason);
    }

    /// Sets the state of a resource, with its event.
    pub(crate) fn set_resource_status(
        &mut self,
        id: &str,
        logical_id: &str,
        phase: StackPhase,
        outcome: StackOutcome,
        reason: Option<String>,
    ) {
        let status = StackStatus::new(phase, outcome);
        let stack = self.state.stacks.get_mut(id);
        let Some(resource) = stack.and_then(|stack| stack.resources.get_mut(logical_id)) else {
            return;
        };
        resource.status = status;
        resource.reason.clone_from(&reason);
        let (kind, physical) = (resource.kind.clone(), resource.physical.clone());
        self.stack_event(id, logical_id, &kind, physical, status, reason);
    }

    /// Writes an event of a stack into its history and into the log.
    pub(crate) fn stack_event(
        &mut self,
        id: &str,
        logical_id: &str,
        kind: &str,
        physical_id: Option<String>,
        status: StackStatus,
        reason: Option<String>,
    ) {
        let time = self.now;
        let Some(stack) = self.state.stacks.get_mut(id) else {
            return;
        };
        let sequence = u64::try_from(stack.events.len()).unwrap_or(u64::MAX) + 1;
        stack.events.push(StackEvent {
            sequence,
            time,
            logical_id: logical_id.to_owned(),
            physical_id,
            resource_type: kind.to_owned(),
            status,
            reason: reason.clone(),
        });
        let stack = stack.name.clone();
        self.log(What::Stack {
            stack,
            logical_id: logical_id.to_owned(),
            resource_type: kind.to_owned(),
            status,
            reason,
        });
    }
}
