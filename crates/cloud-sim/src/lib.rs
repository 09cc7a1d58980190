//! A cloud in memory: stacks, node groups, instances and their faults, on simulated time.
//!
//! [`CloudSim`] is one account in one region. It fills the contract [`ports::cloud::Cloud`] the way AWS does it where fakes
//! do not: stacks go through their states with an event per resource and roll back with all their traps; groups keep their
//! size over zones, replace what dies, wait in hooks, refuse sizes outside their bounds and run out of capacity. A
//! [`FaultPlan`] makes calls fail, answers vanish, capacity lack and nodes stay silent. `docs/cloud.md` lists the behaviour.
//!
//! Inside is a synchronous state machine over an ordered queue of what is due ([`CloudSim::next_due`],
//! [`CloudSim::advance`]); time comes from a [`ports::Clock`], all randomness and every id from one seed, so the same calls
//! at the same times give the same log, byte for byte ([`CloudSim::log_text`]). [`CloudSim::changes_since`] is the feed from
//! which a bridge makes nodes of a simulated cluster. An idle account has nothing due and costs nothing but memory.
//!
//! What this crate deliberately does not do: it opens no socket, speaks no provider's wire format, checks no identities or
//! policies, knows no prices, and boots no Kubernetes nodes.
//!
//! Main types: [`CloudSim`], [`SimClouds`], [`WorldOptions`], [`FaultPlan`], [`Event`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use cloud_sim::{CloudSim, GroupSpec, LaunchTemplateSpec, WorldOptions};
//! use jiff::{SignedDuration, Timestamp};
//! use ports::SystemClock;
//!
//! let mut options = WorldOptions::new("123456789012", "eu-central-1", 7);
//! options.start = Timestamp::MAX - SignedDuration::from_hours(24); // Ahead of the clock: moved by hand only.
//! let sim = CloudSim::new(options, Arc::new(SystemClock));
//! let image = sim.add_image("123456789012", "node-image");
//! sim.create_launch_template("workers", LaunchTemplateSpec::new(&image, "m5.large"))?;
//! sim.create_group(GroupSpec::new("workers", "workers", 1, 3, 5))?;
//! while let Some(due) = sim.next_due() {
//!     sim.advance(due);
//! }
//! let running = sim.log_text().lines().filter(|line| line.contains(" running ")).count();
//! assert_eq!(running, 3);
//! # Ok::<(), ports::cloud::CloudError>(())
//! ```

mod catalogue;
mod dns;
mod event;
mod faults;
mod groups;
mod keys;
mod objects;
mod options;
mod port;
mod random;
mod sim;
mod stacks;
mod state;
mod template;
mod throttle;
mod world;

pub use event::{Event, InstanceChange, What};
pub use faults::{CallFault, CallRule, CapacityGap, FaultPlan, ResourceFault, ResourceRule, ResourceStep, Window};
pub use groups::{GroupSpec, LaunchTemplateSpec};
pub use options::{ApiLimits, Bucket, Span, SubnetSpec, Timings, WorldOptions};
pub use port::SimClouds;
pub use sim::CloudSim;
