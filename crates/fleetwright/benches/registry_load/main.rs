//! Load on a release server: what `cargo bench -p fleetwright --bench registry_load` prints.
//!
//! The server is the shipped binary in a process of its own, the load comes from this process over loopback, so both share
//! the machine; the machine stands in the first line. Sizes: `FLEETWRIGHT_BENCH_CLUSTERS` (10000), each with 30 config
//! items and 8 node pools; `FLEETWRIGHT_BENCH_SECONDS` per phase (5). Nothing is asserted: figures are for reading.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints figures of the real clock"
)]

mod client;
mod server;

use std::time::{Duration, Instant};

use client::{Client, Figures};
use model::FileRegistry;
use server::Server;
use testkit::postgres::{Options, Server as Postgres};
use testkit::sample::{Size, fleet};

/// Clients at once, as the aims state them.
const CLIENTS: usize = 64;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    println!("{}", server::machine());
    let clusters = setting("FLEETWRIGHT_BENCH_CLUSTERS", 10_000);
    let time = Duration::from_secs(setting("FLEETWRIGHT_BENCH_SECONDS", 5) as u64);
    let folder = tempfile::tempdir()?;
    let sqlite = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    println!("\n# SQLite");
    run(&sqlite("large.db"), &sqlite("small.db"), clusters, time).await?;
    match Postgres::start(Options { fsync: true })? {
        Some(postgres) => {
            println!("\n# PostgreSQL");
            run(&postgres.database()?, &postgres.database()?, clusters, time).await?;
        }
        None => println!("\n# PostgreSQL: not installed, passed over"),
    }
    Ok(())
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

async fn run(large: &str, small: &str, clusters: usize, time: Duration) -> anyhow::Result<()> {
    let ids = fill(large, clusters).await?;
    let server = Server::start(large).await?;
    println!(
        "{clusters} clusters: serving {:.0} ms after start, {:.1} MiB resident",
        ms(server.started),
        server.resident()?
    );
    load(&server, &ids, time).await?;
    println!(
        "{clusters} clusters: {:.1} MiB resident after the load",
        server.resident()?
    );
    drop(server);

    fill(small, 150).await?;
    let server = Server::start(small).await?;
    println!(
        "150 clusters: serving {:.0} ms after start, {:.1} MiB resident",
        ms(server.started),
        server.resident()?
    );
    let mut client = Client::connect(server.address).await?;
    let mut times = Figures::default();
    for _ in 0..200 {
        let begin = Instant::now();
        let bytes = client.get("/kubernetes-clusters").await?;
        times.add(begin.elapsed());
        anyhow::ensure!(bytes > 100_000, "the list has only {bytes} bytes");
    }
    times.print("150 clusters: list all, verbose, one client", None);
    println!("150 clusters: {:.1} MiB resident after 200 lists", server.resident()?);
    Ok(())
}

/// The five kinds of load, each for `time`.
async fn load(server: &Server, ids: &[String], time: Duration) -> anyhow::Result<()> {
    let get = |id: &str| ("GET", format!("/kubernetes-clusters/{id}"), String::new());
    let patch = |id: &str| {
        let status =
            r#"{"lifecycle_status":"ready","status":{"current_version":"NEW#h","last_version":"a#h","problems":[]}}"#;
        (
            "PATCH",
            format!("/kubernetes-clusters/{id}"),
            status.replace("NEW", &counter().to_string()),
        )
    };
    client::closed(server.address, CLIENTS, time, ids, get)
        .await?
        .print("get, 64 clients as fast as they can", Some(time));
    let pause = Duration::from_millis(32);
    client::paced(server.address, CLIENTS, time, pause, ids, get)
        .await?
        .print("get, 64 clients, 2000 requests/s asked", Some(time));
    client::closed(server.address, CLIENTS, time, ids, patch)
        .await?
        .print("status PATCH, 64 clients", Some(time));
    client::closed(server.address, CLIENTS, time, ids, |_| {
        ("GET", "/kubernetes-clusters?limit=100".to_owned(), String::new())
    })
    .await?
    .print("list page of 100, verbose, 64 clients", Some(time));
    let mut all = Figures::default();
    let mut client = Client::connect(server.address).await?;
    for query in ["", "?verbose=false"] {
        for _ in 0..5 {
            let begin = Instant::now();
            client.get(&format!("/kubernetes-clusters{query}")).await?;
            all.add(begin.elapsed());
        }
        std::mem::take(&mut all).print(&format!("list all{query}, one client"), None);
    }
    Ok(())
}

/// A number that no call gave before, so that no status PATCH is a change of nothing.
fn counter() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Fills an empty database through the server, in documents that stay below the body limit.
async fn fill(database: &str, clusters: usize) -> anyhow::Result<Vec<String>> {
    let server = Server::start(database).await?;
    println!(
        "empty: serving {:.0} ms after start, {:.1} MiB resident",
        ms(server.started),
        server.resident()?
    );
    let document = fleet(
        1,
        Size {
            clusters,
            items: 30,
            pools: 8,
        },
    );
    let ids = document.clusters.iter().map(|c| c.cluster.id.to_string()).collect();
    let mut client = Client::connect(server.address).await?;
    let begin = Instant::now();
    for chunk in document.clusters.chunks(200) {
        let part = FileRegistry {
            infrastructure_accounts: Vec::new(),
            clusters: chunk.to_vec(),
        };
        client
            .send("POST", "/api/v1/import?mode=apply", serde_json::to_string(&part)?)
            .await?;
    }
    println!("{clusters} clusters imported in {:.1} s", begin.elapsed().as_secs_f64());
    Ok(ids)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
