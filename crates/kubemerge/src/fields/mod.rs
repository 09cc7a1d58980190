//! Sets of fields, as managedFields records them.

mod codec;
mod element;

use std::collections::BTreeMap;

pub use codec::DecodeError;
pub(crate) use codec::escaped;
pub(crate) use element::numbers;
pub use element::{Path, PathElement, Scalar};

use crate::schema::{Kind, ListKind, TypeRef};

/// A set of field paths: a trie whose edges are [`PathElement`]s.
///
/// No node of the trie is without a member at or below it, so that equal sets are equal values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    nodes: BTreeMap<PathElement, Node>,
}

/// What a set holds at one element and below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    member: bool,
    below: FieldSet,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl FieldSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A set of paths of field names.
    #[must_use]
    pub fn of_names(paths: &[&[&str]]) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(&path.iter().map(|name| PathElement::field(name)).collect::<Vec<_>>());
        }
        set
    }

    /// Whether it holds no path.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Number of paths.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes
            .values()
            .map(|node| usize::from(node.member) + node.below.len())
            .sum()
    }

    /// Adds a path. The empty path is not a member of any set.
    pub fn insert(&mut self, path: &[PathElement]) {
        let Some((last, above)) = path.split_last() else { return };
        let set = above.iter().fold(self, |set, element| {
            &mut set.nodes.entry(element.clone()).or_default().below
        });
        set.nodes.entry(last.clone()).or_default().member = true;
    }

    /// Whether the path is a member.
    #[must_use]
    pub fn contains(&self, path: &[PathElement]) -> bool {
        let Some((last, above)) = path.split_last() else {
            return false;
        };
        let mut set = self;
        for element in above {
            match set.nodes.get(element) {
                Some(node) => set = &node.below,
                None => return false,
            }
        }
        set.has(last)
    }

    /// Whether a path of one element is a member.
    pub(crate) fn has(&self, element: &PathElement) -> bool {
        self.nodes.get(element).is_some_and(|node| node.member)
    }

    /// The paths below one element.
    #[must_use]
    pub fn below(&self, element: &PathElement) -> Option<&FieldSet> {
        self.nodes
            .get(element)
            .map(|node| &node.below)
            .filter(|set| !set.is_empty())
    }

    /// Puts a member, the paths below it, or both.
    pub(crate) fn put(&mut self, element: PathElement, member: bool, below: FieldSet) {
        let node = Node { member, below };
        if !node.is_empty() {
            self.nodes.insert(element, node);
        }
    }

    /// The paths of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.extend(other);
        out
    }

    /// Adds the paths of another set.
    pub(crate) fn extend(&mut self, other: &Self) {
        for (element, theirs) in &other.nodes {
            match self.nodes.get_mut(element) {
                Some(node) => {
                    node.member |= theirs.member;
                    node.below.extend(&theirs.below);
                }
                None => {
                    self.nodes.insert(element.clone(), theirs.clone());
                }
            }
        }
    }

    /// The paths of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if other.nodes.len() < self.nodes.len() {
            return other.intersection(self);
        }
        let mut out = Self::new();
        for (element, node) in &self.nodes {
            if let Some(theirs) = other.nodes.get(element) {
                let below = node.below.intersection(&theirs.below);
                out.put(element.clone(), node.member && theirs.member, below);
            }
        }
        out
    }

    /// The paths of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.subtract(other);
        out
    }

    /// Takes the paths of another set away.
    pub(crate) fn subtract(&mut self, other: &Self) {
        for (element, theirs) in &other.nodes {
            let Some(node) = self.nodes.get_mut(element) else {
                continue;
            };
            node.member &= !theirs.member;
            node.below.subtract(&theirs.below);
            if node.is_empty() {
                self.nodes.remove(element);
            }
        }
    }

    /// Whether every path of this set is in the other.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.nodes.iter().all(|(element, node)| {
            let theirs = other.nodes.get(element);
            theirs.is_some_and(|theirs| (!node.member || theirs.member) && node.below.is_within(&theirs.below))
        })
    }

    /// Takes away the paths of another set and all that lies below them.
    pub(crate) fn subtract_recursively(&mut self, other: &Self) {
        for (element, theirs) in &other.nodes {
            let Some(node) = self.nodes.get_mut(element) else {
                continue;
            };
            if !theirs.member {
                node.below.subtract_recursively(&theirs.below);
            }
            if theirs.member || node.is_empty() {
                self.nodes.remove(element);
            }
        }
    }

    /// All paths, in the order in which the API server lists conflicts: first the members of a level, then what lies deeper.
    #[must_use]
    pub fn paths(&self) -> Vec<Path> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, prefix: &mut Vec<PathElement>, out: &mut Vec<Path>) {
        for (element, _) in self.nodes.iter().filter(|(_, node)| node.member) {
            let mut path = prefix.clone();
            path.push(element.clone());
            out.push(Path(path));
        }
        for (element, node) in &self.nodes {
            prefix.push(element.clone());
            node.below.collect(prefix, out);
            prefix.pop();
        }
    }

    /// Adds as members the structs' own fields on the way to deeper paths. An owner of `spec.replicas` then also holds
    /// `spec`, which no set records, so that removal does not leave an empty struct behind.
    pub(crate) fn with_struct_fields(mut self, at: TypeRef<'_>) -> Self {
        self.fill(at);
        self
    }

    fn fill(&mut self, at: TypeRef<'_>) {
        for (element, node) in self.nodes.iter_mut().filter(|(_, node)| !node.below.is_empty()) {
            if let PathElement::Field(name) = element {
                node.member |= at.field(name).is_some();
            }
            if let Some(next) = step(at, element) {
                node.below.fill(next);
            }
        }
    }

    /// Fits a set to a schema that has become atomic since the set was written: an owner below an atomic field owns all of it.
    pub(crate) fn reconcile(&mut self, at: TypeRef<'_>) {
        for (element, node) in self.nodes.iter_mut().filter(|(_, node)| !node.below.is_empty()) {
            let Some(next) = step(at, element) else { continue };
            let atomic = match next.kind() {
                Kind::List { kind } => *kind == ListKind::Atomic,
                Kind::Object => next.is_atomic(),
                Kind::Any | Kind::Scalar(_) => false,
            };
            if atomic {
                *node = Node {
                    member: true,
                    below: Self::new(),
                };
            } else {
                node.below.reconcile(next);
            }
        }
    }
}

/// The type behind one step of a path.
fn step<'a>(at: TypeRef<'a>, element: &PathElement) -> Option<TypeRef<'a>> {
    match element {
        PathElement::Field(name) => at.child(name),
        _ => at.element(),
    }
}
