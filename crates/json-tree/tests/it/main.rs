//! Trees held against those of serde_json: whatever is read, looked at, changed or written is the same with both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod any;
mod changes;
mod conversions;
mod looks;
mod macros;
mod maps;
mod sharing;
mod texts;
