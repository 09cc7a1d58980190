//! Sets of fields, as managedFields records them.

mod codec;
mod element;

use std::collections::{BTreeMap, BTreeSet};

pub use codec::DecodeError;
pub use element::{Path, PathElement, Scalar};

use crate::schema::{Kind, TypeRef};

/// A set of field paths: a trie whose edges are [`PathElement`]s.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    members: BTreeSet<PathElement>,
    children: BTreeMap<PathElement, FieldSet>,
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
        self.members.is_empty() && self.children.values().all(Self::is_empty)
    }

    /// Number of paths.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len() + self.children.values().map(Self::len).sum::<usize>()
    }

    /// Adds a path. The empty path is not a member of any set.
    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    /// Whether the path is a member.
    #[must_use]
    pub fn contains(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|child| child.contains(rest)),
        }
    }

    /// Whether a path of one element is a member.
    pub(crate) fn has(&self, element: &PathElement) -> bool {
        self.members.contains(element)
    }

    /// The paths below one element.
    #[must_use]
    pub fn below(&self, element: &PathElement) -> Option<&FieldSet> {
        self.children.get(element).filter(|set| !set.is_empty())
    }

    /// Adds a member of one element.
    pub(crate) fn add(&mut self, element: PathElement) {
        self.members.insert(element);
    }

    /// Puts a set below an element.
    pub(crate) fn graft(&mut self, element: PathElement, set: FieldSet) {
        if !set.is_empty() {
            self.children.insert(element, set);
        }
    }

    /// The paths of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.extend(other);
        out
    }

    fn extend(&mut self, other: &Self) {
        self.members.extend(other.members.iter().cloned());
        for (element, child) in &other.children {
            self.children.entry(element.clone()).or_default().extend(child);
        }
    }

    /// The paths of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut out = Self {
            members: self.members.intersection(&other.members).cloned().collect(),
            children: BTreeMap::new(),
        };
        for (element, child) in &self.children {
            if let Some(theirs) = other.children.get(element) {
                out.graft(element.clone(), child.intersection(theirs));
            }
        }
        out
    }

    /// The paths of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut out = Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: BTreeMap::new(),
        };
        for (element, child) in &self.children {
            let rest = match other.children.get(element) {
                Some(theirs) => child.difference(theirs),
                None => child.clone(),
            };
            out.graft(element.clone(), rest);
        }
        out
    }

    /// The paths of this set that neither are in the other nor lie below one of its members.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        let mut out = Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: BTreeMap::new(),
        };
        for (element, child) in self
            .children
            .iter()
            .filter(|(element, _)| !other.members.contains(*element))
        {
            let rest = match other.children.get(element) {
                Some(theirs) => child.recursive_difference(theirs),
                None => child.clone(),
            };
            out.graft(element.clone(), rest);
        }
        out
    }

    /// All paths in order: a member comes before what lies below it.
    #[must_use]
    pub fn paths(&self) -> Vec<Path> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, prefix: &mut Vec<PathElement>, out: &mut Vec<Path>) {
        let elements: BTreeSet<&PathElement> = self.members.iter().chain(self.children.keys()).collect();
        for element in elements {
            prefix.push(element.clone());
            if self.members.contains(element) {
                out.push(Path(prefix.clone()));
            }
            if let Some(child) = self.children.get(element) {
                child.collect(prefix, out);
            }
            prefix.pop();
        }
    }

    /// Adds as members the structs' own fields on the way to deeper paths. An owner of `spec.replicas` then also holds
    /// `spec`, which no set records, so that removal does not leave an empty struct behind.
    pub(crate) fn with_struct_fields(&self, at: Option<TypeRef<'_>>) -> Self {
        let mut out = Self {
            members: self.members.clone(),
            children: BTreeMap::new(),
        };
        for (element, child) in &self.children {
            let next = match (element, at) {
                (PathElement::Field(name), Some(at)) => {
                    if at.field(name).is_some() {
                        out.members.insert(element.clone());
                    }
                    at.child(name)
                }
                (_, Some(at)) => at.element(),
                (_, None) => None,
            };
            out.children.insert(element.clone(), child.with_struct_fields(next));
        }
        out
    }

    /// Fits a set to a schema that has become atomic since the set was written: an owner below an atomic field owns all of it.
    pub(crate) fn reconcile(&self, at: Option<TypeRef<'_>>) -> Self {
        let mut out = Self {
            members: self.members.clone(),
            children: BTreeMap::new(),
        };
        for (element, child) in &self.children {
            let next = match element {
                PathElement::Field(name) => at.and_then(|at| at.child(name)),
                _ => at.and_then(TypeRef::element),
            };
            let atomic = next.is_some_and(|next| match next.kind() {
                Kind::List { kind } => *kind == crate::schema::ListKind::Atomic,
                Kind::Object => next.is_atomic(),
                Kind::Any | Kind::Scalar(_) => false,
            });
            if atomic && !child.is_empty() {
                out.members.insert(element.clone());
            } else {
                out.graft(element.clone(), child.reconcile(next));
            }
        }
        out
    }
}
