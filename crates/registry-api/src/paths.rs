//! Paths of the API: templates as the server routes them, and functions that fill them in for callers.
//!
//! Ids and names of the registry hold only characters that stand for themselves in a path; ids of entries are escaped.

use model::{AccountId, ClusterId, ConfigKey, NodePoolName};
use ports::approvals::Guarded;
use ports::ledger::{EntryId, EntryKind};

/// Accounts: list, create.
pub const ACCOUNTS: &str = "/infrastructure-accounts";
/// One account: get, update.
pub const ACCOUNT: &str = "/infrastructure-accounts/{account_id}";
/// Clusters: list, create.
pub const CLUSTERS: &str = "/kubernetes-clusters";
/// One cluster: get, update, delete.
pub const CLUSTER: &str = "/kubernetes-clusters/{cluster_id}";
/// One config item of a cluster: put, delete.
pub const CONFIG_ITEM: &str = "/kubernetes-clusters/{cluster_id}/config-items/{config_key}";
/// Node pools of a cluster: list.
pub const NODE_POOLS: &str = "/kubernetes-clusters/{cluster_id}/node-pools";
/// One node pool: put, update, delete.
pub const NODE_POOL: &str = "/kubernetes-clusters/{cluster_id}/node-pools/{node_pool_name}";
/// One config item of a node pool: put, delete.
pub const NODE_POOL_CONFIG_ITEM: &str =
    "/kubernetes-clusters/{cluster_id}/node-pools/{node_pool_name}/config-items/{config_key}";

/// The change feed.
pub const CHANGES: &str = "/api/v1/changes";
/// History of one object.
pub const HISTORY: &str = "/api/v1/history/{kind}/{id}";
/// The whole registry as one document.
pub const EXPORT: &str = "/api/v1/export";
/// Writes a whole document.
pub const IMPORT: &str = "/api/v1/import";
/// Blocks: list, set.
pub const BLOCKS: &str = "/api/v1/blocks";
/// Blocks of a cluster: lift all.
pub const BLOCKS_OF_CLUSTER: &str = "/api/v1/blocks/{cluster_id}";
/// One block: lift.
pub const BLOCK: &str = "/api/v1/blocks/{cluster_id}/{block_id}";
/// Requests and agreements to deletions: list, agree.
pub const APPROVALS: &str = "/api/v1/approvals";
/// What a cluster was agreed to or asked for: call off.
pub const APPROVALS_OF_CLUSTER: &str = "/api/v1/approvals/{what}/{cluster_id}";
/// Pauses, freezes and fast lanes: list, do.
pub const ACTS: &str = "/api/v1/acts";
/// One of them: end.
pub const ACT: &str = "/api/v1/acts/{what}/{act_id}";
/// Entries of the ledger: list.
pub const ENTRIES: &str = "/api/v1/ledger/{entry_kind}";
/// One entry of the ledger: get, put.
pub const ENTRY: &str = "/api/v1/ledger/{entry_kind}/{entry_id}";
/// Requests to take a cluster down: ask.
pub const DECOMMISSIONS: &str = "/api/v1/decommissions";
/// Channels: list.
pub const CHANNELS: &str = "/api/v1/channels";
/// Agreements at gates: list, agree.
pub const GATE_AGREEMENTS: &str = "/api/v1/gate-agreements";
/// Updates: list.
pub const UPDATES: &str = "/api/v1/updates";
/// One update: get.
pub const UPDATE: &str = "/api/v1/updates/{update_id}";
/// Rollouts of node pools: list.
pub const ROLLOUTS: &str = "/api/v1/rollouts";
/// Evidence of forced terminations: list.
pub const EVIDENCE: &str = "/api/v1/evidence";
/// The OpenAPI document.
pub const OPENAPI: &str = "/openapi.json";
/// The page that shows the OpenAPI document.
pub const DOCS: &str = "/docs";

/// Path of an account.
#[must_use]
pub fn account(id: &AccountId) -> String {
    format!("{ACCOUNTS}/{id}")
}

/// Path of a cluster.
#[must_use]
pub fn cluster(id: &ClusterId) -> String {
    format!("{CLUSTERS}/{id}")
}

/// Path of a config item of a cluster.
#[must_use]
pub fn config_item(id: &ClusterId, key: &ConfigKey) -> String {
    format!("{CLUSTERS}/{id}/config-items/{key}")
}

/// Path of the node pools of a cluster.
#[must_use]
pub fn node_pools(id: &ClusterId) -> String {
    format!("{CLUSTERS}/{id}/node-pools")
}

/// Path of a node pool.
#[must_use]
pub fn node_pool(id: &ClusterId, name: &NodePoolName) -> String {
    format!("{CLUSTERS}/{id}/node-pools/{name}")
}

/// Path of a config item of a node pool.
#[must_use]
pub fn node_pool_config_item(id: &ClusterId, name: &NodePoolName, key: &ConfigKey) -> String {
    format!("{CLUSTERS}/{id}/node-pools/{name}/config-items/{key}")
}

/// Path of the blocks of a cluster, or of one of them.
#[must_use]
pub fn blocks(cluster: &ClusterId, id: Option<&EntryId>) -> String {
    match id {
        Some(id) => format!("{BLOCKS}/{cluster}/{}", segment(id)),
        None => format!("{BLOCKS}/{cluster}"),
    }
}

/// Path of what a cluster was agreed to or asked for.
#[must_use]
pub fn approvals(what: Guarded, cluster: &ClusterId) -> String {
    format!("{APPROVALS}/{}/{cluster}", what.as_str())
}

/// Path of a pause, a freeze or a fast lane.
#[must_use]
pub fn act(what: crate::ActName, id: &EntryId) -> String {
    format!("{ACTS}/{}/{}", what.as_str(), segment(id))
}

/// Path of the entries of a kind.
#[must_use]
pub fn entries(kind: &EntryKind) -> String {
    format!("/api/v1/ledger/{kind}")
}

/// Path of an entry.
#[must_use]
pub fn entry(kind: &EntryKind, id: &EntryId) -> String {
    format!("/api/v1/ledger/{kind}/{}", segment(id))
}

/// Path of an update.
#[must_use]
pub fn update(id: &EntryId) -> String {
    format!("{UPDATES}/{}", segment(id))
}

/// Ids of entries are printable ASCII without slashes; what would mean something in a URL is escaped.
fn segment(id: &EntryId) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'~');
    let mut text = String::new();
    for byte in id.as_str().bytes() {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Path of the history of an object; `id` is the text of a [`ClusterId`] or [`AccountId`].
#[must_use]
pub fn history(kind: ports::registry::ObjectKind, id: &str) -> String {
    format!("/api/v1/history/{}/{id}", kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str) -> String {
        template
            .replace("{cluster_id}", "aws:1:r:kube-1")
            .replace("{account_id}", "aws:1")
            .replace("{node_pool_name}", "worker")
            .replace("{config_key}", "a_key")
            .replace("{kind}", "cluster")
            .replace("{what}", "prune")
            .replace("{entry_kind}", "update")
            .replace("{entry_id}", "a%3Fb:%23")
            .replace("{id}", "aws:1:r:kube-1")
            .replace("{block_id}", "b-1")
            .replace("{act_id}", "a%252Fb")
            .replace("{update_id}", "a%3Fb:%23")
    }

    #[test]
    fn functions_fill_in_the_templates() {
        let id: ClusterId = "aws:1:r:kube-1".parse().unwrap();
        let (pool, key) = ("worker".parse().unwrap(), "a_key".parse().unwrap());
        for (template, path) in [
            (ACCOUNT, account(&"aws:1".parse().unwrap())),
            (CLUSTER, cluster(&id)),
            (CONFIG_ITEM, config_item(&id, &key)),
            (NODE_POOLS, node_pools(&id)),
            (NODE_POOL, node_pool(&id, &pool)),
            (NODE_POOL_CONFIG_ITEM, node_pool_config_item(&id, &pool, &key)),
            (BLOCKS_OF_CLUSTER, blocks(&id, None)),
            (BLOCK, blocks(&id, Some(&"b-1".parse().unwrap()))),
            (ENTRIES, entries(&EntryKind::update())),
            (ENTRY, entry(&EntryKind::update(), &"a?b:#".parse().unwrap())),
            (APPROVALS_OF_CLUSTER, approvals(Guarded::Prune, &id)),
            (
                ACT.replace("{what}", "pause").as_str(),
                act(crate::ActName::Pause, &"a%2Fb".parse().unwrap()),
            ),
            (UPDATE, update(&"a?b:#".parse().unwrap())),
            (HISTORY, history(ports::registry::ObjectKind::Cluster, id.as_str())),
        ] {
            assert_eq!(path, fill(template));
        }
    }
}
