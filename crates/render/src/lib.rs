//! Desired state as a pure function: configuration tree, registry entry and discovered facts in, [`DesiredCluster`] out.
//!
//! A [`Renderer`] reads the tree's layout (main stack, etcd, node pools, components, deletions), works out the config items
//! layer by layer, executes every template and decodes every manifest. The same inputs always give the same bytes, so two
//! versions can be compared for a whole fleet before anything is merged, without credentials to any cluster.
//!
//! What this crate deliberately does not do: it reads no files and no clock, asks no cloud (everything discovered comes as
//! [`Facts`]), starts no threads, and decides nothing about what to do with the result. CloudFormation text is passed through
//! byte for byte.
//!
//! Promises: one failing template gives one clear [`RenderError`] and hides no other; a fact that is missing makes exactly
//! the templates fail that read it; no error text carries a value of a config item; work that cannot have changed since the
//! last rendering of the same cluster is not done again. [`Renderer`] is `Send + Sync`: render many clusters in parallel by
//! sharing one.
//!
//! ```
//! use std::sync::Arc;
//! use model::config_tree::{ConfigTree, TreeFile};
//! use render::{Config, Facts, Input, Renderer};
//!
//! let mut tree = ConfigTree { id: "v1".into(), ..ConfigTree::default() };
//! for (path, text) in [
//!     ("cluster/cluster.yaml", "Description: {{ .Cluster.LocalID }}\n"),
//!     ("cluster/config-defaults.yaml", "replicas: 2\n"),
//!     ("cluster/manifests/web/config.yaml",
//!      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {n: '{{ .Cluster.ConfigItems.replicas }}'}\n"),
//! ] {
//!     let content: Arc<[u8]> = text.as_bytes().into();
//!     tree.files.insert(path.into(), TreeFile { id: text.into(), content });
//! }
//! let cluster: model::Cluster = serde_json::from_value(serde_json::json!({
//!     "id": "aws:1:eu-central-1:kube-1", "alias": "kube-1", "infrastructure_account": "aws:1", "region": "eu-central-1",
//!     "local_id": "kube-1", "provider": "simulated", "api_server_url": "https://kube-1.example.org", "channel": "dev",
//!     "environment": "test", "criticality_level": 1, "lifecycle_status": "ready",
//! }))?;
//! let input = Input::new(Arc::new(cluster), Config::single(Arc::new(tree)), Arc::new(Facts::default()));
//! let outcome = Renderer::new().render(&input);
//! assert!(outcome.errors.is_empty());
//! assert_eq!(outcome.desired.texts()["cluster.yaml"].as_ref(), "Description: kube-1\n");
//! assert_eq!(outcome.desired.objects().next().map(|o| o.name.as_str()), Some("web"));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod apis;
mod config;
mod data;
mod deletions;
mod desired;
mod diff;
mod error;
mod facts;
mod files;
mod functions;
mod input;
mod items;
mod lint;
mod manifest;
mod memo;
mod packed;
mod rendered;
mod renderer;
mod schema;
mod templates;

pub use apis::{KubernetesVersion, RetiredApi, is_namespaced, retired};
pub use config::{Config, Source};
pub use deletions::{DeletionError, Deletions, parse_deletions};
pub use desired::{
    Component, Content, DesiredCluster, DesiredPool, Etcd, Explanation, Manifest, ManifestObject, Outcome,
    PoolDefinition, RenderWarning, Stack,
};
pub use diff::{ClusterDiff, Edit, Fold, FoldedChange, ObjectChange, ObjectId, TextChange, diff, edited_lines, fold};
pub use error::{RenderError, RenderErrorKind};
pub use facts::{Facts, FactsFile, InstanceType};
pub use files::{RemoteFile, parse_files};
pub use input::Input;
pub use items::{DefaultItem, Layer, SharedItems};
pub use lint::{Finding, Rule, Severity, lint};
pub use packed::{keep_packed, pack, unpack};
pub use renderer::Renderer;
pub use schema::{ItemSchema, ItemType, SCHEMA_PATH, Schema};
