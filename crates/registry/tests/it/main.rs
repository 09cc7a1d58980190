//! The server in process: every operation, every refusal, access, feed, document, connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod access;
mod acts;
mod approvals;
mod channels;
mod conditions;
mod connections;
mod document;
mod feed;
mod ledger;
mod operations;
mod refusals;
mod support;
mod transfer;
