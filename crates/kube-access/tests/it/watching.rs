//! Watches: nothing is lost, nothing is told twice, the order is always the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube_access::apply::Component;
use kube_access::watch::{Mirror, WatchEvent, WatchOptions, WatchSet};
use kube_access::{Access, Depth};
use kube_sim::ApiServer;
use ports::{Ids, SeededIds};
use serde_json::{Value, json};

use crate::support::*;

/// A random write to one of a few objects of two kinds.
async fn write(server: &ApiServer, ids: &SeededIds) {
    let (kind, plural) =
        [("ConfigMap", "configmaps"), ("Secret", "secrets")][usize::from(ids.next_u64().is_multiple_of(2))];
    let name = format!("o{}", ids.next_u64() % 4);
    let path = format!("/api/v1/namespaces/default/{plural}");
    if ids.next_u64().is_multiple_of(3) {
        send(
            server,
            "DELETE",
            &format!("{path}/{name}"),
            "application/json",
            "x/1",
            &Value::Null,
        )
        .await;
    } else {
        let value = format!("{}", ids.next_u64());
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": {"v": value}}});
        let path = format!("{path}/{name}?fieldManager=x&force=true");
        send(server, "PATCH", &path, "application/apply-patch+yaml", "x/1", &object).await;
    }
}

/// A run with random writes, compactions and a way that breaks; returns everything that was told.
async fn run(seed: u64) -> Vec<WatchEvent<String>> {
    let server = server();
    let ids = SeededIds::new(seed);
    let way = Breaking::new(&server, Fault::LoseAnswer, move |number, _, _| {
        seed % 2 == 1 && number < 80 && number % 7 == 6
    });
    let mut context = context();
    context.settings.page = 2;
    context.settings.backoff.attempts = 2;
    let access = Access::from_service(context, way);
    let kinds = access.kinds().await.unwrap();
    let options = WatchOptions {
        session: Duration::from_secs(40),
        depth: if seed.is_multiple_of(3) {
            Depth::Full
        } else {
            Depth::Metadata
        },
        ..WatchOptions::default()
    };
    let watched = ["configmaps", "secrets"].map(|name| (kinds.named(name).unwrap().clone(), options.clone()));
    let version = |object: &Value| object["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut set = WatchSet::new(&access, watched, Arc::new(version));
    let mut told = Vec::new();
    for _ in 0..120 {
        match ids.next_u64() % 10 {
            0 => server.compact(),
            1 | 2 => {
                let wait = Duration::from_secs(ids.next_u64() % 30);
                while let Ok(event) = tokio::time::timeout(wait, set.next()).await {
                    told.push(event);
                }
            }
            _ => write(&server, &ids).await,
        }
    }
    while let Ok(event) = tokio::time::timeout(Duration::from_secs(200), set.next()).await {
        told.push(event);
    }
    let mut mirror = Mirror::default();
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for event in &told {
        if let WatchEvent::Applied { key, value } = event {
            let number: u64 = value.parse().unwrap();
            let before = last.insert(key.to_string(), number);
            assert!(
                before.is_none_or(|before| before < number),
                "seed {seed}: {key} told again"
            );
        }
        mirror.take(event.clone());
    }
    for (name, kind) in [("configmaps", "ConfigMap"), ("secrets", "Secret")] {
        let live: Vec<(String, String)> = server
            .read_all("", name, "")
            .iter()
            .map(|object| {
                (
                    object["metadata"]["name"].as_str().unwrap().to_owned(),
                    version(&object.into()),
                )
            })
            .collect();
        let known = &mirror.kinds[&kube_access::GroupKind::new("", kind)];
        let known: Vec<(String, String)> = known
            .iter()
            .map(|(key, value)| (key.name.clone(), value.clone()))
            .collect();
        assert_eq!(known, live, "seed {seed}: {name}");
    }
    assert!(mirror.trouble.is_empty(), "seed {seed}: {:?}", mirror.trouble);
    told
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_told_twice_and_the_order_is_the_same() {
    let mut events = 0;
    for seed in 0..8 {
        let told = run(seed).await;
        assert_eq!(told, run(seed).await, "seed {seed}");
        events += told.len();
    }
    println!("{events} events");
}

#[tokio::test(start_paused = true)]
async fn a_watched_set_that_did_not_change_costs_no_call() {
    let mut bench = Bench::new();
    let components = [Component::new("a", [deployment("d"), config_map("m", "1")])];
    bench.pass(&components).await;
    let plan = bench.plan(&components).await;
    let access = bench.applier.access().clone();
    let wanted = plan.kinds();
    let mut set = WatchSet::members(&access, bench.applier.set(), &wanted, &access.kinds().await.unwrap());
    let mut mirror = Mirror::default();
    assert!(mirror.observation(&wanted).is_err(), "what was not read is not empty");
    while mirror.observation(&wanted).is_err() {
        mirror.take(set.next().await);
    }
    let pass = bench
        .applier
        .apply(&plan, &mut bench.memory, Some(mirror.observation(&wanted).unwrap()))
        .await
        .unwrap();
    assert_eq!(
        (pass.report.calls.total(), pass.report.summary().get("unchanged")),
        (0, Some(&2))
    );
    // Somebody changes a field of ours: the watch tells, and one look at one object corrects it.
    let path = "/api/v1/namespaces/default/configmaps/m";
    merge(&bench.server, path, "kubectl-edit/1", &json!({"data": {"k": "2"}})).await;
    mirror.take(set.next().await);
    let observation = mirror.observation(&wanted).unwrap();
    let pass = bench
        .applier
        .apply(&plan, &mut bench.memory, Some(observation.clone()))
        .await
        .unwrap();
    assert_eq!(pass.report.summary().get("drifted"), Some(&1), "{}", pass.report);
    // Before the watch has told of our own write, nobody is blamed for it.
    let pass = bench
        .applier
        .apply(&plan, &mut bench.memory, Some(observation))
        .await
        .unwrap();
    assert_eq!(pass.report.summary().get("unchanged"), Some(&2), "{}", pass.report);
}
