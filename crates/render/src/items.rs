//! Config items of a cluster: which layer set each, and what the pools see.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use gotemplate::{Map, Value};
use model::Cluster;

use crate::facts::Facts;

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// A default of the configuration.
    Default {
        /// Source and path of the file.
        file: Arc<str>,
        /// Id of the source's version.
        version: Arc<str>,
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
    pub value: Arc<str>,
    /// Which file, version and line.
    pub layer: Layer,
}

/// Defaults per key in source order; the last one counts. Shared, for a fleet has many and most clusters the same.
pub(crate) type Defaults = BTreeMap<Arc<str>, Vec<DefaultItem>>;

/// Keys and values that many maps share.
pub(crate) type ItemMap = BTreeMap<Arc<str>, Arc<str>>;

/// Config items as a map that copies of a desired state share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedItems(Arc<BTreeMap<String, String>>);

impl Deref for SharedItems {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'a> IntoIterator for &'a SharedItems {
    type Item = (&'a String, &'a String);
    type IntoIter = std::collections::btree_map::Iter<'a, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// A few items on top of many shared ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layered {
    below: Arc<ItemMap>,
    /// These win.
    own: ItemMap,
}

impl Layered {
    pub(crate) fn get(&self, key: &str) -> Option<&Arc<str>> {
        self.own.get(key).or_else(|| self.below.get(key))
    }

    /// The item, or the empty string.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.get(key).map_or("", |value| value)
    }

    /// All items in one map.
    pub(crate) fn merged(&self) -> ItemMap {
        let mut all = (*self.below).clone();
        all.extend(self.own.iter().map(|(key, value)| (Arc::clone(key), Arc::clone(value))));
        all
    }

    /// The same for callers outside of this crate; `known` if it is equal.
    pub(crate) fn shared(&self, known: Option<&SharedItems>) -> SharedItems {
        let all = self.merged();
        let same = |known: &&SharedItems| {
            let pairs = known.iter().zip(&all);
            known.len() == all.len()
                && pairs
                    .into_iter()
                    .all(|((a, b), (key, value))| **a == **key && **b == **value)
        };
        known.filter(same).cloned().unwrap_or_else(|| {
            let copies = all.iter().map(|(key, value)| (key.to_string(), value.to_string()));
            SharedItems(Arc::new(copies.collect()))
        })
    }
}

/// The layers of config items of one cluster. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Items {
    /// Registry items and defaults: what pools inherit.
    shared: Arc<ItemMap>,
    /// With discovered items: what the cluster sees.
    pub(crate) cluster: Arc<Layered>,
    /// Keys whose value is still ciphertext, because its plaintext is not among the facts.
    pub(crate) encrypted: Arc<[Arc<str>]>,
    /// Plaintext by ciphertext.
    decrypted: BTreeMap<String, String>,
}

const CIPHERTEXT: &str = "aws:kms:";

impl Items {
    pub(crate) fn new(cluster: &Cluster, defaults: &Defaults, facts: &Facts) -> Self {
        let last = |(key, values): (&Arc<str>, &Vec<DefaultItem>)| {
            let last = values.last()?;
            Some((Arc::clone(key), Arc::clone(&last.value)))
        };
        let mut shared: ItemMap = defaults.iter().filter_map(last).collect();
        for (key, value) in &cluster.config_items {
            shared.insert(key.as_str().into(), value.as_str().into());
        }
        let mut encrypted = Vec::new();
        for (key, value) in &mut shared {
            if value.starts_with(CIPHERTEXT) {
                match facts.decrypted.get(&**value) {
                    Some(plain) => *value = plain.as_str().into(),
                    None => encrypted.push(Arc::clone(key)),
                }
            }
        }
        let shared = Arc::new(shared);
        let discovered = [
            ("vpc_id", facts.vpc_id.as_ref()),
            ("subnets", facts.subnets.as_ref().and_then(|subnets| subnets.get("*"))),
        ];
        let own = discovered
            .into_iter()
            .filter(|(key, _)| !shared.contains_key(*key))
            .filter_map(|(key, value)| Some((key.into(), value?.as_str().into())))
            .collect();
        let below = Arc::clone(&shared);
        Self {
            shared,
            cluster: Arc::new(Layered { below, own }),
            encrypted: encrypted.into(),
            decrypted: facts.decrypted.clone(),
        }
    }

    /// What a pool sees: its own items, then the shared ones (fact 15). Its own are decrypted like the shared ones, which the
    /// original forgets (fault F11); one whose plaintext is not known stays as it is, as it was for the original's templates.
    pub(crate) fn of_pool(&self, pool: &model::NodePool) -> Arc<Layered> {
        let own = pool.config_items.iter();
        Arc::new(Layered {
            below: Arc::clone(&self.shared),
            own: own
                .map(|(key, value)| {
                    let plain = self.decrypted.get(value).filter(|_| value.starts_with(CIPHERTEXT));
                    (key.as_str().into(), plain.unwrap_or(value).as_str().into())
                })
                .collect(),
        })
    }
}

/// Items as templates see them, with reads recorded under this name.
pub(crate) fn to_value(items: &Layered, provenance: &str) -> Value {
    Value::from(Map::strings(items.merged()).with_provenance(provenance))
}
