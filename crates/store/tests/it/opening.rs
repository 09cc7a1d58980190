//! Opening: migrations, and databases that must be refused.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use ports::{Registry, SystemClock, WriteContext};
use store::{DatabaseUrl, OpenError, Store};
use testkit::sample;

use crate::{Database, databases};

async fn refusal(url: &DatabaseUrl) -> OpenError {
    Store::open(url, Arc::new(SystemClock))
        .await
        .expect_err("must be refused")
}

#[tokio::test]
async fn a_second_start_finds_everything() {
    for database in databases() {
        let context = WriteContext::by("a", "b");
        let store = database.open().await;
        let made = store.create_cluster(sample::cluster(1), &context).await.unwrap();
        store.close().await;
        let store = database.open().await;
        let found = store.get_cluster(&made.object.id, Default::default()).await.unwrap();
        assert_eq!(found, made);
        assert_eq!(store.last_change().await.unwrap(), 1);
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_together_migrate_once() {
    for database in databases() {
        let (one, two, three) = tokio::join!(database.open(), database.open(), database.open());
        for store in [one, two, three] {
            store.ping().await.unwrap();
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_newer_database_is_refused_with_both_versions() {
    for database in databases() {
        database.open().await.close().await;
        database
            .tamper("UPDATE fleetwright_meta SET value = 99 WHERE name = 'schema_version'")
            .await;
        let refused = refusal(&database.url).await;
        assert!(
            matches!(
                refused,
                OpenError::Newer {
                    found: 99,
                    known: 2,
                    ..
                }
            ),
            "{refused:?}"
        );
        let text = refused.to_string();
        assert!(text.contains("99") && text.contains("up to 2"), "{text}");
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    for database in databases() {
        database.tamper("CREATE TABLE clusters (x TEXT)").await;
        let refused = refusal(&database.url).await;
        assert!(matches!(refused, OpenError::NotOurs { .. }), "{refused:?}");
        database.tamper("INSERT INTO clusters (x) VALUES ('still there')").await;
    }
}

#[tokio::test]
async fn damaged_and_foreign_files_are_refused() {
    let database = Database::sqlite();
    let path = database.dir.path().join("registry.db");
    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    let refused = refusal(&database.url).await;
    assert!(matches!(refused, OpenError::NotOurs { .. }), "{refused:?}");
    assert_eq!(std::fs::read(&path).unwrap(), vec![b'x'; 8192]);

    let damaged = Database::sqlite();
    damaged.open().await.close().await;
    let path = damaged.dir.path().join("registry.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // The header stays; every page behind it is overwritten.
    bytes[100..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let refused = refusal(&damaged.url).await;
    assert!(matches!(refused, OpenError::NotOurs { .. }), "{refused:?}");

    let nowhere = DatabaseUrl::sqlite(damaged.dir.path().join("no/such/folder.db"));
    let refused = refusal(&nowhere).await;
    assert!(matches!(refused, OpenError::File { .. }), "{refused:?}");
}

#[tokio::test]
async fn the_file_is_for_its_owner_only() {
    let database = Database::sqlite();
    let store = database.open().await;
    store
        .create_cluster(sample::cluster(1), &WriteContext::by("a", "b"))
        .await
        .unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(database.dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
        files += 1;
    }
    assert!(files >= 2, "the database and its log");
    store.close().await;
}

#[tokio::test]
async fn an_unreachable_server_is_named_without_its_password() {
    let url: DatabaseUrl = "postgres://u:secret@localhost/d?host=/nonexistent".parse().unwrap();
    let refused = refusal(&url).await;
    let mut text = format!("{refused} {refused:?}");
    let mut source = std::error::Error::source(&refused);
    while let Some(error) = source {
        text.push_str(&error.to_string());
        source = error.source();
    }
    assert!(matches!(refused, OpenError::Unreachable { .. }), "{text}");
    assert!(text.contains("/nonexistent") && !text.contains("secret"), "{text}");
}
