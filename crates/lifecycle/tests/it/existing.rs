//! Clusters that others built (provider `kubeconfig`): only looked at until somebody says so, then manifests and nothing else.

use lifecycle::Standing;
use model::{Cluster, ClusterUpdate, LifecycleStatus};
use ports::{Clock, Registry};

use crate::bench::{Bench, World, cluster, context};
use crate::updates::{commit, map_named};

fn existing() -> Cluster {
    Cluster {
        provider: "kubeconfig".to_owned(),
        ..cluster("kube-1")
    }
}

async fn bench() -> Bench {
    let world = World {
        clusters: vec![existing()],
        ..World::of(&[])
    };
    let (bench, _) = world.build().await;
    bench.source.commit("dev", commit("one", "1", &[]));
    bench
}

async fn manage(bench: &Bench, value: &str) {
    let (id, key) = (existing().id, "fleetwright_manage".parse().unwrap());
    bench
        .registry
        .put_config_item(&id, &key, value, &context("alice"))
        .await
        .unwrap();
}

/// Something that was there before us.
async fn theirs(bench: &Bench) {
    let client = kube::Client::new(bench.servers["kube-1"].0.clone(), "web");
    let kind = kube::discovery::ApiResource::from_gvk(&kube::api::GroupVersionKind::gvk("", "v1", "Namespace"));
    let namespaces: kube::Api<kube::api::DynamicObject> = kube::Api::all_with(client, &kind);
    let web = serde_json::from_value(serde_json::json!({"metadata": {"name": "web"}})).unwrap();
    namespaces
        .create(&kube::api::PostParams::default(), &web)
        .await
        .unwrap();
    for (name, level) in [("settings", "theirs"), ("mine", "theirs")] {
        let map =
            serde_json::json!({"metadata": {"name": name, "namespace": "web"}, "data": {"level": level, "own": "x"}});
        let map = serde_json::from_value(map).unwrap();
        bench
            .configmaps("kube-1")
            .create(&kube::api::PostParams::default(), &map)
            .await
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_existing_cluster_is_only_looked_at_until_told_otherwise() {
    let bench = bench().await;
    theirs(&bench).await;
    let version = bench.servers["kube-1"].0.resource_version();
    bench.start();
    for refused in ["", "false", "yes"] {
        manage(&bench, refused).await;
        bench.pass_time(600).await;
    }
    assert_eq!(
        bench.servers["kube-1"].0.resource_version(),
        version,
        "nothing was written"
    );
    assert_eq!(bench.cluster("kube-1").await.status, model::ClusterStatus::default());
    let standing = bench.once().await;
    let said =
        "cluster kube-1 is only looked at; set its config item fleetwright_manage to \"true\" to have it managed";
    assert_eq!(standing[0].1, Standing::AsWanted(said.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_managed_one_takes_nothing_from_others_and_deletes_nothing() {
    let bench = bench().await;
    theirs(&bench).await;
    let extra = map_named("extra");
    let with_extra = commit("one", "1", &[("cluster/manifests/extra/map.yaml", &extra)]);
    bench.source.commit("dev", with_extra);
    manage(&bench, "true").await;
    let wake = bench.start();
    bench.pass_time(60).await;
    // A field that somebody else owns is told about and left; what nobody has is made.
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("theirs"));
    assert!(bench.object("kube-1", "configmaps", "extra").is_some());
    let problem = bench.cluster("kube-1").await.status.problems.remove(0);
    assert!(problem.title.contains("settings"), "{problem:?}");
    // It leaves git and stays: nothing is deleted in a cluster that others built.
    let (client, key) = (bench.configmaps("kube-1"), kube::api::DeleteParams::default());
    client.delete("settings", &key).await.unwrap();
    bench.source.commit("dev", commit("two", "2", &[]));
    wake.configuration_moved();
    bench.pass_time(60).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("2"));
    let there = |name| bench.object("kube-1", "configmaps", name).is_some();
    assert!(there("extra") && there("mine"));
    assert_eq!(bench.cluster("kube-1").await.status.problems, []);
}

#[tokio::test(start_paused = true)]
async fn what_leaves_git_goes_once_somebody_said_so_and_agreed_to_the_number() {
    let bench = bench().await;
    theirs(&bench).await;
    let maps: Vec<(String, String)> = (0..12)
        .map(|n| (format!("cluster/manifests/many/m{n}.yaml"), map_named(&format!("m{n}"))))
        .collect();
    let many: Vec<(&str, &str)> = maps.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    bench
        .configmaps("kube-1")
        .delete("settings", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    bench.source.commit("dev", commit("one", "1", &many));
    let (id, key) = (existing().id, "fleetwright_prune".parse().unwrap());
    let setup = context("alice");
    bench.registry.put_config_item(&id, &key, "true", &setup).await.unwrap();
    manage(&bench, "true").await;
    let wake = bench.start();
    bench.pass_time(60).await;
    let there = |name: &str| bench.object("kube-1", "configmaps", name).is_some();
    assert!(there("m11") && there("mine"));
    bench.source.commit("dev", commit("two", "2", &[]));
    wake.configuration_moved();
    bench.pass_time(60).await;
    // Too many to go by themselves: the cluster asks, and says so.
    assert!(there("m0") && there("m11"));
    let asks = lifecycle::consent::asked(&*bench.registry, &id).await.unwrap().unwrap();
    assert_eq!(asks.count, 12);
    let problem = bench.cluster("kube-1").await.status.problems.remove(0);
    assert!(problem.title.contains("approve prune"), "{problem:?}");
    let (entry, bob) = (bench.cluster("kube-1").await, context("bob"));
    ports::approvals::approve_prune(&*bench.registry, (&*bench.clock, &bench.ids), &entry, 12, &bob)
        .await
        .unwrap();
    bench.pass_time(600).await;
    assert!(
        !there("m0") && !there("m11") && there("mine"),
        "what was never ours stays"
    );
    assert_eq!(bench.cluster("kube-1").await.status.problems, []);
    assert!(
        lifecycle::consent::asked(&*bench.registry, &id)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_never_taken_down() {
    let bench = bench().await;
    manage(&bench, "true").await;
    bench.start();
    bench.pass_time(60).await;
    let update = ClusterUpdate {
        lifecycle_status: Some(LifecycleStatus::DecommissionRequested),
        ..ClusterUpdate::default()
    };
    bench
        .registry
        .update_cluster(&existing().id, update, &context("alice"))
        .await
        .unwrap();
    let agreed = lifecycle::consent::DecommissionConsent {
        confirmed_name: "kube-1".to_owned(),
        requested_by: "alice".to_owned(),
        requested_at: bench.clock.now(),
        approved_by: Some("bob".to_owned()),
        approved_at: Some(bench.clock.now()),
    };
    lifecycle::consent::put_decommission(&*bench.registry, &existing().id, &agreed, &context("bob"))
        .await
        .unwrap();
    bench.pass_time(30 * 3_600).await;
    let found = bench.cluster("kube-1").await;
    assert_eq!(found.lifecycle_status, LifecycleStatus::DecommissionRequested);
    assert!(
        found.status.problems[0].title.contains("not ours to take down"),
        "{:?}",
        found.status
    );
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
}
