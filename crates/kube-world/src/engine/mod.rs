//! The engine: an ordered queue of what is due, and the planners it asks.

mod action;
mod change;
mod controller;
mod driver;
mod execute;
mod log;
mod queue;
mod recorder;
mod shared;
mod step_clock;
mod view;
mod world;

use jiff::Timestamp;

pub use action::{Action, EventType};
pub use change::Change;
pub use controller::{Controller, Scheduler, controller_manager, kube_scheduler, kubelet_user};
pub use driver::SharedWorld;
pub use log::{EventLog, Sink};
pub use shared::{Hold, Shared};
pub use step_clock::StepClock;
pub use view::View;
pub use world::{World, WorldBuilder};

/// A time as objects carry it: whole seconds, UTC.
#[must_use]
pub fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
