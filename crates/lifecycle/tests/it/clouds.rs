//! Stacks, pools and decommissions on a simulated cloud.

use cloud_sim::{CloudSim, FaultPlan, ResourceFault, ResourceRule, ResourceStep, SubnetSpec, WorldOptions};
use jiff::SignedDuration;
use lifecycle::consent::{self, DecommissionConsent};
use lifecycle::guard::Rules;
use lifecycle::{Manager, Pace, Settings, Standing};
use model::config_tree::ConfigTree;
use model::{ClusterUpdate, LifecycleStatus, NodePool, Progress};
use ports::cloud::{Group, GroupSize, NodeGroups, Stacks, Tags};
use ports::{Clock, Registry};

use crate::bench::{Bench, cluster, context};
use crate::updates::commit;
use testkit::source::tree;

pub(crate) const MAIN: &str = "Resources:\n  Role: {Type: 'AWS::IAM::Role', Properties: {RoleName: kube-1-role}}\nOutputs:\n  RoleName: {Value: !Ref Role}\n";
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
      LaunchTemplateData: {InstanceType: '{{ .NodePool.InstanceType }}', ImageId: ami-12345678}
";

/// A configuration with a main stack, a pool and the ConfigMap.
pub(crate) fn clouded(id: &str, level: &str, main: &str) -> ConfigTree {
    let base = commit(id, level, &[]);
    let text = |path: &str| base.text(path).unwrap().to_owned();
    let (namespace, settings) = (
        text("cluster/manifests/00-base/namespace.yaml"),
        text("cluster/manifests/web/settings.yaml"),
    );
    tree(
        id,
        &[
            ("cluster/cluster.yaml", main),
            ("cluster/node-pools/worker-splitaz/stack.yaml", POOL),
            ("cluster/node-pools/worker-splitaz/userdata.yaml", "#cloud-config\n"),
            ("cluster/manifests/00-base/namespace.yaml", &namespace),
            ("cluster/manifests/web/settings.yaml", &settings),
        ],
    )
}

pub(crate) fn pool(name: &str) -> NodePool {
    serde_json::from_value(serde_json::json!({
        "name": name, "profile": "worker-splitaz", "instance_types": ["m5.large"], "discount_strategy": "none",
        "min_size": 1, "max_size": 3, "config_items": {},
    }))
    .unwrap()
}

/// An account with one subnet, whose image ids are all known.
pub(crate) fn one_subnet() -> WorldOptions {
    let mut options = WorldOptions::new("1", "eu-central-1", 7).unthrottled();
    options.any_image = true;
    options.subnets = vec![SubnetSpec {
        id: "subnet-a".to_owned(),
        zone: 'a',
        tags: Tags::new(),
    }];
    options
}

/// A cluster that is asked for, with one pool, in an empty account.
async fn bench(settings: Settings) -> (Bench, CloudSim) {
    let (bench, sim) = Bench::clouded(&["kube-1"], settings, one_subnet()).await;
    let id = cluster("kube-1").id;
    bench
        .registry
        .put_node_pool(&id, pool("worker"), &context("setup"))
        .await
        .unwrap();
    (bench, sim)
}

pub(crate) async fn stack_states(sim: &CloudSim) -> Vec<(String, String)> {
    let stacks = sim.stacks().await.unwrap();
    stacks
        .into_iter()
        .map(|stack| (stack.name, stack.status.to_string()))
        .collect()
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

pub(crate) const POOL_STACK: &str = "nodepool-worker-aws-1-eu-central-1-kube-1";

#[tokio::test(start_paused = true)]
async fn a_requested_cluster_gets_its_stacks_its_manifests_and_becomes_ready() {
    let (bench, sim) = bench(Settings::default()).await;
    bench.source.commit("dev", clouded("one", "1", MAIN));
    let update = ClusterUpdate {
        lifecycle_status: Some(LifecycleStatus::Requested),
        ..ClusterUpdate::default()
    };
    bench
        .registry
        .update_cluster(&cluster("kube-1").id, update, &context("alice"))
        .await
        .unwrap();
    bench.start();
    bench.pass_time(1_800).await;
    let found = bench.cluster("kube-1").await;
    assert_eq!(
        (found.lifecycle_status, found.status.problems),
        (LifecycleStatus::Ready, Vec::new())
    );
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
    let states = stack_states(&sim).await;
    assert_eq!(
        states,
        owned(&[("kube-1", "CREATE_COMPLETE"), (POOL_STACK, "CREATE_COMPLETE")])
    );
    let main = sim.stack("kube-1").await.unwrap();
    assert_eq!(main.tags["kubernetes.io/cluster/aws:1:eu-central-1:kube-1"], "owned");
    assert!(main.termination_protection);
    let nodes = sim.stack(POOL_STACK).await.unwrap();
    assert_eq!(nodes.tags["kubernetes.io/node-pool"], "worker");
}

#[tokio::test(start_paused = true)]
async fn f4_a_failed_creation_tells_its_cause_and_is_made_anew() {
    let (bench, sim) = bench(Settings::default()).await;
    let fault = ResourceFault::Fail("role name is too long".to_owned());
    sim.set_faults(FaultPlan {
        resources: vec![ResourceRule::new(ResourceStep::Create, "Role", fault).at_most(1)],
        ..FaultPlan::default()
    });
    bench.source.commit("dev", clouded("one", "1", MAIN));
    bench.start();
    let mut problems = Vec::new();
    for _ in 0..60 {
        bench.pass_time(5).await;
        problems = bench.cluster("kube-1").await.status.problems;
        if !problems.is_empty() {
            break;
        }
    }
    assert!(
        problems[0].title.contains("AWS::IAM::Role Role: role name is too long"),
        "{problems:?}"
    );
    assert_eq!(problems[0].instance.as_deref(), Some("stacks/main"));
    bench.pass_time(3_600).await;
    let found = bench.cluster("kube-1").await;
    assert_eq!(
        (found.status.problems, found.status.next_version.as_str()),
        (Vec::new(), "")
    );
    assert_eq!(stack_states(&sim).await[0].1, "CREATE_COMPLETE");
}

#[tokio::test(start_paused = true)]
async fn f4_a_stack_that_rolled_back_and_needs_nothing_is_no_failure() {
    let (bench, sim) = bench(Settings::default()).await;
    bench.source.commit("dev", clouded("one", "1", MAIN));
    let wake = bench.start();
    bench.pass_time(1_800).await;
    let fault = ResourceFault::Fail("no".to_owned());
    sim.set_faults(FaultPlan {
        resources: vec![ResourceRule::new(ResourceStep::Update, "Role", fault).at_most(1)],
        ..FaultPlan::default()
    });
    let other = MAIN.replace("RoleName: kube-1-role", "RoleName: kube-1-role, Path: /x/");
    bench.source.commit("dev", clouded("two", "2", &other));
    wake.configuration_moved();
    bench.pass_time(60).await;
    bench.source.commit("dev", clouded("back", "3", MAIN));
    wake.configuration_moved();
    bench.pass_time(1_800).await;
    let found = bench.cluster("kube-1").await;
    assert_eq!(
        found.status.current_version,
        bench.version("kube-1", "back").await,
        "{:?}",
        found.status
    );
    assert_eq!(
        (bench.setting("kube-1", "level").as_deref(), found.status.problems.len()),
        (Some("3"), 0)
    );
}

#[tokio::test(start_paused = true)]
async fn manifests_never_wait_for_a_node_pool() {
    let (bench, sim) = bench(Settings::default()).await;
    let fault = ResourceFault::Fail("no capacity".to_owned());
    sim.set_faults(FaultPlan {
        resources: vec![ResourceRule::new(ResourceStep::Create, "AutoScalingGroup", fault)],
        ..FaultPlan::default()
    });
    bench.source.commit("dev", clouded("one", "1", MAIN));
    bench.start();
    bench.pass_time(1_800).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
    let status = bench.cluster("kube-1").await.status;
    assert!(
        status.problems.last().unwrap().title.contains("no capacity"),
        "{:?}",
        status.problems
    );
    assert_eq!(status.current_version, "");
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_version_asks_the_cloud_nothing() {
    let (bench, sim) = bench(Settings::default()).await;
    bench.source.commit("dev", clouded("one", "1", MAIN));
    bench.start();
    bench.pass_time(1_800).await;
    let before = sim.last_event();
    bench.pass_time(7_200).await;
    assert_eq!(sim.last_event(), before);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_left_the_registry_waits_for_its_nodes_and_then_goes() {
    let (bench, sim) = bench(Settings::default()).await;
    bench.source.commit("dev", clouded("one", "1", MAIN));
    bench.start();
    bench.pass_time(1_800).await;
    let id = cluster("kube-1").id;
    bench
        .registry
        .delete_node_pool(&id, &"worker".parse().unwrap(), &context("alice"))
        .await
        .unwrap();
    bench.pass_time(600).await;
    let update = bench.updates("kube-1").await.into_iter().next().unwrap();
    assert_eq!(update.progress, Progress::Waiting, "{update:?}");
    assert!(
        update.message.contains("waits until its nodes are drained: 1 left"),
        "{}",
        update.message
    );
    let groups = ports::cloud::NodeGroups::groups(&sim, &Tags::new()).await.unwrap();
    let empty = ports::cloud::GroupSize {
        min: Some(0),
        max: Some(3),
        desired: Some(0),
    };
    ports::cloud::NodeGroups::resize_group(&sim, &groups[0].name, empty)
        .await
        .unwrap();
    bench.pass_time(1_800).await;
    assert_eq!(stack_states(&sim).await, owned(&[("kube-1", "CREATE_COMPLETE")]));
    assert_eq!(bench.cluster("kube-1").await.status.next_version, "");
}

#[tokio::test(start_paused = true)]
async fn a_decommission_needs_the_name_a_second_person_and_time_and_takes_only_what_is_ours() {
    let settings = Settings {
        decommission_wait: SignedDuration::from_hours(24),
        ..Settings::default()
    };
    let (bench, sim) = bench(settings).await;
    bench.source.commit("dev", clouded("one", "1", MAIN));
    bench.start();
    bench.pass_time(1_800).await;
    let foreign = ports::cloud::StackRequest::new(
        "theirs",
        ports::cloud::StackTemplate::Inline(MAIN.replace("kube-1-role", "x")),
    );
    let mut foreign = foreign;
    foreign.capabilities.insert("CAPABILITY_NAMED_IAM".to_owned());
    sim.create_stack(&foreign).await.unwrap();
    let id = cluster("kube-1").id;
    let update = ClusterUpdate {
        lifecycle_status: Some(LifecycleStatus::DecommissionRequested),
        ..ClusterUpdate::default()
    };
    bench
        .registry
        .update_cluster(&id, update, &context("alice"))
        .await
        .unwrap();
    let there = async || bench.cluster("kube-1").await.lifecycle_status;
    let mut agreed = DecommissionConsent {
        confirmed_name: "kube-2".to_owned(),
        requested_by: "alice".to_owned(),
        requested_at: bench.clock.now(),
        approved_by: None,
        approved_at: None,
    };
    let put = async |consent: &DecommissionConsent| {
        consent::put_decommission(&*bench.registry, &id, consent, &context("alice"))
            .await
            .unwrap();
    };
    bench.pass_time(3_600).await;
    assert_eq!(there().await, LifecycleStatus::DecommissionRequested);
    put(&agreed).await;
    bench.pass_time(3_600).await;
    agreed.confirmed_name = "kube-1".to_owned();
    agreed.approved_by = Some("alice".to_owned());
    agreed.approved_at = Some(bench.clock.now());
    put(&agreed).await;
    bench.pass_time(30 * 3_600).await;
    assert_eq!(stack_states(&sim).await.len(), 3, "one person is not enough");
    agreed.approved_by = Some("bob".to_owned());
    agreed.approved_at = Some(bench.clock.now());
    put(&agreed).await;
    bench.pass_time(20 * 3_600).await;
    assert_eq!(stack_states(&sim).await.len(), 3, "not before the waiting time");
    let standing = bench.once().await;
    assert!(
        matches!(&standing[0].1, Standing::Waiting(why) if why.contains("alice and bob agreed")),
        "{standing:?}"
    );
    bench.pass_time(8 * 3_600).await;
    assert_eq!(there().await, LifecycleStatus::Decommissioned);
    assert_eq!(stack_states(&sim).await, owned(&[("theirs", "CREATE_COMPLETE")]));
}

/// Whether manifests of an old version are applied although a newer one is known: its stack takes long, and a commit comes
/// meanwhile.
async fn overtaken_plan_is_applied(rules: Rules) -> bool {
    let (bench, sim) = bench(Settings::default()).await;
    let slow = ResourceFault::Hang(std::time::Duration::from_secs(600));
    sim.set_faults(FaultPlan {
        resources: vec![ResourceRule::new(ResourceStep::Create, "Role", slow)],
        ..FaultPlan::default()
    });
    bench.source.commit("dev", clouded("old", "1", MAIN));
    let pace = Pace {
        rules,
        ..Pace::default()
    };
    let manager = Manager::new(bench.reach.clone(), pace);
    let wake = manager.wake();
    tokio::spawn(manager.run(std::future::pending()));
    bench.pass_time(60).await;
    bench.source.commit("dev", clouded("new", "2", MAIN));
    wake.configuration_moved();
    let mut old = false;
    for _ in 0..300 {
        bench.pass_time(5).await;
        old |= bench.setting("kube-1", "level").as_deref() == Some("1");
    }
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("2"));
    old
}

#[tokio::test(start_paused = true)]
async fn v8_an_overtaken_plan_is_not_carried_out() {
    assert!(!overtaken_plan_is_applied(Rules::default()).await);
}

#[tokio::test(start_paused = true)]
async fn without_the_guard_of_generations_v8_is_breached() {
    let off = Rules {
        generation: false,
        ..Rules::default()
    };
    assert!(overtaken_plan_is_applied(off).await);
}

#[tokio::test(start_paused = true)]
async fn w4_a_manager_that_is_cut_at_any_turn_is_gone_on_with_to_the_same_end() {
    let mut cut = 0;
    loop {
        let (bench, sim) = bench(Settings::default()).await;
        bench.source.commit("dev", clouded("one", "1", MAIN));
        let mut run = Box::pin(Manager::new(bench.reach.clone(), Pace::default()).run_once());
        let mut over = false;
        // Turns without news move the clock to whatever comes next, so that stacks come to their ends.
        for _ in 0..cut {
            over = futures::poll!(&mut run).is_ready();
            if over {
                break;
            }
            bench.pass_time(1).await;
        }
        drop(run);
        bench.once().await;
        let found = bench.cluster("kube-1").await;
        assert_eq!(
            found.status.current_version,
            bench.version("kube-1", "one").await,
            "cut {cut}: {:?}",
            found.status
        );
        assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"), "cut {cut}");
        let states = stack_states(&sim).await;
        assert_eq!(
            states,
            owned(&[("kube-1", "CREATE_COMPLETE"), (POOL_STACK, "CREATE_COMPLETE")]),
            "cut {cut}"
        );
        let open = bench
            .updates("kube-1")
            .await
            .iter()
            .filter(|update| !update.progress.is_over())
            .count();
        assert_eq!(open, 0, "cut {cut}");
        if over {
            break;
        }
        cut += 1;
    }
    assert!(cut > 20, "only {cut} places to cut at");
}

/// Whether a decommission takes a stack of others along.
async fn takes_what_is_not_ours(rules: Rules) -> bool {
    let settings = Settings {
        decommission_wait: SignedDuration::ZERO,
        ..Settings::default()
    };
    let (bench, sim) = bench(settings).await;
    bench.source.commit("dev", clouded("one", "1", MAIN));
    let theirs = ports::cloud::StackTemplate::Inline(MAIN.replace("kube-1-role", "theirs"));
    let mut theirs = ports::cloud::StackRequest::new("theirs", theirs);
    theirs.capabilities.insert("CAPABILITY_NAMED_IAM".to_owned());
    sim.create_stack(&theirs).await.unwrap();
    let pace = Pace {
        rules,
        ..Pace::default()
    };
    tokio::spawn(Manager::new(bench.reach.clone(), pace).run(std::future::pending()));
    bench.pass_time(1_800).await;
    let id = cluster("kube-1").id;
    let agreed = DecommissionConsent {
        confirmed_name: "kube-1".to_owned(),
        requested_by: "alice".to_owned(),
        requested_at: bench.clock.now(),
        approved_by: Some("bob".to_owned()),
        approved_at: Some(bench.clock.now()),
    };
    consent::put_decommission(&*bench.registry, &id, &agreed, &context("bob"))
        .await
        .unwrap();
    let update = ClusterUpdate {
        lifecycle_status: Some(LifecycleStatus::DecommissionRequested),
        ..ClusterUpdate::default()
    };
    bench
        .registry
        .update_cluster(&id, update, &context("alice"))
        .await
        .unwrap();
    bench.pass_time(7_200).await;
    assert!(sim.stack("kube-1").await.is_err(), "it was taken down");
    sim.stack("theirs").await.is_err()
}

#[tokio::test(start_paused = true)]
async fn v11_a_decommission_takes_nothing_of_others() {
    assert!(!takes_what_is_not_ours(Rules::default()).await);
}

#[tokio::test(start_paused = true)]
async fn without_the_guard_of_what_is_ours_v11_is_breached() {
    let off = Rules {
        ours: false,
        ..Rules::default()
    };
    assert!(takes_what_is_not_ours(off).await);
}

/// A cluster with three machines in its pool; then its pool is to have one at most. Answers what is left of them after an hour.
async fn max_size_comes_down(rules: Rules) -> (Bench, CloudSim) {
    let (bench, sim) = bench(Settings::default()).await;
    bench.source.commit("dev", clouded("one", "1", MAIN));
    let pace = Pace {
        rules,
        ..Pace::default()
    };
    let manager = Manager::new(bench.reach.clone(), pace);
    tokio::spawn(manager.run(std::future::pending()));
    bench.pass_time(1_800).await;
    let group = sim.groups(&Tags::new()).await.unwrap().remove(0);
    let three = GroupSize {
        desired: Some(3),
        ..GroupSize::default()
    };
    sim.resize_group(&group.name, three).await.unwrap();
    bench.pass_time(600).await;
    bound(&bench, 1).await;
    bench.pass_time(3_600).await;
    (bench, sim)
}

async fn bound(bench: &Bench, max: i64) {
    let id = cluster("kube-1").id;
    let lower = NodePool {
        max_size: max,
        ..pool("worker")
    };
    bench
        .registry
        .put_node_pool(&id, lower, &context("alice"))
        .await
        .unwrap();
}

async fn only_group(sim: &CloudSim) -> Group {
    sim.groups(&Tags::new()).await.unwrap().remove(0)
}

#[tokio::test(start_paused = true)]
async fn f12_a_bound_below_what_runs_waits_until_the_machines_above_it_are_drained() {
    let (bench, sim) = max_size_comes_down(Rules::default()).await;
    let group = only_group(&sim).await;
    assert_eq!(
        (group.desired, group.max, group.instances.len()),
        (3, 3, 3),
        "nothing was ended"
    );
    assert_eq!(group.tags["fleetwright.dev/comes-down-to"], "1");
    let newest = bench.updates("kube-1").await.remove(0);
    let said = &newest.steps;
    assert!(
        said.iter().any(|step| step.message.starts_with(
            "node pool worker waits: 3 machines run and max_size comes down to 1; the 2 nodes above it are drained first"
        )),
        "{said:#?}"
    );
    // Whoever drains nodes has drained two of them and ended their machines.
    let one = GroupSize {
        desired: Some(1),
        ..GroupSize::default()
    };
    sim.resize_group(&group.name, one).await.unwrap();
    bench.pass_time(600).await;
    let group = only_group(&sim).await;
    assert_eq!((group.desired, group.max), (1, 1));
    assert!(!group.tags.contains_key("fleetwright.dev/comes-down-to"));
    let status = bench.cluster("kube-1").await.status;
    assert_eq!((status.next_version.as_str(), status.problems.len()), ("", 0));
}

#[tokio::test(start_paused = true)]
async fn f12_a_bound_that_goes_up_again_lets_the_group_go() {
    let (bench, sim) = max_size_comes_down(Rules::default()).await;
    // One is gone, and the bounds of the group followed.
    let two = GroupSize {
        min: Some(1),
        max: Some(2),
        desired: Some(2),
    };
    sim.resize_group(&only_group(&sim).await.name, two).await.unwrap();
    bench.pass_time(600).await;
    bound(&bench, 3).await;
    bench.pass_time(600).await;
    let group = only_group(&sim).await;
    assert_eq!((group.desired, group.max), (2, 3));
    assert!(!group.tags.contains_key("fleetwright.dev/comes-down-to"));
    assert_eq!(bench.cluster("kube-1").await.status.next_version, "");
}

#[tokio::test(start_paused = true)]
async fn without_the_wait_f12_the_cloud_ends_machines_that_nobody_drained() {
    let rules = Rules {
        drained: false,
        ..Rules::default()
    };
    let (_bench, sim) = max_size_comes_down(rules).await;
    assert_eq!(only_group(&sim).await.instances.len(), 1);
}
