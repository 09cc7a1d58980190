//! A fleet from nothing to ready, updates, nodes, blocks, removed pools.

use std::time::Duration;

use control::{Options, Replica, RolloutState};
use model::{Block, BlockScope, ClusterUpdate, LifecycleStatus};
use ports::cloud::{GroupSize, Stacks};
use ports::{Clock, Registry, SeededIds, blocks};
use rollout::PoolPhase;

use crate::lab::{Lab, context, id};

const BOTH: [&str; 2] = ["kube-1", "kube-2"];

/// Two clusters at their first commit, with three nodes each.
async fn ready(options: Options) -> Lab {
    let mut lab = Lab::new(&BOTH).await;
    lab.commit("one", "ami-11111111", "");
    lab.start(options);
    for alias in BOTH {
        lab.until(30, "ready", async || {
            lab.has(alias, "one").await && lab.open_nodes(alias).len() == 3
        })
        .await;
        assert_eq!(lab.cluster(alias).await.lifecycle_status, LifecycleStatus::Ready);
    }
    lab
}

async fn current(lab: &Lab, alias: &str) -> bool {
    let Some(view) = lab.handle().rollout(&id(alias)).await else {
        return false;
    };
    let Some(status) = view.status else { return false };
    status.complete && status.pools.iter().all(|pool| pool.phase == PoolPhase::Current)
}

#[tokio::test(start_paused = true)]
async fn clusters_are_made_updated_and_their_nodes_replaced() {
    let lab = ready(Options::default()).await;
    let before = lab.open_nodes("kube-1");
    lab.commit("two", "ami-22222222", "");
    for alias in BOTH {
        lab.until(10, "updated", async || lab.has(alias, "two").await).await;
        let replaced = async || {
            let now = lab.open_nodes(alias);
            now.len() == 3 && now.iter().all(|node| !before.contains(node)) && current(&lab, alias).await
        };
        lab.until(240, "replaced", replaced).await;
        assert_eq!(lab.nodes(alias).len(), 3);
    }
    assert_eq!(lab.handle().counts(), (2, 0));
    assert!(lab.fleet.hold().await.violations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_block_keeps_nodes_and_takes_marks_back_until_it_is_lifted() {
    let lab = ready(Options::default()).await;
    let before = lab.open_nodes("kube-1");
    let (ids, block) = (SeededIds::new(1), |scope| Block {
        scope,
        owner: "alice".to_owned(),
        by: "alice".to_owned(),
        ..Block::from_item("looking around")
    });
    let cluster = id("kube-1");
    let (registry, clock, by) = (&*lab.registry, &*lab.clock, context("alice"));
    let set = blocks::set(registry, clock, &ids, &cluster, block(BlockScope::Nodes), &by)
        .await
        .unwrap();
    lab.commit("two", "ami-22222222", "");
    lab.until(10, "updated", async || lab.has("kube-1", "two").await).await;
    lab.pass(3_600).await;
    assert_eq!(lab.open_nodes("kube-1"), before, "the version moved, the nodes did not");
    let view = lab.handle().rollout(&cluster).await.unwrap();
    assert_eq!(view.status.unwrap().blocked.as_deref(), Some("looking around"));
    blocks::lift(registry, registry, clock, &cluster, set.id.as_ref(), &by)
        .await
        .unwrap();
    lab.until(240, "replaced", async || current(&lab, "kube-1").await).await;
    assert!(lab.open_nodes("kube-1").iter().all(|node| !before.contains(node)));
}

#[tokio::test(start_paused = true)]
async fn a_control_that_is_killed_at_any_minute_is_gone_on_with() {
    let mut lab = ready(Options::default()).await;
    let before = lab.open_nodes("kube-1");
    lab.commit("two", "ami-22222222", "");
    for minutes in [1, 2, 3, 5, 8, 13] {
        lab.pass(minutes * 60).await;
        lab.start(Options::default());
    }
    for alias in BOTH {
        lab.until(240, "replaced", async || current(&lab, alias).await).await;
    }
    let after = lab.open_nodes("kube-1");
    assert_eq!(after.len(), 3);
    assert!(after.iter().all(|node| !before.contains(node)));
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_leaves_the_registry_is_drained_and_its_stack_deleted() {
    let lab = ready(Options::default()).await;
    let cluster = id("kube-1");
    lab.registry
        .delete_node_pool(&cluster, &"worker".parse().unwrap(), &context("alice"))
        .await
        .unwrap();
    lab.until(240, "gone", async || lab.nodes("kube-1").is_empty()).await;
    let cloud = lab.clouds.cloud(&lab.cluster("kube-1").await).await.unwrap().unwrap();
    let left = async || {
        let stacks = Stacks::stacks(&*cloud).await.unwrap();
        stacks
            .iter()
            .filter(|stack| stack.name.contains("nodepool-worker") && stack.name.ends_with("kube-1"))
            .count()
    };
    lab.until(30, "stack deleted", async || left().await == 0).await;
    assert_eq!(lab.open_nodes("kube-2").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn f12_a_pool_whose_bound_comes_down_is_drained_first_and_its_stack_updated_then() {
    let lab = ready(Options::default()).await;
    let cloud = lab.clouds.cloud(&lab.cluster("kube-1").await).await.unwrap().unwrap();
    let owned = (format!("kubernetes.io/cluster/{}", id("kube-1")), "owned".to_owned());
    let groups = async || cloud.groups(&[owned.clone()].into()).await.unwrap();
    let wide = groups().await.remove(0);
    let three = GroupSize {
        desired: Some(3),
        ..GroupSize::default()
    };
    cloud.resize_group(&wide.name, three).await.unwrap();
    lab.until(30, "grown", async || lab.open_nodes("kube-1").len() == 5)
        .await;
    let began = lab.clock.now();
    lab.commit("two", "ami-11111111", "most: \"1\"\n");
    lab.pass(120).await;
    let held = groups().await.remove(0);
    assert_eq!(
        (
            held.desired,
            held.tags.get("fleetwright.dev/comes-down-to").map(String::as_str)
        ),
        (3, Some("1"))
    );
    assert!(!lab.has("kube-1", "two").await);
    lab.until(480, "updated", async || lab.has("kube-1", "two").await).await;
    let after = groups().await.remove(0);
    assert_eq!((after.desired, after.max, lab.open_nodes("kube-1").len()), (1, 1, 3));
    assert!(!after.tags.contains_key("fleetwright.dev/comes-down-to"));
    // Each machine was ended by somebody who had drained it, none by the cloud because of the bound.
    let causes: Vec<String> = cloud
        .group_activities(&wide.name, began)
        .await
        .unwrap()
        .into_iter()
        .map(|activity| activity.cause)
        .collect();
    assert!(
        causes.len() == 2 && !causes.iter().any(|cause| cause.contains("difference between")),
        "{causes:?}"
    );
    assert!(lab.fleet.hold().await.violations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_glance_waits_as_long_as_told_and_gives_what_was_told_last() {
    let lab = ready(Options::default()).await;
    lab.until(5, "looked after", async || lab.handle().counts() == (2, 0))
        .await;
    let (both, one) = (BOTH.map(id).into(), [id("kube-2")].into());
    let at_once = async |clusters| lab.handle().glances(clusters, std::future::ready(())).await;
    let within = |seconds| lab.clock.sleep(Duration::from_secs(seconds));
    assert!(at_once(&one).await.is_empty(), "nobody has asked yet");
    let told = lab.handle().glances(&one, within(5)).await;
    assert_eq!(told.keys().collect::<Vec<_>>(), [&id("kube-2")]);
    lab.pass(60).await;
    assert_eq!(at_once(&both).await, told, "no engine had the time to answer");
    let now = lab.handle().glances(&both, within(5)).await;
    assert_eq!(now.len(), 2);
    assert!(now[&id("kube-2")].at > told[&id("kube-2")].at);
}

#[tokio::test(start_paused = true)]
async fn rollouts_end_with_their_cluster() {
    let lab = ready(Options::default()).await;
    lab.until(5, "looked after", async || lab.handle().counts() == (2, 0))
        .await;
    let update = ClusterUpdate {
        lifecycle_status: Some(LifecycleStatus::DecommissionRequested),
        ..ClusterUpdate::default()
    };
    lab.registry
        .update_cluster(&id("kube-1"), update, &context("alice"))
        .await
        .unwrap();
    lab.pass(10).await;
    assert_eq!(lab.handle().rollout(&id("kube-1")).await, None);
    assert_eq!(lab.handle().counts(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_cannot_be_read_stops_replacements_and_says_so() {
    let lab = ready(Options::default()).await;
    let before = lab.open_nodes("kube-1");
    lab.commit("two", "ami-22222222", "drain_grace_period: soon\n");
    lab.until(10, "updated", async || lab.has("kube-1", "two").await).await;
    lab.pass(60).await;
    let view = lab.handle().rollout(&id("kube-1")).await.unwrap();
    let RolloutState::Waits(why) = view.state else {
        panic!("{view:?}")
    };
    assert!(why.contains("drain_grace_period") && !why.contains("soon"), "{why}");
    lab.commit("three", "ami-22222222", "drain_grace_period: 1h\n");
    let replaced =
        async || current(&lab, "kube-1").await && lab.open_nodes("kube-1").iter().all(|n| !before.contains(n));
    lab.until(240, "replaced", replaced).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_replicas_one_looks_after_a_cluster_and_the_other_takes_over() {
    let mut lab = Lab::new(&BOTH).await;
    lab.commit("one", "ami-11111111", "");
    let leases = lab.registry.clone();
    let options = |holder: &str| Options {
        replica: Some(Replica {
            leases: leases.clone(),
            holder: holder.to_owned(),
            ttl: Duration::from_secs(60),
        }),
        ..Options::default()
    };
    lab.start(options("first"));
    lab.until(30, "looked after", async || lab.handle().counts() == (2, 0))
        .await;
    lab.pass(600).await;
    assert_eq!(lab.handle().counts(), (2, 0), "leases are renewed");
    // The first one is killed: it gives nothing back.
    lab.start(options("second"));
    lab.pass(20).await;
    assert_eq!(lab.handle().counts(), (0, 2));
    lab.until(5, "taken over", async || lab.handle().counts() == (2, 0))
        .await;
}
