//! The inventory: an ApplySet (KEP-3659), as kubectl knows it.
//!
//! Every object that is applied carries the label `applyset.kubernetes.io/part-of`. A parent object says which kinds and
//! namespaces members can be in, so that nobody has to search the whole cluster. `kubectl get -l
//! applyset.kubernetes.io/part-of=<id>` shows the members; kubectl itself leaves a set alone whose tooling is not kubectl.

mod guard;
mod parent;
mod prune;
mod prune_plan;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

pub use prune::{PruneOutcome, PruneReport, PruneResult};
pub use prune_plan::{Consent, Kept, KeptReason, PruneItem, PrunePlan, PruneRefusal, Rank, Threshold, plan_prune};

/// The label that makes an object a member.
pub const PART_OF: &str = "applyset.kubernetes.io/part-of";
pub(crate) const ID: &str = "applyset.kubernetes.io/id";
pub(crate) const TOOLING: &str = "applyset.kubernetes.io/tooling";
pub(crate) const GROUP_KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
pub(crate) const NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";

/// A set of objects with its parent, a ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplySet {
    name: String,
    namespace: String,
    id: String,
}

impl ApplySet {
    /// The set whose parent is this ConfigMap.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        // name.namespace.kind.group: the group of ConfigMaps is empty.
        let hash = Sha256::digest(format!("{name}.{namespace}.ConfigMap."));
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            id: format!("applyset-{}-v1", BASE64_URL_SAFE_NO_PAD.encode(hash)),
        }
    }

    /// The set's id: the value of the members' label.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Name of the parent.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Namespace of the parent.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl Default for ApplySet {
    /// The set of a whole cluster: ConfigMap `fleetwright` in `kube-system`.
    fn default() -> Self {
        Self::new("kube-system", "fleetwright")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_format_of_the_specification() {
        let set = ApplySet::new("ns", "n");
        assert_eq!(set.id().len(), "applyset--v1".len() + 43);
        assert!(
            set.id()
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        assert_ne!(set.id(), ApplySet::new("n", "ns").id());
    }
}
