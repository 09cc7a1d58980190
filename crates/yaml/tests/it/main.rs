//! Tests of the public interface, one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod diffing;
mod fixture;
mod kubectl;
mod loading;
mod printing;
mod properties;
mod strict;
