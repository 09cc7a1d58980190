//! Everything against a simulated cluster in process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod applying;
mod faults;
mod fixture;
mod pruning;
mod support;
