//! The server as its clients see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod client;
mod crud;
mod definitions;
mod deletion;
mod eviction;
mod fixture;
mod http;
mod kubectl;
mod model;
mod support;
mod transcripts;
mod watching;
