//! Execution of one template: memo, recorder, errors with missing facts.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use gotemplate::{Execution, ReadSet, Value};

use crate::config::FileRef;
use crate::data;
use crate::error::{RenderError, RenderErrorKind};
use crate::input::Input;
use crate::items::Layered;
use crate::memo::{Dependency, Entry, digest};
use crate::rendered::Rendered;

use super::{Run, Scope};

/// The item that a read is made from, the pool, and whether all items count.
type Kind = (Option<&'static str>, String, bool);

/// Digests of what a template may depend on besides single items and values.
pub(super) struct Surroundings {
    /// Digest of the inputs apart from config items and the tree.
    context: String,
    /// What most reads give: the context, with nothing that depends on a pool.
    plain: OnceCell<Arc<str>>,
    others: RefCell<BTreeMap<Kind, Arc<str>>>,
    /// Digests of all items of the cluster (the empty name) and of pools.
    all_items: RefCell<BTreeMap<String, Arc<str>>>,
}

impl Surroundings {
    pub(super) fn new(context: String) -> Self {
        Self {
            context,
            plain: OnceCell::new(),
            others: RefCell::default(),
            all_items: RefCell::default(),
        }
    }

    /// The digest of all items; `name` tells cluster and pools apart.
    fn all_items(&self, name: &str, items: &Layered) -> Arc<str> {
        if let Some(known) = self.all_items.borrow().get(name) {
            return Arc::clone(known);
        }
        let all: Arc<str> = hex::encode(digest(format!("{:?}", items.merged()).as_bytes())).into();
        self.all_items.borrow_mut().insert(name.to_owned(), Arc::clone(&all));
        all
    }
}

/// Everything that may influence a template besides its text, the config items and the values that have their own entry.
pub(super) fn context_digest(input: &Input) -> String {
    let mut cluster = (*input.cluster).clone();
    // Fields of the cluster are made from this one.
    cluster
        .config_items
        .retain(|key, _| key.as_str() == "eks_oidc_issuer_url");
    for pool in &mut cluster.node_pools {
        pool.config_items.clear();
    }
    let others: Vec<_> = input.account_clusters.iter().map(|c| &**c).collect();
    // A map with string keys always serialises; should it not, the digest of nothing only makes the memo miss less exact
    // results, so the debug form stands in.
    let text = serde_json::to_string(&(&cluster, &others, &input.owner, &input.account_name, &*input.facts))
        .unwrap_or_else(|_| format!("{input:?}"));
    hex::encode(digest(text.as_bytes()))
}

impl Run<'_> {
    /// The text of a template, or `None` after its error has been noted.
    pub(super) fn text(&mut self, file: &FileRef<'_>, scope: &Scope<'_>) -> Option<Arc<Rendered>> {
        let path = file.name();
        let pool = scope.pool.map(|(name, ..)| name);
        let label = match pool {
            Some(pool) => format!("{path}@{pool}"),
            None => path.clone(),
        };
        match self.entry(file, scope, &label) {
            Ok(entry) => {
                self.desired.reads.insert(label, Arc::clone(&entry.items));
                let missing = self.missing_facts(&entry.dependencies, None);
                if missing.is_empty() {
                    return Some(Arc::clone(&entry.rendered));
                }
                let mut error = RenderError::new(&path, pool, RenderErrorKind::MissingFacts);
                error.missing_facts = missing;
                self.errors.push(error);
            }
            Err((kind, dependencies)) => {
                let mut error = RenderError::new(&path, pool, kind);
                error.missing_facts = self.missing_facts(&dependencies, error.missing_key());
                self.errors.push(error);
            }
        }
        None
    }

    /// The result of a template: one that is known and still holds, or a new one.
    fn entry(
        &self,
        file: &FileRef<'_>,
        scope: &Scope<'_>,
        label: &str,
    ) -> Result<Arc<Entry>, (RenderErrorKind, Box<[Dependency]>)> {
        let memo = &self.renderer.memo;
        let cluster = self.input.cluster.id.as_str();
        let holds = |entry: &Entry| {
            *entry.template == *file.file.id
                && entry
                    .dependencies
                    .iter()
                    .all(|(container, key, value)| self.value_of(container, key.as_deref(), scope) == *value)
        };
        if let Some(entry) = memo.get(cluster, label, holds) {
            return Ok(entry);
        }
        let template = self
            .renderer
            .templates
            .get(file)
            .map_err(|kind| (kind, Box::default()))?;
        let dot = data::dot(&self.cluster, scope.pool.map(|(_, _, pool)| pool), scope.values);
        let mut reads = ReadSet::new();
        let result = Execution::new(&template, &self.functions)
            .recorder(&mut reads)
            .run(&dot);
        let dependencies = self.dependencies(&reads, scope);
        let text = match result {
            Ok(text) => text,
            Err(error) => return Err((RenderErrorKind::Exec(error), dependencies)),
        };
        let (rendered, new) = memo.text(text);
        let entry = Entry {
            template: memo.name(&file.file.id),
            items: items_among(&dependencies),
            dependencies,
            rendered,
        };
        Ok(memo.put(cluster, label, entry, new))
    }

    fn dependencies(&self, reads: &ReadSet, scope: &Scope<'_>) -> Box<[Dependency]> {
        let memo = &self.renderer.memo;
        let mut out = Vec::new();
        for (container, read) in reads.containers() {
            let container = memo.name(container);
            for key in &read.keys {
                let value = self.value_of(&container, Some(key), scope);
                out.push((Arc::clone(&container), Some(memo.name(key)), value));
            }
            if read.whole {
                let value = self.value_of(&container, None, scope);
                out.push((container, None, value));
            }
        }
        out.into()
    }

    /// What a read gives, as text. Reads that are not followed one by one give the digest of all that they may depend on.
    fn value_of(&self, container: &str, key: Option<&str>, scope: &Scope<'_>) -> Option<Arc<str>> {
        if container == super::siblings::FILES {
            let (source, path) = key?.split_once('/')?;
            let source = self.input.config.sources().iter().find(|s| s.name == source)?;
            return Some(source.tree.files.get(path)?.id.as_str().into());
        }
        if let Some(owner) = container.strip_suffix(".ConfigItems") {
            let (name, items) = match (owner, scope.pool) {
                ("Cluster", _) => ("", &*self.items.cluster),
                ("NodePool", Some((name, items, _))) => (name, items),
                _ => {
                    let name = owner.strip_prefix("Cluster.NodePools.")?;
                    (name, &**self.pool_items.get(name)?)
                }
            };
            return match key {
                Some(key) => items.get(key).cloned(),
                None => Some(self.surroundings.all_items(name, items)),
            };
        }
        let simple = match (container, key) {
            // These are no strings, and making them takes long.
            ("Cluster", Some("NodePools" | "AccountClusters")) => None,
            // It is always there, and what is read of it is a read of its own.
            (_, Some("ConfigItems")) => return None,
            ("Cluster", Some(key)) => match &self.cluster {
                Value::Object(cluster) => cluster.field(key),
                _ => None,
            },
            ("Values", Some(key)) => scope.values.get(key).cloned(),
            _ => None,
        };
        match simple {
            Some(Value::String(text)) => Some(text),
            _ => Some(self.surroundings(container, key, scope)),
        }
    }

    /// The context, and the few items that fields and methods of pools and values are made from.
    fn surroundings(&self, container: &str, key: Option<&str>, scope: &Scope<'_>) -> Arc<str> {
        let made_from = match (container, key) {
            (_, Some("Taints")) => Some("taints"),
            (_, Some("KarpenterRequirements")) => Some("requirements"),
            ("Values" | "Values.subnets" | "Values.availability_zones", _) => Some("availability_zones"),
            _ => None,
        };
        // A whole cluster or pool holds its items; the parts of `Values` and the facts do not.
        let whole =
            key.is_none() && (container == "Cluster" || container.contains("NodePool") || container == "Values");
        let kind = || self.items.cluster.text("etcd_instance_type");
        let encode = |text: String| -> Arc<str> {
            let digest = hex::encode(digest(text.as_bytes()));
            format!("{}{digest}", self.surroundings.context).into()
        };
        if made_from.is_none() && !whole {
            let plain = &self.surroundings.plain;
            return Arc::clone(plain.get_or_init(|| encode(format!("\n{}\n", kind()))));
        }
        let pool = container
            .strip_prefix("Cluster.NodePools.")
            .and_then(|name| self.pool_items.get_key_value(name))
            .map(|(name, items)| (*name, &**items))
            .or(scope.pool.map(|(name, items, _)| (name, items)));
        let place = (made_from, pool.map_or("", |(name, _)| name).to_owned(), whole);
        if let Some(known) = self.surroundings.others.borrow().get(&place) {
            return Arc::clone(known);
        }
        let item = match (made_from, pool) {
            (Some(name), Some((_, items))) => items.text(name),
            _ => "",
        };
        let all = whole.then(|| {
            let cluster = self.surroundings.all_items("", &self.items.cluster);
            (
                cluster,
                pool.map(|(name, items)| self.surroundings.all_items(name, items)),
            )
        });
        let found = encode(format!("{item}\n{}\n{all:?}", kind()));
        self.surroundings.others.borrow_mut().insert(place, Arc::clone(&found));
        found
    }

    /// Facts that were read but are not known, and ciphertext that was read.
    fn missing_facts(&self, reads: &[Dependency], failed_key: Option<&str>) -> Vec<String> {
        let read = |of: fn(&str) -> bool, name: &str| {
            reads
                .iter()
                .any(|(container, key, _)| key.as_deref() == Some(name) && of(container))
        };
        let mut missing: Vec<String> = self
            .missing
            .iter()
            .filter(|name| failed_key == Some(name.as_str()) || read(|container| container == "Values", name))
            .cloned()
            .collect();
        for key in self.items.encrypted.iter() {
            if read(|container| container.ends_with("ConfigItems"), key) {
                missing.push(format!("decrypted value of config item {key}"));
            }
        }
        missing
    }

    /// A value for templates that come later.
    pub(super) fn put(values: &mut BTreeMap<String, Value>, key: &str, value: impl Into<Value>) {
        values.insert(key.to_owned(), value.into());
    }
}

/// The names of the config items that were read, sorted.
fn items_among(dependencies: &[Dependency]) -> Arc<[Arc<str>]> {
    let all: std::collections::BTreeSet<Arc<str>> = dependencies
        .iter()
        .filter(|(container, ..)| container.ends_with("ConfigItems"))
        .map(|(_, key, _)| key.clone().unwrap_or_else(|| "*".into()))
        .collect();
    all.into_iter().collect()
}
