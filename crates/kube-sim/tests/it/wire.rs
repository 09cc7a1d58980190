//! Servers on sockets, clients for them, and a proxy between both that cuts connections.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use kube_sim::{ApiServer, serve};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceBuilder;

/// How a client reaches a server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wire {
    InProcess,
    Http1,
    Http2,
}

pub(crate) const WIRES: [Wire; 3] = [Wire::InProcess, Wire::Http1, Wire::Http2];

/// A server on a socket; goes when it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Served {
    pub(crate) async fn new(server: ApiServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            serve(server, listener, None, std::future::pending()).await.unwrap();
        });
        Self { address, task }
    }
}

/// kube's client over this kind of wire.
pub(crate) fn client(wire: Wire, server: &ApiServer, address: SocketAddr) -> Client {
    let config = Config::new(format!("http://{address}").parse().unwrap());
    match wire {
        Wire::InProcess => Client::new(server.clone(), "default"),
        Wire::Http1 => Client::try_from(config).unwrap(),
        Wire::Http2 => {
            // kube's own connector speaks HTTP/1.1 only; this one speaks nothing but HTTP/2.
            let http = HttpClient::builder(TokioExecutor::new())
                .http2_only(true)
                .build_http::<Body>();
            let service = ServiceBuilder::new().layer(config.base_uri_layer()).service(http);
            Client::new(service, "default")
        }
    }
}

/// A proxy before a server. It can cut all connections, and from then on lets only a random number of bytes of answers
/// through on each new one, so that connections break in the middle of heads and lines.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    cut: watch::Sender<u64>,
    budgets: Arc<Mutex<Option<(StdRng, usize)>>>,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(crate) async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, cuts) = watch::channel(0);
        let budgets = Arc::new(Mutex::new(None::<(StdRng, usize)>));
        let drawn = budgets.clone();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                let server = TcpStream::connect(upstream).await.unwrap();
                let budget = match &mut *drawn.lock().unwrap() {
                    Some((generator, most)) => generator.random_range(300..*most),
                    None => usize::MAX,
                };
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        _ = cuts.changed() => {}
                        () = pump(client, server, budget) => {}
                    }
                });
            }
        });
        Self {
            address,
            cut,
            budgets,
            accepted,
            task,
        }
    }

    /// How many connections came so far.
    pub(crate) fn connections(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Breaks all connections; those that follow break by themselves after at most so many bytes of answers, at places
    /// that follow from the seed.
    pub(crate) fn break_from_now_on(&self, seed: u64, most: usize) {
        *self.budgets.lock().unwrap() = Some((StdRng::seed_from_u64(seed), most));
        self.cut_all();
    }

    pub(crate) fn cut_all(&self) {
        self.cut.send_modify(|number| *number += 1);
    }
}

/// Carries bytes both ways until one side ends or the budget of answered bytes is used up.
async fn pump(mut client: TcpStream, mut server: TcpStream, mut budget: usize) {
    let (mut from_client, mut from_server) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            biased;
            read = client.read(&mut from_client) => match read {
                Ok(count) if count > 0 => server.write_all(&from_client[..count]).await.unwrap_or(()),
                _ => return,
            },
            read = server.read(&mut from_server) => match read {
                Ok(count) if count > 0 => {
                    let passed = count.min(budget);
                    budget -= passed;
                    if client.write_all(&from_server[..passed]).await.is_err() || budget == 0 {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}
