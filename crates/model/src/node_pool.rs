//! Node pools: groups of equal nodes of a cluster.

use serde::{Deserialize, Serialize};

use crate::cluster::{ConfigItems, check_items};
use crate::invalid::check_line;
use crate::{Invalid, NodePoolName, Validate};

/// A group of nodes with one definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodePool {
    /// Name, unique in the cluster.
    pub name: NodePoolName,
    /// Name of a directory under `node-pools/` in the configuration, such as `worker-splitaz`.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub profile: String,
    /// Machine types, best first; at least one, no duplicates.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 1000))]
    pub instance_types: Vec<String>,
    /// `none`, `spot` or a name that templates understand.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]+$")
    )]
    pub discount_strategy: String,
    /// Fewest nodes.
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub min_size: i64,
    /// Most nodes; not below `min_size`.
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub max_size: i64,
    /// Config items of the pool; they win over those of the cluster.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, String>))]
    pub config_items: ConfigItems,
}

impl NodePool {
    /// True for the strategies that mean spot capacity.
    #[must_use]
    pub fn is_spot(&self) -> bool {
        matches!(self.discount_strategy.as_str(), "spot" | "spot_max_price")
    }
}

impl Validate for NodePool {
    fn check(&self, problems: &mut Vec<Invalid>) {
        check_line("profile", &self.profile, problems);
        check_line("discount_strategy", &self.discount_strategy, problems);
        if self.instance_types.is_empty() {
            problems.push(Invalid::new("instance_types", "must have at least one entry", "[]"));
        }
        if self.instance_types.len() > 1000 {
            problems.push(Invalid::new(
                "instance_types",
                "must have at most 1000 entries",
                self.instance_types.len(),
            ));
        }
        let mut seen = std::collections::BTreeSet::new();
        for (i, kind) in self.instance_types.iter().enumerate() {
            check_line(&format!("instance_types[{i}]"), kind, problems);
            if !seen.insert(kind) {
                problems.push(Invalid::new(format!("instance_types[{i}]"), "must be unique", kind));
            }
        }
        if self.min_size < 0 {
            problems.push(Invalid::new("min_size", "must not be negative", self.min_size));
        }
        if self.max_size < self.min_size {
            let rule = format!("must not be below min_size ({})", self.min_size);
            problems.push(Invalid::new("max_size", rule, self.max_size));
        }
        check_items(&self.config_items, problems);
    }
}

/// A change to a node pool: members that are absent stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct NodePoolUpdate {
    /// Must equal the pool's name when given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<NodePoolName>,
    /// New profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// New machine types, as a whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_types: Option<Vec<String>>,
    /// New discount strategy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount_strategy: Option<String>,
    /// New fewest nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_size: Option<i64>,
    /// New most nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<i64>,
    /// New config items, as a whole map.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<std::collections::BTreeMap<String, String>>))]
    pub config_items: Option<ConfigItems>,
}

impl NodePoolUpdate {
    /// The pool with this change made.
    ///
    /// # Errors
    /// The broken rules when the result is not a sound pool, or when `name` differs from the pool's.
    pub fn apply(self, to: &NodePool) -> Result<NodePool, Vec<Invalid>> {
        if let Some(name) = self.name.filter(|name| *name != to.name) {
            return Err(vec![Invalid::new(
                "name",
                format!("cannot be changed from {}", to.name),
                name,
            )]);
        }
        let old = to.clone();
        let new = NodePool {
            name: old.name,
            profile: self.profile.unwrap_or(old.profile),
            instance_types: self.instance_types.unwrap_or(old.instance_types),
            discount_strategy: self.discount_strategy.unwrap_or(old.discount_strategy),
            min_size: self.min_size.unwrap_or(old.min_size),
            max_size: self.max_size.unwrap_or(old.max_size),
            config_items: self.config_items.unwrap_or(old.config_items),
        };
        new.validate()?;
        Ok(new)
    }
}
