//! The grammar of `deletions.yaml`, carried out.

use kube_access::deletions::{DeletionError, DeletionOutcome};
use model::{Deletion, DeletionTarget, Propagation};
use serde_json::{Value, json};

use crate::support::*;

fn deletion(kind: &str, namespace: Option<&str>, target: DeletionTarget) -> Deletion {
    Deletion {
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        target,
        has_owner: None,
        grace_period_seconds: None,
        propagation_policy: None,
    }
}

fn name(name: &str) -> DeletionTarget {
    DeletionTarget::Name(name.to_owned())
}

async fn made(server: &kube_sim::ApiServer, name: &str, labels: &Value, owner: bool) {
    let mut map = config_map(name, "1");
    map["metadata"]["labels"] = labels.clone();
    if owner {
        let owner = server.read("", "namespaces", "", "default").unwrap()["metadata"]["uid"].clone();
        map["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": owner}]);
    }
    let path = "/api/v1/namespaces/default/configmaps";
    let (code, reply) = send(server, "POST", path, "application/json", "x/1", &map).await;
    assert_eq!(code, 201, "{reply}");
}

fn left(server: &kube_sim::ApiServer) -> Vec<String> {
    let all = server.read_all("", "configmaps", "default");
    all.iter()
        .map(|map| map["metadata"]["name"].as_str().unwrap().to_owned())
        .filter(|name| name != "kube-root-ca.crt")
        .collect()
}

#[tokio::test(start_paused = true)]
async fn names_labels_selectors_and_owners() {
    let server = server();
    for (name, labels, owner) in [
        ("named", json!({}), false),
        ("a1", json!({"app": "a"}), false),
        ("a2", json!({"app": "a"}), true),
        ("b1", json!({"app": "b", "tier": "x"}), false),
        ("b2", json!({"app": "b", "tier": "y"}), false),
        ("stays", json!({}), false),
    ] {
        made(&server, name, &labels, owner).await;
    }
    let mut owned = deletion(
        "configmaps",
        Some("default"),
        DeletionTarget::Selector("app in (a)".to_owned()),
    );
    owned.has_owner = Some(true);
    let labels =
        DeletionTarget::Labels([("app".to_owned(), "b".to_owned()), ("tier".to_owned(), "x".to_owned())].into());
    let mut by_labels = deletion("ConfigMap", Some("default"), labels);
    by_labels.propagation_policy = Some(Propagation::Foreground);
    by_labels.grace_period_seconds = Some(0);
    let all = [
        deletion("cm", Some("default"), name("named")),
        owned,
        by_labels,
        deletion("clusterroles.rbac.authorization.k8s.io", None, name("missing")),
    ];
    let access = access(&server);
    for expected in [
        [
            ("named", DeletionOutcome::Deleted),
            ("a2", DeletionOutcome::Deleted),
            ("b1", DeletionOutcome::Deleted),
            ("missing", DeletionOutcome::Missing),
        ]
        .to_vec(),
        // Again: what was named is missing, what was selected is not found any more.
        [
            ("named", DeletionOutcome::Missing),
            ("missing", DeletionOutcome::Missing),
        ]
        .to_vec(),
    ] {
        let results = access.run_deletions(&all).await.unwrap();
        let found: Vec<(&str, DeletionOutcome)> = results
            .iter()
            .map(|result| (result.key.name.as_str(), result.outcome.clone()))
            .collect();
        assert_eq!(found, expected);
    }
    assert_eq!(left(&server), ["a1", "b2", "stays"]);
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_fails_before_anything_is_deleted() {
    let server = server();
    made(&server, "named", &json!({}), false).await;
    let access = access(&server);
    let good = deletion("configmaps", Some("default"), name("named"));
    for (bad, error) in [
        (
            deletion("Nonsense", None, name("x")),
            DeletionError::UnknownKind {
                place: 2,
                kind: "Nonsense".into(),
            },
        ),
        (
            deletion("configmaps.v2", None, name("x")),
            DeletionError::UnknownKind {
                place: 2,
                kind: "configmaps.v2".into(),
            },
        ),
        (
            deletion("secrets", None, name("x")),
            DeletionError::NamespaceMissing {
                place: 2,
                kind: "secrets".into(),
            },
        ),
    ] {
        assert_eq!(access.run_deletions(&[good.clone(), bad]).await, Err(error));
    }
    assert_eq!(left(&server), ["named"]);
    let trial = dry(&server).run_deletions(&[good]).await.unwrap();
    assert_eq!(trial[0].outcome, DeletionOutcome::WouldDelete);
    assert_eq!(left(&server), ["named"]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_is_marked_before_it_goes() {
    let server = server();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web", "finalizers": ["example.org/hold"]}});
    send(
        &server,
        "POST",
        "/api/v1/namespaces",
        "application/json",
        "x/1",
        &namespace,
    )
    .await;
    let results = access(&server)
        .run_deletions(&[deletion("Namespace", None, name("web"))])
        .await
        .unwrap();
    assert_eq!(results[0].outcome, DeletionOutcome::Deleted);
    let live = server.read("", "namespaces", "", "web").unwrap();
    let annotations = &live["metadata"]["annotations"];
    assert_eq!(annotations["zalando.org/delete-date"], "2026-01-01");
    assert_eq!(annotations["zalando.org/delete-namespace"], "web");
    assert!(live["metadata"]["deletionTimestamp"].is_string());
}
