//! Networks, and the things that pods leave behind in them: interfaces and volumes.

use std::fmt;

use async_trait::async_trait;

use super::{CloudError, InstanceId, Tags};

/// A virtual network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpc {
    /// Id.
    pub id: String,
    /// True for the one that the provider made with the account.
    pub is_default: bool,
    /// IPv4 network.
    pub ipv4_cidr: String,
    /// IPv6 networks, in the provider's order.
    pub ipv6_cidrs: Vec<String>,
    /// Tags.
    pub tags: Tags,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Id.
    pub id: String,
    /// Network.
    pub vpc: String,
    /// Zone.
    pub zone: String,
    /// IPv4 network.
    pub ipv4_cidr: String,
    /// IPv6 networks, in the provider's order.
    pub ipv6_cidrs: Vec<String>,
    /// Tags; `kubernetes.io/role/…` decide what a subnet is for (cloud fact 5.3).
    pub tags: Tags,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInterface {
    /// Id.
    pub id: String,
    /// True when it hangs on nothing and can be deleted.
    pub available: bool,
    /// Instance that it hangs on.
    pub instance: Option<InstanceId>,
    /// Tags.
    pub tags: Tags,
}

/// State of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VolumeState {
    /// Can be attached or deleted.
    Available,
    /// Attached.
    InUse,
    /// Going.
    Deleting,
}

impl fmt::Display for VolumeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "available",
            Self::InUse => "in-use",
            Self::Deleting => "deleting",
        })
    }
}

/// A block volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Id.
    pub id: String,
    /// State.
    pub state: VolumeState,
    /// Zone.
    pub zone: String,
    /// Instance that it is attached to.
    pub instance: Option<InstanceId>,
    /// Size in bytes.
    pub size: u64,
    /// Tags.
    pub tags: Tags,
}

/// Networks of one account and region.
#[async_trait]
pub trait Network: Send + Sync {
    /// Names of the zones, sorted.
    async fn zones(&self) -> Result<Vec<String>, CloudError>;

    /// Virtual networks, in id order (cloud fact 5.3: the only one, or the default one, is the cluster's).
    async fn vpcs(&self) -> Result<Vec<Vpc>, CloudError>;

    /// Subnets of a network, in id order.
    async fn subnets(&self, vpc: &str) -> Result<Vec<Subnet>, CloudError>;

    /// Interfaces whose tags hold all of `tags`, in id order (cloud fact 5.6, step 4).
    async fn network_interfaces(&self, tags: &Tags) -> Result<Vec<NetworkInterface>, CloudError>;

    /// Deletes an interface.
    ///
    /// # Errors
    /// [`CloudError::Conflict`] while it hangs on something.
    async fn delete_network_interface(&self, id: &str) -> Result<(), CloudError>;

    /// Volumes whose tags hold all of `tags`, in id order (cloud fact 5.6, step 6).
    async fn volumes(&self, tags: &Tags) -> Result<Vec<Volume>, CloudError>;

    /// Deletes a volume.
    ///
    /// # Errors
    /// [`CloudError::Conflict`] while it is attached.
    async fn delete_volume(&self, id: &str) -> Result<(), CloudError>;
}
