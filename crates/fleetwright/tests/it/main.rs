//! The command line through the binary, and the typed client, against servers in this process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod access;
mod applying;
mod approving;
mod blocking;
mod changing;
mod client;
mod config_commands;
mod configuration;
mod getting;
mod help;
mod moving;
mod page;
mod processes;
mod refusals;
mod rehearsing;
mod remote;
mod replicas;
mod server;
mod shadowing;
mod sim;
mod touring;
mod transcript;
mod up;
