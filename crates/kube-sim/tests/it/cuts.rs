//! Watches of kube-rs over connections that break: nothing is lost and nothing is told twice.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use http::Method;
use json_tree::{Value, json};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt, reflector};
use kube_sim::ApiServer;

use crate::support::*;
use crate::wire::{Proxy, Served, Wire, client};

/// What an event tells: the object's name, its version, and whether it is gone.
type Told = (String, String, bool);

/// One of a fixed sequence of writes: creations, changes and deletions, some of them large.
async fn write(server: &ApiServer, number: usize) -> Told {
    let name = format!("m{}", number % 7);
    let path = format!("{MAPS}/{name}");
    let text = "x".repeat(number % 5 * 300);
    let (code, gone) = match get(server, &path).await.0 {
        404 => (post(server, MAPS, config_map(&name, &text)).await.0, false),
        _ if number.is_multiple_of(3) => (delete(server, &path).await.0, true),
        _ => {
            let change = json!({"data": {"k": text, "n": number.to_string()}});
            (send(server, Method::PATCH, &path, MERGE, change).await.0, false)
        }
    };
    assert!(code == 200 || code == 201, "{name}: {code}");
    (name, server.resource_version().to_string(), gone)
}

/// Reads the events of objects, skipping errors; counts the lists that it met on the way.
struct Reader<S> {
    events: Pin<Box<S>>,
    lists: usize,
}

impl<S: Stream<Item = watcher::Result<Event<ConfigMap>>>> Reader<S> {
    async fn next(&mut self) -> Option<Told> {
        let told = |map: &ConfigMap, gone| (map.name_any(), map.resource_version().unwrap_or_default(), gone);
        let next = tokio::time::timeout(Duration::from_secs(20), self.events.next());
        match next.await.unwrap().unwrap() {
            Ok(Event::Apply(map)) => return Some(told(&map, false)),
            Ok(Event::Delete(map)) => return Some(told(&map, true)),
            Ok(Event::InitDone) => self.lists += 1,
            Ok(Event::Init | Event::InitApply(_)) => {}
            // A watcher without pauses tries again at once: the connection needs a moment to learn that it is broken.
            Err(_) => tokio::task::yield_now().await,
        }
        None
    }
}

async fn check(wire: Wire, config: watcher::Config, seed: u64) {
    let server = server();
    let served = Served::new(server.clone()).await;
    let proxy = Proxy::before(served.address).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(wire, &server, proxy.address));
    let (store, writer) = reflector::store::<ConfigMap>();
    let mut reader = Reader {
        events: Box::pin(watcher(maps, config).reflect(writer)),
        lists: 0,
    };
    while reader.lists == 0 {
        assert_eq!(reader.next().await, None);
    }
    // A frame of HTTP/2 arrives whole or not at all, and holds up to 16 KiB.
    proxy.break_from_now_on(seed, if matches!(wire, Wire::Http2) { 30_000 } else { 4_000 });
    let (mut written, mut seen) = (Vec::new(), Vec::new());
    for number in 0..240 {
        written.push(write(&server, number).await);
        if number % 12 == 11 {
            while seen.len() < written.len() {
                seen.extend(reader.next().await);
            }
            proxy.cut_all();
        }
    }
    assert_eq!(
        seen, written,
        "{wire:?}, seed {seed}: each write is told once, in order"
    );
    assert_eq!(
        reader.lists, 1,
        "{wire:?}: the watch resumed where it was and did not begin again"
    );
    assert!(
        proxy.connections() > 25,
        "{wire:?}: only {} connections",
        proxy.connections()
    );
    let state = |value: &Value| {
        (
            value["metadata"]["name"].clone(),
            value["metadata"]["resourceVersion"].clone(),
        )
    };
    let kept: BTreeMap<String, String> = store
        .state()
        .iter()
        .map(|map| (map.name_any(), map.resource_version().unwrap_or_default()))
        .collect();
    let live: BTreeMap<String, String> = server
        .read_all("", "configmaps", "default")
        .iter()
        .map(state)
        .map(|(name, version)| (name.as_str().unwrap().to_owned(), version.as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(kept, live, "{wire:?}: the reflector holds what the server holds");
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_over_http_1() {
    for seed in 1..4 {
        check(Wire::Http1, watcher::Config::default(), seed).await;
    }
    check(Wire::Http1, watcher::Config::default().streaming_lists(), 4).await;
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_over_http_2() {
    for seed in 1..4 {
        check(Wire::Http2, watcher::Config::default(), seed).await;
    }
    check(Wire::Http2, watcher::Config::default().streaming_lists(), 4).await;
}
