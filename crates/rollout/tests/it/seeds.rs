//! Drawn clusters with drawn trouble: kills, blocks, lost machines, answers of the cloud that get lost. Every one has to end,
//! and to keep its promises on the way. `ROLLOUT_SEEDS` says how many.

use std::time::Duration;

use cloud_sim::{CallFault, CallRule, FaultPlan};
use disruption::{Block, Cause};
use jiff::SignedDuration;
use kube_access::Verb;
use ports::cloud::InstanceId;
use ports::{Ids, SeededIds};
use rollout::{Outcome, Permission};

use crate::lab::{Lab, Options};

/// What must hold of the evidence whatever happened (V2, V3): every rule met, its pace on each node and in each budget kept,
/// and no deletion without a record.
fn lawful(lab: &Lab, deletions: u64) -> usize {
    let mut evidence = lab.ledger.evidence();
    evidence.retain(|record| record.outcome != Outcome::Abandoned);
    evidence.sort_by_key(|record| record.evidence.decided);
    for (place, record) in evidence.iter().enumerate() {
        let one = &record.evidence;
        assert_eq!(record.outcome, Outcome::Done);
        assert!(
            matches!(one.cause, Cause::MachineEnds { .. }) || one.unmet().count() == 0,
            "{one:?}"
        );
        for earlier in evidence[..place].iter().map(|record| &record.evidence) {
            let gap = one.decided.duration_since(earlier.decided);
            let same_budget = one
                .budgets
                .iter()
                .any(|a| earlier.budgets.iter().any(|b| a.budget == b.budget));
            if one.cause != Cause::Contract || earlier.cause != Cause::Contract {
                continue;
            }
            assert!(one.node != earlier.node || gap >= SignedDuration::from_mins(5), "{gap}");
            assert!(!same_budget || gap >= SignedDuration::from_hours(1), "{gap}");
        }
    }
    let records = u64::try_from(lab.ledger.evidence().len()).unwrap();
    assert!(deletions <= records, "{deletions} deletions, {records} records");
    evidence.len() + 1
}

/// One cluster from one seed; how many checks were made, and whether the engine was killed.
async fn run(seed: u64) -> (usize, bool) {
    let draws = SeededIds::child(seed, "case");
    let draw = |below: u64| draws.next_u64() % below;
    let nodes = 2 + u32::try_from(draw(3)).unwrap();
    let spot = draw(4) == 0;
    let options = Options {
        spot,
        ..Options::new(seed, nodes)
    };
    let mut lab = Lab::new(&options).await;
    for app in ["cart", "search"] {
        lab.deployment(app, 1 + u32::try_from(draw(5)).unwrap()).await;
        match draw(6) {
            0 => {}
            1 => lab.budget(app, 0).await,
            _ => lab.budget(app, 1).await,
        }
    }
    if draw(2) == 0 {
        let lost = CallRule::new(
            CallFault::LoseAnswer,
            &["TerminateInstanceInAutoScalingGroup", "UpdateAutoScalingGroup"],
        )
        .per_mille(300);
        lab.cloud.set_faults(FaultPlan {
            calls: vec![lost],
            ..FaultPlan::default()
        });
    }
    lab.pass(120).await;
    let cut = 1 + draw(250);
    lab.start_engine(Some(cut));
    lab.new_definition("workers").await;
    let guard = lab.guard.clone();
    let died = tokio::time::timeout(Duration::from_secs(1200), guard.dead.notified())
        .await
        .is_ok();
    let mut deletions = lab.access.counts().calls.get(&Verb::Delete).copied().unwrap_or(0);
    // One that was not killed by then is killed now, wherever it is.
    lab.start_engine(None);
    if draw(3) == 0 {
        lab.pass(draw(600)).await;
        lab.guard.turn(Permission::Blocked(Block {
            reason: "drawn".into(),
            owner: None,
            since: lab.clock.now(),
            until: None,
        }));
        // Within one step: a call that was under way may end.
        lab.pass(5).await;
        let before = lab.handle().counts().await;
        lab.pass(draw(7200)).await;
        let after = lab.handle().counts().await;
        assert!(spot || before == after, "{before:?} {after:?}");
        lab.guard.turn(Permission::Granted);
    }
    if spot && let Some(node) = lab.nodes().first() {
        lab.cloud
            .interrupt_spot(&InstanceId::from(node["metadata"]["name"].as_str().unwrap()));
        lab.handle().nudge();
    }
    lab.rolled("workers", 24 * 4).await;
    assert!(*lab.most_draining.lock().unwrap() <= if spot { 4 } else { 3 });
    deletions += if died {
        lab.access.counts().calls.get(&Verb::Delete).copied().unwrap_or(0)
    } else {
        0
    };
    (lawful(&lab, deletions), died)
}

#[tokio::test(start_paused = true)]
async fn drawn_clusters_end_and_keep_their_promises() {
    let seeds = std::env::var("ROLLOUT_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(6);
    let (mut checks, mut kills) = (0, 0);
    for seed in 1..=seeds {
        println!("seed {seed}");
        let (checked, died) = run(seed).await;
        checks += checked;
        kills += u32::from(died);
    }
    println!("{seeds} seeds, {kills} kills, {checks} checks");
    assert!(checks > 0);
}
