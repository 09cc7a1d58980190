//! The behaviour of every registry, shown by the client against a served store.

use std::sync::Arc;

use ports::registry::Detail;
use ports::{Registry, SystemClock, SystemIds, WriteContext};
use registry_api::client::{ClientOptions, RegistryClient};
use store::{DatabaseUrl, Store};

use crate::server;

/// Runs every case through a server of its own, each over the empty database that `database` makes.
async fn every_case_passes(database: impl Fn() -> DatabaseUrl) {
    let mut failed = Vec::new();
    for case in testkit::registry_suite::cases() {
        let store = Arc::new(Store::open(&database(), Arc::new(SystemClock)).await.unwrap());
        let server = server::serve(Arc::clone(&store) as _, None, None).await;
        let options = ClientOptions::new(server.url.clone());
        let client = RegistryClient::new(&options, Arc::new(SystemClock), Arc::new(SystemIds)).unwrap();
        let client: Arc<dyn Registry> = Arc::new(client);
        // Each case in a task of its own, so that one that fails does not hide the others.
        if tokio::spawn((case.run)(client)).await.is_err() {
            failed.push(case.name);
        }
        drop(server);
        store.close().await;
    }
    assert_eq!(failed, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_behaves_like_a_store_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let made = std::sync::atomic::AtomicUsize::new(0);
    every_case_passes(|| {
        let number = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = dir.path().join(format!("registry-{number}.db"));
        format!("sqlite:{}", path.display()).parse().unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_behaves_like_a_store_on_postgresql() {
    if testkit::postgres::fresh_database().unwrap().is_none() {
        eprintln!("passed over: PostgreSQL is not installed");
        return;
    }
    every_case_passes(|| testkit::postgres::fresh_database().unwrap().unwrap().parse().unwrap()).await;
}

#[tokio::test]
async fn removals_of_node_pools_tell_the_revision_for_the_next() {
    let server = server::empty().await;
    let client = RegistryClient::new(
        &ClientOptions::new(server.url.clone()),
        Arc::new(SystemClock),
        Arc::new(SystemIds),
    );
    let (client, me) = (client.unwrap(), WriteContext::by("", ""));
    let made = client.create_cluster(testkit::sample::cluster(1), &me).await.unwrap();
    assert!(made.object.node_pools.len() > 1);
    let (id, mut revision) = (made.object.id, made.revision);
    for pool in &made.object.node_pools {
        let bound = me.clone().expecting(revision);
        revision = client.remove_node_pool(&id, &pool.name, &bound).await.unwrap();
        assert_eq!(client.get_cluster(&id, Detail::Full).await.unwrap().revision, revision);
    }
    let gone = client.get_cluster(&id, Detail::Full).await.unwrap().object;
    assert!(gone.node_pools.is_empty());
}
