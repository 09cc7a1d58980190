//! Carrying out an operation: one task per resource, each after those that it depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use ports::cloud::{StackOutcome, StackPhase};
use serde_json::{Value, json};

use super::scope::LiveScope;
use super::signal::{Progress, Wait};
use super::types::type_info;
use super::{Desired, ResourceRecord, StackRecord};
use crate::faults::{ResourceFault, ResourceStep};
use crate::state::Due;
use crate::world::{World, later};

/// What an operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    Create {
        keep_failed: bool,
    },
    Update,
    UpdateRollback,
    /// Deletes what a failed creation made.
    Rollback,
    Delete,
    /// Deletes what an update, or its roll-back, left over.
    Cleanup {
        after_rollback: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Makes or changes a resource, whatever is needed.
    Bring,
    /// Deletes it.
    Remove,
    /// Deletes a left-over.
    Sweep,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TaskState {
    Waiting,
    Running,
    Done,
    Failed(String),
}

#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) act: Act,
    pub(super) after: BTreeSet<String>,
    pub(super) state: TaskState,
    /// State words of its resource while it runs.
    pub(super) phase: StackPhase,
    /// Not through before then.
    pub(super) ready: Timestamp,
    /// What it waits for besides.
    pub(super) wait: Option<Wait>,
    /// It will fail for this reason.
    pub(super) doom: Option<String>,
}

impl Task {
    pub(super) fn new(act: Act, after: BTreeSet<String>) -> Self {
        Self {
            act,
            after,
            state: TaskState::Waiting,
            phase: StackPhase::Create,
            ready: Timestamp::MIN,
            wait: None,
            doom: None,
        }
    }
}

/// A running operation.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(super) number: u64,
    pub(super) goal: Goal,
    pub(super) tasks: BTreeMap<String, Task>,
    /// Types that may be neither replaced nor deleted.
    pub(super) protected_types: BTreeSet<String>,
}

impl World {
    /// Begins an operation in place of a running one, if any.
    pub(super) fn begin(&mut self, id: &str, goal: Goal, tasks: BTreeMap<String, Task>, protected: BTreeSet<String>) {
        let Some(stack) = self.state.stacks.get_mut(id) else {
            return;
        };
        stack.operations += 1;
        let number = stack.operations;
        stack.operation = Some(Operation {
            number,
            goal,
            tasks,
            protected_types: protected,
        });
        let due = Due::Step {
            stack: id.to_owned(),
            operation: number,
        };
        self.after(Duration::from_secs(1), due);
    }

    fn operation(&mut self, id: &str, number: u64) -> Option<&mut Operation> {
        let operation = self.state.stacks.get_mut(id)?.operation.as_mut();
        operation.filter(|operation| operation.number == number)
    }

    pub(super) fn task(&mut self, id: &str, number: u64, key: &str) -> Option<&mut Task> {
        self.operation(id, number)?.tasks.get_mut(key)
    }

    /// Starts what can be started; ends the operation when nothing is left to do.
    pub(crate) fn step_stack(&mut self, id: &str, number: u64) {
        loop {
            let Some(operation) = self.operation(id, number) else {
                return;
            };
            let failed = operation
                .tasks
                .values()
                .any(|task| matches!(task.state, TaskState::Failed(_)));
            let stops = matches!(
                operation.goal,
                Goal::Create { .. } | Goal::Update | Goal::UpdateRollback
            );
            if failed && stops {
                self.fail_operation(id, number);
                return;
            }
            let done = |key: &String| {
                operation
                    .tasks
                    .get(key)
                    .is_none_or(|task| task.state == TaskState::Done)
            };
            let startable = |task: &Task| task.state == TaskState::Waiting && task.after.iter().all(&done);
            let start: Vec<String> = operation
                .tasks
                .iter()
                .filter(|(_, task)| startable(task))
                .map(|(key, _)| key.clone())
                .collect();
            if start.is_empty() {
                let running = operation.tasks.values().any(|task| task.state == TaskState::Running);
                if !running && failed {
                    self.fail_operation(id, number);
                } else if !running {
                    self.complete_operation(id, number);
                }
                return;
            }
            for key in start {
                self.start_task(id, number, &key);
            }
        }
    }

    fn start_task(&mut self, id: &str, number: u64, key: &str) {
        let Some(act) = self.task(id, number, key).map(|task| task.act) else {
            return;
        };
        match act {
            Act::Bring => self.start_bring(id, number, key),
            Act::Remove | Act::Sweep => self.start_remove(id, number, key, act),
        }
    }

    /// Notes that a task runs, for so long at least.
    pub(super) fn run_task(
        &mut self,
        id: &str,
        number: u64,
        key: &str,
        phase: StackPhase,
        time: Duration,
        wait: Option<Wait>,
    ) {
        let ready = later(self.now, time);
        if let Some(task) = self.task(id, number, key) {
            task.state = TaskState::Running;
            task.phase = phase;
            task.ready = ready;
            task.wait = wait;
        }
        self.look_later(id, number, key, ready);
    }

    fn look_later(&mut self, id: &str, number: u64, key: &str, at: Timestamp) {
        let due = Due::Task {
            stack: id.to_owned(),
            operation: number,
            logical_id: key.to_owned(),
        };
        self.at(at, due);
    }

    /// Something that a running task waits for may have come.
    pub(crate) fn poke_task(&mut self, id: &str, logical_id: &str) {
        let operation = self.state.stacks.get(id).and_then(|stack| stack.operation.as_ref());
        let Some(operation) = operation else {
            return;
        };
        let number = operation.number;
        let waits = |task: &&Task| task.state == TaskState::Running && task.wait.is_some();
        let keys: Vec<String> = operation
            .tasks
            .iter()
            .filter(|(key, task)| {
                waits(task) && (key.as_str() == logical_id || key.starts_with(&format!("{logical_id}#")))
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            self.look_later(id, number, &key, self.now);
        }
    }

    /// A step of a resource takes its type's time, more or less.
    pub(super) fn step_time(&mut self, id: &str, key: &str, kind: &str, step: ResourceStep) -> Duration {
        let seconds = type_info(kind).map_or(10, |info| info.seconds);
        let usual = match step {
            ResourceStep::Create => seconds,
            ResourceStep::Update => seconds.min(60) / 2 + 2,
            ResourceStep::Delete => seconds.min(30) / 2 + 2,
        };
        let time = Duration::from_secs(usual) * self.options.timings.stack_percent / 100;
        let subject = format!("{id}/{key}/{}", self.state.queued);
        self.random.between("resource", &subject, time * 8 / 10, time * 12 / 10)
    }

    fn start_bring(&mut self, id: &str, number: u64, key: &str) {
        let Some(stack) = self.state.stacks.get(id) else {
            return;
        };
        let desired = stack.target.clone();
        let Some(spec) = desired.template.resources.get(key) else {
            return;
        };
        let old = stack.resources.get(key).filter(|old| old.physical.is_some()).cloned();
        let evaluated = self.evaluate(stack, &desired, key);
        let step = if old.is_some() {
            ResourceStep::Update
        } else {
            ResourceStep::Create
        };
        let phase = if old.is_some() {
            StackPhase::Update
        } else {
            StackPhase::Create
        };
        let properties = match evaluated {
            Ok(properties) => properties,
            Err(reason) => {
                self.doom_task(id, number, key, phase, reason);
                return;
            }
        };
        if old
            .as_ref()
            .is_some_and(|old| old.kind == spec.kind && old.properties == properties && !old.dirty)
        {
            self.refresh_record(id, key, spec.deletion_policy != "Delete");
            if let Some(task) = self.task(id, number, key) {
                task.state = TaskState::Done;
            }
            return;
        }
        let fault = self.resource_fault(id, key, &spec.kind, step);
        let mut time = self.step_time(id, key, &spec.kind, step);
        if let Some(ResourceFault::Hang(more)) = &fault {
            time += *more;
        }
        let doomed = match fault {
            Some(ResourceFault::Fail(reason)) => Some(reason),
            _ => None,
        };
        match old {
            Some(old) if !super::make::must_replace(&old, &spec.kind, &properties, &spec.update_policy) => {
                self.start_change(id, number, key, &old, properties, time, doomed);
            }
            old => self.start_make(id, number, key, old, properties, time, doomed),
        }
    }

    /// Properties of a resource with everything filled in, the stack's tags beside them.
    fn evaluate(&self, stack: &StackRecord, desired: &Desired, key: &str) -> Result<Value, String> {
        let scope = LiveScope {
            world: self,
            stack,
            desired,
        };
        let spec = desired
            .template
            .resources
            .get(key)
            .ok_or("The resource is not in the template.")?;
        let mut properties = scope.evaluator().value(&spec.properties)?.unwrap_or_else(|| json!({}));
        if let Some(map) = properties.as_object_mut() {
            map.insert(super::make::STACK_TAGS.to_owned(), json!(desired.tags));
        }
        Ok(properties)
    }

    pub(super) fn resource_fault(
        &mut self,
        id: &str,
        key: &str,
        kind: &str,
        step: ResourceStep,
    ) -> Option<ResourceFault> {
        let name = self
            .state
            .stacks
            .get(id)
            .map(|stack| stack.name.clone())
            .unwrap_or_default();
        let fault = self.faults.on_resource(step, &name, key, kind)?;
        let what = match &fault {
            ResourceFault::Fail(_) => "fail-resource",
            ResourceFault::Hang(_) => "hang-resource",
        };
        let subject = format!("{name}/{key}");
        self.log(crate::event::What::Fault {
            subject,
            kind: what.to_owned(),
        });
        Some(fault)
    }

    /// Policies take effect also where nothing else changes.
    fn refresh_record(&mut self, id: &str, key: &str, retained: bool) {
        if let Some(resource) = self
            .state
            .stacks
            .get_mut(id)
            .and_then(|stack| stack.resources.get_mut(key))
        {
            resource.retained = retained;
        }
    }

    /// A task that fails before anything was done.
    fn doom_task(&mut self, id: &str, number: u64, key: &str, phase: StackPhase, reason: String) {
        self.ensure_record(id, key);
        self.set_resource_status(id, key, phase, StackOutcome::InProgress, None);
        if let Some(task) = self.task(id, number, key) {
            task.doom = Some(reason);
        }
        self.run_task(id, number, key, phase, Duration::from_secs(1), None);
    }

    /// A record for a resource that does not exist yet, so that it can have a state.
    fn ensure_record(&mut self, id: &str, key: &str) {
        let Some(stack) = self.state.stacks.get_mut(id) else {
            return;
        };
        let Some(spec) = stack.target.template.resources.get(key) else {
            return;
        };
        let after = crate::template::dependencies(&stack.target.template)
            .remove(key)
            .unwrap_or_default();
        let fresh = ResourceRecord {
            kind: spec.kind.clone(),
            physical: None,
            status: ports::cloud::StackStatus::new(StackPhase::Create, StackOutcome::InProgress),
            reason: None,
            properties: Value::Null,
            attributes: BTreeMap::new(),
            after,
            retained: spec.deletion_policy != "Delete",
            dirty: false,
        };
        stack.resources.entry(key.to_owned()).or_insert(fresh);
    }

    #[expect(clippy::too_many_arguments, reason = "one step of the engine, called from one place")]
    fn start_change(
        &mut self,
        id: &str,
        number: u64,
        key: &str,
        old: &ResourceRecord,
        properties: Value,
        time: Duration,
        doomed: Option<String>,
    ) {
        let phase = StackPhase::Update;
        self.set_resource_status(id, key, phase, StackOutcome::InProgress, None);
        let changed = if doomed.is_some() {
            Ok(None)
        } else {
            self.change(id, key, old, &properties)
        };
        let (wait, doom) = match changed {
            Ok(wait) => (wait, doomed),
            Err(reason) => (None, Some(reason)),
        };
        if let Some(resource) = self
            .state
            .stacks
            .get_mut(id)
            .and_then(|stack| stack.resources.get_mut(key))
        {
            resource.dirty = true;
            if doom.is_none() {
                resource.properties = properties;
            }
        }
        if let Some(task) = self.task(id, number, key) {
            task.doom = doom;
        }
        self.run_task(id, number, key, phase, time, wait);
    }

    #[expect(clippy::too_many_arguments, reason = "one step of the engine, called from one place")]
    fn start_make(
        &mut self,
        id: &str,
        number: u64,
        key: &str,
        old: Option<ResourceRecord>,
        properties: Value,
        time: Duration,
        doomed: Option<String>,
    ) {
        let phase = if old.is_some() {
            StackPhase::Update
        } else {
            StackPhase::Create
        };
        let guarded = self.operation(id, number).is_some_and(|operation| {
            old.as_ref()
                .is_some_and(|old| operation.protected_types.contains(&old.kind))
        });
        if guarded {
            let reason = format!(
                "Action denied by stack policy: Statement [#1] does not allow [Update:Replace] for resource [{key}]"
            );
            self.doom_task(id, number, key, phase, reason);
            return;
        }
        if let (Some(old), Some(stack)) = (old, self.state.stacks.get_mut(id)) {
            stack.resources.remove(key);
            let spare = format!("{key}#{number}");
            stack.garbage.insert(spare, (key.to_owned(), old));
        }
        self.ensure_record(id, key);
        let reason = (phase == StackPhase::Update).then(|| {
            "Requested update requires the creation of a new physical resource; hence creating one.".to_owned()
        });
        self.set_resource_status(id, key, phase, StackOutcome::InProgress, reason);
        let made = match doomed {
            Some(reason) => Err(reason),
            None => self.make(id, key, &properties),
        };
        match made {
            Err(reason) => {
                if let Some(task) = self.task(id, number, key) {
                    task.doom = Some(reason);
                }
                self.run_task(id, number, key, phase, time / 2, None);
            }
            Ok(made) => {
                if let Some(resource) = self.state.stacks.get_mut(id).and_then(|s| s.resources.get_mut(key)) {
                    resource.physical = Some(made.physical);
                    resource.attributes = made.attributes;
                    resource.properties = properties;
                }
                let initiated = Some("Resource creation Initiated".to_owned());
                self.set_resource_status(id, key, phase, StackOutcome::InProgress, initiated);
                self.run_task(id, number, key, phase, time, made.wait);
            }
        }
    }

    /// The time of a task has come, or something happened that it waits for.
    pub(crate) fn look_at_task(&mut self, id: &str, number: u64, key: &str) {
        let now = self.now;
        let Some(task) = self.task(id, number, key) else {
            return;
        };
        if task.state != TaskState::Running || task.ready > now {
            return;
        }
        if let Some(reason) = task.doom.clone() {
            self.fail_task(id, number, key, reason);
            return;
        }
        let wait = task.wait.take();
        match wait.map(|wait| self.progress(id, key, wait)) {
            None | Some(Progress::Done) => self.complete_task(id, number, key),
            Some(Progress::Failed(reason)) => self.fail_task(id, number, key, reason),
            Some(Progress::Waiting(wait, again)) => {
                if let Some(task) = self.task(id, number, key) {
                    task.wait = Some(*wait);
                }
                if let Some(at) = again {
                    self.look_later(id, number, key, at.max(later(now, Duration::from_secs(1))));
                }
            }
        }
    }

    fn complete_task(&mut self, id: &str, number: u64, key: &str) {
        let Some(task) = self.task(id, number, key) else {
            return;
        };
        task.state = TaskState::Done;
        let (act, phase) = (task.act, task.phase);
        match act {
            Act::Bring => self.set_resource_status(id, key, phase, StackOutcome::Complete, None),
            Act::Remove | Act::Sweep => {
                let stack = self.state.stacks.get(id);
                let found = stack.and_then(|stack| match act {
                    Act::Sweep => stack.garbage.get(key).cloned(),
                    _ => stack
                        .resources
                        .get(key)
                        .cloned()
                        .map(|resource| (key.to_owned(), resource)),
                });
                if let Some((logical_id, resource)) = found {
                    let done = ports::cloud::StackStatus::new(phase, StackOutcome::Complete);
                    self.stack_event(id, &logical_id, &resource.kind, resource.physical, done, None);
                }
                self.forget_resource(id, key, act);
            }
        }
        self.step_stack(id, number);
    }

    fn fail_task(&mut self, id: &str, number: u64, key: &str, reason: String) {
        let Some(task) = self.task(id, number, key) else {
            return;
        };
        task.state = TaskState::Failed(reason.clone());
        let (act, phase) = (task.act, task.phase);
        if act == Act::Sweep {
            let found = self
                .state
                .stacks
                .get(id)
                .and_then(|stack| stack.garbage.get(key).cloned());
            if let Some((logical_id, resource)) = found {
                let failed = ports::cloud::StackStatus::new(phase, StackOutcome::Failed);
                self.stack_event(id, &logical_id, &resource.kind, resource.physical, failed, Some(reason));
            }
        } else {
            self.set_resource_status(id, key, phase, StackOutcome::Failed, Some(reason));
        }
        self.step_stack(id, number);
    }
}
