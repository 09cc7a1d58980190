//! What git wants a cluster to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::deletions::Deletions;
use crate::error::RenderError;
use crate::files::RemoteFile;
use crate::items::{DefaultItem, Layer, SharedItems};

/// A CloudFormation stack; its text is passed on as it is, never read and written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Name of the stack.
    pub name: String,
    /// Path of the template.
    pub path: String,
    /// The rendered text.
    pub text: Arc<str>,
}

/// One object of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestObject {
    /// `apiVersion` of the object.
    pub api_version: String,
    /// `kind` of the object.
    pub kind: String,
    /// Namespace as written; `None` when there is none.
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: String,
    /// Line of the rendered text where it starts.
    pub line: usize,
}

/// A rendered text with what it decodes to. Shared between clusters and versions wherever it is equal.
#[derive(Debug, PartialEq)]
pub struct Content {
    /// The text as rendered.
    pub text: Arc<str>,
    /// Its objects in order; empty for a text without documents.
    pub objects: Vec<ManifestObject>,
    /// What the reader tolerated.
    pub warnings: Vec<yaml::Warning>,
}

impl Content {
    /// The whole objects, in the order of `objects`. They are read from the text each time, which is seldom: a fleet's objects
    /// would take gigabytes.
    #[must_use]
    pub fn values(&self) -> Vec<Value> {
        crate::manifest::values(&self.text)
    }
}

/// A rendered manifest file.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Name of the file in its component.
    pub name: String,
    /// Path of the template, with its source.
    pub path: String,
    /// Text and objects.
    pub content: Arc<Content>,
}

/// A directory of manifests, applied together.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// Name: the directory, with its source in front if there are several (fact 13).
    pub name: String,
    /// Files in order.
    pub manifests: Vec<Manifest>,
}

/// How a pool comes to be.
#[derive(Debug, Clone, PartialEq)]
pub enum PoolDefinition {
    /// A CloudFormation stack.
    Stack(Stack),
    /// Objects for Karpenter.
    Provisioners(Arc<Content>),
}

/// A node pool.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredPool {
    /// Name of the pool.
    pub name: String,
    /// Profile of the pool.
    pub profile: String,
    /// The rendered `files.yaml`.
    pub files_text: Option<Arc<str>>,
    /// Its entries.
    pub files: Arc<[RemoteFile]>,
    /// The rendered `userdata.yaml`, plain.
    pub user_data: Option<Arc<str>>,
    /// Stack or provisioners; `None` if they failed to render.
    pub definition: Option<PoolDefinition>,
    /// Digest over all texts of the pool: equal as long as the nodes need not change.
    pub hash: String,
}

/// The etcd stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etcd {
    /// The rendered `files.yaml`.
    pub files_text: Option<Arc<str>>,
    /// Its entries.
    pub files: Arc<[RemoteFile]>,
    /// The stack, if it rendered.
    pub stack: Option<Stack>,
}

/// Something to be looked at that does not stop anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderWarning {
    /// Path of the template.
    pub path: String,
    /// What.
    pub text: String,
}

/// What git wants a cluster to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DesiredCluster {
    /// Id of the cluster.
    pub cluster: String,
    /// Id of the configuration.
    pub config: String,
    /// The version string.
    pub version: String,
    /// The main stack.
    pub main_stack: Option<Stack>,
    /// The etcd stack, if the configuration has one.
    pub etcd: Option<Etcd>,
    /// Extra stacks (`cf-manifests`).
    pub extra_stacks: Vec<Stack>,
    /// Names of extra stacks to delete before the components are applied.
    pub stack_deletions_pre: Vec<String>,
    /// Names of extra stacks to delete after the components are applied.
    pub stack_deletions_post: Vec<String>,
    /// Node pools in the registry's order.
    pub pools: Vec<DesiredPool>,
    /// Components in the order of application.
    pub components: Vec<Component>,
    /// Objects to delete before and after.
    pub deletions: Deletions,
    /// The rendered deletions, by path.
    pub deletions_texts: BTreeMap<String, Arc<str>>,
    /// Config items that the cluster sees, secrets in clear: mask them before showing.
    pub items: SharedItems,
    /// Every default of the configuration, in source order per key.
    pub defaults: Arc<BTreeMap<Arc<str>, Vec<DefaultItem>>>,
    /// Which config items each template read, by its path and `@pool` for templates of pools.
    pub reads: BTreeMap<String, Arc<[Arc<str>]>>,
    /// What to look at.
    pub warnings: Vec<RenderWarning>,
}

impl DesiredCluster {
    /// All texts under the paths of an output directory: `cluster.yaml`, `etcd/`, `manifests/`, `pools/<pool>/`.
    #[must_use]
    pub fn texts(&self) -> BTreeMap<String, Arc<str>> {
        let mut out = BTreeMap::new();
        let mut put = |path: String, text: &Arc<str>| {
            out.insert(path, Arc::clone(text));
        };
        if let Some(stack) = &self.main_stack {
            put("cluster.yaml".to_owned(), &stack.text);
        }
        if let Some(etcd) = &self.etcd {
            if let Some(text) = &etcd.files_text {
                put("etcd/files.yaml".to_owned(), text);
            }
            if let Some(stack) = &etcd.stack {
                put("etcd/stack.yaml".to_owned(), &stack.text);
            }
        }
        for stack in &self.extra_stacks {
            let name = stack.path.rsplit('/').next().unwrap_or(&stack.path);
            put(format!("cf-manifests/{name}"), &stack.text);
        }
        for (path, text) in &self.deletions_texts {
            let single = self.deletions_texts.len() == 1;
            let source = path.split('/').next().unwrap_or_default();
            let name = if single {
                "manifests/deletions.yaml".to_owned()
            } else {
                format!("manifests/{source}/deletions.yaml")
            };
            put(name, text);
        }
        for component in &self.components {
            for manifest in &component.manifests {
                put(
                    format!("manifests/{}/{}", component.name, manifest.name),
                    &manifest.content.text,
                );
            }
        }
        for pool in &self.pools {
            let mut put = |name: &str, text: &Arc<str>| put(format!("pools/{}/{name}", pool.name), text);
            if let Some(text) = &pool.files_text {
                put("files.yaml", text);
            }
            if let Some(text) = &pool.user_data {
                put("userdata.yaml", text);
            }
            match &pool.definition {
                Some(PoolDefinition::Stack(stack)) => put("stack.yaml", &stack.text),
                Some(PoolDefinition::Provisioners(content)) => put("provisioners.yaml", &content.text),
                None => {}
            }
        }
        out
    }

    /// All objects of all components in the order of application.
    pub fn objects(&self) -> impl Iterator<Item = &ManifestObject> {
        let manifests = self.components.iter().flat_map(|component| &component.manifests);
        manifests.flat_map(|manifest| &manifest.content.objects)
    }

    /// The paths of the templates that read this config item, of the cluster or of a pool.
    #[must_use]
    pub fn readers(&self, key: &str) -> Vec<&str> {
        let read = |keys: &[Arc<str>]| keys.iter().any(|read| **read == *key || **read == *"*");
        let readers = self.reads.iter().filter(|(_, keys)| read(keys));
        readers.map(|(path, _)| path.as_str()).collect()
    }
}

/// The desired state with everything that kept it from being complete.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// As much as rendered.
    pub desired: DesiredCluster,
    /// All errors, in the order of the templates.
    pub errors: Vec<RenderError>,
}

impl Outcome {
    /// The desired state if it is complete.
    ///
    /// # Errors
    /// All errors.
    pub fn into_result(self) -> Result<DesiredCluster, Vec<RenderError>> {
        if self.errors.is_empty() {
            Ok(self.desired)
        } else {
            Err(self.errors)
        }
    }
}

/// Where the value of a config item comes from, for `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The key.
    pub key: String,
    /// All layers that set it, the winning one first. Values are in clear: mask them before showing.
    pub layers: Vec<(Layer, String)>,
    /// Pools that set a value of their own.
    pub pools: Vec<(String, String)>,
    /// Templates that read it.
    pub readers: Vec<String>,
}
