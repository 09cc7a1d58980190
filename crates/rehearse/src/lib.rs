//! Rehearsals: an update of a fleet, run on a twin in compressed time, and what came of it.
//!
//! A [`Scenario`] names the clusters, the configuration before and after, and what runs in the clusters. [`rehearse`] builds
//! the twin (simulated clouds, living clusters, a registry), brings it to the version before, and then lets the real engine,
//! [`control::Control`] with its lifecycle manager and its node rollouts, work on tokio's paused time until all is done or the
//! limit has passed. An observer stands beside the clusters' APIs and writes down what is asked of them and what happens to
//! their nodes. The [`Report`] says how long it took, who was moved, what held whom back, who was terminated by force and with which
//! right, which nodes are stuck and why, and how all of it compares with the bound that the disruption contract gave.
//!
//! The same scenario and seed give the same report, byte for byte, in every process. [`rehearse_many`] runs several seeds in
//! parallel and adds the ranges.
//!
//! What this crate deliberately does not do: it reads no file, asks no real cluster and no real cloud, decides nothing about
//! updates or disruption, and touches nothing that is real. The engine in it is the one of production; only what is below
//! the ports is simulated.
//!
//! Main types: [`Scenario`], [`ClusterInput`], [`Workload`], [`SourceSides`], [`Report`]; printing in [`mod@print`].
//!
//! ```
//! use ports::config_source::SourceName;
//! use rehearse::{Scenario, SourceSides, Tips, rehearse};
//!
//! let mut scenario = Scenario::new("a", "b");
//! let (name, tree) = (SourceName::new("main")?, Tips::all_at(Default::default()));
//! scenario.sources.push(SourceSides { name, from: tree.clone(), to: tree });
//! // Without clusters there is nothing to do, and it is done at once.
//! let report = rehearse(&scenario, 1)?;
//! assert!(report.done_at.is_some() && report.clusters.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod done;
mod doors;
mod error;
mod expect;
mod observe;
pub mod print;
mod ranges;
mod report;
mod run;
mod scenario;
mod source;
mod summary;
mod waits;
mod workload;

pub use error::RehearseError;
pub use ranges::{Range, Ranges, rehearse_many};
pub use report::{
    Bound, ClusterReport, ForcedReport, HoldReport, NodeLane, Outcome, OwnerReport, PoolReport, Report, StepReport,
    StuckNode, Totals,
};
pub use run::rehearse;
pub use scenario::{ClusterInput, Scenario, Workload};
pub use source::{SourceSides, Tips};
