//! The controllers together: stories that a real cluster tells as well.

mod bench;
mod rollouts;
mod stories;
