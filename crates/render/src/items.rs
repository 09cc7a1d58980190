//! Config items of a cluster: which layer set each, and what the pools see.

use std::collections::BTreeMap;

use gotemplate::{Map, Value};
use model::Cluster;

use crate::facts::Facts;

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// A default of the configuration.
    Default {
        /// Source and path of the file.
        file: String,
        /// Id of the source's version.
        version: String,
        /// Line of the key in that file.
        line: usize,
    },
    /// The registry entry of the cluster.
    Cluster,
    /// The registry entry of the node pool.
    NodePool,
    /// A discovered fact.
    Fact,
}

/// A default of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultItem {
    /// The value as the file spells it.
    pub value: String,
    /// Which file, version and line.
    pub layer: Layer,
}

/// The layers of config items of one cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Items {
    /// Defaults per key in source order; the last one counts.
    pub(crate) defaults: BTreeMap<String, Vec<DefaultItem>>,
    /// Registry items and defaults: what pools inherit.
    pub(crate) shared: BTreeMap<String, String>,
    /// With discovered items: what the cluster sees.
    pub(crate) cluster: BTreeMap<String, String>,
    /// Keys whose value is still ciphertext, because its plaintext is not among the facts.
    pub(crate) encrypted: Vec<String>,
}

const CIPHERTEXT: &str = "aws:kms:";

impl Items {
    pub(crate) fn new(cluster: &Cluster, defaults: BTreeMap<String, Vec<DefaultItem>>, facts: &Facts) -> Self {
        let mut shared: BTreeMap<String, String> = cluster
            .config_items
            .iter()
            .map(|(key, value)| (key.as_str().to_owned(), value.clone()))
            .collect();
        for (key, values) in &defaults {
            if let Some(last) = values.last() {
                shared.entry(key.clone()).or_insert_with(|| last.value.clone());
            }
        }
        let mut encrypted = Vec::new();
        for (key, value) in &mut shared {
            if value.starts_with(CIPHERTEXT) {
                match facts.decrypted.get(value.as_str()) {
                    Some(plain) => value.clone_from(plain),
                    None => encrypted.push(key.clone()),
                }
            }
        }
        let mut all = shared.clone();
        let discovered = [
            ("vpc_id", facts.vpc_id.as_ref()),
            ("subnets", facts.subnets.as_ref().and_then(|subnets| subnets.get("*"))),
        ];
        for (key, value) in discovered {
            if let Some(value) = value {
                all.entry(key.to_owned()).or_insert_with(|| value.clone());
            }
        }
        Self {
            defaults,
            shared,
            cluster: all,
            encrypted,
        }
    }

    /// What a pool sees: its own items, then the shared ones (fact 15).
    pub(crate) fn of_pool(&self, pool: &model::NodePool) -> BTreeMap<String, String> {
        let mut items = self.shared.clone();
        for (key, value) in &pool.config_items {
            items.insert(key.as_str().to_owned(), value.clone());
        }
        items
    }
}

/// Items as templates see them, with reads recorded under this name.
pub(crate) fn to_value(items: &BTreeMap<String, String>, provenance: &str) -> Value {
    Value::from(
        Map::strings(items.iter().map(|(key, value)| (key.as_str(), value.as_str()))).with_provenance(provenance),
    )
}
