//! The data that templates see: cluster, node pools and values, with the field and method names of the original.

mod iam;
mod lazy;
mod pool;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use gotemplate::{ElementType, Function, List, Map, Record, Value};
use model::Cluster;

use crate::facts::Facts;
use crate::input::Input;
use crate::items::{Items, to_value};
use iam::Siblings;
use lazy::Lazy;
pub(crate) use pool::{instance_info, node_pool};

/// Profile of pools that Karpenter runs.
pub(crate) const KARPENTER: &str = "worker-karpenter";

/// `.Cluster`, with no items for defaults. The parts that take long to make are made when a template first asks for them:
/// most templates of an unchanged cluster are not executed at all.
pub(crate) fn cluster(input: &Input, items: &Items) -> Value {
    let siblings = Arc::new(Siblings::new(input));
    let pools = Arc::new(PoolList {
        cluster: Arc::clone(&input.cluster),
        items: items.clone(),
        made: OnceLock::new(),
    });
    let pool_method = |karpenter: bool| {
        let pools = Arc::clone(&pools);
        Function::new([], move |_, _| Ok(pools.list(Some(karpenter))))
    };
    let (oldest, next) = (Arc::clone(&siblings), Arc::clone(&siblings));
    let record = base_record(&input.cluster, Value::Nil)
        .field("NodePools", Value::Nil)
        .field("Owner", input.owner.as_str())
        .field("AccountName", input.account_name.as_str())
        .field("AccountClusters", Value::Nil)
        .field("IAMRoleTrustRelationshipTemplate", Value::Nil)
        .method("KarpenterPools", pool_method(true))
        .method("ASGBackedPools", pool_method(false))
        .method("SiblingCluster", Function::new([], move |_, _| Ok(next.sibling())))
        .method(
            "IsOldestReadyClusterInTheRegion",
            Function::new([], move |_, _| Ok(Value::from(oldest.is_oldest()))),
        )
        .with_provenance("Cluster");
    let items = Arc::clone(&items.cluster);
    let others = Arc::clone(&siblings);
    let lazy = Lazy::new(record)
        .part("ConfigItems", move || to_value(&items, "Cluster.ConfigItems"))
        .part("NodePools", move || pools.list(None))
        .part("AccountClusters", move || others.records())
        .part("IAMRoleTrustRelationshipTemplate", move || {
            Value::from(siblings.trust_policy())
        });
    Value::object(lazy)
}

/// The node pools, made once for all of the lists that show them.
struct PoolList {
    cluster: Arc<Cluster>,
    items: Items,
    made: OnceLock<Vec<(bool, Value)>>,
}

impl PoolList {
    /// All pools, those of Karpenter, or the others.
    fn list(&self, karpenter: Option<bool>) -> Value {
        let all = self.made.get_or_init(|| {
            let pools = self.cluster.node_pools.iter();
            pools
                .map(|pool| {
                    let provenance = format!("Cluster.NodePools.{}", pool.name);
                    let value = node_pool(pool, &self.items.of_pool(pool), &provenance);
                    (pool.profile == KARPENTER, value)
                })
                .collect()
        });
        let chosen = all
            .iter()
            .filter(|(own, _)| karpenter.is_none_or(|wanted| wanted == *own));
        Value::from(List::of(
            ElementType::Object("*api.NodePool"),
            chosen.map(|(_, value)| value.clone()),
        ))
    }
}

/// Fields and methods that need only the registry entry.
fn base_record(cluster: &Cluster, items: Value) -> Record {
    let account = account_id(cluster);
    let issuer = oidc_provider(cluster);
    let created = cluster.created_at.map(|at| at.to_string()).unwrap_or_default();
    let status = &cluster.status;
    let status = Record::new("*api.ClusterStatus")
        .field("CurrentVersion", status.current_version.clone())
        .field("LastVersion", status.last_version.clone())
        .field("NextVersion", status.next_version.clone());
    Record::new("*api.Cluster")
        .field("Alias", cluster.alias.as_str())
        .field("APIServerURL", cluster.api_server_url.as_str())
        .field("Channel", cluster.channel.as_str())
        .field("ConfigItems", items)
        .field("CriticalityLevel", i64::from(cluster.criticality_level))
        .field("Environment", cluster.environment.as_str())
        .field("ID", cluster.id.as_str())
        .field("InfrastructureAccount", cluster.infrastructure_account.as_str())
        .field("LifecycleStatus", cluster.lifecycle_status.as_str())
        .field("LocalID", cluster.local_id.as_str())
        .field("Provider", cluster.provider.as_str())
        .field("Region", cluster.region.as_str())
        .field("Status", Value::object(status))
        .field("CreatedAt", created)
        .field("OIDCProvider", issuer.as_str())
        .method("Name", Function::constant(Value::from(cluster_name(cluster))))
        .method("InfrastructureAccountID", Function::constant(Value::from(account)))
        .method(
            "WorkerRoleARN",
            Function::constant(Value::from(format!(
                "arn:aws:iam::{account}:role/{}-worker",
                cluster.local_id
            ))),
        )
        .method(
            "OIDCProviderARN",
            Function::constant(Value::from(format!("arn:aws:iam::{account}:oidc-provider/{issuer}"))),
        )
        .method(
            "OIDCSubjectKey",
            Function::constant(Value::from(format!("{issuer}:sub"))),
        )
}

/// The id, or the alias on EKS (fact 70).
pub(crate) fn cluster_name(cluster: &Cluster) -> &str {
    if cluster.provider == "zalando-eks" {
        cluster.alias.as_str()
    } else {
        cluster.id.as_str()
    }
}

/// The part of the account id after its type.
pub(crate) fn account_id(cluster: &Cluster) -> &str {
    let account = cluster.infrastructure_account.as_str();
    account.split_once(':').map_or(account, |(_, id)| id)
}

/// Host of the API server, or the issuer on EKS, without the scheme (fact 69).
fn oidc_provider(cluster: &Cluster) -> String {
    let issuer = cluster.config_items.get("eks_oidc_issuer_url");
    let url = match issuer {
        Some(url) if cluster.provider == "zalando-eks" => url.as_str(),
        _ => cluster.api_server_url.as_str(),
    };
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.trim_end_matches('/').to_owned()
}

/// Host of the API server without its first label (fact 69).
fn hosted_zone(cluster: &Cluster) -> Option<String> {
    let url = &cluster.api_server_url;
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', ':']).next()?;
    host.split_once('.').map(|(_, zone)| zone.to_owned())
}

/// The values every template but the defaults sees, and the names of the facts that are missing.
pub(crate) fn base_values(cluster: &Cluster, facts: &Facts) -> (BTreeMap<String, Value>, Vec<String>) {
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    let mut put = |name: &str, value: Option<Value>| match value {
        Some(value) => {
            values.insert(name.to_owned(), value);
        }
        None => missing.push(name.to_owned()),
    };
    put("subnets", strings_map(facts.subnets.as_ref(), "Values.subnets"));
    put(
        "lb_subnets",
        strings_map(facts.lb_subnets.as_ref(), "Values.lb_subnets"),
    );
    put(
        "internal_node_subnets",
        strings_map(facts.internal_node_subnets.as_ref(), "Values.internal_node_subnets"),
    );
    put(
        "pod_subnets",
        strings_map(facts.pod_subnets.as_ref(), "Values.pod_subnets"),
    );
    let zones = facts.availability_zones.clone().map(|mut zones| {
        zones.sort();
        Value::strings(zones)
    });
    put("availability_zones", zones);
    put("subnet_ipv6_cidrs", facts.subnet_ipv6_cidrs.clone().map(Value::from));
    put("vpc_ipv6_cidrs", facts.vpc_ipv6_cidrs.clone().map(Value::strings));
    put("vpc_ipv4_cidr", facts.vpc_ipv4_cidr.clone().map(Value::from));
    let zone = facts.hosted_zone.clone().or_else(|| hosted_zone(cluster));
    put("hosted_zone", zone.map(Value::from));
    put(
        "load_balancer_certificate",
        facts.load_balancer_certificate.clone().map(Value::from),
    );
    (values, missing)
}

/// A map of strings that records its reads.
pub(crate) fn strings_map(map: Option<&BTreeMap<String, String>>, provenance: &str) -> Option<Value> {
    let entries = map?.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Some(Value::from(Map::strings(entries).with_provenance(provenance)))
}

/// The zones of a pool with an `availability_zones` item: subnets in the listed order, zones sorted (fact 68).
pub(crate) fn narrow(values: &mut BTreeMap<String, Value>, facts: &Facts, zones: &str) {
    let Some(subnets) = &facts.subnets else { return };
    let listed: Vec<(&str, &String)> = zones
        .split(',')
        .filter(|zone| *zone != "*")
        .filter_map(|zone| Some((zone, subnets.get(zone)?)))
        .collect();
    let all: Vec<&str> = listed.iter().map(|(_, subnet)| subnet.as_str()).collect();
    let mut narrowed: BTreeMap<String, String> = listed
        .iter()
        .map(|(zone, subnet)| ((*zone).to_owned(), (*subnet).clone()))
        .collect();
    let zones: Vec<String> = narrowed.keys().cloned().collect();
    narrowed.insert("*".to_owned(), all.join(","));
    if let Some(value) = strings_map(Some(&narrowed), "Values.subnets") {
        values.insert("subnets".to_owned(), value);
    }
    values.insert("availability_zones".to_owned(), Value::strings(zones));
}

/// What a template gets as dot.
pub(crate) fn dot(cluster: &Value, pool: Option<&Value>, values: &BTreeMap<String, Value>) -> Value {
    let values = Map::new(values.iter().map(|(key, value)| (key.as_str(), value.clone()))).with_provenance("Values");
    let record = Record::new("*provisioner.templateData")
        .field("Cluster", cluster.clone())
        .field("Values", Value::from(values))
        .field("NodePool", pool.cloned().unwrap_or_default());
    Value::object(record)
}
