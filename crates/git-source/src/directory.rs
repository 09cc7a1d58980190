//! A directory on this machine as a source.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use model::config_tree::{ConfigTree, TreeFile};
use ports::config_source::{
    Channel, ChannelChange, ChannelInfo, ChannelKind, ConfigSource, ConfigSourceError, ConfigVersion, Refreshed,
    SourceName,
};
use sha2::{Digest, Sha256};

use crate::walk::{Entry, Kind, TreeAccess, TreeOptions, WalkError, read_tree};

/// The id that the compatible system gives to every state of a directory (fact 1).
const CONSTANT_ID: &str = "<dir>";
/// How many states are kept, so that a cluster can be rendered from what it was resolved to while files are edited.
const KEPT: usize = 4;

/// What a directory's version ids are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DirectoryIds {
    /// A hash of the content, so that edits are seen.
    #[default]
    Content,
    /// Always `<dir>`, as in the compatible system: edits never trigger an update.
    Constant,
}

/// A directory on this machine as a source. Every channel stands for its content at the last refresh.
#[derive(Debug)]
pub struct DirectorySource {
    name: SourceName,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: SourceName,
    path: PathBuf,
    ids: DirectoryIds,
    options: TreeOptions,
    /// States that were read, newest first.
    states: Mutex<VecDeque<Arc<ConfigTree>>>,
}

impl DirectorySource {
    /// A source that reads `path`. Nothing is read yet.
    #[must_use]
    pub fn new(name: SourceName, path: impl Into<PathBuf>, ids: DirectoryIds, options: TreeOptions) -> Self {
        let shared = Shared {
            name: name.clone(),
            path: path.into(),
            ids,
            options,
            states: Mutex::new(VecDeque::new()),
        };
        Self {
            name,
            shared: Arc::new(shared),
        }
    }

    /// The newest state; reads the directory if that never happened.
    async fn newest(&self) -> Result<Arc<ConfigTree>, ConfigSourceError> {
        match self.shared.newest() {
            Some(tree) => Ok(tree),
            None => Ok(self.read().await?.0),
        }
    }

    /// Reads the directory and returns its tree and the id it had before.
    async fn read(&self) -> Result<(Arc<ConfigTree>, Option<String>), ConfigSourceError> {
        let shared = Arc::clone(&self.shared);
        let joined = tokio::task::spawn_blocking(move || shared.read()).await;
        joined.map_err(|error| ConfigSourceError::LocalCopy {
            source_name: self.name.clone(),
            step: "reading the directory",
            cause: Box::new(error),
        })?
    }

    /// The one channel that can be listed.
    fn channel() -> Option<Channel> {
        Channel::new(CONSTANT_ID).ok()
    }
}

impl Shared {
    fn newest(&self) -> Option<Arc<ConfigTree>> {
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .front()
            .cloned()
    }

    fn read(&self) -> Result<(Arc<ConfigTree>, Option<String>), ConfigSourceError> {
        let shown = self.path.display().to_string();
        let root = self.path.canonicalize().map_err(|error| WalkError::read(&shown, error));
        let tree = root.and_then(|root| read_tree(&Files { root }, String::new(), &self.options));
        let mut tree = tree.map_err(|error| error.at(&self.name, CONSTANT_ID))?;
        tree.id = match self.ids {
            DirectoryIds::Content => content_id(&tree),
            DirectoryIds::Constant => CONSTANT_ID.to_owned(),
        };
        let tree = Arc::new(tree);
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let before = states.front().map(|newest| newest.id.clone());
        states.retain(|state| state.id != tree.id);
        states.push_front(Arc::clone(&tree));
        states.truncate(KEPT);
        Ok((tree, before))
    }
}

/// A hash over paths and contents: equal content has an equal id on every machine.
fn content_id(tree: &ConfigTree) -> String {
    let mut hash = Sha256::new();
    for (path, file) in &tree.files {
        // The length keeps a path apart from what follows it, whatever characters it has.
        hash.update(format!("{}:{path}{}", path.len(), file.id));
    }
    let digest = hex::encode(hash.finalize());
    format!("dir-{}", digest.get(..40).unwrap_or(&digest))
}

#[async_trait]
impl ConfigSource for DirectorySource {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn resolve(&self, _channel: &Channel) -> Result<ConfigVersion, ConfigSourceError> {
        Ok(ConfigVersion::from_id(self.newest().await?.id.clone()))
    }

    async fn tree(&self, version: &ConfigVersion) -> Result<Arc<ConfigTree>, ConfigSourceError> {
        self.newest().await?;
        let states = self.shared.states.lock().unwrap_or_else(PoisonError::into_inner);
        states
            .iter()
            .find(|state| state.id == version.id)
            .cloned()
            .ok_or_else(|| ConfigSourceError::Changed {
                source_name: self.name.clone(),
                version: version.id.clone(),
            })
    }

    async fn channels(&self) -> Result<Vec<ChannelInfo>, ConfigSourceError> {
        let version = self.newest().await?.id.clone();
        let info = |channel| ChannelInfo {
            channel,
            kind: ChannelKind::WorkingCopy,
            version,
        };
        Ok(Self::channel().map(info).into_iter().collect())
    }

    async fn refresh(&self) -> Result<Refreshed, ConfigSourceError> {
        let (tree, before) = self.read().await?;
        if before.as_ref() == Some(&tree.id) {
            return Ok(Refreshed::default());
        }
        let kind = ChannelKind::WorkingCopy;
        let change = |channel| ChannelChange {
            channel,
            kind,
            from: before,
            to: Some(tree.id.clone()),
        };
        Ok(Refreshed {
            changes: Self::channel().map(change).into_iter().collect(),
            rebuilt: None,
        })
    }
}

/// Access to files on disk.
struct Files {
    root: PathBuf,
}

impl TreeAccess for Files {
    type Handle = PathBuf;

    fn root(&self) -> PathBuf {
        self.root.clone()
    }

    fn list(&self, dir: &PathBuf, path: &str, most: u64) -> Result<Vec<Entry<PathBuf>>, WalkError> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir).map_err(|error| WalkError::read(path, error))? {
            let entry = entry.map_err(|error| WalkError::read(path, error))?;
            let file_type = entry.file_type().map_err(|error| WalkError::read(path, error))?;
            let kind = match file_type {
                t if t.is_symlink() => Kind::Link,
                t if t.is_dir() => Kind::Dir,
                t if t.is_file() => Kind::File,
                // Sockets, devices and pipes are no configuration, and reading them could wait for ever.
                _ => continue,
            };
            let name = entry.file_name().into_string().map_err(|name| WalkError::NotUtf8 {
                path: format!("{path}/{}", name.to_string_lossy()),
            })?;
            // What git keeps about a working copy is not part of it.
            if name != ".git" {
                if u64::try_from(entries.len()).is_ok_and(|count| count >= most) {
                    return Err(WalkError::too_many(path, most));
                }
                entries.push(Entry {
                    name,
                    kind,
                    handle: entry.path(),
                });
            }
        }
        Ok(entries)
    }

    fn target(&self, link: &PathBuf, path: &str) -> Result<String, WalkError> {
        let target = fs::read_link(link).map_err(|error| WalkError::read(path, error))?;
        target
            .into_os_string()
            .into_string()
            .map_err(|_| WalkError::NotUtf8 { path: path.to_owned() })
    }

    fn size(&self, file: &PathBuf, path: &str) -> Result<u64, WalkError> {
        Ok(metadata(file, path)?.len())
    }

    fn read(&self, file: &PathBuf, path: &str) -> Result<TreeFile, WalkError> {
        let content = fs::read(file).map_err(|error| WalkError::read(path, error))?;
        Ok(TreeFile {
            id: hex::encode(Sha256::digest(&content)),
            content: content.into(),
        })
    }
}

fn metadata(file: &Path, path: &str) -> Result<fs::Metadata, WalkError> {
    fs::symlink_metadata(file).map_err(|error| WalkError::read(path, error))
}
