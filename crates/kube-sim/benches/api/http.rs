//! What the server costs over HTTP/1.1, client and server on one thread.

use std::net::SocketAddr;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use json_tree::json;
use kube_sim::{ApiServer, serve};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::{APPLY, DEPLOYMENT, JSON, PODS, deployment, filled, pod, runtime, server};

/// A server on a socket and a client that keeps its connections.
struct Bench {
    runtime: Runtime,
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
}

impl Bench {
    fn new(server: impl Future<Output = ApiServer>) -> Self {
        let runtime = runtime();
        let address = runtime.block_on(async {
            let server = server.await;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(serve(server, listener, None, std::future::pending()));
            address
        });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            runtime,
            client,
            address,
        }
    }

    async fn open(&self, method: Method, path: &str, media: &str, body: String) -> Incoming {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("content-type", media)
            .body(Full::from(body))
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        response.into_body()
    }

    fn send(&self, method: Method, path: &str, media: &str, body: String) -> usize {
        self.runtime.block_on(async {
            let body = self.open(method, path, media, body).await;
            body.collect().await.unwrap().to_bytes().len()
        })
    }
}

#[divan::bench]
fn http_get(bencher: Bencher) {
    let bench = Bench::new(filled(100));
    let path = format!("{PODS}/web-5d4f8c7b9-50");
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| bench.send(Method::GET, &path, "", String::new()));
}

#[divan::bench]
fn http_create(bencher: Bencher) {
    let bench = Bench::new(async { server() });
    let mut number = 0;
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        number += 1;
        bench.send(Method::POST, PODS, JSON, pod(number).to_string())
    });
}

#[divan::bench(sample_count = 10)]
fn http_list_10000(bencher: Bencher) {
    let bench = Bench::new(filled(10_000));
    bencher
        .counter(ItemsCount::new(10_000_usize))
        .bench_local(|| bench.send(Method::GET, PODS, "", String::new()));
}

#[divan::bench]
fn http_apply_changed(bencher: Bencher) {
    let bench = Bench::new(async { server() });
    let mut replicas = 0;
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        replicas += 1;
        bench.send(Method::PATCH, DEPLOYMENT, APPLY, deployment(replicas))
    });
}

#[divan::bench]
fn http_apply_unchanged(bencher: Bencher) {
    let bench = Bench::new(async { server() });
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| bench.send(Method::PATCH, DEPLOYMENT, APPLY, deployment(1)));
}

/// Reading 1,000 events that wait in the log of a collection.
#[divan::bench(sample_count = 20)]
fn http_watch_1000_events(bencher: Bencher) {
    let server = server();
    let copy = server.clone();
    let bench = Bench::new(async { copy });
    let path = "/api/v1/namespaces/default/configmaps";
    let version = server.resource_version();
    for number in 0..1_000 {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m{number}")}, "data": {"k": "v"}});
        bench.send(Method::POST, path, JSON, map.to_string());
    }
    let path = format!("{path}?watch=1&resourceVersion={version}");
    bencher.counter(ItemsCount::new(1_000_usize)).bench_local(|| {
        bench.runtime.block_on(async {
            let mut body = bench.open(Method::GET, &path, "", String::new()).await;
            let mut lines = 0;
            while lines < 1_000 {
                let frame = body.frame().await.unwrap().unwrap();
                lines += frame.data_ref().unwrap().iter().filter(|byte| **byte == b'\n').count();
            }
        });
    });
}
