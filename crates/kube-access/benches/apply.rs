//! One cluster and a real platform repository: the first pass, passes that change nothing, and kubectl beside them.
//!
//! `cargo bench -p kube-access`. Without the fixture nothing is measured; without kubectl its rows are left out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark"
)]

use std::path::PathBuf;
use std::sync::Arc;

use kube_access::apply::{Applier, ApplyPlan, Component, Memory, Observation, Policy};
use kube_access::applyset::ApplySet;
use kube_access::{Access, Context, Endpoint, Rate};
use kube_sim::{AllowAllWebhooks, ApiServer, Webhooks, serve};
use ports::{SeededIds, SystemClock};
use serde_json::Value;
use tokio::runtime::Runtime;

fn main() {
    if fixture().is_none() {
        println!("the fixture is not there: nothing to measure");
        return;
    }
    divan::main();
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/kubernetes-on-aws/normalised/manifests")
}

fn entries(folder: &PathBuf) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

fn fixture() -> Option<Vec<Component>> {
    let root = folder();
    if !root.is_dir() {
        return None;
    }
    let component = |folder: PathBuf| {
        let texts = entries(&folder)
            .into_iter()
            .map(|path| std::fs::read_to_string(path).unwrap());
        let documents = texts.flat_map(|text| yaml::load_documents(&text, &yaml::Options::manifests()).unwrap());
        let objects = documents.map(|document| document.value).filter(Value::is_object);
        Component::new(folder.file_name().unwrap().to_str().unwrap(), objects)
    };
    Some(
        entries(&root)
            .into_iter()
            .filter(|path| path.is_dir())
            .map(component)
            .collect(),
    )
}

fn server() -> ApiServer {
    ApiServer::builder(Arc::new(SystemClock), Arc::new(SeededIds::new(7)))
        .admission(Arc::new(Webhooks::new(Arc::new(AllowAllWebhooks))))
        .build()
}

/// No budget: what is measured is the work, not the politeness.
fn context() -> Context {
    let mut context = Context::new("bench", Arc::new(SystemClock), Arc::new(SeededIds::new(1)));
    context.settings.rate = Rate {
        per_second: 0,
        burst: 0,
    };
    context
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// A cluster over HTTP on loopback.
async fn over_http() -> (Access, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(server(), listener, None, std::future::pending()));
    let endpoint = Endpoint {
        url: url.clone(),
        token: None,
        certificate_authority: None,
    };
    (Access::from_token(context(), &endpoint).unwrap(), url)
}

fn in_process() -> Access {
    Access::from_service(context(), server())
}

struct Cluster {
    applier: Applier,
    plan: ApplyPlan,
    memory: Memory,
    observation: Option<Observation>,
}

impl Cluster {
    async fn new(access: Access, components: &[Component]) -> Self {
        let applier = Applier::new(access, ApplySet::default()).policy(Policy {
            concurrency: 16,
            ..Policy::default()
        });
        let plan = applier.plan(components).await.unwrap();
        Self {
            applier,
            plan,
            memory: Memory::default(),
            observation: None,
        }
    }

    async fn pass(&mut self, observation: Option<Observation>) -> u64 {
        let pass = self
            .applier
            .apply(&self.plan, &mut self.memory, observation)
            .await
            .unwrap();
        assert!(pass.report.is_good(), "{}", pass.report);
        self.observation = Some(pass.observation);
        pass.report.calls.total()
    }
}

#[divan::bench(args = ["in process", "over HTTP"], sample_count = 5, sample_size = 1)]
fn first_pass(bencher: divan::Bencher<'_, '_>, way: &str) {
    let (runtime, components) = (runtime(), fixture().unwrap());
    bencher
        .with_inputs(|| {
            runtime.block_on(async {
                let access = if way == "in process" {
                    in_process()
                } else {
                    over_http().await.0
                };
                Cluster::new(access, &components).await
            })
        })
        .bench_local_values(|mut cluster| runtime.block_on(async { cluster.pass(None).await }));
}

#[divan::bench(args = ["watched", "warm", "cold", "warm over HTTP", "cold over HTTP"], sample_count = 20, sample_size = 1)]
fn nothing_changed(bencher: divan::Bencher<'_, '_>, way: &str) {
    let (runtime, components) = (runtime(), fixture().unwrap());
    let mut cluster = runtime.block_on(async {
        let access = if way.ends_with("HTTP") {
            over_http().await.0
        } else {
            in_process()
        };
        let mut cluster = Cluster::new(access, &components).await;
        cluster.pass(None).await;
        cluster.pass(None).await;
        cluster
    });
    let (mut calls, observation) = (0, cluster.observation.clone());
    bencher.bench_local(|| {
        if way.starts_with("cold") {
            cluster.memory = Memory::default();
        }
        let seen = observation.clone().filter(|_| way == "watched");
        calls = runtime.block_on(async { cluster.pass(seen).await });
    });
    println!("{way}: {calls} calls a pass");
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn plan(bencher: divan::Bencher<'_, '_>) {
    let (runtime, components) = (runtime(), fixture().unwrap());
    let cluster = runtime.block_on(async { Cluster::new(in_process(), &components).await });
    bencher.bench_local(|| runtime.block_on(async { cluster.applier.plan(&components).await.unwrap().steps.len() }));
}

/// The same manifests with kubectl; the first pass twice, because one does not get everything in.
#[divan::bench(args = ["first pass", "nothing changed"], sample_count = 3, sample_size = 1)]
fn kubectl_server_side(bencher: divan::Bencher<'_, '_>, case: &str) {
    let present = std::process::Command::new("kubectl")
        .args(["version", "--client"])
        .output()
        .is_ok();
    if !present {
        println!("kubectl is not installed: left out");
        return;
    }
    let runtime = runtime();
    let home = tempfile::tempdir().unwrap();
    let run = |url: &str| {
        let manifests = folder();
        let arguments = [
            "apply",
            "--server-side",
            "-R",
            "-f",
            manifests.to_str().unwrap(),
            "--server",
            url,
        ];
        let mut command = std::process::Command::new("kubectl");
        command
            .args(arguments)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap());
        command.output().unwrap()
    };
    let fresh = || runtime.block_on(async { over_http().await.1 });
    if case == "first pass" {
        bencher
            .with_inputs(fresh)
            .bench_local_values(|url| (run(&url), run(&url)));
    } else {
        let url = fresh();
        run(&url);
        run(&url);
        let last = run(&url);
        assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
        bencher.bench_local(|| run(&url));
    }
}
