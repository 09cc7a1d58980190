use std::sync::Arc;

use futures::future::join_all;
use ports::registry::{ObjectKind, PageRequest, Revision};
use ports::{Registry, RegistryError};

use super::{create, get, me, status_update};
use crate::sample;

const WRITERS: usize = 32;
const WRITES: usize = 4;

/// Runs as many writers as there shall be, at the same time.
async fn all<F: Future<Output = ()> + Send + 'static>(writer: impl Fn(usize) -> F) {
    for done in join_all((0..WRITERS).map(|n| tokio::spawn(writer(n)))).await {
        done.expect("a writer failed");
    }
}

pub(super) async fn concurrent_writers_with_revisions_lose_no_update(registry: Arc<dyn Registry>) {
    let mut cluster = sample::cluster(1);
    cluster.status.current_version = "0#0".to_owned();
    let cluster = create(&registry, cluster).await.object;
    // Each writer adds one to a number that it has read; lost updates would show in the sum.
    all(|_| {
        let (registry, cluster) = (registry.clone(), cluster.clone());
        async move {
            for _ in 0..WRITES {
                add_one(&registry, &cluster).await;
            }
        }
    })
    .await;
    let after = get(&registry, &cluster).await;
    let total = WRITERS * WRITES;
    assert_eq!(after.object.status.current_version, format!("{total}#0"));
    assert_eq!(after.revision, Revision(i64::try_from(total).unwrap() + 1));
    let history = registry
        .history(ObjectKind::Cluster, cluster.id.as_str(), &PageRequest::all())
        .await
        .unwrap();
    assert_eq!(history.items.len(), total + 1);
}

async fn add_one(registry: &Arc<dyn Registry>, cluster: &model::Cluster) {
    loop {
        let present = get(registry, cluster).await;
        let number: usize = present
            .object
            .status
            .current_version
            .trim_end_matches("#0")
            .parse()
            .unwrap();
        let update = status_update(&format!("{}#0", number + 1), "");
        let context = me().expecting(present.revision);
        match registry.update_cluster(&cluster.id, update, &context).await {
            Ok(_) => return,
            Err(RegistryError::WrongRevision { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

pub(super) async fn concurrent_config_items_all_arrive(registry: Arc<dyn Registry>) {
    let cluster = create(&registry, sample::cluster(1)).await.object;
    all(|n| {
        let (registry, id) = (registry.clone(), cluster.id.clone());
        async move {
            for i in 0..WRITES {
                let key = sample::key(&format!("item_{n}_{i}"));
                registry.put_config_item(&id, &key, "set", &me()).await.unwrap();
            }
        }
    })
    .await;
    let after = get(&registry, &cluster).await;
    let written = WRITERS * WRITES;
    assert_eq!(after.object.config_items.len(), cluster.config_items.len() + written);
    assert_eq!(after.revision, Revision(i64::try_from(written).unwrap() + 1));
    let sequences: Vec<_> = registry
        .changes(0, 1000)
        .await
        .unwrap()
        .iter()
        .map(|c| c.sequence)
        .collect();
    assert_eq!(sequences.len(), written + 1);
    assert!(sequences.is_sorted_by(|a, b| a < b));
}

pub(super) async fn of_concurrent_creations_one_wins(registry: Arc<dyn Registry>) {
    let attempts = (0..WRITERS).map(|n| {
        let registry = registry.clone();
        tokio::spawn(async move {
            let mut cluster = sample::cluster(n);
            cluster.alias = sample::alias("the-one");
            registry.create_cluster(cluster, &me()).await
        })
    });
    let mut made = 0;
    for attempt in join_all(attempts).await {
        match attempt.unwrap() {
            Ok(_) => made += 1,
            Err(RegistryError::AlreadyExists { field: "alias", .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(made, 1);
    assert_eq!(registry.last_change().await.unwrap(), 1);
}
