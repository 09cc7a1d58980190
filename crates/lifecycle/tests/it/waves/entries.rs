//! Edits of the registry that touch many clusters.

use model::ClusterUpdate;
use plan::waves::Phase;
use ports::Registry;

use super::fleet::{Fleet, broken_for, good, unchecked};
use crate::bench::{cluster, context};

async fn set(fleet: &Fleet, alias: &str, key: &str, value: &str) {
    let id = cluster(alias).id;
    fleet
        .bench
        .registry
        .put_config_item(&id, &key.parse().unwrap(), value, &context("alice"))
        .await
        .unwrap();
}

/// A configuration with a component that a config item can break.
fn sensitive() -> model::config_tree::ConfigTree {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Cluster.ConfigItems.name }}', namespace: web}\n";
    let mut tree = crate::updates::commit("sensitive", "1", &[("cluster/manifests/zz/named.yaml", text)]);
    let defaults = testkit::source::tree("", &[("cluster/config-defaults.yaml", "replicas: 2\nname: good\n")]);
    tree.files.extend(defaults.files);
    tree
}

#[tokio::test(start_paused = true)]
async fn incident_11_a_bad_config_item_on_all_clusters_halts_in_its_canaries() {
    let fleet = Fleet::of(&[("beta", 30)]).await;
    fleet.commit("beta", sensitive());
    fleet
        .until("all have it", 2, async |fleet| {
            fleet.behind(None, "sensitive").await.is_empty()
        })
        .await;
    for alias in &fleet.aliases {
        set(&fleet, alias, "name", "Bad_Name").await;
    }
    fleet
        .until("it halts", 1, async |fleet| fleet.phase("beta").await == Phase::Halted)
        .await;
    fleet.bench.pass_time(3_600).await;
    let begun: Vec<String> = fleet
        .clusters()
        .await
        .into_iter()
        .filter(|cluster| !cluster.status.next_version.is_empty())
        .map(|cluster| cluster.alias.to_string())
        .collect();
    assert_eq!(begun, ["beta-00", "beta-04"], "a canary of each type");
    assert!(!fleet.run("beta").await.commit, "a change of entries, and known as one");
    // Set right, everything goes on.
    for alias in &fleet.aliases {
        set(&fleet, alias, "name", "better").await;
    }
    fleet
        .until("all have the other one", 2, async |fleet| {
            fleet.behind(None, "sensitive").await.is_empty()
        })
        .await;
    assert!(fleet.bench.object("beta-29", "configmaps", "better").is_some());
    assert!(fleet.bench.object("beta-29", "configmaps", "Bad_Name").is_none());
}

#[tokio::test(start_paused = true)]
async fn incident_5_an_image_for_the_nodes_of_all_clusters_walks_like_a_commit() {
    let fleet = Fleet::of(&[("beta", 20)]).await;
    for alias in &fleet.aliases {
        set(&fleet, alias, "kuberuntu_image", "ami-2").await;
    }
    fleet
        .until("all have it", 2, async |fleet| {
            fleet.behind(None, "zero").await.is_empty()
        })
        .await;
    let of = |environment: &str| {
        let named = |alias: &&String| (alias.as_str() < "beta-10") == (environment == "test");
        fleet.aliases.iter().filter(named).cloned().collect::<Vec<_>>()
    };
    assert!(fleet.before(&of("test"), &of("production")));
    assert!(fleet.most().waves <= 5, "{:?}", fleet.most());
}

#[tokio::test(start_paused = true)]
async fn clusters_that_move_to_another_channel_go_in_its_waves() {
    let fleet = Fleet::of(&[("beta", 30), ("stable", 5)]).await;
    fleet.commit("stable", broken_for("risky", "2", "gpu"));
    let mut policy = unchecked();
    policy.failure_budget.canary = plan::policy::Share::Count(1);
    fleet.policies.replace(policy);
    fleet
        .until("stable has it", 2, async |fleet| {
            fleet.behind(Some("stable"), "risky").await == ["stable-04"]
        })
        .await;
    fleet.policies.replace(unchecked());
    for alias in fleet.aliases.iter().filter(|alias| alias.starts_with("beta")) {
        let update = ClusterUpdate {
            channel: Some("stable".to_owned()),
            ..ClusterUpdate::default()
        };
        fleet
            .bench
            .registry
            .update_cluster(&cluster(alias).id, update, &context("alice"))
            .await
            .unwrap();
    }
    fleet.bench.pass_time(3_600).await;
    assert_eq!(
        fleet.phase("stable").await,
        Phase::Halted,
        "{:?}",
        fleet.run("stable").await
    );
    let moved = fleet
        .touched("risky")
        .await
        .into_iter()
        .filter(|alias| alias.starts_with("beta"))
        .count();
    assert!(moved <= 2, "canaries at most: {moved}");
    fleet.commit("stable", good("calm", "3"));
    fleet
        .until("all have the fix", 4, async |fleet| {
            fleet.behind(None, "calm").await.is_empty()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn one_edit_of_one_cluster_takes_seconds() {
    let fleet = Fleet::of(&[("beta", 20)]).await;
    set(&fleet, "beta-19", "x1", "y").await;
    fleet.bench.pass_time(30).await;
    assert_eq!(fleet.behind(None, "zero").await, Vec::<String>::new());
}
