//! Evictions and marks on nodes.

use std::time::Duration;

use kube_access::nodes::{Effect, Eviction, PodDeletion, PodRef, Taint};
use kube_access::{Access, Verb};
use kube_sim::ApiServer;
use serde_json::json;

use crate::support::*;

async fn cluster() -> ApiServer {
    let server = server();
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    assert_eq!(
        send(&server, "POST", "/api/v1/nodes", "application/json", "x/1", &node)
            .await
            .0,
        201
    );
    server
}

async fn pod(server: &ApiServer, name: &str) -> PodRef {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "a"}},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let (_, made) = send(
        server,
        "POST",
        "/api/v1/namespaces/default/pods",
        "application/json",
        "x/1",
        &pod,
    )
    .await;
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    merge(
        server,
        &format!("/api/v1/namespaces/default/pods/{name}/status"),
        "x/1",
        &ready,
    )
    .await;
    PodRef {
        namespace: "default".into(),
        name: name.into(),
        uid: made["metadata"]["uid"].as_str().unwrap().to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn evictions_say_exactly_what_became_of_them() {
    let server = cluster().await;
    let (first, second) = (pod(&server, "p1").await, pod(&server, "p2").await);
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}});
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    send(&server, "POST", budgets, "application/json", "x/1", &budget).await;
    let status = json!({"status": {"disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2, "observedGeneration": 1}});
    merge(&server, &format!("{budgets}/web/status"), "x/1", &status).await;
    let access = access(&server);
    assert_eq!(access.evict(&first, Some(0)).await, Ok(Eviction::Evicted));
    let refused = access.evict(&second, None).await.unwrap();
    let Eviction::Refused { budgets, message, .. } = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(budgets, &["web"], "{message}");
    assert_eq!(access.evict(&first, None).await, Ok(Eviction::NotFound));
    let other = PodRef {
        uid: "another".into(),
        ..second.clone()
    };
    assert_eq!(access.evict(&other, None).await, Ok(Eviction::Gone));
    assert_eq!(access.delete_pod(&other, None).await, Ok(PodDeletion::Gone));
    assert_eq!(
        access.counts().calls.get(&Verb::Evict),
        Some(&4),
        "an eviction is sent once"
    );

    // With the answer lost, the pod may be gone; it is for the caller to look.
    let way = Breaking::new(&server, Fault::LoseAnswer, |_, method, _| {
        method == "DELETE" || method == "POST"
    });
    let breaking = Access::from_service(context(), way);
    assert!(matches!(
        breaking.evict(&second, None).await,
        Ok(Eviction::Unknown { .. })
    ));
    let busy = Fault::Refuse(
        429,
        json!({"reason": "TooManyRequests", "message": "busy", "details": {"retryAfterSeconds": 4}}),
    );
    let breaking = Access::from_service(context(), Breaking::new(&server, busy, |_, _, _| true));
    let throttled = breaking.evict(&second, None).await.unwrap_err();
    assert_eq!(
        ports::Classified::retry(&throttled),
        ports::Retry::After(Duration::from_secs(4))
    );
    assert_eq!(access.delete_pod(&second, Some(0)).await, Ok(PodDeletion::Deleted));
    assert_eq!(access.delete_pod(&second, None).await, Ok(PodDeletion::NotFound));
}

#[tokio::test(start_paused = true)]
async fn nodes_are_cordoned_tainted_and_marked() {
    let server = cluster().await;
    let conflict = Fault::Refuse(409, json!({"reason": "Conflict", "message": "modified"}));
    // Every third call meets somebody else's write.
    let way = Breaking::new(&server, conflict, |number, method, _| {
        method == "PATCH" && number % 3 == 1
    });
    let access = Access::from_service(context(), way);
    let node = || server.read("", "nodes", "", "n").unwrap();
    let taint = |value: &str, effect| Taint {
        key: "lifecycle".into(),
        value: value.into(),
        effect,
    };
    access.set_taint("n", &taint("old", Effect::NoSchedule)).await.unwrap();
    access.set_taint("n", &taint("", Effect::NoExecute)).await.unwrap();
    access.set_taint("n", &taint("new", Effect::NoSchedule)).await.unwrap();
    let before = server.resource_version();
    access.set_taint("n", &taint("new", Effect::NoSchedule)).await.unwrap();
    assert_eq!(
        server.resource_version(),
        before,
        "a taint that is there costs no write"
    );
    let mut taints = node()["spec"]["taints"].as_array().unwrap().clone();
    taints
        .iter_mut()
        .for_each(|taint| drop(taint.as_object_mut().unwrap().remove("timeAdded")));
    assert_eq!(
        json_tree::Value::from(taints),
        json!([
        {"key": "lifecycle", "effect": "NoExecute"},
        {"key": "lifecycle", "effect": "NoSchedule", "value": "new"}])
    );
    access
        .remove_taint("n", "lifecycle", Some(Effect::NoExecute))
        .await
        .unwrap();
    assert_eq!(node()["spec"]["taints"].as_array().unwrap().len(), 1);
    access.remove_taint("n", "lifecycle", None).await.unwrap();
    assert_eq!(node()["spec"].get("taints"), None);

    let access = crate::support::access(&server);
    access.set_schedulable("n", false).await.unwrap();
    assert_eq!(node()["spec"]["unschedulable"], true);
    access.set_schedulable("n", true).await.unwrap();
    assert_eq!(node()["spec"].get("unschedulable"), None);
    let set = |value: Option<&str>| [("a".to_owned(), value.map(str::to_owned))].into();
    access.mark_node("n", &set(Some("1")), &set(Some("2"))).await.unwrap();
    assert_eq!(
        (
            &node()["metadata"]["labels"]["a"],
            &node()["metadata"]["annotations"]["a"]
        ),
        (&json_tree::json!("1"), &json_tree::json!("2"))
    );
    access.close_node("n", &set(Some("3")), &set(Some("2"))).await.unwrap();
    assert_eq!(
        (&node()["metadata"]["labels"]["a"], &node()["spec"]["unschedulable"]),
        (&json_tree::json!("3"), &json_tree::json!(true))
    );
    access.set_schedulable("n", true).await.unwrap();
    let kinds = access.kinds().await.unwrap();
    let kind = kinds.named("nodes").unwrap();
    let version = node()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let key = kind.key("", "n");
    access
        .set_metadata(kind, &key, &set(None), &set(None), Some(&version))
        .await
        .unwrap();
    assert_eq!(node()["metadata"]["annotations"].get("a"), None);
    let stale = access
        .set_metadata(kind, &key, &set(Some("3")), &set(None), Some(&version))
        .await;
    assert!(
        matches!(stale, Err(kube_access::AccessError::Stale { .. })),
        "{stale:?}"
    );
}
