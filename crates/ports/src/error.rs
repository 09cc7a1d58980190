//! The two questions that every error answers: whose fault, and does trying again help.

use std::time::Duration;

/// Whose fault an error is; decides who is told and where it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The caller's: a wrong value, a missing object, a missing right.
    User,
    /// The configuration's: a template, a manifest, a config item.
    Config,
    /// The cloud's: capacity, throttling, an outage.
    Cloud,
    /// The cluster's: its API, its webhooks, its nodes.
    Cluster,
    /// Ours: a bug, or a part of ours that is down.
    Us,
}

/// Whether and when trying again makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Retry {
    /// The same call will fail again.
    Never,
    /// At once, after looking again at the state that the call was based on.
    Now,
    /// After this time at the earliest.
    After(Duration),
}

/// Implemented by every public error of an adapter or service.
pub trait Classified: std::error::Error {
    /// Whose fault it is.
    fn fault(&self) -> Fault;

    /// Whether trying again helps.
    fn retry(&self) -> Retry;
}
