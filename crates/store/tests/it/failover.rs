//! Another server takes over that lacks the last writes: streams end, so that nobody waits for numbers that come again.

use std::time::Duration;

use futures::StreamExt;
use ports::{Registry, RegistryError, WriteContext};
use testkit::sample;

use crate::databases;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_ends_with_an_error_when_the_database_is_set_back_and_a_new_one_tells_everything() {
    let context = WriteContext::by("test", "r");
    for database in databases() {
        let store = database.open().await;
        for n in 0..5 {
            store.create_cluster(sample::cluster(n), &context).await.unwrap();
        }
        let mut feed = store.watch(5).await.unwrap();
        // What an asynchronous standby had not received yet is gone, with its numbers.
        database
            .tamper("DELETE FROM changes WHERE sequence > 3; UPDATE feed SET sequence = 3 WHERE id = 1")
            .await;
        let ended = tokio::time::timeout(Duration::from_secs(120), feed.next())
            .await
            .unwrap();
        assert!(matches!(ended, Some(Err(RegistryError::Unavailable(_)))), "{ended:?}");
        assert!(feed.next().await.is_none());
        let last = store.last_change().await.unwrap();
        assert_eq!(last, 3);
        let mut again = store.watch(last).await.unwrap();
        store.create_cluster(sample::cluster(9), &context).await.unwrap();
        let next = tokio::time::timeout(Duration::from_secs(120), again.next())
            .await
            .unwrap();
        assert_eq!(next.unwrap().unwrap().sequence, 4);
        store.close().await;
    }
}
