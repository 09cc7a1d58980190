//! Deleting resources: those of a stack that goes, and left-overs of an update.

use ports::cloud::{StackOutcome, StackPhase};

use super::run::{Act, TaskState};
use crate::faults::{ResourceFault, ResourceStep};
use crate::world::World;

impl World {
    pub(super) fn start_remove(&mut self, id: &str, number: u64, key: &str, act: Act) {
        let Some(stack) = self.state.stacks.get(id) else {
            return;
        };
        let found = match act {
            Act::Sweep => stack.garbage.get(key).cloned(),
            _ => stack
                .resources
                .get(key)
                .cloned()
                .map(|resource| (key.to_owned(), resource)),
        };
        let Some((logical_id, resource)) = found else {
            if let Some(task) = self.task(id, number, key) {
                task.state = TaskState::Done;
            }
            return;
        };
        let phase = StackPhase::Delete;
        let status = ports::cloud::StackStatus::new(phase, StackOutcome::InProgress);
        let never_made = resource.physical.is_none();
        if resource.retained || never_made {
            let reason = resource
                .retained
                .then(|| "DELETE_SKIPPED: the resource is retained".to_owned());
            let done = ports::cloud::StackStatus::new(phase, StackOutcome::Complete);
            self.stack_event(id, &logical_id, &resource.kind, resource.physical.clone(), done, reason);
            self.forget_resource(id, key, act);
            if let Some(task) = self.task(id, number, key) {
                task.state = TaskState::Done;
            }
            return;
        }
        self.stack_event(id, &logical_id, &resource.kind, resource.physical.clone(), status, None);
        if let Some(resource) = self
            .state
            .stacks
            .get_mut(id)
            .and_then(|stack| stack.resources.get_mut(key))
        {
            resource.status = status;
        }
        let fault = self.resource_fault(id, &logical_id, &resource.kind, ResourceStep::Delete);
        let mut time = self.step_time(id, key, &resource.kind, ResourceStep::Delete);
        let removed = match fault {
            Some(ResourceFault::Fail(reason)) => Err(reason),
            Some(ResourceFault::Hang(more)) => {
                time += more;
                self.remove(&resource)
            }
            None => self.remove(&resource),
        };
        let wait = match removed {
            Ok(wait) => wait,
            Err(reason) => {
                if let Some(task) = self.task(id, number, key) {
                    task.doom = Some(reason);
                }
                None
            }
        };
        self.run_task(id, number, key, phase, time, wait);
    }

    pub(super) fn forget_resource(&mut self, id: &str, key: &str, act: Act) {
        let Some(stack) = self.state.stacks.get_mut(id) else {
            return;
        };
        match act {
            Act::Sweep => {
                stack.garbage.remove(key);
            }
            _ => {
                stack.resources.remove(key);
            }
        }
    }
}
