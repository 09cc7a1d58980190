//! From a registry and a real git repository to a simulated cloud and cluster and back: what a cluster goes through in its
//! life, one test each.

use cloud_sim::{CloudSim, FaultPlan, ResourceFault, ResourceRule, ResourceStep};
use kube::api::{DeleteParams, Patch, PatchParams};
use lifecycle::consent::{self, DecommissionConsent};
use lifecycle::{Manager, Pace, Standing, Wake};
use model::config_tree::ConfigTree;
use model::{Block, BlockScope, ClusterUpdate, LifecycleStatus, Progress};
use ports::cloud::Stacks;
use ports::{Clock, Registry, blocks};

use crate::bench::{Bench, World, cluster, context};
use crate::clouds::{MAIN, POOL_STACK, clouded, one_subnet, pool, stack_states};
use crate::origin::{Origin, can_git};

/// A cluster with a pool in an empty account, following a branch of a real repository, with a manager at work.
struct Life {
    origin: Origin,
    bench: Bench,
    cloud: CloudSim,
    wake: Wake,
}

impl Life {
    /// The cluster is asked for at this commit and has come up.
    async fn begin(first: &ConfigTree) -> Option<(Self, String)> {
        if !can_git() {
            return None;
        }
        let origin = Origin::new("config.git");
        let commit = origin.commit("dev", first);
        let mut entry = cluster("kube-1");
        entry.lifecycle_status = LifecycleStatus::Requested;
        entry.node_pools = vec![pool("worker")];
        let world = World {
            clusters: vec![entry],
            cloud: Some(one_subnet()),
            sources: vec![origin.source()],
            ..World::of(&[])
        };
        let (bench, cloud) = world.build().await;
        // Pushes are told, so the days of a test need not fetch each minute.
        let pace = Pace {
            refresh: std::time::Duration::from_secs(6 * 3_600),
            ..Pace::default()
        };
        let manager = Manager::new(bench.reach.clone(), pace);
        let wake = manager.wake();
        tokio::spawn(manager.run(std::future::pending()));
        let life = Self {
            origin,
            bench,
            cloud: cloud.unwrap(),
            wake,
        };
        life.minutes(30).await;
        Some((life, commit))
    }

    async fn minutes(&self, minutes: u64) {
        self.bench.pass_time(minutes * 60).await;
    }

    /// Pushes a commit, as its git server tells.
    fn push(&self, tree: &ConfigTree) -> String {
        let commit = self.origin.commit("dev", tree);
        self.wake.configuration_moved();
        commit
    }

    fn level(&self) -> Option<String> {
        self.bench.setting("kube-1", "level")
    }

    async fn is_at(&self, commit: &str) {
        let found = self.bench.cluster("kube-1").await;
        let wanted = model::ClusterVersion::of(commit, &found).to_string();
        let status = found.status;
        assert_eq!(
            (status.current_version, status.next_version, status.problems),
            (wanted, String::new(), Vec::new())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn create() {
    let Some((life, commit)) = Life::begin(&clouded("one", "1", MAIN)).await else {
        return;
    };
    let found = life.bench.cluster("kube-1").await;
    assert_eq!(found.lifecycle_status, LifecycleStatus::Ready);
    life.is_at(&commit).await;
    assert_eq!(life.level().as_deref(), Some("1"));
    let states = stack_states(&life.cloud).await;
    let names: Vec<&str> = states.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["kube-1", POOL_STACK]);
    // Asked for, then ready: the second pass is of another version and finds nothing to do.
    let updates = life.bench.updates("kube-1").await;
    assert_eq!(updates.len(), 2, "{updates:#?}");
    assert!(updates.iter().all(|update| update.progress == Progress::Done));
    assert_eq!(updates[1].to.split('#').next(), Some(commit.as_str()));
}

#[tokio::test(start_paused = true)]
async fn update() {
    let Some((life, first)) = Life::begin(&clouded("one", "1", MAIN)).await else {
        return;
    };
    let other = MAIN.replace("RoleName: kube-1-role", "RoleName: kube-1-role, Path: /x/");
    let second = life.push(&clouded("two", "2", &other));
    life.minutes(10).await;
    life.is_at(&second).await;
    assert_eq!(life.level().as_deref(), Some("2"));
    let main = life.cloud.stack("kube-1").await.unwrap();
    assert_eq!(main.status.to_string(), "UPDATE_COMPLETE");
    let update = life.bench.updates("kube-1").await.remove(0);
    assert!(
        update.from.starts_with(&first) && update.to.starts_with(&second),
        "{update:?}"
    );
    let steps: Vec<&str> = update.steps.iter().map(|step| step.path.as_str()).collect();
    assert!(
        steps.contains(&"stacks/main") && steps.contains(&"manifests/web"),
        "{steps:?}"
    );
    assert!(update.steps.iter().all(|step| step.progress.is_over()), "{update:#?}");
}

#[tokio::test(start_paused = true)]
async fn block_in_mid_update_then_unblock() {
    let Some((life, first)) = Life::begin(&clouded("one", "1", MAIN)).await else {
        return;
    };
    // The stack takes ten minutes; the block comes in the third.
    let slow = ResourceFault::Hang(std::time::Duration::from_secs(600));
    life.cloud.set_faults(FaultPlan {
        resources: vec![ResourceRule::new(ResourceStep::Update, "Role", slow).at_most(1)],
        ..FaultPlan::default()
    });
    let other = MAIN.replace("RoleName: kube-1-role", "RoleName: kube-1-role, Path: /x/");
    let second = life.push(&clouded("two", "2", &other));
    life.minutes(2).await;
    assert_eq!(
        life.bench.cluster("kube-1").await.status.next_version.split('#').next(),
        Some(second.as_str())
    );
    let block = Block {
        scope: BlockScope::All,
        owner: "team-cart".to_owned(),
        ..Block::from_item("canary broken (alice)")
    };
    let (registry, clock, id) = (&*life.bench.registry, &*life.bench.clock, cluster("kube-1").id);
    blocks::set(registry, clock, &life.bench.ids, &id, block, &context("alice"))
        .await
        .unwrap();
    life.bench.pass_time(10).await;
    let told = life.bench.updates("kube-1").await.remove(0);
    assert_eq!(told.progress, Progress::Waiting);
    assert!(
        told.message.contains("blocked by \"canary broken\""),
        "{}",
        told.message
    );
    let quiet = life.cloud.last_event();
    life.minutes(60).await;
    // The cloud finished what was under way; nothing else was begun.
    assert_eq!(life.level().as_deref(), Some("1"));
    assert!(
        life.bench
            .cluster("kube-1")
            .await
            .status
            .current_version
            .starts_with(&first)
    );
    let begun = life.cloud.changes_since(quiet).len();
    blocks::lift(registry, registry, clock, &id, None, &context("alice"))
        .await
        .unwrap();
    life.minutes(10).await;
    life.is_at(&second).await;
    assert_eq!(life.level().as_deref(), Some("2"));
    let more: Vec<String> = life
        .cloud
        .changes_since(quiet)
        .iter()
        .skip(begun)
        .map(ToString::to_string)
        .collect();
    assert_eq!(more, Vec::<String>::new(), "the stack was not asked for again");
    // One update: it was held and went on.
    let versions = life.bench.updates("kube-1").await;
    let of_second = versions.iter().filter(|update| update.to.starts_with(&second)).count();
    assert_eq!(of_second, 1, "{versions:#?}");
}

#[tokio::test(start_paused = true)]
async fn failing_commit_then_fix() {
    let Some((life, first)) = Life::begin(&clouded("one", "1", MAIN)).await else {
        return;
    };
    let broken = clouded("bad", "{{ .Cluster.ConfigItems.missing }}", MAIN);
    let bad = life.push(&broken);
    life.minutes(30).await;
    let status = life.bench.cluster("kube-1").await.status;
    assert!(status.current_version.starts_with(&first) && status.next_version.starts_with(&bad));
    let [problem] = status.problems.as_slice() else {
        panic!("{:?}", status.problems);
    };
    assert!(
        problem.title.contains("settings.yaml") && problem.title.contains("missing"),
        "{problem:?}"
    );
    assert_eq!(problem.instance.as_deref(), Some("configuration"));
    assert_eq!(life.level().as_deref(), Some("1"));
    let fix = life.push(&clouded("fix", "3", MAIN));
    life.minutes(5).await;
    life.is_at(&fix).await;
    assert_eq!(life.level().as_deref(), Some("3"));
}

#[tokio::test(start_paused = true)]
async fn drift() {
    let Some((life, _)) = Life::begin(&clouded("one", "1", MAIN)).await else {
        return;
    };
    let api = life.bench.configmaps("kube-1");
    let by_hand = Patch::Merge(serde_json::json!({"data": {"level": "99"}}));
    api.patch("settings", &PatchParams::default(), &by_hand).await.unwrap();
    life.minutes(1).await;
    assert_eq!(life.level().as_deref(), Some("1"));
    api.delete("settings", &DeleteParams::default()).await.unwrap();
    life.minutes(1).await;
    assert_eq!(life.level().as_deref(), Some("1"));
    let causes: Vec<String> = life
        .bench
        .updates("kube-1")
        .await
        .into_iter()
        .map(|update| update.cause)
        .collect();
    assert_eq!(causes, ["drift", "drift", "version", "version"]);
}

#[tokio::test(start_paused = true)]
async fn prune() {
    let mut first = clouded("one", "1", MAIN);
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra, namespace: web}\n";
    let file = model::config_tree::TreeFile {
        id: map.to_owned(),
        content: map.as_bytes().into(),
    };
    first.files.insert("cluster/manifests/extra/map.yaml".to_owned(), file);
    let Some((life, _)) = Life::begin(&first).await else {
        return;
    };
    let mine = serde_json::json!({"metadata": {"name": "mine", "namespace": "web"}, "data": {"a": "b"}});
    let mine = serde_json::from_value(mine).unwrap();
    let api = life.bench.configmaps("kube-1");
    api.create(&kube::api::PostParams::default(), &mine).await.unwrap();
    assert!(life.bench.object("kube-1", "configmaps", "extra").is_some());
    let second = life.push(&clouded("two", "1", MAIN));
    life.minutes(5).await;
    life.is_at(&second).await;
    let there = |name| life.bench.object("kube-1", "configmaps", name).is_some();
    assert_eq!((there("extra"), there("mine"), there("settings")), (false, true, true));
    let update = life.bench.updates("kube-1").await.remove(0);
    let prune = update.steps.iter().find(|step| step.path == "prune").unwrap();
    assert_eq!(prune.message, "1 objects deleted");
}

#[tokio::test(start_paused = true)]
async fn decommission() {
    let Some((life, _)) = Life::begin(&clouded("one", "1", MAIN)).await else {
        return;
    };
    let id = cluster("kube-1").id;
    let update = ClusterUpdate {
        lifecycle_status: Some(LifecycleStatus::DecommissionRequested),
        ..ClusterUpdate::default()
    };
    let (registry, now) = (&*life.bench.registry, life.bench.clock.now());
    registry.update_cluster(&id, update, &context("alice")).await.unwrap();
    life.minutes(60).await;
    assert_eq!(stack_states(&life.cloud).await.len(), 2, "nobody agreed");
    let agreed = DecommissionConsent {
        confirmed_name: "kube-1".to_owned(),
        requested_by: "alice".to_owned(),
        requested_at: now,
        approved_by: Some("bob".to_owned()),
        approved_at: Some(now),
    };
    consent::put_decommission(registry, &id, &agreed, &context("bob"))
        .await
        .unwrap();
    life.minutes(22 * 60).await;
    assert_eq!(stack_states(&life.cloud).await.len(), 2, "the waiting time is not over");
    life.minutes(3 * 60).await;
    assert_eq!(stack_states(&life.cloud).await, []);
    let found = life.bench.cluster("kube-1").await;
    assert_eq!(found.lifecycle_status, LifecycleStatus::Decommissioned);
    let update = life.bench.updates("kube-1").await.remove(0);
    assert_eq!(
        (update.progress, update.cause.as_str()),
        (Progress::Done, "decommission")
    );
    let standing = Manager::new(life.bench.reach.clone(), Pace::default())
        .run_once()
        .await
        .unwrap();
    assert!(matches!(&standing[0].1, Standing::AsWanted(why) if why.contains("is decommissioned")));
}
