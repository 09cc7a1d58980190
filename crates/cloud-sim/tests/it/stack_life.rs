//! Lives of stacks when something goes wrong in the middle.

use std::collections::BTreeSet;

use cloud_sim::{FaultPlan, ResourceFault, ResourceRule, ResourceStep};
use ports::cloud::{CloudError, Objects, PutCondition, StackUpdate, Stacks};

use crate::lab::{Lab, request};

const TWO: &str = "Resources: {A: {Type: AWS::SQS::Queue}, B: {Type: AWS::SNS::Topic, DependsOn: A}}";
const TWO_CHANGED: &str = "Resources: {A: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 5}}, B: {Type: AWS::SNS::Topic, DependsOn: A, Properties: {DisplayName: x}}}";

fn failing(step: ResourceStep, logical_id: &str, times: u32) -> FaultPlan {
    let fault = ResourceFault::Fail("It broke".to_owned());
    FaultPlan {
        resources: vec![ResourceRule::new(step, logical_id, fault).at_most(times)],
        ..FaultPlan::default()
    }
}

/// Fakes leave a failed creation in progress, with what was made so far.
#[tokio::test(start_paused = true)]
async fn a_failed_creation_rolls_back_and_leaves_a_husk_that_only_deletion_removes() {
    let lab = Lab::new(1);
    lab.sim.set_faults(failing(ResourceStep::Create, "B", 1));
    assert_eq!(lab.create("s", TWO).await.1, "ROLLBACK_COMPLETE");
    let expected = [
        "s CREATE_IN_PROGRESS User Initiated",
        "A CREATE_IN_PROGRESS",
        "A CREATE_IN_PROGRESS Resource creation Initiated",
        "A CREATE_COMPLETE",
        "B CREATE_IN_PROGRESS",
        "B CREATE_FAILED It broke",
        "s ROLLBACK_IN_PROGRESS The following resource(s) failed to create: [B]. Rollback requested by user.",
        "B DELETE_COMPLETE",
        "A DELETE_IN_PROGRESS",
        "A DELETE_COMPLETE",
        "s ROLLBACK_COMPLETE",
    ];
    assert_eq!(lab.events("s").await, expected);
    let error = lab.sim.update_stack(&request("s", TWO)).await.unwrap_err();
    assert!(
        matches!(&error, CloudError::Conflict { message, .. } if message.contains("is in ROLLBACK_COMPLETE state and can not be updated")),
        "{error}"
    );
    let again = lab.sim.create_stack(&request("s", TWO)).await.unwrap_err();
    assert!(matches!(again, CloudError::AlreadyExists { .. }));
    lab.sim.delete_stack("s", &BTreeSet::new()).await.unwrap();
    lab.minutes(5).await;
    assert_eq!(lab.create("s", TWO).await.1, "CREATE_COMPLETE");
}

#[tokio::test(start_paused = true)]
async fn a_failed_creation_that_is_not_kept_can_still_be_read_by_its_id() {
    let lab = Lab::new(2);
    lab.sim.set_faults(failing(ResourceStep::Create, "B", 1));
    let mut fleeting = request("s", TWO);
    fleeting.keep_failed_creation = false;
    let id = lab.sim.create_stack(&fleeting).await.unwrap();
    assert_eq!(lab.rests(&id).await, "DELETE_COMPLETE");
    assert!(lab.sim.stack("s").await.unwrap_err().is_not_found());
    let events = lab.events(&id).await;
    assert!(events.contains(&"B CREATE_FAILED It broke".to_owned()), "{events:?}");
}

/// Fakes do not roll back.
#[tokio::test(start_paused = true)]
async fn a_failed_update_goes_back_and_a_rested_stack_needs_no_update() {
    let lab = Lab::new(3);
    lab.create("s", TWO).await;
    lab.sim.set_faults(failing(ResourceStep::Update, "B", 1));
    assert_eq!(lab.update("s", TWO_CHANGED).await, "UPDATE_ROLLBACK_COMPLETE");
    let events = lab.events("s").await;
    let tail = [
        "B UPDATE_FAILED It broke",
        "s UPDATE_ROLLBACK_IN_PROGRESS The following resource(s) failed to update: [B].",
        "A UPDATE_IN_PROGRESS",
        "A UPDATE_COMPLETE",
        "B UPDATE_IN_PROGRESS",
        "B UPDATE_COMPLETE",
        "s UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "s UPDATE_ROLLBACK_COMPLETE",
    ];
    assert_eq!(events[events.len() - tail.len()..], tail);
    // The trap of the original (F4): the old template has nothing to do, and that is no failure.
    assert_eq!(
        lab.sim.update_stack(&request("s", TWO)).await.unwrap(),
        StackUpdate::NothingToDo
    );
    assert_eq!(lab.update("s", TWO_CHANGED).await, "UPDATE_COMPLETE");
}

/// Fakes cannot continue a roll-back.
#[tokio::test(start_paused = true)]
async fn a_stuck_roll_back_can_be_continued_with_what_cannot_be_mended_left_out() {
    let lab = Lab::new(4);
    lab.create("s", TWO).await;
    lab.sim.set_faults(failing(ResourceStep::Update, "B", 3));
    assert_eq!(lab.update("s", TWO_CHANGED).await, "UPDATE_ROLLBACK_FAILED");
    let error = lab
        .sim
        .update_stack(&request("s", TWO_CHANGED))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("is in UPDATE_ROLLBACK_FAILED state and can not be updated"),
        "{error}"
    );
    lab.sim.continue_stack_rollback("s", &BTreeSet::new()).await.unwrap();
    assert_eq!(lab.rests("s").await, "UPDATE_ROLLBACK_FAILED");
    let wrong = lab
        .sim
        .continue_stack_rollback("s", &BTreeSet::from(["A".to_owned()]))
        .await;
    assert!(wrong.is_err(), "A has not failed");
    lab.sim
        .continue_stack_rollback("s", &BTreeSet::from(["B".to_owned()]))
        .await
        .unwrap();
    assert_eq!(lab.rests("s").await, "UPDATE_ROLLBACK_COMPLETE");
}

#[tokio::test(start_paused = true)]
async fn a_replaced_resource_comes_back_when_the_update_fails() {
    let lab = Lab::new(5);
    let named = |name: &str, delay: u32| {
        format!(
            "Resources: {{A: {{Type: AWS::SQS::Queue, Properties: {{QueueName: {name}}}}}, B: {{Type: AWS::SQS::Queue, DependsOn: A, Properties: {{DelaySeconds: {delay}}}}}}}"
        )
    };
    lab.create("s", &named("old", 1)).await;
    let url = |resources: &[ports::cloud::StackResource]| resources[0].physical_id.clone().unwrap();
    let before = url(&lab.sim.stack_resources("s").await.unwrap());
    lab.sim.set_faults(failing(ResourceStep::Update, "B", 1));
    assert_eq!(lab.update("s", &named("new", 2)).await, "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(url(&lab.sim.stack_resources("s").await.unwrap()), before);
    let events = lab.events("s").await;
    assert!(
        events.contains(&"A DELETE_COMPLETE".to_owned()),
        "the new one is swept away: {events:?}"
    );
    assert_eq!(lab.update("s", &named("new", 2)).await, "UPDATE_COMPLETE");
    assert!(url(&lab.sim.stack_resources("s").await.unwrap()).ends_with("/new"));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_with_objects_fails_the_deletion_until_it_is_retained() {
    let lab = Lab::new(6);
    lab.create(
        "s",
        "Resources: {A: {Type: AWS::SQS::Queue}, Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: kept}}}",
    )
    .await;
    lab.sim
        .put_object("kept", "x", b"1", &PutCondition::Always)
        .await
        .unwrap();
    let retain = BTreeSet::from(["Bucket".to_owned()]);
    assert!(
        lab.sim.delete_stack("s", &retain).await.is_err(),
        "retaining is for failed deletions"
    );
    lab.sim.delete_stack("s", &BTreeSet::new()).await.unwrap();
    assert_eq!(lab.rests("s").await, "DELETE_FAILED");
    let stack = lab.sim.stack("s").await.unwrap();
    assert_eq!(
        stack.status_reason.unwrap().trim_end(),
        "The following resource(s) failed to delete: [Bucket]."
    );
    lab.sim.delete_stack("s", &retain).await.unwrap();
    assert_eq!(lab.rests(&stack.id).await, "DELETE_COMPLETE");
    assert_eq!(lab.sim.object("kept", "x").await.unwrap().bytes, b"1");
}

#[tokio::test(start_paused = true)]
async fn protected_types_are_neither_replaced_nor_deleted() {
    let lab = Lab::new(7);
    let bucket = |name: &str| {
        format!(
            "Resources: {{Q: {{Type: AWS::SQS::Queue}}, B: {{Type: AWS::S3::Bucket, Properties: {{BucketName: {name}}}}}}}"
        )
    };
    lab.create("etcd", &bucket("backup-1")).await;
    for next in [bucket("backup-2"), "Resources: {Q: {Type: AWS::SQS::Queue}}".to_owned()] {
        let mut guarded = request("etcd", &next);
        guarded.protected_types = BTreeSet::from(["AWS::S3::Bucket".to_owned()]);
        lab.sim.update_stack(&guarded).await.unwrap();
        assert_eq!(lab.rests("etcd").await, "UPDATE_ROLLBACK_COMPLETE");
        let events = lab.events("etcd").await;
        assert!(
            events.iter().any(|e| e.contains("Action denied by stack policy")),
            "{events:?}"
        );
        assert!(lab.sim.list_objects("backup-1", "").await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn half_made_and_reviewed_stacks_cannot_be_updated() {
    let lab = Lab::new(8);
    let fail = |step, id: &str| ResourceRule::new(step, id, ResourceFault::Fail("It broke".to_owned())).at_most(1);
    lab.sim.set_faults(FaultPlan {
        resources: vec![fail(ResourceStep::Create, "B"), fail(ResourceStep::Delete, "A")],
        ..FaultPlan::default()
    });
    assert_eq!(lab.create("half", TWO).await.1, "ROLLBACK_FAILED");
    lab.sim.leave_stack_in_review("review").unwrap();
    for (stack, state) in [("half", "ROLLBACK_FAILED"), ("review", "REVIEW_IN_PROGRESS")] {
        let error = lab
            .sim
            .update_stack(&request(stack, TWO))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("is in {state} state and can not be updated")),
            "{error}"
        );
        let id = lab.sim.stack(stack).await.unwrap().id;
        lab.sim.delete_stack(stack, &BTreeSet::new()).await.unwrap();
        assert_eq!(lab.rests(&id).await, "DELETE_COMPLETE");
    }
}
