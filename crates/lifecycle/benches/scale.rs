//! How the manager grows with its fleet: a run in three waves over 100 clusters, 100 such runs at once, 100 to 10,000 clusters, what
//! an idle cluster costs, how soon a manager that starts knows its fleet and acts.
//!
//! `cargo bench -p lifecycle --bench scale`; figures are of this machine. The simulated clusters answer in the same process, each call
//! after 5 ms of simulated time, and their work is in the figures. Simulated time costs nothing, so wall time is that of the processor;
//! what a run takes is told in both, and less than their sum.
//! `FLEETWRIGHT_MOST=N` leaves fleets with more clusters out; with a number beside 100, 1,000 and 10,000 that one is the largest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark: it measures real time and prints what it found"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::StreamExt;
use git_source::{DirectoryIds, DirectorySource, TreeOptions};
use jiff::Timestamp;
use kube_access::{Access, ApiKind, Context, Depth};
use kube_sim::{ApiServer, Fault, FaultPlan, FaultRule, FaultyApi};
use lifecycle::connect::{CloudSource, Connector, FactSource, Trouble};
use lifecycle::queue::Limits;
use lifecycle::{Claims, Configuration, Manager, Pace, Policies, Reach, Settings, Standing};
use model::Cluster;
use plan::policy::FleetPolicy;
use ports::cloud::Cloud;
use ports::config_source::{ConfigSource, ConfigSources, SourceName};
use ports::registry::{ClusterFilter, Detail, PageRequest};
use ports::{Clock, Ledger, Registry, SeededIds, SimClock, WriteContext};
use render::Facts;
use store::MemoryRegistry;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// The allocator that the binary has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // A run of the tests builds and starts benchmarks as well; figures are for those who ask for them.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let asked = std::env::var("FLEETWRIGHT_MOST").ok();
    let most: usize = asked.and_then(|text| text.parse().ok()).unwrap_or(10_000);
    runs(20, 1);
    if most >= 10_000 {
        runs(1, 100);
    }
    let mut grown: Vec<(usize, f64)> = Vec::new();
    let counts = BTreeSet::from([100, 1_000, 10_000, most]);
    for count in counts.into_iter().filter(|count| *count <= most) {
        grown.push((count, on_paused_time(growth(count))));
    }
    for pair in grown.windows(2) {
        let [(few, fast), (many, slow)] = pair else { continue };
        let exponent = (slow / fast).ln() / (*many as f64 / *few as f64).ln();
        println!("from {few} to {many} clusters the processor time grows with exponent {exponent:.2}");
    }
}

fn on_paused_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// Ten clusters of a channel first, thirty after them, then the rest; nothing is checked and nothing soaks.
const POLICY: &str = "kind: FleetPolicy
limits: {wave: 20, account: 20, fleet: 20}
waves: {canary: {perType: 10}, steps: [40%]}
health: {checkTime: 0s, checkTimes: []}
";

/// How long an answer of a cluster takes to come.
const CALL: Duration = Duration::from_millis(5);

/// The clusters; they have no cloud.
struct Around(BTreeMap<String, Access>);

#[async_trait]
impl Connector for Around {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        Ok(self.0[cluster.alias.as_str()].clone())
    }
}

#[async_trait]
impl CloudSource for Around {
    async fn cloud(&self, _: &Cluster) -> Result<Option<Arc<dyn Cloud>>, Trouble> {
        Ok(None)
    }
}

#[async_trait]
impl FactSource for Around {
    async fn facts(&self, _: &Cluster) -> Result<Arc<Facts>, Trouble> {
        Ok(Arc::default())
    }
}

/// The configuration of one channel: a namespace and 20 objects in four components, at a level.
fn commit(dir: &Path, level: usize) {
    let write = |path: &str, text: &str| {
        let path = dir.join("cluster").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("cluster.yaml", "Resources: {}\n");
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n";
    write("manifests/00-base/namespace.yaml", namespace);
    for component in ["a", "b", "c", "d"] {
        for n in 0..5 {
            let text = format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {component}-{n}, namespace: web}}\ndata: {{level: '{level}', of: '{{{{ .Cluster.ID }}}}'}}\n"
            );
            write(&format!("manifests/{component}/m{n}.yaml"), &text);
        }
    }
}

struct Fleet {
    reach: Arc<Reach>,
    access: BTreeMap<String, Access>,
    registry: Arc<MemoryRegistry>,
    clock: Arc<SimClock>,
    dir: TempDir,
}

impl Fleet {
    /// So many clusters in each of so many channels.
    async fn new(channels: usize, each: usize) -> Self {
        let clock = Arc::new(SimClock::starting_at(Timestamp::from_second(1_700_000_000).unwrap()));
        let registry = Arc::new(MemoryRegistry::new(clock.clone()));
        let mut access = BTreeMap::new();
        for n in 0..channels * each {
            let alias = format!("kube-{n}");
            let cluster = serde_json::json!({
                "id": format!("aws:1:eu-central-1:{alias}"), "alias": alias, "region": "eu-central-1", "local_id": alias,
                "infrastructure_account": format!("aws:{}", n / 4), "provider": "simulated", "channel": format!("run-{}", n / each),
                "api_server_url": format!("https://{alias}.example.org"), "environment": "test", "criticality_level": 1,
                "lifecycle_status": "ready",
            });
            let cluster: Cluster = serde_json::from_value(cluster).unwrap();
            registry
                .create_cluster(cluster, &WriteContext::by("bench", "setup"))
                .await
                .unwrap();
            let seed = u64::try_from(n).unwrap();
            let server = ApiServer::new(clock.clone(), Arc::new(SeededIds::new(seed)));
            let slow = FaultRule::new("network", Fault::Delay(CALL));
            let server = FaultyApi::over(server, FaultPlan::new(seed).rule(slow));
            let context = Context::new(&alias, clock.clone(), Arc::new(SeededIds::new(seed + 50_000)));
            access.insert(alias, Access::from_service(context, server));
        }
        let dir = TempDir::new().unwrap();
        commit(dir.path(), 0);
        let name = SourceName::new("main").unwrap();
        let source = DirectorySource::new(
            name,
            dir.path().to_owned(),
            DirectoryIds::Content,
            TreeOptions::default(),
        );
        let around = Arc::new(Around(access.clone()));
        let reach = Reach {
            registry: registry.clone(),
            ledger: registry.clone(),
            configuration: Configuration::new(
                ConfigSources::new(vec![Arc::new(source) as Arc<dyn ConfigSource>]).unwrap(),
            ),
            connector: around.clone(),
            clouds: around.clone(),
            facts: around,
            clock: clock.clone(),
            ids: Arc::new(SeededIds::new(7)),
            settings: Settings {
                policies: Policies::new(FleetPolicy::parse(POLICY).unwrap()),
                ..Settings::default()
            },
        };
        Self {
            reach: Arc::new(reach),
            access,
            registry,
            clock,
            dir,
        }
    }
}

/// What a measured piece of work took.
struct Took {
    wall: Duration,
    processor: Duration,
    calls: u64,
}

impl Fleet {
    fn calls(&self) -> u64 {
        self.access.values().map(|access| access.counts().total()).sum()
    }

    /// As one of several replicas, in waves.
    fn pace(&self) -> Pace {
        let claims = Claims {
            leases: self.registry.clone(),
            holder: "replica-1".to_owned(),
            term: Duration::from_secs(30),
        };
        Pace {
            limits: Limits {
                fleet: 20,
                account: 20,
                ..Limits::default()
            },
            claims: Some(claims),
            waves: true,
            ..Pace::default()
        }
    }

    /// Brings all clusters to what their configuration says.
    async fn bring(&self) -> Took {
        let (began, before, calls) = (Instant::now(), processor(), self.calls());
        let manager = Manager::new(Arc::clone(&self.reach), self.pace());
        let standing = manager.run_once().await.unwrap();
        let bad = standing.iter().find(|(_, one)| !matches!(one, Standing::AsWanted(_)));
        assert!(bad.is_none(), "{bad:?}");
        Took {
            wall: began.elapsed(),
            processor: processor().saturating_sub(before),
            calls: self.calls() - calls,
        }
    }

    /// Notes when each channel has all of its clusters where they belong.
    async fn ends(&self) -> (JoinHandle<()>, Arc<Mutex<Vec<(Instant, Timestamp)>>>) {
        let (registry, clock) = (Arc::clone(&self.registry), Arc::clone(&self.clock));
        let mut feed = registry.watch(registry.last_change().await.unwrap()).await.unwrap();
        let ends = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&ends);
        let follows = tokio::spawn(async move {
            while let Some(Ok(change)) = feed.next().await {
                let Some(id) = change.id.strip_prefix("run/") else {
                    continue;
                };
                let entry = registry.get_entry(&"run".parse().unwrap(), &id.parse().unwrap()).await;
                if !entry.unwrap().open {
                    noted.lock().unwrap().push((Instant::now(), clock.now()));
                }
            }
        });
        (follows, ends)
    }
}

/// Processor time of this process.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let fields = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok());
    // Ticks of ten milliseconds, as Linux has them on every common machine.
    Duration::from_millis(fields.sum::<u64>() * 10)
}

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4
}

/// Runs in three waves over 100 clusters each: ten, thirty, sixty; so many at once, each in a channel of its own and all by one
/// manager, so many times. A run is over when all clusters of its channel have the commit.
fn runs(times: usize, at_once: usize) {
    let (mut walls, mut simulated, mut calls) = (Vec::new(), Vec::new(), 0);
    let mut spent = Duration::ZERO;
    for _ in 0..times {
        let took = on_paused_time(async {
            let fleet = Fleet::new(at_once, 100).await;
            fleet.bring().await;
            commit(fleet.dir.path(), 1);
            let (follows, ends) = fleet.ends().await;
            let (began, at) = (Instant::now(), fleet.clock.now());
            let took = fleet.bring().await;
            fleet.clock.sleep(Duration::from_millis(1)).await;
            follows.abort();
            for (wall, end) in &*ends.lock().unwrap() {
                walls.push(*wall - began);
                simulated.push(end.duration_since(at).unsigned_abs());
            }
            took
        });
        calls = took.calls;
        spent += took.processor;
    }
    assert_eq!(walls.len(), times * at_once, "each run has one end");
    let [walls, simulated] = [walls, simulated].map(|mut all| {
        all.sort();
        let at = |percent: usize| all[(all.len() - 1) * percent / 100].as_secs_f64();
        format!("p50 {:.2} s, p90 {:.2} s", at(50), at(90))
    });
    println!(
        "{at_once} run(s) at once, each in three waves over the 100 clusters of its channel, {times} time(s): wall {walls}; simulated {simulated}; \
         {:.2} s of processor and {calls} calls for all that run at once",
        spent.as_secs_f64() / times as f64
    );
}

/// What one read of an object costs, over all objects of all clusters: how the processor gets along with as much memory as so many
/// clusters have, without any manager.
async fn alone(fleet: &Fleet) -> Duration {
    let kind = ApiKind::core("ConfigMap", "configmaps", true);
    let (before, mut reads) = (processor(), 0_u32);
    for access in fleet.access.values() {
        for name in (0..5).flat_map(|n| ["a", "b", "c", "d"].map(|component| format!("{component}-{n}"))) {
            let key = kind.key("web", &name);
            let found = access.get(&kind, &key, Depth::Full).await.unwrap();
            assert!(found.is_some(), "{name}");
            reads += 1;
        }
    }
    processor().saturating_sub(before) / reads
}

/// A fleet of this size: made, idle, restarted. Answers the processor time of an update of all.
async fn growth(count: usize) -> f64 {
    let fleet = Fleet::new(1, count).await;
    fleet.bring().await;
    commit(fleet.dir.path(), 1);
    let took = fleet.bring().await;
    println!(
        "{count} clusters, a commit that changes 20 objects in each: {:.2} s, {:.2} s of processor, {} calls, {} MiB resident",
        took.wall.as_secs_f64(),
        took.processor.as_secs_f64(),
        took.calls,
        resident() / 1_024
    );
    println!(
        "  of {:.2} ms for each cluster; the clusters alone take {:.1} us to answer a read, one after the other",
        took.processor.as_secs_f64() * 1_000.0 / count as f64,
        alone(&fleet).await.as_secs_f64() * 1e6
    );
    // Restarted: to a first answer, to knowing every cluster, to the first cluster done after a commit.
    let began = Instant::now();
    let (filter, page) = (ClusterFilter::default(), PageRequest::all());
    let listed = fleet.registry.list_clusters(&filter, Detail::Full, &page).await;
    let listed = listed.unwrap().items.len();
    let read = began.elapsed();
    let known = fleet.bring().await;
    println!(
        "  a restart: {listed} entries read after {:.3} s, every cluster known as wanted after {:.2} s, {} calls to clusters",
        read.as_secs_f64(),
        known.wall.as_secs_f64(),
        known.calls
    );
    // Idle: the manager runs, watches for drift, reads git every minute, for a simulated hour.
    let before = resident();
    let manager = Manager::new(Arc::clone(&fleet.reach), fleet.pace());
    let running = tokio::spawn(manager.run(std::future::pending()));
    fleet.clock.sleep(Duration::from_secs(120)).await;
    let grown = resident().saturating_sub(before);
    let (spent, calls) = (processor(), fleet.calls());
    fleet.clock.sleep(Duration::from_secs(3_600)).await;
    let (spent, calls) = (processor().saturating_sub(spent), fleet.calls() - calls);
    running.abort();
    println!(
        "  idle: {:.1} KiB and {:.4} mCPU per cluster, {:.4} calls per cluster and second",
        grown as f64 / count as f64,
        spent.as_secs_f64() * 1_000.0 / 3_600.0 / count as f64,
        calls as f64 / 3_600.0 / count as f64
    );
    took.processor.as_secs_f64()
}
