//! What is found out about a cluster before its rollouts start or go on: whether it has any, and with which spec.

use std::collections::BTreeSet;
use std::sync::Arc;

use disruption::PoolName;
use kube_access::Access;
use lifecycle::{Reach, Subject};
use model::{Cluster, ClusterId, ClusterVersion, ConfigItems};
use ports::cloud::{Cloud, Tags};
use ports::registry::{ClusterFilter, Detail, PageRequest};
use ports::{Classified, Lease, LeaseName, RegistryError};
use rollout::ClusterSpec;

use crate::guard::{Replica, has_rollouts};
use crate::spec::{Strategies, cluster_spec};

/// The tag of a group with the name of its pool, and the one that every group of a pool's stack carries.
const POOL_TAG: &str = rollout::names::POOL_TAG;

/// What was found out.
pub(crate) enum Finding {
    /// It has no rollouts, and none are wanted.
    None,
    /// As it was when it was looked at last.
    Same,
    /// Rollouts with this spec.
    Wanted(Box<Wanted>),
}

/// A cluster whose rollouts are to be looked after.
pub(crate) struct Wanted {
    pub(crate) alias: String,
    /// Equal as long as nothing that the spec rests on has changed.
    pub(crate) key: String,
    pub(crate) spec: ClusterSpec,
    pub(crate) cloud: Arc<dyn Cloud>,
    pub(crate) access: Access,
}

/// Looks at a cluster. `known` is the key of its running rollouts.
///
/// # Errors
/// In words: something cannot be read, or makes no sense. It is tried again.
pub(crate) async fn look(
    reach: &Reach,
    strategies: Strategies,
    id: &ClusterId,
    known: Option<String>,
) -> Result<Finding, String> {
    let cluster = match reach.registry.get_cluster(id, Detail::Full).await {
        Ok(found) => Arc::new(found.object),
        Err(RegistryError::NotFound { .. }) => return Ok(Finding::None),
        Err(error) => return Err(format!("the registry does not answer: {error}")),
    };
    if !has_rollouts(&cluster) {
        return Ok(Finding::None);
    }
    let cloud = match reach.clouds.cloud(&cluster).await {
        Ok(Some(cloud)) => cloud,
        Ok(None) => return Ok(Finding::None),
        Err(error) => return Err(format!("the account cannot be entered: {error}")),
    };
    let version = reach.configuration.version(&cluster).await?;
    let key = ClusterVersion::of(version.id(), &cluster).to_string();
    let removed = removed(&cluster, &*cloud).await?;
    // A pool that is being removed is looked for each time: its groups go without any change of the entry.
    let key = if removed.is_empty() {
        key
    } else {
        let names: Vec<&str> = removed.iter().map(PoolName::as_str).collect();
        format!("{key} without {}", names.join(","))
    };
    if known.as_ref() == Some(&key) {
        return Ok(Finding::Same);
    }
    if cluster.node_pools.is_empty() && removed.is_empty() {
        return Ok(Finding::None);
    }
    let subject = subject(reach, &cluster).await.map_err(|error| error.to_string())?;
    let facts = reach.facts.facts(&cluster).await;
    let facts = facts.map_err(|error| format!("the cloud cannot be asked: {error}"))?;
    let outcome = reach.configuration.render(&subject, &version, facts).await?;
    let broken = outcome
        .errors
        .iter()
        .find(|error| error.path.contains("config-defaults"));
    if let Some(error) = broken {
        // Deadlines may stand in what failed: none is guessed.
        return Err(format!("the defaults of config items cannot be read: {error}"));
    }
    let pairs = outcome.desired.items.iter();
    let items: ConfigItems = pairs
        .filter_map(|(key, value)| Some((key.parse().ok()?, value.clone())))
        .collect();
    let spec = cluster_spec(&cluster, &items, &removed, strategies).map_err(|error| error.to_string())?;
    let access = reach.connector.open(&cluster).await;
    Ok(Finding::Wanted(Box::new(Wanted {
        alias: cluster.alias.to_string(),
        key,
        spec,
        cloud,
        access: access.map_err(|error| format!("the cluster cannot be reached: {error}"))?,
    })))
}

/// Pools that have groups and are not in the registry.
async fn removed(cluster: &Cluster, cloud: &dyn Cloud) -> Result<BTreeSet<PoolName>, String> {
    let tags = Tags::from([(rollout::names::cluster_tag(cluster.id.as_str()), "owned".to_owned())]);
    let groups = cloud.groups(&tags).await;
    let groups = groups.map_err(|error| format!("the cloud's groups cannot be listed: {error}"))?;
    let named = groups.iter().filter_map(|group| group.tags.get(POOL_TAG));
    let listed = |name: &String| cluster.node_pools.iter().any(|pool| pool.name.as_str() == name);
    Ok(named
        .filter(|name| !listed(name))
        .map(|name| PoolName::from(name.as_str()))
        .collect())
}

/// The cluster with what the registry says about its surroundings, as the lifecycle manager renders it.
async fn subject(reach: &Reach, cluster: &Arc<Cluster>) -> Result<Subject, RegistryError> {
    let account = match reach.registry.get_account(&cluster.infrastructure_account).await {
        Ok(account) => Some(account.object),
        Err(RegistryError::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    let filter = ClusterFilter {
        infrastructure_account: Some(cluster.infrastructure_account.to_string()),
        ..ClusterFilter::default()
    };
    let siblings = reach
        .registry
        .list_clusters(&filter, Detail::Full, &PageRequest::all())
        .await?;
    Ok(Subject {
        cluster: Arc::clone(cluster),
        owner: account
            .as_ref()
            .map(|account| account.owner.clone())
            .unwrap_or_default(),
        account_name: account.map(|account| account.name).unwrap_or_default(),
        siblings: siblings.items.into_iter().map(|one| Arc::new(one.object)).collect(),
    })
}

/// Name of the lease on a cluster's rollouts.
fn lease_name(cluster: &ClusterId) -> Result<LeaseName, String> {
    LeaseName::new(format!("rollout/{cluster}")).map_err(|error| error.to_string())
}

/// Claims the cluster for this replica, if there are others.
///
/// # Errors
/// In words: another has it, or leases cannot be had.
pub(crate) async fn claim(replica: Option<&Replica>, cluster: &ClusterId) -> Result<Option<Lease>, String> {
    let Some(replica) = replica else { return Ok(None) };
    let name = lease_name(cluster)?;
    let claimed = replica.leases.claim(&name, &replica.holder, replica.ttl).await;
    claimed.map(Some).map_err(|error| error.to_string())
}

/// Renews a lease; `None` when it is lost. While the store does not answer, the lease is what it was until it expires.
pub(crate) async fn renew(replica: &Replica, lease: Lease) -> Option<Lease> {
    match replica.leases.renew(&lease, replica.ttl).await {
        Ok(lease) => Some(lease),
        Err(error) if error.retry() == ports::Retry::Never => None,
        Err(_) => Some(lease),
    }
}
