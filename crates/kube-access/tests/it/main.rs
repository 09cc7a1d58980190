//! Everything against a simulated cluster in process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod applying;
mod deleting;
mod faults;
mod fixture;
mod kubectl;
mod nodes;
mod pruning;
mod support;
mod watching;
