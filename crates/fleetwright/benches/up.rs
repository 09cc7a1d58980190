//! What `up` costs a newcomer: `cargo bench -p fleetwright --bench up` prints it for 12 and for 148 clusters.
//!
//! | figure | means |
//! |---|---|
//! | first page | from the start of the process until the fleet page answers 200 |
//! | fleet stands | until it has printed so |
//! | memory | resident set of the whole process, everything simulated in it, when the fleet stands and a minute later |
//! | page | one after another, 300 reads of the fleet page, median and 99th percentile |
//! | idle | share of one core in the last half of that minute, with the demo update under way |
//!
//! `-- build` first builds the binary in an empty target folder and prints how long that took and how large it is; that takes
//! minutes. Nothing is asserted.
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

const CLUSTERS: [&str; 2] = ["12", "148"];
const READS: usize = 300;

/// Ends the fleet whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// A value of `/proc/PID/FILE` in a line that begins with this word.
    fn told(&self, file: &str, word: &str) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.0.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(word));
        let value = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        value.with_context(|| format!("no {word} in {file}"))
    }

    fn resident(&self) -> anyhow::Result<u64> {
        Ok(self.told("status", "VmRSS:")? / 1024)
    }

    /// Processor time so far, in hundredths of a second (the clock tick of `/proc/PID/stat` on Linux).
    fn used(&self) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let (_, fields) = text.rsplit_once(')').context("no name in stat")?;
        let field = |at: usize| fields.split_whitespace().nth(at)?.parse::<u64>().ok();
        field(11)
            .zip(field(12))
            .map(|(user, system)| user + system)
            .context("no times in stat")
    }
}

fn main() -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism()?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{cores} cores, load {}", load.trim());
    if std::env::args().any(|argument| argument == "build") {
        build()?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for clusters in CLUSTERS {
        runtime.block_on(run(clusters))?;
    }
    Ok(())
}

/// The first of the README's commands on a machine that has built nothing yet; the sources of dependencies are there.
fn build() -> anyhow::Result<()> {
    let target = tempfile::tempdir()?;
    let start = Instant::now();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--bin", "fleetwright"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target.path())
        .status()?;
    anyhow::ensure!(built.success(), "the build failed");
    let size = std::fs::metadata(target.path().join("release/fleetwright"))?.len();
    let (took, size) = (start.elapsed().as_secs(), size / 1_048_576);
    println!("first build: {} min {} s, binary of {size} MiB", took / 60, took % 60);
    Ok(())
}

fn start(home: &Path, clusters: &str) -> anyhow::Result<Running> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetwright"));
    command.env_clear().env("HOME", home).current_dir(home);
    // The configuration of the fleet is a git repository.
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.args(["up", "--port", "0", "--data", "data", "--clusters", clusters]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    Ok(Running(child))
}

async fn run(clusters: &str) -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let begin = Instant::now();
    let mut fleet = start(home.path(), clusters)?;
    let mut said = BufReader::new(fleet.0.stdout.take().context("no output")?).lines();
    let mut line = |word: &str| -> anyhow::Result<String> {
        let mut found = said.by_ref().map_while(Result::ok);
        found
            .find(|line| line.contains(word))
            .with_context(|| format!("it never said {word:?}"))
    };
    let told = line("runs at ")?;
    let url = told.split_once("runs at ").map_or("", |(_, url)| url.trim()).to_owned();
    let page = client.get(&url).send().await?.error_for_status()?;
    let size = page.bytes().await?.len();
    let first = begin.elapsed();
    let stands = line(" stand with ")?;
    let stood = begin.elapsed();
    let at_once = fleet.resident()?;

    let (half, whole) = (Duration::from_secs(30), Duration::from_secs(60));
    tokio::time::sleep(half).await;
    let before = fleet.used()?;
    tokio::time::sleep(whole.saturating_sub(half)).await;
    let idle = fleet.used()?.saturating_sub(before);
    let later = fleet.resident()?;

    let mut reads = Vec::with_capacity(READS);
    for _ in 0..READS {
        let begin = Instant::now();
        client.get(&url).send().await?.error_for_status()?.bytes().await?;
        reads.push(begin.elapsed());
    }
    reads.sort();
    let at = |percent: usize| {
        reads
            .get(READS * percent / 100)
            .map_or(0.0, |took| took.as_secs_f64() * 1000.0)
    };
    println!("{}", stands.trim());
    println!(
        "  first page {:.2} s, fleet stands {:.1} s",
        first.as_secs_f64(),
        stood.as_secs_f64()
    );
    println!(
        "  memory {at_once} MiB, a minute later {later} MiB; {} % of a core",
        idle / 30
    );
    println!(
        "  page of {} KiB at first: p50 {:.1} ms, p99 {:.1} ms",
        size / 1024,
        at(50),
        at(99)
    );
    Ok(())
}
