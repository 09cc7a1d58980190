//! Times of the store at 10,000 clusters of 30 config items and 8 node pools, on both databases with fsync on.
//!
//! A plain program that prints a table: the numbers of interest are throughput and percentiles under 64 tasks, which a
//! harness of single calls does not give. `FLEETWRIGHT_BENCH_CLUSTERS` sets another size.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints and stops at any error"
)]

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use model::{ClusterId, ClusterStatus, ClusterUpdate};
use ports::registry::{ClusterFilter, Detail, ImportMode, PageRequest};
use ports::{Registry, SystemClock, WriteContext};
use store::{DatabaseUrl, Store};
use testkit::postgres::{Options, Server};
use testkit::sample::{self, Size};
use tokio::time::Instant;

const SEED: u64 = 1;
const TASKS: usize = 64;
const CALLS_PER_TASK: usize = 200;

fn main() {
    let clusters = std::env::var("FLEETWRIGHT_BENCH_CLUSTERS").map_or(10_000, |n| n.parse().unwrap());
    let size = Size {
        clusters,
        items: 30,
        pools: 8,
    };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|l| l.strip_prefix("model name\t: "))
        .unwrap_or("unknown CPU");
    println!("machine: {cpus} x {model}; {size:?}, seed {SEED}, {TASKS} tasks");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("registry.db");
        let bytes = || std::fs::metadata(&path).unwrap().len();
        measure("SQLite", &DatabaseUrl::sqlite(&path), size, bytes).await;
        if let Some(server) = Server::start(Options { fsync: true }).unwrap() {
            let url = server.database().unwrap();
            let bytes = || {
                let query = "SELECT pg_database_size('test_0')";
                server.psql("test_0", query).unwrap().parse().unwrap()
            };
            measure("PostgreSQL", &url.parse().unwrap(), size, bytes).await;
        }
    });
}

async fn measure(name: &str, url: &DatabaseUrl, size: Size, bytes: impl Fn() -> u64) {
    println!("\n{name}");
    let context = WriteContext::by("bench", "r");
    let store = Store::open(url, Arc::new(SystemClock)).await.unwrap();
    let fleet = sample::fleet(SEED, size);
    let ids: Arc<Vec<ClusterId>> = Arc::new(fleet.clusters.iter().map(|f| f.cluster.id.clone()).collect());
    let start = Instant::now();
    store.import(fleet, ImportMode::Create, &context).await.unwrap();
    row("import all", start.elapsed());
    store.close().await;

    let start = Instant::now();
    let store = Arc::new(Store::open(url, Arc::new(SystemClock)).await.unwrap());
    store.get_cluster(&ids[0], Detail::Full).await.unwrap();
    row("open and first get", start.elapsed());

    let filter = ClusterFilter::default();
    for (label, detail, limit) in [
        ("list page of 150, full", Detail::Full, Some(150)),
        ("list page of 150, brief", Detail::Brief, Some(150)),
        ("list all, full", Detail::Full, None),
        ("list all, brief", Detail::Brief, None),
    ] {
        let page = PageRequest { limit, after: None };
        let mut times = Vec::new();
        for _ in 0..7 {
            let start = Instant::now();
            let found = store.list_clusters(&filter, detail, &page).await.unwrap();
            times.push(start.elapsed());
            assert_eq!(found.items.len(), limit.unwrap_or(size.clusters).min(size.clusters));
        }
        times.sort();
        row(&format!("{label}, median of 7"), times[3]);
    }

    load("get", &store, &ids, |store, id, _| async move {
        store.get_cluster(&id, Detail::Full).await.unwrap();
    })
    .await;
    load("status PATCH", &store, &ids, |store, id, n| async move {
        let update = ClusterUpdate {
            status: Some(ClusterStatus {
                current_version: format!("config#{n}"),
                ..ClusterStatus::default()
            }),
            ..ClusterUpdate::default()
        };
        let context = WriteContext::by("bench", "r");
        store.update_cluster(&id, update, &context).await.unwrap();
    })
    .await;
    store.close().await;
    println!("  {:<34} {:>10.1} MiB", "database size", bytes() as f64 / 1_048_576.0);
}

/// Runs one kind of call from all tasks at once and prints throughput and percentiles.
async fn load<F>(
    label: &str,
    store: &Arc<Store>,
    ids: &Arc<Vec<ClusterId>>,
    call: impl Fn(Arc<Store>, ClusterId, usize) -> F + Copy + Send + Sync + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let start = Instant::now();
    let tasks = (0..TASKS).map(|task| {
        let (store, ids) = (store.clone(), ids.clone());
        tokio::spawn(async move {
            let mut times = Vec::with_capacity(CALLS_PER_TASK);
            for i in 0..CALLS_PER_TASK {
                let n = i * TASKS + task;
                // A stride that visits clusters in no order of theirs.
                let id = ids[n * 7919 % ids.len()].clone();
                let start = Instant::now();
                call(store.clone(), id, n).await;
                times.push(start.elapsed());
            }
            times
        })
    });
    let mut times: Vec<Duration> = join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect();
    let total = start.elapsed();
    times.sort();
    let per_second = times.len() as f64 / total.as_secs_f64();
    row(&format!("{label}, p50"), times[times.len() / 2]);
    row(&format!("{label}, p99"), times[times.len() * 99 / 100]);
    println!("  {:<34} {per_second:>10.0} /s", format!("{label}, throughput"));
}

fn row(label: &str, time: Duration) {
    println!("  {label:<34} {:>10.2} ms", time.as_secs_f64() * 1000.0);
}
