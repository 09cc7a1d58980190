//! Main stack, etcd, extra stacks and deletions.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotemplate::Value;

use crate::data;
use crate::desired::{Etcd, Stack};
use crate::error::{RenderError, RenderErrorKind};
use crate::files::archive_url;

use super::{Run, Scope};

impl Run<'_> {
    pub(super) fn main_stack(&mut self, values: &BTreeMap<String, Value>) {
        let path = "cluster/cluster.yaml";
        let config = self.input.config.clone();
        let Some(file) = config.first(path) else {
            self.errors
                .push(RenderError::new(path, None, RenderErrorKind::MissingFile));
            return;
        };
        let text = self.text(&file, &Scope { pool: None, values });
        self.desired.main_stack = text.map(|rendered| Stack {
            name: self.input.cluster.local_id.clone(),
            path: file.name(),
            text: Arc::clone(&rendered.text),
        });
    }

    /// etcd comes before the main stack, which sees what it leaves among the values.
    pub(super) fn etcd(&mut self, values: &mut BTreeMap<String, Value>) {
        let config = self.input.config.clone();
        let Some(stack) = config.first("cluster/etcd/stack.yaml") else {
            return;
        };
        if self.input.cluster.provider == "zalando-eks" {
            return;
        }
        let facts = &self.input.facts;
        match &facts.etcd_kms_key_arn {
            Some(arn) => Self::put(values, "etcd_kms_key_arn", arn.as_str()),
            None => self.missing.push("etcd_kms_key_arn".to_owned()),
        }
        let kind = self.items.cluster.get("etcd_instance_type");
        let info = kind.and_then(|name| data::instance_info(&[&**name], &[facts.instance_type(name)?]));
        match info {
            Some(info) => Self::put(values, "etcd_instance_type_info", info),
            None => self.missing.push("etcd_instance_type_info".to_owned()),
        }
        let files = config
            .first("cluster/etcd/files.yaml")
            .and_then(|file| Some((file, self.text(&file, &Scope { pool: None, values })?)));
        let mut etcd = Etcd {
            files_text: None,
            files: Arc::default(),
            stack: None,
        };
        if let Some((file, rendered)) = files {
            let url = archive_url(&self.bucket(), &self.input.cluster.local_id, "etcd", &rendered.text);
            Self::put(values, "S3GeneratedFilesPath", url);
            match rendered.files() {
                Ok(files) => etcd.files = files,
                Err(kind) => self.errors.push(RenderError::new(&file.name(), None, kind)),
            }
            etcd.files_text = Some(Arc::clone(&rendered.text));
        }
        etcd.stack = self.text(&stack, &Scope { pool: None, values }).map(|rendered| Stack {
            name: self
                .items
                .cluster
                .get("etcd_stack_name")
                .map_or("etcd-cluster-etcd", |name| name)
                .to_owned(),
            path: stack.name(),
            text: Arc::clone(&rendered.text),
        });
        self.desired.etcd = Some(etcd);
    }

    pub(super) fn extra_stacks(&mut self, values: &BTreeMap<String, Value>) {
        let config = self.input.config.clone();
        for file in config.in_directory("cluster/cf-manifests/") {
            let path = file.name();
            let Some(rendered) = self.text(&file, &Scope { pool: None, values }) else {
                continue;
            };
            if path.ends_with("/cf-deletions.yaml") {
                let all = rendered.stack_deletions();
                self.note_errors(&path, &all.errors);
                let (pre, post) = &all.found;
                self.desired.stack_deletions_pre.extend_from_slice(pre);
                self.desired.stack_deletions_post.extend_from_slice(post);
                continue;
            }
            match rendered.stack_name() {
                Ok(None) => {}
                Ok(Some(name)) => self.desired.extra_stacks.push(Stack {
                    name,
                    path,
                    text: Arc::clone(&rendered.text),
                }),
                Err(kind) => self.errors.push(RenderError::new(&path, None, kind)),
            }
        }
    }

    /// Deletions are read before anything else, so that a mistake in them is seen first.
    pub(super) fn deletions(&mut self, values: &BTreeMap<String, Value>) {
        let config = self.input.config.clone();
        for file in config.each("cluster/manifests/deletions.yaml") {
            let path = file.name();
            let Some(rendered) = self.text(&file, &Scope { pool: None, values }) else {
                continue;
            };
            let all = rendered.deletions();
            self.note_errors(&path, &all.errors);
            let deletions = &mut self.desired.deletions;
            deletions.pre_apply.extend_from_slice(&all.found.pre_apply);
            deletions.post_apply.extend_from_slice(&all.found.post_apply);
            self.desired.deletions_texts.insert(path, Arc::clone(&rendered.text));
        }
    }

    /// The bucket of generated files (fact 66).
    pub(super) fn bucket(&self) -> String {
        let cluster = &self.input.cluster;
        format!(
            "cluster-lifecycle-manager-{}-{}",
            data::account_id(cluster),
            cluster.region
        )
    }

    fn note_errors(&mut self, path: &str, errors: &[RenderErrorKind]) {
        let errors = errors.iter().map(|kind| RenderError::new(path, None, kind.clone()));
        self.errors.extend(errors);
    }
}
