//! What brings traffic to a cluster: load balancers, certificates, DNS.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{CloudError, InstanceId, Tags};

/// Kind of load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoadBalancerKind {
    /// Classic.
    Classic,
    /// HTTP.
    Application,
    /// TCP and UDP.
    Network,
}

/// A load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadBalancer {
    /// Id; for classic ones the name.
    pub id: String,
    /// Name, unique in account and region.
    pub name: String,
    /// Kind.
    pub kind: LoadBalancerKind,
    /// Name in DNS.
    pub dns_name: String,
    /// Network.
    pub vpc: String,
    /// Tags.
    pub tags: Tags,
}

/// Health of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetHealth {
    /// Registered, not judged yet.
    Initial,
    /// Takes traffic.
    Healthy,
    /// Fails its checks.
    Unhealthy,
    /// Being taken out, open connections run on.
    Draining,
    /// Not registered.
    Unused,
}

impl fmt::Display for TargetHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
            Self::Unused => "unused",
        })
    }
}

/// Load balancers of one account and region.
#[async_trait]
pub trait LoadBalancers: Send + Sync {
    /// Load balancers whose tags hold all of `tags`, in id order. Decommission looks for those that `Service` objects
    /// left behind (cloud fact 5.6).
    async fn load_balancers(&self, tags: &Tags) -> Result<Vec<LoadBalancer>, CloudError>;

    /// Deletes a load balancer. One that is gone already is a success.
    async fn delete_load_balancer(&self, id: &str) -> Result<(), CloudError>;

    /// Instances of a classic load balancer and whether they take traffic (cloud fact 4.1).
    async fn classic_health(&self, name: &str) -> Result<Vec<(InstanceId, TargetHealth)>, CloudError>;

    /// Targets of a target group and their health, which the original ignores (fault F13).
    async fn target_health(&self, target_group: &str) -> Result<Vec<(InstanceId, TargetHealth)>, CloudError>;
}

/// State of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateStatus {
    /// Usable.
    Issued,
    /// Waits for the proof of the domain.
    PendingValidation,
    /// Over.
    Expired,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Id (ARN).
    pub id: String,
    /// All names it is for, the main one first; wildcards as written.
    pub names: Vec<String>,
    /// State.
    pub status: CertificateStatus,
    /// Key algorithm, such as `RSA_2048` or `EC_prime256v1`.
    pub key_algorithm: String,
    /// Beginning of its validity.
    pub not_before: Timestamp,
    /// End of its validity.
    pub not_after: Timestamp,
    /// Ids of what uses it.
    pub in_use_by: Vec<String>,
}

/// Certificates of one account and region.
#[async_trait]
pub trait Certificates: Send + Sync {
    /// All issued certificates whatever their key algorithm, in id order. The original sees RSA ones only (fault F16).
    async fn certificates(&self) -> Result<Vec<Certificate>, CloudError>;
}

/// A DNS zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsZone {
    /// Id.
    pub id: String,
    /// Name with the final dot.
    pub name: String,
    /// True when only networks of the account see it.
    pub private: bool,
}

/// What an alias record points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasTarget {
    /// Zone of the target.
    pub zone: String,
    /// Name of the target.
    pub dns_name: String,
}

/// A set of records with one name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsRecord {
    /// Name with the final dot.
    pub name: String,
    /// Type, such as `A`, `CNAME`, `TXT`.
    pub kind: String,
    /// Values; TXT values are quoted.
    pub values: Vec<String>,
    /// Seconds that resolvers keep it; absent for aliases.
    pub ttl: Option<u32>,
    /// Points to a resource of the provider instead of values.
    pub alias: Option<AliasTarget>,
    /// Distinguishes records of one name and type that share the traffic.
    pub set_identifier: Option<String>,
    /// Share of the traffic among them.
    pub weight: Option<u32>,
}

/// What is done with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DnsAction {
    /// Made; must not exist.
    Create,
    /// Made or replaced.
    Upsert,
    /// Deleted; must exist exactly so.
    Delete,
}

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsChange {
    /// What is done.
    pub action: DnsAction,
    /// With which record.
    pub record: DnsRecord,
}

/// DNS of one account.
#[async_trait]
pub trait Dns: Send + Sync {
    /// Zones, in name order.
    async fn dns_zones(&self) -> Result<Vec<DnsZone>, CloudError>;

    /// Records of a zone, in the order of name, type and set identifier.
    async fn dns_records(&self, zone: &str) -> Result<Vec<DnsRecord>, CloudError>;

    /// Makes all changes of a batch, or none; returns an id by which [`Dns::dns_in_sync`] asks.
    ///
    /// # Errors
    /// [`CloudError::Invalid`] naming each change that is refused.
    async fn change_dns(&self, zone: &str, batch: &[DnsChange]) -> Result<String, CloudError>;

    /// True when all name servers answer with a change.
    async fn dns_in_sync(&self, change: &str) -> Result<bool, CloudError>;
}
