//! Tests of the public interface, one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod facts;
mod incremental;
mod mutations;
mod oracle;
mod pools;
mod properties;
mod random;
mod sentences;
mod simulation;
mod stateful;
mod support;
