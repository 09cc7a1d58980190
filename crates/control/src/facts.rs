//! Facts about a cluster's surroundings, read through the cloud port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lifecycle::connect::{CloudSource, FactSource, Trouble};
use model::Cluster;
use ports::cloud::{Certificate, CertificateStatus, Cloud, CloudError, Subnet, Vpc};
use ports::{Classified, Clock, Fault, Retry};
use render::{Facts, InstanceType};

/// Subnets with this tag are for something else (fact 67).
const CUSTOM: &str = "zalando.org/custom-subnet";
/// Key of etcd's files.
const ETCD_KEY: &str = "alias/etcd-cluster";
/// What stored ciphertext begins with.
const CIPHERTEXT: &str = "aws:kms:";

/// Asks the cloud of each cluster. What no call tells (images by name, say) comes from given facts that lie beneath.
pub struct CloudFacts {
    clouds: Arc<dyn CloudSource>,
    clock: Arc<dyn Clock>,
    given: Facts,
    /// Machine types by account and region: they are many and change with the seasons.
    types: Mutex<BTreeMap<(String, String), BTreeMap<String, InstanceType>>>,
}

/// Why a fact could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    /// The cloud refused.
    #[error("{what} cannot be read: {cause}")]
    Cloud {
        /// Which facts.
        what: &'static str,
        /// Why.
        cause: CloudError,
    },
    /// The account has several networks, and none is the default one.
    #[error("the account has {count} networks and no default one; set the config item vpc_id")]
    Networks {
        /// How many.
        count: usize,
    },
    /// A config item that looks encrypted is not. The value is not repeated.
    #[error("config item {key} cannot be decrypted: {why}")]
    Ciphertext {
        /// Its key.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Classified for FactError {
    fn fault(&self) -> Fault {
        match self {
            Self::Cloud { cause, .. } => cause.fault(),
            Self::Networks { .. } | Self::Ciphertext { .. } => Fault::User,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Cloud { cause, .. } => cause.retry(),
            Self::Networks { .. } | Self::Ciphertext { .. } => Retry::Never,
        }
    }
}

fn failed(what: &'static str) -> impl FnOnce(CloudError) -> FactError {
    move |cause| FactError::Cloud { what, cause }
}

/// An answer, or nothing for something that is not there.
fn found<T>(what: &'static str, answer: Result<T, CloudError>) -> Result<Option<T>, FactError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(cause) => Err(FactError::Cloud { what, cause }),
    }
}

impl CloudFacts {
    /// Asks these clouds; `given` fills what they do not tell.
    #[must_use]
    pub fn new(clouds: Arc<dyn CloudSource>, clock: Arc<dyn Clock>, given: Facts) -> Self {
        Self {
            clouds,
            clock,
            given,
            types: Mutex::default(),
        }
    }

    async fn read(&self, cluster: &Cluster, cloud: &dyn Cloud) -> Result<Facts, FactError> {
        let vpc = network(cluster, cloud).await?;
        let subnets = match &vpc {
            Some(vpc) => cloud.subnets(&vpc.id).await.map_err(failed("subnets"))?,
            None => Vec::new(),
        };
        let usable: Vec<&Subnet> = subnets.iter().filter(|one| !one.tags.contains_key(CUSTOM)).collect();
        let plain = subnet_map(&usable, "kubernetes.io/role/node");
        let zones = plain
            .as_ref()
            .map(|map| map.keys().filter(|zone| *zone != "*").cloned().collect());
        let mut networks: Vec<String> = usable.iter().flat_map(|one| one.ipv6_cidrs.clone()).collect();
        // In order, so that templates that use it do not differ from pass to pass (fault F15).
        networks.sort();
        let stack = found("outputs of the main stack", cloud.stack(&cluster.local_id).await)?;
        let key = found("the key of etcd's files", cloud.key(ETCD_KEY).await)?;
        let certificates = cloud.certificates().await.map_err(failed("certificates"))?;
        Ok(Facts {
            lb_subnets: subnet_map(&usable, "kubernetes.io/role/elb"),
            internal_node_subnets: subnet_map(&usable, "kubernetes.io/role/internal-node"),
            pod_subnets: subnet_map(&usable, "kubernetes.io/role/pod"),
            subnets: plain,
            availability_zones: zones,
            subnet_ipv6_cidrs: vpc.is_some().then(|| networks.join(",")),
            vpc_ipv6_cidrs: vpc.as_ref().map(|vpc| vpc.ipv6_cidrs.clone()),
            vpc_ipv4_cidr: vpc.as_ref().map(|vpc| vpc.ipv4_cidr.clone()),
            vpc_id: vpc.map(|vpc| vpc.id),
            load_balancer_certificate: self.certificate(&cluster.api_server_url, certificates),
            etcd_kms_key_arn: key.map(|key| key.arn),
            stack_outputs: stack.map(|stack| stack.outputs),
            instance_types: self.types(cluster, cloud).await?,
            decrypted: decrypted(cluster, cloud).await?,
            ..Facts::default()
        })
    }

    /// The certificate for the API's host that holds longest; a name of its own beats a wildcard (fact 5.3).
    fn certificate(&self, url: &str, all: Vec<Certificate>) -> Option<String> {
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = host.split(['/', ':']).next().unwrap_or_default();
        let now = self.clock.now();
        let fits = |one: &Certificate| {
            let valid = one.status == CertificateStatus::Issued && one.not_before <= now && now < one.not_after;
            let rank = one.names.iter().filter_map(|name| name_rank(name, host)).max();
            rank.filter(|_| valid)
        };
        let ranked = all.iter().filter_map(|one| Some((fits(one)?, one.not_after, one)));
        let best = ranked.max_by(|a, b| (a.0, a.1, &b.2.id).cmp(&(b.0, b.1, &a.2.id)));
        best.map(|(_, _, one)| one.id.clone())
    }

    async fn types(&self, cluster: &Cluster, cloud: &dyn Cloud) -> Result<BTreeMap<String, InstanceType>, FactError> {
        let place = (cluster.infrastructure_account.to_string(), cluster.region.clone());
        if let Some(known) = self.types.lock().unwrap_or_else(PoisonError::into_inner).get(&place) {
            return Ok(known.clone());
        }
        let all = cloud.instance_types().await.map_err(failed("machine types"))?;
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let read = |one: ports::cloud::InstanceType| {
            let machine = InstanceType {
                vcpu: i64::from(one.vcpu),
                memory: signed(one.memory),
                storage_devices: i64::from(one.storage_devices),
                storage_device_size: signed(one.storage_device_size),
                architecture: one.architecture.to_string(),
            };
            (one.name, machine)
        };
        let all: BTreeMap<String, InstanceType> = all.into_iter().map(read).collect();
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(types.entry(place).or_insert(all).clone())
    }
}

/// 2 for the name itself, 1 for a wildcard over its first label.
fn name_rank(name: &str, host: &str) -> Option<u8> {
    if name == host {
        return Some(2);
    }
    let parent = name.strip_prefix("*.")?;
    let rest = host.split_once('.')?.1;
    (parent == rest).then_some(1)
}

/// The network of a cluster: the config item's, the only one, or the default one.
async fn network(cluster: &Cluster, cloud: &dyn Cloud) -> Result<Option<Vpc>, FactError> {
    let mut all = cloud.vpcs().await.map_err(failed("networks"))?;
    if let Some(wanted) = cluster.config_items.get("vpc_id") {
        return Ok(all.into_iter().find(|vpc| vpc.id == *wanted));
    }
    let count = all.len();
    if count > 1 {
        all.retain(|vpc| vpc.is_default);
    }
    match all.pop() {
        Some(vpc) => Ok(Some(vpc)),
        None if count == 0 => Ok(None),
        None => Err(FactError::Networks { count }),
    }
}

/// One subnet per zone: a tagged one, else the one with the smallest id; all of them under `*`.
fn subnet_map(subnets: &[&Subnet], tag: &str) -> Option<BTreeMap<String, String>> {
    let mut best: BTreeMap<&str, &Subnet> = BTreeMap::new();
    for one in subnets {
        let rank = |subnet: &Subnet| (!subnet.tags.contains_key(tag), subnet.id.clone());
        let known = best.entry(&one.zone).or_insert(one);
        if rank(one) < rank(known) {
            *known = one;
        }
    }
    if best.is_empty() {
        return None;
    }
    let mut map: BTreeMap<String, String> = best
        .into_iter()
        .map(|(zone, subnet)| (zone.to_owned(), subnet.id.clone()))
        .collect();
    let all: Vec<String> = map.values().cloned().collect();
    map.insert("*".to_owned(), all.join(","));
    Some(map)
}

/// Plaintext of the encrypted config items of a cluster and its pools.
async fn decrypted(cluster: &Cluster, cloud: &dyn Cloud) -> Result<BTreeMap<String, String>, FactError> {
    let pools = cluster.node_pools.iter().flat_map(|pool| &pool.config_items);
    let mut plain = BTreeMap::new();
    for (key, value) in cluster.config_items.iter().chain(pools) {
        let Some(packed) = value.strip_prefix(CIPHERTEXT) else {
            continue;
        };
        let wrong = |why| FactError::Ciphertext {
            key: key.to_string(),
            why,
        };
        let bytes = BASE64_STANDARD.decode(packed).map_err(|_| wrong("it is no base64"))?;
        let clear = cloud.decrypt(&bytes).await.map_err(failed("encrypted config items"))?;
        let text = String::from_utf8(clear).map_err(|_| wrong("its plaintext is no text"))?;
        plain.insert(value.clone(), text);
    }
    Ok(plain)
}

#[async_trait]
impl FactSource for CloudFacts {
    async fn facts(&self, cluster: &Cluster) -> Result<Arc<Facts>, Trouble> {
        let Some(cloud) = self.clouds.cloud(cluster).await? else {
            return Ok(Arc::new(self.given.clone()));
        };
        let read = self.read(cluster, &*cloud).await;
        let facts = read.map_err(|error| Box::new(error) as Trouble)?;
        Ok(Arc::new(facts.or(&self.given)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(id: &str, zone: &str, tags: &[&str]) -> Subnet {
        Subnet {
            id: id.to_owned(),
            vpc: "vpc-1".to_owned(),
            zone: zone.to_owned(),
            ipv4_cidr: "10.0.0.0/16".to_owned(),
            ipv6_cidrs: Vec::new(),
            tags: tags.iter().map(|tag| ((*tag).to_owned(), String::new())).collect(),
        }
    }

    #[test]
    fn fact_67_a_tagged_subnet_wins_then_the_smallest_id() {
        let (node, elb) = ("kubernetes.io/role/node", "kubernetes.io/role/elb");
        let all = [
            subnet("s-3", "a", &[]),
            subnet("s-1", "a", &[elb]),
            subnet("s-2", "a", &[node]),
            subnet("s-5", "b", &[]),
            subnet("s-4", "b", &[]),
        ];
        let all: Vec<&Subnet> = all.iter().collect();
        for (tag, expected) in [
            (node, "s-2,s-4"),
            (elb, "s-1,s-4"),
            ("kubernetes.io/role/pod", "s-1,s-4"),
        ] {
            assert_eq!(subnet_map(&all, tag).unwrap()["*"], expected, "{tag}");
        }
        assert_eq!(subnet_map(&[], node), None);
    }

    #[test]
    fn a_name_of_its_own_beats_a_wildcard_over_one_label() {
        for (name, expected) in [
            ("kube-1.shop.example.org", Some(2)),
            ("*.shop.example.org", Some(1)),
            ("*.example.org", None),
            ("shop.example.org", None),
        ] {
            assert_eq!(name_rank(name, "kube-1.shop.example.org"), expected, "{name}");
        }
    }
}
