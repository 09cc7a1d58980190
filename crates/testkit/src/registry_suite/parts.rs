use std::sync::Arc;

use model::{Cluster, NodePoolUpdate};
use ports::Registry;
use ports::registry::Revision;

use super::{create, get, me};
use crate::sample;

async fn pool_names(registry: &Arc<dyn Registry>, cluster: &Cluster) -> Vec<String> {
    let pools = registry.list_node_pools(&cluster.id).await.unwrap();
    pools.object.iter().map(|p| p.name.to_string()).collect()
}

pub(super) async fn pools_keep_the_order_that_they_were_made_in(registry: Arc<dyn Registry>) {
    let mut cluster = sample::cluster(1);
    cluster.node_pools = ["worker-z", "worker-a", "master"].map(sample::pool).to_vec();
    let cluster = create(&registry, cluster).await.object;
    registry
        .put_node_pool(&cluster.id, sample::pool("aa-last"), &me())
        .await
        .unwrap();
    let mut changed = sample::pool("worker-a");
    changed.max_size = 99;
    registry
        .put_node_pool(&cluster.id, changed.clone(), &me())
        .await
        .unwrap();
    assert_eq!(
        pool_names(&registry, &cluster).await,
        ["worker-z", "worker-a", "master", "aa-last"]
    );
    registry
        .delete_node_pool(&cluster.id, &changed.name, &me())
        .await
        .unwrap();
    registry.put_node_pool(&cluster.id, changed, &me()).await.unwrap();
    assert_eq!(
        pool_names(&registry, &cluster).await,
        ["worker-z", "master", "aa-last", "worker-a"]
    );
    assert_eq!(get(&registry, &cluster).await.object.node_pools[3].max_size, 99);
}

pub(super) async fn pools_are_made_changed_and_removed(registry: Arc<dyn Registry>) {
    let cluster = create(&registry, sample::cluster(1)).await.object;
    let pool = sample::pool("worker-new");
    let made = registry.put_node_pool(&cluster.id, pool.clone(), &me()).await.unwrap();
    assert_eq!((made.object, made.revision), (pool.clone(), Revision(2)));
    let update = NodePoolUpdate {
        max_size: Some(5),
        discount_strategy: Some("spot".to_owned()),
        ..NodePoolUpdate::default()
    };
    let after = registry
        .update_node_pool(&cluster.id, &pool.name, update, &me())
        .await
        .unwrap();
    let mut expected = pool.clone();
    expected.max_size = 5;
    expected.discount_strategy = "spot".to_owned();
    assert_eq!(after.object, expected);
    assert_eq!(
        get(&registry, &cluster).await.object.node_pool("worker-new"),
        Some(&expected)
    );
    registry.delete_node_pool(&cluster.id, &pool.name, &me()).await.unwrap();
    assert_eq!(get(&registry, &cluster).await.object.node_pools, cluster.node_pools);
}

pub(super) async fn config_items_of_clusters_are_set_and_removed(registry: Arc<dyn Registry>) {
    let cluster = create(&registry, sample::cluster(1)).await.object;
    let key = sample::key("cluster_update_block");
    let put = async |value: &str| registry.put_config_item(&cluster.id, &key, value, &me()).await.unwrap();
    assert_eq!(put("reason").await, Revision(2));
    assert_eq!(put("").await, Revision(3));
    let items = get(&registry, &cluster).await.object.config_items;
    assert_eq!(items.get(&key).map(String::as_str), Some(""));
    registry.delete_config_item(&cluster.id, &key, &me()).await.unwrap();
    assert_eq!(get(&registry, &cluster).await.object.config_items, cluster.config_items);
}

pub(super) async fn config_items_of_pools_are_set_and_removed(registry: Arc<dyn Registry>) {
    let cluster = create(&registry, sample::cluster(1)).await.object;
    let (key, name) = (sample::key("taints"), cluster.node_pools[1].name.clone());
    registry
        .put_node_pool_config_item(&cluster.id, &name, &key, "a=b:NoSchedule", &me())
        .await
        .unwrap();
    let after = get(&registry, &cluster).await.object;
    assert_eq!(after.node_pools[1].config_items.get(&key).unwrap(), "a=b:NoSchedule");
    assert_eq!(after.node_pools[0], cluster.node_pools[0]);
    registry
        .delete_node_pool_config_item(&cluster.id, &name, &key, &me())
        .await
        .unwrap();
    assert_eq!(get(&registry, &cluster).await.object, cluster);
}

pub(super) async fn parts_raise_the_revision_of_their_cluster(registry: Arc<dyn Registry>) {
    let cluster = create(&registry, sample::cluster(1)).await.object;
    let other = create(&registry, sample::cluster(2)).await;
    let name = &cluster.node_pools[0].name;
    let key = sample::key("item_1");
    registry.put_config_item(&cluster.id, &key, "1", &me()).await.unwrap();
    registry
        .put_node_pool_config_item(&cluster.id, name, &key, "1", &me())
        .await
        .unwrap();
    registry.delete_node_pool(&cluster.id, name, &me()).await.unwrap();
    assert_eq!(get(&registry, &cluster).await.revision, Revision(4));
    let pools = registry.list_node_pools(&cluster.id).await.unwrap();
    assert_eq!(pools.revision, Revision(4));
    assert_eq!(get(&registry, &other.object).await, other);
    let stale = registry
        .put_node_pool(&cluster.id, sample::pool("late"), &me().expecting(Revision(3)))
        .await;
    assert!(stale.is_err(), "{stale:?}");
}
