//! Main stack, etcd, extra stacks and deletions.

use std::collections::BTreeMap;

use gotemplate::Value;

use crate::data;
use crate::deletions::{DeletionError, parse_deletions, parse_stack_deletions};
use crate::desired::{Etcd, Stack};
use crate::error::{RenderError, RenderErrorKind};
use crate::files::{archive_url, parse_files};

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
        self.desired.main_stack = text.map(|text| Stack {
            name: self.input.cluster.local_id.clone(),
            path: file.name(),
            text,
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
        let info = kind.and_then(|name| data::instance_info(std::slice::from_ref(name), &[facts.instance_type(name)?]));
        match info {
            Some(info) => Self::put(values, "etcd_instance_type_info", info),
            None => self.missing.push("etcd_instance_type_info".to_owned()),
        }
        let files = config
            .first("cluster/etcd/files.yaml")
            .and_then(|file| Some((file, self.text(&file, &Scope { pool: None, values })?)));
        let mut etcd = Etcd {
            files_text: None,
            files: Vec::new(),
            stack: None,
        };
        if let Some((file, text)) = files {
            let url = archive_url(&self.bucket(), &self.input.cluster.local_id, "etcd", &text);
            Self::put(values, "S3GeneratedFilesPath", url);
            match parse_files(&text) {
                Ok(files) => etcd.files = files,
                Err(error) => self.yaml_error(&file.name(), None, error),
            }
            etcd.files_text = Some(text);
        }
        etcd.stack = self.text(&stack, &Scope { pool: None, values }).map(|text| Stack {
            name: self
                .items
                .cluster
                .get("etcd_stack_name")
                .cloned()
                .unwrap_or_else(|| "etcd-cluster-etcd".to_owned()),
            path: stack.name(),
            text,
        });
        self.desired.etcd = Some(etcd);
    }

    pub(super) fn extra_stacks(&mut self, values: &BTreeMap<String, Value>) {
        let config = self.input.config.clone();
        for file in config.in_directory("cluster/cf-manifests/") {
            let path = file.name();
            let Some(text) = self.text(&file, &Scope { pool: None, values }) else {
                continue;
            };
            if path.ends_with("/cf-deletions.yaml") {
                self.stack_deletions(&path, &text);
                continue;
            }
            // Only the name is looked at; the text is passed on as it is.
            match yaml::load_documents(&text, &yaml::Options::manifests()) {
                Ok(documents) => {
                    let Some(document) = documents.first() else { continue };
                    match document
                        .value
                        .pointer("/Metadata/StackName")
                        .and_then(serde_json::Value::as_str)
                    {
                        Some(name) => self.desired.extra_stacks.push(Stack {
                            name: name.to_owned(),
                            path,
                            text,
                        }),
                        None => {
                            let line = document.line;
                            let field = "Metadata.StackName";
                            let kind = RenderErrorKind::Unidentified { line, field };
                            self.errors.push(RenderError::new(&path, None, kind));
                        }
                    }
                }
                Err(error) => self.yaml_error(&path, None, error),
            }
        }
    }

    fn stack_deletions(&mut self, path: &str, text: &str) {
        match yaml::load_documents(text, &yaml::Options::manifests()) {
            Ok(documents) => {
                for document in documents {
                    match parse_stack_deletions(&document.value) {
                        Ok((pre, post)) => {
                            self.desired.stack_deletions_pre.extend(pre);
                            self.desired.stack_deletions_post.extend(post);
                        }
                        Err(error) => self.entry_error(path, error),
                    }
                }
            }
            Err(error) => self.yaml_error(path, None, error),
        }
    }

    /// Deletions are read before anything else, so that a mistake in them is seen first.
    pub(super) fn deletions(&mut self, values: &BTreeMap<String, Value>) {
        let config = self.input.config.clone();
        for file in config.each("cluster/manifests/deletions.yaml") {
            let path = file.name();
            let Some(text) = self.text(&file, &Scope { pool: None, values }) else {
                continue;
            };
            match yaml::load_documents(&text, &yaml::Options::manifests()) {
                Ok(documents) => {
                    for document in documents {
                        match parse_deletions(&document.value) {
                            Ok(deletions) => {
                                self.desired.deletions.pre_apply.extend(deletions.pre_apply);
                                self.desired.deletions.post_apply.extend(deletions.post_apply);
                            }
                            Err(error) => self.entry_error(&path, error),
                        }
                    }
                }
                Err(error) => self.yaml_error(&path, None, error),
            }
            self.desired.deletions_texts.insert(path, text);
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

    pub(super) fn yaml_error(&mut self, path: &str, pool: Option<&str>, error: yaml::Error) {
        self.errors
            .push(RenderError::new(path, pool, RenderErrorKind::Yaml(error)));
    }

    fn entry_error(&mut self, path: &str, error: DeletionError) {
        let kind = RenderErrorKind::Entry {
            entry: error.entry,
            rule: error.rule,
        };
        self.errors.push(RenderError::new(path, None, kind));
    }
}
