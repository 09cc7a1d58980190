//! Where the simulated cloud meets the clusters: instances become nodes, and what happens to them happens to the nodes.
//!
//! [`account`] follows an account's events, [`machine`] says what node an instance is, [`drain`] empties nodes that are
//! about to go, [`autoscale`] carries out what the autoscaler plans, and [`warm`] is the clock by which a cloud gets its
//! instances before a fleet begins.

mod account;
mod autoscale;
mod drain;
mod machine;
mod warm;

pub(crate) use account::{Account, NodeChange};
pub(crate) use autoscale::{CloudAutoscaler, SharedScheduler};
pub(crate) use drain::{Drains, Ending};
pub(crate) use machine::make_group;
pub(crate) use warm::WarmClock;
