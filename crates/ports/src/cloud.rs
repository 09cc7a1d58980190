//! The cloud contract: what bringing up, updating, rolling and taking down a cluster needs from one account and region.
//!
//! The traits follow the needs of the lifecycle manager, node rollout and rendering (`docs/cloud.md` has the facts
//! by number), not the shape of a vendor's SDK: lists come whole, paging and signing are the adapter's business, and every
//! refusal is a [`CloudError`] that says whose fault it is and whether trying again helps. Each trait is small and
//! object-safe, so that a function takes `&dyn Stacks` when stacks are all that it touches; [`Cloud`] is all of them together
//! and [`Clouds`] opens one per account and region.
//!
//! An answer may be lost after the work was done ([`CloudError::OutcomeUnknown`]): the caller looks again before it repeats
//! a call that is not idempotent.
//!
//! ```
//! use ports::cloud::{Cloud, CloudError, Stacks};
//!
//! async fn busy(stacks: &dyn Stacks) -> Result<usize, CloudError> {
//!     Ok(stacks.stacks().await?.iter().filter(|stack| stack.status.in_progress()).count())
//! }
//!
//! async fn busy_in(cloud: &dyn Cloud) -> Result<usize, CloudError> {
//!     busy(cloud).await
//! }
//! ```

mod control_plane;
mod delivery;
mod error;
mod groups;
mod instances;
mod keys;
mod network;
mod objects;
mod stacks;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use model::AccountId;

pub use control_plane::{ControlPlane, ControlPlanes};
pub use delivery::{
    AliasTarget, Certificate, CertificateStatus, Certificates, Dns, DnsAction, DnsChange, DnsRecord, DnsZone,
    LoadBalancer, LoadBalancerKind, LoadBalancers, TargetHealth,
};
pub use error::CloudError;
pub use groups::{
    Activity, ActivityStatus, Group, GroupInstance, GroupName, GroupSize, HealthCheckKind, HookDefault, HookResult,
    HookTransition, InstanceLifecycle, LifecycleHook, MixedInstances, NodeGroups, Process, Shrink, SpotAllocation,
};
pub use instances::{
    Architecture, Image, Instance, InstanceFilter, InstanceId, InstanceState, InstanceType, Instances, LaunchTemplate,
    LaunchTemplateRef, Machines, Market, ScheduledEvent, TemplateVersion,
};
pub use keys::{Key, Keys};
pub use network::{Network, NetworkInterface, Subnet, Volume, VolumeState, Vpc};
pub use objects::{ObjectInfo, ObjectVersion, Objects, PutCondition, StoredObject};
pub use stacks::{
    PreviewedAction, ResourceChange, ResourceStatus, Stack, StackEvent, StackOutcome, StackPhase, StackRequest,
    StackResource, StackStatus, StackTemplate, StackUpdate, Stacks,
};

/// Tags of a cloud object: key to value.
pub type Tags = BTreeMap<String, String>;

/// True when `tags` holds every entry of `wanted`; an empty `wanted` fits all.
#[must_use]
pub fn tags_match(tags: &Tags, wanted: &Tags) -> bool {
    wanted.iter().all(|(key, value)| tags.get(key) == Some(value))
}

/// The part of a cloud that replacing nodes needs. A whole [`Cloud`] can be handed over as one.
pub trait NodeCloud: NodeGroups + Instances + Machines + Send + Sync {}

impl<T: NodeGroups + Instances + Machines + Send + Sync + ?Sized> NodeCloud for T {}

/// One account in one region.
pub trait Cloud:
    Stacks
    + NodeCloud
    + Network
    + LoadBalancers
    + Certificates
    + Dns
    + Objects
    + Keys
    + ControlPlanes
    + Send
    + Sync
    + std::fmt::Debug
{
    /// Number of the account, twelve digits.
    fn account(&self) -> &str;

    /// Name of the region, such as `eu-central-1`.
    fn region(&self) -> &str;
}

/// Opens clouds: assumes the role that manages an account and binds it to a region.
#[async_trait]
pub trait Clouds: Send + Sync {
    /// The cloud of an infrastructure account in a region.
    ///
    /// # Errors
    /// [`CloudError::Denied`] when the role cannot be assumed, [`CloudError::NotFound`] for an account or region that does
    /// not exist.
    async fn open(&self, account: &AccountId, region: &str) -> Result<Arc<dyn Cloud>, CloudError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_match_when_all_wanted_ones_are_there() {
        let tags = |pairs: &[(&str, &str)]| -> Tags {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let cases: &[(&[(&str, &str)], bool)] = &[
            (&[], true),
            (&[("a", "1")], true),
            (&[("a", "2")], false),
            (&[("a", "1"), ("b", "")], false),
        ];
        for (wanted, expected) in cases {
            assert_eq!(
                tags_match(&tags(&[("a", "1"), ("c", "")]), &tags(wanted)),
                *expected,
                "{wanted:?}"
            );
        }
    }
}
