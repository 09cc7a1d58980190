//! V10: at most one acts, and somebody always comes after.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use controllers::leader::{Elector, LeaseOptions};
use ports::Clock;

use crate::lab::Lab;

type Held = Arc<Mutex<Vec<&'static str>>>;

/// A replica that notes every second in which it believes to lead.
fn replica(lab: &Lab, name: &'static str, held: &Held) -> tokio::task::JoinHandle<()> {
    let elector = Elector::new(lab.access(name), LeaseOptions::new("kube-system", name));
    let (held, clock) = (Arc::clone(held), lab.clock.clone());
    tokio::spawn(async move {
        elector
            .lead(|leadership| {
                let (held, clock) = (Arc::clone(&held), clock.clone());
                async move {
                    loop {
                        if leadership.holds() {
                            held.lock().unwrap().push(name);
                        }
                        clock.sleep(Duration::from_secs(1)).await;
                    }
                }
            })
            .await
    })
}

fn drained(held: &Held) -> Vec<&'static str> {
    let mut seen = std::mem::take(&mut *held.lock().unwrap());
    seen.dedup();
    seen
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_the_other_comes_after_it_was_killed() {
    let lab = Lab::new(1).await;
    let held = Held::default();
    let a = replica(&lab, "a", &held);
    let b = replica(&lab, "b", &held);
    lab.pass(300).await;
    let first = drained(&held);
    assert_eq!(first.len(), 1, "one of them, all the time: {first:?}");
    let lease = lab.server.read(
        "coordination.k8s.io",
        "leases",
        "kube-system",
        "fleetwright-controllers",
    );
    assert_eq!(lease.unwrap()["spec"]["holderIdentity"], first[0]);
    // The leader dies without a word; its lead lasts for 30 seconds more.
    if first[0] == "a" {
        a.abort()
    } else {
        b.abort()
    }
    lab.pass(1).await;
    drained(&held);
    lab.pass(25).await;
    assert_eq!(drained(&held), Vec::<&str>::new(), "not before the lease is over");
    lab.pass(60).await;
    let second = drained(&held);
    assert!(second.len() == 1 && second != first, "{second:?}");
}

/// Somebody edits the Lease: the old leader stops with its next renewal.
#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_was_taken_stops() {
    let lab = Lab::new(2).await;
    let held = Held::default();
    let _a = replica(&lab, "a", &held);
    lab.pass(60).await;
    assert_eq!(drained(&held), ["a"]);
    let access = lab.access("thief");
    let kinds = access.kinds().await.unwrap();
    let kind = kinds.named("leases").unwrap().clone();
    let patch = serde_json::json!({"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 600}});
    let key = kind.key("kube-system", "fleetwright-controllers");
    access.patch_object(&kind, &key, &patch, None).await.unwrap();
    lab.pass(15).await;
    drained(&held);
    lab.pass(300).await;
    assert_eq!(drained(&held), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn who_ends_gives_the_lease_back_and_the_next_need_not_wait() {
    let lab = Lab::new(3).await;
    let clock = lab.clock.clone();
    let first = Elector::new(lab.access("a"), LeaseOptions::new("kube-system", "a"));
    first.lead(|_| clock.sleep(Duration::from_secs(20))).await;
    let begin = lab.clock.now();
    let second = Elector::new(lab.access("b"), LeaseOptions::new("kube-system", "b"));
    second.lead(|_| std::future::ready(())).await;
    assert!(lab.clock.now().duration_since(begin).as_secs() < 2);
}
