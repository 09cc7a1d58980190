//! Which values a template read: the basis of "which clusters does this item touch".
//!
//! Containers (maps and objects) may carry a provenance name such as `Cluster.ConfigItems`. Every read from such a container is reported to
//! the execution's [`Recorder`], however the template got hold of it: by a path, a variable, `with`, `index` or a `dict`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was read of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Read<'a> {
    /// One member, which may be absent: a template depends on an optional key as well.
    Key(&'a str),
    /// All of it: ranged over, counted, printed or tested for emptiness.
    Whole,
}

/// Is told of every read from a container that has a provenance name.
pub trait Recorder {
    /// A template read something of the container.
    fn read(&mut self, container: &Arc<str>, read: Read<'_>);
}

/// What was read of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Members by name.
    pub keys: BTreeSet<Arc<str>>,
    /// Whether the container was read as a whole.
    pub whole: bool,
}

/// A recorder that keeps the set of reads, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadSet {
    containers: BTreeMap<Arc<str>, Reads>,
}

impl ReadSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was read, by container name.
    pub fn containers(&self) -> &BTreeMap<Arc<str>, Reads> {
        &self.containers
    }

    /// Whether the member was read, by its name or with the whole container.
    pub fn contains(&self, container: &str, key: &str) -> bool {
        self.containers
            .get(container)
            .is_some_and(|reads| reads.whole || reads.keys.contains(key))
    }

    /// The reads as sorted paths; a container that was read as a whole ends in `.*`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for (container, reads) in &self.containers {
            if reads.whole {
                paths.push(join(container, "*"));
            }
            paths.extend(reads.keys.iter().map(|key| join(container, key)));
        }
        paths
    }
}

/// A path below a container; the root's name is empty.
pub(crate) fn join(container: &str, key: &str) -> String {
    if container.is_empty() {
        key.to_owned()
    } else {
        format!("{container}.{key}")
    }
}

impl Recorder for ReadSet {
    fn read(&mut self, container: &Arc<str>, read: Read<'_>) {
        if !self.containers.contains_key(container) {
            self.containers.insert(Arc::clone(container), Reads::default());
        }
        if let Some(reads) = self.containers.get_mut(container) {
            match read {
                Read::Whole => reads.whole = true,
                Read::Key(key) if reads.keys.contains(key) => {}
                Read::Key(key) => {
                    reads.keys.insert(key.into());
                }
            }
        }
    }
}
