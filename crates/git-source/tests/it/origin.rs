//! Repositories made for a test, written object by object so that only fetching needs the git program.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use git_source::{GitLocation, GitOptions, GitSource, TreeOptions};
use gix::ObjectId;
use gix::objs::tree::{Entry, EntryKind};
use gix::refs::transaction::{PreviousValue, RefEdit};
use model::config_tree::ConfigTree;
use ports::config_source::{Channel, ConfigSource, ConfigSourceError, ConfigVersion, SourceName};
use tempfile::TempDir;

/// What stands at a path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Node {
    File(&'static str),
    Exec(&'static str),
    Link(&'static str),
    Submodule,
}

/// An origin, a cache directory, and everything removed at the end.
pub(crate) struct Origin {
    pub(crate) dir: TempDir,
    pub(crate) path: PathBuf,
    repo: gix::Repository,
    clock: Cell<i64>,
}

/// Whether a path can be fetched from here; says so when it cannot.
pub(crate) fn can_fetch() -> bool {
    let found = Command::new("git")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let can = found.is_ok_and(|status| status.success());
    if !can {
        println!("passing over a test that fetches from a path: there is no git program here");
    }
    can
}

impl Origin {
    pub(crate) fn new() -> Self {
        Self::named("config.git")
    }

    pub(crate) fn named(name: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        let repo = gix::init_bare(&path).unwrap();
        Self {
            dir,
            path,
            repo,
            clock: Cell::new(1_700_000_000),
        }
    }

    /// Adds a commit with exactly these files to a branch.
    pub(crate) fn commit(&self, branch: &str, files: &[(&str, Node)]) -> String {
        let name = format!("refs/heads/{branch}");
        let parent = self
            .repo
            .try_find_reference(name.as_str())
            .unwrap()
            .map(|mut r| r.peel_to_id().unwrap().detach());
        let id = self.commit_object(parent, files);
        self.repo.reference(name, id, PreviousValue::Any, "commit").unwrap();
        id.to_string()
    }

    /// A commit with one file below `cluster`.
    pub(crate) fn commit_text(&self, branch: &str, text: &'static str) -> String {
        self.commit(branch, &[("cluster/a.yaml", Node::File(text))])
    }

    pub(crate) fn commit_object(&self, parent: Option<ObjectId>, files: &[(&str, Node)]) -> ObjectId {
        let mut tree = BTreeMap::new();
        for (path, node) in files {
            tree.insert((*path).to_owned(), *node);
        }
        let tree = self.tree(&tree);
        let seconds = self.clock.replace(self.clock.get() + 1);
        let signature = gix::actor::Signature {
            name: "Tester".into(),
            email: "tester@example.org".into(),
            time: gix::date::Time { seconds, offset: 0 },
        };
        let commit = gix::objs::Commit {
            tree,
            parents: parent.into_iter().collect(),
            author: signature.clone(),
            committer: signature,
            encoding: None,
            message: "A change\n\nwith a reason\n".into(),
            extra_headers: Vec::new(),
        };
        self.repo.write_object(&commit).unwrap().detach()
    }

    fn tree(&self, files: &BTreeMap<String, Node>) -> ObjectId {
        let mut dirs: BTreeMap<String, BTreeMap<String, Node>> = BTreeMap::new();
        let mut entries = Vec::new();
        for (path, node) in files {
            if let Some((dir, rest)) = path.split_once('/') {
                dirs.entry(dir.to_owned()).or_default().insert(rest.to_owned(), *node);
                continue;
            }
            let (kind, oid) = match node {
                Node::File(text) => (EntryKind::Blob, self.blob(text)),
                Node::Exec(text) => (EntryKind::BlobExecutable, self.blob(text)),
                Node::Link(target) => (EntryKind::Link, self.blob(target)),
                Node::Submodule => (EntryKind::Commit, ObjectId::from_hex(&[b'1'; 40]).unwrap()),
            };
            entries.push(Entry {
                mode: kind.into(),
                filename: path.as_str().into(),
                oid,
            });
        }
        for (dir, files) in dirs {
            let oid = self.tree(&files);
            entries.push(Entry {
                mode: EntryKind::Tree.into(),
                filename: dir.into(),
                oid,
            });
        }
        entries.sort();
        self.repo.write_object(gix::objs::Tree { entries }).unwrap().detach()
    }

    fn blob(&self, text: &str) -> ObjectId {
        self.repo.write_blob(text).unwrap().detach()
    }

    pub(crate) fn point(&self, reference: &str, commit: &str) {
        let id = ObjectId::from_hex(commit.as_bytes()).unwrap();
        self.repo.reference(reference, id, PreviousValue::Any, "point").unwrap();
    }

    pub(crate) fn annotated_tag(&self, name: &str, commit: &str) {
        let id = ObjectId::from_hex(commit.as_bytes()).unwrap();
        self.repo
            .tag(name, id, gix::objs::Kind::Commit, None, "a release", PreviousValue::Any)
            .unwrap();
    }

    pub(crate) fn blob_tag(&self, name: &str) {
        let blob = self.blob("not a commit");
        self.repo
            .reference(format!("refs/tags/{name}"), blob, PreviousValue::Any, "tag")
            .unwrap();
    }

    pub(crate) fn delete(&self, reference: &str) {
        let name = reference.try_into().unwrap();
        self.repo
            .edit_reference(RefEdit::delete(name, PreviousValue::Any))
            .unwrap();
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    /// The directory of the one mirror in the cache.
    pub(crate) fn mirror_root(&self) -> PathBuf {
        let entries: Vec<_> = std::fs::read_dir(self.cache())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries.into_iter().next().unwrap()
    }

    pub(crate) fn source(&self) -> GitSource {
        self.source_with(TreeOptions::default())
    }

    pub(crate) fn source_with(&self, tree: TreeOptions) -> GitSource {
        source_at(self.path.to_str().unwrap(), &self.cache(), tree)
    }
}

pub(crate) fn source_at(location: &str, cache: &Path, tree: TreeOptions) -> GitSource {
    GitSource::new(
        main_name(),
        GitLocation::parse(location).unwrap(),
        GitOptions::new(cache),
        tree,
    )
}

pub(crate) fn main_name() -> SourceName {
    SourceName::new("main").unwrap()
}

pub(crate) fn channel(name: &str) -> Channel {
    Channel::new(name).unwrap()
}

pub(crate) async fn resolve(source: &dyn ConfigSource, name: &str) -> Result<String, ConfigSourceError> {
    source.resolve(&channel(name)).await.map(|version| version.id)
}

/// The files at a commit, as text by path.
pub(crate) async fn files(source: &dyn ConfigSource, id: &str) -> Result<BTreeMap<String, String>, ConfigSourceError> {
    Ok(texts(&*source.tree(&ConfigVersion::from_id(id)).await?))
}

pub(crate) fn texts(tree: &ConfigTree) -> BTreeMap<String, String> {
    tree.files
        .keys()
        .map(|path| (path.clone(), tree.text(path).unwrap().to_owned()))
        .collect()
}

pub(crate) fn expected(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect()
}
