//! A fleet under the lifecycle manager: how long from a commit to all clusters updated, what a pass costs that changes nothing,
//! what it all takes of memory, what a plan over the fleet costs, and one cluster beside kubectl.
//!
//! `cargo bench -p lifecycle`; figures are of this machine. With the large fixture beside the workspace, 150 clusters and the
//! comparison use it; 1,000 clusters use a small tree. Without kubectl its rows are left out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark: it measures real time and prints what it found"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use git_source::{DirectoryIds, DirectorySource, TreeOptions};
use jiff::Timestamp;
use kube_access::{Access, Context, Endpoint, Rate};
use kube_sim::{AllowAllWebhooks, ApiServer, Webhooks, serve};
use lifecycle::connect::{CloudSource, Connector, FactSource, Trouble};
use lifecycle::queue::Limits;
use lifecycle::{Configuration, Manager, Pace, Reach, Settings, Standing};
use model::{Cluster, LifecycleStatus};
use ports::cloud::Cloud;
use ports::config_source::{ConfigSources, SourceName};
use ports::{Clock, Registry, SeededIds, SimClock, SystemClock, WriteContext};
use render::{Config, Facts, FactsFile, Fold, Input, Renderer, Source, diff};
use store::MemoryRegistry;
use tempfile::TempDir;

/// The allocator that the binary has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // A run of the tests builds and starts benchmarks as well; figures are for those who ask for them.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let large = fixture();
    match &large {
        Some(tree) => fleet("the fixture tree", 150, tree),
        None => println!("the fixture is not there: 150 clusters run on the small tree"),
    }
    fleet("a small tree", 150, &small());
    fleet("a small tree", 1_000, &small());
    fleet_plan(&large.unwrap_or_else(small));
    if let Some(tree) = fixture() {
        one_cluster(&tree);
    }
}

/// A configuration tree on disk, the entry that its clusters are made after, and what is known about them.
struct Tree {
    dir: TempDir,
    entry: Cluster,
    facts: Facts,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            // Read and written, so that links become files and nothing is read-only.
            std::fs::write(target, std::fs::read(&path).unwrap()).unwrap();
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn facts() -> Facts {
    let text = std::fs::read_to_string(root().join("examples/fleet/facts.yaml")).unwrap_or_default();
    let known = FactsFile::parse(&text).map(|file| file.defaults).unwrap_or_default();
    Facts {
        simulated: true,
        ..known
    }
}

fn fixture() -> Option<Tree> {
    let folder = root().join("../shared/fixtures/kubernetes-on-aws");
    if !folder.is_dir() {
        return None;
    }
    let dir = TempDir::new().unwrap();
    copy(&folder.join("tree/cluster"), &dir.path().join("cluster"));
    let text = std::fs::read_to_string(folder.join("registry.yaml")).unwrap();
    let document = yaml::load_value(&text, &yaml::Options::manifests()).unwrap();
    let registry: model::FileRegistry = serde_json::from_value(document.value).unwrap();
    Some(Tree {
        dir,
        entry: registry.clusters.into_iter().next().unwrap().cluster,
        facts: facts(),
    })
}

/// Four components with five objects each.
fn small() -> Tree {
    let dir = TempDir::new().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join("cluster").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("cluster.yaml", "Resources: {}\n");
    write("config-defaults.yaml", "replicas: 2\n");
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n";
    write("manifests/00-base/namespace.yaml", namespace);
    for component in ["a", "b", "c", "d"] {
        for n in 0..5 {
            let text = format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {component}-{n}, namespace: web}}\ndata: {{level: '0', of: '{{{{ .Cluster.ID }}}}'}}\n"
            );
            write(&format!("manifests/{component}/m{n}.yaml"), &text);
        }
    }
    let entry = serde_json::json!({
        "id": "aws:1:eu-central-1:kube-0", "alias": "kube-0", "infrastructure_account": "aws:1",
        "region": "eu-central-1", "local_id": "kube-0", "provider": "simulated",
        "api_server_url": "https://kube-0.example.org", "channel": "dev", "environment": "test",
        "criticality_level": 1, "lifecycle_status": "ready",
    });
    Tree {
        dir,
        entry: serde_json::from_value(entry).unwrap(),
        facts: facts(),
    }
}

impl Tree {
    fn clusters(&self, count: usize) -> Vec<Cluster> {
        let one = |n: usize| Cluster {
            id: format!("aws:123456789012:eu-central-1:kube-{n}").parse().unwrap(),
            alias: format!("kube-{n}").parse().unwrap(),
            // Accounts hold a few clusters each, as real ones do.
            infrastructure_account: format!("aws:{:012}", n / 4).parse().unwrap(),
            local_id: format!("kube-{n}"),
            lifecycle_status: LifecycleStatus::Ready,
            ..self.entry.clone()
        };
        (0..count).map(one).collect()
    }

    fn source(&self) -> Arc<DirectorySource> {
        let name = SourceName::new("main").unwrap();
        let path = self.dir.path().to_owned();
        Arc::new(DirectorySource::new(
            name,
            path,
            DirectoryIds::Content,
            TreeOptions::default(),
        ))
    }

    /// Adds text to one manifest: a comment, which changes no object, or an annotation, which changes one.
    fn commit(&self, text: &str) {
        let manifests = self.dir.path().join("cluster/manifests");
        let mut files = Vec::new();
        collect(&manifests, &mut files);
        let chosen = files.iter().find(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            text.contains("kind: ConfigMap") && !text.contains("---") && text.contains("\ndata:")
        });
        let path = chosen.unwrap();
        let mut content = std::fs::read_to_string(path).unwrap();
        content.push_str(text);
        std::fs::write(path, content).unwrap();
    }

    /// Another object.
    fn add(&self, name: &str) {
        let path = self.dir.path().join("cluster/manifests/zz-bench");
        std::fs::create_dir_all(&path).unwrap();
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\n");
        std::fs::write(path.join(format!("{name}.yaml")), text).unwrap();
    }
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, out);
        } else {
            out.push(path);
        }
    }
}

/// Clusters without a cloud: what is measured is manifests.
struct Around {
    access: BTreeMap<String, Access>,
    facts: Arc<Facts>,
}

#[async_trait]
impl Connector for Around {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        Ok(self.access[cluster.alias.as_str()].clone())
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
        Ok(Arc::clone(&self.facts))
    }
}

/// Processor time of this process.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    // Ticks of ten milliseconds, as Linux has them on every common machine.
    Duration::from_millis(fields.iter().sum::<u64>() * 10)
}

/// Resident memory of this process in MiB.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4 / 1_024
}

struct Measured {
    wall: Duration,
    processor: Duration,
}

async fn measure<T>(work: impl Future<Output = T>) -> (T, Measured) {
    let (began, before) = (Instant::now(), processor());
    let done = work.await;
    let measured = Measured {
        wall: began.elapsed(),
        processor: processor().saturating_sub(before),
    };
    (done, measured)
}

fn server(clock: Arc<dyn Clock>, seed: u64) -> ApiServer {
    ApiServer::builder(clock, Arc::new(SeededIds::new(seed)))
        .admission(Arc::new(Webhooks::new(Arc::new(AllowAllWebhooks))))
        .build()
}

struct Fleet {
    reach: Arc<Reach>,
    access: BTreeMap<String, Access>,
}

impl Fleet {
    async fn new(tree: &Tree, clock: Arc<dyn Clock>, access: BTreeMap<String, Access>) -> Self {
        let registry = Arc::new(MemoryRegistry::new(clock.clone()));
        for cluster in tree.clusters(access.len()) {
            let context = WriteContext::by("bench", "setup");
            registry.create_cluster(cluster, &context).await.unwrap();
        }
        let around = Arc::new(Around {
            access: access.clone(),
            facts: Arc::new(tree.facts.clone()),
        });
        let reach = Reach {
            registry: registry.clone(),
            ledger: registry,
            configuration: Configuration::new(ConfigSources::new(vec![tree.source()]).unwrap()),
            connector: around.clone(),
            clouds: around.clone(),
            facts: around,
            clock,
            ids: Arc::new(SeededIds::new(7)),
            settings: Settings::default(),
        };
        Self {
            reach: Arc::new(reach),
            access,
        }
    }

    fn calls(&self) -> u64 {
        self.access.values().map(|access| access.counts().total()).sum()
    }

    fn writes(&self) -> u64 {
        self.access.values().map(|access| access.counts().writes()).sum()
    }

    /// One look at everything by a manager that knows nothing.
    async fn pass(&self, what: &str) {
        let pace = Pace {
            limits: Limits {
                fleet: 20,
                ..Limits::default()
            },
            ..Pace::default()
        };
        let (calls, writes) = (self.calls(), self.writes());
        let manager = Manager::new(Arc::clone(&self.reach), pace);
        let (standing, measured) = measure(manager.run_once()).await;
        let standing = standing.unwrap();
        let bad = standing.iter().find(|(_, one)| !matches!(one, Standing::AsWanted(_)));
        assert!(bad.is_none(), "{bad:?}");
        println!(
            "  {what}: {:.2} s, {:.2} s of processor, {} calls, {} writes, {} MiB resident",
            measured.wall.as_secs_f64(),
            measured.processor.as_secs_f64(),
            self.calls() - calls,
            self.writes() - writes,
            resident(),
        );
    }
}

/// A fleet from nothing to updated, and passes that change nothing.
fn fleet(name: &str, count: usize, tree: &Tree) {
    println!("{count} clusters, {name}:");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SimClock::starting_at(start));
        let before = resident();
        let access = (0..count).map(|n| {
            let seed = u64::try_from(n).unwrap();
            let context = Context::new("bench", clock.clone(), Arc::new(SeededIds::new(seed + 5_000)));
            let access = Access::from_service(context, server(clock.clone(), seed));
            (format!("kube-{n}"), access)
        });
        let fleet = Fleet::new(tree, clock.clone(), access.collect()).await;
        println!("  empty clusters: {} MiB", resident().saturating_sub(before));
        fleet.pass("first commit to all updated").await;
        fleet.pass("nothing new").await;
        tree.add("bench-one");
        fleet.pass("a commit with one object more to all updated").await;
        tree.commit("# a comment\n");
        fleet.pass("a commit that changes no object").await;
        println!("  fleet with its clusters: {} MiB", resident().saturating_sub(before));
    });
}

fn input(tree: &Tree, cluster: Cluster, config: &Config) -> Input {
    Input::new(Arc::new(cluster), config.clone(), Arc::new(tree.facts.clone()))
}

/// What a plan over 150 clusters costs: both versions rendered and compared, equal changes folded.
fn fleet_plan(tree: &Tree) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let read = || {
        runtime.block_on(async {
            let sources = ConfigSources::new(vec![tree.source()]).unwrap();
            sources.refresh().await;
            let channel = ports::config_source::Channel::new("dev").unwrap();
            let version = sources.resolve(&channel, &Default::default()).await.unwrap();
            let trees = sources.trees(&version).await.unwrap();
            let sources = trees.into_iter().map(|tree| Source {
                name: tree.source.to_string(),
                tree: tree.tree,
            });
            Config::new(sources.collect())
        })
    };
    let clusters = tree.clusters(150);
    let plan = |renderer: &Renderer, before: &Config, after: &Config| {
        let mut fold = Fold::default();
        for cluster in &clusters {
            let old = renderer.render(&input(tree, cluster.clone(), before)).desired;
            let new = renderer.render(&input(tree, cluster.clone(), after)).desired;
            fold.add(cluster.alias.as_str(), &diff(&old, &new));
        }
    };
    println!("plan over 150 clusters:");
    let renderer = Renderer::new();
    let before = read();
    tree.commit("# one more comment\n");
    tree.add("bench-two");
    let after = read();
    let began = (Instant::now(), processor());
    plan(&renderer, &before, &after);
    let told = |what: &str, began: (Instant, Duration)| {
        let spent = processor().saturating_sub(began.1).as_secs_f64();
        println!(
            "  {what}: {:.2} s, {spent:.2} s of processor",
            began.0.elapsed().as_secs_f64()
        );
    };
    told("cold", began);
    let before = after;
    tree.add("bench-three");
    let after = read();
    let began = (Instant::now(), processor());
    plan(&renderer, &before, &after);
    told("after a change of one file", began);
}

/// One cluster over HTTP: the manager from the tree, and kubectl from the rendered manifests.
fn one_cluster(tree: &Tree) {
    println!("one cluster over HTTP on loopback, the fixture tree:");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let serve_one = || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let server = server(Arc::new(SystemClock), 7);
            tokio::spawn(serve(server, listener, None, std::future::pending()));
            url
        })
    };
    let url = serve_one();
    let ours = runtime.block_on(async {
        let mut context = Context::new("bench", Arc::new(SystemClock), Arc::new(SeededIds::new(1)));
        // No budget: what is measured is the work, not the politeness.
        context.settings.rate = Rate {
            per_second: 0,
            burst: 0,
        };
        let endpoint = Endpoint {
            url,
            token: None,
            certificate_authority: None,
        };
        let access = Access::from_token(context, &endpoint).unwrap();
        let clock = Arc::new(SystemClock);
        let fleet = Fleet::new(tree, clock, BTreeMap::from([("kube-0".to_owned(), access)])).await;
        let began = Instant::now();
        fleet.pass("lifecycle, first pass").await;
        let first = began.elapsed();
        tree.commit("# yet another comment\n");
        let began = Instant::now();
        fleet.pass("lifecycle, nothing changed").await;
        (first, began.elapsed())
    });
    let manifests = root().join("../shared/fixtures/kubernetes-on-aws/normalised/manifests");
    let home = TempDir::new().unwrap();
    let kubectl = |url: &str| {
        let began = Instant::now();
        let output = std::process::Command::new("kubectl")
            .args([
                "apply",
                "--server-side",
                "-R",
                "-f",
                manifests.to_str().unwrap(),
                "--server",
                url,
            ])
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .output();
        output.ok().map(|_| began.elapsed())
    };
    let url = serve_one();
    let (Some(one), Some(two)) = (kubectl(&url), kubectl(&url)) else {
        println!("  kubectl is not installed: left out");
        return;
    };
    let Some(again) = kubectl(&url) else { return };
    let (first, seconds) = (one + two, Duration::as_secs_f64);
    println!(
        "  kubectl, first pass (two runs, for one does not get everything in): {:.2} s",
        seconds(&first)
    );
    println!("  kubectl, nothing changed: {:.2} s", seconds(&again));
    println!(
        "  ratio: {:.1} in the first pass, {:.1} when nothing changed",
        seconds(&first) / seconds(&ours.0),
        seconds(&again) / seconds(&ours.1)
    );
}
