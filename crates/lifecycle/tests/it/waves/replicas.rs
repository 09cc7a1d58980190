//! Restarts and second managers in the middle of a wave.

use std::sync::Arc;
use std::time::Duration;

use lifecycle::{Claims, Manager, Pace};
use ports::Leases;

use super::fleet::{Fleet, good};

#[tokio::test(start_paused = true)]
async fn incident_10_a_manager_that_starts_anew_goes_on_where_the_other_was_and_lets_nobody_begin_twice() {
    let mut fleet = Fleet::of(&[("beta", 30)]).await;
    fleet.commit("beta", good("two", "2"));
    fleet
        .until("some have it", 1, async |fleet| fleet.touched("two").await.len() >= 7)
        .await;
    let (run, before) = (fleet.run("beta").await, fleet.turns().await);
    fleet.start();
    fleet
        .until("all have it", 2, async |fleet| {
            fleet.behind(None, "two").await.is_empty()
        })
        .await;
    assert_eq!(fleet.run("beta").await.since, run.since, "the same change");
    let after = fleet.turns().await;
    for (alias, turn) in before.iter().filter(|(_, turn)| turn.run == run.since) {
        assert_eq!(after[alias], *turn, "nobody is let begin twice");
    }
    let most = fleet.most();
    assert!(most.fleet <= 10 && most.waves <= 5, "{most:?}");
}

#[tokio::test(start_paused = true)]
async fn v5_two_managers_keep_the_limits_together_and_the_other_goes_on_when_one_dies() {
    let mut fleet = Fleet::of(&[("beta", 30)]).await;
    let pace = |holder: &str| Pace {
        claims: Some(Claims {
            leases: fleet.bench.registry.clone(),
            holder: holder.to_owned(),
            term: Duration::from_secs(30),
        }),
        waves: true,
        ..Pace::default()
    };
    let (one, other) = (pace("one"), pace("other"));
    let second = Manager::new(Arc::clone(&fleet.bench.reach), other);
    let second = tokio::spawn(second.run(std::future::pending()));
    fleet.start_with(one);
    fleet.commit("beta", good("two", "2"));
    fleet
        .until("some have it", 1, async |fleet| fleet.touched("two").await.len() >= 4)
        .await;
    let leases: Arc<dyn Leases> = fleet.bench.registry.clone();
    let held = leases.list("waves").await.unwrap();
    assert_eq!(held.len(), 1, "one of them lets clusters begin");
    // The one that leads is gone; the other takes over when its lease has ended.
    if held[0].holder == "one" {
        fleet.stop();
    } else {
        second.abort();
    }
    fleet
        .until("all have it", 3, async |fleet| {
            fleet.behind(None, "two").await.is_empty()
        })
        .await;
    let most = fleet.most();
    assert!(most.fleet <= 10 && most.accounts <= 2 && most.waves <= 5, "{most:?}");
    second.abort();
}
