//! Tests of git and directory sources on repositories made for them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests; one that cannot run here says so"
)]

mod channels;
mod directory;
mod fetching;
mod links;
mod moving;
mod origin;
mod repair;
mod trees;
