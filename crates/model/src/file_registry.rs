//! The file registry: the whole registry as one YAML document, as the original manager reads it.

use serde::{Deserialize, Serialize};

use crate::{Cluster, InfrastructureAccount};

/// A registry in one document: `clusters: [...]`, and beyond the original `infrastructure_accounts: [...]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct FileRegistry {
    /// Accounts; the original ignores this member.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub infrastructure_accounts: Vec<InfrastructureAccount>,
    /// Clusters.
    pub clusters: Vec<FileCluster>,
}

/// A cluster with the two fields that the original joins from its account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileCluster {
    /// The cluster.
    #[serde(flatten)]
    pub cluster: Cluster,
    /// Owner of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Name of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
}
