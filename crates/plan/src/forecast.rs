//! What replacing the nodes of a cluster's pools would mean: for whom, against which budgets, until when.
//!
//! The plan says which pools roll and why; a picture of the cluster says which nodes and pods these are; the disruption
//! contract says the rest. All pools of a cluster roll at the same time, as the rollout does it.

use std::collections::BTreeMap;

use disruption::{
    BARE_PODS_ITEM, ClusterView, Environment, LOCAL_DATA_ITEM, NodeForecast, NodeName, OWNER_HOLDS_ITEM, OwnerShare,
    POLICY_ITEMS, Policy, PoolLimits, PoolName, Refusal, SIBLING_CLOCK_ITEM, Unbounded, forecast_pool, with_outdated,
};
use jiff::Timestamp;
use model::{Cluster, ConfigItems, NodePool};
use serde::{Deserialize, Serialize};

use crate::change::{ClusterPlan, Verb, Why};

/// The rules under which a pool rolls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRules {
    /// The contract for its pods.
    pub policy: Policy,
    /// Its largest size in the registry.
    pub max_size: u32,
    /// Its machines are of the spot market.
    pub spot: bool,
}

/// The rules of each pool of a cluster, or why they cannot be read: config items of the pool, then those of the cluster as it
/// sees them (`items`, defaults of the configuration included), then the published numbers of its environment.
#[must_use]
pub fn pool_rules(cluster: &Cluster, items: &BTreeMap<String, String>) -> BTreeMap<String, Result<PoolRules, String>> {
    let choices = [BARE_PODS_ITEM, LOCAL_DATA_ITEM, OWNER_HOLDS_ITEM, SIBLING_CLOCK_ITEM];
    let own: ConfigItems = POLICY_ITEMS
        .iter()
        .chain(&choices)
        .filter_map(|key| Some((key.parse().ok()?, items.get(*key)?.clone())))
        .collect();
    let environment = Environment::named(&cluster.environment);
    let of_pool = |pool: &NodePool| {
        let policy = Policy::resolve(Some(environment), &[&pool.config_items, &own]);
        let rules = policy.map(|policy| PoolRules {
            policy,
            max_size: u32::try_from(pool.max_size).unwrap_or(0),
            spot: pool.is_spot(),
        });
        rules.map_err(|problems| {
            let each: Vec<String> = problems.iter().map(ToString::to_string).collect();
            each.join("; ")
        })
    };
    let pools = cluster.node_pools.iter();
    pools.map(|pool| (pool.name.to_string(), of_pool(pool))).collect()
}

/// A cluster as it was seen.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Its nodes, pods and budgets.
    pub view: ClusterView,
    /// When it was seen; forecasts begin here.
    pub at: Timestamp,
    /// Where it comes from, in words: a file, or a context of a kubeconfig.
    pub source: String,
}

/// The forecast of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterForecast {
    /// Id of the cluster.
    pub cluster: String,
    /// The name that people use.
    pub alias: String,
    /// The instant that it counts from.
    pub at: Timestamp,
    /// Where the picture of the cluster comes from.
    pub source: String,
    /// Pools whose nodes go, in the order of the plan.
    pub pools: Vec<PoolForecast>,
    /// Pools that would roll and could not be forecast, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// The forecast of a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolForecast {
    /// Name of the pool.
    pub pool: String,
    /// [`Verb::Replace`], or [`Verb::Delete`] for a pool that goes.
    pub verb: Verb,
    /// Why its nodes go.
    pub why: Vec<Why>,
    /// New nodes that are brought first.
    pub surge: u32,
    /// Nodes that may be on their way out at once.
    pub in_flight: u32,
    /// The nodes that go, in their order, each with its group, its expected and its latest end.
    pub nodes: Vec<NodeForecast>,
    /// Pods that move, by who answers for them.
    pub owners: BTreeMap<Box<str>, OwnerShare>,
    /// What will refuse, and until when.
    pub refusals: Vec<Refusal>,
    /// Every node is expected to be gone; absent when nothing tells.
    pub expected: Option<Timestamp>,
    /// Every node is gone at the latest; absent when there is no bound.
    pub at_latest: Option<Timestamp>,
    /// Why there is no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unbounded: Option<Unbounded>,
    /// Hours of the extra nodes until the expected end, rounded up.
    pub surge_node_hours_expected: Option<u64>,
    /// Hours of the extra nodes until the bound, rounded up.
    pub surge_node_hours_at_most: Option<u64>,
}

impl PoolForecast {
    /// Pods that move.
    #[must_use]
    pub fn pods(&self) -> u32 {
        self.owners
            .values()
            .fold(0, |sum, share| sum.saturating_add(share.pods))
    }
}

/// Forecasts the pools whose nodes a plan replaces or drains for good. `rules` holds the pools of both sides of the plan; a
/// pool without rules is an error of the forecast, never one without waits.
///
/// Nothing is returned for a plan that touches no nodes.
#[must_use]
pub fn forecast_cluster(
    plan: &ClusterPlan,
    picture: &Picture,
    rules: &BTreeMap<String, Result<PoolRules, String>>,
) -> Option<ClusterForecast> {
    let rolled: Vec<_> = plan.pools.iter().filter(|pool| pool.drained().is_some()).collect();
    if rolled.is_empty() {
        return None;
    }
    let mut view = picture.view.clone();
    let mut nodes_of = BTreeMap::new();
    for pool in &rolled {
        let name = PoolName::from(pool.pool.as_str());
        let ours = picture.view.nodes().filter(|node| node.pool.as_ref() == Some(&name));
        let nodes: Vec<NodeName> = ours.map(|node| node.name.clone()).collect();
        let why: Vec<String> = pool.why.iter().map(ToString::to_string).collect();
        view = with_outdated(&view, &nodes, &why.join("; "), picture.at);
        nodes_of.insert(
            pool.pool.as_str(),
            (name, u32::try_from(nodes.len()).unwrap_or(u32::MAX)),
        );
    }
    let mut forecast = ClusterForecast {
        cluster: plan.cluster.clone(),
        alias: plan.alias.clone(),
        at: picture.at,
        source: picture.source.clone(),
        pools: Vec::new(),
        errors: Vec::new(),
    };
    for pool in rolled {
        let Some((name, size)) = nodes_of.get(pool.pool.as_str()) else {
            continue;
        };
        let rules = match rules.get(&pool.pool) {
            Some(Ok(rules)) => rules,
            Some(Err(why)) => {
                forecast.errors.push(format!("node pool {}: {why}", pool.pool));
                continue;
            }
            None => {
                forecast
                    .errors
                    .push(format!("node pool {}: its disruption policy is not known", pool.pool));
                continue;
            }
        };
        let mut limits = PoolLimits::new(name.clone(), *size, rules.max_size, rules.spot);
        if pool.verb == Verb::Delete {
            // A pool that goes is drained without replacement.
            (limits.surge, limits.in_flight) = (0, limits.in_flight.max(1));
        }
        let found = forecast_pool(&view, &rules.policy, &limits, picture.at);
        forecast.pools.push(PoolForecast {
            pool: pool.pool.clone(),
            verb: pool.verb,
            why: pool.why.clone(),
            surge: limits.surge.min(*size),
            in_flight: limits.in_flight,
            nodes: found.nodes,
            owners: found.owners,
            refusals: found.refusals,
            expected: found.expected,
            at_latest: found.at_latest.clone().ok(),
            unbounded: found.at_latest.err(),
            surge_node_hours_expected: found.surge_node_hours_expected,
            surge_node_hours_at_most: found.surge_node_hours_at_most,
        });
    }
    Some(forecast)
}
