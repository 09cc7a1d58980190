//! The suite that every registry passes, and what only stores show.

use std::sync::Arc;

use futures::StreamExt;
use ports::registry::{ClusterFilter, Detail, ObjectKind, PageRequest};
use ports::{Leases, Registry, RegistryError, SystemClock, WriteContext};
use store::{DatabaseUrl, MemoryRegistry, Store};
use testkit::{registry_suite, sample};

use crate::{Database, databases};

fn context() -> WriteContext {
    WriteContext::by("tester", "request-7")
}

#[tokio::test]
async fn memory_passes_the_suite() {
    for case in registry_suite::cases() {
        case.show_on(Arc::new(MemoryRegistry::new(Arc::new(SystemClock)))).await;
    }
}

#[tokio::test]
async fn sqlite_in_memory_passes_the_suite() {
    for case in registry_suite::cases() {
        let store = Store::open(&DatabaseUrl::memory(), Arc::new(SystemClock))
            .await
            .unwrap();
        case.show_on(Arc::new(store)).await;
    }
}

async fn passes(database: impl Fn() -> Option<Database>) {
    for case in registry_suite::cases() {
        let Some(database) = database() else { return };
        let store = database.open().await;
        case.show_on(store.clone()).await;
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_passes_the_suite() {
    passes(|| Some(Database::sqlite())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_passes_the_suite() {
    passes(Database::postgres).await;
}

#[tokio::test]
async fn memory_passes_the_suite_of_ledgers() {
    for case in testkit::ledger_suite::cases() {
        let registry = Arc::new(MemoryRegistry::new(Arc::new(SystemClock)));
        case.show_on(registry.clone(), registry).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_pass_the_suite_of_ledgers() {
    for case in testkit::ledger_suite::cases() {
        for database in databases() {
            let store = database.open().await;
            case.show_on(store.clone(), store.clone()).await;
            store.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_see_each_other_and_share_one_feed() {
    for database in databases() {
        let (one, two) = (database.open().await, database.open().await);
        let mut watch = one.watch(0).await.unwrap();
        let clusters = 40;
        let writes = (0..clusters).map(|n| {
            let store = if n % 2 == 0 { one.clone() } else { two.clone() };
            async move { store.create_cluster(sample::cluster(n), &context()).await.unwrap() }
        });
        futures::stream::iter(writes)
            .buffer_unordered(8)
            .for_each(async |_| {})
            .await;
        let mut seen = Vec::new();
        for _ in 0..clusters {
            seen.push(watch.next().await.unwrap().unwrap());
        }
        assert_eq!(seen, two.changes(0, 100).await.unwrap());
        let numbers: Vec<_> = seen.iter().map(|c| c.sequence).collect();
        assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
        // The alias that one replica gave away is taken for the other.
        let mut same = sample::cluster(99);
        same.alias = sample::cluster(0).alias;
        let refused = two.create_cluster(same, &context()).await;
        assert!(
            matches!(refused, Err(RegistryError::AlreadyExists { .. })),
            "{refused:?}"
        );
        one.close().await;
        two.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_on_two_replicas_lose_no_update() {
    for database in databases() {
        let stores = [database.open().await, database.open().await];
        let cluster = stores[0]
            .create_cluster(sample::cluster(1), &context())
            .await
            .unwrap()
            .object;
        let writes = (0..64).map(|n| {
            let (store, id) = (stores[n % 2].clone(), cluster.id.clone());
            async move {
                let key = sample::key(&format!("item_{n}"));
                store.put_config_item(&id, &key, "set", &context()).await.unwrap();
            }
        });
        futures::stream::iter(writes)
            .buffer_unordered(32)
            .for_each(async |()| {})
            .await;
        let after = stores[0].get_cluster(&cluster.id, Detail::Full).await.unwrap();
        assert_eq!(after.object.config_items.len(), cluster.config_items.len() + 64);
        assert_eq!(after.revision.0, 65);
        for store in stores {
            store.close().await;
        }
    }
}

#[tokio::test]
async fn records_name_actor_and_request() {
    for database in databases() {
        let store = database.open().await;
        let id = store
            .create_cluster(sample::cluster(1), &context())
            .await
            .unwrap()
            .object
            .id;
        let history = store
            .history(ObjectKind::Cluster, id.as_str(), &PageRequest::all())
            .await
            .unwrap();
        assert_eq!(history.items[0].change.actor, "tester");
        assert_eq!(history.items[0].request_id, "request-7");
        store.close().await;
    }
}

#[tokio::test]
async fn a_write_under_a_lost_lease_is_refused() {
    for database in databases() {
        let store = database.open().await;
        let cluster = store
            .create_cluster(sample::cluster(1), &context())
            .await
            .unwrap()
            .object;
        let name = ports::LeaseName::new("lifecycle/1").unwrap();
        let ttl = std::time::Duration::from_secs(60);
        let lease = store.claim(&name, "one", ttl).await.unwrap();
        let put = async |value: &str| {
            let context = context().fenced(&lease);
            store
                .put_config_item(&cluster.id, &sample::key("item"), value, &context)
                .await
        };
        put("held").await.unwrap();
        store.release(&lease).await.unwrap();
        let refused = put("released").await;
        assert!(
            matches!(refused, Err(RegistryError::FenceLost { token: 1, .. })),
            "{refused:?}"
        );
        store.claim(&name, "two", ttl).await.unwrap();
        assert!(matches!(put("taken").await, Err(RegistryError::FenceLost { .. })));
        let after = store.get_cluster(&cluster.id, Detail::Full).await.unwrap();
        assert_eq!(after.object.config_items.get("item").unwrap(), "held");
        store.close().await;
    }
}

#[tokio::test]
async fn long_and_odd_texts_are_stored_or_refused_alike() {
    for database in databases() {
        let store = database.open().await;
        let mut cluster = sample::cluster(1);
        // As long as the model allows, of characters of four bytes: more than an index entry of PostgreSQL holds.
        let long = |c: char| std::iter::repeat_n(c, 1024).collect::<String>();
        cluster.region = long('𝒂');
        cluster.local_id = long('𝒃');
        cluster.channel = long('𝒄');
        cluster.environment = long('𝒅');
        let made = store.create_cluster(cluster.clone(), &context()).await.unwrap();
        let filter = ClusterFilter {
            channel: Some(cluster.channel.clone()),
            environment: Some(cluster.environment.clone()),
            local_id: Some(cluster.local_id.clone()),
            ..ClusterFilter::default()
        };
        let found = store
            .list_clusters(&filter, Detail::Full, &PageRequest::all())
            .await
            .unwrap();
        assert_eq!(found.items, [made]);
        let zero = ClusterFilter {
            region: Some("a\0b".to_owned()),
            ..ClusterFilter::default()
        };
        let found = store
            .list_clusters(&zero, Detail::Full, &PageRequest::all())
            .await
            .unwrap();
        assert_eq!(found.items, []);
        let history = store
            .history(ObjectKind::Cluster, "a\0b", &PageRequest::all())
            .await
            .unwrap();
        assert_eq!(history.items, []);
        let refused = store
            .create_cluster(sample::cluster(2), &WriteContext::by("a\0b", "r"))
            .await;
        assert!(matches!(refused, Err(RegistryError::Invalid(_))), "{refused:?}");
        let nothing = PageRequest {
            limit: Some(0),
            after: None,
        };
        let refused = store
            .list_clusters(&ClusterFilter::default(), Detail::Full, &nothing)
            .await;
        assert!(matches!(refused, Err(RegistryError::Invalid(_))), "{refused:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_closed_store_refuses_and_ends_its_streams() {
    for database in databases() {
        let store = database.open().await;
        store.ping().await.unwrap();
        let mut watch = store.watch(0).await.unwrap();
        let context = context();
        let (written, ()) = tokio::join!(store.create_cluster(sample::cluster(1), &context), async {
            tokio::task::yield_now().await;
            store.close().await;
        });
        // Either it was taken on and finished, or refused; then the store is closed.
        if let Err(error) = written {
            assert!(matches!(error, RegistryError::Unavailable(_)), "{error:?}");
        }
        assert!(matches!(store.ping().await, Err(RegistryError::Unavailable(_))));
        let refused = store.create_cluster(sample::cluster(2), &context).await;
        assert!(matches!(refused, Err(RegistryError::Unavailable(_))), "{refused:?}");
        while let Some(change) = watch.next().await {
            if change.is_err() {
                break;
            }
        }
        assert!(watch.next().await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_row_fails_its_own_writes_only() {
    for database in databases() {
        let store = database.open().await;
        for n in 0..32 {
            store.create_cluster(sample::cluster(n), &context()).await.unwrap();
        }
        database
            .tamper("UPDATE clusters SET status = '{' WHERE alias = 'alias-7'")
            .await;
        let writes = (0..32).map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let (id, key) = (sample::cluster(n).id, sample::key("item"));
                (n, store.put_config_item(&id, &key, "set", &context()).await)
            })
        });
        for write in futures::future::join_all(writes).await {
            match write.unwrap() {
                (7, result) => assert!(matches!(result, Err(RegistryError::Internal(_))), "{result:?}"),
                (_, result) => assert_eq!(result.unwrap().0, 2),
            }
        }
        assert_eq!(store.last_change().await.unwrap(), 63);
        store.close().await;
    }
}
