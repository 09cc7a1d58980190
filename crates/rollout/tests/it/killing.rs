//! The engine dies before every write, one after another, and another one goes on: the end is the same.

use crate::lab::{Lab, Options};

async fn lab(seed: u64) -> Lab {
    let lab = Lab::new(&Options::new(seed, 2)).await;
    lab.deployment("cart", 4).await;
    lab.budget("cart", 1).await;
    lab.pass(120).await;
    lab
}

/// Runs with the engine killed at the n-th question; false when the rollout was over before.
async fn killed_at(seed: u64, n: u64) -> (String, bool) {
    let mut lab = lab(seed).await;
    lab.start_engine(Some(n));
    lab.new_definition("workers").await;
    let guard = lab.guard.clone();
    let limit = std::time::Duration::from_secs(3600 * 4);
    let died = tokio::time::timeout(limit, guard.dead.notified()).await.is_ok();
    if died {
        lab.start_engine(None);
    }
    lab.rolled("workers", 12).await;
    assert!(*lab.most_draining.lock().unwrap() <= 3);
    (lab.end_state("workers").await, died)
}

#[tokio::test(start_paused = true)]
async fn a_kill_before_any_write_changes_nothing_at_the_end() {
    let whole = killed_at(31, u64::MAX).await.0;
    assert!(
        whole.starts_with("desired 2 max 2 instances 2 nodes 2 ready 2 held 0 open 0"),
        "{whole}"
    );
    // Each write is asked for twice, by the step and by the handle of the cluster. Trying every
    // question takes a minute in an unoptimised build, so by default some, spread over all kinds of writes, have to do.
    let all = std::env::var("ROLLOUT_KILLS").is_ok_and(|kills| kills == "all");
    let stride = if all { 1 } else { 7 };
    let (mut n, mut kills) = (1, 0);
    loop {
        let (end, died) = killed_at(31, n).await;
        assert_eq!(end, whole, "killed at question {n}");
        if !died {
            break;
        }
        (n, kills) = (n + stride, kills + 1);
    }
    println!("{kills} kills, each with the same end");
}
