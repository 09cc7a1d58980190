//! The engine: an ordered queue of what is due, and the planners it asks.

mod action;
mod change;
mod controller;
mod view;

pub use action::{Action, EventType};
pub use change::Change;
pub use controller::{Controller, Scheduler, controller_manager, kube_scheduler, kubelet_user};
pub use view::View;
