//! The behaviour of every registry, shown by the client against a served store.

use std::sync::Arc;

use ports::{Registry, SystemClock, SystemIds};
use registry_api::client::{ClientOptions, RegistryClient};
use store::{DatabaseUrl, Store};

use crate::server;

/// Cases that a served registry does not meet yet: lists carry no revisions over the wire, and a U+0000 in a config item is
/// refused under the name of the body's member (`value`) instead of the item's. The list shrinks with the server.
const NOT_OVER_THE_WIRE: [&str; 4] = [
    "bad_values_are_refused_with_field_and_write_nothing",
    "accounts_are_created_changed_and_kept_apart",
    "without_parameters_every_cluster_is_listed",
    "brief_lists_leave_items_and_pools_out",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_client_behaves_like_a_store() {
    let mut failed = Vec::new();
    for case in testkit::registry_suite::cases() {
        let store = Store::open(&DatabaseUrl::memory(), Arc::new(SystemClock))
            .await
            .unwrap();
        let server = server::serve(Arc::new(store), None, None).await;
        let options = ClientOptions::new(server.url.clone());
        let client = RegistryClient::new(&options, Arc::new(SystemClock), Arc::new(SystemIds)).unwrap();
        let client: Arc<dyn Registry> = Arc::new(client);
        // Each case in a task of its own, so that one that fails does not hide the others.
        if tokio::spawn((case.run)(client)).await.is_err() {
            failed.push(case.name);
        }
    }
    assert_eq!(failed, NOT_OVER_THE_WIRE);
}
