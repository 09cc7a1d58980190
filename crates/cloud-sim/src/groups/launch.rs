//! Starting instances: which zone, which type, which market, and what stands in the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ports::cloud::{
    ActivityStatus, GroupName, Instance, InstanceId, InstanceLifecycle, InstanceState, LaunchTemplate,
    LaunchTemplateRef, Market, SpotAllocation, TemplateVersion,
};

use super::size::zone_counts;
use super::{GroupRecord, Member};
use crate::event::{InstanceChange, What};
use crate::state::{Due, InstanceRecord};
use crate::world::World;

/// A place in which an instance can be started.
struct Place {
    zone: String,
    subnet: String,
    instance_type: String,
    market: Market,
}

impl World {
    /// Starts so many instances, each in the zone with the fewest. A zone without capacity is passed over; when none is
    /// left the group tries again later, with growing pauses.
    pub(super) fn launch_missing(&mut self, name: &GroupName, missing: usize) {
        let Some(mut counts) = self.state.groups.get(name).map(zone_counts) else {
            return;
        };
        for _ in 0..missing {
            let launched = loop {
                let emptiest = counts
                    .iter()
                    .min_by_key(|(_, count)| **count)
                    .map(|(zone, _)| zone.clone());
                let Some(zone) = emptiest else {
                    break false;
                };
                if self.launch_into(name, &zone) {
                    counts.entry(zone).and_modify(|count| *count += 1);
                    break true;
                }
                counts.remove(&zone);
            };
            if !launched {
                self.retry_launch(name);
                return;
            }
        }
        if let Some(group) = self.state.groups.get_mut(name) {
            group.failures = 0;
        }
    }

    fn retry_launch(&mut self, name: &GroupName) {
        let Some(group) = self.state.groups.get_mut(name) else {
            return;
        };
        group.failures = group.failures.saturating_add(1);
        let doubled = 1_u32 << (group.failures - 1).min(4);
        self.tick_after(name, self.options.timings.launch_retry * doubled);
    }

    /// Starts one instance in a zone; false when nothing could be started there.
    pub(super) fn launch_into(&mut self, name: &GroupName, zone: &str) -> bool {
        match self.find_place(name, zone) {
            Ok((place, template)) => {
                self.launch(name, &place, &template);
                true
            }
            Err(reason) => {
                let now = self.now;
                if let Some(group) = self.state.groups.get_mut(name) {
                    group.zone_failed.insert(zone.to_owned(), now);
                }
                let cause = "an instance was started in response to a difference between desired and actual capacity";
                let activity = self.begin_activity(name, "Launching a new EC2 instance".to_owned(), cause);
                let message = format!("{reason} Launching EC2 instance failed.");
                self.set_activity(name, &activity, ActivityStatus::Failed, Some(message));
                false
            }
        }
    }

    fn find_place(&self, name: &GroupName, zone: &str) -> Result<(Place, LaunchTemplate), String> {
        let group = self.state.groups.get(name).ok_or("The group is gone.")?;
        let template = self
            .template_version(&group.template.id, group.template.version)
            .map_err(|error| format!("{error}."))?;
        let image = template.image.clone().unwrap_or_default();
        if !self.knows_image(&image) {
            return Err(format!(
                "InvalidAMIID.NotFound - The image id '[{image}]' does not exist."
            ));
        }
        let subnet = group
            .subnets
            .iter()
            .find(|id| self.state.subnets.get(*id).is_some_and(|s| s.zone == zone));
        let subnet = subnet.ok_or_else(|| format!("No subnet in {zone}."))?;
        let market = wanted_market(group, &template);
        let mut refusal = "The launch template names no instance type.".to_owned();
        for instance_type in self.candidates(group, &template, zone, market) {
            match self.refusal(&instance_type, zone, market) {
                Some(reason) => refusal = reason,
                None => {
                    let place = Place {
                        zone: zone.to_owned(),
                        subnet: subnet.clone(),
                        instance_type,
                        market,
                    };
                    return Ok((place, template));
                }
            }
        }
        Err(refusal)
    }

    pub(crate) fn knows_image(&self, image: &str) -> bool {
        self.options.any_image || self.state.images.contains_key(image)
    }

    /// Instance types in the order in which they are tried. Spot strategies that look at capacity or price choose the
    /// same order for a zone all day.
    fn candidates(&self, group: &GroupRecord, template: &LaunchTemplate, zone: &str, market: Market) -> Vec<String> {
        let types = group
            .mixed
            .as_ref()
            .map(|mixed| mixed.instance_types.as_slice())
            .unwrap_or_default();
        if types.is_empty() {
            return template.instance_type.iter().cloned().collect();
        }
        let listed = group.mixed.as_ref().map(|mixed| mixed.spot_allocation);
        if market == Market::OnDemand || listed == Some(SpotAllocation::CapacityOptimizedPrioritized) {
            return types.to_vec();
        }
        let day = self.now.as_second().div_euclid(86_400);
        self.random.shuffled("spot-pools", &format!("{zone}/{day}"), types)
    }

    fn refusal(&self, instance_type: &str, zone: &str, market: Market) -> Option<String> {
        let Some(kind) = self.state.types.get(instance_type) else {
            return Some(format!(
                "InvalidParameterValue - Invalid value '{instance_type}' for InstanceType."
            ));
        };
        if self.faults.lacks_capacity(instance_type, zone, market, self.now) {
            return Some(match market {
                Market::OnDemand => format!(
                    "InsufficientInstanceCapacity - We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested ({zone})."
                ),
                Market::Spot => {
                    "UnfulfillableCapacity - There is no Spot capacity available that matches your request.".to_owned()
                }
            });
        }
        let limit = self.options.vcpu_limit?;
        let alive = self
            .state
            .instances
            .values()
            .filter(|instance| instance.view.state.is_alive());
        let used: u32 = alive
            .filter_map(|i| self.state.types.get(&i.view.instance_type))
            .map(|kind| kind.vcpu)
            .sum();
        (used + kind.vcpu > limit).then(|| {
            format!("VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit of {limit} allows.")
        })
    }

    fn launch(&mut self, name: &GroupName, place: &Place, template: &LaunchTemplate) {
        let id = InstanceId(self.new_id("i"));
        let cause = "an instance was started in response to a difference between desired and actual capacity";
        let activity = self.begin_activity(name, format!("Launching a new EC2 instance: {id}"), cause);
        let reference = LaunchTemplateRef {
            id: template.id.clone(),
            name: template.name.clone(),
            version: TemplateVersion::Number(template.version),
        };
        let private_ip = self.take_address(&place.subnet);
        let now = self.now;
        let Some(group) = self.state.groups.get_mut(name) else {
            return;
        };
        let member = Member {
            lifecycle: InstanceLifecycle::Pending,
            healthy: true,
            protected: group.protect_new,
            template: reference.clone(),
            instance_type: place.instance_type.clone(),
            zone: place.zone.clone(),
            market: place.market,
            held_by: BTreeMap::new(),
            held_since: now,
            launched: now,
            in_service: None,
            activity,
        };
        group.members.insert(id.clone(), member);
        let mut tags = template.instance_tags.clone();
        let propagated = group.tags.iter().filter(|(key, _)| group.propagated.contains(*key));
        tags.extend(propagated.map(|(key, value)| (key.clone(), value.clone())));
        tags.insert("aws:autoscaling:groupName".to_owned(), name.to_string());
        tags.insert("aws:ec2launchtemplate:id".to_owned(), template.id.clone());
        tags.insert("aws:ec2launchtemplate:version".to_owned(), template.version.to_string());
        let view = Instance {
            id: id.clone(),
            state: InstanceState::Pending,
            state_reason: None,
            zone: place.zone.clone(),
            subnet: place.subnet.clone(),
            instance_type: place.instance_type.clone(),
            image: template.image.clone().unwrap_or_default(),
            market: place.market,
            private_dns: self.private_dns(&private_ip),
            private_ip,
            launch_template: Some(reference),
            instance_profile: template.instance_profile.clone(),
            tags,
            group: Some(name.clone()),
            launched: now,
            scheduled: Vec::new(),
        };
        self.add_instance(view, template.user_data.clone());
    }

    /// Adds an instance that boots from now on.
    pub(crate) fn add_instance(&mut self, view: Instance, user_data: Option<String>) {
        let (id, market) = (view.id.clone(), view.market);
        let never_ready = self
            .random
            .chance("never-ready", id.as_str(), self.faults.never_ready(self.now));
        let record = InstanceRecord {
            view: Arc::new(view),
            user_data,
            never_ready,
            answers: true,
        };
        self.state.instances.insert(id.clone(), record);
        self.instance_event(&id, InstanceChange::Pending);
        if never_ready {
            let (subject, kind) = (id.to_string(), "never-ready".to_owned());
            self.log(What::Fault { subject, kind });
        }
        let timings = &self.options.timings;
        let mut boot = self.span("boot", id.as_str(), timings.boot);
        if self
            .random
            .chance("straggler", id.as_str(), timings.boot_stragglers_per_mille)
        {
            boot = timings.boot.high * 3;
        }
        self.after(boot, Due::Running(id.clone()));
        if market == Market::Spot {
            self.plan_spot_loss(&id);
        }
    }

    /// An unused address of a subnet. The last one given out is remembered, so that a freed one does not come back at once.
    pub(crate) fn take_address(&mut self, subnet: &str) -> String {
        let cidr = self
            .state
            .subnets
            .get(subnet)
            .map(|subnet| subnet.ipv4_cidr.clone())
            .unwrap_or_default();
        let (base, bits) = cidr.split_once('/').unwrap_or(("172.31.0.0", "16"));
        let base = base.parse::<std::net::Ipv4Addr>().map(u32::from).unwrap_or(0);
        let size = 1_u32
            .checked_shl(32 - bits.parse::<u32>().unwrap_or(20).clamp(1, 32))
            .unwrap_or(u32::MAX);
        let empty = (BTreeSet::new(), 3);
        let (used, last) = self.state.addresses.entry(subnet.to_owned()).or_insert(empty);
        // The provider keeps the first four addresses and the last one for itself.
        for _ in 0..size {
            *last = if *last + 2 >= size { 4 } else { *last + 1 };
            if used.insert(*last) {
                break;
            }
        }
        std::net::Ipv4Addr::from(base.wrapping_add(*last)).to_string()
    }

    /// The name of an address; only in us-east-1 it ends differently.
    pub(crate) fn private_dns(&self, address: &str) -> String {
        let dashed = address.replace('.', "-");
        match self.options.region.as_str() {
            "us-east-1" => format!("ip-{dashed}.ec2.internal"),
            region => format!("ip-{dashed}.{region}.compute.internal"),
        }
    }
}

/// What the next instance of a group is paid like: the base of on-demand ones first, then their share.
fn wanted_market(group: &GroupRecord, template: &LaunchTemplate) -> Market {
    let Some(mixed) = &group.mixed else {
        return template.market;
    };
    let active = group.members.values().filter(|member| member.is_active());
    let on_demand = active
        .clone()
        .filter(|member| member.market == Market::OnDemand)
        .count();
    let total = active.count() + 1;
    let base = usize::try_from(mixed.on_demand_base).unwrap_or(usize::MAX);
    let share = usize::try_from(mixed.on_demand_percent_above_base.min(100)).unwrap_or(100);
    let wanted = base.min(total) + (total.saturating_sub(base) * share).div_ceil(100);
    if on_demand < wanted {
        Market::OnDemand
    } else {
        Market::Spot
    }
}
