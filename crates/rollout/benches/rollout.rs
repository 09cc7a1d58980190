//! A rollout over many nodes under the production policy, in simulated time: engine, cluster and cloud in one process.
//! `NODES` and `PODS` say how large (1,000 nodes with 30 pods each are the aim).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lab of the tests, and figures for people"
)]

#[path = "../tests/it/guard.rs"]
mod guard;
#[path = "../tests/it/lab.rs"]
mod lab;
#[path = "../tests/it/ledger.rs"]
mod ledger;

use disruption::Environment;

fn main() {
    divan::main();
}

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn whole_pool() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (nodes, pods) = (number("NODES", 100), number("PODS", 30));
        let options = lab::Options {
            environment: Environment::Production,
            watched: false,
            ..lab::Options::new(1, nodes)
        };
        let mut lab = lab::Lab::new(&options).await;
        for app in 0..nodes / 2 {
            let name = format!("app-{app}");
            lab.deployment(&name, pods * 2).await;
            lab.budget(&name, pods / 5).await;
        }
        lab.pass(600).await;
        lab.start_engine(None);
        lab.new_definition("workers").await;
        let hours = lab.rolled("workers", 24 * 30).await;
        let counts = lab.handle().counts().await.unwrap();
        println!(
            "{nodes} nodes, {} pods: {hours:.1} simulated hours, {counts:?}, calls {:?}",
            nodes * pods,
            lab.access.counts()
        );
    });
}
