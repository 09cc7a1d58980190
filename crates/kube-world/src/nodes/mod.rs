//! Machines and the nodes they become.

mod machine;

pub(crate) use machine::Machines;
pub use machine::{Machine, NodeSpec, Power};
