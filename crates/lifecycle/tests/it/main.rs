//! The lifecycle manager on simulated clusters and simulated time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests; one that cannot run here says so"
)]

mod bench;
mod blocks;
mod clouds;
mod drains;
mod e2e;
mod existing;
mod faulty;
mod fixture;
mod health;
mod life;
mod origin;
mod original;
mod promotion;
mod replicas;
mod simulation;
mod spy;
mod takeover;
mod updates;
mod waves;
