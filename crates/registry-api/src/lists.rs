//! Lists and single values.

use model::{Cluster, InfrastructureAccount, NodePool};
use serde::{Deserialize, Serialize};

use crate::BriefCluster;

/// Clusters of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterList {
    /// The clusters, in id order.
    pub items: Vec<Cluster>,
    /// Revision of each cluster, in the order of `items`; the original sends none.
    #[serde(default)]
    pub revisions: Vec<i64>,
    /// Where the next page starts, for the parameter `continue`; absent on the last page.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Clusters of one answer to `verbose=false`; only the server needs it, readers take [`ClusterList`].
#[derive(Debug, Serialize)]
pub struct BriefClusterList<'a> {
    /// The clusters, in id order.
    pub items: Vec<BriefCluster<'a>>,
    /// Revision of each cluster, in the order of `items`.
    pub revisions: Vec<i64>,
    /// Where the next page starts.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Infrastructure accounts of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountList {
    /// The accounts, in id order.
    pub items: Vec<InfrastructureAccount>,
    /// Revision of each account, in the order of `items`; the original sends none.
    #[serde(default)]
    pub revisions: Vec<i64>,
    /// Where the next page starts, for the parameter `continue`; absent on the last page.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Node pools of a cluster. They have no revisions of their own: the answer's `ETag` holds the cluster's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodePoolList {
    /// The pools, in the order that they were made in.
    pub items: Vec<NodePool>,
}

/// Value of a config item.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigValue {
    /// The value; may be ciphertext.
    pub value: String,
}

/// Values may be secrets, so only the length is shown.
impl std::fmt::Debug for ConfigValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConfigValue(<{} bytes>)", self.value.len())
    }
}
