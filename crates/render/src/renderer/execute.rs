//! Execution of one template: memo, recorder, errors with missing facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotemplate::{Execution, ReadSet, Value};

use crate::config::FileRef;
use crate::data;
use crate::error::{RenderError, RenderErrorKind};
use crate::input::Input;
use crate::memo::{Dependency, Entry, digest};

use super::{Run, Scope};

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
    pub(super) fn text(&mut self, file: &FileRef<'_>, scope: &Scope<'_>) -> Option<Arc<str>> {
        let path = file.name();
        let pool = scope.pool.map(|(name, ..)| name);
        let label = match pool {
            Some(pool) => format!("{path}@{pool}"),
            None => path.clone(),
        };
        match self.render_text(file, scope, &label) {
            Ok((text, reads)) => {
                self.note_reads(label, &reads);
                let missing = self.missing_facts(&reads, None);
                if missing.is_empty() {
                    return Some(text);
                }
                let mut error = RenderError::new(&path, pool, RenderErrorKind::MissingFacts);
                error.missing_facts = missing;
                self.errors.push(error);
                None
            }
            Err((kind, reads)) => {
                let mut error = RenderError::new(&path, pool, kind);
                error.missing_facts = self.missing_facts(&reads, error.missing_key());
                self.errors.push(error);
                None
            }
        }
    }

    fn render_text(
        &self,
        file: &FileRef<'_>,
        scope: &Scope<'_>,
        label: &str,
    ) -> Result<(Arc<str>, Arc<ReadSet>), (RenderErrorKind, ReadSet)> {
        let memo = &self.renderer.memo;
        let cluster = self.input.cluster.id.as_str();
        let holds = |entry: &Entry| {
            entry.template == file.file.id
                && entry
                    .dependencies
                    .iter()
                    .all(|(container, key, value)| self.value_of(container, key.as_deref(), scope) == *value)
        };
        if let Some(entry) = memo.get(cluster, label, holds) {
            return Ok((Arc::clone(&entry.text), Arc::clone(&entry.reads)));
        }
        let mut reads = ReadSet::new();
        let template = match self.renderer.templates.get(file) {
            Ok(template) => template,
            Err(kind) => return Err((kind, reads)),
        };
        let dot = data::dot(&self.cluster, scope.pool.map(|(_, _, pool)| pool), scope.values);
        let result = Execution::new(&template, &self.functions)
            .recorder(&mut reads)
            .run(&dot);
        let text: Arc<str> = match result {
            Ok(text) => text.into(),
            Err(error) => return Err((RenderErrorKind::Exec(error), reads)),
        };
        let reads = Arc::new(reads);
        let entry = Entry {
            template: file.file.id.clone(),
            dependencies: self.dependencies(&reads, scope),
            text: Arc::clone(&text),
            reads: Arc::clone(&reads),
        };
        memo.put(cluster, label, entry);
        Ok((text, reads))
    }

    fn dependencies(&self, reads: &ReadSet, scope: &Scope<'_>) -> Vec<Dependency> {
        let mut out = Vec::new();
        for (container, read) in reads.containers() {
            for key in &read.keys {
                let value = self.value_of(container, Some(key), scope);
                out.push((Arc::clone(container), Some(Arc::clone(key)), value));
            }
            if read.whole {
                out.push((Arc::clone(container), None, self.value_of(container, None, scope)));
            }
        }
        out
    }

    /// What a read gives, as text. Reads that are not followed one by one give the digest of all that they may depend on.
    fn value_of(&self, container: &str, key: Option<&str>, scope: &Scope<'_>) -> Option<Arc<str>> {
        if container == super::siblings::FILES {
            let (source, path) = key?.split_once('/')?;
            let source = self.input.config.sources().iter().find(|s| s.name == source)?;
            return Some(source.tree.files.get(path)?.id.as_str().into());
        }
        if let Some(owner) = container.strip_suffix(".ConfigItems") {
            let items = match (owner, scope.pool) {
                ("Cluster", _) => &self.items.cluster,
                ("NodePool", Some((_, items, _))) => items,
                _ => self.pool_items.get(owner.strip_prefix("Cluster.NodePools.")?)?,
            };
            return match key {
                Some(key) => items.get(key).map(|value| value.as_str().into()),
                None => Some(hex::encode(digest(format!("{items:?}").as_bytes())).into()),
            };
        }
        let simple = match (container, key) {
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
        let pool = container
            .strip_prefix("Cluster.NodePools.")
            .and_then(|name| self.pool_items.get(name));
        let items = pool.or(scope.pool.map(|(_, items, _)| items));
        let item = |name: &str| items.and_then(|items| items.get(name)).map_or("", String::as_str);
        let made_from = match (container, key) {
            (_, Some("Taints")) => item("taints"),
            (_, Some("KarpenterRequirements")) => item("requirements"),
            ("Values" | "Values.subnets" | "Values.availability_zones", _) => item("availability_zones"),
            _ => "",
        };
        let kind = self.items.cluster.get("etcd_instance_type").map_or("", String::as_str);
        let whole = match key {
            // A whole cluster or pool holds its items; the parts of `Values` and the facts do not.
            None if container == "Cluster" || container.contains("NodePool") || container == "Values" => {
                format!("{:?}", (&self.items.cluster, items))
            }
            _ => String::new(),
        };
        let text = format!("{made_from}\n{kind}\n{whole}");
        format!("{}{}", self.context, hex::encode(digest(text.as_bytes()))).into()
    }

    fn note_reads(&mut self, label: String, reads: &ReadSet) {
        let mut keys: Vec<String> = Vec::new();
        for (container, read) in reads.containers() {
            if container.ends_with("ConfigItems") {
                keys.extend(read.keys.iter().map(|key| key.to_string()));
                if read.whole {
                    keys.push("*".to_owned());
                }
            }
        }
        keys.sort();
        keys.dedup();
        self.desired.reads.insert(label, keys);
    }

    /// Facts that were read but are not known, and ciphertext that was read.
    fn missing_facts(&self, reads: &ReadSet, failed_key: Option<&str>) -> Vec<String> {
        let mut missing: Vec<String> = self
            .missing
            .iter()
            .filter(|name| {
                let read = reads.containers().get("Values");
                failed_key == Some(name.as_str()) || read.is_some_and(|read| read.keys.contains(name.as_str()))
            })
            .cloned()
            .collect();
        for key in &self.items.encrypted {
            let read = reads
                .containers()
                .iter()
                .any(|(container, read)| container.ends_with("ConfigItems") && read.keys.contains(key.as_str()));
            if read {
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
