//! A configuration tree as a plain value: what a source read at one version, ready for rendering.

use std::collections::BTreeMap;
use std::sync::Arc;

/// One file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Id of the content (a git blob id or a SHA-256), equal for equal content of one source kind.
    pub id: String,
    /// The content.
    pub content: Arc<[u8]>,
}

/// Files of a configuration by path, with symbolic links already followed.
///
/// Paths are relative to the root of the source, with `/` between parts, such as `cluster/manifests/a/b.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigTree {
    /// Id of the version that was read: a commit, or a content hash for a directory.
    pub id: String,
    /// Files in path order.
    pub files: BTreeMap<String, TreeFile>,
}

impl ConfigTree {
    /// Content of the file at this path, as text.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(&self.files.get(path)?.content).ok()
    }
}
