//! The controllers against a simulated cluster that lives, on simulated time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod lab;
mod leading;
mod lifecycle;
mod readiness;
