//! Plans of clusters and fleets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod build;
mod clusters;
mod fleets;
mod forecasts;
mod ids;
mod pools;
mod reports;
