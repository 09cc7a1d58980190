//! What stands in front of every call: limits and faults.

use std::sync::Arc;
use std::time::Duration;

use cloud_sim::{ApiLimits, CallFault, CallRule, FaultPlan, SimClouds, Span, Window, WorldOptions};
use jiff::Timestamp;
use model::AccountId;
use ports::cloud::{CloudError, Clouds, GroupSize, Instances, NodeGroups, Shrink, Stacks, Tags};
use ports::{Classified, SimClock};

use crate::lab::{Lab, name, request};

/// Fakes do not throttle.
#[tokio::test(start_paused = true)]
async fn too_many_calls_are_throttled_and_told_when_to_come_back() {
    let lab = Lab::with(1, |mut options| {
        options.limits = ApiLimits::default();
        options
    });
    let mut refusals = 0;
    for _ in 0..60 {
        refusals += u32::from(matches!(lab.sim.stacks().await, Err(CloudError::Throttled { .. })));
    }
    assert_eq!(refusals, 10, "50 at once");
    let error = lab.sim.stacks().await.unwrap_err();
    let ports::Retry::After(wait) = error.retry() else {
        panic!("{error}")
    };
    lab.seconds(wait.as_secs() + 1).await;
    assert!(lab.sim.stacks().await.is_ok());
    assert!(
        lab.sim.groups(&Tags::new()).await.is_ok(),
        "every call has a bucket of its own"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_means_that_the_work_was_done() {
    let lab = Lab::new(2);
    lab.group(1, 3, 3).await;
    let lost = |call| CallRule::new(CallFault::LoseAnswer, &[call]).at_most(1);
    let calls = vec![lost("TerminateInstanceInAutoScalingGroup"), lost("CreateStack")];
    lab.sim.set_faults(FaultPlan {
        calls,
        ..FaultPlan::default()
    });
    let id = lab.serving().await[0].clone();
    let lost = lab.sim.terminate_in_group(&id, Shrink::Yes).await;
    assert!(matches!(lost, Err(CloudError::OutcomeUnknown { .. })), "{lost:?}");
    assert_eq!(lab.g().await.desired, 2);
    let again = lab.sim.terminate_in_group(&id, Shrink::Yes).await;
    assert!(
        matches!(again, Err(CloudError::Conflict { .. })),
        "repeating it does not shrink twice"
    );
    let mut with_token = request("s", "Resources: {A: {Type: AWS::SQS::Queue}}");
    with_token.idempotency_token = Some("t-1".to_owned());
    assert!(lab.sim.create_stack(&with_token).await.is_err());
    let repeated = lab.sim.create_stack(&with_token).await.unwrap();
    assert_eq!(
        lab.sim.stack("s").await.unwrap().id,
        repeated,
        "the token makes it one operation"
    );
}

#[tokio::test(start_paused = true)]
async fn calls_are_refused_denied_and_delayed_by_plan_and_the_log_tells() {
    let lab = Lab::new(3);
    let rule = |fault, call| CallRule::new(fault, &[call]).at_most(1);
    lab.sim.set_faults(FaultPlan {
        calls: vec![
            rule(CallFault::Refuse, "CreateStack"),
            rule(CallFault::Deny, "CreateStack"),
            rule(CallFault::Delay(Duration::from_secs(90)), "CreateStack"),
        ],
        ..FaultPlan::default()
    });
    let wanted = request("s", "Resources: {A: {Type: AWS::SQS::Queue}}");
    assert!(matches!(
        lab.sim.create_stack(&wanted).await,
        Err(CloudError::Unavailable { .. })
    ));
    assert!(matches!(
        lab.sim.create_stack(&wanted).await,
        Err(CloudError::Denied { .. })
    ));
    lab.sim.create_stack(&wanted).await.unwrap();
    assert_eq!(lab.sim.now().as_second(), 90);
    let log = lab.sim.log_text();
    for line in [
        "fault CreateStack s refuse",
        "fault CreateStack s deny",
        "fault CreateStack s delay",
        "call CreateStack s ok",
    ] {
        assert!(log.contains(line), "{line} in\n{log}");
    }
}

#[tokio::test(start_paused = true)]
async fn stale_reads_show_the_past_and_then_catch_up() {
    let lab = Lab::new(4);
    lab.group(1, 1, 5).await;
    let lag = Duration::from_secs(60);
    lab.sim.set_faults(FaultPlan {
        calls: vec![CallRule::new(CallFault::Stale(lag), &["DescribeAutoScalingGroups"])],
        ..FaultPlan::default()
    });
    lab.minutes(2).await;
    let size = GroupSize {
        desired: Some(4),
        ..GroupSize::default()
    };
    lab.sim.resize_group(&name(), size).await.unwrap();
    assert_eq!(lab.g().await.desired, 1, "not seen yet");
    lab.minutes(2).await;
    assert_eq!(lab.g().await.desired, 4);
}

#[tokio::test(start_paused = true)]
async fn never_ready_nodes_boot_and_stay_silent() {
    let lab = Lab::new(5);
    lab.sim.set_faults(FaultPlan {
        never_ready_per_mille: 1000,
        ..FaultPlan::default()
    });
    lab.group(1, 1, 1).await;
    let id = lab.serving().await[0].clone();
    assert!(lab.sim.is_never_ready(&id));
    assert!(lab.sim.log_text().contains(&format!("fault {id} never-ready")));
    lab.sim.schedule_retirement(&id, lab.sim.now());
    let seen = lab.sim.instances(&Default::default()).await.unwrap();
    assert_eq!(seen[0].scheduled[0].code, "instance-retirement");
}

/// Fakes give credentials for roles that do not exist.
#[tokio::test(start_paused = true)]
async fn roles_of_unknown_accounts_cannot_be_assumed() {
    let clock = Arc::new(SimClock::starting_at(Timestamp::UNIX_EPOCH));
    let all = SimClouds::new(WorldOptions::new("", "", 1), clock);
    let some = all.clone().only(&["aws:123456789012"]);
    for (account, expected) in [("aws:123456789012", true), ("aws:999999999999", false)] {
        let account: AccountId = account.parse().unwrap();
        let opened = some.open(&account, "eu-central-1").await;
        assert_eq!(opened.is_ok(), expected, "{account}");
        assert!(
            opened
                .err()
                .is_none_or(|error| matches!(error, CloudError::Denied { .. }))
        );
        assert!(all.open(&account, "eu-central-1").await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_no_time_does_not_wait_for_late_answers() {
    let lab = Lab::with(3, |mut options| {
        options.latency = Some(Span::seconds(1, 2));
        options
    });
    lab.group(1, 1, 3).await;
    lab.sim.set_faults(FaultPlan {
        calls: vec![
            CallRule::new(
                CallFault::Delay(Duration::from_secs(30)),
                &["SetDesiredCapacity", "UpdateAutoScalingGroup"],
            )
            .at_most(1),
        ],
        ..FaultPlan::default()
    });
    let hasty = lab.sim.impatient();
    let before = tokio::time::Instant::now();
    let size = GroupSize {
        desired: Some(2),
        ..GroupSize::default()
    };
    let error = hasty.resize_group(&name(), size).await.unwrap_err();
    assert!(matches!(error, CloudError::OutcomeUnknown { .. }), "{error}");
    assert_eq!(lab.sim.group_now(&name()).unwrap().desired, 1, "nothing was done");
    hasty.resize_group(&name(), size).await.unwrap();
    assert_eq!(lab.sim.group_now(&name()).unwrap().desired, 2);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nodes_fail_to_become_ready_for_a_while() {
    let lab = Lab::new(4);
    let now = lab.sim.now();
    let window = Window {
        from: now,
        until: now + Duration::from_secs(300),
    };
    lab.sim.set_faults(FaultPlan {
        never_ready_spans: vec![(window, 1000)],
        ..FaultPlan::default()
    });
    lab.group(1, 2, 4).await;
    let sick = |lab: &Lab| {
        let all = lab.sim.instances_now();
        all.iter()
            .filter(|instance| lab.sim.is_never_ready(&instance.id))
            .count()
    };
    assert_eq!(sick(&lab), 2);
    lab.minutes(5).await;
    let size = GroupSize {
        desired: Some(4),
        ..GroupSize::default()
    };
    lab.sim.resize_group(&name(), size).await.unwrap();
    lab.minutes(5).await;
    assert_eq!((sick(&lab), lab.sim.instances_now().len()), (2, 4));
}
