//! Execution of one template: memo, recorder, errors with missing facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotemplate::{Execution, ReadSet, Value};

use crate::config::FileRef;
use crate::data;
use crate::error::{RenderError, RenderErrorKind};
use crate::input::Input;
use crate::memo::{Dependency, Entry, Key, digest};

use super::{Run, Scope};

/// Everything that may influence a template besides its text, the config items and the values that have their own entry.
pub(super) fn context_digest(input: &Input) -> Key {
    let mut cluster = (*input.cluster).clone();
    cluster.config_items.clear();
    for pool in &mut cluster.node_pools {
        pool.config_items.clear();
    }
    let others: Vec<_> = input.account_clusters.iter().map(|c| &**c).collect();
    // A map with string keys always serialises; should it not, the digest of nothing only makes the memo miss less exact
    // results, so the debug form stands in.
    let text = serde_json::to_string(&(&cluster, &others, &input.owner, &input.account_name, &*input.facts))
        .unwrap_or_else(|_| format!("{input:?}"));
    digest(text.as_bytes())
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
        if let Some(entry) = memo.get(cluster, label)
            && entry.template == file.file.id
            && entry.context == self.context
            && entry.dependencies.iter().all(|known| {
                let (container, key, value) = known;
                self.value_of(container, key.as_deref(), scope) == *value
            })
        {
            return Ok((entry.text, entry.reads));
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
            context: self.context,
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

    /// What a read gives, as text; things that the context digest covers give nothing.
    fn value_of(&self, container: &str, key: Option<&str>, scope: &Scope<'_>) -> Option<Arc<str>> {
        if container == super::siblings::FILES {
            let (source, path) = key?.split_once('/')?;
            let source = self.input.config.sources().iter().find(|s| s.name == source)?;
            return Some(source.tree.files.get(path)?.id.as_str().into());
        }
        if container == "Values" {
            return scope.values.get(key?)?.as_str().map(Into::into);
        }
        let pool_items;
        let items: &BTreeMap<String, String> = match container {
            "Cluster.ConfigItems" => &self.items.cluster,
            "NodePool.ConfigItems" => scope.pool.map(|(_, items, _)| items)?,
            // Narrowed by an item of the pool.
            "Values.subnets" => {
                return scope
                    .pool?
                    .1
                    .get("availability_zones")
                    .map(|zones| zones.as_str().into());
            }
            other => {
                let name = other.strip_prefix("Cluster.NodePools.")?.strip_suffix(".ConfigItems")?;
                pool_items = self.items.of_pool(self.input.cluster.node_pool(name)?);
                &pool_items
            }
        };
        match key {
            Some(key) => items.get(key).map(|value| value.as_str().into()),
            None => Some(hex::encode(digest(format!("{items:?}").as_bytes())).into()),
        }
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
