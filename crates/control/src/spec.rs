//! What a rollout is told about a cluster: pure, from the registry entry and the config items of its channel.

use std::collections::BTreeSet;

use disruption::marking::NO_SCHEDULE_ITEM;
use disruption::{Environment, Policy, PolicyError, PoolName};
use model::{Cluster, ConfigItems, NodePool};
use rollout::{ClusterSpec, PoolSpec, Provisioner, Strategy, UnknownStrategy};

/// Config item of a pool or cluster that says how its nodes are replaced: `rolling`, `clc` (another drains; the original's words)
/// or `blue-green`.
pub const UPDATE_STRATEGY_ITEM: &str = "update_strategy";

/// How nodes are replaced where no config item says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strategies {
    /// The strategy of pools without the item.
    pub default: Strategy,
}

impl Default for Strategies {
    /// We drain. The original's default is to mark and to leave the rest to a controller inside the cluster; who runs that
    /// controller sets the item, or this, so that not two of them drain.
    fn default() -> Self {
        Self {
            default: Strategy::Rolling,
        }
    }
}

/// Why a cluster has no rollout: its config items make no sense. Values are never repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The disruption policy of a pool cannot be read.
    #[error("pool {pool}: {}", words(problems))]
    Policy {
        /// The pool.
        pool: PoolName,
        /// Everything that is wrong.
        problems: Vec<PolicyError>,
    },
    /// The strategy is none that we know.
    #[error("pool {pool}: config item {UPDATE_STRATEGY_ITEM}: {cause}")]
    Strategy {
        /// The pool.
        pool: PoolName,
        /// What would be one.
        cause: UnknownStrategy,
    },
}

fn words(problems: &[PolicyError]) -> String {
    let each: Vec<String> = problems.iter().map(ToString::to_string).collect();
    each.join(", ")
}

/// The spec of a cluster's rollouts. `items` are the cluster's config items with the defaults of its channel; `removed` are
/// pools that left the registry and still have groups.
///
/// The tag that groups of the cluster carry holds its id. Policies come from the pool's items, then `items`, then the
/// published numbers of the environment.
///
/// # Errors
/// [`SpecError`] for items that cannot be read: no deadline is ever guessed.
pub fn cluster_spec(
    cluster: &Cluster,
    items: &ConfigItems,
    removed: &BTreeSet<PoolName>,
    strategies: Strategies,
) -> Result<ClusterSpec, SpecError> {
    let environment = Environment::named(&cluster.environment);
    let mut pools = Vec::new();
    for pool in &cluster.node_pools {
        pools.push(pool_spec(pool, items, environment, strategies)?);
    }
    for name in removed {
        let none = ConfigItems::new();
        pools.push(PoolSpec {
            removed: true,
            no_schedule: items.get(NO_SCHEDULE_ITEM).cloned(),
            strategy: strategy(name, &none, items, strategies)?,
            ..PoolSpec::rolling(name.clone(), policy(name, &none, items, environment)?, 0)
        });
    }
    Ok(ClusterSpec {
        id: cluster.id.clone(),
        tag_name: cluster.id.to_string(),
        pools,
    })
}

fn pool_spec(
    pool: &NodePool,
    items: &ConfigItems,
    environment: Environment,
    strategies: Strategies,
) -> Result<PoolSpec, SpecError> {
    let (name, own) = (PoolName::from(pool.name.as_str()), &pool.config_items);
    let max = u32::try_from(pool.max_size).unwrap_or(if pool.max_size < 0 { 0 } else { u32::MAX });
    let policy = policy(&name, own, items, environment)?;
    Ok(PoolSpec {
        strategy: strategy(&name, own, items, strategies)?,
        provisioner: provisioner(&pool.profile),
        spot: pool.is_spot(),
        control_plane: pool.profile.contains("master"),
        no_schedule: own
            .get(NO_SCHEDULE_ITEM)
            .or_else(|| items.get(NO_SCHEDULE_ITEM))
            .cloned(),
        ..PoolSpec::rolling(name, policy, max)
    })
}

/// Pools of the one profile that is rendered to Karpenter's objects are NodeClaims.
fn provisioner(profile: &str) -> Provisioner {
    if profile == "worker-karpenter" {
        Provisioner::NodeClaims
    } else {
        Provisioner::Groups
    }
}

fn policy(
    pool: &PoolName,
    own: &ConfigItems,
    items: &ConfigItems,
    environment: Environment,
) -> Result<Policy, SpecError> {
    Policy::resolve(Some(environment), &[own, items]).map_err(|problems| SpecError::Policy {
        pool: pool.clone(),
        problems,
    })
}

fn strategy(
    pool: &PoolName,
    own: &ConfigItems,
    items: &ConfigItems,
    strategies: Strategies,
) -> Result<Strategy, SpecError> {
    let value = own
        .get(UPDATE_STRATEGY_ITEM)
        .or_else(|| items.get(UPDATE_STRATEGY_ITEM));
    let read = value.map(|text| text.parse()).transpose();
    let read = read.map_err(|cause| SpecError::Strategy {
        pool: pool.clone(),
        cause,
    });
    Ok(read?.unwrap_or(strategies.default))
}

#[cfg(test)]
mod tests {
    use model::duration::GoDuration;
    use serde_json::json;

    use super::*;

    fn cluster(environment: &str, pool_items: serde_json::Value) -> Cluster {
        serde_json::from_value(json!({
            "id": "aws:1:eu-central-1:kube-1", "alias": "kube-1", "infrastructure_account": "aws:1", "region": "eu-central-1",
            "local_id": "kube-1", "provider": "simulated", "api_server_url": "https://kube-1.example.org", "channel": "dev",
            "environment": environment, "criticality_level": 1, "lifecycle_status": "ready",
            "node_pools": [
                {"name": "master", "profile": "master-default", "instance_types": ["m5.large"], "discount_strategy": "none",
                    "min_size": 1, "max_size": 2},
                {"name": "worker", "profile": "worker-splitaz", "instance_types": ["m5.large"], "discount_strategy": "spot",
                    "min_size": 1, "max_size": 9, "config_items": pool_items},
            ],
        }))
        .unwrap()
    }

    fn items(pairs: &[(&str, &str)]) -> ConfigItems {
        let pair = |(key, value): &(&str, &str)| (key.parse().unwrap(), (*value).to_owned());
        pairs.iter().map(pair).collect()
    }

    fn hours(text: &str) -> GoDuration {
        text.parse().unwrap()
    }

    fn spec(cluster: &Cluster, defaults: &[(&str, &str)]) -> Result<ClusterSpec, SpecError> {
        cluster_spec(cluster, &items(defaults), &BTreeSet::new(), Strategies::default())
    }

    #[test]
    fn pools_follow_the_registry_and_policies_the_environment() {
        for (environment, grace) in [("production", "6h"), ("test", "2h"), ("e2e", "2h")] {
            let found = spec(&cluster(environment, json!({})), &[]).unwrap();
            let pools: Vec<_> = found
                .pools
                .iter()
                .map(|pool| {
                    (
                        pool.name.as_str(),
                        pool.max_size,
                        pool.spot,
                        pool.control_plane,
                        pool.strategy,
                    )
                })
                .collect();
            let expected = [
                ("master", 2, false, true, Strategy::Rolling),
                ("worker", 9, true, false, Strategy::Rolling),
            ];
            assert_eq!(pools, expected);
            assert_eq!(found.pools[1].policy.grace_period, hours(grace));
            assert_eq!(found.tag_name, "aws:1:eu-central-1:kube-1");
        }
    }

    #[test]
    fn the_item_of_a_pool_wins_over_that_of_the_cluster_and_the_defaults() {
        let own = json!({"drain_grace_period": "10m", "update_strategy": "rolling"});
        let found = spec(
            &cluster("production", own),
            &[
                ("drain_grace_period", "1h"),
                ("update_strategy", "clc"),
                (NO_SCHEDULE_ITEM, "true"),
            ],
        );
        let found = found.unwrap();
        let read = |n: usize| (found.pools[n].policy.grace_period, found.pools[n].strategy);
        assert_eq!(read(0), (hours("1h"), Strategy::Mark));
        assert_eq!(read(1), (hours("10m"), Strategy::Rolling));
        assert_eq!(found.pools[0].no_schedule.as_deref(), Some("true"));
    }

    #[test]
    fn broken_items_are_refused_by_pool_and_key_without_their_value() {
        let wrong = |key: &str| {
            let found = spec(&cluster("test", json!({key: "hunter2"})), &[]);
            found.unwrap_err().to_string()
        };
        assert_eq!(
            wrong("update_strategy"),
            "pool worker: config item update_strategy: an update strategy is `rolling`, `clc` (or `mark`) or `blue-green`"
        );
        let text = wrong("drain_grace_period");
        assert!(
            text.starts_with("pool worker: config item drain_grace_period") && !text.contains("hunter2"),
            "{text}"
        );
    }

    #[test]
    fn a_pool_that_left_is_drained_under_the_policy_of_its_cluster() {
        let removed = BTreeSet::from([PoolName::from("old")]);
        let found = cluster_spec(
            &cluster("test", json!({})),
            &items(&[("drain_grace_period", "1h")]),
            &removed,
            Strategies::default(),
        );
        let found = found.unwrap();
        let old = found.pools.last().unwrap();
        assert_eq!(
            (old.name.as_str(), old.removed, old.policy.grace_period),
            ("old", true, hours("1h"))
        );
    }
}
