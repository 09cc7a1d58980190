//! The server over HTTP/1.1 and HTTP/2, plain or with TLS.

use std::future::Future;
use std::io::ErrorKind;

use bytes::Buf;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Serves an [`crate::ApiServer`] (or one with faults, [`crate::FaultyApi`]) on a listener until `shutdown` ends; with
/// `tls`, clients have to speak it.
///
/// Open watches are cut at shutdown: clients resume them elsewhere, as they do when a real server goes.
///
/// # Errors
/// Those of accepting connections; a broken connection ends only itself.
pub async fn serve<S, B>(
    server: S,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    let mut shutdown = std::pin::pin!(shutdown);
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            // Ended connections are collected as they end, so that the set stays small.
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => {
                let (stream, peer) = match accepted {
                    // The client went away while it waited: that is no reason to leave all others alone.
                    Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => continue,
                    accepted => accepted?,
                };
                let (server, tls) = (server.clone(), tls.clone());
                tasks.spawn(async move {
                    match tls {
                        None => connection(server, stream).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => connection(server, stream).await,
                            Err(error) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                        },
                    }
                });
            }
        }
    }
    tasks.shutdown().await;
    Ok(())
}

async fn connection<S, B>(server: S, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    let service = TowerToHyperService::new(server);
    if let Err(error) = Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await
    {
        tracing::debug!(%error, "connection ended");
    }
}
