//! Groups and launch templates as stacks describe them, and what a changed description does to a living group.

use std::collections::BTreeSet;
use std::time::Duration;

use ports::cloud::{
    GroupName, HealthCheckKind, HookDefault, HookTransition, InstanceId, LifecycleHook, Market, MixedInstances,
    SpotAllocation, Tags, TemplateVersion,
};
use serde_json::Value;

use super::make::{list, property, tag_list};
use super::signal::{Rolling, Wait, seconds};
use crate::groups::{GroupSpec, LaunchTemplateSpec};
use crate::template::text;
use crate::world::World;

/// Properties of a group whose change makes its instances outdated.
const LAUNCHING: &[&str] = &[
    "LaunchTemplate",
    "MixedInstancesPolicy",
    "VPCZoneIdentifier",
    "LaunchConfigurationName",
];

/// Content of a launch template.
pub(super) fn template_spec(properties: &Value) -> LaunchTemplateSpec {
    let empty = Value::Null;
    let data = properties.get("LaunchTemplateData").unwrap_or(&empty);
    let spot = data.pointer("/InstanceMarketOptions/MarketType").map(text).as_deref() == Some("spot");
    let specifications = data
        .get("TagSpecifications")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let of_instances = |spec: &&Value| property(spec, "ResourceType").as_deref() == Some("instance");
    let instance_tags = specifications
        .iter()
        .filter(of_instances)
        .flat_map(|spec| tag_list(spec.get("Tags")))
        .collect();
    let profile = data.get("IamInstanceProfile");
    let arn_name = |arn: String| arn.rsplit('/').next().map(str::to_owned);
    LaunchTemplateSpec {
        image: property(data, "ImageId"),
        instance_type: property(data, "InstanceType"),
        user_data: property(data, "UserData"),
        market: if spot { Market::Spot } else { Market::OnDemand },
        instance_profile: profile.and_then(|p| property(p, "Name").or_else(|| property(p, "Arn").and_then(arn_name))),
        instance_tags,
    }
}

/// A hook.
pub(super) fn hook_spec(name: &str, properties: &Value) -> LifecycleHook {
    let launching = property(properties, "LifecycleTransition").is_none_or(|t| t.ends_with("INSTANCE_LAUNCHING"));
    let timeout = property(properties, "HeartbeatTimeout")
        .and_then(|t| t.parse().ok())
        .unwrap_or(3600);
    LifecycleHook {
        name: name.to_owned(),
        transition: if launching {
            HookTransition::Launching
        } else {
            HookTransition::Terminating
        },
        heartbeat_timeout: Duration::from_secs(timeout),
        default_result: match property(properties, "DefaultResult").as_deref() {
            Some("CONTINUE") => HookDefault::Continue,
            _ => HookDefault::Abandon,
        },
    }
}

fn version(spec: &Value) -> TemplateVersion {
    match property(spec, "Version").as_deref() {
        Some("$Latest") => TemplateVersion::Latest,
        Some("$Default") | None => TemplateVersion::Default,
        Some(number) => number.parse().map_or(TemplateVersion::Default, TemplateVersion::Number),
    }
}

fn mixed(policy: &Value) -> MixedInstances {
    let empty = Value::Null;
    let spread = policy.get("InstancesDistribution").unwrap_or(&empty);
    let number = |name: &str| property(spread, name).and_then(|text| text.parse().ok());
    let overrides = policy.pointer("/LaunchTemplate/Overrides").and_then(Value::as_array);
    let types = overrides.map(|list| {
        list.iter()
            .filter_map(|entry| property(entry, "InstanceType"))
            .collect()
    });
    MixedInstances {
        instance_types: types.unwrap_or_default(),
        on_demand_base: number("OnDemandBaseCapacity").unwrap_or(0),
        on_demand_percent_above_base: number("OnDemandPercentageAboveBaseCapacity").unwrap_or(100),
        spot_allocation: match property(spread, "SpotAllocationStrategy").as_deref() {
            Some("capacity-optimized") => SpotAllocation::CapacityOptimized,
            Some("capacity-optimized-prioritized") => SpotAllocation::CapacityOptimizedPrioritized,
            Some("price-capacity-optimized") => SpotAllocation::PriceCapacityOptimized,
            _ => SpotAllocation::LowestPrice,
        },
    }
}

/// A size; both numbers and texts are written in templates.
fn size(properties: &Value, name: &str) -> Result<Option<u32>, String> {
    let parse = |text: String| text.parse().map_err(|_| format!("Property {name} must be a number"));
    property(properties, name).map(parse).transpose()
}

/// The group that properties describe.
fn group_spec(name: &str, properties: &Value, tags: &Tags) -> Result<GroupSpec, String> {
    let policy = properties.get("MixedInstancesPolicy");
    let in_policy = policy.and_then(|policy| policy.pointer("/LaunchTemplate/LaunchTemplateSpecification"));
    let launch = in_policy.or_else(|| properties.get("LaunchTemplate"));
    let launch = launch
        .ok_or("Valid requests must contain either LaunchTemplate, MixedInstancesPolicy or InstanceId parameter.")?;
    let template = property(launch, "LaunchTemplateId").or_else(|| property(launch, "LaunchTemplateName"));
    let own = properties
        .get("Tags")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let kept = |tag: &&Value| property(tag, "PropagateAtLaunch").as_deref() != Some("true");
    let kept: BTreeSet<String> = own.iter().filter(kept).filter_map(|tag| property(tag, "Key")).collect();
    let by_balancer = property(properties, "HealthCheckType").is_some_and(|kind| kind.contains("ELB"));
    let protected = property(properties, "NewInstancesProtectedFromScaleIn");
    Ok(GroupSpec {
        name: GroupName::from(name),
        min: size(properties, "MinSize")?.unwrap_or(0),
        max: size(properties, "MaxSize")?.unwrap_or(0),
        desired: size(properties, "DesiredCapacity")?,
        subnets: list(properties, "VPCZoneIdentifier"),
        template: template.unwrap_or_default(),
        version: version(launch),
        mixed: policy.map(mixed),
        tags: tags.clone(),
        propagated: tags.keys().filter(|key| !kept.contains(*key)).cloned().collect(),
        protect_new: protected.as_deref() == Some("true"),
        health_check: if by_balancer {
            HealthCheckKind::LoadBalancer
        } else {
            HealthCheckKind::Instance
        },
        grace: Duration::from_secs(property(properties, "HealthCheckGracePeriod").map_or(0, |text| seconds(&text, 0))),
        load_balancers: list(properties, "LoadBalancerNames"),
        target_groups: list(properties, "TargetGroupARNs"),
    })
}

impl World {
    pub(super) fn make_group(
        &mut self,
        id: &str,
        logical_id: &str,
        name: &str,
        properties: &Value,
        tags: &Tags,
    ) -> Result<(), String> {
        let spec = group_spec(name, properties, tags)?;
        let group = spec.name.clone();
        if let Some(missing) = spec
            .target_groups
            .iter()
            .find(|arn| !self.state.target_groups.contains_key(*arn))
        {
            return Err(format!(
                "Provided Target Groups may not be valid. Please ensure they exist: {missing}"
            ));
        }
        self.create_group(spec).map_err(|error| error.to_string())?;
        let hooks = properties
            .get("LifecycleHookSpecificationList")
            .and_then(Value::as_array);
        if let Some(record) = self.state.groups.get_mut(&group) {
            record.owner = Some((id.to_owned(), logical_id.to_owned()));
            for hook in hooks.map(Vec::as_slice).unwrap_or_default() {
                let name = property(hook, "LifecycleHookName").unwrap_or_default();
                record.hooks.insert(name.clone(), hook_spec(&name, hook));
            }
        }
        Ok(())
    }

    /// Gives a group its new description. Its instances stay as they are, unless the update policy rolls them.
    pub(super) fn change_group(
        &mut self,
        id: &str,
        logical_id: &str,
        physical: &str,
        old: &Value,
        properties: &Value,
        tags: &Tags,
    ) -> Result<Option<Wait>, String> {
        let call = "UpdateAutoScalingGroup";
        let spec = group_spec(physical, properties, tags)?;
        let name = spec.name.clone();
        let template = self
            .launch_reference(call, &spec.template, spec.version)
            .map_err(|error| error.to_string())?;
        let zones = self.zones_of(call, &spec.subnets).map_err(|error| error.to_string())?;
        let group = self
            .state
            .groups
            .get_mut(&name)
            .ok_or("AutoScalingGroup name not found")?;
        if spec.min > spec.max {
            return Err(format!(
                "Max bound, {}, must be greater than or equal to min bound, {}",
                spec.max, spec.min
            ));
        }
        // Without a desired capacity in the template the group keeps its own, pushed into the new bounds.
        let desired = spec.desired.unwrap_or_else(|| group.desired.clamp(spec.min, spec.max));
        if !(spec.min..=spec.max).contains(&desired) {
            return Err(format!(
                "Desired capacity:{desired} must be between the specified min size:{} and max size:{}",
                spec.min, spec.max
            ));
        }
        (group.min, group.max, group.desired) = (spec.min, spec.max, desired);
        if !spec.subnets.is_empty() {
            (group.subnets, group.zones) = (spec.subnets, zones);
        }
        (group.template, group.mixed) = (template, spec.mixed);
        (group.tags, group.propagated) = (spec.tags, spec.propagated);
        (group.health_check, group.grace) = (spec.health_check, spec.grace);
        (group.load_balancers, group.target_groups) = (spec.load_balancers, spec.target_groups);
        group.protect_new = spec.protect_new;
        self.group_event(&name, "reconfigured");
        self.tick_soon(&name);
        let relaunch = LAUNCHING.iter().any(|key| old.get(*key) != properties.get(*key));
        if !relaunch {
            return Ok(None);
        }
        self.plan_rolling(id, logical_id, &name)
    }

    /// The rolling update that the resource's policy asks for, if it does.
    fn plan_rolling(&mut self, id: &str, logical_id: &str, name: &GroupName) -> Result<Option<Wait>, String> {
        let stack = self.state.stacks.get(id).ok_or("The stack is gone.")?;
        let spec = stack
            .target
            .template
            .resources
            .get(logical_id)
            .ok_or("The resource is gone.")?;
        let Some(policy) = spec.update_policy.get("AutoScalingRollingUpdate").cloned() else {
            return Ok(None);
        };
        let group = self.state.groups.get(name).ok_or("AutoScalingGroup name not found")?;
        let number = |key: &str| property(&policy, key).and_then(|text| text.parse::<usize>().ok());
        let least = number("MinInstancesInService").unwrap_or(0);
        let most = usize::try_from(group.max).unwrap_or(usize::MAX);
        let desired = usize::try_from(group.desired).unwrap_or(usize::MAX);
        if least >= most && desired > 0 {
            return Err("MinInstancesInService must be less than the autoscaling group's MaxSize".to_owned());
        }
        let target = self
            .template_version(&group.template.id, group.template.version)
            .map_err(|e| e.to_string())?;
        let types = group
            .mixed
            .as_ref()
            .map(|mixed| mixed.instance_types.clone())
            .unwrap_or_default();
        let outdated = |member: &crate::groups::Member| {
            let other_template =
                member.template.id != target.id || member.template.version != TemplateVersion::Number(target.version);
            let other_type = !types.is_empty() && !types.contains(&member.instance_type);
            member.is_active() && (other_template || other_type || !group.zones.contains(&member.zone))
        };
        let outdated: Vec<InstanceId> = group
            .members
            .iter()
            .filter(|(_, member)| outdated(member))
            .map(|(id, _)| id.clone())
            .collect();
        if outdated.is_empty() {
            return Ok(None);
        }
        let batch_size = number("MaxBatchSize")
            .unwrap_or(1)
            .max(1)
            .min(desired.saturating_sub(least).max(1));
        let wait_for_signals = property(&policy, "WaitOnResourceSignals").as_deref() == Some("true");
        let default_pause = if wait_for_signals { 300 } else { 0 };
        let pause = property(&policy, "PauseTime").map_or(default_pause, |text| seconds(&text, default_pause));
        let total = outdated.len();
        let text = format!(
            "Rolling update initiated. Terminating {total} obsolete instance(s) in batches of {batch_size}, while keeping at least {least} instance(s) in service."
        );
        self.update_event(id, logical_id, text);
        Ok(Some(Wait::Rolling(Rolling {
            group: name.clone(),
            outdated,
            total,
            batch_size,
            pause: Duration::from_secs(pause),
            wait_for_signals,
            success_percent: number("MinSuccessfulInstancesPercent").unwrap_or(100).min(100),
            batch: None,
        })))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stacks::make::STACK_TAGS;

    #[test]
    fn the_stack_s_tags_reach_instances_and_those_that_say_no_do_not() {
        let properties = json!({
            "MinSize": "1", "MaxSize": 2, STACK_TAGS: {"a": "1"},
            "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "3"},
            "Tags": [{"Key": "x", "Value": true, "PropagateAtLaunch": true}, {"Key": "y", "Value": "z", "PropagateAtLaunch": false}],
        });
        let tags = Tags::from([("a", "1"), ("x", "true"), ("y", "z")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        let spec = group_spec("g", &properties, &tags).unwrap();
        assert_eq!((spec.min, spec.max, spec.desired), (1, 2, None));
        assert_eq!(spec.version, TemplateVersion::Number(3));
        assert_eq!(spec.propagated, BTreeSet::from(["a".to_owned(), "x".to_owned()]));
    }
}
