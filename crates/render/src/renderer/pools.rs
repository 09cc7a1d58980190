//! Node pools: files, user data, then stack or provisioners.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotemplate::Value;
use sha2::{Digest, Sha256};

use crate::config::FileRef;
use crate::data::{self, KARPENTER};
use crate::desired::{DesiredPool, PoolDefinition, Stack};
use crate::error::{RenderError, RenderErrorKind};
use crate::files::archive_url;
use crate::items::Layered;
use crate::rendered::Rendered;

use super::{Run, Scope};

impl Run<'_> {
    pub(super) fn pools(&mut self, values: &BTreeMap<String, Value>) {
        let pools = self.input.cluster.node_pools.clone();
        for pool in &pools {
            if pool.instance_types.is_empty() && pool.profile != KARPENTER {
                let kind = RenderErrorKind::Pool {
                    pool: pool.name.to_string(),
                    rule: "instance_types must not be empty",
                };
                self.errors
                    .push(RenderError::new("registry", Some(pool.name.as_str()), kind));
                continue;
            }
            let before = self.missing.len();
            let desired = self.pool(pool, values.clone());
            self.missing.truncate(before);
            self.desired.pools.push(desired);
        }
    }

    fn pool(&mut self, pool: &model::NodePool, mut values: BTreeMap<String, Value>) -> DesiredPool {
        let items = self.items.of_pool(pool);
        let value = data::node_pool(pool, &items, "NodePool");
        let name = pool.name.as_str();
        let karpenter = pool.profile == KARPENTER;
        self.pool_values(pool, &items, &mut values);
        let mut desired = DesiredPool {
            name: name.to_owned(),
            profile: pool.profile.clone(),
            files_text: None,
            files: Arc::default(),
            user_data: None,
            definition: None,
            hash: String::new(),
        };
        let config = self.input.config.clone();
        let file = |name: &str| config.first(&format!("cluster/node-pools/{}/{name}", pool.profile));
        if let Some(file) = file("files.yaml") {
            let pool = Some((name, &*items, &value));
            if let Some(rendered) = self.text(&file, &Scope { pool, values: &values }) {
                self.pool_files(&file, &mut desired, &mut values, &rendered);
            }
        }
        if let Some(file) = file("userdata.yaml") {
            let pool = Some((name, &*items, &value));
            if let Some(rendered) = self.text(&file, &Scope { pool, values: &values }) {
                let packed = match &self.input.facts.user_data_text {
                    _ if karpenter => Arc::clone(&rendered.text),
                    Some(fixed) => fixed.as_str().into(),
                    None => rendered.packed(),
                };
                Self::put(&mut values, "UserData", packed);
                desired.user_data = Some(Arc::clone(&rendered.text));
            }
        }
        let main = if karpenter { "provisioners.yaml" } else { "stack.yaml" };
        match file(main) {
            Some(file) => {
                let scope = Scope {
                    pool: Some((name, &*items, &value)),
                    values: &values,
                };
                if let Some(rendered) = self.text(&file, &scope) {
                    desired.definition = self.definition(&file, pool, &rendered);
                }
            }
            None => {
                let path = format!("cluster/node-pools/{}/{main}", pool.profile);
                self.errors
                    .push(RenderError::new(&path, Some(name), RenderErrorKind::MissingFile));
            }
        }
        desired.hash = hash(&desired);
        desired
    }

    fn pool_values(&mut self, pool: &model::NodePool, items: &Layered, values: &mut BTreeMap<String, Value>) {
        if pool.profile == KARPENTER {
            return;
        }
        if let Some(zones) = items.get("availability_zones") {
            data::narrow(values, &self.input.facts, zones);
        }
        let unlimited = pool.instance_types.iter().all(|kind| kind.starts_with("t2."));
        Self::put(values, "supports_t2_unlimited", unlimited);
        let types: Option<Vec<_>> = pool
            .instance_types
            .iter()
            .map(|name| self.input.facts.instance_type(name))
            .collect();
        let names: Vec<&str> = pool.instance_types.iter().map(String::as_str).collect();
        match types.and_then(|types| data::instance_info(&names, &types)) {
            Some(info) => Self::put(values, "InstanceInfo", info),
            None => self.missing.push("InstanceInfo".to_owned()),
        }
    }

    fn pool_files(
        &mut self,
        file: &FileRef<'_>,
        desired: &mut DesiredPool,
        values: &mut BTreeMap<String, Value>,
        rendered: &Rendered,
    ) {
        let role = if desired.profile.contains("master") {
            "master"
        } else {
            "worker"
        };
        let bucket = self
            .input
            .facts
            .pool_files_bucket
            .clone()
            .unwrap_or_else(|| self.bucket());
        let url = archive_url(&bucket, &self.input.cluster.local_id, role, &rendered.text);
        Self::put(values, "S3GeneratedFilesPath", url);
        match rendered.files() {
            Ok(files) => desired.files = files,
            Err(kind) => {
                let error = RenderError::new(&file.name(), Some(&desired.name), kind);
                self.errors.push(error);
            }
        }
        desired.files_text = Some(Arc::clone(&rendered.text));
    }

    fn definition(
        &mut self,
        file: &FileRef<'_>,
        pool: &model::NodePool,
        rendered: &Rendered,
    ) -> Option<PoolDefinition> {
        if pool.profile != KARPENTER {
            let id = self.input.cluster.id.as_str().replace(':', "-");
            return Some(PoolDefinition::Stack(Stack {
                name: format!("nodepool-{}-{id}", pool.name),
                path: file.name(),
                text: Arc::clone(&rendered.text),
            }));
        }
        match rendered.content() {
            Ok(content) => Some(PoolDefinition::Provisioners(content)),
            Err(kind) => {
                let error = RenderError::new(&file.name(), Some(pool.name.as_str()), kind);
                self.errors.push(error);
                None
            }
        }
    }
}

fn hash(pool: &DesiredPool) -> String {
    let mut hash = Sha256::new();
    let definition = match &pool.definition {
        Some(PoolDefinition::Stack(stack)) => Some(&stack.text),
        Some(PoolDefinition::Provisioners(content)) => Some(&content.text),
        None => None,
    };
    for text in [definition, pool.user_data.as_ref(), pool.files_text.as_ref()] {
        let bytes = text.map(|text| text.as_bytes()).unwrap_or_default();
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(bytes);
    }
    hex::encode(hash.finalize())
}
