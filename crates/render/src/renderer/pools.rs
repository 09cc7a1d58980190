//! Node pools: files, user data, then stack or provisioners.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use base64::Engine;
use gotemplate::Value;
use sha2::{Digest, Sha256};

use crate::config::FileRef;
use crate::data::{self, KARPENTER};
use crate::desired::{DesiredPool, PoolDefinition, Stack};
use crate::error::{RenderError, RenderErrorKind};
use crate::files::{archive_url, parse_files};

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
            files: Vec::new(),
            user_data: None,
            definition: None,
            hash: String::new(),
        };
        let config = self.input.config.clone();
        let file = |name: &str| config.first(&format!("cluster/node-pools/{}/{name}", pool.profile));
        if let Some(file) = file("files.yaml") {
            let pool = Some((name, &items, &value));
            if let Some(text) = self.text(&file, &Scope { pool, values: &values }) {
                self.pool_files(&file, &mut desired, &mut values, text);
            }
        }
        if let Some(file) = file("userdata.yaml") {
            let pool = Some((name, &items, &value));
            desired.user_data = self.text(&file, &Scope { pool, values: &values });
        }
        if let Some(text) = &desired.user_data {
            let packed = if karpenter { text.to_string() } else { self.packed(text) };
            Self::put(&mut values, "UserData", packed);
        }
        let main = if karpenter { "provisioners.yaml" } else { "stack.yaml" };
        match file(main) {
            Some(file) => {
                let scope = Scope {
                    pool: Some((name, &items, &value)),
                    values: &values,
                };
                if let Some(text) = self.text(&file, &scope) {
                    desired.definition = self.definition(&file, pool, text);
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

    fn pool_values(
        &mut self,
        pool: &model::NodePool,
        items: &BTreeMap<String, String>,
        values: &mut BTreeMap<String, Value>,
    ) {
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
        match types.and_then(|types| data::instance_info(&pool.instance_types, &types)) {
            Some(info) => Self::put(values, "InstanceInfo", info),
            None => self.missing.push("InstanceInfo".to_owned()),
        }
    }

    fn pool_files(
        &mut self,
        file: &FileRef<'_>,
        desired: &mut DesiredPool,
        values: &mut BTreeMap<String, Value>,
        text: Arc<str>,
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
        let url = archive_url(&bucket, &self.input.cluster.local_id, role, &text);
        Self::put(values, "S3GeneratedFilesPath", url);
        match parse_files(&text) {
            Ok(files) => desired.files = files,
            Err(error) => self.yaml_error(&file.name(), Some(&desired.name), error),
        }
        desired.files_text = Some(text);
    }

    fn definition(&mut self, file: &FileRef<'_>, pool: &model::NodePool, text: Arc<str>) -> Option<PoolDefinition> {
        if pool.profile != KARPENTER {
            let id = self.input.cluster.id.as_str().replace(':', "-");
            return Some(PoolDefinition::Stack(Stack {
                name: format!("nodepool-{}-{id}", pool.name),
                path: file.name(),
                text,
            }));
        }
        match self.renderer.memo.decode(&text) {
            Ok(content) => Some(PoolDefinition::Provisioners(content)),
            Err(kind) => {
                let error = RenderError::new(&file.name(), Some(pool.name.as_str()), kind);
                self.errors.push(error);
                None
            }
        }
    }

    /// User data as launch templates hold it: gzip, then base64.
    fn packed(&self, text: &str) -> String {
        if let Some(fixed) = &self.input.facts.user_data_text {
            return fixed.clone();
        }
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        // Writing to a vector cannot fail.
        let packed = encoder
            .write_all(text.as_bytes())
            .and_then(|()| encoder.finish())
            .unwrap_or_default();
        base64::engine::general_purpose::STANDARD.encode(packed)
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
