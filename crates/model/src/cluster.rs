//! The cluster as the registry knows it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::invalid::check_line;
use crate::{AccountId, Alias, ClusterId, ClusterStatus, ConfigKey, Invalid, NodePool, Validate};

/// Config items in key order, which is also the order that the version string hashes them in.
pub type ConfigItems = BTreeMap<ConfigKey, String>;

/// Longest value of a config item, in bytes; certificates bundles are the longest seen.
pub(crate) const MAX_ITEM_BYTES: usize = 256 * 1024;
/// Most config items of one cluster or pool.
pub(crate) const MAX_ITEMS: usize = 10_000;

/// State of a cluster in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LifecycleStatus {
    /// Asked for, nothing exists yet.
    Requested,
    /// Being created.
    Creating,
    /// In use.
    Ready,
    /// To be taken down.
    DecommissionRequested,
    /// Gone.
    Decommissioned,
}

impl LifecycleStatus {
    /// All states, in order of life.
    pub const ALL: [Self; 5] = [
        Self::Requested,
        Self::Creating,
        Self::Ready,
        Self::DecommissionRequested,
        Self::Decommissioned,
    ];

    /// The registry's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Creating => "creating",
            Self::Ready => "ready",
            Self::DecommissionRequested => "decommission-requested",
            Self::Decommissioned => "decommissioned",
        }
    }
}

impl std::fmt::Display for LifecycleStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for LifecycleStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            Invalid::new("lifecycle_status", format!("must be one of {names}"), text)
        })
    }
}

/// A cluster: who it is, where it lives, what it should be and what was last seen of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cluster {
    /// Global id, such as `aws:123456789012:eu-central-1:kube-1`.
    pub id: ClusterId,
    /// Unique, mutable, human name.
    pub alias: Alias,
    /// Id of the account that it lives in.
    pub infrastructure_account: AccountId,
    /// Region of the provider.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub region: String,
    /// Unique inside account and region; also the name of the main stack.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub local_id: String,
    /// `zalando-aws`, `zalando-eks`, `kubeconfig` or `simulated`.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub provider: String,
    /// URL of the Kubernetes API; its host without the first label is the hosted zone.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub api_server_url: String,
    /// Branch, tag or reachable commit of the configuration.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub channel: String,
    /// Environment, such as `production`, `test` or `e2e`.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub environment: String,
    /// 1 non-critical, 2 standard production, 3 PCI.
    pub criticality_level: i32,
    /// State in its life.
    pub lifecycle_status: LifecycleStatus,
    /// Versions and problems; always present in answers, since the original manager reads it unchecked.
    #[serde(default)]
    pub status: ClusterStatus,
    /// Config items, as stored: values may be ciphertext.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub config_items: ConfigItems,
    /// Node pools in the order that they were made in; the version string depends on it.
    #[serde(default)]
    pub node_pools: Vec<NodePool>,
    /// When the cluster was registered; orders clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub created_at: Option<Timestamp>,
}

impl Cluster {
    /// Provider of clusters that others built: they get manifests, and nothing of theirs is taken down.
    pub const EXISTING: &str = "kubeconfig";

    /// The pool of this name.
    #[must_use]
    pub fn node_pool(&self, name: &str) -> Option<&NodePool> {
        self.node_pools.iter().find(|pool| pool.name.as_str() == name)
    }
}

impl Validate for Cluster {
    fn check(&self, problems: &mut Vec<Invalid>) {
        for (field, value) in [
            ("region", &self.region),
            ("local_id", &self.local_id),
            ("provider", &self.provider),
            ("api_server_url", &self.api_server_url),
            ("channel", &self.channel),
            ("environment", &self.environment),
        ] {
            check_line(field, value, problems);
        }
        self.status.check(problems);
        check_items(&self.config_items, problems);
        let mut names = std::collections::BTreeSet::new();
        for (i, pool) in self.node_pools.iter().enumerate() {
            let place = format!("node_pools[{i}]");
            if !names.insert(&pool.name) {
                problems.push(Invalid::new(
                    format!("{place}.name"),
                    "must be unique in the cluster",
                    &pool.name,
                ));
            }
            let mut inner = Vec::new();
            pool.check(&mut inner);
            problems.extend(inner.into_iter().map(|p| p.within(&place)));
        }
    }
}

/// Rules of config items: bounded number and size, no U+0000, which not every store can keep.
pub(crate) fn check_items(items: &ConfigItems, problems: &mut Vec<Invalid>) {
    if items.len() > MAX_ITEMS {
        problems.push(Invalid::new(
            "config_items",
            format!("must have at most {MAX_ITEMS} entries"),
            items.len(),
        ));
    }
    for (key, value) in items {
        let field = format!("config_items.{key}");
        if value.len() > MAX_ITEM_BYTES {
            problems.push(Invalid::hidden(
                field,
                format!("must have at most {MAX_ITEM_BYTES} bytes"),
                value,
            ));
        } else if value.contains('\0') {
            problems.push(Invalid::hidden(field, "must not contain the character U+0000", value));
        }
    }
}

/// A change to a cluster: members that are absent stay as they are; each member that is present replaces the stored one as
/// a whole, `status` and `config_items` too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ClusterUpdate {
    /// Must equal the cluster's id when given: ids never change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<ClusterId>,
    /// New alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<Alias>,
    /// New account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub infrastructure_account: Option<AccountId>,
    /// New region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// New local id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_id: Option<String>,
    /// New provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// New URL of the Kubernetes API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_server_url: Option<String>,
    /// New channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// New environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// New criticality level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criticality_level: Option<i32>,
    /// New state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_status: Option<LifecycleStatus>,
    /// New status, as a whole: an absent `next_version` clears the stored one (fact 9).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ClusterStatus>,
    /// New config items, as a whole map.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<BTreeMap<String, String>>))]
    pub config_items: Option<ConfigItems>,
}

impl ClusterUpdate {
    /// The cluster with this change made.
    ///
    /// # Errors
    /// The broken rules when the result is not a sound cluster, or when `id` differs from the cluster's.
    pub fn apply(self, to: &Cluster) -> Result<Cluster, Vec<Invalid>> {
        if let Some(id) = self.id.filter(|id| *id != to.id) {
            return Err(vec![Invalid::new(
                "id",
                format!("cannot be changed from {}", to.id),
                id,
            )]);
        }
        let old = to.clone();
        let new = Cluster {
            id: old.id,
            alias: self.alias.unwrap_or(old.alias),
            infrastructure_account: self.infrastructure_account.unwrap_or(old.infrastructure_account),
            region: self.region.unwrap_or(old.region),
            local_id: self.local_id.unwrap_or(old.local_id),
            provider: self.provider.unwrap_or(old.provider),
            api_server_url: self.api_server_url.unwrap_or(old.api_server_url),
            channel: self.channel.unwrap_or(old.channel),
            environment: self.environment.unwrap_or(old.environment),
            criticality_level: self.criticality_level.unwrap_or(old.criticality_level),
            lifecycle_status: self.lifecycle_status.unwrap_or(old.lifecycle_status),
            status: self.status.unwrap_or(old.status),
            config_items: self.config_items.unwrap_or(old.config_items),
            node_pools: old.node_pools,
            created_at: old.created_at,
        };
        new.validate()?;
        Ok(new)
    }
}
