//! Claims on clusters: when several replicas share the work, one of them at a time works on a cluster (V10).
//!
//! A claim is a lease that is renewed while a pass runs. The guard lets no step through shortly before the lease may end:
//! what was sent in the last moment has arrived before another replica begins. That is a matter of clocks; what does not
//! depend on them are the two fences: writes to registry and ledger carry the token of the claim and are refused by the store
//! when it is old ([`Guard::stamp`](crate::guard::Guard::stamp)), and writes to a cluster are preceded by a comparison of the
//! token that stands in it ([`crate::fence`]).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use model::ClusterId;
use ports::{Clock, Lease, LeaseError, LeaseName, Leases};

/// How a replica claims clusters.
#[derive(Clone)]
pub struct Claims {
    /// Where leases are.
    pub leases: Arc<dyn Leases>,
    /// Who claims: a name that no other replica has.
    pub holder: String,
    /// How long a claim holds without being renewed. A replica that dies keeps its clusters from others for this long.
    pub term: Duration,
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claims")
            .field("holder", &self.holder)
            .field("term", &self.term)
            .finish_non_exhaustive()
    }
}

/// A claim that is held.
pub struct Hold {
    leases: Arc<dyn Leases>,
    term: Duration,
    /// As it was given; name, holder and token stay.
    claimed: Lease,
    /// `None` once it is known to be lost.
    lease: Mutex<Option<Lease>>,
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hold")
            .field("lease", &self.lease())
            .finish_non_exhaustive()
    }
}

/// What leases on clusters begin with.
pub(crate) const PREFIX: &str = "lifecycle/";

/// The name of the lease on a cluster.
///
/// # Errors
/// When the id of the cluster makes no name.
pub fn lease_name(cluster: &ClusterId) -> Result<LeaseName, model::Invalid> {
    LeaseName::new(format!("{PREFIX}{cluster}"))
}

impl Hold {
    pub(crate) async fn take(claims: &Claims, name: &LeaseName) -> Result<Arc<Self>, LeaseError> {
        let lease = claims.leases.claim(name, &claims.holder, claims.term).await?;
        Ok(Arc::new(Self {
            leases: Arc::clone(&claims.leases),
            term: claims.term,
            claimed: lease.clone(),
            lease: Mutex::new(Some(lease)),
        }))
    }

    /// The lease as it was claimed: what fences compare, also after it was lost.
    pub(crate) fn claimed(&self) -> &Lease {
        &self.claimed
    }

    fn lease(&self) -> Option<Lease> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a step that leaves now arrives while the lease is ours: its last quarter is not used.
    pub(crate) fn holds(&self, now: Timestamp) -> bool {
        let latest = |lease: Lease| lease.expires_at.saturating_sub(self.term / 4);
        self.lease()
            .is_some_and(|lease| latest(lease).is_ok_and(|latest| now < latest))
    }

    /// Renews the lease as long as it can be renewed; returns once it is lost.
    pub(crate) async fn keep(&self, clock: &dyn Clock) {
        loop {
            clock.sleep(self.term / 4).await;
            let Some(lease) = self.lease() else { return };
            let renewed = match self.leases.renew(&lease, self.term).await {
                Ok(renewed) => Some(renewed),
                // The lease still runs; perhaps the store answers before it ends.
                Err(LeaseError::Unavailable(_)) => Some(lease),
                Err(_) => None,
            };
            *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
        }
    }

    /// Gives the cluster back. One that cannot be given back is free when the lease ends.
    pub(crate) async fn release(&self) {
        let lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(lease) = lease
            && let Err(error) = self.leases.release(&lease).await
        {
            tracing::debug!(%error, lease = %lease.name, "a lease could not be given back");
        }
    }
}

/// Does something for ever that one replica at a time does for the whole fleet: while the lease of this name is held. Without
/// other replicas it is done at once.
pub(crate) async fn alone<W: Future<Output = ()>>(
    claims: Option<&Claims>,
    name: &str,
    clock: &dyn Clock,
    work: impl Fn() -> W,
) {
    let Some(claims) = claims else {
        return work().await;
    };
    let Ok(name) = LeaseName::new(name) else {
        return std::future::pending().await;
    };
    loop {
        match Hold::take(claims, &name).await {
            Ok(hold) => {
                tokio::select! {
                    biased;
                    () = hold.keep(clock) => {}
                    () = work() => {}
                }
            }
            Err(_) => clock.sleep(claims.term / 2).await,
        }
    }
}
