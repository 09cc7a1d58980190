//! Mistakes that can be seen without any cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::apis::{KubernetesVersion, is_namespaced, retired};
use crate::desired::{DesiredCluster, ManifestObject, Outcome};
use crate::input::Input;
use crate::schema::{SCHEMA_PATH, Schema};

/// Items that the manager itself reads; no template needs to.
const BUILT_IN: [&str; 26] = [
    "cluster_update_block",
    "override_channel",
    "update_strategy",
    "drain_grace_period",
    "drain_min_pod_lifetime",
    "drain_min_healthy_sibling_lifetime",
    "drain_min_unhealthy_sibling_lifetime",
    "drain_force_evict_interval",
    "drain_poll_interval",
    "decommission_node_no_schedule_taint",
    "vpc_id",
    "subnets",
    "availability_zones",
    "etcd_stack_name",
    "etcd_instance_type",
    "kubectl_apply_inline",
    "service_cidr",
    "eks_endpoint",
    "eks_certificate_authority_data",
    "eks_oidc_issuer_url",
    "labels",
    "taints",
    "requirements",
    "karpenter_ami_family_alias",
    "scaling_priority",
    "spot_allocation_strategy",
];

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does not work.
    Error,
    /// It should be put right.
    Warning,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A template does not render, or its text is not sound.
    Render,
    /// The schema file itself is wrong.
    Schema,
    /// A config item that nothing knows.
    UnknownItem,
    /// A default that nothing reads.
    UnusedItem,
    /// A value that is not of its type or not allowed.
    WrongValue,
    /// A secret that is not encrypted.
    SecretInClear,
    /// A namespaced object without a namespace.
    MissingNamespace,
    /// An API version that the given Kubernetes version no longer serves.
    RemovedApi,
    /// An API version that is on its way out.
    DeprecatedApi,
    /// Something that the YAML reader tolerated.
    Yaml,
}

impl Rule {
    /// Name for output and for choosing rules.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Render => "render",
            Self::Schema => "schema",
            Self::UnknownItem => "unknown-item",
            Self::UnusedItem => "unused-item",
            Self::WrongValue => "wrong-value",
            Self::SecretInClear => "secret-in-clear",
            Self::MissingNamespace => "missing-namespace",
            Self::RemovedApi => "removed-api",
            Self::DeprecatedApi => "deprecated-api",
            Self::Yaml => "yaml",
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Render | Self::Schema | Self::WrongValue | Self::RemovedApi => Severity::Error,
            _ => Severity::Warning,
        }
    }
}

/// A mistake, once for all clusters that have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What kind.
    pub rule: Rule,
    /// Config item, or path of the template.
    pub subject: String,
    /// One sentence, without any value of a config item.
    pub message: String,
    /// Ids of the clusters that it concerns; empty if it concerns the configuration as such.
    pub clusters: BTreeSet<String>,
}

/// Looks for mistakes in a configuration and the registry entries of the clusters that use it.
///
/// Takes the clusters with their outcomes, which the caller may have rendered in parallel; all must share one configuration.
/// Findings are sorted by rule and subject.
#[must_use]
pub fn lint(clusters: &[(&Input, &Outcome)], version: Option<KubernetesVersion>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let schema = schema(clusters, &mut findings);
    let used = used_items(clusters);
    for (input, outcome) in clusters {
        let id = input.cluster.id.as_str();
        for error in &outcome.errors {
            findings.add(Rule::Render, &error.path, error.to_string(), Some(id));
        }
        for warning in &outcome.desired.warnings {
            findings.add(Rule::Yaml, &warning.path, warning.text.clone(), Some(id));
        }
        items(input, &schema, &used, &mut findings);
        objects(id, &outcome.desired, version, &mut findings);
    }
    unused(clusters, &used, &mut findings);
    findings.finish()
}

#[derive(Default)]
struct Findings(BTreeMap<(Rule, String, String), BTreeSet<String>>);

impl Findings {
    fn add(&mut self, rule: Rule, subject: &str, message: impl Into<String>, cluster: Option<&str>) {
        let clusters = self.0.entry((rule, subject.to_owned(), message.into())).or_default();
        clusters.extend(cluster.map(str::to_owned));
    }

    fn finish(self) -> Vec<Finding> {
        let findings = self.0.into_iter().map(|((rule, subject, message), clusters)| Finding {
            rule,
            subject,
            message,
            clusters,
        });
        findings.collect()
    }
}

fn schema(clusters: &[(&Input, &Outcome)], findings: &mut Findings) -> Schema {
    let mut schema = Schema::default();
    if let Some((input, _)) = clusters.first() {
        for source in input.config.sources() {
            let Some(text) = source.tree.text(SCHEMA_PATH) else {
                continue;
            };
            match Schema::parse(text) {
                Ok(found) => schema.items.extend(found.items),
                Err(error) => {
                    let path = format!("{}/{SCHEMA_PATH}", source.name);
                    findings.add(Rule::Schema, &path, error.to_string(), None);
                }
            }
        }
    }
    for (_, outcome) in clusters {
        let defaults = outcome.desired.defaults.iter();
        let defaults = defaults.filter_map(|(key, all)| Some((&**key, &*all.last()?.value)));
        schema = schema.with_defaults(defaults);
    }
    schema
}

/// Items that any template of any cluster read, and words of the templates: a branch that no cluster takes uses them too.
fn used_items(clusters: &[(&Input, &Outcome)]) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (_, outcome) in clusters {
        let reads = outcome.desired.reads.values().flat_map(|keys| keys.iter());
        used.extend(reads.map(ToString::to_string));
    }
    if let Some((input, _)) = clusters.first() {
        for source in input.config.sources() {
            for (path, file) in &source.tree.files {
                if path.ends_with("config-defaults.yaml") || path == SCHEMA_PATH {
                    continue;
                }
                let text = String::from_utf8_lossy(&file.content);
                let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                used.extend(
                    words
                        .filter(|word| word.contains('_') || word.len() > 2)
                        .map(str::to_owned),
                );
            }
        }
    }
    used
}

fn items(input: &Input, schema: &Schema, used: &BTreeSet<String>, findings: &mut Findings) {
    let cluster = &input.cluster;
    let id = cluster.id.as_str();
    let own = cluster.config_items.iter().map(|item| ("", item));
    let pools = cluster.node_pools.iter();
    let of_pools = pools.flat_map(|pool| pool.config_items.iter().map(|item| (pool.name.as_str(), item)));
    for (pool, (key, value)) in own.chain(of_pools) {
        let key = key.as_str();
        let place = if pool.is_empty() {
            String::new()
        } else {
            format!(" in node pool {pool}")
        };
        let known = schema.items.get(key);
        if known.is_none() && !used.contains(key) && !BUILT_IN.contains(&key) {
            let near = nearest(key, schema.items.keys())
                .map(|k| format!("; did you mean {k}?"))
                .unwrap_or_default();
            let message = format!("no default, template or schema knows this item{place}{near}");
            findings.add(Rule::UnknownItem, key, message, Some(id));
        }
        let encrypted = value.starts_with("aws:kms:");
        if let Some(item) = known.filter(|_| !encrypted) {
            if !item.kind.accepts(value) {
                let message = format!("must be of type {}{place}", item.kind.name());
                findings.add(Rule::WrongValue, key, message, Some(id));
            }
            if !item.allowed.is_empty() && !item.allowed.iter().any(|allowed| allowed == value) {
                let message = format!("must be one of {}{place}", item.allowed.join(", "));
                findings.add(Rule::WrongValue, key, message, Some(id));
            }
            if !item.environments.is_empty() && !item.environments.contains(&cluster.environment) {
                let message = format!("may be set only in {}{place}", item.environments.join(", "));
                findings.add(Rule::WrongValue, key, message, Some(id));
            }
        }
        if !encrypted && !value.is_empty() && schema.is_secret(key, value) {
            findings.add(
                Rule::SecretInClear,
                key,
                format!("is a secret and not encrypted{place}"),
                Some(id),
            );
        }
    }
}

fn unused(clusters: &[(&Input, &Outcome)], used: &BTreeSet<String>, findings: &mut Findings) {
    for (_, outcome) in clusters {
        for key in outcome.desired.defaults.keys() {
            if !used.contains(&**key) && !BUILT_IN.contains(&&**key) {
                findings.add(Rule::UnusedItem, key, "has a default that no template reads", None);
            }
        }
    }
}

fn objects(id: &str, desired: &DesiredCluster, version: Option<KubernetesVersion>, findings: &mut Findings) {
    let custom = custom_namespaced(desired);
    let manifests = desired.components.iter().flat_map(|component| &component.manifests);
    for manifest in manifests {
        for object in &manifest.content.objects {
            let what = format!("{} {}", object.kind, object.name);
            let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
            let namespaced = is_namespaced(&object.api_version, &object.kind)
                || custom.contains(&(group.to_owned(), object.kind.clone()));
            if namespaced && object.namespace.is_none() {
                let message = format!("{what} has no namespace and would go to default");
                findings.add(Rule::MissingNamespace, &manifest.path, message, Some(id));
            }
            let (Some(version), Some(api)) = (version, retired(&object.api_version, &object.kind)) else {
                continue;
            };
            let text = |state: &str| format!("{what} uses {}, {state}; use {}", object.api_version, api.replacement);
            if version.minor >= api.removed {
                let message = text(&format!("which Kubernetes 1.{} removed", api.removed));
                findings.add(Rule::RemovedApi, &manifest.path, message, Some(id));
            } else if version.minor >= api.deprecated {
                let message = text(&format!("which Kubernetes 1.{} deprecated", api.deprecated));
                findings.add(Rule::DeprecatedApi, &manifest.path, message, Some(id));
            }
        }
    }
}

/// Group and kind of the namespaced custom resources that the configuration itself defines.
fn custom_namespaced(desired: &DesiredCluster) -> BTreeSet<(String, String)> {
    let is_definition = |object: &ManifestObject| object.kind == "CustomResourceDefinition";
    let manifests = desired.components.iter().flat_map(|component| &component.manifests);
    let contents = manifests.map(|manifest| &manifest.content);
    let definitions = contents
        .filter(|content| content.objects.iter().any(is_definition))
        .flat_map(|content| content.objects.iter().zip(content.values()))
        .filter(|(object, _)| is_definition(object));
    let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    definitions
        .filter(|(_, value)| text(value, "/spec/scope").as_deref() == Some("Namespaced"))
        .filter_map(|(_, value)| Some((text(&value, "/spec/group")?, text(&value, "/spec/names/kind")?)))
        .collect()
}

/// The most similar key, if it is similar enough to be a misspelling.
fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k String>) -> Option<&'k str> {
    let close = known.map(|other| (distance(key, other), other.as_str()));
    close
        .filter(|(distance, _)| *distance <= 1 + key.len() / 8)
        .min()
        .map(|(_, other)| other)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 8 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let cost = (diagonal + usize::from(x != y)).min(*cell + 1).min(left + 1);
            diagonal = *cell;
            *cell = cost;
            left = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}
