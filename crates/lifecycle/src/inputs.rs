//! The registry entry that a cluster was brought to, as a digest without collisions.
//!
//! The version string is the original's: it joins the fields of an entry without separators, so that two different entries
//! may have one version (fault F9). The digest tells them apart. It is kept beside the version, and a cluster whose entry is
//! another one than the one that was applied is updated although its version is the same. A cluster without a digest, such
//! as one that was just taken over, is believed by its version.

use std::collections::BTreeMap;

use model::{Block, Cluster, ClusterId, ConfigItems};
use ports::ledger::{EntryDraft, EntryFilter, EntryKind};
use ports::registry::PageRequest;
use ports::{Ledger, RegistryError, WriteContext};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

#[derive(Debug, Serialize, Deserialize)]
struct Body {
    digest: String,
}

fn kind() -> EntryKind {
    match "inputs".parse() {
        Ok(kind) => kind,
        Err(refused) => unreachable!("a name of this module: {refused}"),
    }
}

/// Digest of all fields that the version counts (fact 4). Each text goes in with its length, so that no two entries give the
/// same input. The item of a block does not count: a block changes nothing about what is wanted.
#[must_use]
pub(crate) fn digest(cluster: &Cluster) -> String {
    let mut hash = Sha256::new();
    let mut text = |part: &str| {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    let items = |text: &mut dyn FnMut(&str), items: &ConfigItems| {
        for (key, value) in items.iter().filter(|(key, _)| key.as_str() != Block::CONFIG_ITEM) {
            text(key.as_str());
            text(value);
        }
        // No key is empty: here the items end.
        text("");
    };
    for part in [
        cluster.id.as_str(),
        cluster.infrastructure_account.as_str(),
        &cluster.local_id,
        &cluster.api_server_url,
        &cluster.channel,
        &cluster.environment,
        &cluster.criticality_level.to_string(),
        cluster.lifecycle_status.as_str(),
        &cluster.provider,
        &cluster.region,
    ] {
        text(part);
    }
    items(&mut text, &cluster.config_items);
    for pool in &cluster.node_pools {
        text(pool.name.as_str());
        text(&pool.profile);
        for kind in &pool.instance_types {
            text(kind);
        }
        text("");
        text(&pool.discount_strategy);
        text(&pool.min_size.to_string());
        text(&pool.max_size.to_string());
        items(&mut text, &pool.config_items);
    }
    hex::encode(hash.finalize())
}

/// Remembers the entry that a cluster was brought to.
///
/// # Errors
/// Those of the ledger.
pub(crate) async fn remember(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    digest: &str,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    let body = Body {
        digest: digest.to_owned(),
    };
    let draft = EntryDraft {
        kind: kind(),
        id: cluster.as_str().parse()?,
        cluster: Some(cluster.clone()),
        open: true,
        body: serde_json::to_value(body).map_err(|error| RegistryError::Internal(Box::new(error)))?,
        items: Vec::new(),
    };
    ledger.put_entry(draft, context).await.map(drop)
}

/// The digests of all clusters that have one.
///
/// # Errors
/// Those of the ledger.
pub(crate) async fn recall(ledger: &dyn Ledger) -> Result<BTreeMap<ClusterId, String>, RegistryError> {
    let entries = ledger
        .list_entries(&EntryFilter::of(kind()), &PageRequest::all())
        .await?;
    let digest = |body| serde_json::from_value::<Body>(body).ok().map(|body| body.digest);
    let known = entries
        .items
        .into_iter()
        .filter_map(|entry| Some((entry.cluster?, digest(entry.body)?)));
    Ok(known.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(items: &serde_json::Value) -> Cluster {
        serde_json::from_value(serde_json::json!({
            "id": "aws:1:eu-central-1:kube-1", "alias": "kube-1", "infrastructure_account": "aws:1",
            "region": "eu-central-1", "local_id": "kube-1", "provider": "zalando-aws", "api_server_url": "https://x.org",
            "channel": "dev", "environment": "test", "criticality_level": 1, "lifecycle_status": "ready",
            "config_items": items,
        }))
        .unwrap()
    }

    #[test]
    fn f9_entries_that_hash_alike_have_different_digests() {
        let (one, other) = (
            cluster(&serde_json::json!({"abc": "d"})),
            cluster(&serde_json::json!({"ab": "cd"})),
        );
        assert_eq!(model::version_hash(&one), model::version_hash(&other));
        assert_ne!(digest(&one), digest(&other));
    }

    #[test]
    fn a_block_is_no_other_entry() {
        let (free, blocked) = (
            cluster(&serde_json::json!({"ab": "c"})),
            cluster(&serde_json::json!({"ab": "c", "cluster_update_block": "why"})),
        );
        assert_eq!(digest(&free), digest(&blocked));
    }
}
