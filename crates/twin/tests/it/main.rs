//! Fleets as their users see them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod clocks;
mod cloud;
mod driver;
mod joined;
mod repeat;
mod seeds;
mod settled;
mod snapshots;
mod support;
