//! Tests of the control on simulated clusters and clouds, on a paused clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod facts;
mod fleet;
mod health;
mod lab;
mod notices;
