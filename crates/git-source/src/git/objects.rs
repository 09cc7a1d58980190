//! Access to the files of a commit in the object database.

use gix::bstr::ByteSlice;
use gix::objs::tree::EntryKind;
use gix::{ObjectId, Repository};
use model::config_tree::TreeFile;

use super::trees::Blobs;
use crate::walk::{Entry, Kind, TreeAccess, WalkError};

/// Bytes of an entry of a tree with the longest name that file systems have: mode, name, end mark and id.
const ENTRY_BYTES: u64 = 7 + 255 + 1 + 20;

/// The tree of a commit.
pub(super) struct Objects<'a> {
    pub(super) repo: &'a Repository,
    pub(super) root: ObjectId,
    pub(super) blobs: &'a Blobs,
}

impl TreeAccess for Objects<'_> {
    type Handle = ObjectId;

    fn root(&self) -> ObjectId {
        self.root
    }

    fn list(&self, dir: &ObjectId, path: &str, most: u64) -> Result<Vec<Entry<ObjectId>>, WalkError> {
        if self.size(dir, path)? > most.saturating_mul(ENTRY_BYTES) {
            return Err(WalkError::too_many(path, most));
        }
        let tree = self
            .repo
            .find_tree(*dir)
            .map_err(|error| WalkError::read(path, error))?;
        let mut entries = Vec::new();
        for entry in tree.iter() {
            let entry = entry.map_err(|error| WalkError::read(path, error))?;
            let kind = match entry.mode().kind() {
                EntryKind::Tree => Kind::Dir,
                EntryKind::Blob | EntryKind::BlobExecutable => Kind::File,
                EntryKind::Link => Kind::Link,
                // A submodule is an empty directory unless it is checked out, and nothing is checked out here.
                EntryKind::Commit => continue,
            };
            let name = entry.filename().to_str().map_err(|_| WalkError::NotUtf8 {
                path: format!("{path}/{}", entry.filename().to_str_lossy()),
            })?;
            entries.push(Entry {
                name: name.to_owned(),
                kind,
                handle: entry.object_id(),
            });
        }
        Ok(entries)
    }

    fn target(&self, link: &ObjectId, path: &str) -> Result<String, WalkError> {
        let mut blob = self
            .repo
            .find_blob(*link)
            .map_err(|error| WalkError::read(path, error))?;
        String::from_utf8(blob.take_data()).map_err(|_| WalkError::NotUtf8 { path: path.to_owned() })
    }

    fn size(&self, file: &ObjectId, path: &str) -> Result<u64, WalkError> {
        match self.blobs.get(file) {
            Some(content) => Ok(u64::try_from(content.len()).unwrap_or(u64::MAX)),
            None => Ok(self
                .repo
                .find_header(*file)
                .map_err(|error| WalkError::read(path, error))?
                .size()),
        }
    }

    fn read(&self, file: &ObjectId, path: &str) -> Result<TreeFile, WalkError> {
        let content = match self.blobs.get(file) {
            Some(content) => content,
            None => {
                let mut blob = self
                    .repo
                    .find_blob(*file)
                    .map_err(|error| WalkError::read(path, error))?;
                self.blobs.insert(*file, blob.take_data().into())
            }
        };
        Ok(TreeFile {
            id: file.to_string(),
            content,
        })
    }
}
