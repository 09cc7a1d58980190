//! Waves through the real manager: a fleet of four channels on simulated clusters and simulated time.

mod acts;
mod entries;
mod fleet;
mod replicas;
mod stories;
mod verdicts;
