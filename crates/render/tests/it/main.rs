//! Tests of the public interface, one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod documents;
mod examples;
mod fixture;
mod functions;
mod incremental;
mod linting;
mod packed;
mod pools;
mod properties;
mod sources;
mod support;
mod templates;
