//! Fleets as their users see them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod settled;
mod support;
