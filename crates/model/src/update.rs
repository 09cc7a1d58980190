//! Updates: the history of bringing a cluster from one version to the next.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::HealthVerdict;

/// How far a step or an update is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Nothing has been done yet.
    #[default]
    Pending,
    /// It is being done.
    Running,
    /// It waits for something; the sentence says for what.
    Waiting,
    /// It failed and will be tried again.
    Failing,
    /// It is done.
    Done,
    /// There was nothing to do.
    Skipped,
    /// It was stopped by a block or overtaken by a newer version.
    Stopped,
}

impl Progress {
    /// The spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Failing => "failing",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Stopped => "stopped",
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Skipped | Self::Stopped)
    }
}

/// One thing that an update does: a stack, a component, a node pool. Steps form a tree by their path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateStep {
    /// Place in the tree, such as `manifests/kube-proxy` or `pools/worker/stack`.
    pub path: String,
    /// How far it is.
    pub progress: Progress,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub finished_at: Option<Timestamp>,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: u32,
    /// What was done, or in one sentence what it waits for: on what, since when, until when at most, who can lift it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Bringing one cluster from its current to its next version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Update {
    /// Version before; empty for a new cluster.
    pub from: String,
    /// Version to reach.
    pub to: String,
    /// Channel that asked for it.
    pub channel: String,
    /// What made it necessary, such as `commit`, `registry`, `drift`, `decommission`.
    pub cause: String,
    /// Who made it necessary: the author of the commit or the actor of the registry's change, as far as known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub actor: String,
    /// Id of the plan that was carried out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan: String,
    /// What the plan came to, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// How far it is as a whole.
    pub progress: Progress,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub finished_at: Option<Timestamp>,
    /// The sentence of what it waits for as a whole, or why it failed or stopped.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// How the cluster fares since the work was done; absent while it is not, and where nothing is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthVerdict>,
    /// Its steps, in the order in which they were planned.
    #[serde(default)]
    pub steps: Vec<UpdateStep>,
}
