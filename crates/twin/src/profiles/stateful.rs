//! Databases and search: sets whose pods are not alike, with budgets that say so.

use json_tree::json;

use super::fill::{Filler, budget, metadata, service};
use super::shop;
use crate::tree::set;

/// Adds one database, one search cluster and a client of both while there is room.
pub(super) fn team(filler: &mut Filler, round: usize) {
    let namespace = format!("data{round}-store");
    let members = filler.draw(2, 3);
    postgres(filler, &namespace, &format!("orders-db-{round}"), members);
    if filler.is_full() {
        return;
    }
    let members = filler.draw(3, 5);
    elasticsearch(filler, &namespace, &format!("search-{round}"), members);
    if filler.is_full() {
        return;
    }
    let replicas = filler.draw(2, 4);
    shop::web(filler, &namespace, "query-api", replicas);
}

/// A Postgres-like set as the operator makes it: one member is the master, its budget always wants it there.
pub(super) fn postgres(filler: &mut Filler, namespace: &str, name: &str, members: i64) {
    let app = filler.app(namespace, name, members);
    let mut object = filler.stateful_set(&app, 5432, 50);
    set(
        &mut object,
        &["spec", "template", "metadata", "labels", "cluster-name"],
        name,
    );
    set(
        &mut object,
        &["spec", "template", "metadata", "labels", "spilo-role"],
        "replica",
    );
    // The operator moves pods itself, after it has moved the master.
    set(&mut object, &["spec", "updateStrategy"], json!({"type": "OnDelete"}));
    set(&mut object, &["spec", "podManagementPolicy"], "Parallel");
    filler.add_with_pods(object, app.replicas);
    let master = json!({"cluster-name": name, "spilo-role": "master"});
    let guard = budget(&app, &format!("postgres-{name}-pdb"), &master, "minAvailable", 1);
    filler.add(guard);
    filler.add(
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata(&app, name),
        "spec": {"selector": {"cluster-name": name, "spilo-role": "master"}, "ports": [{"port": 5432}]}}),
    );
}

/// An Elasticsearch-like set: its operator moves shards away first, and until then its budget allows nothing.
pub(super) fn elasticsearch(filler: &mut Filler, namespace: &str, name: &str, members: i64) {
    let app = filler.app(namespace, name, members);
    let object = filler.stateful_set(&app, 9200, 100);
    filler.add_with_pods(object, app.replicas);
    let labels = json!({"application": name});
    filler.add(budget(&app, name, &labels, "maxUnavailable", 0));
    filler.add(service(&app, 9200));
}
