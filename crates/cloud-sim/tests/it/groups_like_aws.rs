//! Groups do what AWS does where fakes do not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cloud_sim::{CapacityGap, FaultPlan, GroupSpec, InstanceChange, LaunchTemplateSpec, What, Window};
use jiff::Timestamp;
use ports::cloud::{
    ActivityStatus, CloudError, GroupSize, HookDefault, HookTransition, InstanceId, InstanceLifecycle, InstanceState,
    Instances, LifecycleHook, Market, MixedInstances, NodeGroups, Process, Shrink, SpotAllocation, Tags,
};

use crate::lab::{Lab, name};

fn desired(desired: u32) -> GroupSize {
    GroupSize {
        desired: Some(desired),
        ..GroupSize::default()
    }
}

fn said(error: CloudError, expected: &str) {
    assert!(error.to_string().contains(expected), "{error}");
}

/// Fakes accept sizes outside of the bounds.
#[tokio::test(start_paused = true)]
async fn sizes_outside_the_bounds_are_refused() {
    let lab = Lab::new(1);
    lab.group(1, 2, 4).await;
    said(
        lab.sim.resize_group(&name(), desired(5)).await.unwrap_err(),
        "above max value 4",
    );
    said(
        lab.sim.resize_group(&name(), desired(0)).await.unwrap_err(),
        "below min value 1",
    );
    let crossed = GroupSize {
        min: Some(5),
        ..GroupSize::default()
    };
    said(
        lab.sim.resize_group(&name(), crossed).await.unwrap_err(),
        "Max bound, 4, must be greater",
    );
    let raised = GroupSize {
        min: Some(3),
        ..GroupSize::default()
    };
    lab.sim.resize_group(&name(), raised).await.unwrap();
    lab.minutes(5).await;
    assert_eq!(
        (lab.g().await.desired, lab.serving().await.len()),
        (3, 3),
        "a raised bound lifts the size"
    );
}

/// In fakes terminating with decrement goes below the smallest size.
#[tokio::test(start_paused = true)]
async fn terminating_with_decrement_stops_at_the_smallest_size() {
    let lab = Lab::new(2);
    lab.group(1, 2, 4).await;
    let ids = lab.serving().await;
    lab.sim.terminate_in_group(&ids[0], Shrink::Yes).await.unwrap();
    said(
        lab.sim.terminate_in_group(&ids[1], Shrink::Yes).await.unwrap_err(),
        "desiredSize equals minSize (1)",
    );
    lab.minutes(10).await;
    assert_eq!(lab.serving().await, ids[1..]);
    lab.sim.terminate_in_group(&ids[1], Shrink::No).await.unwrap();
    lab.minutes(10).await;
    let after = lab.serving().await;
    assert_eq!((after.len(), lab.g().await.desired), (1, 1), "replaced");
    assert_ne!(after[0], ids[1]);
}

/// In fakes suspended processes are listed and go on.
#[tokio::test(start_paused = true)]
async fn suspended_processes_rest_until_they_are_resumed() {
    let lab = Lab::new(3);
    lab.group(0, 2, 6).await;
    let only = |process| BTreeSet::from([process]);
    lab.sim
        .suspend_processes(&name(), &only(Process::Launch))
        .await
        .unwrap();
    lab.sim.resize_group(&name(), desired(4)).await.unwrap();
    lab.minutes(60).await;
    assert_eq!(lab.serving().await.len(), 2, "Launch rests");
    lab.sim.resume_processes(&name(), &only(Process::Launch)).await.unwrap();
    lab.minutes(5).await;
    assert_eq!(lab.serving().await.len(), 4);
    lab.sim
        .suspend_processes(&name(), &only(Process::Terminate))
        .await
        .unwrap();
    lab.sim.resize_group(&name(), desired(1)).await.unwrap();
    lab.minutes(60).await;
    assert_eq!(lab.serving().await.len(), 4, "Terminate rests");
    lab.sim
        .resume_processes(&name(), &only(Process::Terminate))
        .await
        .unwrap();
    lab.minutes(10).await;
    assert_eq!(lab.serving().await.len(), 1);
    lab.sim
        .suspend_processes(&name(), &only(Process::ReplaceUnhealthy))
        .await
        .unwrap();
    lab.sim.kill_instance(&lab.serving().await[0]);
    lab.minutes(30).await;
    let group = lab.g().await;
    assert_eq!(
        (group.instances.len(), group.instances[0].healthy),
        (1, false),
        "seen, not replaced"
    );
    lab.sim
        .resume_processes(&name(), &only(Process::ReplaceUnhealthy))
        .await
        .unwrap();
    lab.minutes(5).await;
    assert!(lab.g().await.instances[0].healthy);
}

/// Fakes have no scaling activities.
#[tokio::test(start_paused = true)]
async fn scaling_activities_tell_what_was_done_and_why_not() {
    let lab = Lab::new(4);
    lab.sim.set_faults(FaultPlan {
        capacity: vec![CapacityGap {
            instance_type: Some("m5.large".to_owned()),
            zone: None,
            market: None,
            window: Window {
                from: Timestamp::UNIX_EPOCH,
                until: Timestamp::from_second(3600).unwrap(),
            },
        }],
        ..FaultPlan::default()
    });
    lab.group(1, 1, 4).await;
    let activities = lab.sim.group_activities(&name(), Timestamp::UNIX_EPOCH).await.unwrap();
    assert!(activities.iter().all(|a| a.status == ActivityStatus::Failed) && !activities.is_empty());
    let message = activities[0].message.clone().unwrap();
    assert!(
        message.starts_with("InsufficientInstanceCapacity - We currently do not have sufficient m5.large capacity"),
        "{message}"
    );
    lab.minutes(80).await;
    let newest = lab
        .sim
        .group_activities(&name(), Timestamp::UNIX_EPOCH)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        newest.status,
        ActivityStatus::Successful,
        "it tries again until there is capacity"
    );
    assert!(newest.description.starts_with("Launching a new EC2 instance: i-"));
}

/// In fakes an unhealthy instance stays.
#[tokio::test(start_paused = true)]
async fn an_unhealthy_instance_is_replaced() {
    let lab = Lab::new(5);
    lab.group(3, 3, 3).await;
    let ids = lab.serving().await;
    lab.sim.set_instance_health(&ids[0], false, true).await.unwrap();
    lab.minutes(3).await;
    lab.sim.set_instance_health(&ids[0], false, false).await.unwrap();
    lab.sim.kill_instance(&ids[1]);
    lab.sim.terminate_instances(&ids[2..]).await.unwrap();
    lab.minutes(10).await;
    let after = lab.serving().await;
    assert_eq!(after.len(), 3);
    assert!(
        after.iter().all(|id| !ids.contains(id)),
        "all three ways lead to a new one"
    );
}

/// Fakes list an instance twice that is attached twice.
#[tokio::test(start_paused = true)]
async fn attaching_and_detaching_keep_the_books() {
    let lab = Lab::new(6);
    lab.group(1, 2, 3).await;
    let ids = lab.serving().await;
    lab.sim.detach_instances(&name(), &ids[..1], Shrink::Yes).await.unwrap();
    assert_eq!(lab.g().await.desired, 1);
    said(
        lab.sim
            .detach_instances(&name(), &ids[1..], Shrink::Yes)
            .await
            .unwrap_err(),
        "would violate min-size",
    );
    lab.minutes(10).await;
    let lone = lab.sim.instance(&ids[0]).unwrap();
    assert_eq!(
        (lone.state, lone.group),
        (InstanceState::Running, None),
        "it lives on alone"
    );
    lab.sim.attach_instances(&name(), &ids[..1]).await.unwrap();
    said(
        lab.sim.attach_instances(&name(), &ids[..1]).await.unwrap_err(),
        "already part of AutoScalingGroup:g",
    );
    let members: Vec<_> = lab.g().await.instances.iter().map(|i| i.id.clone()).collect();
    assert_eq!(members, ids, "listed once");
    assert_eq!(lab.g().await.desired, 2);
}

/// Fakes break down (HTTP 500) at an unknown instance.
#[tokio::test(start_paused = true)]
async fn an_unknown_instance_is_a_clean_error() {
    let lab = Lab::new(7);
    lab.group(1, 1, 1).await;
    let nobody = InstanceId::from("i-nobody");
    said(
        lab.sim.terminate_in_group(&nobody, Shrink::No).await.unwrap_err(),
        "No managed instance found",
    );
    said(
        lab.sim
            .detach_instances(&name(), std::slice::from_ref(&nobody), Shrink::No)
            .await
            .unwrap_err(),
        "is not part of",
    );
    assert!(lab.sim.terminate_instances(&[nobody]).await.unwrap_err().is_not_found());
}

/// Fakes delete a group with instances without force.
#[tokio::test(start_paused = true)]
async fn deletion_with_instances_needs_force() {
    let lab = Lab::new(8);
    lab.group(1, 2, 3).await;
    said(
        lab.sim.delete_group(&name(), false).await.unwrap_err(),
        "You cannot delete an AutoScalingGroup while",
    );
    lab.sim.delete_group(&name(), true).await.unwrap();
    assert!(lab.g().await.deleting);
    lab.minutes(5).await;
    assert!(lab.sim.group(&name()).await.unwrap_err().is_not_found());
    let alive = lab.sim.instances(&Default::default()).await.unwrap();
    assert!(alive.iter().all(|instance| instance.state == InstanceState::Terminated));
}

/// In fakes all instances are in the first subnet's zone.
#[tokio::test(start_paused = true)]
async fn instances_spread_over_the_zones_and_are_evened_out() {
    let lab = Lab::new(9);
    let gap = CapacityGap {
        instance_type: None,
        zone: Some("eu-central-1b".to_owned()),
        market: None,
        window: Window {
            from: Timestamp::UNIX_EPOCH,
            until: Timestamp::from_second(7200).unwrap(),
        },
    };
    lab.sim.set_faults(FaultPlan {
        capacity: vec![gap],
        ..FaultPlan::default()
    });
    lab.group(0, 6, 9).await;
    let zones = |group: ports::cloud::Group| {
        let mut counts = BTreeMap::new();
        for instance in group.instances.iter() {
            *counts.entry(instance.zone.clone()).or_insert(0) += 1;
        }
        counts.into_values().collect::<Vec<_>>()
    };
    assert_eq!(zones(lab.g().await), [3, 3], "two zones take it all while one is full");
    lab.minutes(150).await;
    lab.sim.resize_group(&name(), desired(6)).await.unwrap();
    lab.minutes(30).await;
    assert_eq!(zones(lab.g().await), [2, 2, 2]);
}

/// Fakes ignore overrides and spot shares.
#[tokio::test(start_paused = true)]
async fn mixed_instances_follow_overrides_and_spot_shares() {
    let lab = Lab::new(10);
    lab.sim
        .create_launch_template("lt", LaunchTemplateSpec::new("ami-1", "t3.small"))
        .unwrap();
    let mut spec = GroupSpec::new("g", "lt", 0, 10, 20);
    spec.mixed = Some(MixedInstances {
        instance_types: vec!["m5.large".to_owned(), "m6i.large".to_owned()],
        on_demand_base: 2,
        on_demand_percent_above_base: 25,
        spot_allocation: SpotAllocation::CapacityOptimizedPrioritized,
    });
    let gap = CapacityGap {
        instance_type: Some("m5.large".to_owned()),
        zone: Some("eu-central-1a".to_owned()),
        market: Some(Market::Spot),
        window: Window::ALWAYS,
    };
    lab.sim.set_faults(FaultPlan {
        capacity: vec![gap],
        ..FaultPlan::default()
    });
    lab.sim.create_group(spec).unwrap();
    lab.minutes(10).await;
    let instances = lab.sim.instances(&Default::default()).await.unwrap();
    let on_demand = instances.iter().filter(|i| i.market == Market::OnDemand).count();
    assert_eq!((instances.len(), on_demand), (10, 4), "two and a quarter of eight");
    for instance in instances {
        let fallback = instance.market == Market::Spot && instance.zone == "eu-central-1a";
        assert_eq!(instance.instance_type, if fallback { "m6i.large" } else { "m5.large" });
    }
}

fn hook(transition: HookTransition, default_result: HookDefault) -> LifecycleHook {
    LifecycleHook {
        name: "h".to_owned(),
        transition,
        heartbeat_timeout: Duration::from_secs(600),
        default_result,
    }
}

/// In fakes lifecycle hooks never wait, and cannot be completed or extended.
#[tokio::test(start_paused = true)]
async fn lifecycle_hooks_wait_can_be_extended_answered_and_time_out() {
    let lab = Lab::with(11, |mut options| {
        options.boot_agent = false;
        options
    });
    lab.group(0, 0, 3).await;
    lab.sim
        .put_hook(&name(), hook(HookTransition::Launching, HookDefault::Abandon))
        .unwrap();
    lab.sim.resize_group(&name(), desired(1)).await.unwrap();
    lab.minutes(5).await;
    let held = lab.g().await.instances[0].clone();
    assert_eq!(held.lifecycle, InstanceLifecycle::PendingWait);
    lab.sim.extend_hook(&name(), "h", &held.id).await.unwrap();
    lab.minutes(9).await;
    assert_eq!(lab.g().await.instances[0].id, held.id, "the heartbeat bought time");
    lab.minutes(3).await;
    assert!(
        lab.g()
            .await
            .instances
            .iter()
            .all(|i| i.id != held.id || i.lifecycle == InstanceLifecycle::Terminating),
        "abandoned"
    );
    lab.minutes(3).await;
    let next = lab.g().await.instances[0].clone();
    lab.sim
        .complete_hook(&name(), "h", &next.id, HookDefault::Continue)
        .await
        .unwrap();
    assert_eq!(lab.serving().await, std::slice::from_ref(&next.id));
    said(
        lab.sim
            .complete_hook(&name(), "h", &next.id, HookDefault::Continue)
            .await
            .unwrap_err(),
        "No active Lifecycle Action",
    );
    lab.sim
        .put_hook(&name(), hook(HookTransition::Terminating, HookDefault::Continue))
        .unwrap();
    lab.sim.terminate_in_group(&next.id, Shrink::Yes).await.unwrap();
    lab.minutes(9).await;
    assert_eq!(lab.g().await.instances[0].lifecycle, InstanceLifecycle::TerminatingWait);
    assert_eq!(
        lab.sim.instance(&next.id).unwrap().state,
        InstanceState::Running,
        "it still runs while it is held"
    );
    lab.minutes(4).await;
    assert!(lab.g().await.instances.is_empty());
}

/// In fakes instances are in service at once.
#[tokio::test(start_paused = true)]
async fn instances_take_their_time_to_come_into_service() {
    let lab = Lab::new(12);
    lab.group(0, 0, 3).await;
    lab.sim.resize_group(&name(), desired(1)).await.unwrap();
    lab.seconds(9).await;
    assert_eq!(lab.g().await.instances[0].lifecycle, InstanceLifecycle::Pending);
    lab.minutes(3).await;
    assert_eq!(lab.serving().await.len(), 1);
}

/// Fakes drop the instance profile, accept unknown images, and name every region's machines `ec2.internal`.
#[tokio::test(start_paused = true)]
async fn instances_are_what_their_template_says() {
    let lab = Lab::new(13);
    lab.sim.add_instance_profile("worker");
    let mut spec = LaunchTemplateSpec::new("ami-1", "m5.large");
    spec.instance_profile = Some("worker".to_owned());
    spec.user_data = Some("I2Nsb3Vk".to_owned());
    lab.sim.create_launch_template("lt", spec.clone()).unwrap();
    lab.sim.create_group(GroupSpec::new("g", "lt", 1, 1, 1)).unwrap();
    lab.minutes(3).await;
    let id = lab.serving().await[0].clone();
    let instance = lab.sim.instance(&id).unwrap();
    assert_eq!(instance.instance_profile.as_deref(), Some("worker"));
    assert_eq!(lab.sim.instance_user_data(&id).await.unwrap(), spec.user_data);
    let dns = format!(
        "ip-{}.eu-central-1.compute.internal",
        instance.private_ip.replace('.', "-")
    );
    assert_eq!(instance.private_dns, dns);
    assert_eq!(instance.provider_id(), format!("aws:///{}/{id}", instance.zone));
    for (wrong, expected) in [
        ("ami-2", "The image id '[ami-2]' does not exist"),
        ("ami-1", "Invalid IAM Instance Profile name"),
    ] {
        let mut spec = LaunchTemplateSpec::new(wrong, "m5.large");
        spec.instance_profile = Some("nobody".to_owned());
        lab.sim.create_launch_template(wrong, spec).unwrap();
        said(
            lab.sim.create_group(GroupSpec::new("x", wrong, 1, 1, 1)).unwrap_err(),
            expected,
        );
    }
}

/// Fakes never interrupt a spot instance.
#[tokio::test(start_paused = true)]
async fn spot_instances_are_warned_taken_and_replaced() {
    let lab = Lab::new(14);
    let mut spec = LaunchTemplateSpec::new("ami-1", "m5.large");
    spec.market = Market::Spot;
    lab.sim.create_launch_template("lt", spec).unwrap();
    lab.sim.create_group(GroupSpec::new("g", "lt", 1, 1, 1)).unwrap();
    lab.minutes(3).await;
    let id = lab.serving().await[0].clone();
    lab.sim.interrupt_spot(&id);
    lab.seconds(1).await;
    assert_eq!(
        lab.sim.instance(&id).unwrap().scheduled.last().unwrap().code,
        "spot-interruption"
    );
    lab.seconds(118).await;
    assert_eq!(
        lab.sim.instance(&id).unwrap().state,
        InstanceState::Running,
        "two minutes' notice"
    );
    lab.seconds(2).await;
    let taken = lab.sim.instance(&id).unwrap();
    assert_eq!(taken.state_reason.as_deref(), Some("Server.SpotInstanceTermination"));
    lab.minutes(10).await;
    assert_eq!(lab.serving().await.len(), 1);
    let notices = lab.sim.changes_since(0);
    let notices = notices.iter().filter(|event| {
        matches!(
            &event.what,
            What::Instance {
                change: InstanceChange::SpotNotice(_),
                ..
            }
        )
    });
    assert_eq!(notices.count(), 1);
}

/// Fakes do this right, and so it has to be here.
#[tokio::test(start_paused = true)]
async fn protected_instances_are_not_chosen_when_a_group_shrinks() {
    let lab = Lab::new(15);
    lab.group(0, 4, 4).await;
    let ids = lab.serving().await;
    lab.sim.protect_instances(&name(), &ids[..2], true).await.unwrap();
    lab.sim.resize_group(&name(), desired(0)).await.unwrap();
    lab.minutes(15).await;
    assert_eq!(lab.serving().await, ids[..2]);
    let removed = BTreeSet::from(["k8s.io/cluster-autoscaler/enabled".to_owned()]);
    lab.sim
        .tag_group(
            &name(),
            &Tags::from([("k8s.io/cluster-autoscaler/enabled".to_owned(), String::new())]),
        )
        .await
        .unwrap();
    assert_eq!(lab.g().await.tags.len(), 1);
    lab.sim.untag_group(&name(), &removed).await.unwrap();
    assert!(lab.g().await.tags.is_empty());
}
