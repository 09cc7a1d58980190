//! Making, changing and deleting the things behind resources. Types without a model of their own only get their ids.

use std::collections::BTreeMap;

use ports::cloud::{
    AliasTarget, Certificate, CertificateStatus, ControlPlane, DnsAction, DnsChange, DnsRecord, GroupName,
    LoadBalancer, LoadBalancerKind, Tags, Volume, VolumeState,
};
use serde_json::Value;

use super::ResourceRecord;
use super::node_group::{hook_spec, template_spec};
use super::signal::Wait;
use super::types::{GROUP, HOOK, LISTENER, LISTENER_CERTIFICATE, TEMPLATE, WAIT, id_prefix, type_info};
use crate::state::TargetGroupRecord;
use crate::template::text;
use crate::world::{World, later};

/// Member of evaluated properties that holds the tags of the stack, which are passed on to what is made.
pub(super) const STACK_TAGS: &str = "StackTags";

/// What came of making a resource.
pub(super) struct Made {
    pub(super) physical: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) wait: Option<Wait>,
}

/// True when going from the old to the new properties needs a new resource.
pub(super) fn must_replace(old: &ResourceRecord, kind: &str, new: &Value, update_policy: &Value) -> bool {
    old.kind != kind || replaced_by(kind, &old.properties, new, update_policy)
}

pub(super) fn replaced_by(kind: &str, old: &Value, new: &Value, update_policy: &Value) -> bool {
    let Some(info) = type_info(kind) else {
        return false;
    };
    let wholly = update_policy.pointer("/AutoScalingReplacingUpdate/WillReplace");
    if kind == GROUP && wholly.is_some_and(|will| text(will) == "true") {
        return old != new;
    }
    let differs = |property: &&str| match *property {
        "*" => without_tags(old) != without_tags(new),
        property => old.get(property) != new.get(property),
    };
    info.replace.iter().any(differs)
}

fn without_tags(properties: &Value) -> Value {
    let mut properties = properties.clone();
    if let Some(map) = properties.as_object_mut() {
        map.remove(STACK_TAGS);
    }
    properties
}

/// A property as text.
pub(super) fn property(properties: &Value, name: &str) -> Option<String> {
    properties.get(name).filter(|value| !value.is_null()).map(text)
}

/// A property as a list of texts.
pub(super) fn list(properties: &Value, name: &str) -> Vec<String> {
    let items = properties.get(name).and_then(Value::as_array);
    items.map(|items| items.iter().map(text).collect()).unwrap_or_default()
}

/// Tags of a list of keys and values.
pub(super) fn tag_list(value: Option<&Value>) -> Tags {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let pair = |item: &Value| Some((property(item, "Key")?, property(item, "Value").unwrap_or_default()));
    items.iter().filter_map(pair).collect()
}

impl World {
    /// Tags that a resource gets: the stack's, its own, and the provider's.
    pub(super) fn resource_tags(&self, id: &str, logical_id: &str, properties: &Value) -> Tags {
        let mut tags = Tags::new();
        if let Some(stack_tags) = properties.get(STACK_TAGS).and_then(Value::as_object) {
            tags.extend(stack_tags.iter().map(|(key, value)| (key.clone(), text(value))));
        }
        tags.extend(tag_list(properties.get("Tags")));
        let name = self
            .state
            .stacks
            .get(id)
            .map(|stack| stack.name.clone())
            .unwrap_or_default();
        tags.insert("aws:cloudformation:stack-name".to_owned(), name);
        tags.insert("aws:cloudformation:stack-id".to_owned(), id.to_owned());
        tags.insert("aws:cloudformation:logical-id".to_owned(), logical_id.to_owned());
        tags
    }

    fn fill(&self, pattern: &str, name: &str, id: &str, hex: &str, uuid: &str) -> String {
        pattern
            .replace("{account}", &self.options.account)
            .replace("{region}", &self.options.region)
            .replace("{hex}", hex)
            .replace("{uuid}", uuid)
            .replace("{name}", name)
            .replace("{id}", id)
    }

    /// Makes the thing behind a resource.
    pub(super) fn make(&mut self, id: &str, logical_id: &str, properties: &Value) -> Result<Made, String> {
        let stack = self.state.stacks.get(id).ok_or("The stack is gone.")?;
        let record = stack.resources.get(logical_id).ok_or("The resource is gone.")?;
        let kind = record.kind.clone();
        let info = type_info(&kind).ok_or("Unrecognized resource type.")?;
        let stack_name = stack.name.clone();
        let name = property(properties, info.name_property).filter(|name| !name.is_empty());
        let name = name.map(|name| name.trim_start_matches("https://").to_owned());
        let name = name.unwrap_or_else(|| self.generated_name(&stack_name, logical_id, &kind));
        let number = self.count("physical");
        let subject = number.to_string();
        let hex = self.random.hex("physical", &subject, 16);
        let uuid = self.random.uuid("physical", &subject);
        let generic = format!("{}{}", id_prefix(&kind), info.id);
        let physical = self.fill(&generic, &name, "", &hex, &uuid);
        let tags = self.resource_tags(id, logical_id, properties);
        let physical = self.make_thing(&kind, id, logical_id, &name, physical, properties, &tags)?;
        let attribute = |(key, pattern): &(&str, &str)| {
            let value = match *key {
                "VpcId" if pattern.is_empty() => property(properties, "VpcId").unwrap_or_default(),
                _ => self.fill(pattern, &name, &physical, &hex, &uuid),
            };
            ((*key).to_owned(), value)
        };
        let attributes = info.attributes.iter().map(attribute).collect();
        if kind != GROUP {
            self.state.tags.insert(physical.clone(), tags);
        }
        let wait = self.creation_wait(id, logical_id, &kind, properties);
        Ok(Made {
            physical,
            attributes,
            wait,
        })
    }

    fn generated_name(&mut self, stack: &str, logical_id: &str, kind: &str) -> String {
        let number = self.count("name");
        let suffix = self.random.suffix("name", &format!("{stack}/{logical_id}/{number}"));
        let name = format!("{stack}-{logical_id}-{suffix}");
        if kind == "AWS::S3::Bucket" {
            name.to_ascii_lowercase()
        } else {
            name
        }
    }

    /// What a resource waits for once it is made: signals of its creation policy.
    fn creation_wait(&self, id: &str, logical_id: &str, kind: &str, properties: &Value) -> Option<Wait> {
        let spec = self.state.stacks.get(id)?.target.template.resources.get(logical_id)?;
        let signal = if kind == WAIT {
            Some(properties)
        } else {
            spec.creation_policy.get("ResourceSignal")
        }?;
        let needed: u32 = property(signal, "Count").map_or(1, |count| count.parse().unwrap_or(1));
        let default = if kind == WAIT { 43_200 } else { 300 };
        let timeout = property(signal, "Timeout").map_or(default, |text| super::signal::seconds(&text, default));
        let deadline = later(self.now, std::time::Duration::from_secs(timeout));
        (needed > 0).then(|| Wait::signals(needed, deadline))
    }

    #[expect(clippy::too_many_arguments, reason = "all that a resource is made from")]
    fn make_thing(
        &mut self,
        kind: &str,
        id: &str,
        logical_id: &str,
        name: &str,
        physical: String,
        properties: &Value,
        tags: &Tags,
    ) -> Result<String, String> {
        match kind {
            GROUP => {
                self.make_group(id, logical_id, name, properties, tags)?;
            }
            TEMPLATE => {
                let spec = template_spec(properties);
                return self.create_template(name, spec).map_err(|error| error.to_string());
            }
            HOOK => {
                let group = GroupName(property(properties, "AutoScalingGroupName").unwrap_or_default());
                let record = self
                    .state
                    .groups
                    .get_mut(&group)
                    .ok_or("AutoScalingGroup name not found")?;
                record.hooks.insert(name.to_owned(), hook_spec(name, properties));
            }
            "AWS::IAM::InstanceProfile" => {
                fresh(self.state.profiles.insert(name.to_owned()), name)?;
            }
            "AWS::S3::Bucket" => {
                fresh(!self.state.buckets.contains_key(name), name)?;
                self.ensure_bucket(name).map_err(|error| error.to_string())?;
                self.set_versioning(name, properties);
            }
            "AWS::KMS::Key" => return Ok(self.create_key()),
            "AWS::KMS::Alias" => {
                fresh(!self.state.aliases.contains_key(name), name)?;
                let key = property(properties, "TargetKeyId").unwrap_or_default();
                let key = key.rsplit('/').next().unwrap_or_default().to_owned();
                self.state.aliases.insert(name.to_owned(), key);
            }
            "AWS::Route53::HostedZone" => {
                return Ok(self.create_zone(&property(properties, "Name").unwrap_or_default(), false));
            }
            "AWS::Route53::RecordSet" => self.change_record(DnsAction::Create, properties)?,
            "AWS::EC2::SecurityGroup" => {
                let vpc = property(properties, "VpcId").filter(|vpc| !self.state.vpcs.contains_key(vpc));
                if let Some(vpc) = vpc {
                    return Err(format!("The vpc ID '{vpc}' does not exist"));
                }
            }
            "AWS::ElasticLoadBalancingV2::LoadBalancer" | "AWS::ElasticLoadBalancing::LoadBalancer" => {
                self.make_balancer(kind, name, &physical, properties, tags)?;
            }
            "AWS::ElasticLoadBalancingV2::TargetGroup" => {
                if self
                    .state
                    .target_groups
                    .values()
                    .any(|group| group.arn.contains(&format!("targetgroup/{name}/")))
                {
                    return Err(format!(
                        "A target group with the same name '{name}' exists, but with different settings"
                    ));
                }
                let arn = physical.clone();
                self.state
                    .target_groups
                    .insert(physical.clone(), TargetGroupRecord { arn });
            }
            LISTENER | LISTENER_CERTIFICATE => self.attach_certificates(&physical, properties)?,
            "AWS::CertificateManager::Certificate" => self.make_certificate(&physical, properties),
            "AWS::EC2::Volume" => self.make_volume(&physical, properties, tags),
            "AWS::EKS::Cluster" => self.make_control_plane(name, properties),
            _ => {}
        }
        Ok(physical)
    }

    fn make_balancer(
        &mut self,
        kind: &str,
        name: &str,
        physical: &str,
        properties: &Value,
        tags: &Tags,
    ) -> Result<(), String> {
        if self.state.balancers.values().any(|balancer| balancer.name == name) {
            return Err(format!(
                "A load balancer with the same name '{name}' exists, but with different settings"
            ));
        }
        let kind = match (kind, property(properties, "Type").as_deref()) {
            ("AWS::ElasticLoadBalancing::LoadBalancer", _) => LoadBalancerKind::Classic,
            (_, Some("network")) => LoadBalancerKind::Network,
            _ => LoadBalancerKind::Application,
        };
        let balancer = LoadBalancer {
            id: physical.to_owned(),
            name: name.to_owned(),
            kind,
            dns_name: format!("{name}.elb.{}.amazonaws.com", self.options.region),
            vpc: self
                .state
                .vpcs
                .values()
                .find(|vpc| vpc.is_default)
                .map(|vpc| vpc.id.clone())
                .unwrap_or_default(),
            tags: tags.clone(),
        };
        self.state.balancers.insert(physical.to_owned(), balancer);
        Ok(())
    }

    fn make_certificate(&mut self, physical: &str, properties: &Value) {
        let mut names = vec![property(properties, "DomainName").unwrap_or_default()];
        names.extend(list(properties, "SubjectAlternativeNames"));
        let year = std::time::Duration::from_secs(395 * 86_400);
        let certificate = Certificate {
            id: physical.to_owned(),
            names,
            status: CertificateStatus::Issued,
            key_algorithm: property(properties, "KeyAlgorithm").unwrap_or_else(|| "RSA_2048".to_owned()),
            not_before: self.now,
            not_after: later(self.now, year),
            in_use_by: Vec::new(),
        };
        self.state.certificates.insert(physical.to_owned(), certificate);
    }

    fn make_volume(&mut self, physical: &str, properties: &Value, tags: &Tags) {
        let gibibytes: u64 = property(properties, "Size")
            .and_then(|size| size.parse().ok())
            .unwrap_or(8);
        let volume = Volume {
            id: physical.to_owned(),
            state: VolumeState::Available,
            zone: property(properties, "AvailabilityZone").unwrap_or_default(),
            instance: None,
            size: gibibytes << 30,
            tags: tags.clone(),
        };
        self.state.volumes.insert(physical.to_owned(), volume);
    }

    fn make_control_plane(&mut self, name: &str, properties: &Value) {
        let plane = ControlPlane {
            name: name.to_owned(),
            version: property(properties, "Version").unwrap_or_else(|| "1.31".to_owned()),
            active: true,
            endpoint: format!("https://{name}.eks.{}.amazonaws.com", self.options.region),
            certificate_authority: "c2ltdWxhdGVk".to_owned(),
            oidc_issuer: format!("https://oidc.eks.{}.amazonaws.com/id/{name}", self.options.region),
            service_cidr: "172.20.0.0/16".to_owned(),
        };
        self.state.control_planes.insert(name.to_owned(), plane);
    }

    fn set_versioning(&mut self, bucket: &str, properties: &Value) {
        let enabled = properties
            .pointer("/VersioningConfiguration/Status")
            .map(text)
            .as_deref()
            == Some("Enabled");
        if let Some(bucket) = self.state.buckets.get_mut(bucket) {
            bucket.versioned |= enabled;
        }
    }

    fn change_record(&mut self, action: DnsAction, properties: &Value) -> Result<(), String> {
        let zone = property(properties, "HostedZoneId").or_else(|| property(properties, "HostedZoneName"));
        let zone = zone.unwrap_or_default();
        let id = self
            .zone_id(&zone)
            .ok_or_else(|| format!("No hosted zone named {zone} found"))?;
        let alias = properties.get("AliasTarget").map(|target| AliasTarget {
            zone: property(target, "HostedZoneId").unwrap_or_default(),
            dns_name: property(target, "DNSName").unwrap_or_default(),
        });
        let record = DnsRecord {
            name: property(properties, "Name").unwrap_or_default(),
            kind: property(properties, "Type").unwrap_or_default(),
            values: list(properties, "ResourceRecords"),
            ttl: property(properties, "TTL").and_then(|ttl| ttl.parse().ok()),
            alias,
            set_identifier: property(properties, "SetIdentifier"),
            weight: property(properties, "Weight").and_then(|weight| weight.parse().ok()),
        };
        let mut record = record;
        record.name.make_ascii_lowercase();
        if !record.name.ends_with('.') {
            record.name.push('.');
        }
        self.change_dns(&id, &[DnsChange { action, record }])
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    /// Changes the thing behind a resource in place.
    pub(super) fn change(
        &mut self,
        id: &str,
        logical_id: &str,
        old: &ResourceRecord,
        properties: &Value,
    ) -> Result<Option<Wait>, String> {
        let physical = old.physical.clone().unwrap_or_default();
        let tags = self.resource_tags(id, logical_id, properties);
        match old.kind.as_str() {
            GROUP => return self.change_group(id, logical_id, &physical, &old.properties, properties, &tags),
            TEMPLATE => {
                let content = |properties: &Value| properties.get("LaunchTemplateData").cloned();
                if content(&old.properties) != content(properties) || old.dirty {
                    self.add_template_version(&physical, template_spec(properties))
                        .map_err(|error| error.to_string())?;
                }
            }
            HOOK => {
                let group = GroupName(property(properties, "AutoScalingGroupName").unwrap_or_default());
                let record = self
                    .state
                    .groups
                    .get_mut(&group)
                    .ok_or("AutoScalingGroup name not found")?;
                record.hooks.insert(physical.clone(), hook_spec(&physical, properties));
            }
            LISTENER | LISTENER_CERTIFICATE => {
                self.detach_certificates(&physical);
                self.attach_certificates(&physical, properties)?;
            }
            "AWS::S3::Bucket" => self.set_versioning(&physical, properties),
            "AWS::Route53::RecordSet" => self.change_record(DnsAction::Upsert, properties)?,
            _ => {}
        }
        if let Some(balancer) = self.state.balancers.get_mut(&physical) {
            balancer.tags.clone_from(&tags);
        }
        if old.kind != GROUP {
            self.state.tags.insert(physical, tags);
        }
        Ok(None)
    }

    /// Deletes the thing behind a resource. What is gone already is a success.
    pub(super) fn remove(&mut self, resource: &ResourceRecord) -> Result<Option<Wait>, String> {
        let physical = resource.physical.clone().unwrap_or_default();
        match resource.kind.as_str() {
            GROUP => {
                let group = GroupName(physical);
                if self.state.groups.contains_key(&group) {
                    self.delete_group(&group, true).map_err(|error| error.to_string())?;
                    return Ok(Some(Wait::Gone(group)));
                }
            }
            TEMPLATE => {
                self.state.templates.remove(&physical);
            }
            HOOK => {
                let group = GroupName(property(&resource.properties, "AutoScalingGroupName").unwrap_or_default());
                if let Some(group) = self.state.groups.get_mut(&group) {
                    group.hooks.remove(&physical);
                }
            }
            "AWS::IAM::InstanceProfile" => {
                self.state.profiles.remove(&physical);
            }
            "AWS::S3::Bucket" => {
                if self.state.buckets.contains_key(&physical) {
                    self.delete_bucket(&physical).map_err(|error| error.to_string())?;
                }
            }
            "AWS::KMS::Key" => {
                if let Some(key) = self.state.keys.get_mut(&physical) {
                    key.enabled = false;
                }
            }
            "AWS::KMS::Alias" => {
                self.state.aliases.remove(&physical);
            }
            "AWS::Route53::RecordSet" => {
                // A record that somebody changed or deleted by hand is not ours to delete any more.
                let _ = self.change_record(DnsAction::Delete, &resource.properties);
            }
            "AWS::Route53::HostedZone" => {
                if self
                    .state
                    .zones
                    .get(&physical)
                    .is_some_and(|zone| !zone.records.is_empty())
                {
                    return Err("The specified hosted zone contains non-required resource record sets and so cannot be deleted.".to_owned());
                }
                self.state.zones.remove(&physical);
            }
            "AWS::CertificateManager::Certificate" => {
                if self
                    .state
                    .certificates
                    .get(&physical)
                    .is_some_and(|certificate| !certificate.in_use_by.is_empty())
                {
                    return Err(format!("Certificate {physical} is in use."));
                }
                self.state.certificates.remove(&physical);
            }
            LISTENER | LISTENER_CERTIFICATE => self.detach_certificates(&physical),
            "AWS::EC2::Volume" => {
                self.state.volumes.remove(&physical);
            }
            "AWS::EKS::Cluster" => {
                self.state.control_planes.remove(&physical);
            }
            _ => {
                self.state.balancers.remove(&physical);
                self.state.target_groups.remove(&physical);
                self.state.tags.remove(&physical);
            }
        }
        Ok(None)
    }
}

/// Names are given once.
fn fresh(is_new: bool, name: &str) -> Result<(), String> {
    if is_new {
        Ok(())
    } else {
        Err(format!("{name} already exists"))
    }
}
