//! Three `serve` processes on one PostgreSQL: one is killed in the middle of a wave, the database restarts, one is told to stop;
//! nothing is lost and nothing is done twice.

mod killed;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::{FileRegistry, Progress, Update};
use ports::ledger::{EntryFilter, EntryKind};
use ports::registry::{ClusterFilter, Detail, ImportMode, PageRequest};
use ports::{Clock, Leases as _, Ledger as _, Registry as _, SystemClock, WriteContext};
use store::Store;
use testkit::postgres::{Options, Server};

use crate::sim::Sim;
use crate::transcript::command;

const CLUSTERS: usize = 12;
/// Objects of each cluster, all of which change with each commit.
const OBJECTS: usize = 40;
/// Longest that anything may take here, on a machine ten times slower than it should be.
const MOST: Duration = Duration::from_secs(300);

/// A replica; it ends with the value.
struct Replica {
    child: Child,
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Replica {
    fn start(sim: &Sim, database: &str) -> Self {
        let mut command: Command = command(sim.home.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--no-auth", "--database", database]);
        command.args([
            "--config-source",
            "main:dir:tree",
            "--kubeconfig",
            "kubeconfig",
            "--concurrency",
            "1",
            "--fleet-policy",
            "policy.yaml",
        ]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut replica = Self { child };
        let mut lines = BufReader::new(replica.child.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        loop {
            let line = lines.next();
            let Some(Ok(line)) = line else {
                panic!("a replica ended early: {seen:#?}")
            };
            if line.contains("serving the registry") {
                break;
            }
            seen.push(line);
        }
        // Whoever stops reading would let the process stand still once the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        replica
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

/// A fleet and what is known about it.
struct Fleet {
    sim: Sim,
    server: Server,
    url: String,
    store: Arc<Store>,
    /// Where each cluster answers.
    servers: BTreeMap<String, String>,
    client: reqwest::Client,
}

impl Fleet {
    async fn new() -> Option<Self> {
        let server = Server::start(Options { fsync: false }).unwrap()?;
        let url = server.database().unwrap();
        let store = Arc::new(Store::open(&url.parse().unwrap(), Arc::new(SystemClock)).await.unwrap());
        let count = CLUSTERS.to_string();
        // Whether clusters are healthy afterwards is the story of others: nobody waits for it here.
        let policy = "kind: FleetPolicy\nhealth: {checkTime: 0s, checkTimes: []}\n";
        let sim = Sim::up(&["--clusters", &count, "--nodes", "0", "--profile", "empty"]);
        std::fs::write(sim.path("policy.yaml"), policy).unwrap();
        let clusters: Vec<_> = (1..=CLUSTERS)
            .map(|n| {
                serde_json::json!({
                    "id": format!("kubeconfig:{}:here:sim-{n}", n % 4), "alias": format!("sim-{n}"), "region": "here",
                    "infrastructure_account": format!("kubeconfig:{}", n % 4), "local_id": format!("sim-{n}"),
                    "provider": "kubeconfig", "api_server_url": format!("https://sim-{n}.example.org"), "channel": "dev",
                    "environment": "test", "criticality_level": 1, "lifecycle_status": "ready", "node_pools": [],
                    "config_items": {"fleetwright_manage": "true", "kubeconfig_context": format!("sim-{n}")},
                    "status": {"problems": []},
                })
            })
            .collect();
        let document = serde_json::json!({"infrastructure_accounts": [], "clusters": clusters});
        let document: FileRegistry = serde_json::from_value(document).unwrap();
        let context = WriteContext::by("test", "request-1");
        store.import(document, ImportMode::Create, &context).await.unwrap();
        let list: serde_json::Value = serde_json::from_str(&sim.ok(&["sim", "list", "-o", "json"])).unwrap();
        let servers = list["items"][0]["clusters"].as_array().unwrap().iter().zip(1..);
        let servers = servers.map(|(one, n)| (format!("sim-{n}"), one["server"].as_str().unwrap().to_owned()));
        Some(Self {
            servers: servers.collect(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            sim,
            server,
            url,
            store,
        })
    }

    /// The next version: objects each of which changes with it.
    fn commit(&self, level: u32) {
        let tree = self.sim.path("tree/cluster");
        std::fs::create_dir_all(tree.join("manifests/web")).unwrap();
        std::fs::write(tree.join("cluster.yaml"), "Resources: {}\n").unwrap();
        let maps: Vec<String> = (0..OBJECTS)
            .map(|n| {
                format!(
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{n}, namespace: default}}\ndata: {{level: '{level}'}}\n"
                )
            })
            .collect();
        // In one write, so that nobody reads half of it.
        let text = maps.join("---\n");
        let path = tree.join("manifests/web/maps.yaml");
        std::fs::write(path.with_extension("new"), text).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    }

    /// The configuration that each cluster has, and whether anything is wrong or under way.
    async fn standing(&self) -> BTreeMap<String, (String, bool)> {
        let filter = ClusterFilter::default();
        let listed = match self
            .store
            .list_clusters(&filter, Detail::Full, &PageRequest::all())
            .await
        {
            Ok(listed) => listed,
            // The database restarts.
            Err(_) => return BTreeMap::new(),
        };
        let one = |found: ports::registry::Versioned<model::Cluster>| {
            let status = found.object.status;
            let quiet = status.next_version.is_empty() && status.problems.is_empty();
            (found.object.alias.to_string(), (status.current_version, quiet))
        };
        listed.items.into_iter().map(one).collect()
    }

    /// Waits until this many clusters have left the versions of before and are quiet; answers how long it took.
    async fn moved(&self, before: &BTreeMap<String, (String, bool)>, count: usize) -> Duration {
        let began = SystemClock.now();
        loop {
            let now = self.standing().await;
            let moved = |(alias, (version, quiet)): &(&String, &(String, bool))| {
                let was = before
                    .get(*alias)
                    .map(|(version, _)| version.as_str())
                    .unwrap_or_default();
                *quiet && !version.is_empty() && version.as_str() != was
            };
            if now.iter().filter(moved).count() >= count {
                return SystemClock.now().duration_since(began).unsigned_abs();
            }
            let waited = SystemClock.now().duration_since(began).unsigned_abs();
            assert!(waited < MOST, "after {waited:?}: {now:#?}");
            SystemClock.sleep(Duration::from_millis(100)).await;
        }
    }

    /// Every cluster has had exactly so many updates, each of which was done and is closed.
    async fn updates(&self, each: usize) {
        let filter = EntryFilter::of(EntryKind::update());
        let began = SystemClock.now();
        let entries = loop {
            let entries = self.store.list_entries(&filter, &PageRequest::all()).await.unwrap();
            // The registry tells of a new version a moment before the record of the update is closed.
            let Some(open) = entries.items.iter().find(|entry| entry.open) else {
                break entries;
            };
            let waited = SystemClock.now().duration_since(began).unsigned_abs();
            assert!(waited < MOST, "update {} is still open: {}", open.id, open.body);
            SystemClock.sleep(Duration::from_millis(100)).await;
        };
        let mut by_cluster: BTreeMap<String, Vec<Update>> = BTreeMap::new();
        for entry in entries.items {
            let update = serde_json::from_value(entry.body).unwrap();
            by_cluster
                .entry(entry.cluster.unwrap().to_string())
                .or_default()
                .push(update);
        }
        assert_eq!(by_cluster.len(), CLUSTERS);
        for (cluster, updates) in by_cluster {
            let done = updates
                .iter()
                .filter(|update| update.progress == Progress::Done)
                .count();
            let versions: std::collections::BTreeSet<&str> = updates.iter().map(|update| update.to.as_str()).collect();
            assert_eq!(
                (done, updates.len(), versions.len()),
                (each, each, each),
                "{cluster}: {updates:#?}"
            );
        }
    }

    /// Waits until nobody works on anything: a pass that looks at a cluster once more may hold it for a moment.
    async fn released(&self) {
        let began = SystemClock.now();
        loop {
            let held = self.store.list("lifecycle/").await.unwrap();
            if held.is_empty() {
                return;
            }
            let waited = SystemClock.now().duration_since(began).unsigned_abs();
            assert!(waited < MOST, "still held after {waited:?}: {held:#?}");
            SystemClock.sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_replicas_is_killed_in_mid_wave_and_nothing_is_lost_or_done_twice() {
    let Some(fleet) = Fleet::new().await else { return };
    fleet.commit(1);
    let mut replicas: Vec<Replica> = (0..3).map(|_| Replica::start(&fleet.sim, &fleet.url)).collect();
    let nothing = BTreeMap::new();
    println!(
        "{CLUSTERS} clusters at their first version after {:?}",
        fleet.moved(&nothing, CLUSTERS).await
    );

    // Killed while it is half through a cluster of a wave of which some clusters are done and some have not begun.
    let mut commits = 1;
    let (caught, before, versions) = loop {
        let (before, versions) = (fleet.standing().await, fleet.versions().await);
        commits += 1;
        assert!(commits < 20, "no replica was met in mid-wave");
        fleet.commit(commits);
        if let Some(caught) = fleet.catch(&replicas, &before).await {
            break (caught, before, versions);
        }
    };
    replicas.remove(caught.victim).child.kill().unwrap();
    let (taken, done) = fleet.taken_over(&caught).await;
    println!(
        "kill -9: {caught}; another one has it {taken:?} later and is done with it {done:?} later; a lease lasts 30 s"
    );
    println!(
        "every cluster has its version {:?} after that",
        fleet.moved(&before, CLUSTERS).await
    );
    fleet.updates(commits as usize).await;
    fleet.changed_once(&versions).await;

    // The database restarts in the middle of the next one.
    let before = fleet.standing().await;
    fleet.commit(commits + 1);
    fleet.moved(&before, 1).await;
    fleet.server.crash().unwrap();
    // The processes of the one that was killed hold its memory for a moment.
    let mut tries = 0;
    while let Err(error) = fleet.server.run() {
        tries += 1;
        assert!(tries < 50, "{error}");
    }
    println!(
        "database restarted in mid-update: all done {:?} later",
        fleet.moved(&before, CLUSTERS).await
    );

    // Told to stop in the middle of one more, with another one that starts.
    let before = fleet.standing().await;
    let _third = Replica::start(&fleet.sim, &fleet.url);
    fleet.commit(commits + 2);
    fleet.moved(&before, 1).await;
    let mut stopping = replicas.remove(0);
    stopping.signal("-TERM");
    let status = stopping.child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    println!(
        "SIGTERM in mid-update: all done {:?} later",
        fleet.moved(&before, CLUSTERS).await
    );
    fleet.updates(commits as usize + 2).await;
    fleet.released().await;
    fleet.store.close().await;
}
