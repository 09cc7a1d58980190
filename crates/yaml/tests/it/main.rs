//! Tests of the public interface, one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod diffing;
mod fixture;
mod loading;
mod printing;
mod properties;
mod strict;
