//! The small controllers that run inside a cluster, a module each.
//!
//! - [`lifecycle`]: replaces marked nodes under the disruption contract, in the place of the original's closed-source lifecycle
//!   controller: the engine of [`rollout`], driven by the marks alone.
//! - [`readiness`]: takes the start-up taint off a node once the system pods of the node are ready.
//! - [`shutdown`]: turns notices that a machine ends (spot, scheduled retirement, a group that shrinks) into what the lifecycle
//!   controller acts on, in time.
//!
//! All of them stand behind one [`leader::Elector`]: one replica acts, the others wait. All are level-triggered: they look at
//! what is there, so a restart or another leader goes on where the last one stopped. What is due later waits in a [`queue`] on
//! the clock, in a fixed order, so that the same cluster gives the same actions.
//!
//! What this crate deliberately does not do: it decides nothing about disruption (that is [`disruption`]), speaks to no cloud,
//! and reads no command line.
//!
//! ```
//! use controllers::readiness::StartUpTaint;
//!
//! let taint = StartUpTaint::default();
//! assert_eq!(taint.key, "zalando.org/node-not-ready");
//! ```

pub mod leader;
pub mod ledger;
pub mod lifecycle;
pub mod queue;
pub mod readiness;
pub mod shutdown;
