//! What changes between two desired states, and the same edit in many clusters as one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yaml::FieldChange;

use crate::desired::{DesiredCluster, ManifestObject};

/// A changed text; `None` where the file does not exist.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextChange {
    /// Path in the output directory, such as `manifests/a/b.yaml`.
    pub path: String,
    /// Text before.
    pub old: Option<Arc<str>>,
    /// Text after.
    pub new: Option<Arc<str>>,
}

/// Identity of an object in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId {
    /// `apiVersion` without its version.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace, if any.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl ObjectId {
    /// Identity of an object.
    #[must_use]
    pub fn of(object: &ManifestObject) -> Self {
        let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
        Self {
            group: group.to_owned(),
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
        }
    }
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if let Some(namespace) = &self.namespace {
            write!(f, " {namespace}/{}", self.name)
        } else {
            write!(f, " {}", self.name)
        }
    }
}

/// What happens to an object.
#[derive(Debug, Clone, PartialEq)]
pub enum ObjectChange {
    /// It is new.
    Added,
    /// It is in the configuration no more.
    Removed,
    /// These fields differ.
    Changed(Vec<FieldChange>),
}

/// The differences between two desired states of one cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClusterDiff {
    /// Changed texts by path.
    pub texts: Vec<TextChange>,
    /// Changed objects.
    pub objects: BTreeMap<ObjectId, ObjectChange>,
    /// Pools whose nodes will be replaced, since stack, user data or files differ.
    pub pools: Vec<String>,
}

impl ClusterDiff {
    /// True if nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.objects.is_empty()
    }
}

/// Compares two desired states of a cluster.
#[must_use]
pub fn diff(old: &DesiredCluster, new: &DesiredCluster) -> ClusterDiff {
    let (before, after) = (old.texts(), new.texts());
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let texts: Vec<TextChange> = paths
        .into_iter()
        .filter_map(|path| {
            let (old, new) = (before.get(path), after.get(path));
            let same = match (old, new) {
                (Some(old), Some(new)) => Arc::ptr_eq(old, new) || old == new,
                _ => false,
            };
            (!same).then(|| TextChange {
                path: path.clone(),
                old: old.cloned(),
                new: new.cloned(),
            })
        })
        .collect();
    if texts.is_empty() {
        return ClusterDiff::default();
    }
    let pool_hashes = |desired: &DesiredCluster| -> BTreeMap<String, String> {
        let pools = desired.pools.iter();
        pools.map(|pool| (pool.name.clone(), pool.hash.clone())).collect()
    };
    let (old_pools, new_pools) = (pool_hashes(old), pool_hashes(new));
    let names: BTreeSet<&String> = old_pools.keys().chain(new_pools.keys()).collect();
    let pools = names
        .into_iter()
        .filter(|name| old_pools.get(*name) != new_pools.get(*name))
        .cloned()
        .collect();
    ClusterDiff {
        texts,
        objects: object_changes(old, new),
        pools,
    }
}

fn object_changes(old: &DesiredCluster, new: &DesiredCluster) -> BTreeMap<ObjectId, ObjectChange> {
    let index = |desired: &'_ DesiredCluster| -> BTreeSet<*const crate::desired::Content> {
        let manifests = desired.components.iter().flat_map(|component| &component.manifests);
        manifests.map(|manifest| Arc::as_ptr(&manifest.content)).collect()
    };
    let (old_contents, new_contents) = (index(old), index(new));
    // Contents that both share cannot differ, which leaves the few changed files to look at.
    let changed = |desired: &'_ DesiredCluster, other: &BTreeSet<*const crate::desired::Content>| {
        let manifests = desired.components.iter().flat_map(|component| &component.manifests);
        let mut objects = BTreeMap::new();
        for manifest in manifests.filter(|manifest| !other.contains(&Arc::as_ptr(&manifest.content))) {
            let ids = manifest.content.objects.iter().map(ObjectId::of);
            objects.extend(ids.zip(manifest.content.values()));
        }
        objects
    };
    let before = changed(old, &new_contents);
    let after = changed(new, &old_contents);
    let mut changes = BTreeMap::new();
    for (id, value) in &before {
        match after.get(id) {
            None => {
                changes.insert(id.clone(), ObjectChange::Removed);
            }
            Some(next) => {
                let fields = yaml::diff(value, next);
                if !fields.is_empty() {
                    changes.insert(id.clone(), ObjectChange::Changed(fields));
                }
            }
        }
    }
    for id in after.keys().filter(|id| !before.contains_key(*id)) {
        changes.insert(id.clone(), ObjectChange::Added);
    }
    changes
}

/// Lines that go (`-`) and come (`+`), in order.
pub type Edit = Vec<(char, String)>;

/// An edit that is the same in all of these clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldedChange {
    /// The edit: lines that go and come, and the path. Texts differ between clusters; the edit does not.
    pub path: String,
    /// Removed and added lines in order, each with its sign.
    pub lines: Edit,
    /// Ids of the clusters.
    pub clusters: BTreeSet<String>,
}

/// Folds the differences of many clusters: equal edits of the same path become one block.
#[must_use]
pub fn fold<'d>(diffs: impl IntoIterator<Item = (&'d str, &'d ClusterDiff)>) -> Vec<FoldedChange> {
    let mut fold = Fold::default();
    for (cluster, diff) in diffs {
        fold.add(cluster, diff);
    }
    fold.finish()
}

/// The same as [`fold`], cluster by cluster, so that no difference has to be kept.
///
/// ```
/// use render::{ClusterDiff, Fold, TextChange};
///
/// let change = TextChange { path: "manifests/a/a.yaml".into(), old: Some("a\nb\n".into()), new: Some("a\nc\n".into()) };
/// let diff = ClusterDiff { texts: vec![change], ..ClusterDiff::default() };
/// let mut fold = Fold::default();
/// fold.add("one", &diff);
/// fold.add("two", &diff);
/// let blocks = fold.finish();
/// assert_eq!(blocks.len(), 1);
/// assert_eq!(blocks[0].lines, [('-', "b".to_owned()), ('+', "c".to_owned())]);
/// assert_eq!(blocks[0].clusters.len(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Fold {
    blocks: BTreeMap<(String, Edit), BTreeSet<String>>,
    /// The last change of each path with its edit: most clusters change the same text in the same way.
    last: BTreeMap<String, (TextChange, Edit)>,
}

impl Fold {
    /// Adds the difference of one cluster.
    pub fn add(&mut self, cluster: &str, diff: &ClusterDiff) {
        for change in &diff.texts {
            let lines = match self.last.get(&change.path) {
                Some((known, lines)) if known == change => lines.clone(),
                _ => {
                    let lines = edited_lines(change.old.as_deref().unwrap_or(""), change.new.as_deref().unwrap_or(""));
                    let known = (change.clone(), lines.clone());
                    self.last.insert(change.path.clone(), known);
                    lines
                }
            };
            let key = (change.path.clone(), lines);
            self.blocks.entry(key).or_default().insert(cluster.to_owned());
        }
    }

    /// The blocks, sorted by path and edit.
    #[must_use]
    pub fn finish(self) -> Vec<FoldedChange> {
        let blocks = self.blocks.into_iter();
        let folded = blocks.map(|((path, lines), clusters)| FoldedChange { path, lines, clusters });
        folded.collect()
    }
}

/// Most cells of the table that finds the shortest edit; larger changes are shown as a whole.
const TABLE: usize = 4_000_000;

/// The lines that go and come between two texts: the shortest edit, or the whole of both where they are too long to look for it.
#[must_use]
pub fn edited_lines(old: &str, new: &str) -> Edit {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - start;
    let pairs = old.iter().rev().zip(new.iter().rev());
    let end = pairs.take(most).take_while(|(a, b)| a == b).count();
    let old = old.get(start..old.len() - end).unwrap_or_default();
    let new = new.get(start..new.len() - end).unwrap_or_default();
    let signed = |sign: char, line: &str| (sign, line.to_owned());
    if old.len().saturating_mul(new.len()) > TABLE {
        let removed = old.iter().map(|line| signed('-', line));
        return removed.chain(new.iter().map(|line| signed('+', line))).collect();
    }
    // Longest common subsequence of the rest, from the end.
    let width = new.len() + 1;
    let mut table = vec![0u32; (old.len() + 1) * width];
    let cell = |table: &[u32], i: usize, j: usize| table.get(i * width + j).copied().unwrap_or_default();
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let value = if a == b {
                cell(&table, i + 1, j + 1) + 1
            } else {
                cell(&table, i + 1, j).max(cell(&table, i, j + 1))
            };
            if let Some(slot) = table.get_mut(i * width + j) {
                *slot = value;
            }
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => (i, j) = (i + 1, j + 1),
            (Some(a), Some(_)) if cell(&table, i + 1, j) >= cell(&table, i, j + 1) => {
                out.push(signed('-', a));
                i += 1;
            }
            (Some(a), None) => {
                out.push(signed('-', a));
                i += 1;
            }
            (_, Some(b)) => {
                out.push(signed('+', b));
                j += 1;
            }
            (None, None) => return out,
        }
    }
}
