//! Instances and what they are made from: launch templates, images, instance types.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{CloudError, GroupName, Tags};

/// Id of an instance, such as `i-0123456789abcdef0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub String);

impl InstanceId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for InstanceId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// State of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceState {
    /// Starting.
    Pending,
    /// Up; says nothing about Kubernetes.
    Running,
    /// On its way down for good.
    ShuttingDown,
    /// Gone; it stays visible for about an hour.
    Terminated,
    /// On its way to rest.
    Stopping,
    /// At rest.
    Stopped,
}

impl InstanceState {
    /// True in the states in which a Karpenter pool counts an instance (cloud fact 4.1: pending, running, stopped).
    #[must_use]
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Pending | Self::Running | Self::Stopping | Self::Stopped)
    }
}

impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        })
    }
}

/// How an instance is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Market {
    /// Until it is terminated.
    OnDemand,
    /// Until the cloud wants it back, two minutes' notice.
    Spot,
}

/// A version of a launch template, as a group names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TemplateVersion {
    /// This one.
    Number(u64),
    /// `$Latest`: the newest at the time of launch.
    Latest,
    /// `$Default`: the one marked so at the time of launch.
    Default,
}

impl fmt::Display for TemplateVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Latest => f.write_str("$Latest"),
            Self::Default => f.write_str("$Default"),
        }
    }
}

/// A launch template and a version of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaunchTemplateRef {
    /// Id, such as `lt-0123456789abcdef0`.
    pub id: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: TemplateVersion,
}

/// The content of one version of a launch template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchTemplate {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Number of this version, from 1.
    pub version: u64,
    /// True for the version that `$Default` means.
    pub is_default: bool,
    /// Image, if given.
    pub image: Option<String>,
    /// Instance type, if given.
    pub instance_type: Option<String>,
    /// User data as stored: base64.
    pub user_data: Option<String>,
    /// Market, spot when the template has such an option.
    pub market: Market,
    /// Name or id of the instance profile.
    pub instance_profile: Option<String>,
    /// Tags that instances get.
    pub instance_tags: Tags,
    /// When this version was made.
    pub created: Timestamp,
}

/// Something the cloud will do to an instance on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledEvent {
    /// What, such as `instance-retirement`, `spot-interruption`, `rebalance-recommendation`.
    pub code: String,
    /// When at the earliest.
    pub not_before: Timestamp,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Id.
    pub id: InstanceId,
    /// State.
    pub state: InstanceState,
    /// The provider's reason for the last change of state, such as `Server.SpotInstanceTermination`.
    pub state_reason: Option<String>,
    /// Zone.
    pub zone: String,
    /// Subnet.
    pub subnet: String,
    /// Instance type.
    pub instance_type: String,
    /// Image.
    pub image: String,
    /// Market.
    pub market: Market,
    /// Private IPv4 address.
    pub private_ip: String,
    /// Private name, `ip-10-1-2-3.eu-central-1.compute.internal`.
    pub private_dns: String,
    /// Template that it was launched from, with the number of the version.
    pub launch_template: Option<LaunchTemplateRef>,
    /// Name of the instance profile.
    pub instance_profile: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// Group that it is in.
    pub group: Option<GroupName>,
    /// When it was launched.
    pub launched: Timestamp,
    /// What the cloud will do to it.
    pub scheduled: Vec<ScheduledEvent>,
}

impl Instance {
    /// The id by which Kubernetes nodes know it, `aws:///<zone>/<instance>` (cloud fact 4.1).
    #[must_use]
    pub fn provider_id(&self) -> String {
        format!("aws:///{}/{}", self.zone, self.id)
    }
}

/// Which instances are asked for. All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceFilter {
    /// Tags with these values.
    pub tags: Tags,
    /// Tags with any value.
    pub tag_keys: BTreeSet<String>,
    /// One of these states; empty means any.
    pub states: BTreeSet<InstanceState>,
    /// One of these ids; empty means any. An id that does not exist is simply not in the answer.
    pub ids: BTreeSet<InstanceId>,
}

/// Instances of one account and region.
#[async_trait]
pub trait Instances: Send + Sync {
    /// Instances that match, in id order. Who has them already, as a simulation does, hands out the same ones.
    async fn instances(&self, filter: &InstanceFilter) -> Result<Vec<Arc<Instance>>, CloudError>;

    /// User data that an instance was launched with, base64 as stored (cloud fact 4.1: Karpenter pools compare it).
    async fn instance_user_data(&self, instance: &InstanceId) -> Result<Option<String>, CloudError>;

    /// Terminates instances, all or none. Those of a group are replaced by it. Repeating it is harmless.
    async fn terminate_instances(&self, instances: &[InstanceId]) -> Result<(), CloudError>;
}

/// Processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    /// `amd64`.
    Amd64,
    /// `arm64`.
    Arm64,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

/// A machine image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Id, `ami-…`.
    pub id: String,
    /// Name, unique per owner in practice.
    pub name: String,
    /// Account that owns it.
    pub owner: String,
    /// Architecture.
    pub architecture: Architecture,
    /// When it was made.
    pub created: Timestamp,
}

/// An instance type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceType {
    /// Name, such as `m5.large`.
    pub name: String,
    /// Virtual CPUs.
    pub vcpu: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// Pods that its addresses suffice for.
    pub max_pods: u32,
    /// Local disks.
    pub storage_devices: u32,
    /// Size of each local disk in bytes.
    pub storage_device_size: u64,
    /// Graphics processors.
    pub gpus: u32,
    /// Architecture.
    pub architecture: Architecture,
}

/// What instances are made from.
#[async_trait]
pub trait Machines: Send + Sync {
    /// One version of a launch template, by id or name.
    async fn launch_template(&self, template: &str, version: TemplateVersion) -> Result<LaunchTemplate, CloudError>;

    /// Images of an owner with this name, newest first (rendering's `amiID`).
    async fn images(&self, owner: &str, name: &str) -> Result<Vec<Image>, CloudError>;

    /// One image by id.
    async fn image(&self, id: &str) -> Result<Image, CloudError>;

    /// All instance types of the region, in name order.
    async fn instance_types(&self) -> Result<Vec<InstanceType>, CloudError>;
}
