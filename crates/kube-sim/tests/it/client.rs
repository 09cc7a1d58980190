//! kube-rs in process and over both versions of HTTP: typed calls, server-side apply, watcher and reflector.

use futures::{StreamExt, TryStreamExt};
use json_tree::json;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, EvictParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Client, ResourceExt};

use crate::support::*;
use crate::wire::{Served, WIRES, client};

#[tokio::test]
async fn typed_calls_work() {
    for wire in WIRES {
        let server = server();
        let served = Served::new(server.clone()).await;
        typed_calls(client(wire, &server, served.address)).await;
    }
}

async fn typed_calls(client: Client) {
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let map: ConfigMap = json_tree::from_value(&config_map("a", "1")).unwrap();
    let made = maps.create(&PostParams::default(), &map).await.unwrap();
    assert!(made.uid().is_some());
    assert!(maps.get_opt("missing").await.unwrap().is_none());
    let mut changed = made.clone();
    changed
        .data
        .get_or_insert_default()
        .insert("k".to_owned(), "2".to_owned());
    maps.replace("a", &PostParams::default(), &changed).await.unwrap();
    let conflict = maps.replace("a", &PostParams::default(), &changed).await;
    assert!(matches!(conflict, Err(kube::Error::Api(status)) if status.code == 409));
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 1);
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let versions = client.apiserver_version().await.unwrap();
    assert_eq!(versions.git_version, "v1.36.2");
    let discovered = kube::discovery::Discovery::new(client).run().await.unwrap();
    assert!(discovered.has_group("apps"));
}

#[tokio::test]
async fn apply_scale_and_evict_work() {
    for wire in WIRES {
        let server = server();
        let served = Served::new(server.clone()).await;
        apply_scale_and_evict(client(wire, &server, served.address)).await;
    }
}

async fn apply_scale_and_evict(client: Client) {
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let apply = PatchParams::apply("me");
    let mut wanted = deployment("d");
    wanted["spec"]["replicas"] = json!(3);
    let made = deployments.patch("d", &apply, &Patch::Apply(&wanted)).await.unwrap();
    let again = deployments.patch("d", &apply, &Patch::Apply(&wanted)).await.unwrap();
    assert_eq!(made.resource_version(), again.resource_version());
    let other = PatchParams::apply("other");
    let mut clash = wanted.clone();
    clash["spec"]["replicas"] = json!(4);
    let refused = deployments.patch("d", &other, &Patch::Apply(&clash)).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 409));
    let wish = Patch::Merge(json!({"spec": {"replicas": 5}}));
    let scale = deployments
        .patch_scale("d", &PatchParams::default(), &wish)
        .await
        .unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(5));
    let pods: Api<Pod> = Api::default_namespaced(client);
    let pod: Pod = json_tree::from_value(&pod("p")).unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    pods.evict("p", &EvictParams::default()).await.unwrap();
    assert!(pods.get_opt("p").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn watchers_resume_and_reflectors_follow() {
    let server = server();
    let client = Client::new(server.clone(), "default");
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let (store, writer) = reflector::store::<ConfigMap>();
        let config = config.timeout(60);
        let mut events = std::pin::pin!(
            watcher(maps.clone(), config)
                .default_backoff()
                .reflect(writer)
                .applied_objects()
        );
        let name = format!("m{}", server.resource_version());
        let map: ConfigMap = json_tree::from_value(&config_map(&name, "1")).unwrap();
        maps.create(&PostParams::default(), &map).await.unwrap();
        while let Some(seen) = events.try_next().await.unwrap() {
            if seen.name_any() == name {
                break;
            }
        }
        // The watch ends after a minute; the next event arrives on the one that follows it.
        let late = format!("{name}-late");
        let writer = async {
            tokio::time::sleep(std::time::Duration::from_secs(90)).await;
            let map: ConfigMap = json_tree::from_value(&config_map(&late, "1")).unwrap();
            maps.create(&PostParams::default(), &map).await.unwrap();
        };
        let (seen, ()) = futures::join!(events.next(), writer);
        assert_eq!(seen.unwrap().unwrap().name_any(), late);
        assert!(store.state().iter().any(|map| map.name_any() == late));
        // After a compaction the watcher lists again and goes on.
        server.compact();
        let after = format!("{name}-after");
        let map: ConfigMap = json_tree::from_value(&config_map(&after, "1")).unwrap();
        maps.create(&PostParams::default(), &map).await.unwrap();
        loop {
            match events.next().await.unwrap() {
                Ok(seen) if seen.name_any() == after => break,
                Ok(_) | Err(_) => {}
            }
        }
    }
}
