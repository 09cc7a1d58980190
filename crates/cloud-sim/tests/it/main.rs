//! The simulated cloud seen through its port.
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
