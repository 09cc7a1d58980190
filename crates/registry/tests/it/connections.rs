//! Over real sockets: TLS, HTTP/2, graceful shutdown.

use std::sync::Arc;

use ports::{SystemClock, SystemIds};
use registry::{BoundServer, Server};
use serde_json::json;
use service::{Shutdown, Tls};
use store::MemoryRegistry;

use crate::support::{account, open};

async fn bound(tls: Option<Tls>, shutdown: &Shutdown) -> BoundServer {
    let clock = Arc::new(SystemClock);
    let store = Arc::new(MemoryRegistry::new(clock.clone()));
    let mut server = Server::new(store, clock, Arc::new(SystemIds), shutdown.clone());
    if let Some(tls) = tls {
        server = server.tls(tls);
    }
    server.bind("127.0.0.1:0".parse().unwrap(), open()).await.unwrap()
}

#[tokio::test]
async fn tls_serves_http_2_and_1() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = Tls::from_files(&certificate, &key).unwrap();
    let shutdown = Shutdown::new();
    let server = bound(Some(tls), &shutdown).await;
    let address = server.address();
    assert!(server.url().starts_with("https://127.0.0.1:"));
    let running = tokio::spawn(server.run());
    let root = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    for (version, only_1) in [(http::Version::HTTP_2, false), (http::Version::HTTP_11, true)] {
        let mut client = reqwest::Client::builder()
            .tls_certs_only([root.clone()])
            .resolve("localhost", address);
        if only_1 {
            client = client.http1_only();
        }
        let url = format!("https://localhost:{}/kubernetes-clusters", address.port());
        let answer = client.build().unwrap().get(url).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
    }
    shutdown.begin();
    running.await.unwrap();
    let wrong = Tls::from_files(&key, &certificate).unwrap_err().to_string();
    assert!(wrong.contains("key.pem"), "{wrong}");
}

#[tokio::test]
async fn shutdown_ends_streams_and_finishes_requests() {
    let shutdown = Shutdown::new();
    let server = bound(None, &shutdown).await;
    let url = server.url();
    let running = tokio::spawn(server.run());
    let client = reqwest::Client::new();
    let made = client
        .post(format!("{url}/infrastructure-accounts"))
        .json(&account())
        .send()
        .await
        .unwrap();
    assert_eq!(made.status().as_u16(), 201);
    let mut stream = client.get(format!("{url}/api/v1/changes")).send().await.unwrap();
    let mut seen = String::new();
    while !seen.contains("infrastructure-account.created") {
        seen.push_str(&String::from_utf8(stream.chunk().await.unwrap().unwrap().into()).unwrap());
    }
    // A request whose body is still on its way when shutdown begins.
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(futures::stream::unfold(receiver, async |mut receiver| {
        let chunk = receiver.recv().await?;
        Some((chunk, receiver))
    }));
    let late = client
        .patch(format!("{url}/infrastructure-accounts/aws:123456789012"))
        .header("content-type", "application/json")
        .body(body)
        .send();
    let late = tokio::spawn(late);
    sender.send(Ok(b"{\"owner\":".to_vec())).await.unwrap();
    sender.send(Ok(b"\"team/late\"".to_vec())).await.unwrap();
    sender.send(Ok(b"}".to_vec())).await.unwrap();
    // It is under way once the server counts it.
    while !client
        .get(format!("{url}/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
        .contains("in_flight 1")
    {}
    shutdown.begin();
    drop(sender);
    let answer = late.await.unwrap().unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(
        answer.json::<serde_json::Value>().await.unwrap()["owner"],
        json!("team/late")
    );
    while stream.chunk().await.unwrap().is_some() {}
    running.await.unwrap();
    assert!(client.get(format!("{url}/healthz")).send().await.is_err());
}
