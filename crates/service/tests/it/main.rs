//! The shell around operations, and serving.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use ports::{Clock, SeededIds, SimClock, SystemClock};
use prometheus_client::registry::Registry;
use service::{
    Connections, Exchange, Failure, Health, HttpMetrics, Listener, LogFormat, ReadyCheck, Shell, Shutdown, Tls,
    init_tracing, metrics_router, serve,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::ServiceExt;

async fn call(app: &Router, path: &str) -> (u16, String, Response) {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
    (parts.status.as_u16(), text, Response::from_parts(parts, Body::empty()))
}

fn shell(metrics: &mut Registry) -> Shell {
    let clock = Arc::new(SimClock::starting_at(Timestamp::UNIX_EPOCH));
    Shell::new(clock, Arc::new(SeededIds::new(1)), HttpMetrics::register(metrics))
}

async fn panics() -> &'static str {
    panic!("on purpose")
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_answered_and_counted_and_the_server_goes_on() {
    let mut metrics = Registry::default();
    let dress = |_: &Exchange, mut response: Response| {
        if response.extensions().get::<Failure>() == Some(&Failure::Panicked) {
            *response.body_mut() = Body::from("dressed");
        }
        response
    };
    let app = Router::new()
        .route("/panics", get(panics))
        .route("/fine", get(async || "fine"));
    let app = shell(&mut metrics)
        .wrap_dressed(app, dress)
        .merge(metrics_router(Arc::new(metrics)));
    let (status, text, _) = call(&app, "/panics").await;
    assert_eq!((status, text.as_str()), (500, "dressed"));
    let (status, _, response) = call(&app, "/fine").await;
    assert_eq!(status, 200);
    assert_eq!(response.headers()["x-request-id"].len(), 36);
    let (_, page, _) = call(&app, "/metrics").await;
    assert!(
        page.contains(r#"http_requests_total{operation="GET /panics",status="500"} 1"#),
        "{page}"
    );
    assert!(page.contains("http_requests_in_flight 0"), "{page}");
    assert!(page.ends_with("# EOF\n"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn paths_and_methods_of_strangers_make_no_new_series() {
    let mut metrics = Registry::default();
    let app = shell(&mut metrics)
        .wrap(
            Router::new()
                .route("/fine", get(async || "fine"))
                .fallback(async || StatusCode::NOT_FOUND),
        )
        .merge(metrics_router(Arc::new(metrics)));
    for path in ["/a", "/b", "/c"] {
        assert_eq!(call(&app, path).await.0, 404);
    }
    let (_, page, _) = call(&app, "/metrics").await;
    assert!(
        page.contains(r#"http_requests_total{operation="GET unknown",status="404"} 3"#),
        "{page}"
    );
}

struct Broken;

#[async_trait]
impl ReadyCheck for Broken {
    async fn failure(&self) -> Option<String> {
        Some("the store cannot be reached".to_owned())
    }
}

#[tokio::test]
async fn a_process_is_ready_when_all_checks_are() {
    let shutdown = Shutdown::new();
    let app = Health::new(shutdown.clone()).router();
    assert_eq!(call(&app, "/readyz").await.0, 200);
    shutdown.begin();
    assert_eq!(call(&app, "/readyz").await.0, 503);
    assert_eq!(call(&app, "/healthz").await.0, 200);
    let app = Health::new(Shutdown::new()).with("store", Arc::new(Broken)).router();
    let (status, text, _) = call(&app, "/readyz").await;
    assert_eq!(status, 503);
    assert!(
        text.contains(r#"{"name":"store","ok":false,"detail":"the store cannot be reached"}"#),
        "{text}"
    );
}

/// A client that never ends the head of its request does not hold its connection for ever.
#[tokio::test(start_paused = true)]
async fn a_slow_head_is_given_up_on_and_a_stuck_request_cut_off() {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::starting_at(Timestamp::UNIX_EPOCH));
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (address, shutdown) = (listener.address(), Shutdown::new());
    let stuck = Router::new().route("/stuck", get(std::future::pending::<&'static str>));
    let bounds = Connections {
        grace: Duration::from_secs(3),
        ..Connections::default()
    };
    let running = tokio::spawn(serve(listener, None, stuck, bounds, clock.clone(), shutdown.clone()));
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /stuck HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    assert!(clock.now() >= Timestamp::from_second(10).unwrap());
    let mut stuck = TcpStream::connect(address).await.unwrap();
    stuck
        .write_all(b"GET /stuck HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    clock.sleep(Duration::from_secs(1)).await;
    let begun = clock.now();
    shutdown.begin();
    running.await.unwrap();
    assert_eq!(clock.now().duration_since(begun).as_secs(), 3);
}

#[tokio::test]
async fn mistakes_of_operators_name_their_subject() {
    let taken = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let again = Listener::bind(taken.address()).await.unwrap_err();
    assert_eq!(again.to_string(), format!("cannot listen on {}", taken.address()));
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(path("cert"), made.cert.pem()).unwrap();
    std::fs::write(path("key"), other.signing_key.serialize_pem()).unwrap();
    std::fs::write(path("empty"), "").unwrap();
    for (certificate, key, expected) in [
        ("none", "key", "certificate"),
        ("empty", "key", "holds no certificate"),
        ("cert", "empty", "private key"),
        ("cert", "key", "cannot be used together"),
    ] {
        let error = Tls::from_files(&path(certificate), &path(key)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let filter = init_tracing(LogFormat::Json, "a=b=c", false).unwrap_err().to_string();
    assert_eq!(filter, "log filter \"a=b=c\" cannot be read");
}

#[tokio::test]
async fn the_system_clock_serves_as_well() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (address, shutdown) = (listener.address(), Shutdown::new());
    let app = Router::new().route("/", get(async || "hello"));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let running = tokio::spawn(serve(
        listener,
        None,
        app,
        Connections::default(),
        clock,
        shutdown.clone(),
    ));
    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"),
        "{answer}"
    );
    shutdown.begin();
    running.await.unwrap();
}
