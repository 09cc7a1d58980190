//! How soon simulated clusters answer: what `cargo bench -p fleetwright --bench sim_up` prints.
//!
//! Each run starts the shipped binary with `sim up`, reads its greeting, and asks every cluster for its nodes: over HTTP, and
//! with kubectl where it is installed. The medians of `FLEETWRIGHT_BENCH_RUNS` (5) runs are printed. Nothing is asserted.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints figures of the real clock"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// What is asked for: a name for the figures, and the arguments.
const CASES: [(&str, &[&str]); 3] = [
    ("3 clusters x 5 nodes, shop", &["--clusters", "3", "--nodes", "5"]),
    (
        "3 clusters x 5 nodes, zalando on the cloud",
        &["--clusters", "3", "--nodes", "5", "--profile", "zalando"],
    ),
    ("50 clusters x 8 nodes, shop", &["--clusters", "50", "--nodes", "8"]),
];

/// How long after the start something was there.
#[derive(Debug, Default)]
struct Times {
    greeting: Vec<Duration>,
    answers: Vec<Duration>,
    kubectl: Vec<Duration>,
}

/// Ends the simulation whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> anyhow::Result<()> {
    let runs = std::env::var("FLEETWRIGHT_BENCH_RUNS").ok();
    let runs: usize = runs.and_then(|text| text.parse().ok()).unwrap_or(5);
    let cores = std::thread::available_parallelism()?;
    println!("{cores} cores, median of {runs} runs, from the start of the process");
    for (name, args) in CASES {
        let mut times = Times::default();
        for _ in 0..runs {
            run(args, &mut times)?;
        }
        println!("{name}:");
        print("greeting", &mut times.greeting);
        print("all APIs have answered", &mut times.answers);
        print("kubectl has answered", &mut times.kubectl);
    }
    Ok(())
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort();
    match times.get(times.len() / 2) {
        Some(median) => println!("  {what:<24}{:>8.0} ms", median.as_secs_f64() * 1000.0),
        None => println!("  {what:<24}kubectl is not installed"),
    }
}

fn run(args: &[&str], times: &mut Times) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetwright"));
    command.env_clear().env("HOME", home.path()).current_dir(home.path());
    command
        .args(["sim", "up", "--seed", "7", "--kubeconfig", "kubeconfig"])
        .args(args);
    let mut child = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
    let out = child.0.stdout.take().context("standard output")?;
    let mut servers = Vec::new();
    for line in BufReader::new(out).lines() {
        let line = line?;
        servers.extend(
            line.split_whitespace()
                .find(|word| word.starts_with("http://"))
                .map(str::to_owned),
        );
        if line.starts_with("fleetwright sim fault") {
            break;
        }
    }
    times.greeting.push(start.elapsed());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    runtime.block_on(async {
        for server in &servers {
            let nodes = client.get(format!("{server}/api/v1/nodes")).send().await?;
            nodes.error_for_status()?.bytes().await?;
        }
        anyhow::Ok(())
    })?;
    times.answers.push(start.elapsed());
    if kubectl(home.path())? {
        times.kubectl.push(start.elapsed());
    }
    Ok(())
}

/// Whether kubectl is there; it has listed the nodes of the first cluster then.
fn kubectl(home: &Path) -> anyhow::Result<bool> {
    let mut command = Command::new("kubectl");
    command.env_remove("KUBECONFIG").env("HOME", home).current_dir(home);
    command.args(["--kubeconfig=kubeconfig", "get", "nodes"]);
    match command.stdout(Stdio::null()).status() {
        Ok(status) => {
            anyhow::ensure!(status.success(), "kubectl get nodes: {status}");
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}
