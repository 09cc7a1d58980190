//! Blocks: before, during and after an update, and through the item of the original.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cloud_sim::{FaultPlan, ResourceFault, ResourceRule, ResourceStep};
use lifecycle::guard::Rules;
use lifecycle::{Manager, Pace, Standing};
use model::{Block, BlockScope};
use ports::{Clock as _, Registry, blocks};

use crate::bench::{Bench, World, cluster, context};
use crate::clouds::{MAIN, clouded, one_subnet};
use crate::updates::commit;

fn wish(scope: BlockScope) -> Block {
    Block {
        scope,
        owner: "team-cart".to_owned(),
        ..Block::from_item("canary broken (alice)")
    }
}

async fn block(bench: &Bench, alias: &str) -> blocks::Blocked {
    let id = cluster(alias).id;
    let (ledger, clock) = (&*bench.registry, &*bench.clock);
    blocks::set(ledger, clock, &bench.ids, &id, wish(BlockScope::All), &context("alice"))
        .await
        .unwrap()
}

async fn unblock(bench: &Bench, alias: &str) {
    let id = cluster(alias).id;
    let (ledger, registry, clock) = (&*bench.registry, &*bench.registry, &*bench.clock);
    blocks::lift(ledger, registry, clock, &id, None, &context("alice"))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_blocked_cluster_is_left_alone_and_resumes_when_unblocked() {
    let bench = Bench::new(&["kube-1", "kube-2"]).await;
    block(&bench, "kube-1").await;
    bench.source.commit("dev", commit("one", "1", &[]));
    bench.start();
    bench.pass_time(60).await;
    assert_eq!(
        (
            bench.setting("kube-1", "level"),
            bench.setting("kube-2", "level").as_deref()
        ),
        (None, Some("1"))
    );
    unblock(&bench, "kube-1").await;
    bench.pass_time(5).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_block_says_everything_in_one_sentence() {
    let bench = Bench::new(&["kube-1"]).await;
    block(&bench, "kube-1").await;
    bench.source.commit("dev", commit("one", "1", &[]));
    bench.pass_time(7_800).await;
    let standing = bench.once().await;
    let Standing::Blocked(sentence) = &standing[0].1 else {
        panic!("{standing:?}");
    };
    assert_eq!(
        sentence,
        "cluster kube-1 waits: blocked by \"canary broken\" since 2h10m; ends by itself 2023-11-17 22:13 UTC; team-cart can lift it"
    );
}

/// Sets a block after so many turns of a run that gets no news, for every number of turns, and answers whether a write left
/// after the block was durable.
async fn breached(rules: Rules) -> bool {
    for turns in 0.. {
        let bench = Bench::new(&["kube-1"]).await;
        bench.source.commit("dev", commit("one", "1", &[]));
        let pace = Pace {
            rules,
            ..Pace::default()
        };
        let mut run = Box::pin(Manager::new(bench.reach.clone(), pace).run_once());
        let mut over = false;
        for _ in 0..turns {
            over = futures::poll!(&mut run).is_ready();
            if over {
                break;
            }
            tokio::task::yield_now().await;
        }
        if over {
            break;
        }
        block(&bench, "kube-1").await;
        // What left before may still be on its way; nothing new may leave.
        let durable = bench.servers["kube-1"].1.counts().writes();
        run.await.unwrap();
        if bench.servers["kube-1"].1.counts().writes() != durable {
            return true;
        }
    }
    false
}

#[tokio::test(start_paused = true)]
async fn v4_no_write_leaves_after_a_block_is_durable() {
    assert!(!breached(Rules::default()).await);
}

#[tokio::test(start_paused = true)]
async fn without_the_guard_of_blocks_v4_is_breached() {
    let off = Rules {
        blocks: false,
        ..Rules::default()
    };
    assert!(breached(off).await);
}

#[tokio::test(start_paused = true)]
async fn the_item_of_the_original_blocks_and_its_removal_resumes() {
    let bench = Bench::new(&["kube-1"]).await;
    let (id, key) = (cluster("kube-1").id, Block::CONFIG_ITEM.parse().unwrap());
    bench
        .registry
        .put_config_item(&id, &key, "", &context("old tool"))
        .await
        .unwrap();
    bench.source.commit("dev", commit("one", "1", &[]));
    bench.start();
    bench.pass_time(60).await;
    assert_eq!(bench.setting("kube-1", "level"), None);
    bench
        .registry
        .delete_config_item(&id, &key, &context("old tool"))
        .await
        .unwrap();
    bench.pass_time(5).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn an_expired_block_is_taken_away_and_the_update_goes_on() {
    let bench = Bench::new(&["kube-1"]).await;
    let blocked = block(&bench, "kube-1").await;
    bench.source.commit("dev", commit("one", "1", &[]));
    bench.start();
    let left = blocked.block.expires_at.unwrap().duration_since(bench.clock.now());
    bench.pass_time(u64::try_from(left.as_secs()).unwrap() - 10).await;
    assert_eq!(bench.setting("kube-1", "level"), None);
    bench.pass_time(20).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
    assert!(
        !bench
            .cluster("kube-1")
            .await
            .config_items
            .contains_key(Block::CONFIG_ITEM)
    );
}

#[tokio::test(start_paused = true)]
async fn a_block_of_nodes_lets_manifests_through() {
    let bench = Bench::new(&["kube-1"]).await;
    let id = cluster("kube-1").id;
    let (ledger, clock) = (&*bench.registry, &*bench.clock);
    blocks::set(
        ledger,
        clock,
        &bench.ids,
        &id,
        wish(BlockScope::Nodes),
        &context("alice"),
    )
    .await
    .unwrap();
    bench.source.commit("dev", commit("one", "1", &[]));
    bench.start();
    bench.pass_time(10).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
}

/// Whether a run that is under way goes on although nobody can say any more whether a block holds.
async fn goes_on_in_the_dark(rules: Rules) -> bool {
    let deaf = Arc::new(AtomicBool::new(false));
    let world = World {
        cloud: Some(one_subnet()),
        deaf: deaf.clone(),
        ..World::of(&["kube-1"])
    };
    let (bench, cloud) = world.build().await;
    let slow = ResourceFault::Hang(std::time::Duration::from_secs(600));
    cloud.unwrap().set_faults(FaultPlan {
        resources: vec![ResourceRule::new(ResourceStep::Create, "Role", slow)],
        ..FaultPlan::default()
    });
    bench.source.commit("dev", clouded("one", "1", MAIN));
    let pace = Pace {
        rules,
        ..Pace::default()
    };
    tokio::spawn(Manager::new(bench.reach.clone(), pace).run(std::future::pending()));
    bench.pass_time(60).await;
    block(&bench, "kube-1").await;
    deaf.store(true, Ordering::SeqCst);
    bench.pass_time(1_800).await;
    bench.setting("kube-1", "level").is_some()
}

#[tokio::test(start_paused = true)]
async fn v12_what_cannot_be_read_about_blocks_is_not_taken_for_none() {
    assert!(!goes_on_in_the_dark(Rules::default()).await);
    // Also when nothing else would stop it.
    let alone = Rules {
        generation: false,
        inputs: false,
        ..Rules::default()
    };
    assert!(!goes_on_in_the_dark(alone).await);
}

#[tokio::test(start_paused = true)]
async fn without_the_guard_of_the_unknown_v12_is_breached() {
    let off = Rules {
        unknown: false,
        generation: false,
        inputs: false,
        ..Rules::default()
    };
    assert!(goes_on_in_the_dark(off).await);
}
