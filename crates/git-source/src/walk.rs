//! Reading a tree with its symbolic links followed, the same way for git objects and for files on disk.
//!
//! Links are followed part by part as a file system does it, but never out of the source: what a commit means must not
//! depend on the machine that reads it. All bounds are counted while reading, so a hostile tree costs no more than they allow.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use model::config_tree::{ConfigTree, TreeFile};
use ports::config_source::{ConfigSourceError, SourceName};

/// How many links may lie on the way to one file; the usual bound of operating systems.
const MAX_HOPS: u32 = 40;
/// How deep directories may be nested, links included.
const MAX_DEPTH: usize = 64;
/// How deep a directory may lie that a link leads to.
const MAX_PARTS: usize = 4 * MAX_DEPTH;
/// Longest target of a link, in bytes; the usual bound of operating systems. In git a target is a blob of any size.
const MAX_TARGET: u64 = 4_096;
/// How many times [`TreeOptions::max_entries`] the directories may hold that are looked through, those on the way of links included.
const LISTED: u64 = 4;

/// Which part of a source is read, and how much of it at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeOptions {
    /// Paths below the root that are read; they must exist. An empty path is the whole source.
    pub roots: Vec<String>,
    /// Most files and directories in one tree.
    pub max_entries: u64,
    /// Most bytes in one file.
    pub max_file_bytes: u64,
    /// Most bytes in one tree.
    pub max_total_bytes: u64,
}

impl Default for TreeOptions {
    /// The `cluster` directory, which is all that clusters are made from, and bounds far above real trees (fact 48: 250
    /// manifests, 2 MB).
    fn default() -> Self {
        Self {
            roots: vec!["cluster".to_owned()],
            max_entries: 20_000,
            max_file_bytes: 16 * 1024 * 1024,
            max_total_bytes: 256 * 1024 * 1024,
        }
    }
}

/// What stands in a directory; anything else (submodules, sockets) is passed over by [`TreeAccess::list`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Dir,
    File,
    Link,
}

/// One entry of a directory.
#[derive(Debug, Clone)]
pub(crate) struct Entry<H> {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) handle: H,
}

/// Raw access to a tree; `path` is for errors only.
pub(crate) trait TreeAccess {
    /// Names a directory, file or link: an object id or a path on disk.
    type Handle: Clone;

    fn root(&self) -> Self::Handle;
    /// The entries of a directory; [`WalkError::too_many`] if there are more than `most`.
    fn list(&self, dir: &Self::Handle, path: &str, most: u64) -> Result<Vec<Entry<Self::Handle>>, WalkError>;
    fn target(&self, link: &Self::Handle, path: &str) -> Result<String, WalkError>;
    fn size(&self, file: &Self::Handle, path: &str) -> Result<u64, WalkError>;
    fn read(&self, file: &Self::Handle, path: &str) -> Result<TreeFile, WalkError>;
}

/// Why a tree cannot be taken; becomes a [`ConfigSourceError`] with source and version.
#[derive(Debug)]
pub(crate) enum WalkError {
    MissingRoot {
        path: String,
    },
    Outside {
        link: String,
        target: String,
    },
    Dangling {
        link: String,
        target: String,
    },
    Loop {
        link: String,
    },
    NotUtf8 {
        path: String,
    },
    BadName {
        path: String,
        reason: &'static str,
    },
    TooLarge {
        path: String,
        limit: u64,
        unit: &'static str,
    },
    Read {
        path: String,
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl WalkError {
    pub(crate) fn read(path: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Read {
            path: path.to_owned(),
            cause: cause.into(),
        }
    }

    pub(crate) fn too_many(path: &str, limit: u64) -> Self {
        Self::too_large(path, limit, "files and directories")
    }

    fn too_large(path: &str, limit: u64, unit: &'static str) -> Self {
        Self::TooLarge {
            path: path.to_owned(),
            limit,
            unit,
        }
    }

    /// The same with the source and the version that were read.
    pub(crate) fn at(self, source: &SourceName, version: &str) -> ConfigSourceError {
        let (source_name, version) = (source.clone(), version.to_owned());
        match self {
            Self::MissingRoot { path } => ConfigSourceError::MissingPath {
                source_name,
                version,
                path,
            },
            Self::Outside { link, target } => ConfigSourceError::LinkOutside {
                source_name,
                version,
                link,
                target,
            },
            Self::Dangling { link, target } => ConfigSourceError::LinkDangling {
                source_name,
                version,
                link,
                target,
            },
            Self::Loop { link } => ConfigSourceError::LinkLoop {
                source_name,
                version,
                link,
            },
            Self::NotUtf8 { path } => ConfigSourceError::NotUtf8 {
                source_name,
                version,
                path,
            },
            Self::BadName { path, reason } => ConfigSourceError::BadName {
                source_name,
                version,
                path,
                reason,
            },
            Self::TooLarge { path, limit, unit } => ConfigSourceError::TooLarge {
                source_name,
                version,
                path,
                limit,
                unit,
            },
            Self::Read { path, cause } => ConfigSourceError::Read {
                source_name,
                version,
                path,
                cause,
            },
        }
    }
}

/// Reads the wanted parts of a tree.
pub(crate) fn read_tree<A: TreeAccess>(access: &A, id: String, options: &TreeOptions) -> Result<ConfigTree, WalkError> {
    let mut walker = Walker {
        access,
        options,
        listings: BTreeMap::new(),
        files: BTreeMap::new(),
        entries: 0,
        listed: 0,
        bytes: 0,
    };
    for root in &options.roots {
        let root = root.trim_matches('/');
        let mut place = Place { parts: Vec::new() };
        match walker.follow(&mut place, root, root) {
            Ok(Target::Dir) => walker.directory(&place, root, &mut Vec::new())?,
            Ok(Target::File(handle)) => walker.file(&handle, root)?,
            Err(WalkError::Dangling { .. }) => return Err(WalkError::MissingRoot { path: root.to_owned() }),
            Err(error) => return Err(error),
        }
    }
    Ok(ConfigTree {
        id,
        files: walker.files,
    })
}

/// A real directory, without links in its path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    parts: Vec<String>,
}

/// Where a path ends after all links; a directory is left in the [`Place`] that was walked.
enum Target<H> {
    Dir,
    File(H),
}

/// The entries of one directory by name.
type Listing<H> = Rc<BTreeMap<String, (Kind, H)>>;

struct Walker<'a, A: TreeAccess> {
    access: &'a A,
    options: &'a TreeOptions,
    listings: BTreeMap<Place, Listing<A::Handle>>,
    files: BTreeMap<String, TreeFile>,
    entries: u64,
    listed: u64,
    bytes: u64,
}

impl<A: TreeAccess> Walker<'_, A> {
    /// Takes everything in a directory. `active` are the real directories that are being read around this one.
    fn directory(&mut self, place: &Place, shown: &str, active: &mut Vec<Place>) -> Result<(), WalkError> {
        if active.len() >= MAX_DEPTH {
            return Err(too_deep(shown, MAX_DEPTH));
        }
        active.push(place.clone());
        for (name, (kind, handle)) in self.listing(place)?.iter() {
            let path = if shown.is_empty() {
                name.clone()
            } else {
                format!("{shown}/{name}")
            };
            self.count_entry(&path)?;
            match kind {
                Kind::File => self.file(handle, &path)?,
                Kind::Dir => {
                    let mut inner = place.clone();
                    inner.parts.push(name.clone());
                    self.directory(&inner, &path, active)?;
                }
                Kind::Link => {
                    let mut target = place.clone();
                    match self.follow(&mut target, name, &path)? {
                        Target::File(handle) => self.file(&handle, &path)?,
                        Target::Dir if active.contains(&target) => return Err(WalkError::Loop { link: path }),
                        Target::Dir => self.directory(&target, &path, active)?,
                    }
                }
            }
        }
        active.pop();
        Ok(())
    }

    fn file(&mut self, handle: &A::Handle, path: &str) -> Result<(), WalkError> {
        let size = self.access.size(handle, path)?;
        if size > self.options.max_file_bytes {
            return Err(WalkError::too_large(
                path,
                self.options.max_file_bytes,
                "bytes in a file",
            ));
        }
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.options.max_total_bytes {
            return Err(WalkError::too_large(path, self.options.max_total_bytes, "bytes"));
        }
        self.files.insert(path.to_owned(), self.access.read(handle, path)?);
        Ok(())
    }

    fn count_entry(&mut self, path: &str) -> Result<(), WalkError> {
        self.entries += 1;
        if self.entries > self.options.max_entries {
            return Err(WalkError::too_many(path, self.options.max_entries));
        }
        Ok(())
    }

    /// Walks `path` from `place`, through links, staying inside the source. `link` is the path that errors name.
    fn follow(&mut self, place: &mut Place, path: &str, link: &str) -> Result<Target<A::Handle>, WalkError> {
        let mut shown_target = path.to_owned();
        let mut pending: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let mut hops = 0;
        while let Some(part) = pending.pop_front() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    if place.parts.pop().is_none() {
                        return Err(WalkError::Outside {
                            link: link.to_owned(),
                            target: shown_target,
                        });
                    }
                    continue;
                }
                _ => {}
            }
            let dangling = || WalkError::Dangling {
                link: link.to_owned(),
                target: shown_target.clone(),
            };
            let (kind, handle) = self.listing(place)?.get(&part).cloned().ok_or_else(dangling)?;
            match kind {
                Kind::Dir if place.parts.len() >= MAX_PARTS => return Err(too_deep(link, MAX_PARTS)),
                Kind::Dir => place.parts.push(part),
                Kind::File if pending.is_empty() => return Ok(Target::File(handle)),
                // A slash after a file makes it a directory that is not there, as operating systems see it.
                Kind::File => return Err(dangling()),
                Kind::Link => {
                    hops += 1;
                    if hops > MAX_HOPS {
                        return Err(WalkError::Loop { link: link.to_owned() });
                    }
                    if self.access.size(&handle, link)? > MAX_TARGET {
                        return Err(WalkError::too_large(link, MAX_TARGET, "bytes in the target of a link"));
                    }
                    let target = self.access.target(&handle, link)?;
                    if target.starts_with('/') {
                        return Err(WalkError::Outside {
                            link: link.to_owned(),
                            target,
                        });
                    }
                    for part in target.split('/').rev() {
                        pending.push_front(part.to_owned());
                    }
                    shown_target = target;
                }
            }
        }
        Ok(Target::Dir)
    }

    fn listing(&mut self, place: &Place) -> Result<Listing<A::Handle>, WalkError> {
        if let Some(listing) = self.listings.get(place) {
            return Ok(Rc::clone(listing));
        }
        let path = place.parts.join("/");
        let handle = match place.parts.split_last() {
            None => self.access.root(),
            Some((name, parents)) => {
                let parent = self.listing(&Place {
                    parts: parents.to_vec(),
                })?;
                let entry = parent.get(name).map(|(_, handle)| handle.clone());
                entry.ok_or_else(|| WalkError::read(&path, "the directory went away"))?
            }
        };
        let most = self.options.max_entries.saturating_mul(LISTED);
        let entries = self.access.list(&handle, &path, most)?;
        self.listed = self
            .listed
            .saturating_add(u64::try_from(entries.len()).unwrap_or(u64::MAX));
        if self.listed > most {
            return Err(WalkError::too_many(&path, most));
        }
        for entry in &entries {
            check_name(&entry.name, &path)?;
        }
        let listing: Listing<A::Handle> = Rc::new(
            entries
                .into_iter()
                .map(|entry| (entry.name, (entry.kind, entry.handle)))
                .collect(),
        );
        self.listings.insert(place.clone(), Rc::clone(&listing));
        Ok(listing)
    }
}

fn too_deep(path: &str, levels: usize) -> WalkError {
    let limit = u64::try_from(levels).unwrap_or(u64::MAX);
    WalkError::too_large(path, limit, "levels of directories")
}

/// A git tree may hold names that no file system has, and a path made of them would mean another file to whoever writes it to disk. Names
/// with control characters would break the lines of logs.
fn check_name(name: &str, dir: &str) -> Result<(), WalkError> {
    let reason = match name {
        "" => "it is empty",
        "." | ".." => "it means a directory",
        name if name.contains('/') => "it holds a slash",
        name if name.chars().any(char::is_control) => "it holds control characters",
        _ => return Ok(()),
    };
    Err(WalkError::BadName {
        path: format!("{dir}/{name}"),
        reason,
    })
}
