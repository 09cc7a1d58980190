//! Trees that were read, kept for the next cluster, and file contents shared between commits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use gix::ObjectId;
use model::config_tree::ConfigTree;
use ports::config_source::ConfigSourceError;
use tokio::sync::OnceCell;

use super::Shared;
use super::objects::Objects;
use super::snapshot::Snapshot;
use crate::walk::{WalkError, read_tree};

/// How many trees are kept: the channels of a fleet and their last versions. They share most of their files.
const KEPT: usize = 16;

/// A tree that is read once, however many ask for it at the same time.
type Cell = Arc<OnceCell<Arc<ConfigTree>>>;

/// The trees read last, newest use first.
#[derive(Debug, Default)]
pub(super) struct Trees {
    cells: Mutex<VecDeque<(String, Cell)>>,
    blobs: Blobs,
}

impl Trees {
    /// The place of the tree of one commit, empty unless it was read already.
    pub(super) fn cell(&self, id: &str) -> Cell {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cells
            .iter()
            .position(|(known, _)| known == id)
            .and_then(|index| cells.remove(index));
        let entry = known.unwrap_or_else(|| (id.to_owned(), Cell::default()));
        let cell = Arc::clone(&entry.1);
        cells.push_front(entry);
        cells.truncate(KEPT);
        cell
    }
}

/// Contents of files that some tree still holds, by object id.
#[derive(Debug, Default)]
pub(super) struct Blobs(Mutex<BTreeMap<ObjectId, Weak<[u8]>>>);

impl Blobs {
    pub(super) fn get(&self, id: &ObjectId) -> Option<Arc<[u8]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id)?.upgrade()
    }

    pub(super) fn insert(&self, id: ObjectId, content: Arc<[u8]>) -> Arc<[u8]> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::downgrade(&content));
        content
    }

    /// Forgets contents that no tree holds any more.
    fn tidy(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, content| content.strong_count() > 0);
    }
}

impl Shared {
    /// Reads the tree of a commit. Blocks on disk.
    pub(super) fn read_tree(&self, snapshot: &Snapshot, id: &str) -> Result<Arc<ConfigTree>, ConfigSourceError> {
        let unknown = || ConfigSourceError::UnknownVersion {
            source_name: self.name.clone(),
            version: id.to_owned(),
        };
        let commit = ObjectId::from_hex(id.as_bytes()).map_err(|_| unknown())?;
        let repo = snapshot.repo();
        let Some(object) = repo
            .try_find_object(commit)
            .map_err(|error| self.local("reading a commit", error))?
        else {
            return Err(unknown());
        };
        let commit = object.try_into_commit().map_err(|_| unknown())?;
        let root = commit
            .tree_id()
            .map_err(|error| self.local("reading a commit", error))?
            .detach();
        let objects = Objects {
            repo: &repo,
            root,
            blobs: &self.trees.blobs,
        };
        let tree = read_tree(&objects, id.to_owned(), &self.tree_options).map_err(|error| match error {
            // Every object of a commit is in the mirror; one that cannot be read is the mirror's fault.
            WalkError::Read { cause, .. } => self.local("reading the files of a commit", cause),
            error => error.at(&self.name, id),
        })?;
        self.trees.blobs.tidy();
        Ok(Arc::new(tree))
    }
}
