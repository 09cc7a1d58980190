//! Tests of the public interface, one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod fixture;
mod support;
