//! The health verdict: is a cluster, some time after an update, at least as well as it was before?
//!
//! Before an update a cluster is observed ([`Observation`], the *baseline*), and again and again after it. What got worse
//! ([`worse`]) and stays so counts; what was wrong before does not. A [`Check`] is the state of one such watch: each look at the
//! cluster is one [`Check::step`], which answers the verdict and when to look next. It starts when the work of an update is
//! done, so nothing is held up by it but what waits for the verdict: the next wave, the gate to the next channel.
//!
//! - `healthy`: nothing was worse for the whole check time without a break. After that the cluster is watched for some
//!   time more, and the verdict can still turn.
//! - `unhealthy`: something got worse, stayed so longer than is tolerated, and the time to settle is over (a Deployment whose
//!   own deadline has passed does not get that time). It turns back when the cluster is healthy for the check time.
//! - `undecided`: something that has to be known cannot be read, as a Prometheus that is down. Neither of the others (V12).
//!
//! Everything here is pure: the objects are given as JSON, times are given.

mod check;
mod compare;
mod condition;
mod read;

pub use check::{Check, Step};
pub use compare::{Worse, missing, worse};
pub use condition::{Condition, ConditionError};
pub use read::{Node, Shortfall, age, node, pending, workload};

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// How one cluster is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// How long a cluster has to be healthy without a break; zero when nothing is checked.
    pub check_time: SignedDuration,
    /// How long workloads may take to become available before anything is held against the update.
    pub settle: SignedDuration,
    /// How long a healthy cluster is watched after the update.
    pub watch: SignedDuration,
    /// How long something may be worse without counting: pods move, nodes come and go.
    pub tolerate: SignedDuration,
    /// Between two looks while it is checked.
    pub interval: SignedDuration,
    /// Between two looks while a healthy cluster is watched.
    pub watch_interval: SignedDuration,
    /// How much slower than before the API may answer, in percent of before.
    pub latency_percent: u64,
    /// An API that answers within this is never slow.
    pub latency_floor: SignedDuration,
    /// How long a node may take to become ready after it came.
    pub young_node: SignedDuration,
    /// How long a pod may be pending.
    pub pending_after: SignedDuration,
    /// How many more pods than before may be pending for longer.
    pub more_pending: usize,
}

impl Default for Rules {
    fn default() -> Self {
        let minutes = SignedDuration::from_mins;
        Self {
            check_time: minutes(5),
            settle: minutes(15),
            watch: SignedDuration::from_hours(2),
            tolerate: minutes(2),
            interval: SignedDuration::from_secs(30),
            watch_interval: minutes(5),
            latency_percent: 300,
            latency_floor: SignedDuration::from_secs(1),
            young_node: minutes(10),
            pending_after: minutes(5),
            more_pending: 5,
        }
    }
}

/// What was seen at one look at a cluster: mostly what is *not* as it should be, so a healthy cluster of any size is a few bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observation {
    /// How long the API took to answer, in milliseconds; the median of a few questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Why the API did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<String>,
    /// Workloads of the applied components that are not as wanted, by `Kind namespace/name`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub workloads: BTreeMap<String, Short>,
    /// Nodes that are not ready and should be, each with its sentence.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<String, String>,
    /// Pods that are pending for too long, each with its sentence.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pending: BTreeMap<String, String>,
    /// What failed each of the custom checks, by check and subject.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, BTreeMap<String, Fails>>,
    /// What could not be read, and why, by what it is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
}

/// A workload that is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Short {
    /// The component that it belongs to.
    pub component: String,
    /// What is short.
    #[serde(flatten)]
    pub shortfall: Shortfall,
}

/// A subject that fails a custom check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fails {
    /// What is wrong, in one sentence.
    pub message: String,
    /// How far beyond its limit a value is; absent for conditions, which hold or do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excess: Option<f64>,
}

#[cfg(test)]
mod tests;
