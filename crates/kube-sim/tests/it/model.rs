//! Random writes against a plain map; watches replayed against lists; versions that never repeat.

use std::collections::{BTreeMap, BTreeSet};

use http_body_util::BodyExt;
use json_tree::{Value, json};
use proptest::prelude::*;
use tower::ServiceExt;

use crate::support::*;

#[derive(Debug, Clone)]
enum Write {
    Create(u8, u8),
    Put(u8, u8),
    Patch(u8, u8),
    Delete(u8),
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let one = prop_oneof![
        (0..6_u8, 0..4_u8).prop_map(|(name, value)| Write::Create(name, value)),
        (0..6_u8, 0..4_u8).prop_map(|(name, value)| Write::Put(name, value)),
        (0..6_u8, 0..4_u8).prop_map(|(name, value)| Write::Patch(name, value)),
        (0..6_u8).prop_map(Write::Delete),
    ];
    prop::collection::vec(one, 1..40)
}

fn data(list: &Value) -> BTreeMap<String, String> {
    let items = list["items"].as_array().unwrap();
    let entry = |item: &Value| {
        (
            item["metadata"]["name"].as_str().unwrap().to_owned(),
            item["data"]["k"].as_str().unwrap().to_owned(),
        )
    };
    items.iter().map(entry).collect()
}

async fn check(writes: Vec<Write>) {
    let server = server();
    let start = server.resource_version();
    let mut model: BTreeMap<String, String> = BTreeMap::new();
    let mut history: BTreeMap<u64, BTreeMap<String, String>> = BTreeMap::from([(start, model.clone())]);
    for write in writes {
        let before = server.resource_version();
        match write {
            Write::Create(name, value) => {
                let (name, value) = (format!("m{name}"), value.to_string());
                let (code, _) = post(&server, MAPS, config_map(&name, &value)).await;
                assert_eq!(code, if model.contains_key(&name) { 409 } else { 201 });
                model.entry(name).or_insert(value);
            }
            Write::Put(name, value) => {
                let (name, value) = (format!("m{name}"), value.to_string());
                let (code, _) = put(&server, &format!("{MAPS}/{name}"), config_map(&name, &value)).await;
                assert_eq!(code, if model.contains_key(&name) { 200 } else { 404 });
                model.entry(name).and_modify(|old| *old = value);
            }
            Write::Patch(name, value) => {
                let (name, value) = (format!("m{name}"), value.to_string());
                let (code, _) = patch(&server, &format!("{MAPS}/{name}"), MERGE, json!({"data": {"k": value}})).await;
                assert_eq!(code, if model.contains_key(&name) { 200 } else { 404 });
                model.entry(name).and_modify(|old| *old = value);
            }
            Write::Delete(name) => {
                let name = format!("m{name}");
                let (code, _) = delete(&server, &format!("{MAPS}/{name}")).await;
                assert_eq!(code, if model.remove(&name).is_some() { 200 } else { 404 });
            }
        }
        let now = server.resource_version();
        assert!(now <= before + 1, "a write is one version");
        assert_eq!(
            now == before,
            history.values().next_back() == Some(&model),
            "a version is a change"
        );
        history.insert(now, model.clone());
        let (_, list) = get(&server, MAPS).await;
        assert_eq!(data(&list), model);
    }
    for (version, model) in &history {
        let (_, past) = get(
            &server,
            &format!("{MAPS}?resourceVersion={version}&resourceVersionMatch=Exact"),
        )
        .await;
        assert_eq!(&data(&past), model, "the list at {version}");
    }
    replay(&server, start, &history).await;
}

/// A watch from the start passes through every state that a list showed.
async fn replay(server: &kube_sim::ApiServer, start: u64, history: &BTreeMap<u64, BTreeMap<String, String>>) {
    let path = format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={start}");
    let response = server
        .clone()
        .oneshot(http::Request::get(path).body(String::new()).unwrap())
        .await
        .unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let mut state: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for line in String::from_utf8(bytes.to_vec()).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let object = &event["object"];
        let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        assert!(seen.insert(version), "no version repeats");
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        if event["type"] == "DELETED" {
            state.remove(&name);
        } else {
            state.insert(name, object["data"]["k"].as_str().unwrap().to_owned());
        }
        assert_eq!(history.get(&version), Some(&state), "the state at {version}");
    }
    assert_eq!(history.values().next_back(), Some(&state));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_server_keeps_what_a_map_keeps(writes in writes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(check(writes));
    }
}
