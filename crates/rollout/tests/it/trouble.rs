//! Rollouts that something comes between.

use cloud_sim::FaultPlan;
use disruption::Block;
use ports::cloud::InstanceId;
use rollout::{Permission, PoolPhase};

use crate::lab::{Lab, Options, is_marked};

/// V4, and the fault of the original that left taints behind.
#[tokio::test(start_paused = true)]
async fn a_block_in_mid_drain_stops_it_and_takes_the_marks_back() {
    let mut lab = Lab::new(&Options::new(21, 3)).await;
    lab.deployment("cart", 6).await;
    lab.budget("cart", 0).await;
    lab.pass(120).await;
    lab.start_engine(None);
    lab.new_definition("workers").await;
    lab.pass(1800).await;
    assert!(
        lab.nodes()
            .iter()
            .any(|node| node["metadata"]["labels"]["lifecycle-status"] == "draining")
    );
    let block = Block {
        reason: "incident 7".into(),
        owner: None,
        since: lab.clock.now(),
        until: None,
    };
    let before = lab.handle().counts().await.unwrap();
    lab.guard.turn(Permission::Blocked(block));
    lab.pass(30).await;
    assert!(!lab.nodes().iter().any(is_marked), "{:#?}", lab.nodes());
    lab.pass(3600 * 12).await;
    assert_eq!(lab.handle().counts().await.unwrap(), before);
    let status = lab.handle().status().await.unwrap();
    assert_eq!(status.pools[0].phase, PoolPhase::Blocked);
    assert_eq!(status.blocked.as_deref(), Some("incident 7"));
    lab.guard.turn(Permission::Granted);
    lab.rolled("workers", 48).await;
    assert!(!lab.ledger.evidence().is_empty());
}

#[tokio::test(start_paused = true)]
async fn f13_nodes_that_never_get_ready_stop_the_pool_before_a_pod_moves() {
    let mut lab = Lab::new(&Options::new(22, 5)).await;
    lab.deployment("cart", 5).await;
    lab.pass(120).await;
    lab.cloud.set_faults(FaultPlan {
        never_ready_per_mille: 1000,
        ..FaultPlan::default()
    });
    lab.start_engine(None);
    lab.new_definition("workers").await;
    lab.pass(3600 * 12).await;
    let status = lab.handle().status().await.unwrap();
    let pool = &status.pools[0];
    assert_eq!(pool.phase, PoolPhase::Halted, "{:?} {:?}", pool.waits, pool.trouble);
    assert!(pool.failed_replacements >= 3);
    let counts = lab.handle().counts().await.unwrap();
    assert_eq!((counts.evicted, counts.forced, counts.terminated), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn spot_losses_in_mid_drain_are_survived() {
    let options = Options {
        spot: true,
        ..Options::new(23, 4)
    };
    let mut lab = Lab::new(&options).await;
    lab.deployment("cart", 8).await;
    lab.budget("cart", 1).await;
    lab.pass(120).await;
    lab.start_engine(None);
    lab.new_definition("workers").await;
    lab.pass(40).await;
    let nodes = lab.nodes();
    assert!(nodes.iter().any(is_marked));
    for node in nodes.iter().take(2) {
        let id = node["metadata"]["name"].as_str().unwrap();
        lab.cloud.interrupt_spot(&InstanceId::from(id));
        lab.handle().nudge();
        lab.pass(45).await;
    }
    lab.rolled("workers", 12).await;
    let end = lab.end_state("workers").await;
    assert!(
        end.starts_with("desired 4 max 4 instances 4 nodes 4 ready 4 held 0 open 0"),
        "{end}"
    );
}

/// The lease is lost: from that moment on nothing is written.
#[tokio::test(start_paused = true)]
async fn a_withdrawn_permission_stops_every_write() {
    let mut lab = Lab::new(&Options::new(24, 3)).await;
    lab.deployment("cart", 6).await;
    lab.budget("cart", 1).await;
    lab.pass(120).await;
    lab.start_engine(None);
    lab.new_definition("workers").await;
    lab.pass(240).await;
    let (asked, calls) = (lab.guard.asked(), lab.access.counts());
    lab.guard.turn(Permission::Withdrawn);
    lab.pass(3600).await;
    assert!(lab.guard.asked() <= asked + 2);
    assert_eq!(lab.access.counts().writes(), calls.writes());
    assert!(lab.handle().status().await.is_none());
    lab.start_engine(None);
    lab.rolled("workers", 8).await;
}
