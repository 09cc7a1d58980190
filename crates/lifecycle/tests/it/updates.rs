//! Updates, failing commits, fixes, prunes, dry runs.

use kube_access::applyset::Threshold;
use lifecycle::{Settings, Standing, consent};
use model::Progress;
use model::config_tree::ConfigTree;
use ports::Registry;

use crate::bench::{Bench, cluster, context};
use testkit::source::tree;

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n";

/// A configuration with a ConfigMap whose `level` is this (a bare `n` would be a boolean), and further files.
pub(crate) fn commit(id: &str, n: &str, more: &[(&str, &str)]) -> ConfigTree {
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings, namespace: web}}\ndata: {{level: '{n}'}}\n"
    );
    let mut files = vec![
        ("cluster/cluster.yaml", "Resources: {}\n"),
        ("cluster/config-defaults.yaml", "replicas: 2\n"),
        ("cluster/manifests/00-base/namespace.yaml", NAMESPACE),
        ("cluster/manifests/web/settings.yaml", map.as_str()),
    ];
    files.extend(more);
    tree(id, &files)
}

pub(crate) fn map_named(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: web}}\n")
}

#[tokio::test(start_paused = true)]
async fn a_commit_reaches_every_cluster_of_its_channel_within_seconds() {
    let bench = Bench::new(&["kube-1", "kube-2"]).await;
    bench.source.commit("dev", commit("one", "1", &[]));
    let wake = bench.start();
    bench.pass_time(5).await;
    for alias in ["kube-1", "kube-2"] {
        assert_eq!(bench.setting(alias, "level").as_deref(), Some("1"));
        let status = bench.cluster(alias).await.status;
        assert_eq!(status.current_version, bench.version(alias, "one").await);
        assert_eq!((status.next_version.as_str(), status.problems.len()), ("", 0));
    }
    bench.source.commit("dev", commit("two", "2", &[]));
    wake.configuration_moved();
    bench.pass_time(5).await;
    assert_eq!(bench.setting("kube-2", "level").as_deref(), Some("2"));
    let updates = bench.updates("kube-2").await;
    let told: Vec<_> = updates.iter().map(|u| (u.progress, u.cause.as_str())).collect();
    assert_eq!(told, [(Progress::Done, "version"), (Progress::Done, "version")]);
    assert_eq!(updates[0].from, bench.version("kube-2", "one").await);
}

#[tokio::test(start_paused = true)]
async fn a_changed_entry_is_an_update_too() {
    let bench = Bench::new(&["kube-1"]).await;
    bench
        .source
        .commit("dev", commit("one", "{{ .Cluster.ConfigItems.replicas }}", &[]));
    bench.start();
    bench.pass_time(5).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("2"));
    let id = cluster("kube-1").id;
    bench
        .registry
        .put_config_item(&id, &"replicas".parse().unwrap(), "7", &context("alice"))
        .await
        .unwrap();
    bench.pass_time(5).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("7"));
    assert_eq!(
        bench.cluster("kube-1").await.status.current_version,
        bench.version("kube-1", "one").await
    );
}

#[tokio::test(start_paused = true)]
async fn a_failing_commit_says_why_holds_nobody_up_and_the_fix_overtakes_it() {
    let bench = Bench::new(&["kube-1"]).await;
    bench.source.commit("dev", commit("good", "1", &[]));
    let wake = bench.start();
    bench.pass_time(5).await;
    let broken = [(
        "cluster/manifests/web/broken.yaml",
        "a: {{ .Cluster.ConfigItems.missing }}\n",
    )];
    bench.source.commit("dev", commit("bad", "2", &broken));
    wake.configuration_moved();
    bench.pass_time(60).await;
    let status = bench.cluster("kube-1").await.status;
    assert_eq!(status.current_version, bench.version("kube-1", "good").await);
    assert_eq!(status.next_version, bench.version("kube-1", "bad").await);
    let problem = status.problems.last().unwrap();
    assert!(
        problem.title.contains("broken.yaml") && problem.title.contains("missing"),
        "{problem:?}"
    );
    assert_eq!(problem.instance.as_deref(), Some("configuration"));
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
    bench.source.commit("dev", commit("fix", "3", &[]));
    wake.configuration_moved();
    bench.pass_time(5).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("3"));
    let updates = bench.updates("kube-1").await;
    let told: Vec<_> = updates.iter().map(|u| (u.progress, u.message.as_str())).collect();
    assert_eq!(told[0], (Progress::Done, ""));
    assert_eq!(told[1].0, Progress::Stopped);
    assert!(told[1].1.starts_with("overtaken by version fix#"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_object_names_itself_and_is_tried_again_with_back_off() {
    let bench = Bench::new(&["kube-1"]).await;
    let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad_Name, namespace: web}\n";
    bench
        .source
        .commit("dev", commit("bad", "1", &[("cluster/manifests/zz/bad.yaml", bad)]));
    bench.start();
    bench.pass_time(3_600).await;
    // What does not depend on it was applied.
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
    let status = bench.cluster("kube-1").await.status;
    assert_eq!(status.problems.len(), 1, "{:?}", status.problems);
    assert!(status.problems[0].title.contains("Bad_Name"), "{:?}", status.problems);
    let attempts = bench.updates("kube-1").await[0]
        .steps
        .iter()
        .find(|s| s.path == "manifests")
        .unwrap()
        .attempts;
    assert!((4..20).contains(&attempts), "{attempts}");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_channel_is_a_problem_of_its_clusters_alone() {
    let bench = Bench::new(&["kube-1", "kube-2"]).await;
    bench.source.commit("dev", commit("one", "1", &[]));
    let update = model::ClusterUpdate {
        channel: Some("nowhere".to_owned()),
        ..model::ClusterUpdate::default()
    };
    bench
        .registry
        .update_cluster(&cluster("kube-2").id, update, &context("alice"))
        .await
        .unwrap();
    bench.start();
    bench.pass_time(60).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
    let problems = bench.cluster("kube-2").await.status.problems;
    assert_eq!(problems.len(), 1);
    assert!(problems[0].title.contains("nowhere"), "{problems:?}");
}

#[tokio::test(start_paused = true)]
async fn f5_what_leaves_git_leaves_the_cluster_and_nothing_else() {
    let bench = Bench::new(&["kube-1"]).await;
    let extra = map_named("extra");
    bench.source.commit(
        "dev",
        commit("one", "1", &[("cluster/manifests/extra/map.yaml", &extra)]),
    );
    let wake = bench.start();
    bench.pass_time(5).await;
    assert!(bench.object("kube-1", "configmaps", "extra").is_some());
    let mine =
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine", "namespace": "web"}});
    let api = bench.configmaps("kube-1");
    api.create(
        &kube::api::PostParams::default(),
        &serde_json::from_value(mine).unwrap(),
    )
    .await
    .unwrap();
    bench.source.commit("dev", commit("two", "1", &[]));
    wake.configuration_moved();
    bench.pass_time(5).await;
    assert!(bench.object("kube-1", "configmaps", "extra").is_none());
    assert!(bench.object("kube-1", "configmaps", "mine").is_some());
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_large_prune_waits_for_consent_to_exactly_it() {
    let settings = Settings {
        threshold: Threshold { objects: 2, percent: 0 },
        ..Settings::default()
    };
    let bench = Bench::with(&["kube-1"], settings).await;
    let maps: Vec<(String, String)> = (0..5)
        .map(|n| {
            (
                format!("cluster/manifests/extra/m{n}.yaml"),
                map_named(&format!("m{n}")),
            )
        })
        .collect();
    let files: Vec<(&str, &str)> = maps.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    bench.source.commit("dev", commit("one", "1", &files));
    let wake = bench.start();
    bench.pass_time(5).await;
    bench.source.commit("dev", commit("two", "2", &[]));
    wake.configuration_moved();
    bench.pass_time(30).await;
    // Applied, but not pruned.
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("2"));
    assert!(bench.object("kube-1", "configmaps", "m0").is_some());
    let problem = bench
        .cluster("kube-1")
        .await
        .status
        .problems
        .last()
        .unwrap()
        .title
        .clone();
    assert!(problem.contains("prune of 5 of"), "{problem}");
    let asked = consent::asked(&*bench.registry, &cluster("kube-1").id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(asked.count, 5);
    let wrong = consent::PruneConsent {
        hash: "other".to_owned(),
        by: "alice".to_owned(),
        ..asked.clone()
    };
    let id = cluster("kube-1").id;
    consent::agree_to_prune(&*bench.registry, "c1".parse().unwrap(), &id, &wrong, &context("alice"))
        .await
        .unwrap();
    bench.pass_time(60).await;
    assert!(bench.object("kube-1", "configmaps", "m0").is_some());
    let right = consent::PruneConsent {
        by: "alice".to_owned(),
        ..asked
    };
    consent::agree_to_prune(&*bench.registry, "c2".parse().unwrap(), &id, &right, &context("alice"))
        .await
        .unwrap();
    bench.pass_time(5).await;
    assert!(bench.object("kube-1", "configmaps", "m0").is_none());
    assert_eq!(bench.cluster("kube-1").await.status.problems.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn f1_a_dry_run_writes_nothing_anywhere() {
    let settings = Settings {
        dry_run: true,
        ..Settings::default()
    };
    let bench = Bench::with(&["kube-1"], settings).await;
    bench.source.commit("dev", commit("one", "1", &[]));
    let before = (
        bench.registry.last_change().await.unwrap(),
        bench.servers["kube-1"].0.resource_version(),
    );
    let standing = bench.once().await;
    let after = (
        bench.registry.last_change().await.unwrap(),
        bench.servers["kube-1"].0.resource_version(),
    );
    assert_eq!(before, after);
    assert!(
        matches!(&standing[0].1, Standing::Stopped(why) if why.contains("dry run")),
        "{standing:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_look_at_a_fleet_that_is_as_wanted_asks_no_cluster() {
    let bench = Bench::new(&["kube-1"]).await;
    bench.source.commit("dev", commit("one", "1", &[]));
    bench.once().await;
    let before = bench.servers["kube-1"].1.counts();
    let standing = bench.once().await;
    assert!(matches!(&standing[0].1, Standing::AsWanted(_)), "{standing:?}");
    assert_eq!(bench.servers["kube-1"].1.counts(), before);
}

#[tokio::test(start_paused = true)]
async fn f8_creating_and_empty_statuses_are_ordinary() {
    let bench = Bench::new(&["kube-1"]).await;
    bench.source.commit("dev", commit("one", "1", &[]));
    let update = model::ClusterUpdate {
        lifecycle_status: Some(model::LifecycleStatus::Creating),
        ..model::ClusterUpdate::default()
    };
    bench
        .registry
        .update_cluster(&cluster("kube-1").id, update, &context("alice"))
        .await
        .unwrap();
    bench.start();
    bench.pass_time(30).await;
    let found = bench.cluster("kube-1").await;
    assert_eq!(found.lifecycle_status, model::LifecycleStatus::Ready);
    assert_eq!(found.status.current_version, bench.version("kube-1", "one").await);
}

#[tokio::test(start_paused = true)]
async fn f5_drift_is_found_by_watching_told_and_corrected() {
    let bench = Bench::new(&["kube-1"]).await;
    bench.source.commit("dev", commit("one", "1", &[]));
    bench.start();
    bench.pass_time(10).await;
    let settings = bench.configmaps("kube-1");
    let patch = serde_json::json!({"data": {"level": "99"}});
    settings
        .patch(
            "settings",
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(&patch),
        )
        .await
        .unwrap();
    bench.pass_time(10).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
    settings
        .delete("settings", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    bench.pass_time(10).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
    let updates = bench.updates("kube-1").await;
    let told: Vec<_> = updates.iter().map(|u| (u.cause.as_str(), u.progress)).collect();
    assert_eq!(
        told,
        [
            ("drift", Progress::Done),
            ("drift", Progress::Done),
            ("version", Progress::Done)
        ]
    );
    let steps: Vec<&str> = updates[1].steps.iter().map(|step| step.message.as_str()).collect();
    assert!(steps.contains(&"1 drifted, 1 unchanged"), "{steps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restarted_manager_goes_on_watching() {
    let bench = Bench::new(&["kube-1"]).await;
    bench.source.commit("dev", commit("one", "1", &[]));
    bench.once().await;
    bench.start();
    bench.pass_time(10).await;
    bench
        .configmaps("kube-1")
        .delete("settings", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    bench.pass_time(10).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
}
