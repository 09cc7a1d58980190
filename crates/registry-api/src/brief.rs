//! A cluster without config items and node pools, as `verbose=false` answers it.

use jiff::Timestamp;
use model::{AccountId, Alias, Cluster, ClusterId, ClusterStatus, LifecycleStatus};
use serde::Serialize;

/// A borrowed view of a [`Cluster`] that has no members `config_items` and `node_pools`.
///
/// Leaving the members out, rather than sending them empty, tells readers that they were not asked for.
#[derive(Debug, Clone, Serialize)]
pub struct BriefCluster<'a> {
    id: &'a ClusterId,
    alias: &'a Alias,
    infrastructure_account: &'a AccountId,
    region: &'a str,
    local_id: &'a str,
    provider: &'a str,
    api_server_url: &'a str,
    channel: &'a str,
    environment: &'a str,
    criticality_level: i32,
    lifecycle_status: LifecycleStatus,
    status: &'a ClusterStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
}

impl<'a> From<&'a Cluster> for BriefCluster<'a> {
    fn from(cluster: &'a Cluster) -> Self {
        // Taken apart in full, so that a new field of a cluster cannot be forgotten here.
        let Cluster {
            id,
            alias,
            infrastructure_account,
            region,
            local_id,
            provider,
            api_server_url,
            channel,
            environment,
            criticality_level,
            lifecycle_status,
            status,
            config_items: _,
            node_pools: _,
            created_at,
        } = cluster;
        Self {
            id,
            alias,
            infrastructure_account,
            region,
            local_id,
            provider,
            api_server_url,
            channel,
            environment,
            criticality_level: *criticality_level,
            lifecycle_status: *lifecycle_status,
            status,
            created_at: *created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brief_cluster_lacks_two_members_and_nothing_else() {
        let cluster: Cluster = serde_json::from_value(serde_json::json!({
            "id": "aws:1:r:kube-1", "alias": "kube", "infrastructure_account": "aws:1", "region": "r",
            "local_id": "kube-1", "provider": "zalando-aws", "api_server_url": "https://k.example.org",
            "channel": "dev", "environment": "test", "criticality_level": 1, "lifecycle_status": "ready",
            "created_at": "2026-01-02T03:04:05Z", "config_items": {"a_key": "v"}
        }))
        .unwrap();
        let mut full = serde_json::to_value(&cluster).unwrap();
        let brief = serde_json::to_value(BriefCluster::from(&cluster)).unwrap();
        let members = full.as_object_mut().unwrap();
        assert!(members.remove("config_items").is_some());
        assert!(members.remove("node_pools").is_some());
        assert_eq!(brief, full);
        assert_eq!(brief["status"]["problems"], serde_json::json!([]));
    }
}
