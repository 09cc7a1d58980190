//! Stacks do what AWS does where fakes do not.

use std::collections::BTreeSet;

use ports::cloud::{
    CloudError, NodeGroups, Objects, PreviewedAction, PutCondition, StackRequest, StackTemplate, StackUpdate, Stacks,
    Tags, TemplateVersion,
};

use crate::lab::{Lab, name, pool, request};

const QUEUES: &str = "Resources:
  First: {Type: AWS::SQS::Queue}
  Second: {Type: AWS::SQS::Queue, DependsOn: First}
";

/// Fakes finish a stack within the call: no phase to poll, no events of resources.
#[tokio::test(start_paused = true)]
async fn a_stack_is_in_progress_and_has_an_event_per_resource_and_step() {
    let lab = Lab::new(1);
    lab.sim.create_stack(&request("s", QUEUES)).await.unwrap();
    assert_eq!(
        lab.sim.stack("s").await.unwrap().status.to_string(),
        "CREATE_IN_PROGRESS"
    );
    assert_eq!(lab.rests("s").await, "CREATE_COMPLETE");
    let expected = [
        "s CREATE_IN_PROGRESS User Initiated",
        "First CREATE_IN_PROGRESS",
        "First CREATE_IN_PROGRESS Resource creation Initiated",
        "First CREATE_COMPLETE",
        "Second CREATE_IN_PROGRESS",
        "Second CREATE_IN_PROGRESS Resource creation Initiated",
        "Second CREATE_COMPLETE",
        "s CREATE_COMPLETE",
    ];
    assert_eq!(lab.events("s").await, expected);
}

/// Fakes ignore update policies and signals, and make a changed group anew, under a new name and all at once.
#[tokio::test(start_paused = true)]
async fn a_rolling_update_replaces_instances_in_batches() {
    let lab = Lab::new(2);
    let policy = "    UpdatePolicy: {AutoScalingRollingUpdate: {MinInstancesInService: 2, MaxBatchSize: 2, PauseTime: PT10M, WaitOnResourceSignals: true}}\n";
    assert_eq!(lab.create("s", &pool("m5.large", policy)).await.1, "CREATE_COMPLETE");
    lab.minutes(5).await;
    let before = lab.serving().await;
    lab.sim
        .update_stack(&request("s", &pool("m6i.large", policy)))
        .await
        .unwrap();
    let mut fewest = usize::MAX;
    while lab.sim.stack("s").await.unwrap().status.in_progress() {
        fewest = fewest.min(lab.serving().await.len());
        lab.seconds(5).await;
    }
    let group = lab.g().await;
    assert_eq!(lab.sim.stack("s").await.unwrap().status.to_string(), "UPDATE_COMPLETE");
    assert_eq!(fewest, 2, "two of three keep serving");
    assert_eq!(group.name, name(), "the group itself stays");
    let after = lab.serving().await;
    assert_eq!(after.len(), 3);
    assert!(after.iter().all(|id| !before.contains(id)));
    let events = lab.events("s").await;
    let said = |text: &str| events.iter().filter(|event| event.contains(text)).count();
    assert_eq!(
        said("Rolling update initiated. Terminating 3 obsolete instance(s) in batches of 1"),
        1
    );
    assert_eq!(said("replacing with 1 new instance(s)"), 3);
    assert!(said("Received SUCCESS signal with UniqueId i-") >= 3);
}

/// In fakes `LatestVersionNumber` goes stale, and new instances of a new type report the old version.
#[tokio::test(start_paused = true)]
async fn without_update_policy_a_changed_group_keeps_its_instances_and_their_versions() {
    let lab = Lab::new(3);
    lab.create("s", &pool("m5.large", "")).await;
    lab.minutes(5).await;
    let before = lab.serving().await;
    assert_eq!(lab.update("s", &pool("m6i.large", "")).await, "UPDATE_COMPLETE");
    lab.minutes(30).await;
    let group = lab.g().await;
    assert_eq!(lab.serving().await, before);
    assert_eq!(
        group.launch_template.unwrap().version,
        TemplateVersion::Number(2),
        "GetAtt follows the new version"
    );
    for instance in group.instances.iter() {
        assert_eq!(
            instance.launch_template.as_ref().unwrap().version,
            TemplateVersion::Number(1)
        );
        assert_eq!(instance.instance_type, "m5.large");
    }
}

/// Fakes take the same template again for an update.
#[tokio::test(start_paused = true)]
async fn the_same_template_again_is_no_update() {
    let lab = Lab::new(4);
    lab.create("s", QUEUES).await;
    let same = format!("# a comment\nDescription: other words\n{QUEUES}");
    assert_eq!(
        lab.sim.update_stack(&request("s", &same)).await.unwrap(),
        StackUpdate::NothingToDo
    );
    let policy = QUEUES.replace(
        "Type: AWS::SQS::Queue}",
        "Type: AWS::SQS::Queue, DeletionPolicy: Retain}",
    );
    assert_eq!(
        lab.sim.update_stack(&request("s", &policy)).await.unwrap(),
        StackUpdate::NothingToDo
    );
    let mut tagged = request("s", QUEUES);
    tagged.tags = Tags::from([("team".to_owned(), "a".to_owned())]);
    assert_eq!(lab.sim.update_stack(&tagged).await.unwrap(), StackUpdate::Started);
}

/// Fakes show everything as added when the type of a change set is left out.
#[tokio::test(start_paused = true)]
async fn a_preview_of_an_existing_stack_compares_with_it() {
    let lab = Lab::new(5);
    lab.create("s", "Resources: {A: {Type: AWS::SQS::Queue}, B: {Type: AWS::IAM::Role, Properties: {Path: /}}, C: {Type: AWS::SNS::Topic}}").await;
    let next = "Resources: {A: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 3}}, B: {Type: AWS::IAM::Role, Properties: {Path: /x/}}, D: {Type: AWS::SNS::Topic}}";
    let changes = lab.sim.preview_stack_update(&request("s", next)).await.unwrap();
    let seen: Vec<_> = changes.iter().map(|c| (c.logical_id.as_str(), c.action)).collect();
    let expected = [
        ("A", PreviewedAction::Modify),
        ("B", PreviewedAction::Replace),
        ("C", PreviewedAction::Remove),
        ("D", PreviewedAction::Add),
    ];
    assert_eq!(seen, expected);
    assert_eq!(lab.update("s", next).await, "UPDATE_COMPLETE");
}

async fn refused(lab: &Lab, template: &str) -> String {
    lab.sim
        .create_stack(&request("refused", template))
        .await
        .unwrap_err()
        .to_string()
}

/// Fakes complete stacks with unknown types and with security groups in networks that are not there.
#[tokio::test(start_paused = true)]
async fn unknown_types_and_missing_networks_are_refused() {
    let lab = Lab::new(6);
    let error = refused(&lab, "Resources: {A: {Type: AWS::Made::Up}}").await;
    assert!(
        error.contains("Unrecognized resource types: [AWS::Made::Up]"),
        "{error}"
    );
    let template =
        "Resources: {A: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: x, VpcId: vpc-none}}}";
    assert_eq!(lab.create("s", template).await.1, "ROLLBACK_COMPLETE");
    let events = lab.events("s").await;
    assert!(
        events
            .iter()
            .any(|e| e == "A CREATE_FAILED The vpc ID 'vpc-none' does not exist"),
        "{events:?}"
    );
}

/// Fakes complete lifecycle hooks, scaling policies, OIDC providers, wait conditions and certificates without making any.
#[tokio::test(start_paused = true)]
async fn hooks_policies_providers_conditions_and_certificates_are_really_made() {
    let lab = Lab::new(7);
    let more = "  Hook: {Type: AWS::AutoScaling::LifecycleHook, Properties: {AutoScalingGroupName: !Ref Group, LifecycleHookName: h, LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING', HeartbeatTimeout: 60, DefaultResult: CONTINUE}}
  Scale: {Type: AWS::AutoScaling::ScalingPolicy, Properties: {AutoScalingGroupName: !Ref Group}}
  Issuer: {Type: AWS::IAM::OIDCProvider, Properties: {Url: 'https://issuer.example.org'}}
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Wait: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref Handle, Timeout: 600, Count: 1}}
  Certificate: {Type: AWS::CertificateManager::Certificate, Properties: {DomainName: a.example.org}}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Name: nlb, Type: network}}
";
    lab.sim
        .create_stack(&request("s", &pool("m5.large", more)))
        .await
        .unwrap();
    lab.minutes(5).await;
    let instance = lab.serving().await[0].clone();
    lab.sim
        .signal_stack_resource("s", "Wait", &instance, true)
        .await
        .unwrap();
    assert_eq!(lab.rests("s").await, "CREATE_COMPLETE");
    let resources = lab.sim.stack_resources("s").await.unwrap();
    assert!(
        resources.iter().all(|resource| resource.physical_id.is_some()),
        "{resources:?}"
    );
    let id = |name: &str| {
        resources
            .iter()
            .find(|r| r.logical_id == name)
            .unwrap()
            .physical_id
            .clone()
            .unwrap()
    };
    assert_eq!(
        id("Issuer"),
        "arn:aws:iam::123456789012:oidc-provider/issuer.example.org"
    );
    assert_eq!(lab.sim.lifecycle_hooks(&name()).await.unwrap()[0].name, "h");
    let certificates = ports::cloud::Certificates::certificates(&lab.sim).await.unwrap();
    assert_eq!(certificates[0].names, ["a.example.org"]);
    let balancers = ports::cloud::LoadBalancers::load_balancers(&lab.sim, &Tags::new())
        .await
        .unwrap();
    assert_eq!(balancers[0].kind, ports::cloud::LoadBalancerKind::Network);
}

/// Fakes complete wait conditions that nobody signals.
#[tokio::test(start_paused = true)]
async fn a_wait_condition_without_signal_fails_the_stack() {
    let lab = Lab::new(8);
    let template =
        "Resources: {Wait: {Type: AWS::CloudFormation::WaitCondition, Properties: {Timeout: 600, Count: 1}}}";
    assert_eq!(lab.create("s", template).await.1, "ROLLBACK_COMPLETE");
    assert!(lab.sim.now().as_second() >= 600);
}

/// Fakes do not ask for capabilities.
#[tokio::test(start_paused = true)]
async fn capabilities_are_demanded() {
    let lab = Lab::new(9);
    let cases = [
        ("Resources: {A: {Type: AWS::IAM::Role}}", "CAPABILITY_IAM", true),
        ("Resources: {A: {Type: AWS::IAM::Role}}", "", false),
        (
            "Resources: {A: {Type: AWS::IAM::Role, Properties: {RoleName: r}}}",
            "CAPABILITY_IAM",
            false,
        ),
        (
            "Resources: {B: {Type: AWS::IAM::Role, Properties: {RoleName: r}}}",
            "CAPABILITY_NAMED_IAM",
            true,
        ),
    ];
    for (number, (template, capability, accepted)) in cases.into_iter().enumerate() {
        let mut request = StackRequest::new(format!("s{number}"), StackTemplate::Inline(template.to_owned()));
        request.capabilities = BTreeSet::from([capability.to_owned()]);
        let result = lab.sim.create_stack(&request).await;
        assert_eq!(result.is_ok(), accepted, "{template} {capability}");
        if let Err(error) = result {
            assert!(
                error.to_string().contains("Requires capabilities : [CAPABILITY_"),
                "{error}"
            );
        }
    }
}

/// Fakes do not look at `AllowedValues`.
#[tokio::test(start_paused = true)]
async fn allowed_values_are_checked() {
    let lab = Lab::new(10);
    let template =
        "Parameters: {Size: {Type: String, AllowedValues: [small, big]}}\nResources: {A: {Type: AWS::SQS::Queue}}";
    let mut request = request("s", template);
    request.parameters.insert("Size".to_owned(), "huge".to_owned());
    let error = lab.sim.create_stack(&request).await.unwrap_err().to_string();
    assert!(
        error.contains("Parameter 'Size' must be one of AllowedValues"),
        "{error}"
    );
}

/// Fakes take templates of any size in the request.
#[tokio::test(start_paused = true)]
async fn templates_above_51200_bytes_go_through_the_object_store() {
    let lab = Lab::new(11);
    let large = format!("{QUEUES}Metadata: {{Long: {}}}\n", "x".repeat(51_200));
    let error = refused(&lab, &large).await;
    assert!(error.contains("less than or equal to 51200"), "{error}");
    lab.sim.ensure_bucket("templates").await.unwrap();
    lab.sim
        .put_object("templates", "s.template", large.as_bytes(), &PutCondition::Always)
        .await
        .unwrap();
    let mut stored = request("s", "");
    stored.template = StackTemplate::Stored {
        bucket: "templates".to_owned(),
        key: "s.template".to_owned(),
    };
    lab.sim.create_stack(&stored).await.unwrap();
    assert_eq!(lab.rests("s").await, "CREATE_COMPLETE");
}

/// Fakes delete stacks whose exports others use.
#[tokio::test(start_paused = true)]
async fn an_export_in_use_blocks_deletion_and_change() {
    let lab = Lab::new(12);
    let exporter = |name: &str| {
        format!(
            "Resources: {{A: {{Type: AWS::SQS::Queue, Properties: {{QueueName: {name}}}}}}}\nOutputs: {{O: {{Value: !GetAtt A.Arn, Export: {{Name: shared}}}}}}"
        )
    };
    lab.create("exporter", &exporter("one")).await;
    lab.create(
        "user",
        "Resources: {B: {Type: AWS::SQS::Queue, Properties: {X: !ImportValue shared}}}",
    )
    .await;
    lab.sim.delete_stack("exporter", &BTreeSet::new()).await.unwrap();
    lab.minutes(10).await;
    let stack = lab.sim.stack("exporter").await.unwrap();
    assert_eq!(stack.status.to_string(), "CREATE_COMPLETE");
    assert_eq!(
        stack.status_reason.unwrap(),
        "Delete canceled. Cannot delete export shared as it is in use by user."
    );
    assert_eq!(
        lab.update("exporter", &exporter("two")).await,
        "UPDATE_ROLLBACK_COMPLETE"
    );
    let events = lab.events("exporter").await;
    assert!(
        events
            .iter()
            .any(|e| e.contains("Export shared cannot be updated as it is in use by user")),
        "{events:?}"
    );
    lab.sim.delete_stack("user", &BTreeSet::new()).await.unwrap();
    lab.minutes(10).await;
    lab.sim.delete_stack("exporter", &BTreeSet::new()).await.unwrap();
    lab.minutes(10).await;
    assert!(lab.sim.stack("exporter").await.unwrap_err().is_not_found());
}

/// Fakes keep a stack's tags to themselves, `aws:cloudformation:*` included.
#[tokio::test(start_paused = true)]
async fn stack_tags_are_passed_on_down_to_instances() {
    let lab = Lab::new(13);
    let mut tagged = request("s", &pool("m5.large", ""));
    tagged.tags = Tags::from([("NodePool".to_owned(), "workers".to_owned())]);
    lab.sim.create_stack(&tagged).await.unwrap();
    assert_eq!(lab.rests("s").await, "CREATE_COMPLETE");
    lab.minutes(5).await;
    let wanted = [
        ("NodePool", "workers"),
        ("aws:cloudformation:stack-name", "s"),
        ("aws:cloudformation:logical-id", "Group"),
    ];
    let found = lab.sim.groups(&tagged.tags).await.unwrap();
    let instance = lab.sim.instance(&lab.serving().await[0]).unwrap();
    for (key, value) in wanted {
        assert_eq!(found[0].tags[key], value);
        assert_eq!(instance.tags[key], value);
    }
    let template = lab.sim.stack_resources("s").await.unwrap()[1]
        .physical_id
        .clone()
        .unwrap();
    assert_eq!(lab.sim.tags_of(&template).unwrap()["NodePool"], "workers");
}

/// Fakes break down (HTTP 500) at an unknown `Ref` or a circle of `DependsOn`.
#[tokio::test(start_paused = true)]
async fn unknown_references_and_circles_are_validation_errors() {
    let lab = Lab::new(14);
    let cases = [
        (
            "Resources: {A: {Type: AWS::SQS::Queue, Properties: {X: !Ref Nobody}}}",
            "Unresolved resource dependencies [Nobody]",
        ),
        (
            "Resources: {A: {Type: AWS::SQS::Queue, DependsOn: B}, B: {Type: AWS::SQS::Queue, DependsOn: A}}",
            "Circular dependency between resources: [A, B]",
        ),
        (
            "Resources: {A: {Type: AWS::SQS::Queue}, B: {Type: AWS::SQS::Queue, Properties: {X: !GetAtt A.Colour}}}",
            "resource A does not support attribute type Colour",
        ),
    ];
    for (template, expected) in cases {
        let result = lab.sim.create_stack(&request("refused", template)).await;
        assert!(
            matches!(&result, Err(CloudError::Invalid { message, .. }) if message.contains(expected)),
            "{result:?}"
        );
    }
    for bad in ["1s", "a_b", "a:b"] {
        let error = lab
            .sim
            .create_stack(&request(bad, QUEUES))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("failed to satisfy constraint"), "{error}");
    }
}

/// Fakes have no termination protection.
#[tokio::test(start_paused = true)]
async fn termination_protection_holds() {
    let lab = Lab::new(15);
    let mut protected = request("s", QUEUES);
    protected.termination_protection = true;
    lab.sim.create_stack(&protected).await.unwrap();
    lab.rests("s").await;
    let error = lab
        .sim
        .delete_stack("s", &BTreeSet::new())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot be deleted while TerminationProtection is enabled"),
        "{error}"
    );
    lab.sim.set_stack_protection("s", false).await.unwrap();
    lab.sim.delete_stack("s", &BTreeSet::new()).await.unwrap();
    lab.minutes(10).await;
    assert!(lab.sim.stack("s").await.unwrap_err().is_not_found());
}

/// Fakes cannot be signalled.
#[tokio::test(start_paused = true)]
async fn signals_complete_a_creation_policy_and_are_refused_elsewhere() {
    let lab = Lab::with(16, |mut options| {
        options.boot_agent = false;
        options
    });
    let more = "    CreationPolicy: {ResourceSignal: {Count: 2, Timeout: PT15M}}\n";
    lab.sim
        .create_stack(&request("s", &pool("m5.large", more)))
        .await
        .unwrap();
    lab.minutes(5).await;
    let instances = lab.serving().await;
    let early = lab
        .sim
        .signal_stack_resource("s", "Template", &instances[0], true)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        early.contains("Resource Template is in CREATE_COMPLETE state and cannot be signaled"),
        "{early}"
    );
    for instance in &instances[..2] {
        assert_eq!(
            lab.sim.stack("s").await.unwrap().status.to_string(),
            "CREATE_IN_PROGRESS"
        );
        lab.sim
            .signal_stack_resource("s", "Group", instance, true)
            .await
            .unwrap();
    }
    assert_eq!(lab.rests("s").await, "CREATE_COMPLETE");
    lab.create(
        "late",
        &pool("m5.large", more)
            .replace("name: g", "name: h")
            .replace("Name: pool", "Name: pool2")
            .replace("Name: g", "Name: h"),
    )
    .await;
    let events = lab.events("late").await;
    assert!(
        events
            .iter()
            .any(|e| e.contains("Group CREATE_FAILED Received 0 FAILURE signal(s) and 0 SUCCESS signal(s) out of 2")),
        "{events:?}"
    );
}

/// Fakes cannot cancel an update.
#[tokio::test(start_paused = true)]
async fn an_update_can_be_cancelled() {
    let lab = Lab::new(17);
    lab.create("s", QUEUES).await;
    let next = "Resources:\n  First: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 1}}\n  Second: {Type: AWS::SQS::Queue, DependsOn: First, Properties: {DelaySeconds: 1}}\n";
    assert!(lab.sim.cancel_stack_update("s").await.is_err());
    lab.sim.update_stack(&request("s", next)).await.unwrap();
    lab.seconds(10).await;
    lab.sim.cancel_stack_update("s").await.unwrap();
    assert_eq!(lab.rests("s").await, "UPDATE_ROLLBACK_COMPLETE");
    let events = lab.events("s").await;
    assert!(
        events
            .iter()
            .any(|e| e == "First UPDATE_FAILED Resource update cancelled"),
        "{events:?}"
    );
    assert!(!events.iter().any(|e| e.starts_with("Second UPDATE")), "{events:?}");
}
