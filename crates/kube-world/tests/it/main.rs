//! Worlds as their users see them: through the API and the machines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod controllers;
mod engine;
mod kubelets;
mod nodes;
mod support;
