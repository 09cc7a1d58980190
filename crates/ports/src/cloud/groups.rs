//! Node groups: sets of instances that the cloud keeps at a size.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{CloudError, InstanceId, LaunchTemplateRef, Tags, TemplateVersion};

/// Name of a group, unique in account and region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(pub String);

impl GroupName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for GroupName {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Life of an instance inside its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceLifecycle {
    /// Being started.
    Pending,
    /// Started, held back by a launch hook.
    PendingWait,
    /// The launch hook is through.
    PendingProceed,
    /// At work.
    InService,
    /// Being stopped.
    Terminating,
    /// Held back by a termination hook.
    TerminatingWait,
    /// The termination hook is through.
    TerminatingProceed,
    /// Leaving the group, the instance lives on.
    Detaching,
}

impl fmt::Display for InstanceLifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "Pending",
            Self::PendingWait => "Pending:Wait",
            Self::PendingProceed => "Pending:Proceed",
            Self::InService => "InService",
            Self::Terminating => "Terminating",
            Self::TerminatingWait => "Terminating:Wait",
            Self::TerminatingProceed => "Terminating:Proceed",
            Self::Detaching => "Detaching",
        })
    }
}

/// An instance as its group sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInstance {
    /// Id.
    pub id: InstanceId,
    /// Zone.
    pub zone: String,
    /// Instance type.
    pub instance_type: String,
    /// Life cycle.
    pub lifecycle: InstanceLifecycle,
    /// Result of the health checks; an unhealthy one will be replaced.
    pub healthy: bool,
    /// The template and the number of the version that it was launched from; it never changes for a living instance.
    pub launch_template: Option<LaunchTemplateRef>,
    /// Never chosen when the group shrinks.
    pub protected_from_scale_in: bool,
}

/// Which check decides that an instance is unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthCheckKind {
    /// State of the instance.
    Instance,
    /// The same, and its health as a target of the group's load balancers.
    LoadBalancer,
}

/// How spot capacity is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpotAllocation {
    /// Cheapest pools.
    LowestPrice,
    /// Pools with most spare capacity.
    CapacityOptimized,
    /// The same, the order of the overrides counts.
    CapacityOptimizedPrioritized,
    /// Price and capacity weighed.
    PriceCapacityOptimized,
}

/// Several instance types in one group (cloud fact 4.1: on-demand base 0 and a share of exactly 0 or 100 are what pools use).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MixedInstances {
    /// Types in order of preference; empty means the template's own.
    pub instance_types: Vec<String>,
    /// Number of on-demand instances that come first.
    pub on_demand_base: u32,
    /// Share of on-demand instances above the base, in percent.
    pub on_demand_percent_above_base: u32,
    /// How spot capacity is chosen.
    pub spot_allocation: SpotAllocation,
}

/// A group as the cloud shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: GroupName,
    /// Smallest size.
    pub min: u32,
    /// Largest size.
    pub max: u32,
    /// Size that the cloud works towards.
    pub desired: u32,
    /// Zones that it spreads over.
    pub zones: Vec<String>,
    /// Subnets, one or more per zone.
    pub subnets: Vec<String>,
    /// What new instances are launched from. The version may be one of the floating names, which the update strategies
    /// refuse (cloud fact 4.1).
    pub launch_template: Option<LaunchTemplateRef>,
    /// Policy for several types or spot shares.
    pub mixed_instances: Option<MixedInstances>,
    /// Instances, in id order; those that are terminating are still in it. Shared, because groups are read far more often than
    /// their instances change.
    pub instances: Arc<[GroupInstance]>,
    /// Tags of the group.
    pub tags: Tags,
    /// Processes that are suspended.
    pub suspended: BTreeSet<Process>,
    /// New instances are protected from scale-in.
    pub protect_new_instances: bool,
    /// Health check in use.
    pub health_check: HealthCheckKind,
    /// How long after its start an instance is not judged.
    pub health_check_grace: Duration,
    /// Names of classic load balancers (cloud fact 4.1: an instance is ready when it is in service in each of them).
    pub load_balancers: Vec<String>,
    /// Ids of target groups.
    pub target_groups: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// True while a deletion runs.
    pub deleting: bool,
}

/// New bounds and size of a group; what is absent stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupSize {
    /// Smallest size.
    pub min: Option<u32>,
    /// Largest size.
    pub max: Option<u32>,
    /// Size to work towards. When only the bounds are given the cloud moves the desired size into them.
    pub desired: Option<u32>,
}

/// Whether taking an instance out makes the group smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shrink {
    /// The desired size goes down by one.
    Yes,
    /// The instance is replaced.
    No,
}

/// A process of the group that can be suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// Starting instances.
    Launch,
    /// Ending instances.
    Terminate,
    /// Marking and replacing unhealthy ones.
    HealthCheck,
    /// Replacing those that are marked.
    ReplaceUnhealthy,
    /// Evening out the zones.
    AzRebalance,
    /// Reacting to alarms.
    AlarmNotification,
    /// Scheduled changes of size.
    ScheduledActions,
    /// Registering new instances at load balancers.
    AddToLoadBalancer,
    /// Refreshing instances.
    InstanceRefresh,
}

impl Process {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Launch,
        Self::Terminate,
        Self::HealthCheck,
        Self::ReplaceUnhealthy,
        Self::AzRebalance,
        Self::AlarmNotification,
        Self::ScheduledActions,
        Self::AddToLoadBalancer,
        Self::InstanceRefresh,
    ];
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Launch => "Launch",
            Self::Terminate => "Terminate",
            Self::HealthCheck => "HealthCheck",
            Self::ReplaceUnhealthy => "ReplaceUnhealthy",
            Self::AzRebalance => "AZRebalance",
            Self::AlarmNotification => "AlarmNotification",
            Self::ScheduledActions => "ScheduledActions",
            Self::AddToLoadBalancer => "AddToLoadBalancer",
            Self::InstanceRefresh => "InstanceRefresh",
        })
    }
}

/// Moment of an instance's life that a hook holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookTransition {
    /// Before it goes in service.
    Launching,
    /// Before it is stopped.
    Terminating,
}

/// What happens when nobody completes a hook in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookDefault {
    /// Go on (cloud fact 4.6: KOA's `kube-node-ready-lifecycle-hook`, 600 s, default CONTINUE).
    Continue,
    /// A launching instance is terminated; a terminating one goes on at once.
    Abandon,
}

/// Answer to a hook; the same two as its default.
pub type HookResult = HookDefault;

/// A hook of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleHook {
    /// Name, unique in the group.
    pub name: String,
    /// What it holds.
    pub transition: HookTransition,
    /// How long without an answer or a heartbeat.
    pub heartbeat_timeout: Duration,
    /// What happens then.
    pub default_result: HookDefault,
}

/// How an activity of a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActivityStatus {
    /// Under way.
    InProgress,
    /// Held by a lifecycle hook.
    WaitingForHook,
    /// Done.
    Successful,
    /// Not done; the message says why, such as missing capacity.
    Failed,
    /// Overtaken.
    Cancelled,
}

/// One thing that a group did or tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Id.
    pub id: String,
    /// What, such as `Launching a new EC2 instance: i-…`.
    pub description: String,
    /// Why, in the provider's words.
    pub cause: String,
    /// Outcome.
    pub status: ActivityStatus,
    /// The provider's text for a failure.
    pub message: Option<String>,
    /// Beginning.
    pub start: Timestamp,
    /// End.
    pub end: Option<Timestamp>,
}

/// Node groups of one account and region.
#[async_trait]
pub trait NodeGroups: Send + Sync {
    /// Groups whose tags hold all of `tags`, in name order (cloud fact 4.1: `kubernetes.io/cluster/<name>=owned`, `NodePool`).
    async fn groups(&self, tags: &Tags) -> Result<Vec<Group>, CloudError>;

    /// One group.
    async fn group(&self, name: &GroupName) -> Result<Group, CloudError>;

    /// What it did or tried since `since`, newest first.
    async fn group_activities(&self, name: &GroupName, since: Timestamp) -> Result<Vec<Activity>, CloudError>;

    /// Changes bounds and desired size.
    ///
    /// # Errors
    /// [`CloudError::Invalid`] when the desired size is outside the bounds or min is above max; nothing changes then.
    async fn resize_group(&self, name: &GroupName, size: GroupSize) -> Result<(), CloudError>;

    /// Terminates an instance of a group, whatever its protection.
    ///
    /// # Errors
    /// [`CloudError::Invalid`] for an instance that is in no group, or when shrinking would go below the smallest size.
    async fn terminate_in_group(&self, instance: &InstanceId, shrink: Shrink) -> Result<(), CloudError>;

    /// Puts running instances into a group; its desired size grows by their number.
    async fn attach_instances(&self, name: &GroupName, instances: &[InstanceId]) -> Result<(), CloudError>;

    /// Takes instances out of a group; they live on.
    async fn detach_instances(
        &self,
        name: &GroupName,
        instances: &[InstanceId],
        shrink: Shrink,
    ) -> Result<(), CloudError>;

    /// Protects instances from scale-in, or lifts it.
    async fn protect_instances(
        &self,
        name: &GroupName,
        instances: &[InstanceId],
        protect: bool,
    ) -> Result<(), CloudError>;

    /// Suspends processes. Suspended ones really rest: with `Launch` suspended no instance comes, whatever the desired size.
    async fn suspend_processes(&self, name: &GroupName, processes: &BTreeSet<Process>) -> Result<(), CloudError>;

    /// Resumes processes.
    async fn resume_processes(&self, name: &GroupName, processes: &BTreeSet<Process>) -> Result<(), CloudError>;

    /// Sets tags of a group; others stay.
    async fn tag_group(&self, name: &GroupName, tags: &Tags) -> Result<(), CloudError>;

    /// Removes tags of a group, such as `k8s.io/cluster-autoscaler/enabled` before a pool is removed (cloud fact 4.3).
    async fn untag_group(&self, name: &GroupName, keys: &BTreeSet<String>) -> Result<(), CloudError>;

    /// Launches from this version from now on; living instances keep theirs.
    async fn set_group_template_version(&self, name: &GroupName, version: TemplateVersion) -> Result<(), CloudError>;

    /// Hooks of a group, in name order.
    async fn lifecycle_hooks(&self, name: &GroupName) -> Result<Vec<LifecycleHook>, CloudError>;

    /// Answers a hook for an instance.
    ///
    /// # Errors
    /// [`CloudError::Invalid`] when that hook does not hold that instance.
    async fn complete_hook(
        &self,
        name: &GroupName,
        hook: &str,
        instance: &InstanceId,
        result: HookResult,
    ) -> Result<(), CloudError>;

    /// Asks a hook to hold an instance for its time-out once more, up to the provider's bound.
    async fn extend_hook(&self, name: &GroupName, hook: &str, instance: &InstanceId) -> Result<(), CloudError>;

    /// Marks an instance healthy or unhealthy; with `respect_grace` a mark inside the grace period has no effect.
    async fn set_instance_health(
        &self,
        instance: &InstanceId,
        healthy: bool,
        respect_grace: bool,
    ) -> Result<(), CloudError>;

    /// Deletes a group; without `force` only when it has no instances.
    ///
    /// # Errors
    /// [`CloudError::Conflict`] without `force` while instances are in it.
    async fn delete_group(&self, name: &GroupName, force: bool) -> Result<(), CloudError>;
}
