//! Controllers, a scheduler and kubelets around the Kubernetes API in memory.

pub mod autoscaler;
mod cache;
mod controllers;
mod engine;
mod kind;
mod nodes;
pub mod scheduler;

pub use cache::{Amounts, NodeTaint, NodeView, Owner, Phase, PodView};
pub use controllers::all as controllers;
pub use engine::{
    Action, Change, Controller, EventType, Scheduler, View, controller_manager, kube_scheduler, kubelet_user,
};
pub use kind::{Key, Kind};
pub use nodes::{Machine, NodeSpec, Power};
