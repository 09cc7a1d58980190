//! Faults on purpose: an API server that refuses, dawdles, forgets and cuts, as real ones do on bad days.
//!
//! A [`FaultyApi`] stands before a server (in process as a `tower::Service`, or over HTTP with [`crate::serve`]) and follows
//! a [`FaultPlan`]: rules that say which requests, when, and what happens to them. A plan is written by hand or drawn from a
//! seed. All chance comes from the plan's seed, each rule with a generator of its own, and all waiting is done on the
//! server's clock: the same plan and the same requests in the same order meet the same faults. What was done is kept as
//! [`FaultEvent`]s in order, for the event log of a scenario.
//!
//! ```
//! use kube_sim::{Fault, FaultPlan, FaultRule};
//!
//! // Every third write of anybody loses its answer after the work was done.
//! let rule = FaultRule::new("lost answers", Fault::LoseReply).verbs(&["create", "update", "patch"]).every(3);
//! let plan = FaultPlan::new(7).rule(rule);
//! assert_eq!(plan.rules.len(), 1);
//! ```

mod body;
mod draw;
mod judge;
mod plan;
mod service;

pub use body::FaultyBody;
pub use judge::FaultEvent;
pub use plan::{Calls, Fault, FaultPlan, FaultRule, Requests};
pub use service::FaultyApi;
