//! Whose nodes are replaced, and why.

use plan::Verb;
use render::PoolDefinition;

use crate::build::{content, plan, pool, stack, with_pools};

const STACK: &str = "\
Mappings: {Images: {eu-central-1: {MachineImage: ami-1}}}
Resources:
  AutoScalingGroup:
    Type: 'AWS::AutoScaling::AutoScalingGroup'
    Properties:
      MaxSize: '7'
      LaunchTemplate: {LaunchTemplateId: !Ref LaunchTemplate, Version: !GetAtt LaunchTemplate.LatestVersionNumber}
  LaunchTemplate:
    Type: 'AWS::EC2::LaunchTemplate'
    Properties: {LaunchTemplateData: {InstanceType: m5.large}}
";

fn stacked(text: &str) -> PoolDefinition {
    PoolDefinition::Stack(stack("nodepool-worker", text))
}

/// The verb and the reasons when a pool's stack changes in this way.
#[track_caller]
fn check(from: &str, to: &str, verb: Verb, why: &[&str]) {
    let before = with_pools(vec![pool("worker", "u", stacked(STACK))]);
    let after = with_pools(vec![pool("worker", "u", stacked(&STACK.replace(from, to)))]);
    let plan = plan(&before, &after);
    let found: Vec<String> = plan.pools[0].why.iter().map(ToString::to_string).collect();
    assert_eq!(
        (plan.pools[0].verb, found),
        (verb, why.iter().map(|w| (*w).to_owned()).collect())
    );
}

#[test]
fn sizes_change_in_place() {
    check(
        "'7'",
        "'9'",
        Verb::Update,
        &["changes in place: AutoScalingGroup.Properties.MaxSize"],
    );
}

#[test]
fn launch_templates_and_images_replace_nodes() {
    check(
        "m5.large",
        "m6i.large",
        Verb::Replace,
        &["launch template changes: InstanceType"],
    );
    check(
        "ami-1",
        "ami-2",
        Verb::Replace,
        &["launch template changes: Mappings.Images.eu-central-1.MachineImage"],
    );
}

#[test]
fn another_choice_of_instances_replaces_nodes() {
    let launch = "LaunchTemplate: {LaunchTemplateId: !Ref LaunchTemplate,";
    check(
        launch,
        "LaunchTemplate: {LaunchTemplateId: !Ref Other,",
        Verb::Replace,
        &["choice of instances changes: Resources.AutoScalingGroup.Properties.LaunchTemplate.LaunchTemplateId"],
    );
}

#[test]
fn what_cannot_be_read_is_taken_to_replace_nodes() {
    check(
        "Resources:",
        "Things:",
        Verb::Replace,
        &["the definition changes and could not be read; nodes are taken to be replaced"],
    );
}

#[test]
fn user_data_replaces_nodes() {
    let before = with_pools(vec![pool("worker", "a\nb\n", stacked(STACK))]);
    let after = with_pools(vec![pool("worker", "a\nc\n", stacked(STACK))]);
    let change = &plan(&before, &after).pools[0];
    assert_eq!(change.verb, Verb::Replace);
    assert_eq!(change.why[0].to_string(), "user data changes (2 lines)");
    assert_eq!(change.drained().unwrap().to_string(), "3 to 20 nodes");
}

#[test]
fn pools_come_and_go() {
    let (a, b) = (pool("a", "u", stacked(STACK)), pool("b", "u", stacked(STACK)));
    let plan = plan(&with_pools(vec![a]), &with_pools(vec![b]));
    let found: Vec<_> = plan.pools.iter().map(|pool| (pool.verb, pool.pool.as_str())).collect();
    assert_eq!(found, [(Verb::Create, "b"), (Verb::Delete, "a")]);
}

#[test]
fn limits_of_karpenter_do_not_touch_nodes_and_classes_do() {
    let text = |limit: &str, ami: &str| {
        format!(
            "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: k}}\nspec: {{limits: {{cpu: {limit}}}}}\n---\n\
             apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {{name: k}}\nspec: {{amiSelectorTerms: [{{id: {ami}}}]}}\n"
        )
    };
    let side = |limit: &str, ami: &str| {
        with_pools(vec![pool(
            "k",
            "u",
            PoolDefinition::Provisioners(content(&text(limit, ami))),
        )])
    };
    let limits = plan(&side("10", "ami-1"), &side("20", "ami-1"));
    assert_eq!(limits.pools[0].verb, Verb::Update);
    let image = plan(&side("10", "ami-1"), &side("10", "ami-2"));
    assert_eq!(image.pools[0].verb, Verb::Replace);
}
