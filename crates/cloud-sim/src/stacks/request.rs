//! What callers ask of stacks: checked at once, in the provider's words, then begun.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ports::cloud::{
    CloudError, PreviewedAction, ResourceChange, StackOutcome, StackPhase, StackRequest, StackStatus, StackTemplate,
    StackUpdate,
};
use serde_json::Value;

use super::finish::bring_tasks;
use super::run::Goal;
use super::scope::{StaticScope, static_form};
use super::types::{any_attribute, capability, type_info};
use super::{Desired, StackRecord};
use crate::template::{self, Evaluator};
use crate::world::World;

/// Longest template in a request, and longest one from the object store.
const INLINE: usize = 51_200;
const STORED: usize = 1_000_000;
/// Tags of a stack.
const MAX_TAGS: usize = 50;

fn invalid(call: &'static str, message: impl Into<String>) -> CloudError {
    let message = message.into();
    CloudError::Invalid { call, message }
}

fn conflict(call: &'static str, stack: &str, message: String) -> CloudError {
    CloudError::Conflict {
        call,
        kind: "stack",
        id: stack.to_owned(),
        message,
    }
}

impl World {
    pub(crate) fn create_stack(&mut self, request: &StackRequest) -> Result<String, CloudError> {
        let call = "CreateStack";
        check_name(call, &request.name)?;
        if let Ok(existing) = self.stack(&request.name) {
            let repeated = request
                .idempotency_token
                .as_ref()
                .is_some_and(|token| existing.tokens.contains(token));
            if repeated {
                return Ok(existing.id.clone());
            }
            let (kind, id) = ("stack", request.name.clone());
            return Err(CloudError::AlreadyExists { kind, id });
        }
        let place = format!("{}:{}", self.options.region, self.options.account);
        let uuid = self.new_uuid("stack");
        let id = format!("arn:aws:cloudformation:{place}:stack/{}/{uuid}", request.name);
        let target = self.desired(call, &id, request, &BTreeMap::new())?;
        let tasks = bring_tasks(&target);
        let record = StackRecord {
            id: id.clone(),
            name: request.name.clone(),
            status: StackStatus::new(StackPhase::Create, StackOutcome::InProgress),
            reason: None,
            target,
            settled: None,
            outputs: BTreeMap::new(),
            exports: BTreeMap::new(),
            imports: BTreeSet::new(),
            protected: request.termination_protection,
            created: self.now,
            updated: None,
            deleted: None,
            events: Vec::new(),
            resources: BTreeMap::new(),
            garbage: BTreeMap::new(),
            operation: None,
            operations: 0,
            tokens: request.idempotency_token.iter().cloned().collect(),
        };
        self.state.stack_names.insert(request.name.clone(), id.clone());
        self.state.stacks.insert(id.clone(), record);
        let reason = Some("User Initiated".to_owned());
        self.set_stack_status(&id, StackPhase::Create, StackOutcome::InProgress, reason);
        let goal = Goal::Create {
            keep_failed: request.keep_failed_creation,
        };
        self.take_imports(&id);
        match self.missing_import(&id) {
            Some(reason) => self.fail_with(&id, goal, &reason),
            None => self.begin(&id, goal, tasks, BTreeSet::new()),
        }
        Ok(id)
    }

    /// From the beginning of an operation on what a stack imports is in use.
    fn take_imports(&mut self, id: &str) {
        let imports = self.imports_of(id);
        if let Some(stack) = self.state.stacks.get_mut(id) {
            stack.imports.extend(imports);
        }
    }

    fn missing_import(&self, id: &str) -> Option<String> {
        let missing = self
            .imports_of(id)
            .into_iter()
            .find(|name| !self.state.exports.contains_key(name));
        missing.map(|name| format!("No export named {name} found. "))
    }

    pub(crate) fn update_stack(&mut self, request: &StackRequest) -> Result<StackUpdate, CloudError> {
        let call = "UpdateStack";
        let stack = self.stack(&request.name)?;
        let (id, status, previous) = (stack.id.clone(), stack.status, stack.target.clone());
        if stack.deleted.is_some() {
            return Err(invalid(call, format!("Stack [{}] does not exist", request.name)));
        }
        if request
            .idempotency_token
            .as_ref()
            .is_some_and(|token| stack.tokens.contains(token))
        {
            return Ok(StackUpdate::Started);
        }
        if !status.can_update() {
            return Err(conflict(
                call,
                &request.name,
                format!("Stack:{id} is in {status} state and can not be updated."),
            ));
        }
        let target = self.desired(call, &id, request, &previous.parameters)?;
        if self.same(call, &id, &request.name, &previous, &target)? {
            return Ok(StackUpdate::NothingToDo);
        }
        let tasks = bring_tasks(&target);
        let now = self.now;
        if let Some(stack) = self.state.stacks.get_mut(&id) {
            stack.target = target;
            stack.updated = Some(now);
            stack.tokens.extend(request.idempotency_token.clone());
        }
        let reason = Some("User Initiated".to_owned());
        self.set_stack_status(&id, StackPhase::Update, StackOutcome::InProgress, reason);
        self.take_imports(&id);
        let protected = request.protected_types.clone();
        match self
            .missing_import(&id)
            .or_else(|| self.denied_removal(&id, &protected))
        {
            Some(reason) => self.fail_with(&id, Goal::Update, &reason),
            None => self.begin(&id, Goal::Update, tasks, protected),
        }
        Ok(StackUpdate::Started)
    }

    /// The first resource of a protected type that the update would delete.
    fn denied_removal(&self, id: &str, protected: &BTreeSet<String>) -> Option<String> {
        let stack = self.state.stacks.get(id)?;
        let gone = stack
            .resources
            .iter()
            .find(|(name, resource)| protected.contains(&resource.kind) && !stack.target.active.contains(*name));
        let text = |name: &String| {
            format!(
                "Action denied by stack policy: Statement [#1] does not allow [Update:Delete] for resource [{name}]. "
            )
        };
        gone.map(|(name, _)| text(name))
    }

    fn same(&self, call: &'static str, id: &str, name: &str, old: &Desired, new: &Desired) -> Result<bool, CloudError> {
        let form = |desired: &Desired| {
            let scope = StaticScope {
                world: self,
                stack_id: id,
                stack_name: name,
                desired,
            };
            static_form(&scope).map_err(|error| invalid(call, error))
        };
        Ok(old.tags == new.tags && form(old)? == form(new)?)
    }

    pub(crate) fn preview_update(&self, request: &StackRequest) -> Result<Vec<ResourceChange>, CloudError> {
        let call = "CreateChangeSet";
        let stack = self.stack(&request.name)?;
        let target = self.desired(call, &stack.id, request, &stack.target.parameters)?;
        if self.same(call, &stack.id, &stack.name, &stack.target, &target)? {
            return Ok(Vec::new());
        }
        let retagged = stack.target.tags != target.tags;
        let resources = |desired: &Desired| -> Result<Value, CloudError> {
            let scope = StaticScope {
                world: self,
                stack_id: &stack.id,
                stack_name: &stack.name,
                desired,
            };
            let form = static_form(&scope).map_err(|error| invalid(call, error))?;
            Ok(form.get(0).cloned().unwrap_or_default())
        };
        let (old, new) = (resources(&stack.target)?, resources(&target)?);
        let mut changes = Vec::new();
        let names: BTreeSet<&String> = stack.target.active.union(&target.active).collect();
        for name in names {
            let part = |form: &Value, at: usize| {
                form.get(name)
                    .and_then(|entry| entry.get(at))
                    .cloned()
                    .unwrap_or_default()
            };
            let (was, will) = (stack.resources.get(name), target.template.resources.get(name));
            let action = match (was, will.filter(|_| target.active.contains(name))) {
                (None, Some(_)) => PreviewedAction::Add,
                (Some(_), None) => PreviewedAction::Remove,
                (Some(was), Some(will)) if was.kind != will.kind => PreviewedAction::Replace,
                (Some(_), Some(will)) => {
                    let (before, after) = (part(&old, 1), part(&new, 1));
                    if before == after && part(&old, 2) == part(&new, 2) && !retagged {
                        continue;
                    }
                    let replaced = super::make::replaced_by(&will.kind, &before, &after, &will.update_policy);
                    if replaced {
                        PreviewedAction::Replace
                    } else {
                        PreviewedAction::Modify
                    }
                }
                (None, None) => continue,
            };
            let kind = will
                .map(|spec| spec.kind.clone())
                .or_else(|| was.map(|record| record.kind.clone()));
            changes.push(ResourceChange {
                logical_id: name.clone(),
                resource_type: kind.unwrap_or_default(),
                action,
            });
        }
        Ok(changes)
    }

    /// The whole check of a request: size, form, names, types, parameters, capabilities, tags.
    fn desired(
        &self,
        call: &'static str,
        id: &str,
        request: &StackRequest,
        previous: &BTreeMap<String, String>,
    ) -> Result<Desired, CloudError> {
        let source = self.template_text(call, &request.template)?;
        let template = template::parse(&source).map_err(|error| invalid(call, error))?;
        template::check(&template).map_err(|error| invalid(call, error))?;
        check_types(&template).map_err(|error| invalid(call, error))?;
        let kept = previous
            .iter()
            .filter(|(name, _)| template.parameters.contains_key(*name));
        let kept = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        let parameters = template::effective_parameters(&template, &request.parameters, &kept);
        let parameters = parameters.map_err(|error| invalid(call, error))?;
        check_capabilities(call, &template, &request.capabilities)?;
        if request.tags.len() > MAX_TAGS {
            return Err(invalid(
                call,
                format!("1 validation error detected: 'tags' must have at most {MAX_TAGS} members"),
            ));
        }
        if let Some(key) = request.tags.keys().find(|key| key.starts_with("aws:")) {
            return Err(invalid(
                call,
                format!("Tag key {key} is reserved: the prefix aws: belongs to the provider"),
            ));
        }
        let mut desired = Desired {
            template: Arc::new(template),
            source: source.into(),
            parameters,
            tags: request.tags.clone(),
            active: BTreeSet::new(),
        };
        desired.active = self
            .active(id, &request.name, &desired)
            .map_err(|error| invalid(call, error))?;
        Ok(desired)
    }

    fn active(&self, id: &str, name: &str, desired: &Desired) -> Result<BTreeSet<String>, String> {
        let scope = StaticScope {
            world: self,
            stack_id: id,
            stack_name: name,
            desired,
        };
        let template = &desired.template;
        let evaluator = Evaluator {
            template,
            scope: &scope,
        };
        let mut active = BTreeSet::new();
        for (name, resource) in &template.resources {
            if resource
                .condition
                .as_deref()
                .map_or(Ok(true), |condition| evaluator.condition(condition))?
            {
                active.insert(name.clone());
            }
        }
        Ok(active)
    }

    fn template_text(&self, call: &'static str, template: &StackTemplate) -> Result<String, CloudError> {
        match template {
            StackTemplate::Inline(text) if text.len() > INLINE => Err(invalid(
                call,
                format!(
                    "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to {INLINE}"
                ),
            )),
            StackTemplate::Inline(text) => Ok(text.clone()),
            StackTemplate::Stored { bucket, key } => {
                let versions = self
                    .state
                    .buckets
                    .get(bucket)
                    .and_then(|bucket| bucket.objects.get(key));
                let bytes = versions
                    .and_then(|versions| versions.last())
                    .and_then(|version| version.bytes.as_ref());
                let bytes = bytes.ok_or_else(|| invalid(call, "S3 error: The specified key does not exist."))?;
                if bytes.len() > STORED {
                    return Err(invalid(
                        call,
                        format!("Template may not exceed {STORED} bytes in size."),
                    ));
                }
                String::from_utf8(bytes.clone())
                    .map_err(|_| invalid(call, "Template format error: unsupported structure."))
            }
        }
    }

    pub(crate) fn delete_stack(&mut self, stack: &str, retain: &BTreeSet<String>) -> Result<(), CloudError> {
        let call = "DeleteStack";
        let Ok(record) = self.stack(stack) else {
            return Ok(());
        };
        let (id, name, status) = (record.id.clone(), record.name.clone(), record.status);
        if record.deleted.is_some() || status == StackStatus::new(StackPhase::Delete, StackOutcome::InProgress) {
            return Ok(());
        }
        if record.protected {
            return Err(conflict(
                call,
                stack,
                format!("Stack [{name}] cannot be deleted while TerminationProtection is enabled"),
            ));
        }
        let creating = status == StackStatus::new(StackPhase::Create, StackOutcome::InProgress);
        if status.in_progress() && !creating {
            return Err(conflict(
                call,
                stack,
                format!("Stack [{id}] cannot be deleted while in status {status}"),
            ));
        }
        let failed_before = status == StackStatus::new(StackPhase::Delete, StackOutcome::Failed);
        if !retain.is_empty() && !failed_before {
            return Err(invalid(
                call,
                format!(
                    "Invalid operation on stack [{id}]. When you delete a stack, specify which resources to retain only when the stack is in the DELETE_FAILED state."
                ),
            ));
        }
        let user = self.state.exports.iter().filter(|(_, (owner, _))| *owner == id);
        let user = user
            .filter_map(|(export, _)| Some((export.clone(), self.user_of(export, &id)?)))
            .next();
        let reason = Some("User Initiated".to_owned());
        self.set_stack_status(&id, StackPhase::Delete, StackOutcome::InProgress, reason);
        if let Some((export, user)) = user {
            // The provider takes the request and then returns the stack to the state that it rested in.
            let reason = format!("Delete canceled. Cannot delete export {export} as it is in use by {user}.");
            self.set_stack_status(&id, status.phase, status.outcome, Some(reason));
            return Ok(());
        }
        self.begin_removal(&id, Goal::Delete, retain);
        Ok(())
    }

    pub(crate) fn cancel_update(&mut self, stack: &str) -> Result<(), CloudError> {
        let call = "CancelUpdateStack";
        let record = self.stack(stack)?;
        let (id, status) = (record.id.clone(), record.status);
        if status != StackStatus::new(StackPhase::Update, StackOutcome::InProgress) {
            return Err(conflict(
                call,
                stack,
                format!("CancelUpdateStack cannot be called from current stack status {status}"),
            ));
        }
        let running = record
            .operation
            .as_ref()
            .map(|operation| operation.tasks.clone())
            .unwrap_or_default();
        for (key, task) in running
            .into_iter()
            .filter(|(_, task)| task.state == super::run::TaskState::Running)
        {
            let reason = Some("Resource update cancelled".to_owned());
            self.set_resource_status(&id, &key, task.phase, StackOutcome::Failed, reason);
        }
        self.restore_replaced(&id);
        self.roll_update_back(&id, "User Initiated".to_owned(), &BTreeSet::new());
        Ok(())
    }

    pub(crate) fn continue_rollback(&mut self, stack: &str, skip: &BTreeSet<String>) -> Result<(), CloudError> {
        let call = "ContinueUpdateRollback";
        let record = self.stack(stack)?;
        let (id, status) = (record.id.clone(), record.status);
        if status != StackStatus::new(StackPhase::UpdateRollback, StackOutcome::Failed) {
            return Err(conflict(
                call,
                stack,
                format!("Stack:{id} is in {status} state and can not continue its roll-back."),
            ));
        }
        let failed = |name: &String| {
            record
                .resources
                .get(name)
                .is_some_and(|r| r.status.outcome == StackOutcome::Failed)
        };
        if let Some(name) = skip.iter().find(|name| !failed(name)) {
            return Err(invalid(
                call,
                format!("Requested to skip resource {name}, which has not failed to roll back"),
            ));
        }
        self.roll_update_back(&id, "User Initiated".to_owned(), skip);
        Ok(())
    }

    pub(crate) fn set_protection(&mut self, stack: &str, protected: bool) -> Result<(), CloudError> {
        let id = self.stack(stack)?.id.clone();
        if let Some(stack) = self.state.stacks.get_mut(&id) {
            stack.protected = protected;
        }
        Ok(())
    }

    /// Leaves a husk as a change set for a stack that does not exist does.
    pub(crate) fn leave_in_review(&mut self, name: &str) -> Result<String, CloudError> {
        let mut request = StackRequest::new(
            name,
            StackTemplate::Inline("Resources: {Nothing: {Type: AWS::SNS::Topic}}".to_owned()),
        );
        request.keep_failed_creation = true;
        let id = self.create_stack(&request)?;
        if let Some(stack) = self.state.stacks.get_mut(&id) {
            stack.operation = None;
            stack.target.active.clear();
        }
        self.set_stack_status(&id, StackPhase::Review, StackOutcome::InProgress, None);
        Ok(id)
    }
}

fn check_name(call: &'static str, name: &str) -> Result<(), CloudError> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let all_known = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if starts_well && all_known && name.len() <= 128 {
        return Ok(());
    }
    Err(invalid(
        call,
        format!(
            "1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]* and have at most 128 characters"
        ),
    ))
}

fn check_types(template: &template::Template) -> Result<(), String> {
    let kinds: BTreeSet<&str> = template
        .resources
        .values()
        .map(|resource| resource.kind.as_str())
        .collect();
    let unknown: Vec<&str> = kinds.into_iter().filter(|kind| type_info(kind).is_none()).collect();
    if !unknown.is_empty() {
        return Err(format!(
            "Template format error: Unrecognized resource types: [{}]",
            unknown.join(", ")
        ));
    }
    let values = template.resources.values().map(|resource| &resource.properties);
    let values = values.chain(template.outputs.values().map(|output| &output.value));
    for (name, attribute) in values.flat_map(template::attribute_uses) {
        let Some(resource) = template.resources.get(&name) else {
            continue;
        };
        let known =
            type_info(&resource.kind).is_some_and(|info| info.attributes.iter().any(|(key, _)| *key == attribute));
        if !known && !any_attribute(&resource.kind) {
            return Err(format!(
                "Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt"
            ));
        }
    }
    Ok(())
}

fn check_capabilities(
    call: &'static str,
    template: &template::Template,
    given: &BTreeSet<String>,
) -> Result<(), CloudError> {
    let needs = template.resources.values().filter_map(|resource| {
        let property = type_info(&resource.kind)?.name_property;
        capability(&resource.kind, resource.properties.get(property).is_some())
    });
    let needed = needs.max();
    let Some(needed) = needed else {
        return Ok(());
    };
    if given.contains("CAPABILITY_NAMED_IAM") || given.contains(needed) {
        return Ok(());
    }
    let message = format!("InsufficientCapabilitiesException: Requires capabilities : [{needed}]");
    Err(CloudError::Denied { call, message })
}
