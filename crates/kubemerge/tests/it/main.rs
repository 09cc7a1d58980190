//! Tests of the crate's public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod hostile;
mod laws;
mod oracle;
mod patches;
mod recorded;
mod ssa;
mod structure;
mod table;
