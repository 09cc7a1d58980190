//! Load balancers, certificates, DNS, objects, keys, control planes.

use async_trait::async_trait;
use ports::cloud::{
    Certificate, CertificateStatus, Certificates, CloudError, ControlPlane, ControlPlanes, Dns, DnsChange, DnsRecord,
    DnsZone, InstanceId, Key, Keys, LoadBalancer, LoadBalancers, ObjectInfo, ObjectVersion, Objects, PutCondition,
    StoredObject, Tags, TargetHealth, tags_match,
};

use crate::groups::GroupRecord;
use crate::sim::CloudSim;
use crate::world::World;

/// Health of the members of the groups that register at something.
fn health(world: &World, registers: impl Fn(&GroupRecord) -> bool) -> Vec<(InstanceId, TargetHealth)> {
    let groups = world.state.groups.values().filter(|group| registers(group));
    let members = groups.flat_map(|group| group.members.iter());
    let judged = members.map(|(id, member)| (id.clone(), world.target_health_of(id, member)));
    judged.filter(|(_, health)| *health != TargetHealth::Unused).collect()
}

#[async_trait]
impl LoadBalancers for CloudSim {
    async fn load_balancers(&self, tags: &Tags) -> Result<Vec<LoadBalancer>, CloudError> {
        self.read("DescribeLoadBalancers", |world| {
            Ok(world
                .state
                .balancers
                .values()
                .filter(|balancer| tags_match(&balancer.tags, tags))
                .cloned()
                .collect())
        })
        .await
    }

    async fn delete_load_balancer(&self, id: &str) -> Result<(), CloudError> {
        self.write("DeleteLoadBalancer", id, |world| {
            world.state.balancers.remove(id);
            Ok(())
        })
        .await
    }

    async fn classic_health(&self, name: &str) -> Result<Vec<(InstanceId, TargetHealth)>, CloudError> {
        let name = name.to_owned();
        self.read("DescribeInstanceHealth", |world| {
            if !world.state.balancers.values().any(|balancer| balancer.name == name) {
                let (kind, id) = ("load balancer", name.clone());
                return Err(CloudError::NotFound { kind, id });
            }
            Ok(health(world, |group| group.load_balancers.contains(&name)))
        })
        .await
    }

    async fn target_health(&self, target_group: &str) -> Result<Vec<(InstanceId, TargetHealth)>, CloudError> {
        let arn = target_group.to_owned();
        self.read("DescribeTargetHealth", |world| {
            if !world.state.target_groups.contains_key(&arn) {
                let (kind, id) = ("target group", arn.clone());
                return Err(CloudError::NotFound { kind, id });
            }
            Ok(health(world, |group| group.target_groups.contains(&arn)))
        })
        .await
    }
}

#[async_trait]
impl Certificates for CloudSim {
    async fn certificates(&self) -> Result<Vec<Certificate>, CloudError> {
        self.read("ListCertificates", |world| {
            let now = world.now;
            let valid = |certificate: &&Certificate| {
                certificate.status == CertificateStatus::Issued && certificate.not_after > now
            };
            Ok(world.state.certificates.values().filter(valid).cloned().collect())
        })
        .await
    }
}

#[async_trait]
impl Dns for CloudSim {
    async fn dns_zones(&self) -> Result<Vec<DnsZone>, CloudError> {
        self.read("ListHostedZones", |world| {
            let mut zones: Vec<DnsZone> = world.state.zones.values().map(|zone| zone.view.clone()).collect();
            zones.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
            Ok(zones)
        })
        .await
    }

    async fn dns_records(&self, zone: &str) -> Result<Vec<DnsRecord>, CloudError> {
        self.read("ListResourceRecordSets", |world| {
            let found = world.state.zones.get(zone);
            found
                .map(|zone| zone.records.values().cloned().collect())
                .ok_or_else(|| CloudError::NotFound {
                    kind: "DNS zone",
                    id: zone.to_owned(),
                })
        })
        .await
    }

    async fn change_dns(&self, zone: &str, batch: &[DnsChange]) -> Result<String, CloudError> {
        self.write("ChangeResourceRecordSets", zone, |world| world.change_dns(zone, batch))
            .await
    }

    async fn dns_in_sync(&self, change: &str) -> Result<bool, CloudError> {
        self.read("GetChange", |world| {
            let at = world.state.dns_changes.get(change);
            at.map(|at| *at <= world.now).ok_or_else(|| CloudError::NotFound {
                kind: "DNS change",
                id: change.to_owned(),
            })
        })
        .await
    }
}

#[async_trait]
impl Objects for CloudSim {
    async fn ensure_bucket(&self, bucket: &str) -> Result<(), CloudError> {
        self.write("CreateBucket", bucket, |world| world.ensure_bucket(bucket))
            .await
    }

    async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        bytes: &[u8],
        condition: &PutCondition,
    ) -> Result<ObjectInfo, CloudError> {
        let subject = format!("{bucket}/{key}");
        self.write("PutObject", &subject, |world| {
            world.put_object(bucket, key, bytes, condition)
        })
        .await
    }

    async fn object(&self, bucket: &str, key: &str) -> Result<StoredObject, CloudError> {
        self.read("GetObject", |world| world.object(bucket, key)).await
    }

    async fn object_info(&self, bucket: &str, key: &str) -> Result<ObjectInfo, CloudError> {
        self.read("HeadObject", |world| {
            world.object(bucket, key).map(|object| object.info)
        })
        .await
    }

    async fn list_objects(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, CloudError> {
        self.read("ListObjectsV2", |world| world.list_objects(bucket, prefix))
            .await
    }

    async fn object_versions(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectVersion>, CloudError> {
        self.read("ListObjectVersions", |world| world.object_versions(bucket, prefix))
            .await
    }

    async fn delete_object(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<(), CloudError> {
        let subject = format!("{bucket}/{key}");
        self.write("DeleteObject", &subject, |world| {
            world.delete_object(bucket, key, version)
        })
        .await
    }

    async fn delete_bucket(&self, bucket: &str) -> Result<(), CloudError> {
        self.write("DeleteBucket", bucket, |world| world.delete_bucket(bucket))
            .await
    }
}

#[async_trait]
impl Keys for CloudSim {
    async fn key(&self, key: &str) -> Result<Key, CloudError> {
        self.read("DescribeKey", |world| world.key(key).map(|(_, key)| key))
            .await
    }

    async fn encrypt(&self, key: &str, plaintext: &[u8]) -> Result<Vec<u8>, CloudError> {
        self.read("Encrypt", |world| world.encrypt(key, plaintext)).await
    }

    async fn decrypt(&self, ciphertext: &[u8]) -> Result<Vec<u8>, CloudError> {
        self.read("Decrypt", |world| world.decrypt(ciphertext)).await
    }
}

#[async_trait]
impl ControlPlanes for CloudSim {
    async fn control_plane(&self, name: &str) -> Result<ControlPlane, CloudError> {
        self.read("DescribeCluster", |world| {
            world
                .state
                .control_planes
                .get(name)
                .cloned()
                .ok_or_else(|| CloudError::NotFound {
                    kind: "control plane",
                    id: name.to_owned(),
                })
        })
        .await
    }
}
