//! Waves: a cluster gets a new version when its turn has come, not as soon as there is one.
//!
//! [`plan::waves`] decides; here is what it decides from and what follows. All of it can be read from registry and ledger, so
//! that a replica that starts knows what the one before it knew: the policy in force, the change that walks through each channel
//! ([`RunRecord`]), who was let begin when and by which right ([`Turn`]), and what people did ([`ports::acts`]).
//!
//! Among several replicas one at a time lets clusters begin: it holds the lease [`LEASE`], its writes are fenced by it, and it
//! reads everything anew when it gets it. All of them work on clusters that may begin.

pub(crate) mod alarms;
pub(crate) mod conductor;
mod records;
mod standing;
mod survey;

use std::sync::Arc;

use plan::policy::FleetPolicy;
use tokio::sync::watch;

pub use alarms::{Alarm, open as open_alarms};
pub use records::{RunRecord, Turn, policy_in_force, runs, turns};
pub(crate) use records::{put_alarm, put_policy, put_run};
pub use standing::{Towards, stands};
pub use survey::{Survey, survey};

/// The lease of the one replica that lets clusters begin.
pub const LEASE: &str = "waves";

/// The rules in force; a program replaces them when its file changes.
#[derive(Debug, Clone)]
pub struct Rulebook(Arc<watch::Sender<Arc<FleetPolicy>>>);

impl Rulebook {
    /// With these rules.
    #[must_use]
    pub fn new(policy: FleetPolicy) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(policy))))
    }

    /// The rules now.
    #[must_use]
    pub fn now(&self) -> Arc<FleetPolicy> {
        Arc::clone(&self.0.borrow())
    }

    /// Other rules from now on. Managers that use the book look at everything again.
    pub fn replace(&self, policy: FleetPolicy) {
        self.0.send_if_modified(|known| {
            let differs = **known != policy;
            if differs {
                *known = Arc::new(policy);
            }
            differs
        });
    }

    pub(crate) fn changes(&self) -> watch::Receiver<Arc<FleetPolicy>> {
        self.0.subscribe()
    }
}

impl Default for Rulebook {
    fn default() -> Self {
        Self::new(FleetPolicy::default())
    }
}
