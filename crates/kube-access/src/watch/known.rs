//! The versions of what was said of a kind, to tell changes from repetitions.

use std::collections::BTreeMap;

/// Versions by namespace and name. Whoever looks one up need not have texts of his own.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<String, BTreeMap<String, String>>);

impl Known {
    /// Notes the version of an object; false if it is known already.
    pub(super) fn note(&mut self, namespace: &str, name: &str, version: &str) -> bool {
        if !self.0.contains_key(namespace) {
            self.0.insert(namespace.to_owned(), BTreeMap::new());
        }
        let Some(names) = self.0.get_mut(namespace) else {
            return false;
        };
        match names.get_mut(name) {
            Some(known) if known == version => false,
            Some(known) => {
                known.clear();
                known.push_str(version);
                true
            }
            None => {
                names.insert(name.to_owned(), version.to_owned());
                true
            }
        }
    }

    /// Forgets an object; false if it was not known.
    pub(super) fn forget(&mut self, namespace: &str, name: &str) -> bool {
        let Some(names) = self.0.get_mut(namespace) else {
            return false;
        };
        let known = names.remove(name).is_some();
        if names.is_empty() {
            self.0.remove(namespace);
        }
        known
    }

    /// Namespaces and names of all objects, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter();
        all.flat_map(|(namespace, names)| names.keys().map(move |name| (namespace.as_str(), name.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_counts() {
        let mut known = Known::default();
        assert!(known.note("x", "b", "1"));
        assert!(known.note("x", "a", "1"));
        assert!(known.note("", "c", "1"));
        assert!(!known.note("x", "a", "1"));
        assert!(known.note("x", "a", "22"));
        assert!(!known.note("x", "a", "22"));
        assert_eq!(known.names().collect::<Vec<_>>(), [("", "c"), ("x", "a"), ("x", "b")]);
        assert!(known.forget("x", "a"));
        assert!(!known.forget("x", "a"));
        assert!(!known.forget("y", "a"));
        assert!(known.note("x", "a", "22"), "it came back");
        assert!(known.forget("", "c"));
        assert_eq!(known.names().count(), 2);
    }
}
