//! The control endpoint of a running simulation: what is said over it, the side that answers and the side that asks.
//!
//! It speaks JSON over HTTP on the loopback interface, under `/sim/v1`; `docs/simulation.md` describes it.

mod client;
mod server;

use serde::{Deserialize, Serialize};

pub(super) use client::{Target, running};
pub(super) use server::{Facts, router};

/// A simulation, as `GET /sim/v1/simulation` tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SimulationInfo {
    pub(super) pid: u32,
    pub(super) profile: String,
    pub(super) speed: f64,
    pub(super) seed: u64,
    /// When it was started, on the machine's clock.
    pub(super) started: String,
    /// The time in the clusters.
    pub(super) time: String,
    pub(super) kubeconfig: String,
    pub(super) clusters: Vec<ClusterInfo>,
}

/// One of its clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClusterInfo {
    pub(super) name: String,
    pub(super) server: String,
    pub(super) nodes: usize,
    pub(super) ready_nodes: usize,
    pub(super) pods: usize,
    pub(super) ready_pods: usize,
    pub(super) faults: usize,
}

/// What is to be done to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NodeAction {
    Kill,
    Revive,
    Remove,
}

/// Body of `POST /sim/v1/clusters/NAME/nodes/NODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeRequest {
    pub(super) action: NodeAction,
}

/// Body of `POST /sim/v1/clusters/NAME/faults`; what is left out does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct FaultRequest {
    /// As `sim fault api` takes it.
    pub(super) fault: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// A Go duration on the cluster's clock.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub(super) lasts: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) verbs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) resources: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) every: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) chance: Option<f64>,
}

/// A fault in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FaultInfo {
    pub(super) name: String,
    pub(super) fault: String,
    /// Which requests meet it, in words.
    pub(super) requests: String,
    /// Until when on the cluster's clock; for ever without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<String>,
    /// Seconds of the cluster's clock until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seconds_left: Option<i64>,
}

/// Answer of `DELETE /sim/v1/clusters/NAME/faults[/FAULT]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cleared {
    pub(super) cleared: Vec<String>,
}

/// Answer of `POST /sim/v1/clusters/NAME/objects`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Loaded {
    pub(super) objects: usize,
}

/// Body of every refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) error: String,
}
