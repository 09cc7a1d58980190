use std::sync::Arc;

use model::{AccountLifecycle, ClusterUpdate, InfrastructureAccountUpdate, LifecycleStatus, Problem};
use ports::registry::{Detail, PageRequest, Revision};
use ports::{Registry, RegistryError};

use super::{create, create_account, get, invalid_fields, me, status_update};
use crate::sample;

pub(super) async fn a_created_cluster_reads_back_as_it_was_given(registry: Arc<dyn Registry>) {
    let mut given = sample::cluster(1);
    given.status.problems = vec![Problem::general("broken \"quotes\" and ünicode")];
    given.config_items.insert(sample::key("empty"), String::new());
    given
        .config_items
        .insert(sample::key("lines"), "a: 1\nb: \u{1F600}\n".to_owned());
    let made = create(&registry, given.clone()).await;
    assert_eq!(made.revision, Revision(1));
    assert_eq!(made.object, given);
    assert_eq!(get(&registry, &given).await, made);
    let brief = registry.get_cluster(&given.id, Detail::Brief).await.unwrap();
    assert!(brief.object.config_items.is_empty() && brief.object.node_pools.is_empty());
    assert_eq!(brief.object.status, given.status);
}

pub(super) async fn creation_time_is_set_when_absent(registry: Arc<dyn Registry>) {
    let mut given = sample::cluster(1);
    given.created_at = None;
    let made = create(&registry, given.clone()).await;
    assert!(made.object.created_at.is_some());
    assert_eq!(get(&registry, &given).await.object.created_at, made.object.created_at);
}

pub(super) async fn fact_9_a_status_is_replaced_as_a_whole(registry: Arc<dyn Registry>) {
    let cluster = create(&registry, sample::cluster(1)).await.object;
    registry
        .update_cluster(&cluster.id, status_update("a#1", "b#2"), &me())
        .await
        .unwrap();
    let patch: ClusterUpdate = serde_json::from_value(serde_json::json!({
        "lifecycle_status": "ready",
        "status": {"current_version": "b#2", "last_version": "a#1", "problems": []},
    }))
    .unwrap();
    let after = registry.update_cluster(&cluster.id, patch, &me()).await.unwrap();
    assert_eq!(after.object.status.next_version, "");
    assert_eq!(after.object.status.current_version, "b#2");
    assert_eq!(after.object.status.last_version, "a#1");
    assert_eq!(after.revision, Revision(3));
    assert_eq!(get(&registry, &cluster).await, after);
}

pub(super) async fn an_update_changes_only_what_it_names(registry: Arc<dyn Registry>) {
    let cluster = create(&registry, sample::cluster(1)).await.object;
    let update = ClusterUpdate {
        channel: Some("stable".to_owned()),
        criticality_level: Some(3),
        ..ClusterUpdate::default()
    };
    let after = registry.update_cluster(&cluster.id, update, &me()).await.unwrap();
    let mut expected = cluster.clone();
    expected.channel = "stable".to_owned();
    expected.criticality_level = 3;
    assert_eq!(after.object, expected);
    assert_eq!(get(&registry, &cluster).await.object, expected);
}

pub(super) async fn unique_fields_are_refused_with_their_holder(registry: Arc<dyn Registry>) {
    let first = create(&registry, sample::cluster(1)).await.object;
    let second = create(&registry, sample::cluster(2)).await.object;
    let taken = |result: Result<_, RegistryError>, expected: &str| match result {
        Err(RegistryError::AlreadyExists { field, holder, .. }) => {
            assert_eq!((field, holder.as_str()), (expected, first.id.as_str()));
        }
        other => panic!("expected a taken {expected}, got {other:?}"),
    };
    taken(registry.create_cluster(sample::cluster(1), &me()).await, "id");
    let mut same = sample::cluster(3);
    same.alias = first.alias.clone();
    taken(registry.create_cluster(same, &me()).await, "alias");
    let mut same = sample::cluster(3);
    same.local_id = first.local_id.clone();
    taken(registry.create_cluster(same.clone(), &me()).await, "local_id");
    let alias = ClusterUpdate {
        alias: Some(first.alias.clone()),
        ..ClusterUpdate::default()
    };
    taken(registry.update_cluster(&second.id, alias.clone(), &me()).await, "alias");
    let local = ClusterUpdate {
        local_id: Some(first.local_id.clone()),
        ..ClusterUpdate::default()
    };
    taken(registry.update_cluster(&second.id, local, &me()).await, "local_id");
    assert_eq!(registry.last_change().await.unwrap(), 2);
    // In another region the local id is free, and an alias is free once its holder has another.
    same.region = "eu-west-1".to_owned();
    create(&registry, same).await;
    let away = ClusterUpdate {
        alias: Some(sample::alias("elsewhere")),
        ..ClusterUpdate::default()
    };
    registry.update_cluster(&first.id, away, &me()).await.unwrap();
    registry.update_cluster(&second.id, alias, &me()).await.unwrap();
}

pub(super) async fn a_wrong_revision_is_refused_and_writes_nothing(registry: Arc<dyn Registry>) {
    let cluster = create(&registry, sample::cluster(1)).await.object;
    let at = |revision| me().expecting(Revision(revision));
    registry
        .update_cluster(&cluster.id, status_update("a#1", ""), &at(1))
        .await
        .unwrap();
    for stale in [1, 3] {
        let refused = registry
            .update_cluster(&cluster.id, status_update("z#9", ""), &at(stale))
            .await;
        match refused {
            Err(RegistryError::WrongRevision { expected, actual }) => {
                assert_eq!((expected, actual), (Revision(stale), Revision(2)));
            }
            other => panic!("expected a wrong revision, got {other:?}"),
        }
    }
    let key = sample::key("some_item");
    let refused = registry.put_config_item(&cluster.id, &key, "1", &at(1)).await;
    assert!(
        matches!(refused, Err(RegistryError::WrongRevision { .. })),
        "{refused:?}"
    );
    let refused = registry.delete_cluster(&cluster.id, &at(1)).await;
    assert!(
        matches!(refused, Err(RegistryError::WrongRevision { .. })),
        "{refused:?}"
    );
    assert_eq!(get(&registry, &cluster).await.object.status.current_version, "a#1");
    assert_eq!(registry.last_change().await.unwrap(), 2);
}

pub(super) async fn writes_that_change_nothing_leave_no_trace(registry: Arc<dyn Registry>) {
    let cluster = create(&registry, sample::cluster(1)).await.object;
    let same = ClusterUpdate {
        alias: Some(cluster.alias.clone()),
        status: Some(cluster.status.clone()),
        ..ClusterUpdate::default()
    };
    let after = registry.update_cluster(&cluster.id, same, &me()).await.unwrap();
    assert_eq!(after.revision, Revision(1));
    let (key, value) = cluster.config_items.first_key_value().unwrap();
    let revision = registry.put_config_item(&cluster.id, key, value, &me()).await.unwrap();
    assert_eq!(revision, Revision(1));
    let pool = registry
        .put_node_pool(&cluster.id, cluster.node_pools[0].clone(), &me())
        .await
        .unwrap();
    assert_eq!(pool.revision, Revision(1));
    assert_eq!(registry.last_change().await.unwrap(), 1);
}

pub(super) async fn only_requested_and_decommissioned_clusters_are_deleted(registry: Arc<dyn Registry>) {
    for (n, status) in LifecycleStatus::ALL.into_iter().enumerate() {
        let mut cluster = sample::cluster(n);
        cluster.lifecycle_status = status;
        let cluster = create(&registry, cluster).await.object;
        let deleted = registry.delete_cluster(&cluster.id, &me()).await;
        if matches!(status, LifecycleStatus::Requested | LifecycleStatus::Decommissioned) {
            deleted.unwrap();
            let gone = registry.get_cluster(&cluster.id, Detail::Full).await;
            assert!(matches!(gone, Err(RegistryError::NotFound { .. })), "{gone:?}");
            create(&registry, cluster).await;
        } else {
            let Err(RegistryError::Forbidden(sentence)) = deleted else {
                panic!("a {status} cluster was deleted");
            };
            assert!(
                sentence.contains("requested") && sentence.contains("decommissioned"),
                "{sentence}"
            );
            get(&registry, &cluster).await;
        }
    }
}

pub(super) async fn bad_values_are_refused_with_field_and_write_nothing(registry: Arc<dyn Registry>) {
    let mut bad = sample::cluster(1);
    bad.region = String::new();
    bad.node_pools[1].max_size = 1;
    let fields = invalid_fields(registry.create_cluster(bad, &me()).await);
    assert_eq!(fields, ["region", "node_pools[1].max_size"]);
    let cluster = create(&registry, sample::cluster(1)).await.object;
    let update = ClusterUpdate {
        channel: Some("a\nb".to_owned()),
        ..ClusterUpdate::default()
    };
    assert_eq!(
        invalid_fields(registry.update_cluster(&cluster.id, update, &me()).await),
        ["channel"]
    );
    let other_id = ClusterUpdate {
        id: Some(sample::cluster(2).id),
        ..ClusterUpdate::default()
    };
    assert_eq!(
        invalid_fields(registry.update_cluster(&cluster.id, other_id, &me()).await),
        ["id"]
    );
    let value = "x\0y";
    let refused = registry
        .put_config_item(&cluster.id, &sample::key("zero"), value, &me())
        .await;
    assert_eq!(invalid_fields(refused), ["config_items.zero"]);
    let mut pool = sample::pool("worker");
    pool.instance_types.clear();
    assert_eq!(
        invalid_fields(registry.put_node_pool(&cluster.id, pool, &me()).await),
        ["instance_types"]
    );
    let mut account = sample::account(1);
    account.owner = String::new();
    assert_eq!(invalid_fields(registry.create_account(account, &me()).await), ["owner"]);
    assert_eq!(get(&registry, &cluster).await.object, cluster);
    assert_eq!(registry.last_change().await.unwrap(), 1);
}

pub(super) async fn unknown_objects_are_not_found(registry: Arc<dyn Registry>) {
    let missing = |result: Result<(), RegistryError>, expected: &str| match result {
        Err(RegistryError::NotFound { kind, .. }) => assert_eq!(kind, expected),
        other => panic!("expected no {expected}, got {other:?}"),
    };
    let cluster = create(&registry, sample::cluster(1)).await.object;
    let other = sample::cluster(2).id;
    let (key, name) = (sample::key("absent"), sample::pool_name("absent"));
    missing(registry.get_cluster(&other, Detail::Full).await.map(drop), "cluster");
    missing(registry.delete_cluster(&other, &me()).await, "cluster");
    missing(
        registry
            .update_cluster(&other, status_update("a#1", ""), &me())
            .await
            .map(drop),
        "cluster",
    );
    missing(registry.list_node_pools(&other).await.map(drop), "cluster");
    missing(
        registry.put_config_item(&other, &key, "", &me()).await.map(drop),
        "cluster",
    );
    missing(
        registry.delete_config_item(&cluster.id, &key, &me()).await,
        "config item",
    );
    missing(registry.delete_node_pool(&cluster.id, &name, &me()).await, "node pool");
    missing(
        registry
            .update_node_pool(&cluster.id, &name, Default::default(), &me())
            .await
            .map(drop),
        "node pool",
    );
    missing(
        registry
            .put_node_pool_config_item(&cluster.id, &name, &key, "", &me())
            .await
            .map(drop),
        "node pool",
    );
    let pool = &cluster.node_pools[0].name;
    missing(
        registry
            .delete_node_pool_config_item(&cluster.id, pool, &key, &me())
            .await,
        "config item",
    );
    let account = sample::account(9).id;
    missing(registry.get_account(&account).await.map(drop), "infrastructure account");
    missing(
        registry
            .update_account(&account, Default::default(), &me())
            .await
            .map(drop),
        "infrastructure account",
    );
}

pub(super) async fn accounts_are_created_changed_and_kept_apart(registry: Arc<dyn Registry>) {
    let account = sample::account(1);
    create_account(&registry, account.clone()).await;
    let again = registry.create_account(account.clone(), &me()).await;
    assert!(
        matches!(again, Err(RegistryError::AlreadyExists { field: "id", .. })),
        "{again:?}"
    );
    let update = InfrastructureAccountUpdate {
        owner: Some("team/other".to_owned()),
        lifecycle_status: Some(AccountLifecycle::Decommissioned),
        ..InfrastructureAccountUpdate::default()
    };
    let stale = registry
        .update_account(&account.id, update.clone(), &me().expecting(Revision(7)))
        .await;
    assert!(matches!(stale, Err(RegistryError::WrongRevision { .. })), "{stale:?}");
    let after = registry
        .update_account(&account.id, update.clone(), &me())
        .await
        .unwrap();
    assert_eq!(after.revision, Revision(2));
    let unchanged = registry.update_account(&account.id, update, &me()).await.unwrap();
    assert_eq!(unchanged, after);
    assert_eq!(registry.get_account(&account.id).await.unwrap(), after);
    assert_eq!(after.object.owner, "team/other");
    assert_eq!(after.object.cost_center, account.cost_center);
    let all = registry
        .list_accounts(&Default::default(), &PageRequest::all())
        .await
        .unwrap();
    assert_eq!(all.items, [after]);
}
