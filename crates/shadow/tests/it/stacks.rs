//! Stacks and node pools of a cluster that the original made.

use model::{ClusterStatus, ClusterUpdate, ClusterVersion, NodePool};
use ports::Registry;
use ports::cloud::{StackRequest, StackTemplate, Stacks};
use shadow::Verdict;
use shadow::adoption::{SETTLE, adopt, hand_back};

use crate::bench::{Bench, NAMESPACE, asked, cluster, context, settings};
use crate::original;
use testkit::source::tree;

const MAIN: &str = "Resources:\n  Role: {Type: 'AWS::IAM::Role', Properties: {RoleName: kube-1-role}}\n";
const POOL: &str = "\
Resources:
  AutoScalingGroup:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties:
      MinSize: '{{ .NodePool.MinSize }}'
      MaxSize: '{{ .NodePool.MaxSize }}'
      VPCZoneIdentifier: [subnet-a]
      LaunchTemplate: {LaunchTemplateId: !Ref LaunchTemplate, Version: !GetAtt LaunchTemplate.LatestVersionNumber}
  LaunchTemplate:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateData: {InstanceType: m5.large, ImageId: ami-12345678, UserData: '{{ .Values.UserData }}'}
";
const POOL_STACK: &str = "nodepool-worker-aws-1-eu-central-1-kube-1";
/// `#cloud-config` and a line end, as Go's `compress/gzip` packs it.
const BY_GO: &str = "H4sIAAAAAAAA/1JOzskvTdFNzs9Ly0znAgQAAP//BVazuA4AAAA=";

fn configuration(id: &str, level: &str, main: &str) -> model::config_tree::ConfigTree {
    let map = settings(level);
    tree(
        id,
        &[
            ("cluster/cluster.yaml", main),
            ("cluster/node-pools/worker-splitaz/stack.yaml", POOL),
            ("cluster/node-pools/worker-splitaz/userdata.yaml", "#cloud-config\n"),
            ("cluster/manifests/00-base/namespace.yaml", NAMESPACE),
            ("cluster/manifests/web/settings.yaml", &map),
        ],
    )
}

/// A cluster with its stacks as the original leaves them: its own packing, its tags, protected.
async fn made() -> Bench {
    let bench = Bench::clouded(&["kube-1"]).await;
    let cloud = bench.cloud.clone().unwrap();
    let id = cluster("kube-1").id;
    let pool: NodePool = serde_json::from_value(serde_json::json!({
        "name": "worker", "profile": "worker-splitaz", "instance_types": ["m5.large"], "discount_strategy": "none",
        "min_size": 1, "max_size": 3, "config_items": {},
    }))
    .unwrap();
    bench
        .upstream
        .put_node_pool(&id, pool, &context("setup"))
        .await
        .unwrap();
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let owned = tag(&format!("kubernetes.io/cluster/{id}"), "owned");
    let of_pool = [
        tag("kubernetes.io/role/node-pool", "true"),
        tag("kubernetes.io/node-pool", "worker"),
        tag("NodePool", "worker"),
        tag("kubernetes.io/node-pool/profile", "worker-splitaz"),
        owned.clone(),
    ];
    let rendered = POOL
        .replace("{{ .Values.UserData }}", BY_GO)
        .replace("{{ .NodePool.MinSize }}", "1")
        .replace("{{ .NodePool.MaxSize }}", "3");
    let main_tag = tag("cluster-lifecycle-controller.zalando.org/main-stack", "true");
    for (name, text, tags) in [
        ("kube-1", MAIN, vec![owned, main_tag]),
        (POOL_STACK, &rendered, of_pool.to_vec()),
    ] {
        let mut request = StackRequest::new(name, StackTemplate::Inline(text.to_owned()));
        request.tags = tags.into_iter().collect();
        request.capabilities.insert("CAPABILITY_NAMED_IAM".to_owned());
        request.termination_protection = true;
        cloud.create_stack(&request).await.unwrap();
    }
    bench.pass_time(1_800).await;
    bench.source.commit("dev", configuration("one", "1", MAIN));
    assert!(original::pass(&bench, "kube-1", "one", "1").await);
    bench
}

#[tokio::test(start_paused = true)]
async fn user_data_that_another_packer_packed_is_no_change() {
    let bench = made().await;
    let before = bench.marks().await;
    let look = bench.look("kube-1").await;
    assert_eq!(look.verdict, Verdict::Agrees, "{look:#?}");
    assert_eq!(
        bench.marks().await,
        before,
        "nothing was written to registry, cluster or cloud"
    );
}

#[tokio::test(start_paused = true)]
async fn stacks_and_pools_that_would_change_are_named_with_their_reason() {
    let bench = made().await;
    // The same commit, as the original says; what it made is something else.
    bench.source.commit(
        "dev",
        configuration("one", "1", &MAIN.replace("kube-1-role", "another")),
    );
    let id = cluster("kube-1").id;
    let larger = model::NodePoolUpdate {
        max_size: Some(9),
        ..model::NodePoolUpdate::default()
    };
    bench
        .upstream
        .update_node_pool(&id, &"worker".parse().unwrap(), larger, &context("bob"))
        .await
        .unwrap();
    let entry = bench.cluster("kube-1").await;
    let status = ClusterStatus {
        current_version: ClusterVersion::of("one", &entry).to_string(),
        ..ClusterStatus::default()
    };
    let update = ClusterUpdate {
        status: Some(status),
        ..ClusterUpdate::default()
    };
    bench
        .upstream
        .update_cluster(&id, update, &context("clm"))
        .await
        .unwrap();
    let look = bench.look("kube-1").await;
    assert_eq!(look.verdict, Verdict::Differs);
    assert_eq!(look.why, ["taking over would change 1 stack, 1 node pool"]);
    let plan = &look.takeover.plan;
    assert_eq!(plan.stacks[0].resources, ["~ AWS::IAM::Role Role"]);
    assert_eq!(
        (plan.pools[0].verb, plan.pools[0].why[0].to_string().contains("MaxSize")),
        (plan::Verb::Update, true),
        "{:?}",
        plan.pools
    );
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_left_the_registry_and_a_stack_in_trouble_are_told() {
    let bench = made().await;
    let id = cluster("kube-1").id;
    bench
        .upstream
        .delete_node_pool(&id, &"worker".parse().unwrap(), &context("bob"))
        .await
        .unwrap();
    let look = bench.look("kube-1").await;
    let gone: Vec<_> = look
        .takeover
        .plan
        .pools
        .iter()
        .map(|pool| (pool.pool.as_str(), pool.verb))
        .collect();
    assert_eq!(gone, [("worker", plan::Verb::Delete)]);
    let cloud = bench.cloud.clone().unwrap();
    cloud
        .delete_stack("kube-1", &std::collections::BTreeSet::new())
        .await
        .unwrap_err();
    cloud.set_stack_protection("kube-1", false).await.unwrap();
    cloud
        .delete_stack("kube-1", &std::collections::BTreeSet::new())
        .await
        .unwrap();
    let look = bench.look("kube-1").await;
    assert!(
        look.takeover.plan.stacks[0]
            .lines
            .iter()
            .any(|line| line.1.contains("something is under way")),
        "{:?}",
        look.takeover.plan.stacks
    );
}

#[tokio::test(start_paused = true)]
async fn a_cluster_with_nodes_moves_and_comes_back_without_a_new_launch_template() {
    let bench = made().await;
    let cloud = bench.cloud.clone().unwrap();
    let template = cloud.stack_template(POOL_STACK).await.unwrap();
    let labels = bench.cluster("kube-1").await.config_items.clone();
    bench.start();
    let look = bench.look("kube-1").await;
    adopt(&bench.places(), &look, None, SETTLE, &asked("first one"))
        .await
        .unwrap();
    bench.pass_time(1_500).await;
    bench.source.commit("dev", configuration("two", "2", MAIN));
    bench.pass_time(1_800).await;
    assert_eq!(bench.level("kube-1").as_deref(), Some("2"));
    hand_back(&bench.places(), &look.cluster, Ok("two"), false, &asked("back"))
        .await
        .unwrap();
    assert!(!original::wants(&bench, "kube-1", "two").await);
    for name in ["kube-1", POOL_STACK] {
        assert_eq!(cloud.stack(name).await.unwrap().updated, None, "{name} was not updated");
    }
    assert_eq!(
        cloud.stack_template(POOL_STACK).await.unwrap(),
        template,
        "packed bytes stay"
    );
    assert_eq!(bench.cluster("kube-1").await.config_items, labels);
}
