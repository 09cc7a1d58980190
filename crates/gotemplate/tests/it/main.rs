//! Tests through the public interface.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod data;
mod facts;
mod fixture;
mod golden;
mod limits;
mod objects;
mod properties;
mod reads;
mod second_opinion;
