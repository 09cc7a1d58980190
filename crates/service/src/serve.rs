//! Carrying a router over connections until shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use ports::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::{Listener, Shutdown, Tls};

/// Bounds of connections.
#[derive(Debug, Clone, Copy)]
pub struct Connections {
    /// Most open connections; further ones wait in the system's queue.
    pub limit: usize,
    /// How long a client may take for the TLS handshake and for the head of each request.
    pub head_timeout: Duration,
    /// Largest head of a request, in bytes.
    pub head_bytes: usize,
    /// How long requests in flight may still take once shutdown has begun.
    pub grace: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            limit: 4096,
            head_timeout: Duration::from_secs(10),
            head_bytes: 64 * 1024,
            grace: Duration::from_secs(20),
        }
    }
}

/// Address of the other end of the connection; in every request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Serves `app` until `shutdown` begins: then nothing new is accepted, requests in flight are finished within
/// [`Connections::grace`], and what still runs after that is cut off.
///
/// Endless answers (event streams) must watch `shutdown` themselves, or they cost the whole grace period.
pub async fn serve(
    listener: Listener,
    tls: Option<Tls>,
    app: Router,
    bounds: Connections,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
) {
    let slots = Arc::new(Semaphore::new(bounds.limit));
    let (graceful, tasks, stop) = (GracefulShutdown::new(), TaskTracker::new(), Shutdown::new());
    let acceptor = tls.map(|tls| TlsAcceptor::from(tls.0));
    let server = Arc::new(builder(&bounds));
    loop {
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot,
            () = shutdown.begun() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.socket.accept() => accepted,
            () = shutdown.begun() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: waiting lets connections end; spinning would not.
                tracing::warn!(%error, "cannot accept a connection");
                clock.sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Answers are small and complete when written, so waiting to fill a packet only adds latency.
        let _ = stream.set_nodelay(true);
        let (server, app, acceptor) = (Arc::clone(&server), app.clone(), acceptor.clone());
        let (watcher, stop, clock) = (graceful.watcher(), stop.clone(), Arc::clone(&clock));
        tasks.spawn(async move {
            let work = async {
                match acceptor {
                    None => connection(&server, stream, peer, app, watcher).await,
                    Some(acceptor) => {
                        let handshake = tokio::select! {
                            done = acceptor.accept(stream) => done,
                            () = clock.sleep(bounds.head_timeout) => return,
                        };
                        match handshake {
                            Ok(stream) => connection(&server, stream, peer, app, watcher).await,
                            Err(error) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                        }
                    }
                }
            };
            tokio::select! {
                () = work => {}
                () = stop.begun() => tracing::warn!(%peer, "connection cut off: still busy after the grace period"),
            }
            drop(slot);
        });
    }
    drop(listener);
    tasks.close();
    tracing::info!(
        open = tasks.len(),
        grace_seconds = bounds.grace.as_secs(),
        "no longer accepting connections"
    );
    tokio::select! {
        () = async { graceful.shutdown().await; tasks.wait().await } => {}
        () = clock.sleep(bounds.grace) => {
            stop.begin();
            tasks.wait().await;
        }
    }
}

fn builder(bounds: &Connections) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_timeout)
        .max_buf_size(bounds.head_bytes.max(8 * 1024));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(bounds.head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(256)
        // A dead peer would hold its event streams for ever.
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

async fn connection<S>(server: &Builder<TokioExecutor>, stream: S, peer: SocketAddr, app: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let app = app.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request.map(axum::body::Body::new)
    });
    let serving = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    if let Err(error) = watcher.watch(serving.into_owned()).await {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}
