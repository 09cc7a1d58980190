//! The control endpoint of a running simulation: what is said over it, the side that answers and the side that asks.
//!
//! It speaks JSON over HTTP on the loopback interface, under `/sim/v1`; `docs/simulation.md` describes it.

mod client;
mod request;
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
#[serde(rename_all = "kebab-case")]
pub(super) enum NodeAction {
    Kill,
    Revive,
    Remove,
    /// Gives its spot instance notice.
    SpotLoss,
}

impl NodeAction {
    /// The word of requests.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Revive => "revive",
            Self::Remove => "remove",
            Self::SpotLoss => "spot-loss",
        }
    }
}

/// Body of `POST /sim/v1/clusters/NAME/nodes/NODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeRequest {
    pub(super) action: NodeAction,
}

/// Body of `POST /sim/v1/clusters/NAME/clock`, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockRequest {
    /// A Go duration; negative is back.
    pub(super) by: String,
    /// What the cluster's clock shows afterwards; only in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<String>,
}

/// What a fault is one of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Part {
    /// The API of the cluster.
    #[default]
    Api,
    /// The cloud behind it.
    Cloud,
}

/// Body of `POST /sim/v1/clusters/NAME/faults`; what is left out does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct FaultRequest {
    /// What the fault is one of.
    pub(super) of: Part,
    /// As `sim fault api` or `sim fault cloud` takes it.
    pub(super) fault: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// A Go duration on the cluster's clock; for faults of the cloud on the simulation's.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub(super) lasts: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) verbs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) resources: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_agent: Option<String>,
    /// Calls of the cloud.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) calls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instance_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) zone: Option<String>,
    /// `spot` or `on-demand`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) market: Option<String>,
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
    /// Which requests, calls or instances meet it, in words.
    pub(super) requests: String,
    /// Until when, on the clock that it goes by; for ever without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<String>,
    /// Seconds until then.
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
