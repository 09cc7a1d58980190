//! A shadow beside an original that a script plays, on simulated clusters, clouds and time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod adopting;
mod bench;
mod looking;
mod original;
mod stacks;
mod writing;
