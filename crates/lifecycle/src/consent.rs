//! Agreements that dangerous steps need, as passes ask for them; the rules are in [`ports::approvals`].

use jiff::Timestamp;
use kube_access::applyset::Consent;
use model::ClusterId;
use ports::{Ledger, RegistryError, approvals};

pub use ports::approvals::{
    Decommission, DecommissionConsent, PruneConsent, WAIT, agree_to_prune, ask, asked, may_decommission,
    put_decommission, settle_decommission, settle_prune,
};

/// The newest agreement to a prune that still counts.
///
/// # Errors
/// Those of the ledger.
pub async fn prune_consent(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    now: Timestamp,
) -> Result<Option<Consent>, RegistryError> {
    let consent = approvals::prune_consent(ledger, cluster, now).await?;
    Ok(consent.map(|PruneConsent { count, hash, by }| Consent { count, hash, by }))
}
