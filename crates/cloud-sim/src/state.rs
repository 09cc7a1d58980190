//! Everything that exists in an account, as one value: it can be copied, which is how reads of the past are served.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use ports::cloud::{
    Certificate, ControlPlane, GroupName, Image, Instance, InstanceId, InstanceType, LaunchTemplate, LoadBalancer,
    NetworkInterface, Subnet, Tags, Volume, Vpc,
};

use crate::dns::Zone;
use crate::groups::GroupRecord;
use crate::keys::KeyRecord;
use crate::objects::BucketRecord;
use crate::stacks::StackRecord;

/// Something that is to happen at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// An instance has booted.
    Running(InstanceId),
    /// The boot agent of an instance is through.
    AgentReady(InstanceId),
    /// An instance is gone.
    Terminated(InstanceId),
    /// A terminated instance is no longer shown.
    Forget(InstanceId),
    /// The cloud advises to leave a spot instance.
    Rebalance(InstanceId),
    /// The cloud announces that it takes a spot instance.
    SpotNotice(InstanceId),
    /// It takes it.
    SpotLoss(InstanceId),
    /// A health check looks at an instance.
    HealthCheck(InstanceId),
    /// A group looks at itself.
    Tick(GroupName),
    /// A hook has held an instance for its time.
    HookTimeout {
        group: GroupName,
        instance: InstanceId,
        hook: String,
        round: u64,
    },
    /// A task of a stack's operation is through, or should be looked at.
    Task {
        stack: String,
        operation: u64,
        logical_id: String,
    },
    /// A stack's operation goes on.
    Step { stack: String, operation: u64 },
}

/// An instance with what the cloud alone knows about it.
#[derive(Debug, Clone)]
pub(crate) struct InstanceRecord {
    /// Shared with who asked for it; a change makes another one.
    pub(crate) view: Arc<Instance>,
    pub(crate) user_data: Option<String>,
    pub(crate) never_ready: bool,
    /// What its targets' health checks would find.
    pub(crate) answers: bool,
}

impl InstanceRecord {
    /// The instance to be changed. Who asked for it before keeps what he was told.
    pub(crate) fn view_mut(&mut self) -> &mut Instance {
        Arc::make_mut(&mut self.view)
    }
}

/// A launch template with all its versions, the first at number 1.
#[derive(Debug, Clone)]
pub(crate) struct TemplateRecord {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) versions: Vec<LaunchTemplate>,
    pub(crate) default: u64,
}

/// A target group or a classic load balancer's set of targets is computed from groups; this is only its name.
#[derive(Debug, Clone)]
pub(crate) struct TargetGroupRecord {
    pub(crate) arn: String,
}

/// The account.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) queue: BTreeMap<(Timestamp, u64), Due>,
    pub(crate) queued: u64,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) instances: BTreeMap<InstanceId, InstanceRecord>,
    pub(crate) groups: BTreeMap<GroupName, GroupRecord>,
    pub(crate) templates: BTreeMap<String, TemplateRecord>,
    pub(crate) images: BTreeMap<String, Image>,
    pub(crate) types: BTreeMap<String, InstanceType>,
    /// Names of instance profiles that exist.
    pub(crate) profiles: BTreeSet<String>,
    pub(crate) vpcs: BTreeMap<String, Vpc>,
    pub(crate) subnets: BTreeMap<String, Subnet>,
    /// Addresses in use, and the last one given out, per subnet.
    pub(crate) addresses: BTreeMap<String, (BTreeSet<u32>, u32)>,
    pub(crate) interfaces: BTreeMap<String, NetworkInterface>,
    pub(crate) volumes: BTreeMap<String, Volume>,
    /// Stacks by id, deleted ones included.
    pub(crate) stacks: BTreeMap<String, StackRecord>,
    /// Ids of stacks that are not deleted, by name.
    pub(crate) stack_names: BTreeMap<String, String>,
    /// Export name to the id of its stack and the value.
    pub(crate) exports: BTreeMap<String, (String, String)>,
    pub(crate) balancers: BTreeMap<String, LoadBalancer>,
    pub(crate) target_groups: BTreeMap<String, TargetGroupRecord>,
    pub(crate) certificates: BTreeMap<String, Certificate>,
    pub(crate) zones: BTreeMap<String, Zone>,
    /// DNS changes and when all servers have them.
    pub(crate) dns_changes: BTreeMap<String, Timestamp>,
    pub(crate) buckets: BTreeMap<String, BucketRecord>,
    pub(crate) keys: BTreeMap<String, KeyRecord>,
    /// Alias to key id.
    pub(crate) aliases: BTreeMap<String, String>,
    pub(crate) control_planes: BTreeMap<String, ControlPlane>,
    /// Tags of everything that has no record of its own, by physical id.
    pub(crate) tags: BTreeMap<String, Tags>,
}
