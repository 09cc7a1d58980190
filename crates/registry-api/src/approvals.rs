//! Requests and agreements to deletions on the wire.

use jiff::Timestamp;
use model::ClusterId;
use ports::approvals::{Approval, Guarded, Standing};
use serde::{Deserialize, Serialize};

/// What an agreement is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum GuardedName {
    /// Deleting objects that left git.
    Prune,
    /// Taking a cluster down.
    Decommission,
}

impl From<Guarded> for GuardedName {
    fn from(what: Guarded) -> Self {
        match what {
            Guarded::Prune => Self::Prune,
            Guarded::Decommission => Self::Decommission,
        }
    }
}

impl From<GuardedName> for Guarded {
    fn from(what: GuardedName) -> Self {
        match what {
            GuardedName::Prune => Self::Prune,
            GuardedName::Decommission => Self::Decommission,
        }
    }
}

/// How an agreement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StandingName {
    /// Somebody, or the cluster itself, asks for it.
    Asked,
    /// It is given; the waiting time runs.
    Waiting,
    /// It is given and counts.
    Given,
    /// Nobody gave it in time, or nobody used it in time.
    Expired,
    /// It is closed: used, called off, or no longer needed.
    Closed,
}

impl From<Standing> for StandingName {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Asked => Self::Asked,
            Standing::Waiting => Self::Waiting,
            Standing::Given => Self::Given,
            Standing::Expired => Self::Expired,
            Standing::Closed => Self::Closed,
        }
    }
}

impl StandingName {
    /// The spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => Standing::Asked,
            Self::Waiting => Standing::Waiting,
            Self::Given => Standing::Given,
            Self::Expired => Standing::Expired,
            Self::Closed => Standing::Closed,
        }
        .as_str()
    }
}

/// A request for an agreement, or the agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalEntry {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// Its id.
    pub id: String,
    /// What it is to.
    pub what: GuardedName,
    /// How it stands.
    pub standing: StandingName,
    /// Objects that a prune deletes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Who asked; empty when the cluster itself did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub requested_by: String,
    /// When it was asked for.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub requested_at: Timestamp,
    /// Who agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub approved_at: Option<Timestamp>,
    /// When what was agreed to happens at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub not_before: Option<Timestamp>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub expires_at: Option<Timestamp>,
}

impl From<Approval> for ApprovalEntry {
    fn from(approval: Approval) -> Self {
        let Approval {
            cluster,
            id,
            what,
            standing,
            count,
            requested_by,
            requested_at,
            approved_by,
            approved_at,
            not_before,
            expires_at,
        } = approval;
        Self {
            cluster_id: cluster,
            id: id.into(),
            what: what.into(),
            standing: standing.into(),
            count,
            requested_by,
            requested_at,
            approved_by,
            approved_at,
            not_before,
            expires_at,
        }
    }
}

/// Approvals of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalList {
    /// Decommissions, then requests to prune, then agreements to prunes; each newest first.
    pub items: Vec<ApprovalEntry>,
    /// Where the next page starts, for the parameter `continue`; absent on the last page.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An agreement to be given. Who gives it is the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalDraft {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// What it is to.
    pub what: GuardedName,
    /// For a prune: how many objects go. It is what the caller has seen, and refused when the cluster asks for another number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
}

/// A request to take a cluster down. Who asks is the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DecommissionDraft {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The alias of the cluster, typed by the person who asks.
    pub confirm: String,
}
