//! Moving one cluster at a time, and back.

use jiff::SignedDuration;
use model::ClusterVersion;
use ports::registry::ObjectKind;
use ports::registry::PageRequest;
use ports::{Leases as _, Registry};
use shadow::Verdict;
use shadow::adoption::{self, AdoptionError, Phase, SETTLE, Standing, adopt, hand_back};

use crate::bench::{Bench, asked, commit, context};
use crate::original;

async fn settled(aliases: &[&str]) -> Bench {
    let bench = Bench::new(aliases).await;
    bench.source.commit("dev", commit("one", "1"));
    for alias in aliases {
        assert!(original::pass(&bench, alias, "one", "1").await);
    }
    bench.start();
    bench.pass_time(60).await;
    bench
}

/// Adopts a cluster that agrees and waits until it is ours.
async fn adopted(bench: &Bench, alias: &str) {
    let look = bench.look(alias).await;
    adopt(&bench.places(), &look, None, SETTLE, &asked("first one"))
        .await
        .unwrap();
    bench.pass_time(25 * 60).await;
    assert_eq!(bench.look(alias).await.verdict, Verdict::Adopted);
}

fn key() -> model::ConfigKey {
    "cluster_update_block".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_cluster_moves_and_the_others_are_never_written_to() {
    let bench = settled(&["kube-1", "kube-2"]).await;
    let version = bench.cluster("kube-1").await.status;
    adopted(&bench, "kube-1").await;
    let (_, versions, _) = bench.marks().await;
    assert_eq!(
        bench.cluster("kube-1").await.status,
        version,
        "taking over changes nothing"
    );
    // A commit: the adopted one is ours, the other one is the original's, which leaves the adopted one alone.
    bench.source.commit("dev", commit("two", "2"));
    bench.pass_time(300).await;
    assert_eq!(
        (bench.level("kube-1").as_deref(), bench.level("kube-2").as_deref()),
        (Some("2"), Some("1"))
    );
    let (_, now, _) = bench.marks().await;
    assert_eq!(now[1], versions[1], "nothing was written to kube-2");
    assert!(now[0] > versions[0]);
    assert!(!original::wants(&bench, "kube-1", "two").await);
    assert!(original::pass(&bench, "kube-2", "two", "2").await);
    // What the registry says is what the original would have written.
    let (ours, theirs) = (bench.cluster("kube-1").await, bench.cluster("kube-2").await);
    let mut free = ours.clone();
    free.config_items.remove(&key());
    assert_eq!(
        ours.status.current_version,
        ClusterVersion::of("two", &free).to_string()
    );
    assert_eq!((&*ours.status.next_version, &*theirs.status.next_version), ("", ""));
    // Every write to the original's registry left a record, with who did it.
    let id = format!("upstream-write/{}", ours.id);
    let history = bench
        .own
        .history(ObjectKind::Entry, &id, &PageRequest::all())
        .await
        .unwrap();
    assert!(history.items.len() >= 2, "{history:?}");
    assert!(history.items.iter().all(|record| record.change.actor == "lifecycle"));
}

#[tokio::test(start_paused = true)]
async fn handing_back_triggers_no_update_and_the_original_goes_on() {
    let bench = settled(&["kube-1", "kube-2"]).await;
    adopted(&bench, "kube-1").await;
    bench.source.commit("dev", commit("two", "2"));
    bench.pass_time(300).await;
    let before = bench.cluster("kube-1").await.status;
    let id = bench.cluster("kube-1").await.id;
    let done = hand_back(&bench.places(), &id, Ok("two"), false, &asked("enough"))
        .await
        .unwrap();
    assert_eq!(done.returned.unwrap().reason, "enough");
    let cluster = bench.cluster("kube-1").await;
    assert_eq!(
        (cluster.status, cluster.config_items.contains_key(&key())),
        (before, false)
    );
    assert!(
        !original::wants(&bench, "kube-1", "two").await,
        "nothing is to be done at the original"
    );
    let look = bench.look("kube-1").await;
    assert_eq!(look.verdict, Verdict::Agrees, "{look:#?}");
    // From here on it is the original's, and ours no more.
    bench.source.commit("dev", commit("three", "3"));
    bench.pass_time(300).await;
    assert_eq!(bench.level("kube-1").as_deref(), Some("2"));
    assert!(original::pass(&bench, "kube-1", "three", "3").await);
    assert_eq!(bench.level("kube-1").as_deref(), Some("3"));
    // Leases were given back: it can be adopted once more.
    assert!(bench.own.list("lifecycle/").await.unwrap().is_empty());
    adopted(&bench, "kube-1").await;
}

#[tokio::test(start_paused = true)]
async fn what_would_change_something_needs_the_plan_that_says_so() {
    let bench = settled(&["kube-1"]).await;
    original::set(&bench, "kube-1", "by hand").await;
    let look = bench.look("kube-1").await;
    let before = bench.marks().await;
    let refused = adopt(&bench.places(), &look, None, SETTLE, &asked("now"))
        .await
        .unwrap_err();
    let AdoptionError::WouldChange { plan, why, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!(why, "taking over would change 1 object");
    let refused = adopt(&bench.places(), &look, Some("plan-000000000000"), SETTLE, &asked("now")).await;
    assert!(matches!(refused, Err(AdoptionError::OtherPlan { .. })), "{refused:?}");
    assert_eq!(bench.marks().await, before, "who is refused has changed nothing");
    let made = adopt(&bench.places(), &look, Some(&plan.0), SETTLE, &asked("now"))
        .await
        .unwrap();
    assert_eq!(
        (made.plan, made.by.as_str(), made.reason.as_str()),
        (Some(plan), "alice", "now")
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_before_the_original_has_let_go() {
    let bench = settled(&["kube-1"]).await;
    let look = bench.look("kube-1").await;
    adopt(&bench.places(), &look, None, SETTLE, &asked("now"))
        .await
        .unwrap();
    bench.source.commit("dev", commit("two", "2"));
    let (_, versions, _) = bench.marks().await;
    bench.pass_time(19 * 60).await;
    assert_eq!(bench.marks().await.1, versions);
    // The original was in the middle of something and says how it ended: the time begins anew.
    original::fail(&bench, "kube-1").await;
    bench.pass_time(19 * 60).await;
    assert_eq!(bench.marks().await.1, versions);
    assert_eq!(bench.level("kube-1").as_deref(), Some("1"));
    bench.pass_time(5 * 60).await;
    assert_eq!(bench.level("kube-1").as_deref(), Some("2"));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_the_original_works_on_or_somebody_blocks_cannot_be_adopted() {
    let bench = settled(&["kube-1", "kube-2"]).await;
    let look = bench.look("kube-1").await;
    original::begin(&bench, "kube-1", "two").await;
    let refused = adopt(&bench.places(), &look, None, SETTLE, &asked("now"))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("the original brings it to two#"),
        "{refused}"
    );
    let look = bench.look("kube-2").await;
    bench
        .upstream
        .put_config_item(&look.cluster, &key(), "quarter end", &context("bob"))
        .await
        .unwrap();
    let refused = adopt(&bench.places(), &look, None, SETTLE, &asked("now"))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("blocked by \"quarter end\""), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn without_its_mark_an_adopted_cluster_is_left_alone() {
    let bench = settled(&["kube-1"]).await;
    adopted(&bench, "kube-1").await;
    let id = bench.cluster("kube-1").await.id;
    // Somebody takes the item away: the original may begin at any moment.
    bench
        .upstream
        .delete_config_item(&id, &key(), &context("bob"))
        .await
        .unwrap();
    bench.source.commit("dev", commit("two", "2"));
    bench.pass_time(600).await;
    assert_eq!(bench.level("kube-1").as_deref(), Some("1"));
    let known = adoption::of(&*bench.own, &id).await.unwrap();
    let standing = adoption::standing(known.as_ref(), &bench.cluster("kube-1").await, bench.own_now());
    assert_eq!(standing, Standing::Unmarked);
    // Somebody's block stands where the mark was: neither manager works on it.
    bench
        .upstream
        .put_config_item(&id, &key(), "quarter end", &context("bob"))
        .await
        .unwrap();
    bench.pass_time(600).await;
    assert_eq!(bench.level("kube-1").as_deref(), Some("1"));
    bench
        .upstream
        .delete_config_item(&id, &key(), &context("bob"))
        .await
        .unwrap();
    // Adopting it once more sets the mark anew.
    let look = bench.look("kube-1").await;
    adopt(
        &bench.places(),
        &look,
        None,
        SignedDuration::from_mins(1),
        &asked("again, later"),
    )
    .await
    .unwrap();
    bench.pass_time(600).await;
    assert_eq!(bench.level("kube-1").as_deref(), Some("2"));
}

#[tokio::test(start_paused = true)]
async fn handing_back_waits_for_what_is_under_way_and_says_what_the_original_would_do() {
    let bench = settled(&["kube-1"]).await;
    let id = bench.cluster("kube-1").await.id;
    let refused = hand_back(&bench.places(), &id, Ok("one"), false, &asked("back")).await;
    assert!(matches!(refused, Err(AdoptionError::NotAdopted(_))), "{refused:?}");
    adopted(&bench, "kube-1").await;
    let refused = hand_back(&bench.places(), &id, Ok("two"), false, &asked("back"))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("the original would update it, from one#"),
        "{refused}"
    );
    // A pass of ours holds the cluster and does not let go.
    let name = ports::LeaseName::new(format!("lifecycle/{id}")).unwrap();
    let hour = std::time::Duration::from_secs(3_600);
    let lease = bench.own.claim(&name, "replica-1", hour).await.unwrap();
    let refused = hand_back(&bench.places(), &id, Ok("one"), false, &asked("back"))
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, AdoptionError::Held { holder, .. } if holder == "replica-1"),
        "{refused}"
    );
    let known = adoption::of(&*bench.own, &id).await.unwrap().unwrap();
    assert_eq!(known.phase, Phase::Returning);
    assert!(
        bench.cluster("kube-1").await.config_items.contains_key(&key()),
        "until then nobody manages it"
    );
    assert!(!bench.tenure().is_ours(&id).await.unwrap());
    // Repeating it goes on where it stopped.
    bench.own.release(&lease).await.unwrap();
    hand_back(&bench.places(), &id, Ok("one"), false, &asked("back"))
        .await
        .unwrap();
    assert!(!bench.cluster("kube-1").await.config_items.contains_key(&key()));
}
