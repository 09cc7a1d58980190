//! What the server costs: memory per pod and per server, reads, lists, writes and watch events.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark may stop, and prints"
)]

mod http;
mod memory;

use std::sync::Arc;

use ::http::{Method, Request};
use divan::Bencher;
use divan::counter::ItemsCount;
use http_body_util::BodyExt;
use json_tree::{Value, json};
use kube_sim::ApiServer;
use ports::{SeededIds, SystemClock};
use tokio::runtime::Runtime;
use tower::ServiceExt;

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    memory::print();
    divan::main();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn server() -> ApiServer {
    ApiServer::new(Arc::new(SystemClock), Arc::new(SeededIds::new(1)))
}

async fn send(server: &ApiServer, method: Method, path: &str, media: &str, body: &str) -> usize {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", media);
    let response = server
        .clone()
        .oneshot(request.body(body.to_owned()).unwrap())
        .await
        .unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    response.into_body().collect().await.unwrap().to_bytes().len()
}

const JSON: &str = "application/json";
const APPLY: &str = "application/apply-patch+yaml";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn pod(number: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("web-5d4f8c7b9-{number}"),
            "labels": {"app": "web", "application": "shop", "pod-template-hash": "5d4f8c7b9", "version": "v12"}},
        "spec": {"containers": [{"name": "web", "image": "registry.example.org/team/web:v12",
            "ports": [{"containerPort": 8080, "name": "http"}],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}},
            "resources": {"requests": {"cpu": "100m", "memory": "200Mi"}, "limits": {"memory": "200Mi"}}}]}})
}

async fn filled(count: usize) -> ApiServer {
    let server = server();
    for number in 0..count {
        send(
            &server,
            Method::POST,
            PODS,
            "application/json",
            &pod(number).to_string(),
        )
        .await;
    }
    server
}

/// Starting and dropping empty servers: time and memory of one.
#[divan::bench]
fn empty_server(bencher: Bencher) {
    bencher.bench(server);
}

/// A fleet in one process.
#[divan::bench]
fn servers_150(bencher: Bencher) {
    bencher
        .counter(ItemsCount::new(150_usize))
        .bench(|| (0..150).map(|_| server()).collect::<Vec<_>>());
}

/// Creating pods; the memory that is left per item is what a pod costs.
#[divan::bench(sample_count = 10)]
fn creates_1000_pods(bencher: Bencher) {
    let runtime = runtime();
    bencher
        .counter(ItemsCount::new(1_000_usize))
        .bench(|| runtime.block_on(filled(1_000)));
}

#[divan::bench]
fn get(bencher: Bencher) {
    let runtime = runtime();
    let server = runtime.block_on(filled(100));
    let path = format!("{PODS}/web-5d4f8c7b9-50");
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench(|| runtime.block_on(send(&server, Method::GET, &path, "", "")));
}

#[divan::bench]
fn list_1000(bencher: Bencher) {
    let runtime = runtime();
    let server = runtime.block_on(filled(1_000));
    bencher
        .counter(ItemsCount::new(1_000_usize))
        .bench(|| runtime.block_on(send(&server, Method::GET, PODS, "", "")));
}

#[divan::bench(sample_count = 20)]
fn list_10000(bencher: Bencher) {
    let runtime = runtime();
    let server = runtime.block_on(filled(10_000));
    bencher
        .counter(ItemsCount::new(10_000_usize))
        .bench(|| runtime.block_on(send(&server, Method::GET, PODS, "", "")));
}

#[divan::bench]
fn list_1000_by_label(bencher: Bencher) {
    let runtime = runtime();
    let server = runtime.block_on(filled(1_000));
    let path = format!("{PODS}?labelSelector=app%3Dother");
    bencher
        .counter(ItemsCount::new(1_000_usize))
        .bench(|| runtime.block_on(send(&server, Method::GET, &path, "", "")));
}

fn deployment(replicas: u64) -> String {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}}})
    .to_string()
}

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/web?fieldManager=me";

#[divan::bench]
fn apply_changed(bencher: Bencher) {
    let runtime = runtime();
    let server = server();
    let mut replicas = 0;
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        replicas += 1;
        runtime.block_on(send(&server, Method::PATCH, DEPLOYMENT, APPLY, &deployment(replicas)))
    });
}

#[divan::bench]
fn apply_unchanged(bencher: Bencher) {
    let runtime = runtime();
    let server = server();
    let body = deployment(1);
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| runtime.block_on(send(&server, Method::PATCH, DEPLOYMENT, APPLY, &body)));
}

/// One write seen by ten watches.
#[divan::bench]
fn event_to_10_watches(bencher: Bencher) {
    let runtime = runtime();
    let server = server();
    let mut watches: Vec<_> = runtime.block_on(async {
        let mut watches = Vec::new();
        for _ in 0..10 {
            let path = "/api/v1/namespaces/default/configmaps?watch=1";
            let request = Request::get(path).body(String::new()).unwrap();
            watches.push(server.clone().oneshot(request).await.unwrap().into_body());
        }
        watches
    });
    let path = "/api/v1/namespaces/default/configmaps/m?fieldManager=me";
    let mut number = 0;
    bencher.counter(ItemsCount::new(10_usize)).bench_local(|| {
        number += 1;
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"n": number.to_string()}});
        runtime.block_on(async {
            send(&server, Method::PATCH, path, APPLY, &body.to_string()).await;
            for watch in &mut watches {
                watch.frame().await.unwrap().unwrap();
            }
        });
    });
}
