//! Discovered facts: what only the cloud knows, as a value that a file, a registry or a cloud client fills in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is known about the surroundings of one cluster. Each fact may be missing; then exactly the templates that need it
/// fail, by its name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// Network of the cluster; becomes the config item `vpc_id`, which pools do not see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_id: Option<String>,
    /// Subnet per zone, and under `*` all of them as a comma list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnets: Option<BTreeMap<String, String>>,
    /// The same for load balancers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lb_subnets: Option<BTreeMap<String, String>>,
    /// The same for internal nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal_node_subnets: Option<BTreeMap<String, String>>,
    /// The same for pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_subnets: Option<BTreeMap<String, String>>,
    /// Zones; sorted before use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability_zones: Option<Vec<String>>,
    /// Comma list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_ipv6_cidrs: Option<String>,
    /// IPv6 networks of the VPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_ipv6_cidrs: Option<Vec<String>>,
    /// IPv4 network of the VPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_ipv4_cidr: Option<String>,
    /// DNS zone; if missing, the host of the API server without its first label (fact 69).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosted_zone: Option<String>,
    /// Certificate of the load balancers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_certificate: Option<String>,
    /// Key that etcd's files are encrypted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etcd_kms_key_arn: Option<String>,
    /// Outputs of the main stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_outputs: Option<BTreeMap<String, String>>,
    /// Machine images: owner, then name, to id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, BTreeMap<String, String>>,
    /// Machine types by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub instance_types: BTreeMap<String, InstanceType>,
    /// Plaintext of config items that are stored encrypted, by the stored text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub decrypted: BTreeMap<String, String>,
    /// Derive images and machine types that are not listed from their names, as simulated clouds do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub simulated: bool,
    /// Bucket of pool files, instead of the one that the account and region imply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_files_bucket: Option<String>,
    /// Text that stands for the packed user data of pool stacks, so that results of different packers can be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data_text: Option<String>,
}

/// A machine type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceType {
    /// Number of virtual CPUs.
    pub vcpu: i64,
    /// Memory in bytes.
    pub memory: i64,
    /// Number of local disks.
    #[serde(default)]
    pub storage_devices: i64,
    /// Size of each local disk in bytes.
    #[serde(default)]
    pub storage_device_size: i64,
    /// `amd64` or `arm64`.
    pub architecture: String,
}

impl Facts {
    /// The id of an image.
    #[must_use]
    pub fn image(&self, name: &str, owner: &str) -> Option<String> {
        let listed = self.images.get(owner).and_then(|images| images.get(name));
        listed.cloned().or_else(|| {
            self.simulated.then(|| {
                let digest = Sha256::new().chain_update(name).chain_update(owner).finalize();
                let digits: String = hex::encode(digest).chars().take(17).collect();
                format!("ami-{digits}")
            })
        })
    }

    /// A machine type by name.
    #[must_use]
    pub fn instance_type(&self, name: &str) -> Option<InstanceType> {
        let listed = self.instance_types.get(name);
        listed.cloned().or_else(|| self.simulated.then(|| simulated_type(name)))
    }

    /// These facts, completed by those of `base` where they are missing.
    #[must_use]
    pub fn or(&self, base: &Self) -> Self {
        let merge = |own: &BTreeMap<String, BTreeMap<String, String>>,
                     base: &BTreeMap<String, BTreeMap<String, String>>| {
            let mut all = base.clone();
            for (owner, images) in own {
                all.entry(owner.clone()).or_default().extend(images.clone());
            }
            all
        };
        macro_rules! first {
            ($field:ident) => {
                self.$field.clone().or_else(|| base.$field.clone())
            };
        }
        macro_rules! union {
            ($field:ident) => {{
                let mut all = base.$field.clone();
                all.extend(self.$field.clone());
                all
            }};
        }
        Self {
            vpc_id: first!(vpc_id),
            subnets: first!(subnets),
            lb_subnets: first!(lb_subnets),
            internal_node_subnets: first!(internal_node_subnets),
            pod_subnets: first!(pod_subnets),
            availability_zones: first!(availability_zones),
            subnet_ipv6_cidrs: first!(subnet_ipv6_cidrs),
            vpc_ipv6_cidrs: first!(vpc_ipv6_cidrs),
            vpc_ipv4_cidr: first!(vpc_ipv4_cidr),
            hosted_zone: first!(hosted_zone),
            load_balancer_certificate: first!(load_balancer_certificate),
            etcd_kms_key_arn: first!(etcd_kms_key_arn),
            stack_outputs: first!(stack_outputs),
            images: merge(&self.images, &base.images),
            instance_types: union!(instance_types),
            decrypted: union!(decrypted),
            simulated: self.simulated || base.simulated,
            pool_files_bucket: first!(pool_files_bucket),
            user_data_text: first!(user_data_text),
        }
    }
}

/// Two CPUs and 8 GiB; Graviton and local disks by the usual letters of the name.
fn simulated_type(name: &str) -> InstanceType {
    let disks = name.contains("6id");
    let arm = name.contains("6g") || name.contains("7g");
    InstanceType {
        vcpu: 2,
        memory: 8 << 30,
        storage_devices: i64::from(disks),
        storage_device_size: if disks { 237_000_000_000 } else { 0 },
        architecture: if arm { "arm64" } else { "amd64" }.to_owned(),
    }
}

/// A file of facts: shared ones, and what differs per cluster.
///
/// ```
/// let file = render::FactsFile::parse("
/// defaults:
///   vpc_ipv4_cidr: 172.31.0.0/16
/// clusters:
///   aws:1:eu-central-1:kube-1:
///     vpc_id: vpc-1
/// ")?;
/// let facts = file.for_cluster("aws:1:eu-central-1:kube-1");
/// assert_eq!(facts.vpc_id.as_deref(), Some("vpc-1"));
/// assert_eq!(facts.vpc_ipv4_cidr.as_deref(), Some("172.31.0.0/16"));
/// # Ok::<(), yaml::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FactsFile {
    /// Facts of every cluster.
    pub defaults: Facts,
    /// Facts by cluster id; they win.
    pub clusters: BTreeMap<String, Facts>,
}

impl FactsFile {
    /// Reads the YAML (or JSON) form.
    ///
    /// # Errors
    /// [`yaml::Error`] with place and reason, no values.
    pub fn parse(text: &str) -> Result<Self, yaml::Error> {
        Ok(yaml::from_str::<Option<Self>>(text)?.unwrap_or_default())
    }

    /// The facts of a cluster.
    #[must_use]
    pub fn for_cluster(&self, id: &str) -> Facts {
        match self.clusters.get(id) {
            Some(own) => own.or(&self.defaults),
            None => self.defaults.clone(),
        }
    }
}
