//! A way to the cloud on which every write is seen.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use cloud_sim::CloudSim;
use jiff::Timestamp;
use ports::cloud::*;

use super::eye::Eye;
use crate::life::Fate;

/// The cloud of a cluster as one manager reaches it.
pub(super) struct SeenCloud {
    pub(super) inner: CloudSim,
    pub(super) eye: Arc<Eye>,
    pub(super) actor: u64,
    pub(super) alias: String,
}

impl std::fmt::Debug for SeenCloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeenCloud")
            .field("alias", &self.alias)
            .finish_non_exhaustive()
    }
}

type Result<T> = std::result::Result<T, CloudError>;

impl SeenCloud {
    async fn read<T>(&self, _: &str, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        work.await
    }

    async fn write<T>(&self, name: &str, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let fate = self.eye.write(self.actor, &self.alias, name);
        if fate == Fate::Before {
            return std::future::pending().await;
        }
        let done = work.await;
        match fate {
            Fate::After => std::future::pending().await,
            _ => done,
        }
    }
}

macro_rules! cloud {
    ($($part:ident { $($how:ident $name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)+ })+) => { $(
        #[async_trait]
        impl $part for SeenCloud {
            $(async fn $name(&self, $($arg: $kind),*) -> Result<$out> {
                self.$how(stringify!($name), self.inner.$name($($arg),*)).await
            })+
        }
    )+ };
}

cloud! {
    Stacks {
        read stacks() -> Vec<Stack>;
        read stack(stack: &str) -> Stack;
        read stack_events(stack: &str, after: u64) -> Vec<StackEvent>;
        read stack_resources(stack: &str) -> Vec<StackResource>;
        read stack_template(stack: &str) -> String;
        write create_stack(request: &StackRequest) -> String;
        write update_stack(request: &StackRequest) -> StackUpdate;
        read preview_stack_update(request: &StackRequest) -> Vec<ResourceChange>;
        write delete_stack(stack: &str, retain: &BTreeSet<String>) -> ();
        write cancel_stack_update(stack: &str) -> ();
        write continue_stack_rollback(stack: &str, skip: &BTreeSet<String>) -> ();
        write set_stack_protection(stack: &str, protected: bool) -> ();
        write signal_stack_resource(stack: &str, logical_id: &str, instance: &InstanceId, success: bool) -> ();
    }
    NodeGroups {
        read groups(tags: &Tags) -> Vec<Group>;
        read group(name: &GroupName) -> Group;
        read group_activities(name: &GroupName, since: Timestamp) -> Vec<Activity>;
        write resize_group(name: &GroupName, size: GroupSize) -> ();
        write terminate_in_group(instance: &InstanceId, shrink: Shrink) -> ();
        write attach_instances(name: &GroupName, instances: &[InstanceId]) -> ();
        write detach_instances(name: &GroupName, instances: &[InstanceId], shrink: Shrink) -> ();
        write protect_instances(name: &GroupName, instances: &[InstanceId], protect: bool) -> ();
        write suspend_processes(name: &GroupName, processes: &BTreeSet<Process>) -> ();
        write resume_processes(name: &GroupName, processes: &BTreeSet<Process>) -> ();
        write tag_group(name: &GroupName, tags: &Tags) -> ();
        write untag_group(name: &GroupName, keys: &BTreeSet<String>) -> ();
        write set_group_template_version(name: &GroupName, version: TemplateVersion) -> ();
        read lifecycle_hooks(name: &GroupName) -> Vec<LifecycleHook>;
        write complete_hook(name: &GroupName, hook: &str, instance: &InstanceId, result: HookResult) -> ();
        write extend_hook(name: &GroupName, hook: &str, instance: &InstanceId) -> ();
        write set_instance_health(instance: &InstanceId, healthy: bool, respect_grace: bool) -> ();
        write delete_group(name: &GroupName, force: bool) -> ();
    }
    Instances {
        read instances(filter: &InstanceFilter) -> Vec<Arc<Instance>>;
        read instance_user_data(instance: &InstanceId) -> Option<String>;
        write terminate_instances(instances: &[InstanceId]) -> ();
    }
    Machines {
        read launch_template(template: &str, version: TemplateVersion) -> LaunchTemplate;
        read images(owner: &str, name: &str) -> Vec<Image>;
        read image(id: &str) -> Image;
        read instance_types() -> Vec<InstanceType>;
    }
    Network {
        read zones() -> Vec<String>;
        read vpcs() -> Vec<Vpc>;
        read subnets(vpc: &str) -> Vec<Subnet>;
        read network_interfaces(tags: &Tags) -> Vec<NetworkInterface>;
        write delete_network_interface(id: &str) -> ();
        read volumes(tags: &Tags) -> Vec<Volume>;
        write delete_volume(id: &str) -> ();
    }
    LoadBalancers {
        read load_balancers(tags: &Tags) -> Vec<LoadBalancer>;
        write delete_load_balancer(id: &str) -> ();
        read classic_health(name: &str) -> Vec<(InstanceId, TargetHealth)>;
        read target_health(target_group: &str) -> Vec<(InstanceId, TargetHealth)>;
    }
    Certificates {
        read certificates() -> Vec<Certificate>;
    }
    Dns {
        read dns_zones() -> Vec<DnsZone>;
        read dns_records(zone: &str) -> Vec<DnsRecord>;
        write change_dns(zone: &str, batch: &[DnsChange]) -> String;
        read dns_in_sync(change: &str) -> bool;
    }
    Objects {
        write ensure_bucket(bucket: &str) -> ();
        write put_object(bucket: &str, key: &str, bytes: &[u8], condition: &PutCondition) -> ObjectInfo;
        read object(bucket: &str, key: &str) -> StoredObject;
        read object_info(bucket: &str, key: &str) -> ObjectInfo;
        read list_objects(bucket: &str, prefix: &str) -> Vec<ObjectInfo>;
        read object_versions(bucket: &str, prefix: &str) -> Vec<ObjectVersion>;
        write delete_object(bucket: &str, key: &str, version: Option<&str>) -> ();
        write delete_bucket(bucket: &str) -> ();
    }
    Keys {
        read key(key: &str) -> Key;
        read encrypt(key: &str, plaintext: &[u8]) -> Vec<u8>;
        read decrypt(ciphertext: &[u8]) -> Vec<u8>;
    }
    ControlPlanes {
        read control_plane(name: &str) -> ControlPlane;
    }
}

impl Cloud for SeenCloud {
    fn account(&self) -> &str {
        self.inner.account()
    }

    fn region(&self) -> &str {
        self.inner.region()
    }
}
