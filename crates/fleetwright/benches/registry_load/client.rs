//! Clients with one connection each, and the figures of what they measured.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;

/// One connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Size of the answer in bytes.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<usize> {
        self.send("GET", path, String::new()).await
    }

    /// Size of the answer in bytes; an answer other than 2xx is an error.
    pub(crate) async fn send(&mut self, method: &str, path: &str, body: String) -> anyhow::Result<usize> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::from(body))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let mut body = answer.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, Bytes::len);
        }
        anyhow::ensure!(status.is_success(), "{method} {path} answered {status}");
        Ok(bytes)
    }
}

/// Latencies of one kind of request.
#[derive(Default)]
pub(crate) struct Figures(Vec<Duration>);

impl Figures {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// One line: count, rate over `time` where given, median, 99th percentile, worst.
    pub(crate) fn print(mut self, what: &str, time: Option<Duration>) {
        self.0.sort();
        let at = |part: usize| {
            self.0
                .get((self.0.len() * part / 1000).min(self.0.len().saturating_sub(1)))
        };
        let ms = |part| at(part).map_or(0.0, |t: &Duration| t.as_secs_f64() * 1000.0);
        let count = self.0.len();
        let rate = time.map_or(String::new(), |t| {
            format!("{:>7.0}/s, ", count as f64 / t.as_secs_f64())
        });
        println!(
            "{what:<52} {rate}p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms ({count})",
            ms(500),
            ms(990),
            ms(1000)
        );
    }
}

/// A request: method, path, body.
type Call = (&'static str, String, String);

/// Every client sends its next request as soon as it has its answer.
pub(crate) async fn closed(
    address: SocketAddr,
    clients: usize,
    time: Duration,
    ids: &[String],
    make: impl Fn(&str) -> Call + Send + Copy + 'static,
) -> anyhow::Result<Figures> {
    paced(address, clients, time, Duration::ZERO, ids, make).await
}

/// Every client sends a request each `pause`, or as soon as it has its answer when that takes longer.
pub(crate) async fn paced(
    address: SocketAddr,
    clients: usize,
    time: Duration,
    pause: Duration,
    ids: &[String],
    make: impl Fn(&str) -> Call + Send + Copy + 'static,
) -> anyhow::Result<Figures> {
    let mut tasks = Vec::new();
    for number in 0..clients {
        let mut mine: Vec<String> = ids.iter().skip(number).step_by(clients).cloned().collect();
        if mine.is_empty() {
            mine = ids.to_vec();
        }
        tasks.push(tokio::spawn(async move {
            let mut client = Client::connect(address).await?;
            let mut times = Vec::new();
            // Clients start spread over the pause, as independent ones would.
            tokio::time::sleep(pause.mul_f64(number as f64 / clients as f64)).await;
            let begin = Instant::now();
            for id in mine.iter().cycle() {
                let sent = Instant::now();
                if sent.duration_since(begin) >= time {
                    break;
                }
                let (method, path, body) = make(id);
                client.send(method, &path, body).await?;
                let took = sent.elapsed();
                times.push(took);
                tokio::time::sleep(pause.saturating_sub(took)).await;
            }
            anyhow::Ok(times)
        }));
    }
    let mut all = Figures::default();
    for task in tasks {
        all.0.extend(task.await??);
    }
    Ok(all)
}
