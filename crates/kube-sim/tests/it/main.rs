//! The server as its clients see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod admission;
mod client;
mod crud;
mod cuts;
mod definitions;
mod deletion;
mod eviction;
mod faults;
mod fixture;
mod http;
mod kubectl;
mod model;
mod rbac;
mod support;
mod transcripts;
mod watching;
mod wire;
