//! The version string: what a cluster runs or should run, as the original manager computes it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha1::{Digest, Sha1};

use crate::{Cluster, ConfigItems};

/// A version: id of the configuration and hash of the registry entry, written `<config id>#<hash>`.
///
/// ```
/// use model::ClusterVersion;
///
/// let version = ClusterVersion::parse("abc123#0Rrd-phWGSGgDM6iSjm7wGF4pqw");
/// assert_eq!(version.config, "abc123");
/// assert_eq!(ClusterVersion::parse("foo"), ClusterVersion::default());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterVersion {
    /// Id of the configuration: a commit, a content hash, or several joined for several sources.
    pub config: String,
    /// Hash of the registry entry, see [`version_hash`].
    pub hash: String,
}

impl ClusterVersion {
    /// The version that `cluster` should have with the configuration `config`.
    pub fn of(config: impl Into<String>, cluster: &Cluster) -> Self {
        Self {
            config: config.into(),
            hash: version_hash(cluster),
        }
    }

    /// Reads a stored version. A text that does not split into exactly two parts at `#` counts as empty (fact 5), so that a
    /// damaged value leads to an update and never to an error.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.split_once('#') {
            Some((config, hash)) if !hash.contains('#') => Self {
                config: config.to_owned(),
                hash: hash.to_owned(),
            },
            _ => Self::default(),
        }
    }
}

impl fmt::Display for ClusterVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.config, self.hash)
    }
}

/// Hash of a registry entry: SHA-1 over the raw concatenation of its fields, in unpadded URL-safe base64 (facts 1 to 4).
///
/// Alias, owner, account name, creation time and status do not count; the order of node pools does. There are no
/// separators, so `{"ab":"c"}` and `{"a":"bc"}` hash alike (fact 3): the string is kept for compatibility and is not a
/// content id.
#[must_use]
pub fn version_hash(cluster: &Cluster) -> String {
    let mut hash = Sha1::new();
    for text in [
        cluster.id.as_str(),
        cluster.infrastructure_account.as_str(),
        &cluster.local_id,
        &cluster.api_server_url,
        &cluster.channel,
        &cluster.environment,
    ] {
        hash.update(text);
    }
    hash.update(cluster.criticality_level.to_le_bytes());
    for text in [cluster.lifecycle_status.as_str(), &cluster.provider, &cluster.region] {
        hash.update(text);
    }
    hash_items(&mut hash, &cluster.config_items);
    for pool in &cluster.node_pools {
        hash.update(pool.name.as_str());
        hash.update(&pool.profile);
        for kind in &pool.instance_types {
            hash.update(kind);
        }
        hash.update(&pool.discount_strategy);
        hash.update(pool.min_size.to_le_bytes());
        hash.update(pool.max_size.to_le_bytes());
        hash_items(&mut hash, &pool.config_items);
    }
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

fn hash_items(hash: &mut Sha1, items: &ConfigItems) {
    for (key, value) in items {
        hash.update(key.as_str());
        hash.update(value);
    }
}

#[cfg(test)]
mod tests;
