//! Living simulated fleets: what `sim up`, rehearsals and tests run against.
//!
//! A [`Fleet`] joins what its parts do alone: each cluster is an API in memory (`kube_sim`) with controllers, a scheduler and
//! kubelets around it (`kube_world`); nodes are given directly or come from node groups of a simulated cloud (`cloud_sim`),
//! whose instances boot, get spot notices and die; [`Profile`]s fill the clusters with workloads that run already; faults are
//! drawn from the seed or given. Everything lives on one [`ports::Clock`] and in one queue: what is due first has its turn
//! first, nothing ticks, and a fleet with nothing to do costs nothing but memory. A cluster's own clock may be off, and be
//! set while it lives ([`ClockJump`], [`Cluster::set_clock`]).
//!
//! The same seed gives the same [`FleetLog`], byte for byte, in every process. [`SharedFleet::run`] drives a fleet beside its
//! users in real time, `S` times as fast ([`ScaledClock`]) or on a runtime's paused time; [`Fleet::advance_to`] lets simulated
//! time jump on a [`StepClock`].
//!
//! What this crate deliberately does not do: it serves nothing over a network (hand [`Cluster::api`] to a server), it makes no
//! stacks and renders nothing, and it decides nothing: planning is the business of the controllers it runs.
//!
//! Main types: [`FleetSpec`], [`ClusterSpec`], [`PoolSpec`], [`Fleet`], [`SharedFleet`], [`Cluster`], [`Profile`], [`FleetLog`].
//!
//! ```
//! use std::sync::Arc;
//! use jiff::{SignedDuration, Timestamp};
//! use twin::{ClusterSpec, Fleet, FleetSpec, PoolSpec, Profile, StepClock};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), twin::TwinError> {
//! let start = Timestamp::from_second(1_750_000_000).unwrap();
//! let clock = Arc::new(StepClock::at(start));
//! let cluster = ClusterSpec::new("kube-1").pool(PoolSpec::new("workers", 3)).profile(Profile::Shop);
//! let mut fleet = Fleet::build(FleetSpec::new(7).cluster(cluster), clock.clone()).await?;
//! let pods = fleet.clusters()[0].server().read_all("", "pods", "");
//! assert!(pods.iter().any(|pod| pod["status"]["phase"] == "Running"));
//! fleet.advance_to(&clock, start + SignedDuration::from_hours(1)).await;
//! assert!(fleet.violations().is_empty());
//! # Ok(())
//! # }
//! ```

mod bridge;
mod clock;
mod cluster;
mod error;
mod fleet;
mod log;
mod place;
mod profiles;
mod settle;
mod shared;
mod snapshot;
mod spec;
mod tree;

pub use clock::ScaledClock;
pub use cluster::{Cluster, Furnishing};
pub use error::TwinError;
pub use fleet::Fleet;
pub use kube_world::StepClock;
pub use log::{FleetLog, LogSink};
pub use profiles::{Profile, manifests};
pub use shared::SharedFleet;
pub use snapshot::{ClusterSnapshot, FleetSnapshot};
pub use spec::{ClockJump, ClusterSpec, FleetSpec, NodeSource, PoolSpec, Shape};
