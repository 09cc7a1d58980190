use std::sync::Arc;

use model::{AccountLifecycle, Cluster, FileCluster, FileRegistry};
use ports::registry::{ImportMode, ImportReport, PageRequest, Revision};
use ports::{Registry, RegistryError};

use super::{create, get, invalid_fields, me, status_update};
use crate::sample;
use crate::sample::Size;

fn document(clusters: impl IntoIterator<Item = Cluster>) -> FileRegistry {
    let clusters = clusters.into_iter().map(|cluster| FileCluster {
        cluster,
        owner: None,
        account_name: None,
    });
    FileRegistry {
        clusters: clusters.collect(),
        infrastructure_accounts: vec![sample::account(0)],
    }
}

pub(super) async fn an_import_exports_again(registry: Arc<dyn Registry>) {
    let size = Size {
        clusters: 9,
        items: 5,
        pools: 3,
    };
    let mut given = sample::fleet(1, size);
    given.infrastructure_accounts[1].lifecycle_status = AccountLifecycle::Creating;
    let report = registry.import(given.clone(), ImportMode::Create, &me()).await.unwrap();
    assert_eq!(report.created.len(), 12);
    assert_eq!(report.created[0], "infrastructure-account/aws:100000000000");
    assert_eq!((report.updated.len(), report.unchanged.len()), (0, 0));
    let exported = registry.export().await.unwrap();
    let mut expected = given.clone();
    for file in &mut expected.clusters {
        // Only accounts that are ready lend their owner and name.
        let account = given
            .infrastructure_accounts
            .iter()
            .find(|a| a.id == file.cluster.infrastructure_account && a.lifecycle_status == AccountLifecycle::Ready);
        file.owner = account.map(|a| a.owner.clone());
        file.account_name = account.map(|a| a.name.clone());
    }
    expected.clusters.sort_by(|a, b| a.cluster.id.cmp(&b.cluster.id));
    assert_eq!(exported, expected);
    let again = registry.import(exported, ImportMode::Apply, &me()).await.unwrap();
    assert_eq!(again.unchanged.len(), 12);
    assert_eq!(registry.last_change().await.unwrap(), 12);
}

pub(super) async fn an_import_into_existing_objects_is_refused_whole(registry: Arc<dyn Registry>) {
    let present = create(&registry, sample::cluster(2)).await;
    let given = document([sample::cluster(1), sample::cluster(2)]);
    let refused = registry.import(given, ImportMode::Create, &me()).await;
    match refused {
        Err(RegistryError::AlreadyExists { field: "id", value, .. }) => {
            assert_eq!(value, present.object.id.as_str());
        }
        other => panic!("expected a taken id, got {other:?}"),
    }
    // A free id with a taken alias is no better.
    let mut cluster = sample::cluster(3);
    cluster.alias = present.object.alias.clone();
    let refused = registry
        .import(document([sample::cluster(1), cluster]), ImportMode::Apply, &me())
        .await;
    assert!(
        matches!(refused, Err(RegistryError::AlreadyExists { field: "alias", .. })),
        "{refused:?}"
    );
    assert_eq!(registry.last_change().await.unwrap(), 1);
    let accounts = registry
        .list_accounts(&Default::default(), &PageRequest::all())
        .await
        .unwrap();
    assert_eq!(accounts.items, []);
}

pub(super) async fn an_applied_document_replaces_and_reports(registry: Arc<dyn Registry>) {
    let first = create(&registry, sample::cluster(1)).await.object;
    let second = create(&registry, sample::cluster(2)).await.object;
    let mut changed = first.clone();
    changed.config_items.clear();
    changed.node_pools.reverse();
    changed.channel = "other".to_owned();
    changed.status.current_version = "c#1".to_owned();
    let third = sample::cluster(3);
    let given = document([changed.clone(), second.clone(), third.clone()]);
    let report = registry.import(given, ImportMode::Apply, &me()).await.unwrap();
    let name = |c: &Cluster| format!("cluster/{}", c.id);
    assert_eq!(
        report,
        ImportReport {
            created: vec!["infrastructure-account/aws:100000000000".to_owned(), name(&third)],
            updated: vec![name(&first)],
            unchanged: vec![name(&second)],
        }
    );
    let after = get(&registry, &first).await;
    assert_eq!((after.object, after.revision), (changed, Revision(2)));
    assert_eq!(get(&registry, &second).await.revision, Revision(1));
}

pub(super) async fn an_applied_document_without_status_keeps_it(registry: Arc<dyn Registry>) {
    let cluster = create(&registry, sample::cluster(1)).await.object;
    registry
        .update_cluster(&cluster.id, status_update("a#1", "b#2"), &me())
        .await
        .unwrap();
    let mut by_hand = sample::cluster(1);
    by_hand.created_at = None;
    by_hand.channel = "other".to_owned();
    registry
        .import(document([by_hand]), ImportMode::Apply, &me())
        .await
        .unwrap();
    let after = get(&registry, &cluster).await.object;
    assert_eq!(after.channel, "other");
    assert_eq!(after.status.next_version, "b#2");
    assert_eq!(after.created_at, cluster.created_at);
}

pub(super) async fn two_clusters_swap_an_alias_in_one_document(registry: Arc<dyn Registry>) {
    let (mut first, mut second) = (sample::cluster(1), sample::cluster(2));
    create(&registry, first.clone()).await;
    create(&registry, second.clone()).await;
    std::mem::swap(&mut first.alias, &mut second.alias);
    std::mem::swap(&mut first.local_id, &mut second.local_id);
    let given = document([first.clone(), second.clone()]);
    let report = registry.import(given, ImportMode::Apply, &me()).await.unwrap();
    assert_eq!(report.updated.len(), 2);
    assert_eq!(get(&registry, &first).await.object, first);
    assert_eq!(get(&registry, &second).await.object, second);
    // Both names are still taken, by their new holders.
    let mut third = sample::cluster(3);
    third.alias = first.alias.clone();
    let refused = registry.create_cluster(third, &me()).await;
    assert!(
        matches!(&refused, Err(RegistryError::AlreadyExists { holder, .. }) if *holder == first.id.to_string()),
        "{refused:?}"
    );
}

pub(super) async fn a_bad_document_names_every_place_and_writes_nothing(registry: Arc<dyn Registry>) {
    let mut bad = sample::cluster(2);
    bad.region = String::new();
    let mut twice = sample::cluster(3);
    twice.alias = sample::cluster(1).alias;
    let mut given = document([sample::cluster(1), bad, twice]);
    given.infrastructure_accounts[0].owner = String::new();
    let refused = registry.import(given, ImportMode::Apply, &me()).await;
    assert_eq!(
        invalid_fields(refused),
        [
            "infrastructure_accounts[0].owner",
            "clusters[1].region",
            "clusters[2].alias"
        ]
    );
    assert_eq!(registry.last_change().await.unwrap(), 0);
}
