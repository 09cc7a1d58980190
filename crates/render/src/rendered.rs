//! A rendered text and what it means. Equal texts are one, so each meaning is worked out once however many clusters have it.

use std::sync::{Arc, OnceLock};

use crate::deletions::{DeletionError, Deletions, parse_deletions, parse_stack_deletions};
use crate::desired::Content;
use crate::error::RenderErrorKind;
use crate::files::{RemoteFile, parse_files};

/// A meaning, or why there is none.
type Meaning<T> = OnceLock<Box<Result<T, RenderErrorKind>>>;

/// Names of stacks to delete before, and after.
type StackNames = (Vec<String>, Vec<String>);

/// What a file of deletions holds, and its entries that are wrong.
#[derive(Debug, Default)]
pub(crate) struct Found<T> {
    pub(crate) found: T,
    pub(crate) errors: Vec<RenderErrorKind>,
}

/// The text of one template for at least one cluster.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) text: Arc<str>,
    content: Meaning<Arc<Content>>,
    files: Meaning<Arc<[RemoteFile]>>,
    stack_name: Meaning<Option<String>>,
    deletions: OnceLock<Box<Found<Deletions>>>,
    stack_deletions: OnceLock<Box<Found<StackNames>>>,
    packed: OnceLock<Arc<str>>,
}

fn made<T: Clone>(cell: &Meaning<T>, make: impl FnOnce() -> Result<T, RenderErrorKind>) -> Result<T, RenderErrorKind> {
    (**cell.get_or_init(|| Box::new(make()))).clone()
}

impl Rendered {
    pub(crate) fn new(text: Arc<str>) -> Self {
        Self {
            text,
            content: OnceLock::new(),
            files: OnceLock::new(),
            stack_name: OnceLock::new(),
            deletions: OnceLock::new(),
            stack_deletions: OnceLock::new(),
            packed: OnceLock::new(),
        }
    }

    /// The objects of a manifest.
    pub(crate) fn content(&self) -> Result<Arc<Content>, RenderErrorKind> {
        made(&self.content, || crate::manifest::decode(&self.text).map(Arc::new))
    }

    /// The entries of a `files.yaml`.
    pub(crate) fn files(&self) -> Result<Arc<[RemoteFile]>, RenderErrorKind> {
        made(&self.files, || {
            parse_files(&self.text).map(Arc::from).map_err(RenderErrorKind::Yaml)
        })
    }

    /// The name that a stack gives itself; `None` for a text without documents. Nothing else of it is looked at: the text is
    /// passed on as it is.
    pub(crate) fn stack_name(&self) -> Result<Option<String>, RenderErrorKind> {
        made(&self.stack_name, || {
            let documents =
                yaml::load_documents(&self.text, &yaml::Options::manifests()).map_err(RenderErrorKind::Yaml)?;
            let Some(document) = documents.first() else {
                return Ok(None);
            };
            let name = document.value.pointer("/Metadata/StackName");
            match name.and_then(serde_json::Value::as_str) {
                Some(name) => Ok(Some(name.to_owned())),
                None => Err(RenderErrorKind::Unidentified {
                    line: document.line,
                    field: "Metadata.StackName",
                }),
            }
        })
    }

    /// The entries of a `deletions.yaml`.
    pub(crate) fn deletions(&self) -> &Found<Deletions> {
        self.deletions.get_or_init(|| {
            Box::new(self.entries(parse_deletions, |all: &mut Deletions, more| {
                all.pre_apply.extend(more.pre_apply);
                all.post_apply.extend(more.post_apply);
            }))
        })
    }

    /// The stacks to delete before and after.
    pub(crate) fn stack_deletions(&self) -> &Found<StackNames> {
        self.stack_deletions.get_or_init(|| {
            Box::new(self.entries(parse_stack_deletions, |all: &mut StackNames, more| {
                all.0.extend(more.0);
                all.1.extend(more.1);
            }))
        })
    }

    /// Reads each document; wrong ones are told, the others count.
    fn entries<T: Default>(
        &self,
        parse: impl Fn(&serde_json::Value) -> Result<T, DeletionError>,
        add: impl Fn(&mut T, T),
    ) -> Found<T> {
        let mut all = Found::default();
        match yaml::load_documents(&self.text, &yaml::Options::manifests()) {
            Ok(documents) => {
                for document in documents {
                    match parse(&document.value) {
                        Ok(more) => add(&mut all.found, more),
                        Err(DeletionError { entry, rule }) => all.errors.push(RenderErrorKind::Entry { entry, rule }),
                    }
                }
            }
            Err(error) => all.errors.push(RenderErrorKind::Yaml(error)),
        }
        all
    }

    /// User data as launch templates hold it: gzip, then base64.
    pub(crate) fn packed(&self) -> Arc<str> {
        let packed = self.packed.get_or_init(|| crate::packed::pack(&self.text).into());
        Arc::clone(packed)
    }
}
