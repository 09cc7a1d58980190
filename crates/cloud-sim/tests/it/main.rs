//! The simulated cloud seen through its port.
//!
//! Tests that begin with a sentence about fakes are there because common fakes of AWS do it wrong. What such fakes lack and the
//! port has no use for is absent here as well: instance refresh, instance metadata, prices.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod calls;
mod fixture;
mod groups_like_aws;
mod lab;
mod seeds;
mod services_like_aws;
mod stack_life;
mod stacks_like_aws;
