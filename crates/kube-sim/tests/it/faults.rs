//! Faults on purpose, met by kube-rs.

use std::time::Duration;

use futures::StreamExt;
use http::Request;
use jiff::Timestamp;
use json_tree::json;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Client, ResourceExt};
use kube_sim::{ApiServer, Fault, FaultPlan, FaultRule, FaultyApi, serve};
use ports::{Clock, SimClock};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::support::*;

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(start().as_second() + seconds).unwrap()
}

/// A server with one fault, and a client for it.
fn with(rule: FaultRule) -> (ApiServer, FaultyApi<ApiServer>, Api<ConfigMap>) {
    let server = server();
    let faulty = FaultyApi::over(server.clone(), FaultPlan::new(1).rule(rule));
    let maps = Api::default_namespaced(Client::new(faulty.clone(), "default"));
    (server, faulty, maps)
}

fn map(name: &str) -> ConfigMap {
    json_tree::from_value(&config_map(name, "v")).unwrap()
}

async fn create(maps: &Api<ConfigMap>, name: &str) -> kube::Result<ConfigMap> {
    maps.create(&PostParams::default(), &map(name)).await
}

fn is_there(server: &ApiServer, name: &str) -> bool {
    server.read("", "configmaps", "default", name).is_some()
}

#[tokio::test]
async fn refusals_have_the_form_of_a_real_server() {
    for (fault, code, reason) in [
        (Fault::Conflict, 409, "Conflict"),
        (Fault::TooManyRequests(7), 429, "TooManyRequests"),
        (Fault::InternalError, 500, "InternalError"),
        (Fault::Unavailable, 503, "ServiceUnavailable"),
        (Fault::Unauthorized, 401, "Unauthorized"),
    ] {
        let (server, faulty, maps) = with(FaultRule::new("r", fault.clone()).verbs(&["create"]).nth(2));
        create(&maps, "a").await.unwrap();
        let Err(kube::Error::Api(status)) = create(&maps, "b").await else {
            panic!("{fault} was not met");
        };
        assert_eq!((status.code, status.reason.as_str()), (code, reason));
        if code == 429 {
            assert_eq!(status.details.unwrap().retry_after_seconds, 7);
        }
        assert!(!is_there(&server, "b"), "{fault}: the server has not seen the request");
        create(&maps, "c").await.unwrap();
        let events = faulty.take_events();
        let texts: Vec<String> = events.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 1, "{texts:?}");
        let expected = format!("call 2: create configmaps default/: {fault} (r)");
        assert!(texts[0].ends_with(&expected), "{texts:?}");
        assert!(faulty.take_events().is_empty());
    }
}

#[tokio::test]
async fn the_wait_is_also_in_the_header() {
    let (_, faulty, _) = with(FaultRule::new("r", Fault::TooManyRequests(7)));
    let request = Request::get(MAPS).body(String::new()).unwrap();
    let response = faulty.oneshot(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
}

#[tokio::test]
async fn a_lost_answer_leaves_the_work_done() {
    let (server, _, maps) = with(FaultRule::new("r", Fault::LoseReply).verbs(&["create"]));
    assert!(matches!(create(&maps, "a").await, Err(kube::Error::Service(_))));
    assert!(is_there(&server, "a"));
    let (server, _, maps) = with(FaultRule::new("r", Fault::Refuse).verbs(&["create"]));
    assert!(matches!(create(&maps, "a").await, Err(kube::Error::Service(_))));
    assert!(!is_there(&server, "a"));
}

#[tokio::test]
async fn rules_choose_their_requests() {
    let (_, faulty, maps) = with(FaultRule::new("r", Fault::InternalError).resources(&["pods", "deployments.apps"]));
    create(&maps, "a").await.unwrap();
    let client = Client::new(faulty.clone(), "default");
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::default_namespaced(client.clone());
    assert!(pods.list(&ListParams::default()).await.is_err());
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> = Api::default_namespaced(client);
    assert!(
        deployments.get_scale("d").await.is_err(),
        "the server has no such deployment"
    );
    assert!(deployments.get("d").await.is_err());
    let requests: Vec<String> = faulty.take_events().into_iter().map(|event| event.request).collect();
    assert_eq!(requests, ["list pods default/", "get deployments.apps default/d"]);
    let rule = FaultRule::new("r", Fault::InternalError).user_agent("drainer/");
    let (_, faulty, _) = with(rule);
    for (agent, code) in [("drainer/1.0", 500), ("other/1.0", 200)] {
        let request = Request::get(MAPS)
            .header("user-agent", agent)
            .body(String::new())
            .unwrap();
        assert_eq!(faulty.clone().oneshot(request).await.unwrap().status(), code);
    }
}

#[tokio::test(start_paused = true)]
async fn delays_pass_on_the_clock() {
    let wait = Duration::from_secs(600);
    for (fault, verb) in [(Fault::Delay(wait), "get"), (Fault::Slow(wait), "get")] {
        let (server, faulty, maps) = with(FaultRule::new("r", fault).verbs(&[verb]));
        create(&maps, "a").await.unwrap();
        let before = server.now();
        maps.get("a").await.unwrap();
        assert_eq!(server.now().as_second() - before.as_second(), 600);
        assert_eq!(faulty.take_events().len(), 1);
    }
}

#[tokio::test]
async fn lists_can_be_older_than_what_was_written() {
    let (_, faulty, maps) = with(FaultRule::new("r", Fault::Stale(2)).verbs(&["list"]).every(2));
    for name in ["a", "b", "c"] {
        create(&maps, name).await.unwrap();
    }
    let names = async |maps: &Api<ConfigMap>| {
        let list = maps.list(&ListParams::default()).await.unwrap();
        list.items
            .iter()
            .map(ResourceExt::name_any)
            .filter(|name| name.len() == 1)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&maps).await, ["a", "b", "c"]);
    assert_eq!(names(&maps).await, ["a"], "as it was two writes ago");
    assert_eq!(names(&maps).await, ["a", "b", "c"]);
    maps.get("c").await.unwrap();
    assert_eq!(faulty.take_events().len(), 1);
}

#[tokio::test]
async fn a_single_object_can_be_older_than_what_was_written() {
    let (_, faulty, maps) = with(FaultRule::new("r", Fault::Stale(2)).verbs(&["get"]).every(2));
    create(&maps, "a").await.unwrap();
    for value in ["1", "2", "3"] {
        let change = Patch::Merge(json!({"data": {"n": value}}));
        maps.patch("a", &PatchParams::default(), &change).await.unwrap();
    }
    let read = async |maps: &Api<ConfigMap>| {
        let map = maps.get("a").await.unwrap();
        (
            map.resource_version().unwrap().parse::<u64>().unwrap(),
            map.data.unwrap()["n"].clone(),
        )
    };
    let (newest, value) = read(&maps).await;
    assert_eq!(value, "3");
    assert_eq!(
        read(&maps).await,
        (newest - 2, "1".to_owned()),
        "as it was two writes ago"
    );
    // What is written on the strength of an old read is refused, as on a real server.
    maps.get("a").await.unwrap();
    let mut old = maps.get("a").await.unwrap();
    old.data = Some([("n".to_owned(), "4".to_owned())].into());
    let refused = maps.replace("a", &PostParams::default(), &old).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 409));
    assert_eq!(faulty.take_events().len(), 2);
    // Seen from the past, an object that is gone is there still, and a new one is not.
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
    assert!(maps.get_opt("a").await.unwrap().is_some());
    create(&maps, "b").await.unwrap();
    maps.get("b").await.unwrap();
    assert!(maps.get_opt("b").await.unwrap().is_none());
}

#[tokio::test]
async fn faults_can_be_told_in_the_moment_they_are_done() {
    let (_, faulty, maps) = with(FaultRule::new("r", Fault::Conflict).verbs(&["create"]));
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let into = told.clone();
    faulty.on_event(move |event| into.lock().unwrap().push(event.request.clone()));
    assert!(create(&maps, "a").await.is_err());
    assert_eq!(*told.lock().unwrap(), ["create configmaps default/"]);
    assert!(faulty.take_events().is_empty());
}

/// Reads the events of objects from a watcher until one has this name; returns all names.
async fn until(
    events: &mut (impl futures::Stream<Item = kube::runtime::watcher::Result<Event<ConfigMap>>> + Unpin),
    name: &str,
) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != name) {
        if let Ok(Event::Apply(map)) = events.next().await.unwrap() {
            seen.push(map.name_any());
        }
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn watches_break_and_resume() {
    let (server, faulty, maps) = with(FaultRule::new("r", Fault::WatchCut(700)).verbs(&["watch"]));
    let mut events = Box::pin(watcher(maps, Config::default()));
    while !matches!(events.next().await.unwrap().unwrap(), Event::InitDone) {}
    let mut written = Vec::new();
    for number in 0..20 {
        let name = format!("m{number:02}");
        post(&server, MAPS, config_map(&name, "v")).await;
        written.push(name);
    }
    assert_eq!(
        until(&mut events, "m19").await,
        written,
        "each write is told once, in order"
    );
    assert!(faulty.take_events().len() >= 9, "700 bytes hold at most two events");
}

#[tokio::test(start_paused = true)]
async fn a_watch_can_be_silent() {
    let (server, _, maps) = with(FaultRule::new("r", Fault::WatchGap(Duration::from_secs(100))).nth(1));
    let mut events = Box::pin(watcher(maps, Config::default()));
    while !matches!(events.next().await.unwrap().unwrap(), Event::InitDone) {}
    post(&server, MAPS, config_map("a", "v")).await;
    let before = server.now();
    assert_eq!(until(&mut events, "a").await, ["a"]);
    assert_eq!(server.now().as_second() - before.as_second(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_too_old_begins_again() {
    let (server, _, maps) = with(FaultRule::new("r", Fault::Gone).verbs(&["watch"]).nth(1));
    post(&server, MAPS, config_map("a", "v")).await;
    let mut events = Box::pin(watcher(maps, Config::default()));
    let mut lists = 0;
    let mut errors = 0;
    while lists < 2 {
        match events.next().await.unwrap() {
            Ok(Event::InitDone) => lists += 1,
            Ok(_) => {}
            Err(_) => errors += 1,
        }
    }
    assert_eq!(errors, 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_answers_nobody_until_it_is_back() {
    let rule = FaultRule::new("outage", Fault::Dead).between(at(100), at(200));
    let (server, faulty, maps) = with(rule);
    create(&maps, "before").await.unwrap();
    let mut events = Box::pin(watcher(maps.clone(), Config::default()));
    while !matches!(events.next().await.unwrap().unwrap(), Event::InitDone) {}
    // Nothing happens until the server dies; then the open watch breaks.
    assert!(events.next().await.unwrap().is_err());
    assert_eq!(server.now(), at(100));
    assert!(create(&maps, "within").await.is_err());
    tokio::time::sleep(Duration::from_secs(100)).await;
    create(&maps, "after").await.unwrap();
    assert_eq!(until(&mut events, "after").await, ["after"]);
    assert!(!is_there(&server, "within"));
    let told: Vec<(Timestamp, String)> = faulty
        .take_events()
        .into_iter()
        .map(|event| (event.time, event.request))
        .collect();
    let expected = |request: &str| (at(100), request.to_owned());
    assert_eq!(
        told,
        [
            expected("watch configmaps default/"),
            expected("create configmaps default/")
        ]
    );
}

/// Works for an hour against a drawn plan and tells what happened.
async fn bad_hour(seed: u64) -> (Vec<String>, Vec<String>) {
    let server = server();
    let plan = FaultPlan::drawn(seed, start(), Duration::from_secs(3_600), 0.3);
    let faulty = FaultyApi::over(server.clone(), plan);
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::new(faulty.clone(), "default"));
    let clock = SimClock::starting_at(start());
    let mut outcomes = Vec::new();
    for number in 0..120 {
        let name = format!("m{}", number % 10);
        let outcome = match number % 4 {
            0 => create(&maps, &name).await.map(|_| ()),
            1 => maps.list(&ListParams::default()).await.map(|_| ()),
            2 => {
                let change = Patch::Merge(json!({"data": {"n": number.to_string()}}));
                maps.patch(&name, &PatchParams::default(), &change).await.map(|_| ())
            }
            _ => maps.delete(&name, &DeleteParams::default()).await.map(|_| ()),
        };
        outcomes.push(format!("{} {outcome:?}", clock.now()));
        clock.sleep(Duration::from_secs(30)).await;
    }
    (outcomes, faulty.take_events().iter().map(ToString::to_string).collect())
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_meets_the_same_faults() {
    let mut met = 0;
    for seed in 0..8 {
        let first = bad_hour(seed).await;
        // The clock of the second run starts anew, so all times are the same as well.
        assert_eq!(first, bad_hour(seed).await, "seed {seed}");
        met += first.1.len();
    }
    assert!(met > 40, "only {met} faults in eight hours");
    assert_ne!(bad_hour(1).await.1, bad_hour(2).await.1);
}

#[tokio::test]
async fn faults_are_met_over_http() {
    let server = server();
    let plan = FaultPlan::new(1)
        .rule(FaultRule::new("refused", Fault::Refuse).verbs(&["create"]).nth(1))
        .rule(FaultRule::new("lost", Fault::LoseReply).verbs(&["create"]).nth(2))
        .rule(FaultRule::new("throttled", Fault::Unavailable).verbs(&["delete"]));
    let faulty = FaultyApi::over(server.clone(), plan);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(serve(faulty.clone(), listener, None, std::future::pending()));
    let mut config = kube::Config::new(format!("http://{address}").parse().unwrap());
    config.default_retry = false;
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::try_from(config).unwrap());
    assert!(create(&maps, "a").await.is_err() && !is_there(&server, "a"));
    assert!(create(&maps, "b").await.is_err() && is_there(&server, "b"));
    let refused = maps.delete("b", &DeleteParams::default()).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 503));
    create(&maps, "c").await.unwrap();
    assert_eq!(faulty.take_events().len(), 3);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_plan_can_change_while_clients_are_there() {
    let (server, faulty, maps) = with(FaultRule::new("second", Fault::Conflict).verbs(&["create"]).nth(2));
    create(&maps, "a").await.unwrap();
    let mut events = Box::pin(watcher(maps.clone(), Config::default()));
    while !matches!(events.next().await.unwrap().unwrap(), Event::InitDone) {}
    // The rule that stays has counted one request already.
    let kept = FaultRule::new("second", Fault::Conflict).verbs(&["create"]).nth(2);
    faulty.set_plan(FaultPlan::new(1).rule(kept));
    assert!(create(&maps, "b").await.is_err());
    let before = server.now();
    faulty.set_plan(FaultPlan::new(1).rule(FaultRule::new("outage", Fault::Dead)));
    assert!(events.next().await.unwrap().is_err(), "the watch is cut");
    assert_eq!(server.now(), before, "and at once");
    assert!(create(&maps, "c").await.is_err());
    faulty.set_plan(FaultPlan::new(1));
    create(&maps, "c").await.unwrap();
    assert_eq!(until(&mut events, "c").await, ["c"]);
}
