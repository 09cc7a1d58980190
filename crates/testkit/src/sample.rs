//! Sample objects, the same ones for the same numbers.

use jiff::Timestamp;
use model::{
    AccountId, AccountLifecycle, Alias, Cluster, ClusterId, ClusterStatus, ConfigItems, ConfigKey, FileCluster,
    FileRegistry, InfrastructureAccount, LifecycleStatus, NodePool, NodePoolName,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Clusters per sample account.
const CLUSTERS_PER_ACCOUNT: usize = 4;
/// When sample clusters were registered: 2024-01-01, one second after the other.
const REGISTERED: i64 = 1_704_067_200_000;

/// Size of a sample fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Clusters.
    pub clusters: usize,
    /// Config items of each cluster.
    pub items: usize,
    /// Node pools of each cluster.
    pub pools: usize,
}

/// Parses a name that this module made; all of them fit the patterns.
fn name<T: std::str::FromStr<Err = model::Invalid>>(text: &str) -> T {
    match text.parse() {
        Ok(name) => name,
        Err(refused) => unreachable!("a sample name: {refused}"),
    }
}

/// A cluster id.
#[must_use]
pub fn cluster_id(text: &str) -> ClusterId {
    name(text)
}

/// An account id.
#[must_use]
pub fn account_id(text: &str) -> AccountId {
    name(text)
}

/// An alias.
#[must_use]
pub fn alias(text: &str) -> Alias {
    name(text)
}

/// A key of a config item.
#[must_use]
pub fn key(text: &str) -> ConfigKey {
    name(text)
}

/// A name of a node pool.
#[must_use]
pub fn pool_name(text: &str) -> NodePoolName {
    name(text)
}

/// Account number `n`, ready.
#[must_use]
pub fn account(n: usize) -> InfrastructureAccount {
    let number = 100_000_000_000_u64 + u64::try_from(n).unwrap_or(0);
    InfrastructureAccount {
        id: name(&format!("aws:{number}")),
        kind: "aws".to_owned(),
        name: format!("account-{n}"),
        owner: format!("team/{n}"),
        cost_center: format!("00{}", n % 7),
        environment: environment(n).to_owned(),
        criticality_level: 1,
        external_id: number.to_string(),
        lifecycle_status: AccountLifecycle::Ready,
    }
}

fn environment(n: usize) -> &'static str {
    if n.is_multiple_of(3) { "production" } else { "test" }
}

/// Cluster number `n`: ready, with one config item and two node pools.
#[must_use]
pub fn cluster(n: usize) -> Cluster {
    let account = account(n / CLUSTERS_PER_ACCOUNT / 25_000);
    cluster_in(&account, n)
}

fn cluster_in(account: &InfrastructureAccount, n: usize) -> Cluster {
    let local = format!("kube-{n}");
    let channels = ["dev", "alpha", "beta", "stable"];
    Cluster {
        id: name(&format!("{}:eu-central-1:{local}", account.id)),
        alias: name(&format!("alias-{n}")),
        infrastructure_account: account.id.clone(),
        region: "eu-central-1".to_owned(),
        api_server_url: format!("https://{local}.example.org"),
        local_id: local,
        provider: "zalando-aws".to_owned(),
        channel: channels.get(n % channels.len()).copied().unwrap_or("dev").to_owned(),
        environment: environment(n).to_owned(),
        criticality_level: if n.is_multiple_of(3) { 2 } else { 1 },
        lifecycle_status: LifecycleStatus::Ready,
        status: ClusterStatus::default(),
        config_items: ConfigItems::from([(name("product"), "x".to_owned())]),
        node_pools: vec![pool("master-default"), pool("worker-default")],
        created_at: Timestamp::from_millisecond(REGISTERED + i64::try_from(n).unwrap_or(0) * 1000).ok(),
    }
}

/// A node pool of this name, without config items.
#[must_use]
pub fn pool(pool_name: &str) -> NodePool {
    NodePool {
        name: name(pool_name),
        profile: "worker-splitaz".to_owned(),
        instance_types: vec!["m5.large".to_owned(), "m5.2xlarge".to_owned()],
        discount_strategy: "none".to_owned(),
        min_size: 3,
        max_size: 21,
        config_items: ConfigItems::new(),
    }
}

/// A fleet of this size: values of different lengths, some keys that count as secret, the same for the same seed.
#[must_use]
pub fn fleet(seed: u64, size: Size) -> FileRegistry {
    let mut random = StdRng::seed_from_u64(seed);
    let accounts = size.clusters.div_ceil(CLUSTERS_PER_ACCOUNT);
    let clusters = (0..size.clusters).map(|n| {
        let mut cluster = cluster_in(&account(n / CLUSTERS_PER_ACCOUNT), n);
        cluster.status.current_version = format!("{:040x}#{:027x}", random.random::<u128>(), random.random::<u64>());
        cluster.config_items = items(&mut random, size.items);
        cluster.node_pools = (0..size.pools)
            .map(|i| {
                let mut pool = pool(&format!("worker-{i}"));
                pool.max_size = random.random_range(3..100);
                pool.config_items = items(&mut random, 3);
                pool
            })
            .collect();
        FileCluster {
            cluster,
            owner: None,
            account_name: None,
        }
    });
    FileRegistry {
        clusters: clusters.collect(),
        infrastructure_accounts: (0..accounts).map(account).collect(),
    }
}

fn items(random: &mut StdRng, count: usize) -> ConfigItems {
    let kinds = ["setting", "skipper_flag", "etcd_token", "image"];
    let entry = |i: usize, random: &mut StdRng| {
        let kind = kinds.get(i % kinds.len()).copied().unwrap_or("setting");
        let length = random.random_range(4..60);
        let value: String = (0..length)
            .map(|_| char::from(random.random_range(b'a'..=b'z')))
            .collect();
        (name(&format!("{kind}_{i}")), value)
    };
    (0..count).map(|i| entry(i, random)).collect()
}

#[cfg(test)]
mod tests {
    use model::Validate;

    use super::*;

    #[test]
    fn fleets_are_sound_and_follow_from_the_seed() {
        let size = Size {
            clusters: 9,
            items: 30,
            pools: 8,
        };
        let made = fleet(1, size);
        assert_eq!(made, fleet(1, size));
        assert_ne!(made, fleet(2, size));
        assert_eq!(made.clusters.len(), 9);
        assert_eq!(made.infrastructure_accounts.len(), 3);
        for file in &made.clusters {
            file.cluster.validate().unwrap();
            assert_eq!(file.cluster.config_items.len(), 30);
        }
    }
}
