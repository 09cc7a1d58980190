//! Apply: from the objects that git wants to a cluster that has them.
//!
//! Planning is pure ([`plan()`]), deciding is pure (`decide.rs`), and [`Applier`] carries out: server-side apply under our own
//! field manager, with adoption of what client-side apply owned. What was applied is remembered ([`Memory`]) as a digest, a
//! version and the name of the field set that was ours; as long as these hold, an object costs nothing.

mod adopt;
mod compare;
mod component;
mod decide;
mod fields;
mod memory;
mod object;
mod observe;
mod plan;
mod policy;
mod references;
mod report;
mod run;

pub use adopt::{CLIENT_SIDE_MANAGERS, migration};
pub use component::Component;
pub use memory::{Applied, Memory, ParentRecord};
pub use observe::{KEEP_ANNOTATION, Observation, Observed};
pub use plan::{Additions, ApplyPlan, Need, Phase, PlanError, PlanWarning, Rule, Step, plan};
pub use policy::{Conflicts, Drift, Policy, RECREATE_ANNOTATION, Recreate};
pub use report::{ApplyReport, Event, ObjectResult, Outcome, Reporter, Silent};
pub use run::{Applier, ApplyError, Pass};

pub(crate) use plan::digest;
