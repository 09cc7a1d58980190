//! How operations end, and what follows from a failure.

use std::collections::{BTreeMap, BTreeSet};

use ports::cloud::{StackOutcome, StackPhase};

use super::run::{Act, Goal, Task, TaskState};
use super::scope::LiveScope;
use crate::template::dependencies;
use crate::world::World;

/// Tasks that bring every active resource of the stack's target, each after its dependencies.
pub(super) fn bring_tasks(target: &super::Desired) -> BTreeMap<String, Task> {
    let mut dependencies = dependencies(&target.template);
    let task = |name: &String| {
        let mut after = dependencies.remove(name).unwrap_or_default();
        after.retain(|other| target.active.contains(other));
        (name.clone(), Task::new(Act::Bring, after))
    };
    target.active.iter().map(task).collect()
}

/// Tasks that delete resources, each after those that depend on it.
fn remove_tasks<'a>(
    act: Act,
    resources: impl Iterator<Item = (&'a String, &'a str, &'a super::ResourceRecord)> + Clone,
) -> BTreeMap<String, Task> {
    let task = |(key, logical_id, _): (&'a String, &'a str, &'a super::ResourceRecord)| {
        let dependants = resources
            .clone()
            .filter(|(_, other, record)| *other != logical_id && record.after.contains(logical_id));
        let after: BTreeSet<String> = dependants.map(|(key, ..)| key.clone()).collect();
        (key.clone(), Task::new(act, after))
    };
    resources.clone().map(task).collect()
}

impl World {
    /// Begins to delete all resources of a stack, left-overs included, except `retain`.
    pub(super) fn begin_removal(&mut self, id: &str, goal: Goal, retain: &BTreeSet<String>) {
        let Some(stack) = self.state.stacks.get_mut(id) else {
            return;
        };
        // Left-overs go on as resources of their own; nothing depends on them any more.
        let garbage = std::mem::take(&mut stack.garbage);
        stack
            .resources
            .extend(garbage.into_iter().map(|(key, (_, resource))| (key, resource)));
        for (name, resource) in &mut stack.resources {
            resource.retained |= retain.contains(name);
        }
        let all = stack
            .resources
            .iter()
            .map(|(name, resource)| (name, name.as_str(), resource));
        let tasks = remove_tasks(Act::Remove, all);
        self.begin(id, goal, tasks, BTreeSet::new());
    }

    fn begin_cleanup(&mut self, id: &str, after_rollback: bool) {
        let Some(stack) = self.state.stacks.get_mut(id) else {
            return;
        };
        let number = stack.operations;
        let gone: Vec<String> = stack
            .resources
            .keys()
            .filter(|name| !stack.target.active.contains(*name))
            .cloned()
            .collect();
        for name in gone {
            if let Some(resource) = stack.resources.remove(&name) {
                stack.garbage.insert(format!("{name}#{number}"), (name, resource));
            }
        }
        let left = stack
            .garbage
            .iter()
            .map(|(key, (name, resource))| (key, name.as_str(), resource));
        let tasks = remove_tasks(Act::Sweep, left);
        let phase = if after_rollback {
            StackPhase::UpdateRollback
        } else {
            StackPhase::Update
        };
        self.set_stack_status(id, phase, StackOutcome::CleanupInProgress, None);
        self.begin(id, Goal::Cleanup { after_rollback }, tasks, BTreeSet::new());
    }

    pub(super) fn complete_operation(&mut self, id: &str, number: u64) {
        let stack = self.state.stacks.get_mut(id);
        let Some(stack) = stack.filter(|stack| stack.operation.as_ref().is_some_and(|o| o.number == number)) else {
            return;
        };
        let Some(goal) = stack.operation.as_ref().map(|operation| operation.goal) else {
            return;
        };
        match goal {
            Goal::Create { .. } | Goal::Update | Goal::UpdateRollback => {
                if let Err(reason) = self.publish_outputs(id) {
                    self.fail_with(id, goal, &reason);
                    return;
                }
                self.settle(id);
                match goal {
                    Goal::Create { .. } => self.rest(id, StackPhase::Create, StackOutcome::Complete, None),
                    Goal::Update => self.begin_cleanup(id, false),
                    _ => self.begin_cleanup(id, true),
                }
            }
            Goal::Cleanup { after_rollback } => {
                let phase = if after_rollback {
                    StackPhase::UpdateRollback
                } else {
                    StackPhase::Update
                };
                self.rest(id, phase, StackOutcome::Complete, None);
            }
            Goal::Rollback => {
                self.forget_exports(id);
                self.rest(id, StackPhase::Rollback, StackOutcome::Complete, None);
            }
            Goal::Delete => self.stack_gone(id),
        }
    }

    /// The target is reached: what was changed on the way is no longer in doubt.
    fn settle(&mut self, id: &str) {
        if let Some(stack) = self.state.stacks.get_mut(id) {
            stack.settled = Some(stack.target.clone());
            stack.resources.values_mut().for_each(|resource| resource.dirty = false);
        }
    }

    /// The stack rests in this state.
    fn rest(&mut self, id: &str, phase: StackPhase, outcome: StackOutcome, reason: Option<String>) {
        self.set_stack_status(id, phase, outcome, reason);
        if let Some(stack) = self.state.stacks.get_mut(id) {
            stack.operation = None;
        }
    }

    fn stack_gone(&mut self, id: &str) {
        self.forget_exports(id);
        self.rest(id, StackPhase::Delete, StackOutcome::Complete, None);
        let now = self.now;
        if let Some(stack) = self.state.stacks.get_mut(id) {
            stack.deleted = Some(now);
            stack.imports.clear();
            let name = stack.name.clone();
            self.state.stack_names.remove(&name);
        }
    }

    fn forget_exports(&mut self, id: &str) {
        self.state.exports.retain(|_, (owner, _)| owner != id);
    }

    pub(super) fn fail_operation(&mut self, id: &str, number: u64) {
        let stack = self.state.stacks.get_mut(id);
        let operation = stack
            .and_then(|stack| stack.operation.as_mut())
            .filter(|o| o.number == number);
        let Some(operation) = operation else {
            return;
        };
        let goal = operation.goal;
        let failed: Vec<String> = operation
            .tasks
            .iter()
            .filter(|(_, task)| matches!(task.state, TaskState::Failed(_)))
            .map(|(key, _)| key.split('#').next().unwrap_or(key).to_owned())
            .collect();
        let running: Vec<(String, StackPhase)> = operation
            .tasks
            .iter()
            .filter(|(_, task)| task.state == TaskState::Running)
            .map(|(key, task)| (key.clone(), task.phase))
            .collect();
        for (key, phase) in running {
            let what = if phase == StackPhase::Create {
                "creation"
            } else {
                "update"
            };
            let reason = Some(format!("Resource {what} cancelled"));
            self.set_resource_status(id, &key, phase, StackOutcome::Failed, reason);
        }
        let verb = match goal {
            Goal::Create { .. } => "create",
            Goal::Update | Goal::UpdateRollback => "update",
            _ => "delete",
        };
        self.fail_with(
            id,
            goal,
            &format!("The following resource(s) failed to {verb}: [{}]. ", failed.join(", ")),
        );
    }

    /// What a failed operation leads to.
    pub(super) fn fail_with(&mut self, id: &str, goal: Goal, reason: &str) {
        let reason = reason.to_owned();
        match goal {
            Goal::Create { keep_failed: true } => {
                let reason = format!("{reason}Rollback requested by user.");
                self.set_stack_status(id, StackPhase::Rollback, StackOutcome::InProgress, Some(reason));
                self.begin_removal(id, Goal::Rollback, &BTreeSet::new());
            }
            Goal::Create { keep_failed: false } => {
                self.set_stack_status(id, StackPhase::Create, StackOutcome::Failed, Some(reason.clone()));
                let reason = format!("{reason}Delete requested by user.");
                self.set_stack_status(id, StackPhase::Delete, StackOutcome::InProgress, Some(reason));
                self.begin_removal(id, Goal::Delete, &BTreeSet::new());
            }
            Goal::Update => {
                self.restore_replaced(id);
                self.roll_update_back(id, reason, &BTreeSet::new());
            }
            Goal::UpdateRollback => self.rest(id, StackPhase::UpdateRollback, StackOutcome::Failed, Some(reason)),
            Goal::Rollback => self.rest(id, StackPhase::Rollback, StackOutcome::Failed, Some(reason)),
            Goal::Delete => self.rest(id, StackPhase::Delete, StackOutcome::Failed, Some(reason)),
            // What could not be deleted is left behind; the update itself has succeeded.
            Goal::Cleanup { after_rollback } => {
                let phase = if after_rollback {
                    StackPhase::UpdateRollback
                } else {
                    StackPhase::Update
                };
                self.rest(id, phase, StackOutcome::Complete, Some(reason));
            }
        }
    }

    /// Resources that the failed update replaced come back as they were; what took their place becomes a left-over.
    pub(super) fn restore_replaced(&mut self, id: &str) {
        let Some(stack) = self.state.stacks.get_mut(id) else {
            return;
        };
        let number = stack.operations;
        for (key, (name, old)) in std::mem::take(&mut stack.garbage) {
            if let Some(new) = stack
                .resources
                .insert(name.clone(), old)
                .filter(|new| new.physical.is_some())
            {
                stack.garbage.insert(format!("{key}/{number}"), (name, new));
            }
        }
    }

    /// Goes back to the last state that was reached completely; `skip` names resources that are taken as rolled back.
    pub(super) fn roll_update_back(&mut self, id: &str, reason: String, skip: &BTreeSet<String>) {
        self.set_stack_status(id, StackPhase::UpdateRollback, StackOutcome::InProgress, Some(reason));
        let Some(stack) = self.state.stacks.get_mut(id) else {
            return;
        };
        if let Some(settled) = stack.settled.clone() {
            stack.target = settled;
        }
        let unmade: Vec<String> = stack
            .resources
            .iter()
            .filter(|(_, r)| r.physical.is_none())
            .map(|(name, _)| name.clone())
            .collect();
        for name in unmade.iter().filter(|name| !stack.target.active.contains(*name)) {
            stack.resources.remove(name);
        }
        let mut tasks = bring_tasks(&stack.target);
        let skipped: Vec<String> = tasks.keys().filter(|key| skip.contains(*key)).cloned().collect();
        for key in &skipped {
            if let Some(task) = tasks.get_mut(key) {
                task.state = TaskState::Done;
            }
            if let Some(resource) = stack.resources.get_mut(key) {
                resource.dirty = false;
            }
        }
        for key in &skipped {
            let reason = Some("Resource rollback was skipped".to_owned());
            self.set_resource_status(id, key, StackPhase::Update, StackOutcome::Complete, reason);
        }
        self.begin(id, Goal::UpdateRollback, tasks, BTreeSet::new());
    }

    /// Computes outputs and puts exports up for other stacks.
    fn publish_outputs(&mut self, id: &str) -> Result<(), String> {
        let Some(stack) = self.state.stacks.get(id) else {
            return Ok(());
        };
        let desired = stack.target.clone();
        let scope = LiveScope {
            world: self,
            stack,
            desired: &desired,
        };
        let (template, evaluator) = (&desired.template, scope.evaluator());
        let (mut outputs, mut exports) = (BTreeMap::new(), BTreeMap::new());
        for (name, output) in &template.outputs {
            if !output
                .condition
                .as_deref()
                .map_or(Ok(true), |condition| evaluator.condition(condition))?
            {
                continue;
            }
            outputs.insert(name.clone(), evaluator.string(&output.value)?);
            if let Some(export) = &output.export {
                exports.insert(name.clone(), evaluator.string(export)?);
            }
        }
        self.check_exports(id, &outputs, &exports)?;
        self.forget_exports(id);
        for (name, export) in &exports {
            let value = outputs.get(name).cloned().unwrap_or_default();
            self.state.exports.insert(export.clone(), (id.to_owned(), value));
        }
        let imports = self.imports_of(id);
        if let Some(stack) = self.state.stacks.get_mut(id) {
            (stack.outputs, stack.exports, stack.imports) = (outputs, exports, imports);
        }
        Ok(())
    }

    /// An export belongs to one stack, and one that others use can neither go nor change.
    fn check_exports(
        &self,
        id: &str,
        outputs: &BTreeMap<String, String>,
        exports: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        for export in exports.values() {
            if let Some((owner, _)) = self.state.exports.get(export).filter(|(owner, _)| owner != id) {
                let name = self
                    .state
                    .stacks
                    .get(owner)
                    .map(|stack| stack.name.as_str())
                    .unwrap_or_default();
                return Err(format!(
                    "Export with name {export} is already exported by stack {name}. "
                ));
            }
        }
        let mine = self.state.exports.iter().filter(|(_, (owner, _))| owner == id);
        for (export, (_, value)) in mine {
            let Some(user) = self.user_of(export, id) else {
                continue;
            };
            let new = exports
                .iter()
                .find(|(_, name)| *name == export)
                .and_then(|(key, _)| outputs.get(key));
            match new {
                None => return Err(format!("Export {export} cannot be deleted as it is in use by {user}. ")),
                Some(new) if new != value => {
                    return Err(format!("Export {export} cannot be updated as it is in use by {user}. "));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// A stack other than `id` that imports this export.
    pub(super) fn user_of(&self, export: &str, id: &str) -> Option<String> {
        let mut others = self
            .state
            .stacks
            .values()
            .filter(|stack| stack.id != id && stack.deleted.is_none());
        others
            .find(|stack| stack.imports.contains(export))
            .map(|stack| stack.name.clone())
    }

    /// Names that the active resources of a stack's target import.
    pub(super) fn imports_of(&self, id: &str) -> BTreeSet<String> {
        let Some(stack) = self.state.stacks.get(id) else {
            return BTreeSet::new();
        };
        let desired = &stack.target;
        let scope = LiveScope {
            world: self,
            stack,
            desired,
        };
        let evaluator = scope.evaluator();
        let active = desired
            .template
            .resources
            .iter()
            .filter(|(name, _)| desired.active.contains(*name));
        let arguments = active.flat_map(|(_, resource)| crate::template::imports(&resource.properties));
        arguments
            .filter_map(|argument| evaluator.string(&argument).ok())
            .collect()
    }
}
