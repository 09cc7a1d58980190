//! Rehearsals of a small fleet, end to end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod ends;
mod fleet;
mod pages;
mod real;
mod repeat;
mod rolling;
mod waves;
