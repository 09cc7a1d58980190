//! Which classes and which tallies can concern each other, by namespace: a new one looks at its neighbours and not at all.
//!
//! A cluster of a thousand nodes has tens of thousands of classes (each pod of a DaemonSet and of a StatefulSet is one) and
//! nearly as many tallies; all but a few of them speak of one namespace.

use std::collections::{BTreeMap, BTreeSet};

use super::selector::Selector;
use super::tally::{ClassId, Counted, TallyId, TallyKey};
use super::terms::PodSet;

/// The namespaces whose pods a tally looks at.
enum Reach<'a> {
    Nobody,
    Named(&'a BTreeSet<String>),
    /// Namespaces are selected by their labels, which may change.
    Anywhere,
}

impl<'a> Reach<'a> {
    fn of(key: &'a TallyKey) -> Self {
        let named = |set: &'a PodSet| (set.namespace_selector == Selector::Nothing).then_some(&set.namespaces);
        match &key.counted {
            Counted::Nobody => Self::Nobody,
            // Who is counted belongs to all sets, so one that names its namespaces is enough.
            Counted::Members { sets, .. } => sets.iter().find_map(named).map_or(Self::Anywhere, Self::Named),
            Counted::Carriers { term, .. } => named(&term.pods).map_or(Self::Anywhere, Self::Named),
        }
    }
}

/// Classes and tallies by namespace.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    classes: BTreeMap<String, BTreeSet<ClassId>>,
    tallies: BTreeMap<String, BTreeSet<TallyId>>,
    /// Tallies that may concern pods of any namespace.
    anywhere: BTreeSet<TallyId>,
}

impl Neighbours {
    pub(crate) fn add_class(&mut self, namespace: &str, class: ClassId) {
        add(&mut self.classes, namespace, class);
    }

    pub(crate) fn remove_class(&mut self, namespace: &str, class: ClassId) {
        remove(&mut self.classes, namespace, class);
    }

    pub(crate) fn add_tally(&mut self, key: &TallyKey, tally: TallyId) {
        match Reach::of(key) {
            Reach::Nobody => {}
            Reach::Named(namespaces) => namespaces.iter().for_each(|name| add(&mut self.tallies, name, tally)),
            Reach::Anywhere => drop(self.anywhere.insert(tally)),
        }
    }

    pub(crate) fn remove_tally(&mut self, key: &TallyKey, tally: TallyId) {
        match Reach::of(key) {
            Reach::Nobody => {}
            Reach::Named(namespaces) => namespaces
                .iter()
                .for_each(|name| remove(&mut self.tallies, name, tally)),
            Reach::Anywhere => drop(self.anywhere.remove(&tally)),
        }
    }

    /// The classes whose pods a tally may look at, in order.
    pub(crate) fn classes(&self, key: &TallyKey) -> Vec<ClassId> {
        let mut found: Vec<ClassId> = match Reach::of(key) {
            Reach::Nobody => Vec::new(),
            Reach::Named(namespaces) => {
                let named = namespaces.iter().filter_map(|name| self.classes.get(name));
                named.flatten().copied().collect()
            }
            Reach::Anywhere => self.classes.values().flatten().copied().collect(),
        };
        found.sort_unstable();
        found
    }

    /// The tallies that may look at pods of a namespace, in order.
    pub(crate) fn tallies(&self, namespace: &str) -> Vec<TallyId> {
        let named = self.tallies.get(namespace).into_iter().flatten();
        let mut found: Vec<TallyId> = named.chain(&self.anywhere).copied().collect();
        found.sort_unstable();
        found
    }
}

fn add(table: &mut BTreeMap<String, BTreeSet<usize>>, namespace: &str, id: usize) {
    match table.get_mut(namespace) {
        Some(ids) => drop(ids.insert(id)),
        None => drop(table.insert(namespace.to_owned(), BTreeSet::from([id]))),
    }
}

fn remove(table: &mut BTreeMap<String, BTreeSet<usize>>, namespace: &str, id: usize) {
    if let Some(ids) = table.get_mut(namespace) {
        ids.remove(&id);
        if ids.is_empty() {
            table.remove(namespace);
        }
    }
}
