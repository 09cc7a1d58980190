//! The pages over a registry in memory: what they show, what they refuse, what they change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod access;
mod blocks;
mod lists;
mod support;
mod views;
