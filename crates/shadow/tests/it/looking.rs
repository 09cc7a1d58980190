//! What a shadow says about clusters that the original manages.

use std::sync::Arc;
use std::time::Duration;

use ports::{Registry, SeededIds};
use shadow::agreement::{State, Version};
use shadow::{Follower, Verdict, history};

use crate::bench::{Bench, commit, context};
use crate::original;

async fn settled(aliases: &[&str]) -> Bench {
    let bench = Bench::new(aliases).await;
    bench.source.commit("dev", commit("one", "1"));
    for alias in aliases {
        assert!(original::pass(&bench, alias, "one", "1").await);
    }
    bench
}

#[tokio::test(start_paused = true)]
async fn beside_an_original_that_is_done_it_agrees_and_would_change_nothing() {
    let bench = settled(&["kube-1", "kube-2", "kube-3"]).await;
    let before = bench.marks().await;
    let report = bench.report().await;
    for look in &report.looks {
        assert_eq!(look.verdict, Verdict::Agrees, "{look:#?}");
        assert_eq!(look.agreement.version, Version::Same);
        assert!(look.takeover.is_nothing());
        assert_eq!(look.takeover.marked, 2, "the objects get our label and nothing else");
    }
    assert!(report.agrees());
    assert_eq!(report.counts().sentence(), "3 clusters: 3 agrees");
    assert_eq!(bench.marks().await, before, "nothing was written");
}

#[tokio::test(start_paused = true)]
async fn what_taking_over_would_change_is_told_once_for_many_clusters() {
    let bench = settled(&["kube-1", "kube-2", "kube-3"]).await;
    for alias in ["kube-1", "kube-2"] {
        original::set(&bench, alias, "by hand").await;
    }
    let report = bench.report().await;
    let verdicts: Vec<_> = report
        .looks
        .iter()
        .map(|look| (look.alias.as_str(), look.verdict))
        .collect();
    assert_eq!(
        verdicts,
        [
            ("kube-1", Verdict::Differs),
            ("kube-2", Verdict::Differs),
            ("kube-3", Verdict::Agrees)
        ]
    );
    let plan = report.takeover();
    let blocks = plan.blocks();
    let told: Vec<_> = blocks
        .iter()
        .map(|block| (block.change.subject(), block.clusters.len()))
        .collect();
    assert_eq!(told, [("ConfigMap web/settings".to_owned(), 2)]);
    let row = &report.rows()[0];
    assert_eq!(row.why, "taking over would change 1 object");
    assert_eq!(row.plan, report.looks[0].takeover.id().to_string());
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_the_original_has_not_taken_yet_is_no_difference() {
    let bench = settled(&["kube-1"]).await;
    bench.source.commit("dev", commit("two", "2"));
    let look = bench.look("kube-1").await;
    assert_eq!(look.verdict, Verdict::Moving);
    assert_eq!(
        look.agreement.version,
        Version::Behind {
            has: "one".to_owned(),
            channel: "two".to_owned()
        }
    );
    assert!(
        look.takeover.is_nothing(),
        "at the version that it has, nothing would change: {look:#?}"
    );
    original::begin(&bench, "kube-1", "two").await;
    let look = bench.look("kube-1").await;
    assert_eq!(
        (look.verdict, look.agreement.theirs, look.agreement.version),
        (Verdict::Moving, State::Updating, Version::UnderWay)
    );
    assert!(original::pass(&bench, "kube-1", "two", "2").await);
    assert_eq!(bench.look("kube-1").await.verdict, Verdict::Agrees);
}

#[tokio::test(start_paused = true)]
async fn a_block_of_the_original_is_one_of_ours() {
    let bench = settled(&["kube-1"]).await;
    let id = bench.cluster("kube-1").await.id;
    let key = "cluster_update_block".parse().unwrap();
    bench
        .upstream
        .put_config_item(&id, &key, "quarter end", &context("bob"))
        .await
        .unwrap();
    bench.source.commit("dev", commit("two", "2"));
    let look = bench.look("kube-1").await;
    assert_eq!(
        (look.agreement.theirs, look.agreement.ours),
        (State::Blocked, State::Blocked)
    );
    assert!(look.agreement.sentence.contains("quarter end"), "{look:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_at_is_not_taken_for_nothing() {
    let bench = settled(&["kube-1"]).await;
    // A connector that opens for writing is refused, and so nothing of the cluster is seen.
    let report = bench.shadow_in(kube_access::Mode::Live).report(None).await.unwrap();
    let look = &report.looks[0];
    assert_eq!(look.verdict, Verdict::Unseen);
    assert!(!look.takeover.is_nothing());
    assert!(
        look.why[0].contains("was opened for writing, and a shadow only looks"),
        "{:?}",
        look.why
    );
    let id = bench.cluster("kube-1").await.id;
    bench
        .upstream
        .update_cluster(
            &id,
            model::ClusterUpdate {
                channel: Some("gone".to_owned()),
                ..model::ClusterUpdate::default()
            },
            &context("bob"),
        )
        .await
        .unwrap();
    let look = bench.look("kube-1").await;
    assert_eq!(look.verdict, Verdict::Unseen);
    assert!(matches!(look.agreement.version, Version::Unknown { .. }), "{look:#?}");
}

#[tokio::test(start_paused = true)]
async fn over_weeks_the_history_says_how_long_they_agreed() {
    let bench = settled(&["kube-1"]).await;
    let (mut follower, latest) = Follower::new(bench.shadow(), Arc::new(SeededIds::new(5)), Duration::from_secs(600));
    let upstream = bench.upstream.last_change().await.unwrap();
    for hour in 0..(14 * 24_u64) {
        if hour == 100 {
            original::set(&bench, "kube-1", "by hand").await;
        }
        if hour == 112 {
            original::set(&bench, "kube-1", "1").await;
        }
        follower.once().await.unwrap();
        bench.pass_time(3_600).await;
    }
    let record = &history::read(&*bench.own).await.unwrap()[&bench.cluster("kube-1").await.id];
    let verdicts: Vec<_> = record.spans.iter().map(|span| span.verdict).collect();
    assert_eq!(verdicts, [Verdict::Agrees, Verdict::Differs, Verdict::Agrees]);
    let report = latest.borrow().clone().unwrap();
    let row = &report.rows()[0];
    assert_eq!((row.agreed.as_str(), row.since.as_str()), ("96%", "9d7h"));
    assert_eq!(
        bench.upstream.last_change().await.unwrap(),
        upstream,
        "nothing was written to the original's registry"
    );
    // A follower that starts anew goes on with what the store has.
    let (mut again, _) = Follower::new(bench.shadow(), Arc::new(SeededIds::new(6)), Duration::from_secs(600));
    let report = again.once().await.unwrap();
    assert_eq!(report.history.values().next().unwrap().spans.len(), 3);
}
