//! Waves: a cluster gets a new version when its turn has come, not as soon as there is one.
//!
//! [`plan::waves`] decides; here is what it decides from and what follows. All of it can be read from registry and ledger, so
//! that a replica that starts knows what the one before it knew: the policy in force, the change that walks through each channel
//! ([`RunRecord`]), who was let begin when and by which right ([`Turn`]), how each fares since ([`Judged`](crate::health::Judged)),
//! and what people did ([`ports::acts`]). A cluster is done when it was found healthy with its version.
//!
//! Among several replicas one at a time lets clusters begin: it holds the lease [`LEASE`], its writes are fenced by it, and it
//! reads everything anew when it gets it. All of them work on clusters that may begin.

pub(crate) mod alarms;
pub(crate) mod conductor;
pub(crate) mod fleet;
mod records;
mod standing;
mod survey;

pub use alarms::{Alarm, open as open_alarms};
pub use records::{RunRecord, Turn, policy_in_force, policy_told, runs, turns};
pub(crate) use records::{put_alarm, put_policy, put_run};
pub use standing::{Known, Towards, stands};
pub use survey::{Books, Survey, survey};

/// The lease of the one replica that lets clusters begin.
pub const LEASE: &str = "waves";
