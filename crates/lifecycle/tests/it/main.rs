//! The lifecycle manager on simulated clusters and simulated time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bench;
mod blocks;
mod clouds;
mod faulty;
mod oracle;
mod simulation;
mod source;
mod updates;
