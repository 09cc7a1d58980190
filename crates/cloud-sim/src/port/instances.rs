//! Instances, what they are made from, and the networks that they are in.

use std::sync::Arc;

use async_trait::async_trait;
use ports::cloud::{
    CloudError, Image, Instance, InstanceFilter, InstanceId, InstanceType, Instances, LaunchTemplate, Machines,
    Network, NetworkInterface, Subnet, Tags, TemplateVersion, Volume, VolumeState, Vpc, tags_match,
};

use crate::sim::{CloudSim, add_image};

fn missing(kind: &'static str, id: &str) -> CloudError {
    let id = id.to_owned();
    CloudError::NotFound { kind, id }
}

fn in_use(call: &'static str, kind: &'static str, id: &str) -> CloudError {
    CloudError::Conflict {
        call,
        kind,
        id: id.to_owned(),
        message: "it is in use".to_owned(),
    }
}

#[async_trait]
impl Instances for CloudSim {
    async fn instances(&self, filter: &InstanceFilter) -> Result<Vec<Arc<Instance>>, CloudError> {
        let fits = |instance: &Arc<Instance>| {
            tags_match(&instance.tags, &filter.tags)
                && filter.tag_keys.iter().all(|key| instance.tags.contains_key(key))
                && (filter.states.is_empty() || filter.states.contains(&instance.state))
                && (filter.ids.is_empty() || filter.ids.contains(&instance.id))
        };
        self.read("DescribeInstances", |world| {
            let all = &world.state.instances;
            // Who names instances need not wait for a look at all of them.
            if !filter.ids.is_empty() {
                let named = filter.ids.iter().filter_map(|id| Some(&all.get(id)?.view));
                return Ok(named.filter(|instance| fits(instance)).cloned().collect());
            }
            let all = all.values().map(|record| &record.view);
            Ok(all.filter(|instance| fits(instance)).cloned().collect())
        })
        .await
    }

    async fn instance_user_data(&self, instance: &InstanceId) -> Result<Option<String>, CloudError> {
        self.read("DescribeInstanceAttribute", |world| {
            let record = world.state.instances.get(instance);
            record
                .map(|r| r.user_data.clone())
                .ok_or_else(|| missing("instance", instance.as_str()))
        })
        .await
    }

    async fn terminate_instances(&self, instances: &[InstanceId]) -> Result<(), CloudError> {
        let names = instances.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(",");
        self.write("TerminateInstances", &names, |world| world.terminate(instances))
            .await
    }
}

#[async_trait]
impl Machines for CloudSim {
    async fn launch_template(&self, template: &str, version: TemplateVersion) -> Result<LaunchTemplate, CloudError> {
        self.read("DescribeLaunchTemplateVersions", |world| {
            world.template_version(template, version)
        })
        .await
    }

    async fn images(&self, owner: &str, name: &str) -> Result<Vec<Image>, CloudError> {
        self.read("DescribeImages", |world| {
            if world.options.images_on_demand {
                add_image(world, owner, name);
            }
            let all = world.state.images.values();
            let mut found: Vec<Image> = all
                .filter(|image| image.owner == owner && image.name == name)
                .cloned()
                .collect();
            found.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
            Ok(found)
        })
        .await
    }

    async fn image(&self, id: &str) -> Result<Image, CloudError> {
        self.read("DescribeImages", |world| {
            world.state.images.get(id).cloned().ok_or_else(|| missing("image", id))
        })
        .await
    }

    async fn instance_types(&self) -> Result<Vec<InstanceType>, CloudError> {
        self.read("DescribeInstanceTypes", |world| {
            Ok(world.state.types.values().cloned().collect())
        })
        .await
    }
}

#[async_trait]
impl Network for CloudSim {
    async fn zones(&self) -> Result<Vec<String>, CloudError> {
        self.read("DescribeAvailabilityZones", |world| {
            let zones = world
                .options
                .zones
                .chars()
                .map(|letter| format!("{}{letter}", world.options.region));
            let mut zones: Vec<String> = zones.collect();
            zones.sort_unstable();
            Ok(zones)
        })
        .await
    }

    async fn vpcs(&self) -> Result<Vec<Vpc>, CloudError> {
        self.read("DescribeVpcs", |world| Ok(world.state.vpcs.values().cloned().collect()))
            .await
    }

    async fn subnets(&self, vpc: &str) -> Result<Vec<Subnet>, CloudError> {
        self.read("DescribeSubnets", |world| {
            Ok(world
                .state
                .subnets
                .values()
                .filter(|subnet| subnet.vpc == vpc)
                .cloned()
                .collect())
        })
        .await
    }

    async fn network_interfaces(&self, tags: &Tags) -> Result<Vec<NetworkInterface>, CloudError> {
        self.read("DescribeNetworkInterfaces", |world| {
            Ok(world
                .state
                .interfaces
                .values()
                .filter(|i| tags_match(&i.tags, tags))
                .cloned()
                .collect())
        })
        .await
    }

    async fn delete_network_interface(&self, id: &str) -> Result<(), CloudError> {
        let call = "DeleteNetworkInterface";
        self.write(call, id, |world| {
            let interface = world
                .state
                .interfaces
                .get(id)
                .ok_or_else(|| missing("network interface", id))?;
            if !interface.available {
                return Err(in_use(call, "network interface", id));
            }
            world.state.interfaces.remove(id);
            Ok(())
        })
        .await
    }

    async fn volumes(&self, tags: &Tags) -> Result<Vec<Volume>, CloudError> {
        self.read("DescribeVolumes", |world| {
            Ok(world
                .state
                .volumes
                .values()
                .filter(|volume| tags_match(&volume.tags, tags))
                .cloned()
                .collect())
        })
        .await
    }

    async fn delete_volume(&self, id: &str) -> Result<(), CloudError> {
        let call = "DeleteVolume";
        self.write(call, id, |world| {
            let volume = world.state.volumes.get(id).ok_or_else(|| missing("volume", id))?;
            if volume.state == VolumeState::InUse {
                return Err(in_use(call, "volume", id));
            }
            world.state.volumes.remove(id);
            Ok(())
        })
        .await
    }
}
