//! The seals: what a shadow and a tenure refuse, whoever asks.

use std::sync::Arc;

use kube_access::{AccessError, Mode};
use lifecycle::connect::Connector as _;
use model::ClusterUpdate;
use ports::{Registry, RegistryError};
use shadow::sealed::{LookOnly, ReadOnly};

use crate::bench::{Bench, cluster, context};

#[tokio::test(start_paused = true)]
async fn a_sealed_registry_refuses_every_write_and_counts_it() {
    let bench = Bench::new(&["kube-1"]).await;
    let before = bench.marks().await;
    let sealed = ReadOnly::new(bench.upstream.clone());
    let (id, key, by) = (cluster("kube-1").id, "replicas".parse().unwrap(), context("shadow"));
    let pool: model::NodePoolName = "worker".parse().unwrap();
    let refused = [
        sealed
            .update_cluster(&id, ClusterUpdate::default(), &by)
            .await
            .map(drop),
        sealed.create_cluster(cluster("kube-2"), &by).await.map(drop),
        sealed.delete_cluster(&id, &by).await,
        sealed.put_config_item(&id, &key, "1", &by).await.map(drop),
        sealed.delete_config_item(&id, &key, &by).await,
        sealed.delete_node_pool(&id, &pool, &by).await,
        sealed
            .put_node_pool_config_item(&id, &pool, &key, "1", &by)
            .await
            .map(drop),
        sealed.delete_node_pool_config_item(&id, &pool, &key, &by).await,
        sealed
            .import(model::FileRegistry::default(), ports::registry::ImportMode::Apply, &by)
            .await
            .map(drop),
    ];
    for result in &refused {
        assert!(matches!(result, Err(RegistryError::Forbidden(_))), "{result:?}");
    }
    assert_eq!(sealed.refused(), refused.len() as u64);
    assert_eq!(bench.marks().await, before);
    assert!(sealed.get_cluster(&id, ports::registry::Detail::Full).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_opened_for_looking_takes_no_write() {
    let bench = Bench::new(&["kube-1"]).await;
    let before = bench.marks().await;
    let live = LookOnly::new(bench.connector(Mode::Live));
    assert!(live.open(&cluster("kube-1")).await.is_err());
    let access = LookOnly::new(bench.connector(Mode::DryRun))
        .open(&cluster("kube-1"))
        .await
        .unwrap();
    let labels = [("a".to_owned(), Some("b".to_owned()))].into();
    let refused = access
        .mark_node("node-1", &labels, &std::collections::BTreeMap::new())
        .await;
    assert!(matches!(refused, Err(AccessError::DryRunWrite { .. })), "{refused:?}");
    assert_eq!(bench.marks().await, before);
    assert_eq!(access.counts().writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_not_adopted_cannot_be_written_to_at_all() {
    let bench = Bench::clouded(&["kube-1"]).await;
    let before = bench.marks().await;
    let tenure = bench.tenure();
    let id = cluster("kube-1").id;
    let refused = tenure
        .update_cluster(&id, ClusterUpdate::default(), &context("lifecycle"))
        .await;
    assert!(matches!(refused, Err(RegistryError::Forbidden(_))), "{refused:?}");
    let access = tenure
        .connector(bench.connector(Mode::Live))
        .open(&cluster("kube-1"))
        .await
        .unwrap();
    let labels = [("a".to_owned(), Some("b".to_owned()))].into();
    let refused = access
        .mark_node("node-1", &labels, &std::collections::BTreeMap::new())
        .await;
    assert!(matches!(refused, Err(AccessError::Stopped { .. })), "{refused:?}");
    let clouds = tenure.clouds(Arc::new(Denied));
    let refused = clouds.cloud(&cluster("kube-1")).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cluster kube-1 is not adopted, and nothing is written to it"
    );
    assert_eq!(bench.marks().await, before);
}

/// Clouds that must not be asked.
struct Denied;

#[async_trait::async_trait]
impl lifecycle::connect::CloudSource for Denied {
    async fn cloud(
        &self,
        cluster: &model::Cluster,
    ) -> Result<Option<Arc<dyn ports::cloud::Cloud>>, lifecycle::connect::Trouble> {
        panic!("the cloud of {} was entered", cluster.alias)
    }
}
