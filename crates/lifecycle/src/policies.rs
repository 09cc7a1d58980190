//! The fleet policy in force, shared by everything that goes by it.

use std::sync::Arc;

use plan::policy::FleetPolicy;
use tokio::sync::watch;

/// The policy that holds now. It is replaced as a whole when its document changes; who waits is told.
///
/// ```
/// use lifecycle::Policies;
/// use plan::policy::FleetPolicy;
///
/// let policies = Policies::default();
/// let before = policies.now();
/// policies.replace(FleetPolicy::parse("kind: FleetPolicy\nlimits:\n  wave: 8\n")?);
/// assert_eq!((before.limits.wave, policies.now().limits.wave), (FleetPolicy::default().limits.wave, 8));
/// # Ok::<(), plan::policy::PolicyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Policies(Arc<watch::Sender<Arc<FleetPolicy>>>);

impl Default for Policies {
    /// What holds without a document.
    fn default() -> Self {
        Self::new(FleetPolicy::default())
    }
}

impl Policies {
    /// Begins with this policy.
    #[must_use]
    pub fn new(policy: FleetPolicy) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(policy))))
    }

    /// The policy as it is now.
    #[must_use]
    pub fn now(&self) -> Arc<FleetPolicy> {
        Arc::clone(&self.0.borrow())
    }

    /// Puts another one in force. One that is the same wakes nobody.
    pub fn replace(&self, policy: FleetPolicy) {
        self.0.send_if_modified(|known| {
            let differs = **known != policy;
            if differs {
                *known = Arc::new(policy);
            }
            differs
        });
    }

    /// Tells of each that is put in force from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<FleetPolicy>> {
        self.0.subscribe()
    }
}
