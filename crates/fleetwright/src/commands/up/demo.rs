//! The registry of the example fleet, as large as it is asked for.

use model::{Cluster, ClusterVersion, FileRegistry, InfrastructureAccount, NodePool};
use twin::{PoolSpec, Profile, Shape};

use crate::failure::Failure;

/// The example fleet stands in the binary, so that it works wherever the binary is.
const EXAMPLE: &str = include_str!("../../../../../examples/fleet/registry.yaml");
/// Zones of the simulated region: pools over zones are sized in steps of this.
const ZONES: i64 = 3;
/// Pods of the workloads to a node of the pool that they run on, about.
pub(super) const PODS_PER_NODE: u32 = 10;

/// The example registry with so many clusters, whose default pools begin with so many nodes.
pub(super) fn registry(clusters: u16, nodes: u16) -> Result<FileRegistry, Failure> {
    let mut example: FileRegistry =
        yaml::from_str(EXAMPLE).map_err(|error| Failure::of(&error).while_doing("example fleet"))?;
    let wanted = usize::from(clusters);
    let (pattern, accounts) = (example.clusters.clone(), example.infrastructure_accounts.clone());
    let mut round = 1;
    while example.clusters.len() < wanted && !pattern.is_empty() {
        for (entry, account) in pattern.iter().zip(&accounts) {
            let mut entry = entry.clone();
            entry.cluster = copy(&entry.cluster, round)?;
            example.infrastructure_accounts.push(copy_account(account, round)?);
            example.clusters.push(entry);
        }
        round += 1;
    }
    example.clusters.truncate(wanted);
    example.infrastructure_accounts.truncate(wanted);
    for entry in &mut example.clusters {
        for pool in &mut entry.cluster.node_pools {
            resize(pool, i64::from(nodes));
        }
    }
    Ok(example)
}

/// A name of a later round: `shop` and `shop-test` become `shop2` and `shop2-test`.
fn renamed(name: &str, round: usize) -> String {
    let number = round + 1;
    match name.strip_suffix("-test") {
        Some(base) => format!("{base}{number}-test"),
        None => format!("{name}{number}"),
    }
}

/// The number of an account in a later round: the rounds differ in the fourth to last digits but two.
fn renumbered(id: &str, round: usize) -> String {
    let (head, tail) = id.split_at(id.len().saturating_sub(6));
    let head = head.get(..head.len().saturating_sub(2)).unwrap_or_default();
    format!("{head}{:02}{tail}", round % 100)
}

fn parsed<T: std::str::FromStr<Err = model::Invalid>>(text: &str) -> Result<T, Failure> {
    text.parse()
        .map_err(|error| Failure::of(&error).while_doing("example fleet"))
}

fn copy(cluster: &Cluster, round: usize) -> Result<Cluster, Failure> {
    let account = renumbered(cluster.infrastructure_account.as_str(), round);
    let alias = renamed(cluster.alias.as_str(), round);
    Ok(Cluster {
        id: parsed(&format!("{account}:{}:{}", cluster.region, cluster.local_id))?,
        alias: parsed(&alias)?,
        infrastructure_account: parsed(&account)?,
        api_server_url: format!("https://{}.{alias}.example.org", cluster.local_id),
        ..cluster.clone()
    })
}

fn copy_account(account: &InfrastructureAccount, round: usize) -> Result<InfrastructureAccount, Failure> {
    Ok(InfrastructureAccount {
        id: parsed(&renumbered(account.id.as_str(), round))?,
        name: renamed(&account.name, round),
        external_id: renumbered(&account.external_id, round),
        ..account.clone()
    })
}

/// Default pools get the nodes that were asked for, a whole number in each zone; spot pools begin with one.
fn resize(pool: &mut NodePool, nodes: i64) {
    if pool.name.as_str() == "worker-default" {
        pool.min_size = nodes.div_euclid(ZONES) * ZONES + if nodes % ZONES == 0 { 0 } else { ZONES };
        pool.max_size = pool.max_size.max(pool.min_size * 2);
    } else if pool.is_spot() {
        pool.min_size = pool.min_size.max(1);
    }
}

/// Gives every cluster the version that it has at a commit: it was brought there before.
pub(super) fn at_commit(registry: &mut FileRegistry, commit: &str) {
    for entry in &mut registry.clusters {
        let version = ClusterVersion::of(commit, &entry.cluster).to_string();
        entry.cluster.status.current_version = version;
    }
}

/// What runs in a cluster, by what its team does.
pub(super) fn profile(cluster: &Cluster) -> Profile {
    let alias = cluster.alias.as_str();
    if alias.starts_with("search") || alias.starts_with("payments") {
        Profile::Stateful
    } else if alias.starts_with("platform") {
        Profile::Batch
    } else {
        Profile::Shop
    }
}

/// The pools that workloads are sized by: the ones that anything may run on.
pub(super) fn open_pools(cluster: &Cluster) -> Vec<PoolSpec> {
    let open = cluster.node_pools.iter().filter(|pool| {
        pool.profile.starts_with("worker") && !pool.config_items.contains_key("taints") && pool.min_size > 0
    });
    let spec = |pool: &NodePool| {
        let shape = Shape {
            cpu: "8".to_owned(),
            memory: "32Gi".to_owned(),
            ..Shape::default()
        };
        PoolSpec::new(pool.name.as_str(), u32::try_from(pool.min_size).unwrap_or(0)).shape(shape)
    };
    open.map(spec).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::Validate as _;

    use super::*;

    #[test]
    fn every_size_is_sound_and_names_are_unique() {
        for (clusters, nodes) in [(1, 1), (4, 3), (12, 4), (148, 6)] {
            let fleet = registry(clusters, nodes).unwrap();
            assert_eq!(fleet.clusters.len(), usize::from(clusters));
            let mut names = BTreeSet::new();
            for entry in &fleet.clusters {
                assert_eq!(entry.cluster.validate(), Ok(()), "{}", entry.cluster.id);
                assert!(names.insert(entry.cluster.id.to_string()), "{}", entry.cluster.id);
                assert!(names.insert(entry.cluster.alias.to_string()), "{}", entry.cluster.alias);
                let account = &entry.cluster.infrastructure_account;
                assert!(
                    fleet.infrastructure_accounts.iter().any(|one| one.id == *account),
                    "{account}"
                );
                for pool in &entry.cluster.node_pools {
                    assert_eq!(pool.validate(), Ok(()), "{}", pool.name);
                }
            }
        }
    }

    #[test]
    fn pools_over_zones_have_as_many_nodes_in_each() {
        for (nodes, expected) in [(1, 3), (3, 3), (4, 6), (6, 6)] {
            let fleet = registry(1, nodes).unwrap();
            let pools = &fleet.clusters[0].cluster.node_pools;
            let pool = pools
                .iter()
                .find(|pool| pool.name.as_str() == "worker-default")
                .unwrap();
            assert_eq!(pool.min_size, expected, "{nodes}");
        }
    }
}
